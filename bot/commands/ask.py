"""``mentee ask``: the whole way of one message, from the terminal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from bot.app import Mentee, open_mentee
from bot.commands.output import console, emit_json, json_option, progress_console
from bot.messages import Answer, Done, Person, Question, Role, Status, TextDelta
from bot.rows import read_rows
from bot.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.messages import Turn
    from bot.rows import Row

CLI_USER = "cli:operator"
TOGETHER = 8
"""Questions of a file asked at the same time: the engine answers them in one batch."""


@click.command()
@click.argument("question", required=False)
@click.option("--department", metavar="NAME", help="Department to ask; routed by itself when left out.")
@click.option("--as", "as_user", metavar="USER", help="Ask with this person's rights instead of an operator's.")
@click.option("--no-curated", is_flag=True, help="Leave curated answers out, so that adapters can be compared.")
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="QUESTIONS.jsonl", help="Ask every row.")
@json_option
def ask(  # noqa: PLR0913 - one parameter for each option
    question: str | None,
    department: str | None,
    as_user: str | None,
    file: Path | None,
    *,
    no_curated: bool,
    as_json: bool,
) -> None:
    """Ask QUESTION and show the answer with its numbered sources.

    With --file, each line is {"question", "department"?, "history"?} and one JSON line is printed per row, in order.
    """
    if (question is None) == (file is None):
        raise click.UsageError("Give either a QUESTION or --file QUESTIONS.jsonl.")
    rows = read_rows(file, required=("question",)) if file else ()
    mentee = open_mentee(load_settings())
    try:
        person = mentee.departments.person(as_user) if as_user else Person(CLI_USER, "operator", Role.OPERATOR)
        asker = _Asker(mentee, person, use_curated=not no_curated)
        if file:
            asyncio.run(asker.ask_rows(rows, department))
        else:
            asyncio.run(asker.ask_one(str(question), department, as_json=as_json))
    finally:
        mentee.close()


class _Asker:
    def __init__(self, mentee: Mentee, person: Person, *, use_curated: bool) -> None:
        self._mentee = mentee
        self._person = person
        self._use_curated = use_curated

    async def ask_one(self, text: str, department: str | None, *, as_json: bool) -> None:
        try:
            answer = await self._ask(self._question(text, department), show=not as_json)
        finally:
            await self._mentee.pipeline.stop()
        if as_json:
            emit_json(answer_json(answer))
        else:
            _print_sources(answer)

    async def ask_rows(self, rows: Sequence[Row], department: str | None) -> None:
        questions = [
            self._question(row.text("question"), row.optional_text("department") or department, row.history())
            for row in rows
        ]
        window = asyncio.Semaphore(TOGETHER)

        async def ask(question: Question) -> Answer:
            async with window:
                return await self._ask(question, show=False)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(question)) for question in questions]
                for question, task in zip(questions, tasks, strict=True):
                    emit_json({"question": question.text, **answer_json(await task)})
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first row that failed tells what is wrong
        finally:
            await self._mentee.pipeline.stop()

    def _question(self, text: str, department: str | None, history: tuple[Turn, ...] = ()) -> Question:
        return Question(
            text=text,
            person=self._person,
            audience=self._mentee.departments.audience_of(self._person),
            department=department,
            history=history,
            use_curated=self._use_curated,
        )

    async def _ask(self, question: Question, *, show: bool) -> Answer:
        shown = held = ""
        async with aclosing(self._mentee.pipeline.answer(question)) as events:
            async for event in events:
                if isinstance(event, Status) and show:
                    progress_console.print(f"[dim]{escape(event.text)} …[/]")
                elif isinstance(event, TextDelta) and show:
                    text = held + event.text
                    held = text[len(text.rstrip()) :]  # white space waits: a source's number may follow the last word
                    console.print(escape(text.rstrip()), end="")
                    shown += text.rstrip()
                elif isinstance(event, Done):
                    answer = event.answer
        if show:
            rest = answer.text[len(shown) :] if answer.text.startswith(shown) else f"\n{answer.text}"
            console.print(escape(rest))
        await self._mentee.store.run(self._mentee.pipeline.record, question, answer)
        return answer


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as ``mentee ask --json`` prints it (design §7)."""
    citations = [
        {"n": citation.n, "document": citation.document, "heading": citation.heading, "text": citation.text}
        for citation in answer.citations
    ]
    return {
        "answer": answer.text,
        "known": answer.known,
        "department": answer.department,
        "citations": citations,
        "provenance": {**asdict(answer.provenance), "answer_id": answer.id},
    }


def _print_sources(answer: Answer) -> None:
    if answer.citations:
        console.print("\n[bold]Sources[/]" if answer.known else "\n[bold]Nearest pages[/]")
    for citation in answer.citations:
        console.print(
            f"  \\[{citation.n}] {escape(citation.heading or citation.document)}  [dim]{escape(citation.document)}[/]"
        )
