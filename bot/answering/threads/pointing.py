"""Messages that only point to what others said: "can you help with this?", "any idea?", "is that true?".

Like courtesies, they are told by consisting of such words from beginning to end.
"""

from __future__ import annotations

from bot.answering.threads.courtesy import without_courtesies
from bot.language.words import words

LONGEST = 120
"""Longest message that is looked at, in characters."""

_WORDS = """
    a about above advise an and answer any anyone anything are asking assist at bot can check could do does explain for
    friend handle have help here how i idea ideas in into is it know let look me mentee my of on opinion or our please
    pls question read really reply respond right s say see so solve somebody someone take tell that the their them there
    these they think this those thought thoughts to true u up us we what whats will with would you your
    bitte dabei das dazu dies diese du er es frage haben helfen hier ich ihm ihr ihre jemand kann kannst konnen konntest
    meinst mir mit oben sagst schau sie stimmt uns was weiss weisst wir zu beantworten antworten
    aider ca cela cette ceci est il la nous peux peut peuvent penses pensez pouvez question qu que repondre sais savez
    ce stp svp tu un une vous vrai en de
    alguien alguna ayudar con cierto contestar el eso esta esto favor nos opinas por pregunta puede puedes que responder
    sabe sabes
"""
_POINTING = frozenset(_WORDS.split())


def only_points(text: str) -> bool:
    """Return whether a message asks about something said elsewhere, and says nothing of it itself."""
    return len(text) <= LONGEST and all(word in _POINTING for word in words(without_courtesies(text)))
