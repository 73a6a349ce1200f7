"""The routes of curated answers."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from bot.domain.errors import BusyError, ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.people import Person
from bot.server.pages.forms import read_form
from plugins.desk.curated.listing import CuratedDesk, Refused, Wanted

PREFIX = "/desk/curated"
INVALID = 422
MOST_DIGITS = 9

Id = Annotated[str, InPath(max_length=80)]
Text = Annotated[str, Query(max_length=200)]
Told = Annotated[Literal["", "edited", "kept", "retired", "expires"], Query()]


def add_curated(
    app: FastAPI, desk: CuratedDesk, agent: Callable[[Request], Person], templates: Jinja2Templates
) -> None:
    """Add the pages of curated answers to the desk's application.

    :param agent: returns the agent who sent a request.
    """
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.get("/curated")
    def listed(  # noqa: PLR0913, PLR0917 - the filters of the list
        request: Request, person: Agent, q: Text = "", department: Text = "", state: Text = "", page: int = 1
    ) -> Response:
        """List the curated answers that the agent may change."""
        values = desk.listed(person, Wanted(q, department, state, min(page, 10**MOST_DIGITS)))
        return templates.TemplateResponse(request, "curated.html", values)

    @app.get("/curated/{curated_id}")
    def show(request: Request, person: Agent, curated_id: Id, done: Told = "") -> Response:
        """Show a curated answer with its history."""
        values = desk.shown(person, curated_id)
        return templates.TemplateResponse(request, "curated_answer.html", {**values, "done": done})

    @app.get("/curated/{curated_id}/{_form}")
    def reload(curated_id: Id, _form: str, _person: Agent) -> Response:
        """Show it again, for a browser that reloads a form that was refused."""
        return RedirectResponse(_address(curated_id), 303)

    _add_changes(app, desk, agent, templates)


def _add_changes(
    app: FastAPI, desk: CuratedDesk, agent: Callable[[Request], Person], templates: Jinja2Templates
) -> None:
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.post("/curated/{curated_id}/{form}")
    async def change(
        request: Request, person: Agent, curated_id: Id, form: Literal["edit", "keep", "retire", "expire"]
    ) -> Response:
        """Edit, confirm or retire it, or say when it expires."""
        given = {name: values[0] for name, values in (await read_form(request)).items()}
        typed = Refused("", given.get("text", ""), given.get("question", ""), given.get("day", ""), form)
        try:
            done = await asyncio.to_thread(_change, desk, person, curated_id, form, given)
        except (BusyError, ForbiddenError):
            raise
        except MenteeError as error:
            refused = replace(typed, problem=str(error))
            if isinstance(error, NotFoundError):
                if not typed.text:
                    raise
                values = {**desk.frame(person), "refused": replace(typed, problem=error.text)}
                return templates.TemplateResponse(request, "curated_gone.html", values, status_code=error.status)
            values = await asyncio.to_thread(desk.shown, person, curated_id, refused)
            status = error.status if isinstance(error, ConflictError) else INVALID
            return templates.TemplateResponse(
                request, "curated_answer.html", {**values, "done": ""}, status_code=status
            )
        return RedirectResponse(f"{_address(curated_id)}?done={done}", 303)


def _change(desk: CuratedDesk, person: Person, curated_id: str, form: str, given: Mapping[str, str]) -> str:
    number = given.get("revision", "")
    if not (number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS):
        raise MenteeError("The form doesn't say which version you read.", hint="Reload the page and try again.")
    revision = int(number)
    if form == "edit":
        desk.edit(person, curated_id, revision, text=given.get("text", ""), question=given.get("question", ""))
        return "edited"
    if form == "keep":
        desk.keep(person, curated_id, revision)
        return "kept"
    if form == "retire":
        desk.retire(person, curated_id, revision)
        return "retired"
    day = given.get("day", "")
    if not day and "never" not in given:
        raise MenteeError("No day is chosen.", hint="Choose one, or let it never expire.")
    desk.expire(person, curated_id, revision, "" if "never" in given else day)
    return "expires"


def _address(curated_id: str) -> str:
    return f"{PREFIX}/{quote(curated_id, safe='')}"
