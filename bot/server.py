"""The ASGI application: what plugins bring, behind one wall of middleware, with health and metrics."""

from __future__ import annotations

import html
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.applications import Starlette

from bot.errors import BusyError, MenteeError, NotFoundError, SettingsError, SignInRequiredError
from bot.metrics import exposition
from bot.middleware.body_limit import BodyLimit
from bot.middleware.cross_site import CrossSiteRefusal
from bot.middleware.headers import SecurityHeaders
from bot.middleware.hosts import LOOPBACK, HostRefusal
from bot.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from bot.app import Mentee
    from bot.protocols import WebRoutes
    from bot.settings import WebSettings

MAX_BODY_BYTES = 1_000_000
SIGN_IN_PATH = "/sign-in"

log = structlog.get_logger(__name__)


def build_app(mentee: Mentee, runtime: Runtime | None = None) -> ASGIApp:
    """Put the application of an instance together. Its lifespan starts and stops the runtime.

    :param runtime: what runs beside the routes; by default everything.
    :raises SettingsError: a demo would be reachable from other machines.
    """
    web = mentee.settings.web
    if web.sign_in == "demo" and web.host not in LOOPBACK:
        raise SettingsError(
            f'web.sign_in = "demo" signs everybody in, but web.host is {web.host!r}, which other machines may reach.',
            hint='Set web.host = "127.0.0.1", or web.sign_in = "password" and add people by `mentee users add NAME`.',
        )
    parts = runtime or Runtime(mentee)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        yield
        await parts.stop()

    app = FastAPI(title="Mentee", openapi_url=None, lifespan=lifespan)
    app.add_exception_handler(MenteeError, show_error)
    _add_health(app, mentee, parts)
    _mount_plugins(app, mentee)
    return _wall(app, web)


async def show_error(request: Request, error: Exception) -> Response:
    """Answer an expected failure with its status: a page for browsers that navigate, JSON for everything else."""
    assert isinstance(error, MenteeError)
    headers = {"Retry-After": f"{max(1, round(error.retry_after))}"} if isinstance(error, BusyError) else {}
    wants_page = "text/html" in request.headers.get("accept", "")
    if wants_page and isinstance(error, SignInRequiredError) and request.method == "GET":
        return RedirectResponse(SIGN_IN_PATH, 303)
    if wants_page:
        return HTMLResponse(_page(error), error.status, headers)
    return JSONResponse({"error": {"text": error.text, "hint": error.hint}}, error.status, headers)


def _add_health(app: FastAPI, mentee: Mentee, runtime: Runtime) -> None:
    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        """Say that the event loop turns."""
        return PlainTextResponse("ok")

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Say whether questions are answered now, and if not, what is missing."""
        parts = runtime.state()
        ready = all(state == "ok" for state in parts.values())
        return JSONResponse({"ready": ready, "parts": parts}, 200 if ready else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        """Give the metrics in Prometheus' format."""
        body, media_type = exposition(mentee)
        return Response(body, media_type=media_type)


class Prefixes:
    """Gives each request to the application with the longest prefix that fits, an exact one included.

    Starlette's own ``Mount`` leaves out the prefix itself, which is where Slack posts to.
    """

    def __init__(self, routes: Iterable[WebRoutes]) -> None:
        self._routes = sorted(routes, key=lambda each: len(each.prefix), reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 404."""
        path = scope["path"]
        for each in self._routes:
            if path == each.prefix or path.startswith(f"{each.prefix}/"):
                await each.app({**scope, "root_path": scope.get("root_path", "") + each.prefix}, receive, send)
                return
        raise NotFoundError(f"There is nothing at {path[:100]}.")


def _mount_plugins(app: FastAPI, mentee: Mentee) -> None:
    brought = [routes for _, found in mentee.plugins.values("register_routes", mentee=mentee) for routes in found]
    for routes in brought:
        if isinstance(routes.app, Starlette):
            routes.app.add_exception_handler(MenteeError, show_error)
    app.mount("", Prefixes(brought), name="plugins")


def _wall(app: ASGIApp, web: WebSettings) -> ASGIApp:
    public = urlsplit(web.public_url)
    walled: ASGIApp = BodyLimit(app, limit=MAX_BODY_BYTES)
    walled = CrossSiteRefusal(walled, trusted=[web.public_url] if web.public_url else [])
    if web.sign_in == "demo":
        walled = HostRefusal(walled, allowed=LOOPBACK | ({public.hostname} if public.hostname else set()))
    return SecurityHeaders(walled, https=public.scheme == "https")


def _page(error: MenteeError) -> str:
    text, hint = html.escape(error.text), html.escape(error.hint)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mentee</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="/static/style.css"><main class="card"><h1>{text}</h1><p>{hint}</p>'
        '<p><a href="/">Back to Mentee</a></p></main></html>'
    )
