"""A plugin that opens tickets once somebody confirms it, and a process that confirms an action: its id and person.

Each call of ``on_action`` is a line in the file that the payload names.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.answers import DirectAnswer
from bot.domain.plugins.actions import Action, ActionResult
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from bot.domain.questions import Question


@hookimpl
def answer_directly(question: Question) -> DirectAnswer | None:
    """Offer a ticket: "ticket FILE SECONDS"."""
    word, *rest = question.text.split()
    if word != "ticket":
        return None
    payload = {"file": rest[0], "seconds": float(rest[1]) if len(rest) > 1 else 0.0}
    return DirectAnswer(
        "Shall I open a ticket?",
        actions=(
            Action("open", "Open a ticket", payload, "primary"),
            Action("drop", "Forget it", payload, "danger"),
        ),
    )


@hookimpl
def on_action(action: Action, idempotency_key: str) -> ActionResult:
    """Open it."""
    with Path(action.payload["file"]).open("a", encoding="utf-8") as calls:
        calls.write(f"{action.name} {idempotency_key}\n")
    time.sleep(action.payload["seconds"])
    return ActionResult("Ticket IT-42 is open.", actions=(Action("close", "Close it again", dict(action.payload)),))


def main() -> None:
    """Confirm an action in this process and print its state."""
    from bot.app import Mentee
    from bot.config.settings import load_settings

    action_id, person_id = sys.argv[1:]
    mentee = Mentee(load_settings(), extra_plugins={"tickets": sys.modules[__name__]}, built_in=(), discover=False)
    person = mentee.departments.person(person_id)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    ended = mentee.actions.run(action_id, person, [mentee.departments.audience_of(person)])
    sys.stdout.write(f"{ended.state}\n")
    sys.stdout.flush()
    mentee.close()


if __name__ == "__main__":
    main()
