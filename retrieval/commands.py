"""``mentee documents`` and ``mentee search``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.app import open_mentee
from bot.commands.output import console, emit_json, json_option, progress_console
from bot.errors import InputFileError
from bot.messages import Person, Role, Turn
from bot.rows import read_rows
from bot.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.app import Mentee
    from bot.messages import Audience, Passage
    from bot.rows import Row
    from retrieval.library import Report
    from retrieval.sync import Documents

ACTOR = "command line"
CLI_USER = "cli:operator"
EXCERPT = 280
department_option = click.option("--department", required=True, metavar="NAME", help="The department they belong to.")


@click.group()
def documents() -> None:
    """A department's documents: what its answers come from."""


@documents.command()
@click.argument("addresses", nargs=-1, required=True, metavar="PATH…")
@department_option
@click.option(
    "--readers", multiple=True, metavar="PRINCIPAL", help="Who may read them, like user:ada; else the department."
)
@json_option
def add(addresses: tuple[str, ...], department: str, readers: tuple[str, ...], *, as_json: bool) -> None:
    """Add files, folders, git repositories (….git, git+PATH) or web pages. Adding the same again changes nothing."""
    _change(department, lambda known: known.add(addresses, department, readers=readers or None), as_json=as_json)


@documents.command()
@department_option
@json_option
def sync(department: str, *, as_json: bool) -> None:
    """Read every source again: changed documents are updated, those that are gone removed, a damaged index rebuilt."""
    _change(department, lambda known: known.sync(department), as_json=as_json)


@documents.command()
@click.argument("addresses", nargs=-1, required=True, metavar="PATH…")
@department_option
@json_option
def remove(addresses: tuple[str, ...], department: str, *, as_json: bool) -> None:
    """Remove documents, by their address or by what was added (a folder)."""
    _change(department, lambda known: known.remove(addresses, department), as_json=as_json)


@documents.command("list")
@department_option
@json_option
def list_(department: str, *, as_json: bool) -> None:
    """List the documents with their state and readers."""
    from retrieval.sync import Documents

    mentee = open_mentee(load_settings())
    try:
        mentee.departments.get(department)
        rows = Documents(mentee, actor=ACTOR).library.rows(department)
    finally:
        mentee.close()
    if as_json:
        emit_json([{"document": row.address, **_described(row)} for row in rows])
        return
    table = Table("Document", "Title", "State", "Readers")
    for row in rows:
        state = row.state + (f": {row.error}" if row.error else "") + "".join(f" ({flag})" for flag in row.flags)
        table.add_row(
            escape(row.address), escape(row.title), escape(state), escape(", ".join(row.readers)) or "department"
        )
    console.print(table if rows else f"No documents yet: `mentee documents add PATH --department {department}`.")


@click.command()
@click.argument("question", required=False)
@click.option("--department", metavar="NAME", help="The department to search; rows of --file may name their own.")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 100), help="How many passages.")
@click.option("--as", "as_user", metavar="USER", help="Search with this person's rights instead of an operator's.")
@click.option(
    "--file", "file", type=click.Path(path_type=Path), metavar="QUESTIONS.jsonl", help="Search for every row."
)
@json_option
def search(  # noqa: PLR0913 - one parameter for each option
    question: str | None, department: str | None, k: int, as_user: str | None, file: Path | None, *, as_json: bool
) -> None:
    """Find passages for QUESTION without answering it.

    With --file, each line is {"question", "department"?, "history"?} and one JSON line is printed per row, in order.
    """
    if (question is None) == (file is None):
        raise click.UsageError("Give either a QUESTION or --file QUESTIONS.jsonl.")
    if question is not None and department is None:
        raise click.UsageError("Give the --department to search.")
    rows = read_rows(file, required=("question",)) if file else ()
    mentee = open_mentee(load_settings())
    try:
        person = mentee.departments.person(as_user) if as_user else Person(CLI_USER, "operator", Role.OPERATOR)
        finder = _Finder(mentee, mentee.departments.audience_of(person), k)
        if file:
            _search_rows(finder, rows, department)
        else:
            _show(str(question), finder.find(str(question), str(department)), as_json=as_json)
    finally:
        mentee.close()


