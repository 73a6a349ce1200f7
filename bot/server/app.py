"""The ASGI application: plugins' routes, health and metrics, behind the middleware."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from bot.domain.errors import MenteeError, SettingsError
from bot.server import mounts
from bot.server.lifespan import Runtime
from bot.server.metrics import QueueCollector, exposition
from bot.server.middleware.body_limit import BodyLimit
from bot.server.middleware.cross_site import CrossSiteRefusal
from bot.server.middleware.demo import DemoOnly
from bot.server.middleware.headers import SecurityHeaders
from bot.server.middleware.hosts import LOOPBACK, HostRefusal
from bot.server.middleware.request_limit import RequestLimit
from bot.server.middleware.texts import TextRefusal
from bot.server.pages.layout import FOLDER, STATIC_PATH, StaticFolder
from bot.server.problems.pages import add_problem_pages
from bot.server.problems.responses import show_error, show_http_error, show_invalid, show_unexpected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from starlette.types import ASGIApp

    from bot.app import Mentee
    from bot.config.core import WebSettings
    from bot.domain.ports import WebRoutes

MAX_BODY_BYTES = 1_000_000
MAX_REQUESTS = 1_000


def build_app(mentee: Mentee, runtime: Runtime | None = None) -> ASGIApp:
    """Build the application of an instance. Its lifespan starts and stops the runtime.

    :param runtime: what runs beside the routes; by default everything.
    :raises SettingsError: a demo would be reachable from other machines.
    """
    web = mentee.settings.web
    if web.sign_in == "demo":
        _refuse_reachable_demo(web)
    parts = runtime or Runtime(mentee)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await parts.start()
        yield
        await parts.stop()

    app = FastAPI(title="Mentee", openapi_url=None, lifespan=lifespan)
    app.add_exception_handler(MenteeError, show_error)
    app.add_exception_handler(HTTPException, show_http_error)
    app.add_exception_handler(RequestValidationError, show_invalid)
    app.add_exception_handler(Exception, show_unexpected)
    add_problem_pages(app)
    _add_health(app, QueueCollector(mentee.inbox, mentee.outbox, mentee.escalations), parts)
    app.mount(STATIC_PATH, StaticFolder(FOLDER / "static"), name="static")
    brought = _mount_plugins(app, mentee)
    return _wall(app, web, raw={path for routes in brought for path in routes.raw})


def _refuse_reachable_demo(web: WebSettings) -> None:
    instead = 'web.sign_in = "password" and add people with `mentee users add NAME`'
    if web.host not in LOOPBACK:
        raise SettingsError(
            f'web.sign_in = "demo" signs everyone in, but web.host is {web.host!r}, which other machines may reach.',
            hint=f'Set web.host = "127.0.0.1", or {instead}.',
        )
    if web.public_url or web.trusted_proxies:
        found = f"web.public_url is {web.public_url!r}" if web.public_url else "web.trusted_proxies is set"
        raise SettingsError(
            f'web.sign_in = "demo" signs everyone in as an operator, but {found}, so that other people may reach it.',
            hint=f"Remove the setting, or set {instead}.",
        )


def _add_health(app: FastAPI, queues: QueueCollector, runtime: Runtime) -> None:
    @app.get("/livez")
    async def livez() -> PlainTextResponse:
        """Report that the event loop runs."""
        return PlainTextResponse("ok")

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Report whether questions can be answered now, what is missing if not, and what works only partly."""
        parts = runtime.state()
        ready = all(state == "ok" for state in parts.values())
        warnings = runtime.warnings() if ready else []
        return JSONResponse(
            {"ready": ready, "parts": parts, **({"warnings": warnings} if warnings else {})}, 200 if ready else 503
        )

    @app.get("/metrics")
    def metrics() -> Response:
        """Return the metrics in Prometheus' format."""
        body, media_type = exposition(queues)
        return Response(body, media_type=media_type)


def _mount_plugins(app: FastAPI, mentee: Mentee) -> Sequence[WebRoutes]:
    plugins = mentee.plugins

    def refuse(plugin: str, problem: str) -> None:
        plugins.failed(plugin, "register_routes", problem)

    found = [
        mounts.Mounted(plugin, routes)
        for plugin in plugins.implementing("register_routes")
        for routes in plugins.register_routes(mentee, plugin)
    ]
    brought = mounts.usable(found, refuse)
    for each in brought:
        mounts.add_error_pages(each.routes.app, show_error, show_http_error, show_invalid, show_unexpected)
    app.mount("", mounts.Prefixes(brought, plugins, show_unexpected), name="plugins")
    return [each.routes for each in brought]


def _wall(app: ASGIApp, web: WebSettings, *, raw: Collection[str]) -> ASGIApp:
    walled: ASGIApp = BodyLimit(TextRefusal(app, raw=raw), limit=MAX_BODY_BYTES)
    walled = CrossSiteRefusal(walled, trusted=[web.public_url] if web.public_url else [])
    if web.sign_in == "demo":
        walled = DemoOnly(HostRefusal(walled))
    walled = RequestLimit(walled, limit=MAX_REQUESTS)
    return SecurityHeaders(walled, https=urlsplit(web.public_url).scheme == "https")
