"""Web chat: a page with departments, streamed answers, citations, thumbs and corrections, and the API beneath it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl
from bot.protocols import WebRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.protocols import Channel


@hookimpl
def register_channels(mentee: Mentee) -> Sequence[Channel]:
    """Bring the channel ``web``."""
    from plugins.web.channel import WebChannel

    return [WebChannel(mentee)]


@hookimpl
def register_routes(mentee: Mentee) -> Sequence[WebRoutes]:
    """Bring the page and its API at the root of the server."""
    from plugins.web.site import build_site

    return [WebRoutes("", build_site(mentee))]
