"""Sections of ``mentee.toml`` that plugins bring: ``[slack]`` is read with the model of the plugin ``slack``.

They follow the rules of the core's own sections: ``MENTEE_SLACK__TRANSPORT`` wins over the file, and an unknown key is
an error that names it. A field of type ``SecretStr`` comes from ``MENTEE_SLACK_<FIELD>`` or from the file that
``MENTEE_SLACK_<FIELD>_FILE`` names, never from ``mentee.toml``.
"""

from __future__ import annotations

import os
import tomllib
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, Field, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from bot.config.settings import CONFIG_NAME, SOURCES, Settings, refused_secret, secret_file, unusable
from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

S = TypeVar("S", bound=BaseModel)


def section_name(plugin: str) -> str:
    """Return the name of a plugin's section: the plugin's own, with ``_`` for ``-``."""
    return plugin.replace("-", "_")


def read_section(settings: Settings, name: str, model: type[S]) -> S:
    """Return the values of a section. They are read once for each instance, when it is opened.

    :raises SettingsError: a key is unknown or a value can't be used; the text names it.
    """
    return settings.section(name, partial(_read, settings, name, model))


def check_sections(settings: Settings, models: Mapping[str, type[BaseModel]], unchecked: Collection[str] = ()) -> None:
    """Make sure that every section of ``mentee.toml`` is the core's or a plugin's, and that its values can be used.

    :param models: the models of plugins' sections, by name.
    :param unchecked: names of the sections of plugins that failed to bring a model.
    :raises SettingsError: names the first that is unknown or can't be used.
    """
    for name in _file(settings):
        if name not in Settings.model_fields and name not in models and name not in unchecked:
            raise SettingsError(
                f"{settings.home / CONFIG_NAME} has a section [{name}], which no installed plugin reads.",
                hint="Correct or remove it; docs/reference/settings.md lists every setting.",
            )
    for name, model in models.items():
        read_section(settings, name, model)


def secret_variable(section: str, field: str) -> str:
    """Return the environment variable of a section's secret."""
    return f"MENTEE_{section}_{field}".upper()


def secret_fields(model: type[BaseModel]) -> Iterator[str]:
    """Yield the names of the fields that hold secrets."""
    for name, field in model.model_fields.items():
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation):
            yield name


def _read(settings: Settings, name: str, model: type[S], given: Mapping[str, Any]) -> S:
    table = _file(settings).get(name, {})
    field: Any = (model, Field(default_factory=model))
    reader = create_model("Reader", __base__=_Reader, **{name: field})
    reader.file_values = {name: {**table, **dict(_secrets(name, model, table))} if isinstance(table, dict) else table}
    try:
        found: S = getattr(reader(**given), name)
    except ValidationError as error:
        raise unusable(error, settings.home) from None
    return found


class _Reader(BaseSettings):
    """Reads one section; its only field is the section."""

    model_config = SOURCES | {"extra": "ignore"}
    file_values: ClassVar[dict[str, Any]] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, cls.file_values)


def _secrets(section: str, model: type[BaseModel], table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in secret_fields(model):
        variable = secret_variable(section, field)
        if field in table:
            raise refused_secret(f"{section}.{field}", variable)
        value = os.environ.get(variable) or secret_file(variable)
        if value is not None:
            yield field, value


def _file(settings: Settings) -> dict[str, Any]:
    path = settings.home / CONFIG_NAME
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
