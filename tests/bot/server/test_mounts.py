"""Routes of plugins: who gets a prefix, and what a request gets when a plugin is off or raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from bot.domain.ports import WebRoutes
from bot.server.problems.kinds import INTERNAL_ERROR
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee
    from bot.testing.serving import ServeHome


def notes() -> NotesRetriever:
    return NotesRetriever()


@pytest.fixture
def make_with(make_home: MakeHome, scripted_engine: ScriptedEngine) -> Callable[..., Mentee]:
    """Make a home with a retriever and plugins, each given by name as its hooks."""

    def make(**plugins: dict[str, Any]) -> Mentee:
        extra = {name: make_plugin(**hooks) for name, hooks in plugins.items()}
        found = make_plugin(register_retriever=notes)
        return make_home(
            departments=("it",), engine=scripted_engine, built_in=(), extra_plugins={"notes": found, **extra}
        )

    return make


def raising_app() -> Any:
    async def app(*_: Any) -> None:
        raise RuntimeError("secret detail")

    return app


def raising_fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def show() -> None:
        raise RuntimeError("secret detail")

    return app


def ending_app() -> Any:
    async def app(*_: Any) -> None:
        raise SystemExit(3)

    return app


@pytest.mark.parametrize("make_app", [raising_app, raising_fastapi, ending_app])
def test_a_route_that_raises_is_our_500_and_the_log_names_its_plugin(
    make_with: Callable[..., Mentee],
    serve_home: ServeHome,
    capfd: pytest.CaptureFixture[str],
    make_app: Callable[[], Any],
) -> None:
    home = serve_home(make_with(bad={"register_routes": lambda: [WebRoutes("/bad", make_app())]}))
    response = httpx2.get(f"{home.url}/bad/")
    assert (response.status_code, response.json()["type"]) == (500, INTERNAL_ERROR.type)
    assert "secret detail" not in response.text
    page = httpx2.get(f"{home.url}/bad/", headers={"accept": "text/html"})
    assert (page.status_code, "<h1>Something went wrong" in page.text) == (500, True)
    assert httpx2.get(f"{home.url}/livez").text == "ok"
    home.stop()
    said = re.sub(r"\x1b\[\d*m", "", "".join(capfd.readouterr()))
    assert "route_failed" in said
    assert "plugin=bad" in said
    assert "Traceback" in said


@pytest.mark.parametrize(
    ("prefix", "named"),
    [
        *(
            (path, "taken by Mentee itself")
            for path in ("/livez", "/readyz", "/metrics", "/static/x", "/sign-in", "/api/v1/problems")
        ),
        ("/first", "taken by the plugin 'first'"),
        ("/first/inner", "taken by the plugin 'first'"),
        *((wrong, "can't be used") for wrong in ("second", "/second/", "/a//b", "/a b", "/../x", "/{x}", "/a?b")),
    ],
)
def test_a_prefix_that_is_taken_or_malformed_is_refused_by_name(
    make_with: Callable[..., Mentee], serve_home: ServeHome, prefix: Any, named: str
) -> None:
    home = serve_home(
        make_with(
            first={"register_routes": lambda: [WebRoutes("/first", PlainTextResponse("first"))]},
            second={
                "register_routes": lambda: [
                    WebRoutes(prefix, PlainTextResponse("second")),
                    WebRoutes("/fine", PlainTextResponse("fine")),
                ]
            },
        )
    )
    for path in ("/first", "/first/inner"):
        assert httpx2.get(home.url + path).text == "first"
    assert httpx2.get(f"{home.url}/fine").text == "fine"
    assert named in home.mentee.plugins.problems["second"]


@pytest.mark.parametrize("path", ["/console", "/console/x", "/api", "/api/v1", "/chat", "/sign-out", ""])
def test_the_chat_and_the_console_cannot_be_replaced(
    make_home: MakeHome, scripted_engine: ScriptedEngine, serve_home: ServeHome, path: str
) -> None:
    home = serve_home(
        make_home(
            departments=("it",),
            engine=scripted_engine,
            built_in=("plugins.web", "plugins.console"),
            extra_plugins={
                "notes": make_plugin(register_retriever=notes),
                "thief": make_plugin(register_routes=lambda: [WebRoutes(path, PlainTextResponse("stolen"))]),
            },
        )
    )
    assert "stolen" not in httpx2.get(f"{home.url}{path}/", follow_redirects=True).text
    assert "is taken by the plugin" in home.mentee.plugins.problems["thief"]


def test_routes_of_a_plugin_that_is_off_are_not_there(make_with: Callable[..., Mentee], serve_home: ServeHome) -> None:
    home = serve_home(make_with(hook={"register_routes": lambda: [WebRoutes("/hook", PlainTextResponse("yes"))]}))
    states = home.mentee.plugins.states
    assert httpx2.post(f"{home.url}/hook").text == "yes"
    states.switch("hook", "", enabled=False, actor="test")
    off = httpx2.post(f"{home.url}/hook")
    assert (off.status_code, off.json()["detail"]) == (404, "There is no page at /hook.")
    states.switch("hook", "it", enabled=True, actor="test")
    assert httpx2.post(f"{home.url}/hook").text == "yes"
