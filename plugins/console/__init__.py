"""The operators' pages: departments with champions and rounds; plugins with switches and settings; outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.instance import Instance


@hookimpl
def register_routes(instance: Instance) -> Sequence[WebRoutes]:
    """Add the pages at ``/console``."""
    from plugins.console.analytics.pages import Analytics
    from plugins.console.overview import Overview
    from plugins.console.pages import PREFIX, Page, build_console
    from plugins.console.switches import Switches
    from retrieval.catalog import Catalog

    overview = Overview(
        instance.store,
        instance.departments,
        Catalog(instance.store),
        instance.history,
        instance.votes,
        instance.active_adapters,
    )

    def has_desk() -> bool:
        return instance.plugins.serves("desk")

    page = Page(
        overview,
        Switches(instance.plugins, instance.departments),
        instance.places,
        instance.audit,
        instance.settings.model,
        lambda: instance.plugins.register_panels(instance),
        has_desk,
        Analytics(instance.outcomes, instance.departments, has_desk),
    )
    return [WebRoutes(PREFIX, build_console(page, instance.sessions))]
