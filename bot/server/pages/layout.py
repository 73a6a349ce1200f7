"""Templates that extend the shared ``base.html``, and folders of static files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from markupsafe import Markup

if TYPE_CHECKING:
    from fastapi import Response
    from starlette.datastructures import Headers
    from starlette.requests import Request
    from starlette.types import Scope

FOLDER = Path(__file__).parent
STATIC_PATH = "/static"
"""Where ``style.css`` and ``icon.svg`` are served."""

DEMO_BANNER = Markup('<p class="demo" role="note">Demo: anyone on this machine is signed in as an operator.</p>')
"""Stands on every page of a demo."""


def page_templates(folder: Path) -> Jinja2Templates:
    """Return the templates of a folder; they may extend ``base.html``."""
    loader = ChoiceLoader([FileSystemLoader(folder), FileSystemLoader(FOLDER / "templates")])
    environment = Environment(loader=loader, autoescape=True)
    return Jinja2Templates(env=environment, context_processors=[_demo_banner])


def wants_page(headers: Headers) -> bool:
    """Return whether a browser is navigating. What scripts and programs request accepts anything, or JSON."""
    return "text/html" in headers.get("accept", "")


def _demo_banner(request: Request) -> dict[str, Markup]:
    return {"demo_banner": DEMO_BANNER if getattr(request.state, "demo", False) else Markup()}


class StaticFolder(StaticFiles):
    """Static files that browsers cache but revalidate each time, so that a new version shows at once.

    :param folder: what is served.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response
