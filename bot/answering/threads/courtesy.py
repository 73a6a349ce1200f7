"""Greetings, thanks and the like: messages that ask nothing.

A message is a courtesy only if it consists of such phrases from its first word to its last, so that a question with
thanks before it stays a question. Phrases are known in several languages; in others, the message is searched for.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Courtesy = Literal["greeting", "thanks", "farewell", "nod"]
"""``nod``: the message only says that it has been read, such as "ok" or a thumb."""

REPLIES: dict[Courtesy, str] = {
    "greeting": "Hello! What would you like to know?",
    "thanks": "You're welcome.",
    "farewell": "Goodbye!",
    "nod": "Good. Ask me whenever you need something else.",
}

LONGEST = 80
"""Longest message that is looked at, in characters."""

_PHRASES: dict[Courtesy, str] = {
    "greeting": """
        hi, hello, hey, heya, hiya, howdy, greetings, good morning, good afternoon, good evening, good day,
        how are you, how are you doing, how's it going, nice to meet you,
        hallo, hei, moin, servus, grüezi, guten morgen, guten tag, guten abend, wie geht's, wie geht es dir,
        bonjour, bonsoir, salut, coucou, ça va, hola, buenos días, buenas, buenas tardes, buenas noches, qué tal,
        ciao, buongiorno, buonasera, olá, oi, bom dia, boa tarde, boa noite, goedemorgen, goedemiddag, hej, god morgen,
        cześć, dzień dobry, привет, здравствуйте, добрый день, merhaba,
        こんにちは, おはよう, おはようございます, 你好, 您好, 안녕, 안녕하세요, مرحبا
    """,
    "thanks": """
        thanks, thank you, thank u, thx, thnx, tnx, ty, tysm, cheers, much appreciated, appreciate it, i appreciate it,
        i appreciate that, many thanks, danke, vielen dank, besten dank, herzlichen dank, dankeschön, danke schön,
        merci, merci beaucoup, gracias, muchas gracias, mil gracias, grazie, grazie mille, obrigado, obrigada,
        muito obrigado, muito obrigada, valeu, dank je, dank je wel, dank u, bedankt, tack, tack så mycket, tak, takk,
        kiitos, dziękuję, dzięki, спасибо, teşekkürler, teşekkür ederim, ありがとう, ありがとうございます,
        ありがとうございました, 谢谢, 谢谢你, 谢谢您, 謝謝, 多谢, 감사합니다, 고마워, 고마워요, شكرا
    """,
    "farewell": """
        bye, goodbye, see you, see you later, see you tomorrow, see you soon, see ya, have a nice day, have a good day,
        have a great day, have a good one, have a nice weekend, have a good weekend, have a great weekend,
        have a good evening, take care, good night, tschüss, tschüs, auf wiedersehen, bis bald, bis dann, bis später,
        bis morgen, schönen tag, schönen tag noch, schönes wochenende, au revoir, à bientôt, bonne journée, adiós,
        hasta luego, arrivederci, tchau, até logo, tot ziens, hej då, до свидания, пока, 再见, さようなら
    """,
    "nod": """
        ok, okay, okey, okie, k, kk, alright, all right, right, sure, fine, yes, yep, yeah, yup, no, nope, no problem,
        no worries, np, never mind, nevermind, nvm, good, great, nice, cool, perfect, excellent, awesome, amazing,
        wonderful, brilliant, fantastic, super, lovely, sweet, wow, exactly, correct, got it, i got it, i see,
        i understand, understood, makes sense, that makes sense, noted, will do, sounds good, good to know, well done,
        good job, that worked, this worked, it worked, that works, this works, it works, works now, worked, solved,
        done, that helps, this helps, it helps, that helped, this helped, it helped, that did it, that solved it,
        that fixed it, problem solved, that's it, that's great, that's perfect, that's helpful, that's good,
        that's fine, that's all, that's clear, that's right, that is great, that is perfect, that is helpful,
        that is all, that is what i needed, that was what i needed, that's what i needed, just what i needed,
        exactly what i needed, very helpful, helpful, lol, haha, hehe, hmm, hm, mhm, ah, aha, oh,
        gut, prima, alles klar, klar, verstanden, passt, genau, ja, nein, d'accord, parfait, compris, oui, non, vale,
        perfecto, entendido, de acuerdo, sí, bueno, va bene, perfetto, capito, certo, perfeito, entendi, begrepen,
        goed, хорошо, понятно, да, 好的, 好, 明白, 明白了, 了解, 了解です, 了解しました, はい, わかりました, 네,
        알겠습니다
    """,
}
_FILLERS = """
    so, very, really, much, a lot, lots, a million, a bunch, again, too, also, and, then, now, you, all, today, just,
    everyone, everybody, team, folks, guys, there, bot, mentee, mate, please, for the help, for your help,
    for all your help, for helping, for the answer, for the info, for your time, for that, for this, indeed,
    sehr, bitte, schön, nochmal, beaucoup, bien, muy, mucho, tanto, por favor, большое
