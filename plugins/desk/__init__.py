"""The desk of support agents: proposed corrections, questions for a person, and answers voted down, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.instance import Instance


@hookimpl
def register_routes(instance: Instance) -> Sequence[WebRoutes]:
    """Add the page at ``/desk``."""
    from plugins.desk.judging import Desk
    from plugins.desk.pages import PREFIX, build_desk

    desk = Desk(
        instance.reviews,
        instance.votes,
        instance.escalations,
        instance.history,
        instance.departments,
        instance.plugins,
    )
    return [WebRoutes(PREFIX, build_desk(desk, instance.sessions))]
