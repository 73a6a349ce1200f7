"""``mentee votes held``, ``release`` and ``discard``: what waits for an operator before rounds may use it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, id_column, json_option
from bot.domain.errors import MenteeError
from tuning import services
from tuning.data.held import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.instance import Instance
    from tuning.data.screening import Decision, Held

ACTOR = "cli:operator"
TEXT_SHOWN = 60

_department = click.option("--department", metavar="NAME", help="Only this department.")
_ids = click.argument("ids", metavar="[ID]...", nargs=-1)
_people = click.option("--person", "people", metavar="PERSON", multiple=True, help="Everything held of this person.")


@click.command("held")
@_department
@json_option
def held(department: str | None, *, as_json: bool) -> None:
    """List votes and corrections that wait for you before rounds may use them, with the reason."""
    with opened() as instance:
        rows = [_row(each) for each in _waiting(instance, department)]
    if as_json:
        emit_json({"held": rows})
        return
    if not rows:
        console.print("Nothing is held.")
        return
    table = Table(id_column("id"), "person", "vote", "question", "why", box=None, header_style="bold")
    for row in rows:
        said = "correction" if row["correction"] else row["vote"]
        why = f"{row['state']}: {row['reason']} ({row['detail']})"
        table.add_row(*map(escape, (row["id"], row["person"], said, row["question"][:TEXT_SHOWN], why)))
    console.print(table)


@click.command("release")
@_ids
@_people
@_department
@json_option
def release(ids: Sequence[str], people: Sequence[str], department: str | None, *, as_json: bool) -> None:
    """Release held votes and corrections to the next round. Everybody's share still applies."""
    _decide(ids, people, department, "released", as_json=as_json)


@click.command("discard")
@_ids
@_people
@_department
@json_option
def discard(ids: Sequence[str], people: Sequence[str], department: str | None, *, as_json: bool) -> None:
    """Discard held votes and corrections: no round uses them. Answers and curated answers stay as they are."""
    _decide(ids, people, department, "discarded", as_json=as_json)


def _decide(
    ids: Sequence[str], people: Sequence[str], department: str | None, decision: Decision, *, as_json: bool
) -> None:
    if not ids and not people:
        raise MenteeError("No votes were named.", hint="Give ids from `mentee votes held`, or --person PERSON.")
    with opened() as instance:
        found = chosen(_waiting(instance, department), ids, people)
        services.held_votes(instance).decide(found, decision, actor=ACTOR)
    if as_json:
        emit_json({"decision": decision, "ids": [each.statement.id for each in found]})
        return
    reasons = ", ".join(f"{number} {reason}" for reason, number in Counter(each.reason for each in found).items())
    console.print(f"{len(found)} {decision}: {reasons}.")


def _waiting(instance: Instance, department: str | None) -> Sequence[Held]:
    names = [instance.departments.get(department).name] if department else instance.departments.names()
    return services.held_votes(instance).waiting(instance.departments, names)


def _row(each: Held) -> dict[str, Any]:
    statement, exchange = each.statement, each.statement.rated.exchange
    return {
        "id": statement.id,
        "department": exchange.answer.department,
        "state": "quarantined" if each.quarantined else "held",
        "reason": each.reason,
        "detail": each.detail,
        "person": statement.person.id,
        "role": statement.person.role.value,
        "vote": statement.vote.value if statement.vote else None,
        "correction": statement.correction.text if statement.correction else None,
        "question": exchange.question.text,
        "answer": exchange.answer.text,
        "answer_id": exchange.answer.id,
        "at": statement.at,
    }
