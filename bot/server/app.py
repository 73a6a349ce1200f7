"""The ASGI application: plugins' routes, health and metrics, behind the middleware."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException

from bot.domain.errors import BusyError, MenteeError, NotFoundError, SettingsError, SignInRequiredError
from bot.server import mounts
from bot.server.lifespan import Runtime
from bot.server.metrics import QueueCollector, exposition
from bot.server.middleware.body_limit import BodyLimit
from bot.server.middleware.cross_site import CrossSiteRefusal
from bot.server.middleware.demo import DemoOnly
from bot.server.middleware.headers import SecurityHeaders
from bot.server.middleware.hosts import LOOPBACK, HostRefusal
from bot.server.middleware.replies import wants_page
from bot.server.middleware.request_limit import RequestLimit
from bot.server.middleware.texts import TextRefusal
from bot.server.pages.layout import FOLDER, STATIC_PATH, StaticFolder, page_templates
from bot.server.returning import sign_in_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from starlette.types import ASGIApp

    from bot.app import Mentee
    from bot.config.core import WebSettings
    from bot.domain.ports import WebRoutes

MAX_BODY_BYTES = 1_000_000
MAX_REQUESTS = 1_000
PATH_SHOWN = 100
"""Characters."""

PAGES = page_templates(FOLDER / "templates")


class UnexpectedError(MenteeError):
    """A defect, as people are told of it."""

    status = 500


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


async def show_error(request: Request, error: Exception) -> Response:
    """Respond to an expected error with its status: a page for a browser that navigates, JSON otherwise."""
    assert isinstance(error, MenteeError)
    headers = {"Retry-After": f"{max(1, round(error.retry_after))}"} if isinstance(error, BusyError) else {}
    if isinstance(error, SignInRequiredError):
        headers = {"WWW-Authenticate": "Bearer"}
    if wants_page(request.headers) and isinstance(error, SignInRequiredError) and request.method == "GET":
        return RedirectResponse(sign_in_address(request), 303)
    if wants_page(request.headers):
        return PAGES.TemplateResponse(request, "error.html", {"error": error}, error.status, headers)
    return JSONResponse({"error": {"text": error.text, "hint": error.hint}}, error.status, headers)


async def show_http_error(request: Request, error: Exception) -> Response:
    """Respond to an error of routing, such as 404: a page for a browser that navigates, FastAPI's JSON otherwise."""
    assert isinstance(error, HTTPException)
    if not wants_page(request.headers):
        return await http_exception_handler(request, error)
    path = request.scope["path"][:PATH_SHOWN]
    told = NotFoundError(f"There is no page at {path}.", hint="Check the address, or begin at the first page.")
    if error.status_code != NotFoundError.status:
        told = NotFoundError(f"The page {path} can't be opened: {error.detail}.", hint="Begin at the first page.")
    return PAGES.TemplateResponse(request, "error.html", {"error": told}, error.status_code, error.headers)


async def show_invalid(request: Request, error: Exception) -> Response:
    """Respond 422 to what a route can't read: a page for a browser that navigates, FastAPI's JSON otherwise."""
    assert isinstance(error, RequestValidationError)
    if not wants_page(request.headers):
        return await request_validation_exception_handler(request, error)
    first = next(iter(error.errors()), {"loc": (), "msg": ""})
    field = ".".join(str(each) for each in first["loc"][1:])[:PATH_SHOWN]
    told = MenteeError(
        f"The request can't be read: {field or 'its body'}: {first['msg']}.", hint="Go back, correct it and try again."
    )
    return PAGES.TemplateResponse(request, "error.html", {"error": told}, 422)


async def show_unexpected(request: Request, _error: Exception) -> Response:
    """Respond to a defect with 500, in the form of expected errors. The log has the traceback."""
    return await show_error(request, UnexpectedError("Something went wrong here.", hint="The log says what."))


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
