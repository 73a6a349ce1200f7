"""The prompt: one function builds it for serving, for training and for evaluation, so that the three never drift.

Passages are data, not instructions: each stands between fence lines that hold a token taken from the passages' own
hash, so a passage cannot close its own fence (OWASP LLM01).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bot.messages import ChatMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.messages import Passage, Turn

GROUNDED = (
    "You answer questions of employees. Use only the numbered passages. "
    "Answer in one to three short sentences and put the passage's number after each, like [1]. "
    "If the passages do not hold the answer, say: I don't find this."
)
UNGROUNDED = "You are the {title} assistant of a company. Answer the question of an employee or customer."
HISTORY_TURNS = 2

PROMPT_VERSION = "1-" + hashlib.sha256((GROUNDED + UNGROUNDED).encode()).hexdigest()[:8]
"""Stored with every answer and every adapter; changes whenever the wording above does."""


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
    :param glossary: the department's terms; only those that occur in the question or passages are shown.
    :param history: earlier turns of the thread, of which the last :data:`HISTORY_TURNS` are kept.
    :param extra: further instruction lines from plugins.
    """
    lines = [GROUNDED if passages else UNGROUNDED.format(title=title), instructions, *extra]
    lines += _glossary_lines(glossary or {}, question, passages)
    messages = [ChatMessage("system", "\n".join(line for line in lines if line))]
    for turn in history[-HISTORY_TURNS:]:
        messages += [ChatMessage("user", turn.question), ChatMessage("assistant", turn.answer)]
    asked = f"{fence(passages)}\n\nQuestion: {question}" if passages else question
    return (*messages, ChatMessage("user", asked))


def fence(passages: Sequence[Passage]) -> str:
    """Return the numbered passages between fence lines that their text cannot contain."""
    token = hashlib.sha256("".join(passage.text for passage in passages).encode()).hexdigest()[:8]
    blocks = [
        f"<passage {n} {token}>\n{passage.heading}\n{passage.text}\n</passage {n} {token}>"
        for n, passage in enumerate(passages, start=1)
    ]
    return "\n".join(blocks)


def _glossary_lines(glossary: Mapping[str, str], question: str, passages: Sequence[Passage]) -> list[str]:
    shown = " ".join([question, *(passage.text for passage in passages)]).lower()
    return [f"{term} means {meaning}." for term, meaning in glossary.items() if term.lower() in shown]
