"""The prompt: one function builds it for serving, for training and for evaluation, so that the three never drift.

Passages are data, not instructions: each stands between fence lines that hold a token no passage contains, so a passage
cannot close its own fence (OWASP LLM01). They come before the turns of the thread, so that a follow-up over the same
passages begins like the question before it, and an engine need not read them twice.
"""

from __future__ import annotations

import hashlib
import re
from itertools import count
from typing import TYPE_CHECKING

from bot.messages import ChatMessage
from bot.protocols import Reserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.messages import Passage, Turn

REFUSAL = "I don't find this."
GROUNDED = (
    "You answer questions of employees. Use only the numbered passages. "
    "Answer in one to three short sentences and end with the passage's number, like [1]. "
    f"If the passages do not hold the answer, say: {REFUSAL}"
)
UNGROUNDED = "You are the {title} assistant of a company. Answer the question of an employee or customer."
ASKED = "Question: "
HISTORY_TURNS = 2
_FENCED = re.compile(r"\[(\d+) (\w+)\]\n(.*?)\n\[/\1 \2\]", re.DOTALL)
_SOURCE = re.compile(r"\s?See also \[\d+\](?:, \[\d+\])*\.|\s?\[\d+\]")

PROMPT_VERSION = "3-" + hashlib.sha256((GROUNDED + UNGROUNDED).encode()).hexdigest()[:8]
"""Stored with every answer and every adapter; changes whenever the wording above does."""


def unless_sure(chance: float) -> Reserved | None:
    """Return the refusal as what an answer may begin with only from a chance on; ``None`` where any chance will do."""
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
    :param history: earlier turns of the thread, of which the last :data:`HISTORY_TURNS` are kept.
    :param extra: further instruction lines from plugins.
    """
    lines = [GROUNDED if passages else UNGROUNDED.format(title=title), instructions, *extra]
    history = history[-HISTORY_TURNS:]
    terms = _glossary_lines(glossary or {}, [question, *(turn.question for turn in history)])
    system = ChatMessage("system", "\n".join(line for line in lines if line))
    label = ASKED if passages else ""
    first, *rest = _turns(history, question, label=label, terms=terms)
    if passages:
        first = ChatMessage("user", f"{fence(passages)}\n\n{first.content}")
    return (system, first, *rest)


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
    return [found[2] for found in _FENCED.findall(prompt)]


def _turns(history: Sequence[Turn], question: str, *, label: str, terms: str) -> list[ChatMessage]:
    """Return the thread as messages. An earlier answer loses its sources' numbers: they counted other passages."""
    messages = []
    for turn in history:
        answer = _SOURCE.sub("", turn.answer)
        messages += [ChatMessage("user", f"{label}{turn.question}"), ChatMessage("assistant", answer)]
    return [*messages, ChatMessage("user", f"{terms}{label}{question}")]


def _absent(text: str) -> str:
    """Return a short token, the same for the same text, that the text does not contain."""
    tokens = (hashlib.sha256(f"{text}{attempt}".encode()).hexdigest()[:4] for attempt in count())
    return next(token for token in tokens if token not in text)


def _glossary_lines(glossary: Mapping[str, str], questions: Sequence[str]) -> str:
    asked = " ".join(questions)
    shown = [term for term in glossary if re.search(rf"(?<!\w){re.escape(term)}(?!\w)", asked, re.IGNORECASE)]
    return "".join(f"{term} means {glossary[term]}.\n" for term in shown)