class _Finder:
    def __init__(self, mentee: Mentee, audience: Audience, k: int) -> None:
        self._mentee = mentee
        self._audience = audience
        self._k = k

    def find(self, question: str, department: str, history: Sequence[Turn] = ()) -> list[Passage]:
        self._mentee.departments.require_askable(department, self._audience)
        return self._mentee.retriever.search(question, department, self._audience, k=self._k, history=history)


def _search_rows(finder: _Finder, rows: Sequence[Row], department: str | None) -> None:
    asked = []
    for row in rows:
        name = row.optional_text("department") or department
        if name is None:
            raise InputFileError(f"{row.place} names no department.", hint="Give --department, or one in each row.")
        asked.append((row.text("question"), name, _history(row)))
    for question, name, history in asked:
        emit_json(_found(question, finder.find(question, name, history)))


def _show(question: str, passages: Sequence[Passage], *, as_json: bool) -> None:
    if as_json:
        emit_json(_found(question, passages))
        return
    if not passages:
        console.print("Nothing found.")
    for number, passage in enumerate(passages, start=1):
        excerpt = " ".join(passage.text.split())
        excerpt = excerpt if len(excerpt) <= EXCERPT else excerpt[:EXCERPT].rsplit(" ", 1)[0] + " …"
        console.print(
            f"[bold]{number}. {escape(passage.heading)}[/]  [dim]{passage.score:.3f}  {escape(passage.document)}[/]"
        )
        console.print(f"   {escape(excerpt)}")


def _found(question: str, passages: Sequence[Passage]) -> dict[str, Any]:
    results = [
        {
            "document": passage.document,
            "heading": passage.heading,
            "text": passage.text,
            "score": round(passage.score, 6),
            "relevance": round(passage.relevance, 6),
            "chunk_id": passage.chunk_id,
        }
        for passage in passages
    ]
    return {"question": question, "results": results}


def _history(row: Row) -> tuple[Turn, ...]:
    turns = row.get("history", [])
    turns = [turns] if isinstance(turns, dict) else turns
    try:
        return tuple(Turn(str(turn["question"]), str(turn.get("answer") or "")) for turn in turns)
    except (TypeError, KeyError, AttributeError):
        raise InputFileError(
            f'{row.place}: "history" is {json.dumps(turns)[:80]}.',
            hint='Expected a list of {"question", "answer"} objects.',
        ) from None


def _change(department: str, make: Callable[[Documents], Report], *, as_json: bool) -> None:
    from retrieval.progress import shown
    from retrieval.sync import Documents

    mentee = open_mentee(load_settings())
    try:
        with shown(department) as listener:
            report = make(Documents(mentee, actor=ACTOR, listener=listener))
    finally:
        mentee.close()
    failed = report.of("failed")
    if as_json:
        emit_json(_reported(report))
    else:
        _print_report(report)
    if failed:
        raise SystemExit(1)


def _print_report(report: Report) -> None:
    counts = {
        state: len(report.of(state)) for state in ("added", "updated", "unchanged", "removed", "skipped", "failed")
    }
    console.print(", ".join(f"{count} {state}" for state, count in counts.items() if count) or "Nothing to do.")
    for outcome in report.outcomes:
        for flag in outcome.flags:
            progress_console.print(f"[yellow]{escape(outcome.address)}[/]: {flag}")
    for outcome in report.of("skipped"):
        progress_console.print(f"[dim]skipped {escape(outcome.address)}: {escape(outcome.reason)}[/]")
    for outcome in report.of("failed"):
        progress_console.print(f"[bold red]failed[/] {escape(outcome.address)}: {escape(outcome.reason)}")


def _reported(report: Report) -> dict[str, Any]:
    return {
        "department": report.department,
        "generation": report.generation,
        "documents": [
            {"document": item.address, "state": item.state, "reason": item.reason, "flags": item.flags}
            for item in report.outcomes
        ],
    }


def _described(row: Any) -> dict[str, Any]:
    return {
        "title": row.title,
        "state": row.state,
        "error": row.error,
        "flags": row.flags,
        "readers": row.readers,
        "source": row.source,
        "size": row.size,
        "sha256": row.sha256,
    }
