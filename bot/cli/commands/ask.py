"""``mentee ask``: ask a question from the terminal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from bot.cli.asking import confirm_action, new_person_option, person_asking, print_actions, rows_of
from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.domain.answers import Answer, Done, Status, TextDelta
from bot.domain.documents.rendering import with_plain_numbers
from bot.domain.errors import MenteeError
from bot.domain.questions import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.domain.people import Person
    from bot.domain.questions import Turn
    from bot.storage.jsonl import Row

TOGETHER = 8
"""Questions of a file asked at the same time: the engine answers them in one batch."""


@click.command()
@click.argument("question", required=False)
@click.option("--department", metavar="NAME", help="Department to ask. Chosen from the question by default.")
@click.option("--as", "as_user", metavar="USER", help="Ask with this person's permissions instead of an operator's.")
@click.option("--no-curated", is_flag=True, help="Ignore curated answers, for example to compare adapters.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="QUESTIONS.jsonl",
    help="Ask every question in this file.",
)
@click.option("--confirm", "action_id", metavar="ACTION", help="Confirm what an earlier answer offered to do.")
@new_person_option
@json_option
def ask(  # noqa: PLR0913 - one parameter for each option
    question: str | None,
    department: str | None,
    as_user: str | None,
    file: Path | None,
    action_id: str | None,
    *,
    no_curated: bool,
    new_person: bool,
    as_json: bool,
) -> None:
    """Ask QUESTION and print the answer with its sources.

    With --file, each line is {"question", "department"?, "history"?} and one JSON line is printed per row, in order.
    A question that fails has "error" instead of an answer; the others are answered, and the exit code is 1.

    If a plugin offers to do something, the answer ends with the command that confirms it. Only the person who
    asked can confirm it.
    """
    if action_id and (question or file):
        raise click.UsageError("Give --confirm without a question.")
    rows = () if action_id else rows_of(question, file)
    with opened() as mentee:
        person = person_asking(mentee.people, as_user, new_person=new_person)
        if action_id:
            confirm_action(mentee, action_id, person, as_user, as_json=as_json)
            return
        asker = _Asker(mentee, person, use_curated=not no_curated)
        if file:
            asyncio.run(asker.ask_rows(rows, department))
        else:
            asyncio.run(asker.ask_one(str(question), department, as_user, as_json=as_json))


class _Asker:
    def __init__(self, mentee: Mentee, person: Person, *, use_curated: bool) -> None:
        self._mentee = mentee
        self._person = person
        self._use_curated = use_curated

    async def ask_one(self, text: str, department: str | None, as_user: str | None, *, as_json: bool) -> None:
        try:
            answer = await self._ask(self._question(text, department), show=not as_json)
        finally:
            await self._mentee.pipeline.stop()
        if as_json:
            emit_json(answer_json(answer))
        else:
            _print_sources(answer)
            _print_suggestion(answer)
            self._print_elsewhere(answer, as_user)
            if answer.actions:
                console.print("\n[bold]You can[/]")
                print_actions(answer.actions, as_user)

    def _print_elsewhere(self, answer: Answer, as_user: str | None) -> None:
        who = f" --as {as_user}" if as_user else ""
        for name in answer.provenance.elsewhere:
            title = self._mentee.departments.title(name)
            console.print(
                f"[bold]Ask in {escape(title)}[/]  [dim]mentee ask QUESTION --department {name}{escape(who)}[/]"
            )

    async def ask_rows(self, rows: Sequence[Row], department: str | None) -> None:
        questions = [
            self._question(row.text("question"), row.optional_text("department") or department, row.history())
            for row in rows
        ]
        window = asyncio.Semaphore(TOGETHER)

        async def ask(question: Question) -> dict[str, Any]:
            async with window:
                try:
                    return answer_json(await self._ask(question, show=False))
                except MenteeError as error:
                    return {"error": {"text": error.text, "hint": error.hint}}
                except Exception as error:  # noqa: BLE001 - the other rows are answered all the same
                    return {"error": {"text": f"{type(error).__name__}: {error}", "hint": ""}}

        failed = 0
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(ask(question)) for question in questions]
                for question, task in zip(questions, tasks, strict=True):
                    found = await task
                    failed += "error" in found
                    emit_json({"question": question.text, **found})
        finally:
            await self._mentee.pipeline.stop()
        if failed:
            raise MenteeError(
                f"{failed} of {len(questions)} questions failed.", hint='Their rows have "error" instead of an answer.'
            )

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
                    console.print(escape(with_plain_numbers(text.rstrip())), end="")
                    shown += text.rstrip()
                elif isinstance(event, Done):
                    answer = event.answer
        if show:
            rest = answer.text[len(shown) :] if answer.text.startswith(shown) else f"\n{answer.text}"
            console.print(escape(with_plain_numbers(rest)))
        await self._mentee.store.run(self._mentee.recorder.record, question, answer)
        return answer


def answer_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as ``mentee ask --json`` prints it."""
    citations = [
        {"n": citation.n, "document": citation.document, "heading": citation.heading, "text": citation.text}
        for citation in answer.citations
    ]
    return {
        "answer": answer.text,
        "known": answer.known,
        "department": answer.department,
        "citations": citations,
        "actions": [each.shown() for each in answer.actions],
        "elsewhere": list(answer.provenance.elsewhere),
        "provenance": _provenance_json(answer),
    }


def _provenance_json(answer: Answer) -> dict[str, Any]:
    """Return the provenance under its public keys: ``generation`` is the snapshot of the index."""
    provenance = asdict(answer.provenance)
    snapshot = provenance.pop("snapshot")
    del provenance["elsewhere"]
    return {**provenance, "generation": snapshot, "answer_id": answer.id}


def _print_suggestion(answer: Answer) -> None:
    found = answer.provenance.suggestion
    if found is not None:
        console.print(f"\n[bold]A colleague answered a similar question[/]: {escape(found.question)}")
        console.print(escape(found.text))


def _print_sources(answer: Answer) -> None:
    if answer.provenance.source == "passage":
        console.print("[yellow]Weak match: quoted from the closest page. It may not answer your question.[/]")
    if answer.citations:
        console.print("\n[bold]Sources[/]" if answer.known else "\n[bold]Nearest pages[/]")
    for citation in answer.citations:
        console.print(
            f"  \\[{citation.n}] {escape(citation.heading or citation.document)}  [dim]{escape(citation.document)}[/]"
        )
