"""The prompt: one function builds it for serving, training and evaluation, so that they never drift apart.

Passages are data, not instructions: each stands between fence lines that hold a token no passage contains, so a passage
cannot close its own fence (OWASP LLM01). Control tokens of any chat template are broken up, whichever engine reads the
prompt, so that no text can start a turn.

Passages come before the turns of the thread, so that a follow-up over the same passages begins like the question before
it, and an engine need not read them twice.
"""

from __future__ import annotations

import hashlib
import re
from itertools import count
from typing import TYPE_CHECKING

from bot.domain.documents.rendering import with_plain_numbers
from bot.domain.generation import Reserved
from bot.domain.questions import PROMPT_TURNS, ChatMessage
from bot.inference.control_tokens import without_control
from bot.language.words import mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.domain.questions import Passage, Turn

REFUSAL = "I don't find this."
GROUNDED = (
    "You answer questions of employees. Use only the numbered passages. "
    "Answer in one to three short sentences and end with the passage's number, like [1]. "
    f"If the passages do not hold the answer, say: {REFUSAL}"
)
UNGROUNDED = "You are the {title} assistant of a company. Answer the question of an employee or customer."
ASKED = "Question: "
_OPENING = re.compile(r"\[(\d+ \w+)\]\n")
_SOURCE = re.compile(r"\s?See also \[\d+\](?:, \[\d+\])*\.|\s\[\d+\]|(?<![\w$}\s])\[\d+\]")

PROMPT_VERSION = "3-" + hashlib.sha256((GROUNDED + UNGROUNDED).encode()).hexdigest()[:8]
"""Stored with every answer and every adapter; changes whenever the wording above does."""


def unless_sure(chance: float) -> Reserved | None:
    """Reserve the refusal for when the model is at least this sure of it; ``None`` if any chance will do."""
    return Reserved(REFUSAL, chance) if chance else None


def build_messages(  # noqa: PLR0913 - everything a prompt is made of, by name
    question: str,
    passages: Sequence[Passage],
    *,
    title: str,
    instructions: str = "",
    glossary: Mapping[str, str] | None = None,
    history: Sequence[Turn] = (),
    extra: Sequence[str] = (),
) -> tuple[ChatMessage, ...]:
    """Build the prompt of one question.

    :param passages: in the order of their numbers; none means that the model answers from what it was taught.
    :param title: the department's title, such as "Travel".
    :param glossary: the department's terms; those that the thread's questions use stand above the last question.
    :param history: earlier turns of the thread, of which the last :data:`~bot.domain.questions.PROMPT_TURNS` are kept.
    :param extra: further instruction lines from plugins.
    """
    lines = [GROUNDED if passages else UNGROUNDED.format(title=title), instructions, *extra]
    history = history[-PROMPT_TURNS:]
    terms = _glossary_lines(glossary or {}, [question, *(turn.question for turn in history)])
    system = ChatMessage("system", "\n".join(line for line in lines if line))
    label = ASKED if passages else ""
    first, *rest = _turns(history, question, label=label, terms=terms)
    if passages:
        first = ChatMessage("user", f"{fence(passages)}\n\n{first.content}")
    return tuple(ChatMessage(each.role, without_control(each.content)) for each in (system, first, *rest))


def fence(passages: Sequence[Passage]) -> str:
    """Return the numbered passages between fence lines that their text cannot contain."""
    token = _absent("\n".join(f"{passage.heading}\n{passage.text}" for passage in passages))
    numbered = enumerate(passages, start=1)
    return "\n".join(f"[{n} {token}]\n{one.heading}\n{one.text}\n[/{n} {token}]" for n, one in numbered)


def portions(passages: Sequence[Passage], at_once: int) -> list[Sequence[Passage]]:
    """Return the passages of one prompt after the other, at most ``at_once`` each; 0 means all in one."""
    size = at_once or len(passages) or 1
    return [passages[start : start + size] for start in range(0, len(passages), size)] or [()]


def fenced(prompt: str) -> list[str]:
    """Return the passages of a prompt, each with its heading line, in the order of their numbers."""
    found = []
    end = 0
    while opening := _OPENING.search(prompt, end):
        start, end = opening.end(), prompt.find(f"\n[/{opening[1]}]", opening.end())
        if end < 0:
            break  # a question that only looks like a passage: the fences came before it
        found.append(prompt[start:end])
    return found


def _turns(history: Sequence[Turn], question: str, *, label: str, terms: str) -> list[ChatMessage]:
    """Return the thread as messages.

    An earlier answer loses its sources' numbers, because they counted other passages. One that said that nothing was
    found is the refusal that the model knows. What was said without an answer stands before the next question.
    """
    messages, said = [], ""
    for turn in history:
        said += turn.question
        if turn.answer:
            answer = REFUSAL if turn.refused else with_plain_numbers(_SOURCE.sub("", turn.answer))
            messages += [ChatMessage("user", f"{label}{said}"), ChatMessage("assistant", answer)]
        said = "" if turn.answer else f"{said}\n"
    return [*messages, ChatMessage("user", f"{terms}{label}{said}{question}")]


def _absent(text: str) -> str:
    """Return a short token, the same for the same text, that the text does not contain."""
    tokens = (hashlib.sha256(f"{text}{attempt}".encode()).hexdigest()[:4] for attempt in count())
    return next(token for token in tokens if token not in text)


def _glossary_lines(glossary: Mapping[str, str], questions: Sequence[str]) -> str:
    asked = " ".join(questions)
    return "".join(f"{term} means {meaning}.\n" for term, meaning in glossary.items() if mentions(asked, term))
