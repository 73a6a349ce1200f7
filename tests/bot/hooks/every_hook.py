"""How each hook is fired, what its plugin gets then, and what its caller gets: a row for each hook in ``FIRED``."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import click
from pydantic import BaseModel
from sqlalchemy import MetaData

from bot.domain.answers import (
    Answer,
    DirectAnswer,
    Exchange,
    RecordedQuestion,
    Refusal,
    Verdict,
)
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import PluginError
from bot.domain.feedback import Correction, Vote
from bot.domain.people import Person
from bot.domain.plugins.actions import Action, ActionResult, OfferedAction
from bot.domain.plugins.jobs import Job
from bot.domain.ports import ConsolePanel, WebRoutes
from bot.domain.questions import Passage, Question
from bot.domain.training import RoundFinished, TrainingExample
from bot.hooks import specs
from bot.hooks.calling.limits import TimeLimits
from bot.hooks.context.plugin_context import ContextParts, PluginContext
from bot.hooks.host import PluginHost
from bot.hooks.methods.questions import UNCHECKED, Claim
from bot.hooks.specs import hookimpl
from bot.hooks.state import PluginStates
from bot.storage.migrate import PluginTables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.storage.session import Store

HOOKS = {name: value for name, value in vars(specs).items() if inspect.isfunction(value)}


class Settings(BaseModel):
    """The plugin's settings."""

    tone: str = "calm"


def with_methods(*names: str) -> SimpleNamespace:
    return SimpleNamespace(name="part", suffixes=(".txt",), **dict.fromkeys(names, lambda *_: None))


PERSON = Person("user:ada")
QUESTION = Question("Are hotels tax exempt?", PERSON, department="travel")
ROUTED = Question("Are hotels tax exempt?", PERSON)
ANSWER = Answer(QUESTION.id, "In 12 states.", True, "travel")
FIRST, SECOND = (Passage(f"c{n}", f"d{n}", f"d{n}.md", "Taxes", "Hotels.", 0.5, "travel", "s1", 0.5) for n in (1, 2))
RECORDED = RecordedQuestion(
    QUESTION.id, QUESTION.text, PERSON.id, "travel", "cli", "", "", (), (), QUESTION.received_at
)
OFFERED = OfferedAction("fired", Action("open", "Open a ticket"))
VOTE = Vote(ANSWER.id, PERSON, "up")
CORRECTION = Correction(ANSWER.id, PERSON, "In 13 states.")
EXAMPLE = TrainingExample("x1", "travel", "up", QUESTION.text, (), "In 12 states.")
FINISHED = RoundFinished("r1", "travel", "better", "", "travel-1")
INSTANCE, CLI, EVENT, APP = object(), click.Group("mentee"), object(), object()
ENGINE = with_methods("generate", "start", "stop")
RETRIEVER = with_methods("search", "embed")
REGISTRY = with_methods("publish", "champion", "promote")
CHANNEL = with_methods("start", "stop", "handle", "deliver")
SERVICE = with_methods("start", "stop")
ERASER = with_methods("erase", "aliases", "orphans")
SOURCE, PARSER = with_methods("accepts", "documents"), with_methods("parse")
SPEC, ROUTES, PANEL = DepartmentSpec("travel", "Travel"), WebRoutes("/x", APP), ConsolePanel("Title", "<p>text</p>")
JOB = Job("digest", timedelta(days=1), print)
TABLES = PluginTables(MetaData(), Path("migrations"))


@dataclass(frozen=True)
class Fired:
    """How a hook is fired.

    :param given: arguments of the host's method.
    :param received: what the plugin gets, besides its settings.
    :param returned: what the plugin returns, and ``result`` what the caller gets then.
    :param failed: what the caller gets when the plugin fails: a value, or the error that is raised.
    """

    given: tuple[object, ...] = ()
    received: Mapping[str, object] = field(default_factory=dict)
    returned: object = None
    result: object = None
    failed: object = None


