"""KEY=VALUE arguments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable


def pairs(values: Iterable[str]) -> dict[str, Any]:
    """Turn ``KEY=VALUE`` arguments into a mapping; a VALUE that is JSON (a number, true, a list) is read as such.

    :raises click.UsageError: an argument has no ``=``.
    """
    found: dict[str, Any] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{value!r} is not of the form KEY=VALUE.")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found
