"""What commands that ask share: who asks, the questions of a file, and what answers offer to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.markup import escape

from bot.access.people import account_id
from bot.cli.output import console, emit_json
from bot.domain.errors import MenteeError
from bot.domain.people import Person, Role
from bot.storage.jsonl import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bot.access.people import People
    from bot.app import Mentee
    from bot.domain.plugins.actions import OfferedAction
    from bot.storage.jsonl import Row

OPERATOR = Person("cli:operator", "operator", Role.OPERATOR)
"""Who asks at the command line, unless ``--as`` names somebody."""

new_person_option = click.option(
    "--new-person", is_flag=True, help="Let --as name somebody who isn't known yet: an employee of no department."
)


def person_asking(people: People, as_user: str | None, *, new_person: bool) -> Person:
    """Return whose permissions count.

    :param new_person: whether ``as_user`` may be somebody whom Mentee doesn't know.
    :raises NotFoundError: there is no such person.
    """
    if new_person and not as_user:
        raise click.UsageError("--new-person needs --as.")
    if not as_user:
        return OPERATOR
    return people.get(account_id(as_user)) if new_person else people.find(as_user)


def print_actions(actions: Iterable[OfferedAction], as_user: str | None) -> None:
    """Print what came of actions, and how to confirm those that are on offer."""
    who = f" --as {as_user}" if as_user else ""
    for each in actions:
        label = escape(each.action.label)
        if each.state == "offered":
            console.print(f"  {label}  [dim]mentee ask --confirm {each.id}{escape(who)}[/]")
        elif each.state in ("done", "failed", "unknown"):
            console.print(f"  [bold]{label}[/]  {escape(each.result)}")


def confirm_action(mentee: Mentee, action_id: str, person: Person, as_user: str | None, *, as_json: bool) -> None:
    """Confirm an action of an earlier answer and print what came of it.

    :raises MenteeError: the person may not confirm it, or it has expired or is being done.
    :raises Exit: it has failed, or nobody knows whether it happened.
    """
    found = mentee.actions.run(action_id, person, [mentee.departments.audience_of(person)])
    if found.state not in ("done", "failed", "unknown"):
        raise MenteeError(found.result or "This is already being done.")
    shown = mentee.actions.of_answer(mentee.actions.answer_of(action_id))
    if as_json:
        emit_json([each.shown() for each in shown])
    else:
        print_actions(shown, as_user)
    if found.state != "done":
        raise click.exceptions.Exit(1)


def rows_of(question: str | None, file: Path | None) -> tuple[Row, ...]:
    """Return the rows of ``--file``; none for a single question.

    :raises UsageError: both are given, or neither.
    :raises InputFileError: a row has no question.
    """
    if (question is None) == (file is None):
        raise click.UsageError("Give either a QUESTION or --file QUESTIONS.jsonl.")
    return read_rows(file, required=("question",)) if file else ()
