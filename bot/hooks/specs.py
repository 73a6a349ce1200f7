"""Every hook a plugin can implement, in the order in which a question reaches them.

A plugin is a module or object with functions that are marked ``@hookimpl`` and named like one of these hooks. Register
it with an entry point in the group ``mentee``::

    [project.entry-points.mentee]
    ticket-status = "ticket_status"

Your function takes only the parameters it needs. Mentee fills all of them, even those with a default, and refuses a
plugin that names others. ``department`` is the department's name. ``settings`` is your plugin's own settings object,
resolved for that department (department → instance → mentee.toml → default); without a department, the instance's.
Calls share this object for up to a second, so don't change it. ``context`` is a :class:`bot.PluginContext`: storage, a
logger, search, metrics and more.

Each hook says what happens when an implementation raises or takes too long. *Helpers fail open*: Mentee ignores the
result and carries on. *Guards fail closed*: what they should have checked is refused. The time limit is 30 s for a
``register_…`` or ``start_…`` hook, 10 s for ``on_action`` and 2 s for any other, counted from the start of the call.
Operators can change the 2 s for all plugins (``limits.plugin_seconds``) or for yours (``limits.plugins``).

A plugin that fails five times in ten minutes for a department is paused for that department: for a minute, then until a
trial call succeeds, with pauses that double up to an hour. Operators are notified. A plugin that implements
``check_answer``, ``scrub_text`` or ``filter_training_example`` is a guard, and Mentee never pauses guards.

Mentee checks what a hook returns. A value of the wrong type counts as a failure, and so does a text with a NUL
character or an unpaired surrogate, which databases, models and web pages can't handle.

A hook may be declared with ``async def``. It runs in an event loop of its own, in the thread of its call, and is
cancelled at the time limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click
    from pydantic import BaseModel

    from bot.domain.answers import Answer, AnswerSource, DirectAnswer, RecordedQuestion, Verdict
    from bot.domain.departments import DepartmentSpec
    from bot.domain.feedback import Correction, Vote
    from bot.domain.people import Person
    from bot.domain.plugins.actions import Action, ActionResult
    from bot.domain.plugins.jobs import Job
    from bot.domain.ports import (
        AdapterRegistry,
        Channel,
        ConsolePanel,
        Engine,
        Eraser,
        Parser,
        Retriever,
        Service,
        Source,
        WebRoutes,
    )
    from bot.domain.questions import Passage, Question
    from bot.domain.training import RoundFinished, TrainingExample
    from bot.hooks.context.plugin_context import PluginContext
    from bot.hooks.instance import Instance
    from bot.storage.migrate import PluginTables

GROUP = "mentee"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
"""Decorator that marks a function as an implementation of the hook with its name."""


# --- at startup, for all departments -----------------------------------------------------------------------------


@hookspec
def register_settings() -> type[BaseModel]:  # type: ignore[empty-body]
    """Return a pydantic model with the plugin's settings and their defaults. Called once in each process."""


@hookspec
def register_section() -> type[BaseModel]:  # type: ignore[empty-body]
    """Return the model of your plugin's own section of ``mentee.toml``, a :class:`bot.SettingsSection`.

    The section has the plugin's name (``[ticket_status]`` for ``ticket-status``). Use it for what the whole instance
    shares and needs at startup, such as an address or a token. Use ``register_settings`` for what departments can set.
    Read the section with :func:`bot.read_section`.

    Environment variables win (``MENTEE_TICKET_STATUS__URL``). Fields of type ``SecretStr`` come only from
    ``MENTEE_TICKET_STATUS_TOKEN``, or from the file in ``MENTEE_TICKET_STATUS_TOKEN_FILE``. If a value is invalid,
    Mentee doesn't start, and the error names it.
    """


@hookspec
def register_tables() -> PluginTables:  # type: ignore[empty-body]
    """Return your plugin's own tables and the folder with the Alembic revisions that create them.

    Table names start with the plugin's name (``ticket_status_watchers``). ``mentee init`` and ``mentee db upgrade`` run
    the revisions, and Mentee doesn't start if they haven't run. Your revisions have a version table of their own, so
    the first one has no ``down_revision``. They must run on SQLite and on PostgreSQL. This hook is called even if the
    plugin is disabled. If you uninstall the plugin, its tables stay.
    """


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to ``mentee``. Called before the command line is parsed, so don't load models here."""


@hookspec
def register_departments(settings: Any, context: PluginContext) -> Sequence[DepartmentSpec]:  # type: ignore[empty-body]
    """Return departments to choose from. An operator (or ``mentee init --demo``) adds them."""


@hookspec
def start_department(instance: Instance, department: str, settings: Any, context: PluginContext) -> None:
    """Set up a department that was just added, for example with a first adapter. Fails open."""


@hookspec
def register_engine(instance: Instance, settings: Any, context: PluginContext) -> Engine | None:
    """Return an engine to use instead of the configured one. If several plugins do, the last registered wins."""


