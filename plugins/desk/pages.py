"""The routes of the desk."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import RedirectResponse

from bot.access.sessions import Sessions
from bot.domain.errors import BusyError, ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.people import Person, Role, Scope
from bot.server.pages.forms import read_form
from bot.server.pages.layout import StaticFolder, page_templates
from plugins.desk.curated.listing import CuratedDesk
from plugins.desk.curated.pages import add_curated
from plugins.desk.judging import Done, Judging
from plugins.desk.queues import Queues
from plugins.desk.rating import read_grades
from plugins.desk.showing import Showing, Typed
from plugins.desk.work.sampling import sampled_answer

PREFIX = "/desk"
FOLDER = Path(__file__).parent
INVALID = 422

templates = page_templates(FOLDER / "templates")
Item = Annotated[str, InPath(max_length=80)]
Kind = Annotated[Literal["", "proposal", "escalation", "vote", "weak", "sample"], Query()]
Told = Annotated[Literal["", "live", "saved", "rejected", "replied", "closed", "rated"], Query()]


def build_desk(judging: Judging, showing: Showing, curated: CuratedDesk, queues: Queues, sessions: Sessions) -> FastAPI:
    """Return the application, to be mounted at :data:`PREFIX`."""
    app = FastAPI(title="Mentee desk", openapi_url=None)
    app.mount("/static", StaticFolder(FOLDER / "static"), name="static")

    def agent(request: Request) -> Person:
        person = sessions.require(request, scope=Scope.JUDGE)
        if not person.is_anywhere(Role.AGENT):
            raise ForbiddenError("Only support agents can open this page.", hint="Ask an operator for the role agent.")
        return person

    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.get("/")
    def show_first(request: Request, person: Agent, done: Told = "", queue: Kind = "") -> Response:
        """Show the first item that no other agent is working on, of one queue or of all."""
        return templates.TemplateResponse(request, "desk.html", {**showing.first(person, queue), "done": done})

    @app.get("/queues")
    def show_queues(request: Request, person: Agent) -> Response:
        """Show what waits in each queue, and how far raters agree."""
        return templates.TemplateResponse(request, "queues.html", queues.shown(person))

    @app.get("/items/{item}")
    def show(request: Request, person: Agent, item: Item, done: Told = "") -> Response:
        """Show an item, or what became of it."""
        return templates.TemplateResponse(request, "desk.html", {**showing.opened(person, item), "done": done})

    @app.get("/items/{item}/{_form}")
    def reload(item: Item, _form: str, _person: Agent) -> Response:
        """Show the item again, for a browser that reloads a form that was refused."""
        return RedirectResponse(_address(item), 303)

    _add_decisions(app, judging, showing, agent)
    _add_ratings(app, judging, showing, agent)
    _add_claims(app, judging, agent)
    add_curated(app, curated, agent, templates)
    return app


def _add_decisions(app: FastAPI, judging: Judging, showing: Showing, agent: Callable[[Request], Person]) -> None:
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.post("/items/{item}/accept")
    async def accept(request: Request, person: Agent, item: Item) -> Response:
        """Accept a proposal as it is, or publish what the agent wrote."""
        given = await read_form(request)
        text = given["text"][0] if "text" in given else None

        def decide() -> Done:
            if text is not None and "anyway" in given:
                return judging.replace(person, item, text)
            return judging.accept(person, item, given.get("seen", [""])[0], text)

        typed = Typed("", "text" if text is not None else "", text or "", read_grades(given))
        return await _decided(judging, showing, request, person, decide, typed)

    @app.post("/items/{item}/reject")
    async def reject(request: Request, person: Agent, item: Item) -> Response:
        """Decide that the answer stands."""
        given = await read_form(request)
        seen, reason = (given.get(name, [""])[0] for name in ("seen", "reason"))

        def decide() -> Done:
            return judging.reject(person, item, seen, reason)

        typed = Typed("", "reason" if reason else "", reason, read_grades(given))
        return await _decided(judging, showing, request, person, decide, typed)

    @app.post("/items/{item}/reply")
    async def reply(request: Request, person: Agent, item: Item) -> Response:
        """Reply to whoever asked for a person."""
        given = await read_form(request)
        text = given.get("reply", [""])[0]

        def decide() -> Done:
            return judging.reply(person, item, text)

        typed = Typed("", "reply", text, read_grades(given))
        return await _decided(judging, showing, request, person, decide, typed)


def _add_ratings(app: FastAPI, judging: Judging, showing: Showing, agent: Callable[[Request], Person]) -> None:
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.post("/items/{item}/rate")
    async def rate(request: Request, person: Agent, item: Item) -> Response:
        """Record the agent's grades for the answer, and stay with it if there is more to decide."""
        grades = read_grades(await read_form(request)) or read_grades({"correct": [""]})
        assert grades is not None
        others = await asyncio.to_thread(judging.sharing.after, person, item) if sampled_answer(item) else []
        try:
            await asyncio.to_thread(judging.rate, person, item, grades)
        except (BusyError, ForbiddenError, NotFoundError):
            raise
        except MenteeError as error:
            return await asyncio.to_thread(_refused, showing, request, person, Typed("", "", "", grades), error)
        if sampled_answer(item):
            await asyncio.to_thread(judging.leave, person, item)
            item = await asyncio.to_thread(judging.sharing.next_for, person, others)
        return RedirectResponse(f"{_address(item)}?done=rated", 303)


