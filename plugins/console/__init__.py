"""The operators' page: departments with their documents, champions and rounds, plugins with switches and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl
from bot.protocols import WebRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee


@hookimpl
def register_routes(mentee: Mentee) -> Sequence[WebRoutes]:
    """Bring the page at ``/console``."""
    from plugins.console.pages import PREFIX, build_console

    return [WebRoutes(PREFIX, build_console(mentee))]
