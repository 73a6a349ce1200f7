"""The page that shows the OpenAPI document. Like the document, everybody may read it, and it needs nothing else."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.templating import Jinja2Templates

from bot.domain.people import SCOPES
from bot.server.problems.kinds import PROBLEMS_PATH


def add_docs(site: FastAPI, templates: Jinja2Templates) -> None:
    """Serve the page."""

    @site.get("/api/v1/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        document = site.openapi()
        schemas = document["components"]["schemas"]
        shown = {
            "operations": [
                _shown(method, path, found, schemas)
                for path, methods in document["paths"].items()
                for method, found in methods.items()
            ],
            "tags": [each["name"] for each in document["tags"]],
            "scopes": SCOPES,
            "document": site.openapi_url,
            "problems": PROBLEMS_PATH,
        }
        return templates.TemplateResponse(request, "docs.html", shown)


def _shown(method: str, path: str, found: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    form = schemas.get(body.get("$ref", "").rpartition("/")[2], {})
    return {
        "id": found["operationId"],
        "method": method.upper(),
        "path": path,
        "tag": found["tags"][0],
        "summary": found["summary"],
        "description": found.get("description", ""),
        "scope": found["security"][0]["token"][0],
        "values": [
            *((each["name"], each["in"], each.get("required", False)) for each in found.get("parameters", [])),
            *((name, "body", name in form.get("required", ())) for name in form.get("properties", {})),
        ],
        "responses": [(status, each["description"]) for status, each in found["responses"].items()],
    }
