"""What an application answers to errors: a page for a browser that navigates, problem details for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from bot.domain.errors import BusyError, MenteeError, MissingScopeError, NotFoundError, SignInRequiredError
from bot.server.pages.layout import FOLDER, page_templates, wants_page
from bot.server.problems.kinds import MEDIA_TYPE, MISSING_SCOPE, problem
from bot.server.returning import sign_in_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request, Response

PATH_SHOWN = 100
"""Characters."""

ERRORS_SHOWN = 20
CONTRACT = "/api/v1/openapi.json"
PAGES = page_templates(FOLDER / "templates")


class UnexpectedError(MenteeError):
    """A defect, as people are told of it."""

    status = 500


class ProblemResponse(JSONResponse):
    """Problem details."""

    media_type = MEDIA_TYPE


async def show_error(request: Request, error: Exception) -> Response:
    """Respond to an expected error with its status."""
    assert isinstance(error, MenteeError)
    headers = _headers(error)
    if not wants_page(request.headers):
        kind, more = (MISSING_SCOPE, {"scope": error.scope}) if isinstance(error, MissingScopeError) else (None, {})
        told = problem(error.status, error.text, hint=error.hint, kind=kind, more=more)
        return ProblemResponse(told, error.status, headers)
    if isinstance(error, SignInRequiredError) and request.method == "GET":
        return RedirectResponse(sign_in_address(request), 303)
    return _page(request, error, error.status, headers)


def _headers(error: MenteeError) -> dict[str, str]:
    if isinstance(error, BusyError):
        return {"Retry-After": f"{max(1, round(error.retry_after))}"}
    if isinstance(error, SignInRequiredError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, MissingScopeError):  # as RFC 6750 has it
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
    return {}


async def show_http_error(request: Request, error: Exception) -> Response:
    """Respond to an error of routing, such as 404."""
    assert isinstance(error, HTTPException)
    if error.status_code < 400:  # noqa: PLR2004 - no error, but a response by that way
        return await http_exception_handler(request, error)
    path = request.scope["path"][:PATH_SHOWN]
    if not wants_page(request.headers):
        detail, hint = _told(request, error, path)
        return ProblemResponse(problem(error.status_code, detail, hint=hint), error.status_code, error.headers)
    told = NotFoundError(f"There is no page at {path}.", hint="Check the address, or begin at the first page.")
    if error.status_code != NotFoundError.status:
        told = NotFoundError(f"The page {path} can't be opened: {error.detail}.", hint="Begin at the first page.")
    return _page(request, told, error.status_code, error.headers)


def _told(request: Request, error: HTTPException, path: str) -> tuple[str, str]:
    if error.status_code == 404 and error.detail == "Not Found":  # noqa: PLR2004 - the router's own words
        return f"There is nothing at {path}.", f"{CONTRACT} lists all operations."
    if error.status_code == 405:  # noqa: PLR2004 - named in the line below
        allowed = (error.headers or {}).get("Allow", "")
        return f"{path} doesn't take the method {request.method[:PATH_SHOWN]}.", f"Use {allowed}." if allowed else ""
    return str(error.detail), ""


async def show_invalid(request: Request, error: Exception) -> Response:
    """Respond 422 to what a route can't read."""
    assert isinstance(error, RequestValidationError)
    wrong = [_wrong(each) for each in error.errors()[:ERRORS_SHOWN]]
    first = next(iter(wrong), {"in": "request", "field": "", "detail": "it has another form than expected"})
    where = first["field"] or f"its {first['in']}"
    text = f"The request can't be read: {where}: {first['detail']}."
    if wants_page(request.headers):
        return _page(request, MenteeError(text, hint="Go back, correct it and try again."), 422, None)
    hint = "Correct what `errors` lists, and send it again."
    return ProblemResponse(problem(422, text, hint=hint, more={"errors": wrong}), 422)


def _wrong(found: Mapping[str, Any]) -> dict[str, str]:
    place, *inner = found["loc"] or ("request",)
    field = ".".join(str(each) for each in inner)[:PATH_SHOWN]
    if found["type"] == "json_invalid":  # what follows "body" is a position in it
        return {
            "in": "body",
            "field": "",
            "detail": f"It isn't JSON: {found['ctx']['error']}, at character {field}",
        }
    return {"in": str(place), "field": field, "detail": found["msg"].removeprefix("Value error, ")}


async def show_unexpected(request: Request, _error: Exception) -> Response:
    """Respond to a defect with 500, in the form of expected errors. The log has the traceback."""
    return await show_error(request, UnexpectedError("Something went wrong here.", hint="The log says what."))


def _page(request: Request, error: MenteeError, status: int, headers: Mapping[str, str] | None) -> Response:
    return PAGES.TemplateResponse(request, "error.html", {"error": error}, status, headers)
