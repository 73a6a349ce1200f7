"""A page about each type of problem, at the type's own address. Everybody may read them."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

from fastapi import FastAPI, Request, Response

from bot.domain.errors import NotFoundError
from bot.server.pages.layout import FOLDER, page_templates
from bot.server.problems.kinds import KINDS, PROBLEMS_PATH

PAGES = page_templates(FOLDER / "templates")


def add_problem_pages(app: FastAPI) -> None:
    """Serve the pages, and one that lists the types."""
    app.add_api_route(PROBLEMS_PATH, _all, methods=["GET"], include_in_schema=False)
    app.add_api_route(f"{PROBLEMS_PATH}/{{name}}", _one, methods=["GET"], include_in_schema=False)


def _all(request: Request) -> Response:
    return PAGES.TemplateResponse(request, "problems.html", {"kinds": KINDS.values()})


def _one(request: Request, name: str) -> Response:
    kind = KINDS.get(name)
    if kind is None:
        raise NotFoundError(f"There is no type of problem {name[:40]!r}.", hint=f"{PROBLEMS_PATH} lists all types.")
    return PAGES.TemplateResponse(request, "problem.html", {"kind": kind, "all": PROBLEMS_PATH})
