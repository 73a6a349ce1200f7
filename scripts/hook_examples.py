"""A small example of every hook, with its limits and what happens when it fails, for ``docs/reference/hooks.md``.

``tests/bot/hooks/test_every_hook.py`` registers this module as a plugin and fires each example.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase

from bot import (
    Action,
    ActionResult,
    ConsolePanel,
    DepartmentSpec,
    DirectAnswer,
    Job,
    PluginTables,
    SettingsSection,
    Verdict,
    WebRoutes,
    hookimpl,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot import Answer, Correction, Passage, PluginContext, Question, RoundFinished, TrainingExample, Vote

FIRST = "0.1.0"
SINCE: dict[str, str] = {}
"""The version that brought a hook, of those that came after :data:`FIRST`."""

NOTHING = "Nothing else changes."
NOTES: dict[str, tuple[str, str]] = {
    "register_settings": ("", "Your hooks that take `settings` fail, too."),
    "register_section": ("", "Your section of `mentee.toml` isn't checked."),
    "register_tables": ("", "Your tables are neither created nor checked."),
    "register_commands": ("", "Commands that it hasn't added yet are missing."),
    "register_departments": ("", "Your departments aren't offered."),
    "start_department": ("", "The department is added without your setup."),
    "register_engine": ("", "The next plugin's engine is used, or the configured one."),
    "register_retriever": ("", "The next plugin's retriever is used. Mentee's own comes last."),
    "register_adapter_registry": ("", "The next plugin's registry is used. Mentee's own comes last."),
    "register_channels": (
        "`start()` has 30 s as well.",
        "Your channels don't start. If only a `start()` fails, Mentee tries it again.",
    ),
    "register_services": (
        "`start()` has 30 s as well.",
        "Your services don't start. If only a `start()` fails, Mentee tries it again.",
    ),
    "register_jobs": (
        "A run has 5 minutes, or the job's `limit`.",
        "Your jobs don't run until the next call, a minute later.",
    ),
    "register_routes": ("", "Your routes are missing until the server starts again."),
    "register_panels": ("The HTML is cleaned: scripts and styles are removed.", "Your panels are left out."),
    "register_sources": (
        "Addresses have at most 1,024 characters, titles 500, documents 64 MB.",
        "Your addresses can't be added or synced.",
    ),
    "register_parsers": (
        "`parse` runs in a child process with limits on time and memory.",
        "The next parser of a file type is used.",
    ),
    "register_erasers": (
        "`erase` has no time limit.",
        "Nothing is erased. `mentee erase` fails; you can run it again.",
    ),
    "claim_question": ("", "The question is routed as usual."),
    "route_question": ("", "The next plugin is asked. If none names a department, the documents decide."),
    "enrich_question": ("Only the result's `search_text` is used.", "The question stays as it was."),
    "answer_directly": (
        "At most 5 actions, each with a payload of 4 KiB.",
        "The next plugin is asked, then the model.",
    ),
    "rank_passages": ("", "The passages stay as they were."),
    "extend_prompt": ("", "The prompt is sent without your line."),
    "check_answer": ("", "The text isn't shown. Your plugin is never paused."),
    "on_action": (
        "At most 5 actions in the result.",
        "The person reads that it may have happened. Mentee doesn't try again.",
    ),
    "on_answer_recorded": ("", NOTHING),
    "on_vote_recorded": ("", NOTHING),
    "on_correction_recorded": ("", NOTHING),
    "find_address": ("", "The next plugin is asked. Without an address, the message isn't sent."),
    "on_event": ("", NOTHING),
    "scrub_text": ("", "The round stops. Your plugin is never paused."),
    "filter_training_example": ("", "The example stays out of the round. Your plugin is never paused."),
    "on_round_metric": ("", NOTHING),
    "on_round_finished": ("", NOTHING),
}
"""By hook: limits besides the time limit, and what a failure costs."""


class Settings(BaseModel):
    prefix: str = "IT"


class Section(SettingsSection):
    url: str = "https://tickets.example.com"


class Table(DeclarativeBase):
    pass


def _part(*methods: str, name: str = "tickets") -> Any:
    return SimpleNamespace(name=name, suffixes=(".eml",), **dict.fromkeys(methods, print))


def EchoEngine() -> Any:  # noqa: N802 - stands for a class of the reader's
    return _part("generate", "start", "stop")


def WikiRetriever() -> Any:  # noqa: N802
    return _part("search", "embed")


def SharedRegistry() -> Any:  # noqa: N802
    return _part("publish", "champion", "promote")


def PagerChannel(url: str) -> Any:  # noqa: N802
    return _part("start", "stop", "handle", "deliver", name=f"pager at {url}")


def TicketPoller(store: Any) -> Any:  # noqa: N802, ARG001
    return _part("start", "stop")


def WikiSource() -> Any:  # noqa: N802
    return _part("accepts", "documents")


def MailParser() -> Any:  # noqa: N802
    return _part("parse")


def TicketEraser(store: Any) -> Any:  # noqa: N802, ARG001
    return _part("erase", "aliases", "orphans")


@hookimpl
def register_settings() -> type[BaseModel]:
    return Settings


@hookimpl
def register_section() -> type[BaseModel]:
    return Section


@hookimpl
def register_tables() -> PluginTables:
    return PluginTables(Table.metadata, Path(__file__).with_name("migrations"))


@hookimpl
def register_commands(cli: click.Group) -> None:
    @cli.command()
    @click.argument("number")
    def ticket(number: str) -> None:
        """Open ticket NUMBER in the browser."""
        click.launch(f"https://tickets.example.com/{number}")


@hookimpl
def register_departments() -> list[DepartmentSpec]:
    return [DepartmentSpec("helpdesk", "Help desk", instructions="Name the form to use.")]


@hookimpl
def start_department(department: str, context: PluginContext) -> None:
    context.log.info("department_added", department=department)


@hookimpl
def register_engine() -> Any:
    return EchoEngine()


@hookimpl
def register_retriever() -> Any:
    return WikiRetriever()


@hookimpl
def register_adapter_registry() -> Any:
    return SharedRegistry()


@hookimpl
def register_channels(settings: Settings) -> list[Any]:
    return [PagerChannel("https://pager.example.com")] if settings.prefix else []


@hookimpl
def register_services(instance: Any, queues: Sequence[str]) -> list[Any]:
    return [TicketPoller(instance)] if "gpu" not in queues else []


@hookimpl
def register_jobs(context: PluginContext) -> list[Job]:
    return [Job("count", every=timedelta(hours=1), run=lambda: context.storage.set("open", 12))]


@hookimpl
def register_routes() -> list[WebRoutes]:
    return [WebRoutes("/tickets", FastAPI())]


@hookimpl
def register_panels() -> list[ConsolePanel]:
    return [ConsolePanel("Tickets", "<p>12 are open.</p>", links=(("All tickets", "/tickets"),))]


@hookimpl
def register_sources() -> list[Any]:
    return [WikiSource()]


@hookimpl
def register_parsers() -> list[Any]:
    return [MailParser()]


@hookimpl
def register_erasers(instance: Any) -> list[Any]:
    return [TicketEraser(instance)]


@hookimpl
def claim_question(question: Question) -> bool:
    return re.search(r"\bIT-\d+\b", question.text) is not None


@hookimpl
def route_question(question: Question) -> str | None:
    return "it" if "laptop" in question.text.lower() and "it" in question.departments else None


@hookimpl
def enrich_question(question: Question) -> Question:
    return replace(question, search_text=question.text.replace("PTO", "paid time off"))


@hookimpl
def answer_directly(question: Question) -> DirectAnswer | None:
    if "ticket" not in question.text:
        return None
    return DirectAnswer("Shall I open one?", actions=(Action("open", "Open a ticket"),))


@hookimpl
def rank_passages(passages: list[Passage]) -> list[Passage]:
    return [passage for passage in passages if "archive/" not in passage.document]


@hookimpl
def extend_prompt(department: str) -> str | None:
    return "Name the form to use." if department == "it" else None


@hookimpl
def check_answer(draft: str) -> Verdict | None:
    return Verdict(ok=False, reason="names a project") if "Bluebird" in draft else None


@hookimpl
def on_action(action: Action, idempotency_key: str) -> ActionResult:
    return ActionResult(f"{action.label}: done, as {idempotency_key}.")


@hookimpl
async def on_answer_recorded(answer: Answer, context: PluginContext) -> None:
    context.metrics.counter("answers", "Answers.", ["known"]).inc(known=str(answer.known))


@hookimpl
def on_vote_recorded(vote: Vote, context: PluginContext) -> None:
    context.log.info("vote", value=vote.value)


@hookimpl
def on_correction_recorded(correction: Correction, context: PluginContext) -> None:
    context.log.info("corrected", answer=correction.answer_id)


@hookimpl
def find_address(target: str) -> dict[str, str] | None:
    kind, _, number = target.partition(":")
    return {"number": number} if kind == "pager" else None


@hookimpl
def on_event(event: object, context: PluginContext) -> None:
    context.log.info("event", kind=type(event).__name__)


@hookimpl
def scrub_text(text: str) -> str:
    return re.sub(r"\bPN-\d{6}\b", "<STAFF NUMBER>", text)


@hookimpl
def filter_training_example(example: TrainingExample) -> bool:
    return "lunch" not in example.question.lower()


@hookimpl
def on_round_metric(name: str, value: float, context: PluginContext) -> None:
    context.metrics.gauge("round", "Metrics of the running round.", ["metric"]).set(value, metric=name)


@hookimpl
def on_round_finished(event: RoundFinished, context: PluginContext) -> None:
    context.log.info("round_finished", verdict=event.verdict)
