"""What is said around actions: the buttons of a plugin under its answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plugins.slack.copy.formats import escaped, shortened

if TYPE_CHECKING:
    from bot.domain.plugins.actions import ActionState

SECTION_CHARACTERS = 3_000
CUT_ENTITY = re.compile(r"&[a-z]*…$")
EMOJI = {"done": ":white_check_mark:", "failed": ":x:", "unknown": ":warning:", "running": ":hourglass_flowing_sand:"}


def confirm_yes() -> str:
    """The label that confirms an action after a further question."""
    return "Go on"


def confirm_no() -> str:
    """The label that doesn't."""
    return "Cancel"


def outcome(state: ActionState, label: str, result: str, limit: int) -> str:
    """What came of an action, in at most ``limit`` characters. Slack's own markup, already safe."""
    head = f"{EMOJI[state]} *{escaped(label)}* "
    said = shortened(escaped(result), min(SECTION_CHARACTERS, limit) - len(head))
    return (head + CUT_ENTITY.sub("…", said)).rstrip()


def under_way() -> str:
    """Told to somebody who confirms what is being done already."""
    return "This is already being done."
