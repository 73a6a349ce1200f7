"""Answers: their sources and provenance, the events of one being written, and their record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bot.domain.identifiers import new_id
from bot.domain.people import Basis, united
from bot.domain.plugins.actions import Action, OfferedAction, offered_together

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bot.domain.questions import Turn

AnswerSource = Literal["model", "passage", "curated", "plugin", "courtesy", "none"]
"""Where its text comes from: the model, a quoted page, a correction, a plugin, a reply to thanks, or nowhere."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered source of an answer: ``n`` in ``[n]``, Markdown in ``text``, and the page's sentence in ``quote``."""

    n: int
    document: str
    heading: str
    text: str
    chunk_id: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A colleague's answer to a similar question, shown beside the answer.

    :param curated: id of the curated answer.
    """

    curated: str
    question: str
    text: str

    @property
    def shown(self) -> str:
        """All that is shown of it, as one text."""
        return f"{self.question}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer came from. Stored with the answer.

    :param adapter: the adapter's version. ``None`` if no adapter was used, so also if no model wrote the answer.
    :param base_model: the model that the engine named when it wrote the answer; ``""`` if no model did.
    :param engine: the kind of engine that wrote it (``local``, ``openai``), or the plugin that brings the engine.
    :param standby: why the standby model wrote it (``model.standby``), or ``""`` if it didn't.
    :param curated: id of the curated answer that it repeats.
    :param suggestion: a curated answer to a similar question that is shown beside it.
    :param elsewhere: if there is no answer, other departments whose documents seem relevant. The asker may ask them.
    :param plugins: the versions of the plugins that acted on it, from routing its question to checking its text.
    :param completions: how many texts plugins had the model write for it with ``context.model``, by plugin.
    """

    adapter: str | None = None
    base_model: str = ""
    engine: str = ""
    standby: str = ""
    snapshot: str | None = None
    prompt_version: str = ""
    chunks: tuple[Mapping[str, Any], ...] = ()
    plugins: Mapping[str, str] = field(default_factory=dict)
    completions: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    source: AnswerSource = "model"
    curated: str | None = None
    suggestion: Suggestion | None = None
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer, as it is stored and shown.

    :param known: ``False`` if it isn't an answer: nothing relevant was found, or nothing was asked. ``citations`` are
        then the closest pages.
    :param leans_on: the earlier turns of the thread that the question depends on.
    :param rests_on: what its text was made from, including earlier turns of the thread.
    :param actions: what a plugin offers to do, on a new answer only. ``instance.actions`` knows what became of them.
    """

    question_id: str
    text: str
    known: bool
    department: str
    citations: tuple[Citation, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    id: str = field(default_factory=lambda: new_id("a"))
    rests_on: tuple[Basis, ...] = ()
    actions: tuple[OfferedAction, ...] = ()
    leans_on: tuple[Turn, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the question got no answer: nothing was found, or it may not be shown. The text only says so."""
        return not self.known and self.provenance.source == "none"

    @property
    def grounds(self) -> tuple[Basis, ...]:
        """What somebody must be allowed to read to see the answer: its department, and what it rests on."""
        return (Basis(self.department), *self.rests_on)


@dataclass(frozen=True, slots=True)
class Status:
    """A progress message, such as "Searching the travel documents"."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of an answer's text, after the guards have passed it."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of an answer. ``answer.text`` is the complete text; use it instead of the deltas."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event if there is no answer. ``text`` is for the person who asked; ``stopped`` if they stopped it."""

    text: str
    retry_after: float | None = None
    stopped: bool = False


AnswerEvent = Status | TextDelta | Done | Failed
"""The events of an answer while it is written. ``Done`` or ``Failed`` is the last one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says about a text. If ``ok`` is false, ``replacement`` is shown instead, if there is one.

    The other guards check the replacement too.
    """

    ok: bool
    reason: str = ""
    replacement: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text is not shown.

    :param guard: the plugin that refused it.
    :param replacement: what to show instead, or ``""``. All guards let it pass.
    :param failed: whether the guard failed, so that nobody knows what it would have said.
    """

    guard: str
    reason: str
    replacement: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """An answer from a plugin instead of the model, such as a ticket's status.

    :param actions: what the plugin offers to do next, at most five :class:`bot.Action`. They are alternatives: once the
        person has confirmed one, the others are cancelled.
    :param plugin: the plugin's name; Mentee sets it.
    :raises ValueError: the actions can't be offered together.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    actions: tuple[Action, ...] = ()
    plugin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", offered_together(self.actions))


@dataclass(frozen=True, slots=True)
class RecordedQuestion:
    """A question that was answered.

    :param attachments: names of the files that came with it.
    :param channel: as in :class:`bot.domain.questions.Question`; so are ``place``, ``thread`` and ``quotes``.
    """

    id: str
    text: str
    person_id: str
    department: str
    channel: str
    place: str
    thread: str
    history: tuple[Turn, ...]
    attachments: tuple[str, ...]
    asked_at: datetime
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer."""

    question: RecordedQuestion
    answer: Answer

    @property
    def grounds(self) -> tuple[Basis, ...]:
        """What somebody must be allowed to read to see it whole, earlier turns included."""
        return united(self.answer.grounds, *(turn.rests_on for turn in self.question.history))


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """A thread in a list of threads: its first question, and when the last one was asked.

    :param title: the one that the person gave it, or an empty text.
    """

    thread: str
    first_question: str
    last_asked_at: datetime
    title: str = ""
