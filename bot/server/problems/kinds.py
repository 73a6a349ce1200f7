"""The types of problems. A type's address and title never change; programs may compare them."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEMS_PATH = "/api/v1/problems"
"""Where the pages about the types are; each type is an address below it."""

MEDIA_TYPE = "application/problem+json"
UNNAMED = "about:blank"
"""The type of a problem of which only the HTTP status is known."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of problem.

    :param name: the last part of its address.
    :param title: the same for all problems of the type; ``detail`` says what happened this time.
    :param remedy: what a program, or the person who wrote it, can do.
    """

    name: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The type's address on this server, and its name in responses."""
        return f"{PROBLEMS_PATH}/{self.name}"


BAD_REQUEST = Kind(
    "bad-request",
    400,
    "Bad request",
    "What the request asks for can't be done: a text is empty or too long, for example, or isn't Unicode text.",
    "Read the detail and the hint, change the request, and send it again.",
)
SIGN_IN_REQUIRED = Kind(
    "sign-in-required",
    401,
    "Sign-in required",
    "The request has no valid session and no valid API token. Tokens expire, and operators can revoke them.",
    "Send an API token in the header Authorization, after the word Bearer. An operator creates tokens.",
)
FORBIDDEN = Kind(
    "forbidden",
    403,
    "Forbidden",
    "The person whose session or token came with the request may not do this.",
    "Ask an operator for the permission.",
)
MISSING_SCOPE = Kind(
    "missing-scope",
    403,
    "Missing scope",
    "The person may do this, but the API token of the request may not. The member scope names what the token needs.",
    "Use a token with this scope. An operator creates one with mentee tokens create.",
)
CROSS_SITE = Kind(
    "cross-site",
    403,
    "Request from another site",
    "A page of another site made a browser send the request. Mentee refuses such requests, to protect the people who"
    " are signed in.",
    "From a program, send an API token and no cookie.",
)
NOT_FOUND = Kind(
    "not-found",
    404,
    "Not found",
    "There is nothing at this address, or the person may not see it. Nobody can tell the two apart.",
    "Check the address and the ids in it. The OpenAPI document lists all operations.",
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed",
    405,
    "Method not allowed",
    "There is something at this address, but it doesn't take this method.",
    "Use a method that the header Allow of the response names.",
)
CONFLICT = Kind(
    "conflict",
    409,
    "Conflict",
    "Something changed in the meantime, and the request would overwrite the change.",
    "Get the newest state, and decide again.",
)
TOO_LARGE = Kind(
    "too-large",
    413,
    "Too large",
    "The request, or a text or a file in it, is over a limit.",
    "Send less at once. The detail names the limit.",
)
WRONG_HOST = Kind(
    "wrong-host",
    421,
    "Wrong host",
    "A demo answers only to the names of its own machine.",
    "Use the address that the hint names.",
)
INVALID_REQUEST = Kind(
    "invalid-request",
    422,
    "Invalid request",
    "The body, the query or the path doesn't have the form that the OpenAPI document describes. The member errors"
    " lists what is wrong: in says which part of the request, field says which value, and detail says why.",
    "Correct what errors lists, and send the request again.",
)
BUSY = Kind(
    "busy",
    429,
    "Too many requests",
    "A limit is reached, such as the number of questions per minute or of questions that wait.",
    "Wait as many seconds as the header Retry-After says, and send the request again.",
)
INTERNAL_ERROR = Kind(
    "internal-error",
    500,
    "Internal error",
    "Something failed that shouldn't. The server's log has the details.",
    "Tell an operator when it happened.",
)
BAD_GATEWAY = Kind(
    "bad-gateway",
    502,
    "Bad gateway",
    "An address that Mentee needed for this couldn't be fetched.",
    "Try again later. If it stays, tell an operator.",
)
UNAVAILABLE = Kind(
    "unavailable",
    503,
    "Unavailable",
    "Mentee can't do this now: it answers as many requests as it can, nothing can be stored, or the model is away.",
    "Try again later: with a header Retry-After, after as many seconds as it says. /readyz says what is missing.",
)

KINDS = {
    each.name: each
    for each in (
        BAD_REQUEST,
        SIGN_IN_REQUIRED,
        FORBIDDEN,
        MISSING_SCOPE,
        CROSS_SITE,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        CONFLICT,
        TOO_LARGE,
        WRONG_HOST,
        INVALID_REQUEST,
        BUSY,
        INTERNAL_ERROR,
        BAD_GATEWAY,
        UNAVAILABLE,
    )
}
"""All types by name, in the order of their status."""

_BY_STATUS = {each.status: each for each in reversed(KINDS.values())}


def problem(
    status: int, detail: str, *, hint: str = "", kind: Kind | None = None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a problem as RFC 9457 describes it.

    :param detail: what happened this time.
    :param hint: what to do next, as one sentence.
    :param kind: the type, if it isn't the one of the status.
    :param more: further members.
    """
    known = kind or _BY_STATUS.get(status)
    told = {
        "type": known.type if known else UNNAMED,
        "title": known.title if known else _phrase(status),
        "status": status,
        "detail": detail,
    }
    return told | ({"hint": hint} if hint else {}) | dict(more or {})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"