@hookspec
def register_retriever(instance: Instance, settings: Any, context: PluginContext) -> Retriever | None:
    """Return the retriever to use. If several plugins do, the last registered wins."""


@hookspec
def register_adapter_registry(instance: Instance, settings: Any, context: PluginContext) -> AdapterRegistry | None:
    """Return the registry of adapters to use. If several plugins do, the last registered wins."""


@hookspec
def register_channels(instance: Instance, settings: Any, context: PluginContext) -> Sequence[Channel]:  # type: ignore[empty-body]
    """Return channels to start with the server, or an empty list if yours isn't configured."""


@hookspec
def register_services(  # type: ignore[empty-body]
    instance: Instance, queues: Sequence[str], settings: Any, context: PluginContext
) -> Sequence[Service]:
    """Return background workers for these queues. ``mentee serve`` and ``mentee worker`` start them."""


@hookspec
def register_jobs(instance: Instance, settings: Any, context: PluginContext) -> Sequence[Job]:  # type: ignore[empty-body]
    """Return scheduled jobs, each a :class:`bot.Job`.

    ``mentee serve`` runs them, each run in only one replica, and a job never overlaps with itself. If a process dies
    during a run, another process repeats the run, so a job must be safe to repeat. If runs were missed while Mentee
    was down, the job runs once to catch up. While your plugin is off or paused, its jobs don't run. A job that raises
    or takes longer than its ``limit`` counts as a failure of your plugin. If a plain function continues after its
    limit, the job waits until the function has returned. ``mentee plugins show`` lists each job's last and next run,
    and ``mentee plugins run`` runs one now.

    Called once a minute, so that jobs follow your settings. ``context`` has no department: see ``context.departments``
    for those in which your plugin is on.
    """


@hookspec
def register_routes(instance: Instance, settings: Any, context: PluginContext) -> Sequence[WebRoutes]:  # type: ignore[empty-body]
    """Return HTTP routes. Called once, when the server is built."""


@hookspec
def register_panels(instance: Instance, settings: Any, context: PluginContext) -> Sequence[ConsolePanel]:  # type: ignore[empty-body]
    """Return panels for the console. Called each time the page loads; a panel that fails is left out."""


@hookspec
def register_sources(settings: Any, context: PluginContext) -> Sequence[Source]:  # type: ignore[empty-body]
    """Return document sources (folders, repositories, …). The first one that accepts an address reads it."""


@hookspec
def register_parsers(settings: Any, context: PluginContext) -> Sequence[Parser]:  # type: ignore[empty-body]
    """Return parsers for kinds of documents. For the same suffix, the last registered plugin wins."""


@hookspec
def register_erasers(instance: Instance, settings: Any, context: PluginContext) -> Sequence[Eraser]:  # type: ignore[empty-body]
    """Return what removes erased people and documents from your plugin's tables and files.

    ``mentee erase`` calls each :class:`bot.domain.ports.Eraser`. If one raises, nothing else is erased, and the command
    fails and can be repeated. Columns of your tables that hold a person's id are handled for you: rows with the id in
    ``person_id`` are deleted, and any other value that equals the id is replaced.
    """


# --- answering a question ----------------------------------------------------------------------------------------


@hookspec
def claim_question(question: Question, department: str, settings: Any, context: PluginContext) -> bool | None:
    """Return ``True`` if the question is one for your plugin, so that your plugin gets it before routing. Fails open.

    Called only for questions that could be answered in several departments: once for each department that the person
    may ask here and in which your plugin is on, with its settings there. The first plugin that claims the question
    wins. If it claims it for several departments, routing chooses among them. Your ``answer_directly`` is then asked
    first. If it returns ``None``, the question is answered there like any other.

    Decide by the text alone: each question waits for this. If a call fails, the other departments aren't tried.
    """


@hookspec
def route_question(question: Question, settings: Any, context: PluginContext) -> str | None:
    """Return one of ``question.departments`` to answer, or ``None`` to abstain. The first name wins. Fails open."""


@hookspec
def enrich_question(question: Question, department: str, settings: Any, context: PluginContext) -> Question | None:
    """Return the question with better search terms. Each plugin gets the previous one's result. Fails open."""


@hookspec
def answer_directly(question: Question, department: str, settings: Any, context: PluginContext) -> DirectAnswer | None:
    """Answer without the model, for example with a ticket's status. The first answer wins. Fails open.

    Don't change anything in the world here. A question may be answered more than once, nobody has confirmed it, and
    what you do after the time limit still happens. Offer it as an action instead: ``DirectAnswer(text, actions=[…])``.
    If an implementation takes too long and nothing else is found, the person reads that it may still have happened.
    """


