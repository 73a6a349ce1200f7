"""A department's own settings over the instance's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

OVERRIDABLE = ("answers", "feedback", "escalations", "tuning")
"""Sections of the settings that a department may override."""
Section = TypeVar("Section", bound=BaseModel)


def overridden(base: Section, values: Mapping[str, Any], what: str) -> Section:
    """Return the section with some values replaced.

    :param what: names the section in the error's text.
    :raises SettingsError: a name is unknown or a value does not fit.
    """
    try:
        return type(base).model_validate({**base.model_dump(), **values})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Setting {key!r} in {what}: {first['msg']} (found {first.get('input')!r}).",
            hint=f"Known settings: {', '.join(type(base).model_fields)}.",
        ) from None
