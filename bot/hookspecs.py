"""Every extension point of Mentee, in the order a message meets them: this file is the map of the framework.

A plugin is any module or object with functions marked ``@hookimpl`` and named like a hook below, registered by an entry
point in the group ``mentee``::

    [project.entry-points.mentee]
    ticket-status = "ticket_status"

A function may leave out parameters that it does not need. ``settings`` is always the plugin's own settings object,
resolved for the department at hand (department → instance → default); ``department`` is its name.

How a failure is met is part of each hook: *helpers fail open* (the result is left out, the answer goes on) and *guards
fail closed* (the draft is not shown). Five failures in ten minutes switch a plugin off and tell the operators. Limits
are 10 s for a ``register_…`` hook and 2 s for any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    from pydantic import BaseModel

    from bot.app import Mentee
    from bot.messages import (
        Answer,
        Correction,
        DepartmentSpec,
        DirectAnswer,
        Passage,
        Question,
        RoundFinished,
        TrainingExample,
        Verdict,
        Vote,
    )
    from bot.protocols import Channel, ConsolePanel, Engine, Parser, Retriever, Service, Source, WebRoutes

GROUP = "mentee"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


# --- at start: what a plugin brings. Not filtered by department. -------------------------------------------------


@hookspec
def register_settings() -> type[BaseModel]:  # type: ignore[empty-body]
    """Return the pydantic model of the plugin's settings. Called once at load; defaults are the model's own."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to ``mentee``. Called before the command line is parsed; must not load models."""


@hookspec
def register_departments() -> Sequence[DepartmentSpec]:  # type: ignore[empty-body]
    """Offer departments. They exist once an operator (or ``mentee init --demo``) adds them."""


@hookspec
def start_department(mentee: Mentee, department: str) -> None:
    """A department was added: give it what it starts with, such as its first adapter. Fails open."""


@hookspec
def register_engine(mentee: Mentee) -> Engine | None:
    """Return an engine that answers instead of the configured one; the last registered plugin that returns one wins."""


@hookspec
def register_retriever(mentee: Mentee) -> Retriever | None:
    """Return the retriever; the last registered plugin that returns one wins."""


@hookspec
def register_channels(mentee: Mentee) -> Sequence[Channel]:  # type: ignore[empty-body]
    """Return channels to start with the server; none when the channel is not configured."""


@hookspec
def register_services(mentee: Mentee, queues: Sequence[str]) -> Sequence[Service]:  # type: ignore[empty-body]
    """Return background workers for the named queues, started by ``mentee serve`` and ``mentee worker``."""


@hookspec
def register_routes(mentee: Mentee) -> Sequence[WebRoutes]:  # type: ignore[empty-body]
    """Return HTTP routes. Called once when the server is built."""


@hookspec
def register_panels(mentee: Mentee) -> Sequence[ConsolePanel]:  # type: ignore[empty-body]
    """Return boxes for the operators' page. Called each time the page is drawn; a failing panel is left out."""


@hookspec
def register_sources() -> Sequence[Source]:  # type: ignore[empty-body]
    """Return readers of document addresses (folders, repositories, …). The first that accepts an address reads it."""


@hookspec
def register_parsers() -> Sequence[Parser]:  # type: ignore[empty-body]
    """Return parsers of document kinds. A later plugin's parser wins for the same suffix."""


# --- for each question -------------------------------------------------------------------------------------------


@hookspec
def route_question(question: Question, settings: Any) -> str | None:
    """Name the department (one of ``question.departments``) or pass with ``None``; the first name wins. Fails open."""


@hookspec
def enrich_question(question: Question, department: str, settings: Any) -> Question | None:
    """Return the question with better words to search for (the documents' own), one by one. Fails open."""


@hookspec
def answer_directly(question: Question, department: str, settings: Any) -> DirectAnswer | None:
    """Answer without the model (a ticket's state, a balance); the first answer wins. Fails open."""


@hookspec
def rank_passages(question: Question, passages: list[Passage], department: str, settings: Any) -> list[Passage] | None:
    """Return the passages reordered or thinned, one plugin after the other; none can be added. Fails open.

    Where a document's passage is left out, quotations of its others end with these (``following`` is taken away).
    """


@hookspec
def extend_prompt(question: Question, department: str, settings: Any) -> str | None:
    """Return one more line of instructions for the model. Fails open."""


@hookspec
def check_answer(  # noqa: PLR0913, PLR0917 - a hook's parameters; a plugin names those it wants
    question: Question, draft: str, passages: Sequence[Passage], adapter: str | None, department: str, settings: Any
) -> Verdict | None:
    """Judge a sentence before anyone sees it; any ``ok=False`` stops the draft. Fails closed.

    ``adapter`` is the version of the adapter that wrote it, ``None`` for the base model alone.
    """


# --- after the answer --------------------------------------------------------------------------------------------


@hookspec
def on_answer_recorded(question: Question, answer: Answer, department: str, settings: Any) -> None:
    """The answer and its provenance are committed (metrics, logs). Fails open."""


@hookspec
def on_vote_recorded(vote: Vote, answer: Answer, department: str, settings: Any) -> None:
    """A vote, or its withdrawal, is committed. Fails open."""


@hookspec
def on_correction_recorded(correction: Correction, answer: Answer, department: str, settings: Any) -> None:
    """A correction is committed. Fails open."""


@hookspec
def find_address(mentee: Mentee, target: str) -> Mapping[str, Any] | None:
    """Return a channel's address (``OutboxItem.address``) of a person or place such as ``slack:U024BE7LH``.

    ``None`` when the name is not the channel's or nobody can be reached there. It must not wait for a network. Fails
    open.
    """


# --- rounds ------------------------------------------------------------------------------------------------------


@hookspec
def scrub_text(text: str, department: str, settings: Any) -> str | None:
    """Return the text without personal data and secrets, each plugin after the other. **Fails closed**: no round."""


@hookspec
def filter_training_example(example: TrainingExample, department: str, settings: Any) -> bool | None:
    """Return ``False`` to keep a row out of a round. **Fails closed**: the row stays out."""


@hookspec
def on_round_metric(  # noqa: PLR0913, PLR0917 - a metric's identity and value
    round_id: str, name: str, step: int, value: float, department: str, settings: Any
) -> None:
    """A number of a running round, such as the loss at a step. Fails open."""


@hookspec
def on_round_finished(event: RoundFinished, department: str, settings: Any) -> None:
    """A round ended: promoted, refused or failed. Fails open."""
