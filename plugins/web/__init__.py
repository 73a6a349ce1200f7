"""Web chat: a page with departments, streamed answers, citations, thumbs and corrections, and its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.ports import Channel
    from bot.hooks.instance import Instance


@hookimpl
def register_channels(instance: Instance) -> Sequence[Channel]:
    """Add the channel ``web``."""
    from plugins.web.channel import WebChannel
    from plugins.web.conversations import Conversations

    conversations = Conversations.of(instance)
    return [WebChannel(instance.departments, conversations)]


@hookimpl
def register_routes(instance: Instance) -> Sequence[WebRoutes]:
    """Add the page and its API at the root of the server."""
    from plugins.web.site import build_site

    return [WebRoutes("", build_site(instance))]
