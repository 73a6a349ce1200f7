"""Plugins' routes: which prefix is whose, and what a request gets when a plugin is off or its application raises."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request

from bot.domain.errors import MenteeError, NotFoundError
from bot.server.middleware.body_limit import OverLimitError
from bot.server.problems.kinds import PROBLEMS_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bot.domain.ports import WebRoutes
    from bot.hooks.host import PluginHost

CORE_PATHS = ("/livez", "/readyz", "/metrics", "/static", "/sign-in", PROBLEMS_PATH)
"""Paths that no plugin can mount at. ``/sign-in`` belongs to the chat at the root."""

PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mounted:
    """Routes and the plugin that brought them."""

    plugin: str
    routes: WebRoutes


def usable(brought: Iterable[Mounted], refuse: Callable[[str, str], None]) -> list[Mounted]:
    """Return the routes that can be mounted: of plugins that want the same paths, those of the first.

    :param brought: in the order in which the plugins were registered, Mentee's own first.
    :param refuse: told the plugin and the problem of each that can't.
    """
    kept: list[Mounted] = []
    for each in brought:
        problem = _problem(each, kept)
        if problem:
            refuse(each.plugin, problem)
        else:
            kept.append(each)
    return kept


def _problem(new: Mounted, kept: Sequence[Mounted]) -> str:
    routes: Any = new.routes
    prefix = routes.prefix
    if not isinstance(prefix, str) or not PREFIX.fullmatch(prefix):
        return f"the prefix {prefix!r} can't be used; give a path such as '/tickets', without a slash at its end"
    if not callable(routes.app):
        return f"the app at {prefix!r} is of class {type(routes.app).__name__}; give an ASGI application"
    if not isinstance(routes.raw, list | tuple) or not all(isinstance(path, str) for path in routes.raw):
        return f"raw is {routes.raw!r}; give a tuple of paths"
    for path in CORE_PATHS:
        if prefix and _under(prefix, path):
            return f"the prefix {prefix!r} is taken by Mentee itself ({path}); choose another"
    for other in kept:
        if other.routes.prefix == prefix or (other.plugin != new.plugin and _takes(prefix, other.routes)):
            return f"the prefix {prefix!r} is taken by the plugin {other.plugin!r}; choose another"
    return ""


def _takes(prefix: str, other: WebRoutes) -> bool:
    """Return whether a prefix would take requests from another plugin's routes."""
    if other.prefix:
        return _under(prefix, other.prefix)
    paths = [getattr(route, "path", "") for route in getattr(other.app, "routes", ())]
    return any(_under(path, prefix) or (len(path) > 1 and _under(prefix, path)) for path in paths if prefix)


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


class Prefixes:
    """Passes each request to the application with the longest matching prefix, which may be the whole path.

    Starlette's own ``Mount`` leaves out the prefix itself, which is where Slack posts to.

    :param show_unexpected: makes the response when an application raises something other than an expected error.
    """

    def __init__(
        self,
        routes: Iterable[Mounted],
        plugins: PluginHost,
        show_unexpected: Callable[[Request, Exception], Any],
    ) -> None:
        self._routes = sorted(routes, key=lambda each: len(each.routes.prefix), reverse=True)
        self._plugins = plugins
        self._unexpected = show_unexpected
        self._on: dict[str, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404 if there is no such route or its plugin is off."""
        path = scope["path"]
        for each in self._routes:
            prefix = each.routes.prefix
            if _under(path, prefix):
                enabled = self._plugins.states.known(each.plugin, None)
                if not (await asyncio.to_thread(self._enabled, each.plugin) if enabled is None else enabled):
                    break
                passed = {**scope, "root_path": scope.get("root_path", "") + prefix}
                await self._call(each, passed, receive, send)
                return
        raise NotFoundError(f"There is no page at {path[:100]}.")

    def _enabled(self, plugin: str) -> bool:
        try:
            self._on[plugin] = self._plugins.states.enabled(plugin, None)
        except (SQLAlchemyError, MenteeError):  # the database is away: as it was
            log.warning("switch_not_read", plugin=plugin, exc_info=True)
        return self._on.get(plugin, True)

    async def _call(self, mounted: Mounted, scope: Scope, receive: Receive, send: Send) -> None:
        """Call an application. What it raises is logged with the plugin's name and answered with 500."""
        started = complete = False

        async def watched(message: Message) -> None:
            nonlocal started, complete
            started = True
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        app: ASGIApp = mounted.routes.app
        try:
            await app(scope, receive, watched)
        except (MenteeError, HTTPException, OverLimitError):
            raise
        except (Exception, SystemExit) as error:
            log.exception("route_failed", plugin=mounted.plugin, path=scope["path"])
            if complete:
                return
            if started:  # half a response: the connection has to be cut
                raise RuntimeError(
                    f"a route of the plugin {mounted.plugin!r} failed in the middle of a response"
                ) from None
            await self._respond(error, scope, receive, send)

    async def _respond(self, error: BaseException, scope: Scope, receive: Receive, send: Send) -> None:
        shown = error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
        response: Response = await self._unexpected(Request(scope), shown)
        await response(scope, receive, send)


def add_error_pages(
    app: object,
    show_error: Callable[[Request, Exception], Any],
    show_http_error: Callable[[Request, Exception], Any],
    show_invalid: Callable[[Request, Exception], Any],
    show_unexpected: Callable[[Request, Exception], Any],
) -> None:
    """Let an application show errors as Mentee does, where it doesn't say otherwise itself."""
    if isinstance(app, Starlette):
        app.add_exception_handler(MenteeError, show_error)
        if app.exception_handlers.get(HTTPException) in (None, http_exception_handler):
            app.add_exception_handler(HTTPException, show_http_error)
        invalid = app.exception_handlers.get(RequestValidationError)
        if invalid in (None, request_validation_exception_handler):
            app.add_exception_handler(RequestValidationError, show_invalid)
        if not app.debug and not {Exception, 500} & app.exception_handlers.keys():
            app.add_exception_handler(Exception, show_unexpected)
