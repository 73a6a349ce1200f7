"""The routes of the console."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import nh3
from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse

from bot.access.audit import AuditLog
from bot.access.places import Places
from bot.access.sessions import Sessions
from bot.config.core import ModelSettings
from bot.domain.people import Person, Role
from bot.domain.ports import ConsolePanel
from bot.server.pages.forms import read_form
from bot.server.pages.layout import StaticFolder, page_templates
from plugins.console.analytics.pages import Analytics, add_analytics
from plugins.console.overview import Overview
from plugins.console.switches import NEEDED, RefusedFormError, Switches

PREFIX = "/console"
FOLDER = Path(__file__).parent
CHANGES = 8
SWITCHES = {"on": True, "off": False, "inherit": None}
"""What a form sends, and the switch that it asks for."""

templates = page_templates(FOLDER / "templates")
Scope = Annotated[str, Query(max_length=64)]
Name = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Notice:
    """What was just done with a plugin: ``saved``, ``same`` (nothing to save), ``on``, ``off`` or ``reset``.

    :param was: its switch before, as the form sends it; empty if it wasn't switched.
    """

    plugin: Name = ""
    done: Name = ""
    was: Literal["", "on", "off", "inherit"] = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Collects what the page shows. Blocking.

    :param panels: returns the boxes that plugins bring.
    :param has_desk: returns whether there is a page for support agents.
    """

    overview: Overview
    switches: Switches
    places: Places
    audit: AuditLog
    model: ModelSettings
    panels: Callable[[], Sequence[ConsolePanel]]
    has_desk: Callable[[], bool]
    analytics: Analytics

    def shown(self, person: Person, scope: str, notice: Notice, refused: RefusedFormError | None) -> dict[str, Any]:
        """Return the page's values; the HTML of panels is cleaned.

        :raises NotFoundError: ``scope`` is no department.
        """
        return {
            "person": person,
            "scope": scope,
            "departments": self.overview.views(),
            "plugins": self.switches.views(scope, refused),
            "notice": notice,
            "panels": [ConsolePanel(each.title, nh3.clean(each.html), each.links) for each in self.panels()],
            "channels": self.places.all(),
            "changes": self.audit.newest(CHANGES),
            "engine": self.model,
            "desk": self.has_desk(),
            **self.analytics.week(person),
        }


def build_console(page: Page, sessions: Sessions) -> FastAPI:
    """Return the application, to be mounted at :data:`PREFIX`."""
    console = FastAPI(title="Mentee console", openapi_url=None)
    console.mount("/static", StaticFolder(FOLDER / "static"), name="static")

    def operator(request: Request) -> Person:
        return sessions.require(request, Role.OPERATOR)

    @console.get("/")
    def show(
        request: Request,
        person: Annotated[Person, Depends(operator)],
        notice: Annotated[Notice, Depends()],
        department: Scope = "",
    ) -> Response:
        """Show the page; ``department`` is the scope of the plugins' switches and settings."""
        values = page.shown(person, department, notice, None)
        return templates.TemplateResponse(request, "console.html", values)

    _add_plugin_routes(console, page, operator)
    add_analytics(console, page.analytics, operator, templates)
    return console


def _add_plugin_routes(console: FastAPI, page: Page, operator: Callable[[Request], Person]) -> None:
    Operator = Annotated[Person, Depends(operator)]  # noqa: N806 - a type

    @console.get("/plugins/{plugin}/{_form}")
    def reload(plugin: str, _form: str, _person: Operator) -> Response:
        """Show the page again, for a browser that reloads a form that was refused."""
        return _back("", plugin, "")

    @console.post("/plugins/{plugin}/switch")
    async def switch(plugin: str, request: Request, person: Operator) -> Response:
        """Switch a plugin on or off, or reset its switch; before it goes off, say what follows and ask."""
        given = await read_form(request)
        scope, sent = _scope(given), given.get("enabled", [""])[0]
        enabled = SWITCHES.get(sent, False)
        if plugin not in NEEDED and "confirmed" not in given:
            told = await asyncio.to_thread(page.switches.consequences, plugin, scope, enabled=enabled)
            if told:
                values = {"person": person, "scope": scope, "plugin": plugin, "sent": sent, "consequences": told}
                return templates.TemplateResponse(request, "switch_off.html", values)
        before = await asyncio.to_thread(page.switches.switch, plugin, scope, enabled=enabled, person=person)
        was = next(name for name, value in SWITCHES.items() if value is before)
        return _back(scope, plugin, "reset" if enabled is None else "on" if enabled else "off", was)

    @console.post("/plugins/{plugin}/settings")
    async def configure(plugin: str, request: Request, person: Operator) -> Response:
        """Set a plugin's settings; if they can't be used, show the form as it was sent, with what is wrong."""
        given = await read_form(request)
        scope = _scope(given)
        try:
            changed = await asyncio.to_thread(page.switches.configure, plugin, scope, given, person=person)
        except RefusedFormError as refused:
            values = await asyncio.to_thread(page.shown, person, scope, Notice(), refused)
            return templates.TemplateResponse(request, "console.html", values, status_code=422)
        return _back(scope, plugin, "saved" if changed else "same")


def _scope(given: dict[str, list[str]]) -> str:
    return given.get("department", [""])[0]


def _back(scope: str, plugin: str, done: str, was: str = "") -> Response:
    told = {"department": scope, "plugin": plugin, "done": done, "was": was}
    query = urlencode({name: value for name, value in told.items() if value})
    return RedirectResponse(f"{PREFIX}/?{query}#plugin-{quote(plugin)}", 303)
