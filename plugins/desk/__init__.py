"""The desk of support agents: proposed corrections, questions for a person, and answers voted down, one by one.

``sharing.py`` shares the queue among agents with the claims of ``claims.py``, ``judging.py`` records what they decide,
and ``showing.py`` says what the page shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl
from plugins.desk.settings import DeskSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.context.plugin_context import PluginContext
    from bot.hooks.instance import Instance
    from bot.storage.migrate import PluginTables


@hookimpl
def register_settings() -> type[DeskSettings]:
    """Say how long an agent holds an item."""
    return DeskSettings


@hookimpl
def register_tables() -> PluginTables:
    """Bring the table of claims."""
    from plugins.desk.tables import TABLES

    return TABLES


@hookimpl
def register_routes(instance: Instance, context: PluginContext) -> Sequence[WebRoutes]:
    """Add the page at ``/desk``."""
    from plugins.desk.claims import Claims
    from plugins.desk.curated.listing import CuratedDesk
    from plugins.desk.judging import Judging
    from plugins.desk.pages import PREFIX, build_desk
    from plugins.desk.sharing import Sharing
    from plugins.desk.showing import Showing

    def minutes(department: str) -> float:
        settings: DeskSettings = context.of(department).settings
        return settings.claim_minutes

    sharing = Sharing(instance.reviews, instance.departments, Claims(instance.store, minutes))
    judging = Judging(sharing, instance.reviews, instance.votes, instance.escalations, instance.ratings)
    showing = Showing(
        sharing,
        instance.reviews,
        instance.escalations,
        instance.ratings,
        instance.history,
        instance.departments,
        instance.plugins,
    )
    curated = CuratedDesk(instance.curated, instance.reviews, instance.departments, showing.frame)
    return [WebRoutes(PREFIX, build_desk(judging, showing, curated, instance.sessions))]
