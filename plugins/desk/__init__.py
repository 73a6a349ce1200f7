"""The desk of support agents: proposed corrections, questions for a person, and answers voted down, one by one.

``sharing.py`` shares the queue among agents with the claims of ``claims.py``, ``judging.py`` records what they decide,
and ``showing.py`` says what the page shows. ``sampling.py`` draws answers at random, which agents rate.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bot.domain.plugins.jobs import Job
from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl
from plugins.desk.settings import DeskSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.hooks.context.plugin_context import PluginContext
    from bot.hooks.instance import Instance
    from bot.storage.migrate import PluginTables
    from plugins.desk.work.sampling import Samples


@hookimpl
def register_settings() -> type[DeskSettings]:
    """Say how long an agent holds an item, and how many answers are rated."""
    return DeskSettings


@hookimpl
def register_tables() -> PluginTables:
    """Bring the tables of claims and of the random sample."""
    from plugins.desk.tables import TABLES

    return TABLES


@hookimpl
def register_jobs(instance: Instance, context: PluginContext) -> Sequence[Job]:
    """Draw the random sample."""
    samples = _samples(instance, context)
    return [Job("random-sample", timedelta(hours=1), lambda: samples.draw(context.departments))]


@hookimpl
def register_routes(instance: Instance, context: PluginContext) -> Sequence[WebRoutes]:
    """Add the page at ``/desk``."""
    from plugins.desk.curated.listing import CuratedDesk
    from plugins.desk.judging import Judging
    from plugins.desk.pages import PREFIX, build_desk
    from plugins.desk.queues import Queues
    from plugins.desk.showing import Showing
    from plugins.desk.work.claims import Claims
    from plugins.desk.work.sharing import Sharing

    settings = _settings(context)
    claims = Claims(instance.store, lambda department: settings(department).claim_minutes)
    sharing = Sharing(instance.reviews, instance.departments, claims, _samples(instance, context))
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
    queues = Queues(sharing, instance.ratings, instance.reviews, instance.departments, settings, showing.frame)
    return [WebRoutes(PREFIX, build_desk(judging, showing, curated, queues, instance.sessions))]


def _settings(context: PluginContext) -> Callable[[str], DeskSettings]:
    def of(department: str) -> DeskSettings:
        settings: DeskSettings = context.of(department).settings
        return settings

    return of


def _samples(instance: Instance, context: PluginContext) -> Samples:
    from plugins.desk.work.sampling import Samples

    return Samples(instance.store, instance.ratings, instance.reviews, _settings(context))
