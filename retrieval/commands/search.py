"""``mentee search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from bot.cli.asking import new_person_option, person_asking, rows_of
from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option
from bot.domain.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Departments
    from bot.domain.people import Audience
    from bot.domain.ports import Retriever
    from bot.domain.questions import Passage, Turn
    from bot.storage.jsonl import Row

EXCERPT = 280


@click.command()
@click.argument("question", required=False)
@click.option("--department", metavar="NAME", help="Department to search. Rows of --file can name their own.")
@click.option("--k", default=10, show_default=True, type=click.IntRange(1, 100), help="Number of passages.")
@click.option("--as", "as_user", metavar="USER", help="Search with this person's permissions instead of an operator's.")
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="QUESTIONS.jsonl",
    help="Search for every question in this file.",
)
@new_person_option
@json_option
def search(  # noqa: PLR0913 - one parameter for each option
    question: str | None,
    department: str | None,
    k: int,
    as_user: str | None,
    file: Path | None,
    *,
    new_person: bool,
    as_json: bool,
) -> None:
    """Find passages for QUESTION, without an answer.

    With --file, each line is {"question", "department"?, "history"?} and one JSON line is printed per row, in order.
    """
    rows = rows_of(question, file)
    if question is not None and department is None:
        raise click.UsageError("Give the --department to search.")
    with opened() as instance:
        person = person_asking(instance.people, as_user, new_person=new_person)
        finder = _Finder(instance.retriever, instance.departments, instance.departments.audience_of(person), k)
        if file:
            _search_rows(finder, rows, department)
        else:
            _show(str(question), finder.find(str(question), str(department)), as_json=as_json)


class _Finder:
    def __init__(self, retriever: Retriever, departments: Departments, audience: Audience, k: int) -> None:
        self._retriever = retriever
        self._departments = departments
        self._audience = audience
        self._k = k

    def find(self, question: str, department: str, history: Sequence[Turn] = ()) -> list[Passage]:
        self._departments.require_askable(department, self._audience)
        return self._retriever.search(question, department, self._audience, k=self._k, history=history)


def _search_rows(finder: _Finder, rows: Sequence[Row], department: str | None) -> None:
    asked = []
    for row in rows:
        name = row.optional_text("department") or department
        if name is None:
            raise InputFileError(f"{row.place} has no department.", hint="Give --department, or one in each row.")
        asked.append((row.text("question"), name, row.history()))
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