@hookspec
def rank_passages(
    question: Question, passages: list[Passage], department: str, settings: Any, context: PluginContext
) -> list[Passage] | None:
    """Return the passages reordered or filtered. Each plugin gets the previous one's result. Fails open.

    Only the order of the ``chunk_id`` values counts: you can't add, repeat or change passages. If you return an empty
    list, nothing was found. If you drop a passage, quotations from the same document's other passages no longer
    continue past their end (their ``following`` is removed).
    """


@hookspec
def extend_prompt(question: Question, department: str, settings: Any, context: PluginContext) -> str | None:
    """Return one more line of instructions for the model. Fails open."""


@hookspec
def check_answer(  # noqa: PLR0913, PLR0917 - a hook's parameters; a plugin names those it wants
    question: Question,
    draft: str,
    passages: Sequence[Passage],
    adapter: str | None,
    source: AnswerSource,
    department: str,
    settings: Any,
    context: PluginContext,
) -> Verdict | None:
    """Check a text before anyone sees it. A verdict with ``ok=False`` keeps it from being shown. Fails closed.

    ``source`` says where the text in ``draft`` comes from, and what happens if you refuse it:

    - ``model``: a sentence of the model. The answer stops. Your ``replacement`` is shown, or else a quotation.
    - ``passage``: a quotation, or titles and texts of the sources below an answer. Another passage is quoted; a source
      is shown without its text or title.
    - ``curated``: a colleague's answer. It isn't shown, and the question is answered as if there were none.
    - ``plugin``: a direct answer with its buttons, what came of an action, or another guard's ``replacement``. Mentee
      says that it may not be shown.
    - ``none``: names of attached files that couldn't be read. They are left out.

    A guard that judges only what the model writes returns ``None`` for all others. Only sentences of the model come one
    by one. An earlier answer that you haven't checked yet comes whole, with its sources and without passages, when it
    is shown again. ``adapter`` is the version of the adapter that wrote them, or ``None`` for the base model.
    """


@hookspec
def on_action(  # type: ignore[empty-body]  # noqa: PLR0913, PLR0917 - a hook's parameters; a plugin names those it wants
    action: Action,
    person: Person,
    question: RecordedQuestion,
    answer: Answer,
    idempotency_key: str,
    department: str,
    settings: Any,
    context: PluginContext,
) -> ActionResult:
    """Do what a person has confirmed: one of the actions that your plugin offered. Only your plugin is called.

    Mentee calls this at most once for each action, whatever happens in between. Pass ``idempotency_key`` to your
    backend if it takes one. The time limit is ``limits.action_seconds``, 10 s by default.

    Return ``ActionResult(text)``, or ``ActionResult(text, ok=False)`` if it didn't happen. If you raise, return
    something else or take too long, the person reads that it may have happened. A result that comes late is recorded
    and shown.
    """


# --- after an answer ---------------------------------------------------------------------------------------------


@hookspec
def on_answer_recorded(
    question: Question, answer: Answer, department: str, settings: Any, context: PluginContext
) -> None:
    """Called after an answer and its provenance are committed. Fails open."""


@hookspec
def on_vote_recorded(vote: Vote, answer: Answer, department: str, settings: Any, context: PluginContext) -> None:
    """Called after a vote, or the removal of a vote, is committed. Fails open."""


@hookspec
def on_correction_recorded(
    correction: Correction, answer: Answer, department: str, settings: Any, context: PluginContext
) -> None:
    """Called after a correction is committed. Fails open."""


@hookspec
def find_address(instance: Instance, target: str, settings: Any, context: PluginContext) -> Mapping[str, Any] | None:
    """Return the address (``OutboxItem.address``) of a person or place, such as ``slack:U024BE7LH``. Fails open.

    Return ``None`` if the name isn't your channel's or can't be reached. Don't use the network here.
    """


# --- events of plugins -------------------------------------------------------------------------------------------


@hookspec
def on_event(event: object, department: str | None, settings: Any, context: PluginContext) -> None:
    """Called when a plugin publishes an event with :meth:`bot.Instance.publish`. Fails open.

    Events are frozen dataclasses defined by the plugin that publishes them. Ignore types that you don't know.
    """


# --- rounds ------------------------------------------------------------------------------------------------------


@hookspec
def scrub_text(text: str, department: str, settings: Any, context: PluginContext) -> str | None:
    """Return the text without personal data and secrets. **Fails closed**: the round stops.

    Each plugin gets the previous one's result.
    """


@hookspec
def filter_training_example(
    example: TrainingExample, department: str, settings: Any, context: PluginContext
) -> bool | None:
    """Return ``False`` to keep an example out of a round. **Fails closed**: the example stays out."""


@hookspec
def on_round_metric(  # noqa: PLR0913, PLR0917 - a metric's identity and value
    round_id: str, name: str, step: int, value: float, department: str, settings: Any, context: PluginContext
) -> None:
    """Called with each metric of a running round, such as the loss at a step. Fails open."""


@hookspec
def on_round_finished(event: RoundFinished, department: str, settings: Any, context: PluginContext) -> None:
    """Called when a round ends: promoted, refused or failed. Fails open."""
