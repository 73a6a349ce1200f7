"""``mentee documents``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.domain.people import principal_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.tables.documents import DocumentRow
    from retrieval.ingest.changes import Report
    from retrieval.ingest.documents import Documents

ACTOR = "command line"
department_option = click.option("--department", required=True, metavar="NAME", help="The department.")


@click.group()
def documents() -> None:
    """Manage a department's documents."""


@documents.command()
@click.argument("addresses", nargs=-1, required=True, metavar="PATH…")
@department_option
@click.option(
    "--readers",
    multiple=True,
    metavar="PRINCIPAL",
    callback=lambda _context, _parameter, readers: _principals(readers),
    help="Who may read them, such as user:ada. Default: the department.",
)
@json_option
def add(addresses: tuple[str, ...], department: str, readers: tuple[str, ...], *, as_json: bool) -> None:
    """Add files, folders, git repositories (….git, git+PATH) or web pages. Safe to repeat."""
    _change(
        department, lambda documents: documents.add(addresses, department, readers=readers or None), as_json=as_json
    )


@documents.command()
@department_option
@json_option
def sync(department: str, *, as_json: bool) -> None:
    """Read all sources again: update changed documents, remove deleted ones, rebuild a damaged index."""
    _change(department, lambda documents: documents.sync(department), as_json=as_json)


@documents.command()
@click.argument("addresses", nargs=-1, required=True, metavar="PATH…")
@department_option
@json_option
def remove(addresses: tuple[str, ...], department: str, *, as_json: bool) -> None:
    """Remove documents by address, or everything added from a folder."""
    _change(department, lambda documents: documents.remove(addresses, department), as_json=as_json)


@documents.command("list")
@department_option
@json_option
def list_(department: str, *, as_json: bool) -> None:
    """List documents with their state and who may read them."""
    from retrieval.assembly import open_documents

    with opened() as instance:
        rows = open_documents(instance, actor=ACTOR).rows(department)
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


def _principals(readers: tuple[str, ...]) -> tuple[str, ...]:
    for problem in filter(None, map(principal_problem, readers)):
        raise click.BadParameter(problem)
    return readers


def _change(department: str, make: Callable[[Documents], Report], *, as_json: bool) -> None:
    from retrieval.assembly import open_documents
    from retrieval.commands.progress import progress_bars

    with opened() as instance, progress_bars(department) as listener:
        report = make(open_documents(instance, actor=ACTOR, listener=listener))
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
        "generation": report.snapshot,
        "documents": [
            {"document": item.address, "state": item.state, "reason": item.reason, "flags": item.flags}
            for item in report.outcomes
        ],
    }


def _described(row: DocumentRow) -> dict[str, Any]:
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
