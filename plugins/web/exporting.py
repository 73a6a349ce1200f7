"""A conversation as a Markdown file, for people who want to keep or forward it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime


def as_markdown(turns: Sequence[Mapping[str, Any]]) -> str:
    """Return the turns of a conversation, as :meth:`plugins.web.conversations.Conversations.turns` returns them.

    Each has the question as a quotation, the answer, its sources, the asker's correction and a person's reply.
    """
    parts = ["# Conversation with Mentee"]
    for turn in turns:
        parts += _turn(turn["question"], turn["answer"])
    return "\n\n".join(parts) + "\n"


def _turn(question: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {_time(question['asked_at'])}"
    yield _quoted(question["text"])
    yield answer["text"]
    if answer["citations"]:
        yield "\n".join(f"- [{each['n']}] {_source(each)}" for each in answer["citations"])
    if answer["correction"]:
        yield f"Your correction:\n\n{_quoted(answer['correction'])}"
    escalation = answer["escalation"]
    if escalation and escalation["text"]:
        by, at = escalation["by"] or "A colleague", _time(escalation["at"])
        yield f"{by} replied on {at}:\n\n{_quoted(escalation['text'])}"


def _source(citation: Mapping[str, Any]) -> str:
    document = citation.get("address", citation["document"])
    return f"{citation['heading']}: {document}" if citation["heading"] else document


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
