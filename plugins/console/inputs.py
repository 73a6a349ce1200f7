"""The inputs that a person fills in for the kinds of settings: which one a JSON schema needs, and its text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["checkbox", "number", "text", "choice", "lines", "secret", "json"]
NUMBERS = ("integer", "number")
SCALARS = (*NUMBERS, "string")
NONE = ""
"""The text of ``None``."""


@dataclass(frozen=True, slots=True)
class Input:
    """How one setting is typed.

    :param optional: whether an empty input means ``None``.
    :param choices: what can be chosen; of a list, what its items can be.
    :param of: the JSON type of a number, or of a list's items.
    """

    kind: Kind
    optional: bool = False
    required: bool = False
    choices: Sequence[Any] = ()
    of: str = "string"

    @property
    def options(self) -> list[str]:
        """The texts of the choices, with an empty one for ``None``."""
        return [NONE] * self.optional + [_scalar(each) for each in self.choices]

    def text(self, value: Any) -> str:
        """Return the text for a value as JSON has it."""
        if value is None:
            return NONE
        if self.kind == "secret":
            return _reference(value)
        if self.kind == "lines" and isinstance(value, list):
            return "\n".join(map(_scalar, value))
        if self.kind == "json" or not isinstance(value, str | bool | int | float):
            return json.dumps(value, ensure_ascii=False, indent=1)
        return _scalar(value)

    def parsed(self, text: str) -> Any:
        """Return the value for a text. What isn't a number or choice stays a text, which the model then refuses.

        :raises ValueError: it is not JSON, but should be.
        """
        if not text and self.optional:
            return None
        if self.kind == "checkbox":
            return text == "true"
        if self.kind == "choice":
            return next((each for each in self.choices if _scalar(each) == text), text)
        if self.kind == "lines":
            return [_item(line.strip(), self.of) for line in text.splitlines() if line.strip()]
        if self.kind == "number":
            return _item(text, self.of)
        return _json(text) if self.kind == "json" else text


def input_of(described: Mapping[str, Any], schema: Mapping[str, Any], *, secret: bool, required: bool) -> Input:
    """Return the input for what a JSON schema describes.

    :param schema: the whole schema, which has the definitions.
    :param secret: whether it is or holds a secret.
    """
    kinds = [resolved(each, schema) for each in described.get("anyOf", [described])]
    optional = any(each.get("type") == "null" or None in _choices(each) for each in kinds)
    kinds = [each for each in kinds if each.get("type") != "null"]
    types = [each.get("type") for each in kinds]
    if secret:
        plain = all(each == "string" for each in types)
        return Input("secret" if plain else "json", optional, required)
    if len(kinds) == 1:
        return _of_one(kinds[0], schema, optional=optional, required=required)
    if all(each in NUMBERS for each in types):
        return Input("number", optional, required, of="number")
    return Input("text" if set(types) <= {*SCALARS} else "json", optional, required)


def resolved(described: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a description, or what it refers to."""
    reference = described.get("$ref", "")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else described


def _of_one(kind: Mapping[str, Any], schema: Mapping[str, Any], *, optional: bool, required: bool) -> Input:
    if choices := _values(kind):
        return Input("choice", optional, required, choices)
    name = kind.get("type")
    if name == "boolean":
        return Input("choice", optional, required, (True, False)) if optional else Input("checkbox", required=required)
    if name in NUMBERS:
        return Input("number", optional, required, of=name)
    if name == "array" and "prefixItems" not in kind:
        item = resolved(kind.get("items", {}), schema)
        if item.get("type") in SCALARS:
            return Input("lines", optional, required, _values(item), item["type"])
    return Input("text" if name == "string" else "json", optional, required)


def _choices(kind: Mapping[str, Any]) -> Sequence[Any]:
    found: Sequence[Any] = kind.get("enum") or ([kind["const"]] if "const" in kind else ())
    return found


def _values(kind: Mapping[str, Any]) -> Sequence[Any]:
    return [each for each in _choices(kind) if each is not None]


def _reference(value: Any) -> str:
    """Return where a secret is, as it is typed: ``$NAME`` or ``@/path``."""
    if isinstance(value, Mapping):
        if "$env" in value:
            return f"${value['$env']}"
        if "$file" in value:
            return f"@{value['$file']}"
    return str(value)


def _item(text: str, kind: str) -> Any:
    try:
        number = int(text) if kind == "integer" else float(text) if kind == "number" else text
    except ValueError:
        return text
    return number if not isinstance(number, float) or math.isfinite(number) else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This isn't JSON: {error}.") from None


def _scalar(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