IN_TRAVEL = {"department": "travel"}
WRITTEN = {"adapter": "travel-1", "source": "model"}
OF_INSTANCE = {"instance": INSTANCE}
FIRED: dict[str, Fired] = {
    "register_settings": Fired(("fired",), {}, Settings, Settings),
    "register_section": Fired((), {}, Settings, {"fired": Settings}, {}),
    "register_tables": Fired((), {}, TABLES, {"fired": TABLES}, {}),
    "register_commands": Fired((CLI,), {"cli": CLI}, None, {}, {}),
    "register_departments": Fired((), {}, [SPEC], [SPEC], []),
    "start_department": Fired((INSTANCE, "travel"), {**OF_INSTANCE, **IN_TRAVEL}),
    "register_engine": Fired((INSTANCE,), OF_INSTANCE, ENGINE, ENGINE),
    "register_retriever": Fired((INSTANCE,), OF_INSTANCE, RETRIEVER, RETRIEVER),
    "register_adapter_registry": Fired((INSTANCE,), OF_INSTANCE, REGISTRY, REGISTRY),
    "register_channels": Fired((INSTANCE,), OF_INSTANCE, [CHANNEL], [CHANNEL], []),
    "register_services": Fired((INSTANCE, ["gpu"]), {**OF_INSTANCE, "queues": ["gpu"]}, [SERVICE], [SERVICE], []),
    "register_jobs": Fired((INSTANCE, "fired"), OF_INSTANCE, [JOB], [JOB], []),
    "register_routes": Fired((INSTANCE,), OF_INSTANCE, [ROUTES], [ROUTES], []),
    "register_panels": Fired((INSTANCE,), OF_INSTANCE, [PANEL], [PANEL], []),
    "register_sources": Fired((), {}, [SOURCE], [SOURCE], []),
    "register_parsers": Fired((), {}, [PARSER], [PARSER], []),
    "register_erasers": Fired((INSTANCE,), OF_INSTANCE, [ERASER], [ERASER], PluginError),
    "claim_question": Fired(
        (ROUTED, ["travel"]),
        {"question": replace(ROUTED, departments=("travel",)), **IN_TRAVEL},
        True,
        Claim("fired", ("travel",)),
    ),
    "route_question": Fired(
        (ROUTED, ["it", "travel"]),
        {"question": replace(ROUTED, departments=("it", "travel"))},
        "travel",
        "travel",
    ),
    "enrich_question": Fired(
        (QUESTION, "travel"),
        {"question": QUESTION, **IN_TRAVEL},
        replace(QUESTION, search_text="lodging taxes", text="not taken over"),
        replace(QUESTION, search_text="lodging taxes"),
        QUESTION,
    ),
    "answer_directly": Fired(
        (QUESTION, "travel"), {"question": QUESTION, **IN_TRAVEL}, DirectAnswer("Yes."), DirectAnswer("Yes.")
    ),
    "on_action": Fired(
        (OFFERED, PERSON, Exchange(RECORDED, ANSWER), lambda _late: None),
        {
            "action": OFFERED.action,
            "person": PERSON,
            "question": RECORDED,
            "answer": ANSWER,
            "idempotency_key": OFFERED.id,
            **IN_TRAVEL,
        },
        ActionResult("Ticket 42 is open."),
        ActionResult("Ticket 42 is open."),
        PluginError,
    ),
    "rank_passages": Fired(
        (QUESTION, [FIRST, SECOND], "travel"),
        {"question": QUESTION, "passages": [FIRST, SECOND], **IN_TRAVEL},
        [SECOND, replace(FIRST, chunk_id="not found before")],
        [SECOND],
        [FIRST, SECOND],
    ),
    "extend_prompt": Fired((QUESTION, "travel"), {"question": QUESTION, **IN_TRAVEL}, "Be brief.", ["Be brief."], []),
    "check_answer": Fired(
        (QUESTION, "In 12 states.", [FIRST], "travel-1", "model", "travel"),
        {"question": QUESTION, "draft": "In 12 states.", "passages": [FIRST], **WRITTEN, **IN_TRAVEL},
        Verdict(ok=False, reason="no"),
        Refusal("fired", "no"),
        Refusal("fired", "the guard fired failed", UNCHECKED, failed=True),
    ),
    "on_answer_recorded": Fired((QUESTION, ANSWER), {"question": QUESTION, "answer": ANSWER, **IN_TRAVEL}),
    "on_vote_recorded": Fired((VOTE, ANSWER), {"vote": VOTE, "answer": ANSWER, **IN_TRAVEL}),
    "on_correction_recorded": Fired((CORRECTION, ANSWER), {"correction": CORRECTION, "answer": ANSWER, **IN_TRAVEL}),
    "find_address": Fired(
        (INSTANCE, "slack:U1"), {**OF_INSTANCE, "target": "slack:U1"}, {"channel": "D1"}, {"channel": "D1"}
    ),
    "on_event": Fired((EVENT, "travel"), {"event": EVENT, **IN_TRAVEL}),
    "scrub_text": Fired(("Ada paid.", "travel"), {"text": "Ada paid.", **IN_TRAVEL}, "X paid.", "X paid.", PluginError),
    "filter_training_example": Fired((EXAMPLE, "travel"), {"example": EXAMPLE, **IN_TRAVEL}, True, True, False),
    "on_round_metric": Fired(
        ("r1", "loss", 3, 0.5, "travel"), {"round_id": "r1", "name": "loss", "step": 3, "value": 0.5, **IN_TRAVEL}
    ),
    "on_round_finished": Fired((FINISHED,), {"event": FINISHED, **IN_TRAVEL}),
}


NO_PART = cast("Any", object)
"""In place of what makes a part of a context."""


class Recorder:
    """A plugin that implements one hook with all its documented parameters.

    :param act: what the hook does, and returns.
    """

    def __init__(self, hook: str, act: Callable[[], object]) -> None:
        self.calls: list[dict[str, object]] = []
        self.parameters = list(inspect.signature(HOOKS[hook]).parameters)
        self._act = act
        setattr(self, hook, hookimpl(self._function()))
        if hook != "register_settings":
            self.register_settings = hookimpl(lambda: Settings)

    def _function(self) -> Callable[..., object]:
        named = ", ".join(self.parameters)
        passed = ", ".join(f"{name}={name}" for name in self.parameters)
        made: Callable[..., object] = eval(f"lambda {named}: called({passed})", {"called": self._called})
        return made

    def _called(self, **received: object) -> object:
        self.calls.append(received)
        return self._act()


def open_host(store: Store, plugins: Mapping[str, object], limits: TimeLimits | None = None) -> PluginHost:
    """Open a host with these plugins alone."""
    host = PluginHost(
        PluginStates(store),
        specs,
        limits=limits,
        built_in=(),
        extra=plugins,
        discover=False,
        make_context=partial(PluginContext, ContextParts(NO_PART, NO_PART, NO_PART)),
    )
    assert not any(each.error for each in host.loaded.values())
    return host


class SameLimits(TimeLimits):
    """Gives a plugin the same time for every hook: its own limit, or ample time."""

    def of(self, plugin: str, hook: str) -> float:  # noqa: ARG002 - the same for every hook
        return self.of_plugin.get(plugin, 20.0)


IMPATIENT = SameLimits(of_plugin={"faulty": 0.15})