def _add_claims(app: FastAPI, judging: Judging, agent: Callable[[Request], Person]) -> None:
    Agent = Annotated[Person, Depends(agent)]  # noqa: N806 - a type

    @app.post("/items/{item}/skip")
    def skip(person: Agent, item: Item) -> Response:
        """Leave an item to others and go on to the next one."""
        following = judging.skip(person, item)
        return RedirectResponse(_address(following), 303)

    @app.post("/items/{item}/hold")
    def hold(person: Agent, item: Item) -> dict[str, Any]:
        """Hold an item for longer, because the agent is typing."""
        claim = judging.hold(person, item)
        return {"token": claim.token, "seconds": claim.seconds, "until": claim.until.isoformat()}

    @app.post("/items/{item}/leave")
    async def leave(request: Request, person: Agent, item: Item) -> Response:
        """Leave an item to others, because the page that opened it was closed."""
        token = (await read_form(request)).get("token", [""])[0]
        if token:
            await asyncio.to_thread(judging.leave, person, item, token)
        return Response(status_code=204)


def _address(item: str) -> str:
    return f"{PREFIX}/items/{quote(item, safe='')}" if item else f"{PREFIX}/"


async def _decided(  # noqa: PLR0913, PLR0917 - what is decided, by whom, and what to show after it
    judging: Judging, showing: Showing, request: Request, person: Person, decide: Callable[[], Done], typed: Typed
) -> Response:
    """Decide and go on to the next item; if that is refused, show the item with why, and with what was typed."""
    item = request.path_params["item"]
    others = await asyncio.to_thread(judging.sharing.after, person, item)
    try:
        if typed.grades is not None:
            typed.grades.values()  # before anything is decided
        done = await asyncio.to_thread(decide)
    except (BusyError, ForbiddenError):
        raise
    except MenteeError as error:
        return await asyncio.to_thread(_refused, showing, request, person, typed, error)
    if typed.grades is not None:
        with suppress(ConflictError, NotFoundError):  # somebody was faster; the decision is taken
            await asyncio.to_thread(judging.rate, person, item, typed.grades)
    await asyncio.to_thread(judging.leave, person, item)
    following = await asyncio.to_thread(judging.sharing.next_for, person, others)
    return RedirectResponse(f"{_address(following)}?done={done}", 303)


def _refused(showing: Showing, request: Request, person: Person, typed: Typed, error: MenteeError) -> Response:
    refused = replace(typed, problem=str(error))
    try:
        values = showing.shown(person, request.path_params["item"], refused=refused)
    except NotFoundError:  # deleted, or no longer for this person: they keep what they typed
        if not typed.text.strip():
            raise
        values, error = showing.lost(person, refused), NotFoundError(error.text)
    status = error.status if isinstance(error, ConflictError | NotFoundError) else INVALID
    return templates.TemplateResponse(request, "desk.html", {**values, "done": ""}, status_code=status)
