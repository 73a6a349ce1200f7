"""Scores complete answers, retrieval included, by key facts, cited pages and refusals.

:mod:`tuning.evaluation.answers` compares adapters on fixed prompts. This module asks like a person and scores what that
person would see: a cited answer, a quotation, or "I don't find this".
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.domain.answers import Done
from bot.domain.errors import InputFileError
from bot.domain.generation import EngineInfo
from bot.domain.people import Audience, Person, Role
from bot.domain.questions import Question
from bot.language.words import mentions
from bot.storage.jsonl import read_rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from pathlib import Path

    from bot.domain.answers import Answer
    from bot.domain.generation import AdapterRef, GenerationRequest
    from bot.domain.questions import ChatMessage, Turn
    from bot.hooks.instance import Instance
    from bot.storage.jsonl import Row

FACT_METRICS = {
    "key_facts": "key facts",
    "page_cited": "right page cited",
    "refused": "unanswerable refused",
    "wrongly_refused": "answerable refused",
    "quoted": "answered by a quotation",
}
"""The metrics in display order. A score is ``None`` if the metric doesn't apply to a question."""

TOGETHER = 8
_OTHER = re.compile(r"[^a-z0-9$%@.]+")
_SOURCE = re.compile(r"\s?\[\d+\]")


@dataclass(frozen=True, slots=True)
class FactQuestion:
    """A question and what a right answer must contain.

    :param pages: documents of which the answer must cite at least one, compared by the end of their address.
    :param key_facts: texts that the answer must contain; compared by :func:`flat`.
    """

    text: str
    department: str | None
    answerable: bool
    key_facts: tuple[str, ...]
    pages: tuple[str, ...]
    history: tuple[Turn, ...] = ()


def flat(text: str) -> str:
    """Return the text as key facts are compared: lower case, of letters, digits and ``$ % @ .``, no source numbers."""
    words = _OTHER.sub(" ", _SOURCE.sub("", text).lower()).split()
    return " ".join(word.strip(".") for word in words if word.strip("."))


def holds(text: str, facts: Sequence[str]) -> bool:
    """Return whether a text contains every fact, as whole words."""
    found = f" {flat(text)} "
    return all(f" {flat(fact)} " in found if fact.isascii() else mentions(text, fact) for fact in facts)


def read_fact_questions(path: Path) -> list[FactQuestion]:
    """Read rows ``{"question", "answerable", "key_facts", "section_ids", "department"?, "history"?}``.

    :raises InputFileError: a row lacks a value, or an answerable one has no key facts.
    """
    return [_fact_question(row) for row in read_rows(path, required=("question",))]


def score_facts(question: FactQuestion, answer: Answer) -> Mapping[str, float | None]:
    """Return every metric of one answer, 0..1."""
    cited = any(_is(citation.document, page) for citation in answer.citations for page in question.pages)
    found = sum(holds(answer.text, [fact]) for fact in question.key_facts) if answer.known else 0
    asked = question.answerable
    return {
        "key_facts": found / len(question.key_facts) if asked else None,
        "page_cited": float(cited and answer.known) if asked and question.pages else None,
        "refused": None if asked else float(not answer.known),
        "wrongly_refused": float(not answer.known) if asked else None,
        "quoted": float(answer.provenance.source == "passage"),
    }


def _is(document: str, page: str) -> bool:
    """Return whether a document's address ends with the page's, folder by folder."""
    return f"/{document}".endswith(f"/{page}")


class Pinned:
    """The same adapter, or none, for every department."""

    def __init__(self, adapter: AdapterRef | None) -> None:
        self._adapter = adapter

    def get(self, department: str, *, reading: bool = True) -> AdapterRef | None:  # noqa: ARG002 - as the protocol has it
        """Return the pinned adapter; a starter only where there is something to read."""
        return self._adapter if self._adapter is None or reading or not self._adapter.starter else None

    def problems(self) -> dict[str, str]:
        """Return nothing: the engine refuses a pinned adapter that it can't use."""
        return {}

    def forget(self) -> None:
        """Nothing to read anew."""


class Silent:
    """An engine that generates nothing, so every answer is a quotation: the baseline for a reader."""

    info = EngineInfo("silent", "none", "none", "none", context_tokens=1 << 20)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:  # noqa: ARG002 - says nothing to any
        """Yield nothing."""
        return
        yield

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:  # noqa: ARG002 - everything fits
        """Return 0."""
        return 0

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to free."""


def ask_all(
    instance: Instance, questions: Sequence[FactQuestion], on_progress: Callable[[int], None] | None = None
) -> list[Answer]:
    """Ask every question as somebody who may read everything. Nothing is recorded.

    :param on_progress: called with the number of answers so far.
    """
    return asyncio.run(_ask_all(instance, questions, on_progress))


async def _ask_all(
    instance: Instance, questions: Sequence[FactQuestion], on_progress: Callable[[int], None] | None
) -> list[Answer]:
    window = asyncio.Semaphore(TOGETHER)
    person = Person("mentee:eval", "eval", Role.OPERATOR)
    done = 0

    async def ask(asked: FactQuestion) -> Answer:
        nonlocal done
        question = Question(
            asked.text,
            person,
            audience=Audience(unrestricted=True),
            department=asked.department,
            history=asked.history,
            use_curated=False,
        )
        async with window, aclosing(instance.answer(question)) as events:
            answer = [event.answer async for event in events if isinstance(event, Done)][-1]
        done += 1
        if on_progress:
            on_progress(done)
        return answer

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(question)) for question in questions]
        return [task.result() for task in tasks]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # the first failure says what is wrong
    finally:
        await instance.stop_engine()


def for_department(questions: Sequence[FactQuestion], department: str | None) -> list[FactQuestion]:
    """Return the department's questions, those that name none included; without a department, all."""
    if department is None:
        return list(questions)
    mine = [question for question in questions if question.department in (None, department)]
    return [replace(question, department=department) for question in mine]


def _fact_question(row: Row) -> FactQuestion:
    answerable = row.get("answerable", True)
    facts, sections = row.get("key_facts", []), row.get("section_ids", [])
    for key, value in (("key_facts", facts), ("section_ids", sections)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputFileError(f'{row.place}: "{key}" is {value!r}.', hint="Expected a list of texts.")
    if answerable and not facts:
        raise InputFileError(f'{row.place}: "key_facts" is empty.', hint='Expected texts, or "answerable": false.')
    return FactQuestion(
        text=row.text("question"),
        department=row.optional_text("department"),
        answerable=bool(answerable),
        key_facts=tuple(facts),
        pages=tuple(dict.fromkeys(section.partition("#")[0] for section in sections)),
        history=row.history(),
    )
