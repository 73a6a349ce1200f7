"""The OpenAPI document: names, tags, scopes and errors of the operations, beside what FastAPI finds itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from bot.domain.people import SCOPES, Scope
from bot.server.problems.kinds import KINDS, MEDIA_TYPE, PROBLEMS_PATH

OPENAPI_PATH = "/api/v1/openapi.json"
SECURITY = "securitySchemes"
SCHEMA = "Problem"
FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")
"""Schemas of FastAPI's errors, which Mentee doesn't send."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What the document says of an operation beside its form.

    :param id: its name in generated clients.
    :param scope: what an API token needs for it.
    """

    id: str
    tag: str
    summary: str
    scope: Scope


OPERATIONS = {
    "GET /departments": Operation("list_departments", "Questions", "List departments", Scope.READ),
    "POST /questions": Operation("ask", "Questions", "Ask a question", Scope.ASK),
    "GET /questions": Operation("list_unanswered", "Questions", "List unanswered questions", Scope.READ),
    "POST /questions/{question_id}/stop": Operation("stop_answer", "Questions", "Stop an answer", Scope.ASK),
    "GET /questions/{question_id}/events": Operation("watch_answer", "Questions", "Watch an answer", Scope.READ),
    "POST /answers/{answer_id}/vote": Operation("vote", "Answers", "Vote on an answer", Scope.VOTE),
    "POST /answers/{answer_id}/correction": Operation("correct", "Answers", "Correct an answer", Scope.CORRECT),
    "GET /answers/{answer_id}/actions": Operation("list_actions", "Answers", "List actions", Scope.READ),
    "POST /actions/{action_id}": Operation("confirm_action", "Answers", "Confirm an action", Scope.ACT),
    "POST /answers/{answer_id}/escalation": Operation("ask_person", "Answers", "Ask a person", Scope.ASK),
    "GET /answers/{answer_id}/escalation": Operation("get_escalation", "Answers", "Get an escalation", Scope.READ),
    "GET /conversations": Operation("list_conversations", "Conversations", "List conversations", Scope.READ),
    "GET /conversations/{conversation}": Operation(
        "get_conversation", "Conversations", "Get a conversation", Scope.READ
    ),
    "GET /conversations/{conversation}/export": Operation(
        "export_conversation", "Conversations", "Export a conversation", Scope.READ
    ),
    "PATCH /conversations/{conversation}": Operation(
        "rename_conversation", "Conversations", "Rename a conversation", Scope.EDIT
    ),
    "DELETE /conversations/{conversation}": Operation(
        "delete_conversation", "Conversations", "Delete a conversation", Scope.EDIT
    ),
}
"""By method and path below ``/api/v1``."""

PROBLEM = {
    "type": "object",
    "title": SCHEMA,
    "description": "Problem details, as in RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The type; a page explains it.",
        },
        "title": {"type": "string", "description": "The type's name, always the same."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened this time."},
        "hint": {"type": "string", "description": "What to do next."},
        "scope": {"type": "string", "description": "The scope that the token needs."},
        "errors": {
            "type": "array",
            "description": "What is wrong with the request.",
            "items": {
                "type": "object",
                "required": ["in", "field", "detail"],
                "properties": {key: {"type": "string"} for key in ("in", "field", "detail")},
            },
        },
    },
    "examples": [
        {
            "type": f"{PROBLEMS_PATH}/missing-scope",
            "title": "Missing scope",
            "status": 403,
            "detail": "This API token doesn't have the scope votes:write.",
            "hint": "Use a token that has it: `mentee tokens create --user NAME --scope votes:write`.",
            "scope": "votes:write",
        }
    ],
}


class Described(FastAPI):
    """An application whose OpenAPI document says all of the above.

    :param cookie: the name of the session's cookie.
    """

    def __init__(self, cookie: str) -> None:
        super().__init__(title="Mentee", version="1", openapi_url=OPENAPI_PATH, docs_url=None, redoc_url=None)
        self._cookie = cookie

    def openapi(self) -> dict[str, Any]:
        """Return the document. It is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(super().openapi(), self._cookie)
        return self.openapi_schema


def described(document: dict[str, Any], cookie: str) -> dict[str, Any]:
    """Return a document of FastAPI's with names, scopes and errors."""
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            found.update(_said(f"{method.upper()} {path.removeprefix('/api/v1')}", found))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in FRAMEWORKS_OWN:
        schemas.pop(name, None)
    schemas[SCHEMA] = PROBLEM
    scopes = "; ".join(f"`{scope}`: {allowed}" for scope, allowed in SCOPES.items())
    components[SECURITY] = {
        "token": {"type": "http", "scheme": "bearer", "description": f"An API token. Scopes: {scopes}."},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "A signed-in browser."},
    }
    document["tags"] = [{"name": name} for name in dict.fromkeys(each.tag for each in OPERATIONS.values())]
    return document


def _said(key: str, found: dict[str, Any]) -> dict[str, Any]:
    operation = OPERATIONS[key]
    statuses = {kind.status: kind.title for kind in reversed(KINDS.values())}
    wrong = [400, 401, 403, 404, 409, 413, 422, 429, 500, 503]
    answered = {status: each for status, each in found["responses"].items() if status != "422"}
    return {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": [{"token": [operation.scope.value]}, {"session": []}],
        "responses": answered | {str(each): _response(statuses[each]) for each in wrong},
    }


def _response(title: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{SCHEMA}"}
    return {"description": title, "content": {MEDIA_TYPE: {"schema": schema}}}
