"""The routes of the operators' page."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import ChoiceLoader, Environment, FileSystemLoader

from bot.app import Mentee
from bot.errors import NotFoundError
from bot.messages import Person, Role
from plugins.console import forms, overview
from plugins.web.sessions import Sessions
from plugins.web.site import FOLDER as WEB_FOLDER

PREFIX = "/console"
FOLDER = Path(__file__).parent
WHAT_SLACK_TRAINS = (
    "Rounds learn from a Slack channel only where train_eligible is true, there or for all internal channels under "
    "[slack]; never from direct messages. It is off until you say so: the terms of Slack\u2019s API restrict training "
    "on what it delivers, so make your own legal check first, and tell the people who write there."
)
"""Shown beside the channels (design §6 rule 2)."""

_loader = ChoiceLoader([FileSystemLoader(FOLDER / "templates"), FileSystemLoader(WEB_FOLDER / "templates")])
templates = Jinja2Templates(env=Environment(loader=_loader, autoescape=True))
Scope = Annotated[str, Query(max_length=64)]


def build_console(mentee: Mentee) -> FastAPI:
    """Return the application of an instance, to be mounted at :data:`PREFIX`."""
    sessions = Sessions(mentee)
    console = FastAPI(title="Mentee console", openapi_url=None)

    def operator(request: Request) -> Person:
        return sessions.require(request, Role.OPERATOR)

    @console.get("/")
    def page(request: Request, person: Annotated[Person, Depends(operator)], department: Scope = "") -> Response:
        """Show the page; ``department`` is the scope of the plugins' switches and settings."""
        return templates.TemplateResponse(request, "console.html", _shown(mentee, person, department))

    @console.post("/plugins/{plugin}/switch")
    async def switch(plugin: str, request: Request, person: Annotated[Person, Depends(operator)]) -> Response:
        """Switch a plugin on or off."""
        given = await _form(request)
        await mentee.store.run(_switch, mentee, plugin, given, person)
        return _back(given)

    @console.post("/plugins/{plugin}/settings")
    async def configure(plugin: str, request: Request, person: Annotated[Person, Depends(operator)]) -> Response:
        """Set a plugin's settings."""
        given = await _form(request)
        await mentee.store.run(_configure, mentee, plugin, given, person)
        return _back(given)

    return console


def _shown(mentee: Mentee, person: Person, department: str) -> dict[str, Any]:
    if department:
        mentee.departments.get(department)
    plugins = overview.plugins(mentee, department)
    return {
        "person": person,
        "scope": department,
        "departments": overview.departments(mentee),
        "plugins": plugins,
        "forms": {
            view.name: forms.fields(view.model, view.settings) for view in plugins if view.model and view.settings
        },
        "panels": overview.panels(mentee),
        "channels": overview.channels(mentee),
        "changes": overview.changes(mentee),
        "why_slack": WHAT_SLACK_TRAINS,
        "engine": mentee.settings.model,
    }


def _switch(mentee: Mentee, plugin: str, given: dict[str, list[str]], person: Person) -> None:
    _require(mentee, plugin, _scope(given))
    enabled = given.get("enabled") == ["on"]
    mentee.plugins.states.switch(plugin, _scope(given), enabled=enabled, actor=person.id)


def _configure(mentee: Mentee, plugin: str, given: dict[str, list[str]], person: Person) -> None:
    scope = _scope(given)
    _require(mentee, plugin, scope)
    model = mentee.plugins.settings_model(plugin)
    settings = mentee.plugins.states.settings(plugin, scope or None, model)
    drawn = forms.fields(model, settings) if model and settings else []
    changed = forms.read(drawn, given)
    mentee.plugins.states.configure(plugin, scope, changed, actor=person.id, model=model)


def _require(mentee: Mentee, plugin: str, department: str) -> None:
    if department:
        mentee.departments.get(department)
    if plugin not in mentee.plugins.loaded:
        raise NotFoundError(f"There is no plugin {plugin[:60]!r}.", hint="Reload the page.")


async def _form(request: Request) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)


def _scope(given: dict[str, list[str]]) -> str:
    return given.get("department", [""])[0]


def _back(given: dict[str, list[str]]) -> Response:
    scope = _scope(given)
    return RedirectResponse(f"{PREFIX}/{'?' + urlencode({'department': scope}) if scope else ''}#plugins", 303)
