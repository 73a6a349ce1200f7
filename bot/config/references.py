"""References to secrets in plugin settings: the database and ``mentee.toml`` name where a secret is, never the secret.

A reference is ``{"$env": "NAME"}``, an environment variable, or ``{"$file": "/path"}``, a file such as a mounted
secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

from bot.domain.errors import InvalidSettingsError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

MAX_BYTES = 65_536
"""Maximum size of a secret's file."""

SECRETS = (SecretStr, SecretBytes)
_ENV, _FILE = "$env", "$file"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_TYPED = "Give $NAME, an environment variable, or @/path/to/file."
_EXPECTED = "Give the name of an environment variable ({key}=$NAME) or a file ({key}=@/run/secrets/name)."


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names and aliases of the settings that are or hold secrets."""
    return frozenset(name for name, field in named_fields(model).items() if _holds_secret(field.annotation))


def named_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a model's fields by every name under which a value can be given."""
    fields = model.model_fields
    aliases = {
        alias: field
        for field in fields.values()
        for alias in (field.alias, field.validation_alias)
        if isinstance(alias, str)
    }
    return {**aliases, **fields}


def as_references(plugin: str, model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are stored: each secret, nested ones too, as a reference.

    :raises SettingsError: a secret is written out.
    """
    return _with_each_secret(model, values, partial(as_reference, plugin))


def hidden(model: type[BaseModel], values: Mapping[str, Any], instead: str = "**********") -> dict[str, Any]:
    """Return settings to show: references as they are, ``instead`` for secrets that are written out."""

    def shown(_: str, value: Any) -> Any:
        return value if _reference(value) is not None else instead

    return _with_each_secret(model, values, shown)


def placeholders(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with a text in place of each secret, to check the rest."""
    return _with_each_secret(model, values, lambda *_: "secret")


def as_reference(plugin: str, key: str, value: Any) -> dict[str, str]:
    """Return the reference to store for a secret setting.

    :param value: ``$NAME``, ``@/path``, or a reference.
    :raises SettingsError: it is neither; the error doesn't repeat it.
    """
    if isinstance(value, str) and value.startswith("$") and _VARIABLE.fullmatch(value[1:]):
        return {_ENV: value[1:]}
    if isinstance(value, str) and value.startswith("@/"):
        return {_FILE: value[1:]}
    if _reference(value) is not None:
        return dict(value)
    raise InvalidSettingsError(
        f"Setting {key!r} of plugin {plugin!r} is a secret, which Mentee doesn't store.",
        hint=_EXPECTED.format(key=key),
        problems={key.partition(".")[0]: f"Mentee doesn't store secrets. {_TYPED}"},
    )


def with_secrets(
    plugin: str, model: type[BaseModel], values: Mapping[str, Any], tell: Callable[[str], object]
) -> dict[str, Any]:
    """Return settings with each reference replaced by the secret.

    :param tell: told each secret.
    :raises SettingsError: a variable isn't set, a file can't be read, or a secret is written out.
    """

    def read(key: str, value: Any) -> str:
        secret = _read(plugin, key, value)
        tell(secret)
        return secret

    return _with_each_secret(model, values, read)


def _read(plugin: str, key: str, value: Any) -> str:
    reference = _reference(value)
    setting = f"Setting {key!r} of plugin {plugin!r}"
    if reference is None:
        raise SettingsError(f"{setting} is a secret and can't be written out.", hint=_EXPECTED.format(key=key))
    kind, place = reference
    if kind == _ENV:
        secret = os.environ.get(place)
        if secret is None:
            raise SettingsError(f"{setting} comes from {place}, which isn't set.", hint=f"Set {place} and restart.")
        return secret
    try:
        with Path(place).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"{setting} comes from {place}, which can't be read: {error.strerror}.", hint="Check its permissions."
        ) from None
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{setting} comes from {place}, which has more than {MAX_BYTES:,} bytes.")
    return data.decode(errors="replace").strip()


def _reference(value: Any) -> tuple[str, str] | None:
    if isinstance(value, Mapping) and len(value) == 1:
        kind, place = next(iter(value.items()))
        if kind in (_ENV, _FILE) and isinstance(place, str) and place:
            return kind, place
    return None


def _with_each_secret(
    model: type[BaseModel], values: Mapping[str, Any], change: Callable[[str, Any], Any], inside: str = ""
) -> dict[str, Any]:
    """Return the values with each secret, at any depth, replaced by what ``change`` makes of its name and value."""
    fields = named_fields(model)
    return {
        key: _replaced(fields[key].annotation, value, change, f"{inside}{key}") if key in fields else value
        for key, value in values.items()
    }


def _replaced(annotation: Any, value: Any, change: Callable[[str, Any], Any], name: str) -> Any:
    if value is None or not _holds_secret(annotation):
        return value
    model, kind, arguments = submodel(annotation), get_origin(annotation), get_args(annotation)
    if annotation in SECRETS or _reference(value) is not None:
        return change(name, value)
    if model is not None:
        inside = isinstance(value, Mapping)
        return _with_each_secret(model, value, change, f"{name}.") if inside else change(name, value)
    if isinstance(kind, type) and issubclass(kind, Collection):
        items = _items(kind, value)
        if items is None:
            return change(name, value)  # not what the plugin declares, and it may be a secret
        changed = {key: _replaced(arguments[-1], each, change, f"{name}.{key}") for key, each in items.items()}
        return changed if isinstance(value, Mapping) else [*changed.values()]
    return _replaced(next(filter(_holds_secret, arguments)), value, change, name)


def _items(kind: type, value: Any) -> Mapping[Any, Any] | None:
    """Return the items of a mapping or list by key or number, or ``None`` if the value is not of the kind."""
    if issubclass(kind, Mapping):
        return value if isinstance(value, Mapping) else None
    return dict(enumerate(value)) if isinstance(value, list) else None


def submodel(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation is, or ``None``."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _holds_secret(annotation: Any, seen: frozenset[Any] = frozenset()) -> bool:
    if annotation in SECRETS:
        return True
    model = submodel(annotation)
    if model is None or model in seen:
        return any(_holds_secret(each, seen) for each in get_args(annotation))
    return any(_holds_secret(field.annotation, seen | {model}) for field in model.model_fields.values())