"""
_ORDER: tuple[Courtesy, ...] = ("thanks", "farewell", "greeting", "nod")
"""Which phrase decides about a message that has several: "hi, thanks!" thanks."""
_EMOJI_CODE = re.compile(r":[a-z0-9_+'-]{1,64}:(?::skin-tone-\d:)?")
_ASKS = re.compile("[?\uff1f\u061f\u037e\u2753\u2754]")
_SEPARATORS = re.compile(r"(?:(?!')[\W_])+")
_CLAUSE = re.compile(
    r"(?<![,.;:!?\n\u2013\u2014-])[,.;:!?\n\u2013\u2014-]+\s+|(?<!\s)\s+(?=and\b|but\b)", re.IGNORECASE
)


def _plain(text: str) -> str:
    """Return a message as phrases are written here: lower case, single spaces, no marks and emoji."""
    even = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return _SEPARATORS.sub(" ", _EMOJI_CODE.sub(" ", even)).strip(" '")


def _phrases(listed: str) -> frozenset[str]:
    return frozenset(map(_plain, listed.split(",")))


_KINDS = {kind: _phrases(listed) for kind, listed in _PHRASES.items()}
_OTHERS = _phrases(_FILLERS)
_MOST_WORDS = max(len(phrase.split()) for phrases in (*_KINDS.values(), _OTHERS) for phrase in phrases)


def courtesy(text: str) -> Courtesy | None:
    """Return which courtesy a message is, or ``None`` if it may ask something."""
    if len(text) > LONGEST or not text.strip():
        return None
    words = _plain(text).split()
    if not words and _ASKS.search(text):
        return None  # "?" asks about what was said before
    found: set[Courtesy] = set() if words else {"nod"}
    start = 0
    while start < len(words):
        ends = range(min(start + _MOST_WORDS, len(words)), start, -1)
        end = next((end for end in ends if _known(" ".join(words[start:end]))), None)
        if end is None:
            return None
        phrase = " ".join(words[start:end])
        found |= {kind for kind, phrases in _KINDS.items() if phrase in phrases}
        start = end
    return next((kind for kind in _ORDER if kind in found), None)


def without_courtesies(text: str) -> str:
    """Return a message without the courtesies that it begins with: "for contractors?" of "ok, for contractors?"."""
    rest = text.strip()
    while (end := _first_courtesy(rest)) is not None:
        rest = rest[end:].strip()
    return rest


def _first_courtesy(text: str) -> int | None:
    """Return where the text goes on after the courtesy that it begins with; ``None`` if it begins with none."""
    clauses = _CLAUSE.finditer(text, 0, LONGEST)
    ends = (clause.end() for clause in clauses if text[clause.end() :].strip() and courtesy(text[: clause.start()]))
    return next(ends, None)


def _known(phrase: str) -> bool:
    return phrase in _OTHERS or any(phrase in phrases for phrases in _KINDS.values())
