"""Suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from bot.config.references import named_fields, submodel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import BaseModel


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name that is most like ``name``; empty if none is."""
    found = get_close_matches(name, [*known], n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def unknown_names(model: type[BaseModel], values: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield each name in ``values`` that the model does not have, nested ones as ``a.b``, and a suggestion."""
    fields = named_fields(model)
    for key, value in values.items():
        if key in fields:
            nested = _model_in(fields[key].annotation)
            if nested is not None and isinstance(value, Mapping):
                yield from unknown_names(nested, value, f"{inside}{key}.")
        elif model.model_config.get("extra") != "allow":
            yield f"{inside}{key}", did_you_mean(key, fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is or has as its one alternative to ``None``."""
    alternatives = [each for each in get_args(annotation) if each is not type(None)]
    return submodel(annotation) or (submodel(alternatives[0]) if len(alternatives) == 1 else None)
