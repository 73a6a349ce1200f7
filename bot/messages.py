"""The values that flow through Mentee. All frozen: a plugin answers with a new value, it never edits one.

The way of one message, in these types::

    InboxItem -> Question -> Passage* -> AnswerEvent* -> Answer -> OutboxItem
    Answer + Person -> Vote, Correction -> TrainingExample
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EVERYONE = "everyone"
"""The principal that every audience holds: documents readable by it are open to the whole company."""

QUALIFIED = re.compile(r"[a-z_-]+:\S+")
"""A person, principal or conversation place in full: its kind or its channel plugin, and which."""


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``a_3f…``; the prefix names the kind of thing it identifies."""
    return f"{prefix}_{uuid4().hex}"


def now() -> datetime:
    """Return the current time, always with a time zone (UTC)."""
    return datetime.now(UTC)


class Role(StrEnum):
    """What a person may do. Each role includes the ones before it."""

    EMPLOYEE = "employee"
    AGENT = "agent"
    OPERATOR = "operator"

    def includes(self, other: Role) -> bool:
        """Return whether a person with this role may do what ``other`` may do."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks, votes or corrects. ``id`` carries its channel, such as ``slack:U024BE7LH``."""

    id: str
    name: str = ""
    role: Role = Role.EMPLOYEE


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody who will see an answer, as principals: ``everyone``, ``user:…``, ``department:…``.

    In a direct message or in web chat that is the asker; in a channel it is the channel. A document is readable when
    its readers and these principals share at least one.
    """

    principals: frozenset[str] = frozenset({EVERYONE})
    unrestricted: bool = False
    """An operator alone: whoever can change every right reads everything."""

    def may_read(self, readers: frozenset[str]) -> bool:
        """Return whether what is open to these readers is open to the whole audience."""
        return self.unrestricted or not self.principals.isdisjoint(readers)


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier question and answer of the same thread."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a question and is read for that question alone; its text is stored nowhere.

    :param pieces: its text in order, as (heading, text), each about as long as a passage.
    :param problem: a sentence for the asker, naming the file, where it or a part of it was not read.
    """

    name: str
    pieces: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One question on its way to an answer.

    :param department: the department's name, ``None`` until routed.
    :param channel: name of the channel plugin it came through (``slack``, ``web``, ``cli``).
    :param place: the channel's own address of the conversation, such as a Slack channel id.
    :param thread: identifier of the thread inside ``place``.
    :param departments: the departments the audience may ask; routing chooses among them.
    :param search_text: what retrieval looks for, when enrichment found better words than ``text``.
    :param reply_to: the channel's own address for the answer.
    :param train_eligible: whether rounds may learn from it (design §6 rule 2); with attachments they never do.
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
    received_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document found for a question.

    :param document: the path or address the document was added from.
    :param heading: the heading path inside the document, joined by `` › ``.
    :param score: fused relevance in 0..1, comparable within one generation; never shown to employees.
    :param relevance: calibrated chance in 0..1 that the passage answers the question.
    :param following: what its section says next, which is not served to models: a reader's quotation may go on into it.
    :param title: the document's, by which a page is named to people; ``""`` where the heading path begins with it.
    """

    chunk_id: str
    document_id: str
    document: str
    heading: str
    text: str
    score: float
    department: str
    generation: str
    relevance: float = 0.0
    following: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered source under an answer; ``n`` is the number in the text's ``[n]``."""

    n: int
    document: str
    heading: str
    text: str
    chunk_id: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt, before the model's chat template."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Everything an answer came from, stored with it (design §1).

    :param standby: why the model that stands by wrote it (``model.standby``); ``""`` when it did not.
    """

    adapter: str | None = None
    base_model: str = ""
    standby: str = ""
    generation: str | None = None
    prompt_version: str = ""
    chunks: tuple[Mapping[str, Any], ...] = ()
    plugins: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    source: Literal["model", "passage", "curated", "plugin", "none"] = "model"
    curated: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer as it is recorded and shown.

    :param known: ``False`` when nothing relevant was found; ``citations`` then point to the nearest pages.
    """

    question_id: str
    text: str
    known: bool
    department: str
    citations: tuple[Citation, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    id: str = field(default_factory=lambda: new_id("a"))


@dataclass(frozen=True, slots=True)
class Status:
    """A sign of life while an answer is made, such as "Searching the travel documents"."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text, already checked by the guards."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a stream. ``answer.text`` is the whole text and wins over the deltas."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of a stream that has no answer; ``text`` is worded for the asker."""

    text: str
    retry_after: float | None = None


AnswerEvent = Status | TextDelta | Done | Failed


VoteValue = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Vote:
    """A person's current opinion of an answer; ``value=None`` takes an earlier vote back."""

    answer_id: str
    person: Person
    value: VoteValue | None
    reason: str = ""
    comment: str = ""
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Correction:
    """What would have been right, in a person's words."""

    answer_id: str
    person: Person
    text: str
    at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One row a round may learn from, before scrubbing and deduplication.

    :param kind: ``correction`` and ``up`` become supervised rows; ``up`` and ``down`` become preference rows.
    :param messages: the prompt as served, so that training and serving share one format.
    :param weight: 0..1, lower where people disagree.
    :param people: ids of the people behind it (for the per-person share and for erasure).
    """

    id: str
    department: str
    kind: Literal["correction", "up", "down"]
    question: str
    messages: tuple[ChatMessage, ...]
    completion: str
    weight: float = 1.0
    people: tuple[str, ...] = ()
    answer_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guard's opinion of a draft. ``replacement`` is used instead of the draft when ``ok`` is false."""

    ok: bool
    reason: str = ""
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """A plugin's own answer that needs no model, such as a ticket's state."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class DepartmentSpec:
    """What a domain plugin (or an operator) says a department is."""

    name: str
    title: str
    instructions: str = ""
    glossary: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    open: bool = True


@dataclass(frozen=True, slots=True)
class InboxItem:
    """An accepted, committed, not yet handled delivery.

    :param dedupe_key: the channel's delivery identity (Slack ``event_id``); a second one is dropped.
    :param message_key: identity of the message itself, shared by several events that carry one text.
    :param kind: the channel's own name of the payload's kind.
    """

    channel: str
    kind: str
    payload: Mapping[str, Any]
    dedupe_key: str
    message_key: str | None = None
    id: str = field(default_factory=lambda: new_id("in"))
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """Something that must be delivered to a channel exactly once as seen by people.

    :param address: where to, in the channel's own terms.
    :param attempts: deliveries begun before this one; when not 0 the channel first looks for its earlier post.
    :param draft: what the channel shows of it already, in its own terms; ``{}`` when it began and did not say what came
        of that, ``None`` when there is nothing.
    """

    channel: str
    kind: str
    address: Mapping[str, Any]
    payload: Mapping[str, Any]
    id: str = field(default_factory=lambda: new_id("out"))
    answer_id: str | None = None
    attempts: int = 0
    draft: Mapping[str, Any] | None = None


def delivery_id(question_id: str) -> str:
    """Return the id of the outbox item that carries the reply to a question: one, however often it is answered."""
    return f"out_{question_id}"


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """A round's end, as told to plugins."""

    round_id: str
    department: str
    verdict: str
    reason: str
    adapter: str | None
    voters: Sequence[str] = ()
