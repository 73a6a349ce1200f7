"""The fixed reasons of a thumb down, the same in every channel, so that they can be counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "wrong": "It is wrong",
    "outdated": "It is out of date",
    "wrong source": "The source does not fit",
    "incomplete": "Something is missing",
    "unsafe": "It is unsafe or should not be said",
    "tone": "The tone is off",
    "other": "Something else",
}
"""As stored, and as shown."""
