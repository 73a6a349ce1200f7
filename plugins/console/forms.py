"""Forms drawn from a plugin's pydantic settings model, and what was filled in, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import BaseModel

Kind = Literal["checkbox", "number", "text", "choice", "json"]
NUMBERS = ("integer", "number")
SECRET_FORMAT = "password"  # noqa: S105 - what pydantic calls the format of a SecretStr


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form; ``value`` is as shown. Secrets have no field: they come from the environment."""

    name: str
    title: str
    help: str
    kind: Kind
    value: str
    choices: Sequence[str] = ()


def fields(model: type[BaseModel], settings: BaseModel) -> list[Field]:
    """Return a form's fields with the settings in force."""
    schema = model.model_json_schema()
    values = settings.model_dump(mode="json")
    drawn = []
    for name, described in schema.get("properties", {}).items():
        resolved = _resolved(described, schema)
        if resolved.get("format") == SECRET_FORMAT:
            continue
        kind = _kind(resolved)
        shown = json.dumps(values[name], ensure_ascii=False) if kind == "json" else _text(values[name])
        title = described.get("title", name)
        drawn.append(Field(name, title, described.get("description", ""), kind, shown, resolved.get("enum", ())))
    return drawn


def read(form: Sequence[Field], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the values that differ from those shown, so that the rest goes on following its default.

    :raises SettingsError: a value that should be JSON or a number is not.
    """
    changed = {}
    for field in form:
        if field.kind == "checkbox":
            text = "true" if field.name in given else "false"
        else:
            text = given.get(field.name, [field.value])[0].strip()
        if text != field.value:
            changed[field.name] = text if field.kind in ("text", "choice") else _json(field, text)
    return changed


def _json(field: Field, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        expected = "a number" if field.kind == "number" else "JSON"
        raise SettingsError(f"{field.title} is {text!r}.", hint=f"Expected {expected}.") from None


def _kind(described: Mapping[str, Any]) -> Kind:
    if described.get("enum"):
        return "choice"
    kind = described.get("type")
    if kind == "boolean":
        return "checkbox"
    if kind in NUMBERS:
        return "number"
    return "text" if kind == "string" else "json"


def _resolved(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = described.get("$ref", "")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else described


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
