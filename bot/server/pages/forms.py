"""What a form of a page sent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.requests import Request


async def read_form(request: Request) -> dict[str, list[str]]:
    """Return the values of each field that was sent, empty ones too. Line breaks are single characters."""
    text = (await request.body()).decode("utf-8", "replace")
    sent = parse_qs(text, keep_blank_values=True)
    return {name: [value.replace("\r\n", "\n") for value in values] for name, values in sent.items()}
