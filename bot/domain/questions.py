"""Questions, passages, and the messages of a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bot.domain.documents.rendering import escaped
from bot.domain.errors import MenteeError, TooLargeError
from bot.domain.identifiers import new_id, now
from bot.domain.people import Audience, Person

if TYPE_CHECKING:
    from datetime import datetime

    from bot.domain.documents.rendering import Mark
    from bot.domain.people import Basis


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question and answer in the same thread.

    :param refused: whether the question got no answer; see :class:`bot.Answer`.
    :param leaned_on: in a recorded question's history, whether the question depends on this turn.
    :param rests_on: what the answer rests on. Turns that the asker brought along rest on nothing.
    :param person_id: id of the person who asked. Several people talk in a thread: compare it with
        ``question.person.id`` before you take an earlier turn for the asker's own. For a message that the asker points
        to, such as the first one of a Slack thread, it is its author's. It is ``""`` if the author is unknown.
    :param quotes: ids of the people whose messages ``question`` repeats, and these messages' keys, as in
        :class:`Question`.
    """

    question: str
    answer: str
    rests_on: tuple[Basis, ...] = field(default=(), compare=False, repr=False)
    person_id: str = field(default="", compare=False)
    refused: bool = False
    leaned_on: bool = field(default=True, compare=False, repr=False)
    quotes: tuple[str, ...] = field(default=(), compare=False, repr=False)


HISTORY_TURNS = 6
"""How many earlier turns of the thread a channel includes with a question."""

SEARCHED_TURNS = 4
"""How many of these the search uses."""

PROMPT_TURNS = 2
"""How many of these the prompt contains."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a question. It is read for that question only, and its text isn't stored.

    :param pieces: its text in order, as (heading, text) pairs of about the length of a passage.
    :param problem: a message that names the file, if it or a part of it couldn't be read.
    """

    name: str
    pieces: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, with everything needed to answer it.

    :param department: the department's name. ``None`` until the question is routed.
    :param channel: name of the channel plugin it came through (``slack``, ``web``, ``cli``).
    :param place: the conversation, in the channel's own terms, such as the id of a Slack channel.
    :param thread: the thread in ``place``.
    :param departments: the departments the audience may ask; routing chooses among them.
    :param search_text: what to search for instead of ``text``, if a plugin has found better words.
    :param reply_to: the channel's own address for the answer.
    :param train_eligible: whether rounds may learn from it. They never learn from questions with attachments.
    :param quotes: ids of the people whose messages ``text`` repeats, because the asker forwarded them or pointed to
        them, and the keys of these messages in the inbox, where the channel knows them. The question is erased with any
        of them.
    """

    text: str
    person: Person
    audience: Audience = field(default_factory=Audience)
    id: str = field(default_factory=lambda: new_id("q"))
    department: str | None = None
    departments: tuple[str, ...] = ()
    channel: str = "cli"
    place: str = ""
    thread: str = ""
    history: tuple[Turn, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    search_text: str = ""
    use_curated: bool = True
    reply_to: Mapping[str, Any] = field(default_factory=dict)
    train_eligible: bool = True
    quotes: tuple[str, ...] = ()
    received_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document found for a question.

    :param document: the path or address the document was added from.
    :param heading: the heading path inside the document, joined by `` › ``.
    :param score: the hybrid score, from 0 to 1, comparable within a snapshot. Employees never see it.
    :param relevance: the estimated probability that the passage answers the question.
    :param following: what its section says next. Models don't see it, but the reader's quotations may continue into it.
    :param readers: the document's own readers. Empty means those of its department.
    :param title: the document's title, or ``""`` if the heading path starts with it.
    :param markdown: the text as people see it, or ``""`` if that is the text itself.
    :param marks: what Markdown shows differently in ``text`` followed by ``following``, such as links and code.
    """

    chunk_id: str
    document_id: str
    document: str
    heading: str
    text: str
    score: float
    department: str
    snapshot: str
    relevance: float = 0.0
    following: str = ""
    title: str = ""
    readers: tuple[str, ...] = ()
    markdown: str = field(default="", repr=False)
    marks: tuple[Mark, ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """The passage as people see it, in Markdown."""
        return self.markdown or escaped(self.text)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """A message of a prompt, before the model's chat template is applied."""

    role: Literal["system", "user", "assistant"]
    content: str


NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL and halves of surrogate pairs, which no database, model or page can hold."""


def is_text(text: str) -> bool:
    """Return whether the text can be stored and shown."""
    return NO_TEXT.search(text) is None


def cleaned(value: Any) -> Any:
    """Return a value of JSON without the characters that are no text."""
    if isinstance(value, str):
        return NO_TEXT.sub("", value)
    if isinstance(value, Mapping):
        return {cleaned(key): cleaned(each) for key, each in value.items()}
    return [cleaned(each) for each in value] if isinstance(value, list | tuple) else value


def check_text(text: str, limit: int) -> None:
    """Check the text of a question.

    :param limit: the maximum number of characters.
    :raises TooLargeError: it has more.
    :raises MenteeError: it is empty.
    """
    if len(text) > limit:
        raise TooLargeError(
            f"The question has {len(text):,} characters. The limit is {limit:,}.",
            hint="Ask about one thing at a time.",
        )
    if not text.strip():
        raise MenteeError("The question is empty.", hint="Type what you want to know.")
