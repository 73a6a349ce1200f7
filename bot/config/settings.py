"""Settings of an instance: ``mentee.toml`` in the home, overridden by ``MENTEE_…`` environment variables.

Secrets come only from the environment or from files (``…_FILE``), never from ``mentee.toml``. An unknown key is an
error that names it. The home is ``$MENTEE_HOME``, else ``./.mentee``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bot.config.core import (
    AnswerSettings,
    EscalationSettings,
    FeedbackSettings,
    LimitSettings,
    ModelSettings,
    NetworkSettings,
    OutcomeSettings,
    RetentionSettings,
    StoreSettings,
    TuningSettings,
    WebSettings,
)
from bot.domain.errors import HomeMissingError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

CONFIG_NAME = "mentee.toml"
S = TypeVar("S")


SOURCES = SettingsConfigDict(
    env_prefix="MENTEE_",
    env_nested_delimiter="__",
    extra="forbid",
    frozen=True,
    nested_model_default_partial_update=True,
)


class Settings(BaseSettings):
    """Everything an operator can set for the instance; plugins' own sections are read by :mod:`bot.config.sections`."""

    model_config = SOURCES

    home: Path = Field(description="Folder of the instance: $MENTEE_HOME, or ./.mentee. Can't be set in mentee.toml.")
    models_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "mentee" / "models",
        description="Folder of fetched models, shared by all homes on this machine.",
    )
    store: StoreSettings = StoreSettings()
    model: ModelSettings = ModelSettings()
    web: WebSettings = WebSettings()
    network: NetworkSettings = NetworkSettings()
    limits: LimitSettings = LimitSettings()
    answers: AnswerSettings = AnswerSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    escalations: EscalationSettings = EscalationSettings()
    tuning: TuningSettings = TuningSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    retention: RetentionSettings = RetentionSettings()
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Plugin settings, by plugin name.")
    model_api_key: SecretStr | None = Field(None, description="API key of the server for engine = 'openai'.")
    _given: dict[str, Any] = PrivateAttr(default_factory=dict)  # for plugins' sections, by load_settings
    _sections: dict[str, Any] = PrivateAttr(default_factory=dict)

    def section(self, name: str, read: Callable[[Mapping[str, Any]], S]) -> S:
        """Return a plugin's section, read once; see :func:`bot.config.sections.read_section`."""
        if name not in self._sections:
            self._sections[name] = read({name: self._given[name]} if name in self._given else {})
        section: S = self._sections[name]
        return section

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.store.url or f"sqlite:///{self.home / 'mentee.db'}"

    @property
    def artifacts_dir(self) -> Path:
        """The folder that holds ``adapters/``, ``indexes/``, ``datasets/`` and ``rounds/``."""
        return Path(self.store.artifacts) if self.store.artifacts else self.home

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise; one folder for all is not ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: given values, environment, secret files, then ``mentee.toml``."""
        return (
            init_settings,
            env_settings,
            _SecretFiles(settings_cls),
            _HomeFile(settings_cls, home_path() / CONFIG_NAME),
        )


SECRETS = ("model_api_key",)


def secret_file(variable: str) -> str | None:
    """Return the text of the file that ``<variable>_FILE`` names, as container platforms mount secrets.

    :raises SettingsError: the file can't be read.
    """
    path = os.environ.get(f"{variable}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Can't read {path}, the file set in {variable}_FILE: {error}.",
            hint="Correct the path or the file's permissions.",
        ) from None


def refused_secret(name: str, variable: str) -> SettingsError:
    """Return the error for a secret in ``mentee.toml``, which is copied and shown to people."""
    return SettingsError(
        f"{CONFIG_NAME} contains the secret {name!r}. Secrets aren't allowed there.",
        hint=f"Remove it, and set {variable}, or {variable}_FILE to the path of a file that contains it.",
    )


def unusable(error: ValidationError, home: Path) -> SettingsError:
    """Return the error for the first setting that is unknown or can't be used."""
    first = error.errors()[0]
    name, found = ".".join(str(part) for part in first["loc"]), first.get("input")
    said = first["msg"] if first["type"] == "extra_forbidden" else f"{first['msg']} (found {found!r})"
    return SettingsError(
        f"Setting {name!r} in {home / CONFIG_NAME} or the environment: {said}.",
        hint="Correct or remove it; docs/reference/settings.md lists every setting.",
    )


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from the files that ``MENTEE_<NAME>_FILE`` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's
        return secret_file(f"MENTEE_{field_name.upper()}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(fields[name], name)[0] for name in SECRETS}
        return {name: value for name, value in values.items() if value is not None}


class _HomeFile(TomlConfigSettingsSource):
    """The core's part of ``mentee.toml``: its own keys, without the sections of plugins."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for name in SECRETS:
            if name in values:
                raise refused_secret(name, f"MENTEE_{name.upper()}")
        known = self.settings_cls.model_fields
        return {name: value for name, value in values.items() if name in known or not isinstance(value, dict)}


def home_path() -> Path:
    """Return the current home: ``$MENTEE_HOME``, else ``./.mentee``."""
    return Path(os.environ.get("MENTEE_HOME") or ".mentee").absolute()


def _there(path: Path) -> bool:
    """Return whether a file is there and can be read.

    :raises SettingsError: it is, or may be, but this user can't read it.
    """
    try:
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read: {error.strerror}.",
            hint="Run Mentee as the user who owns it, or set MENTEE_HOME to another folder.",
        ) from None
    return True


def load_settings(overrides: Mapping[str, Any] | None = None, *, must_exist: bool = True) -> Settings:
    """Read the settings of the current home.

    :param overrides: values that win over every source, such as command-line options.
    :raises HomeMissingError: there is no ``mentee.toml`` and ``must_exist`` is set.
    :raises SettingsError: a key is unknown or a value unusable; the text names it.
    """
    home = home_path()
    if not _there(home / CONFIG_NAME) and must_exist:
        raise HomeMissingError(
            f"There is no Mentee home at {home} ({CONFIG_NAME} not found).",
            hint="Run `mentee init`, or set MENTEE_HOME to the folder of an existing home.",
        )
    given = {"home": home, **(overrides or {})}
    sections = {name: given.pop(name) for name in [*given] if name not in Settings.model_fields}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise unusable(error, home) from None
    except ValueError as error:
        raise SettingsError(f"{home / CONFIG_NAME} can't be read: {error}.", hint="Correct the TOML.") from error
    settings._given = sections  # noqa: SLF001 - its loader
    return settings
