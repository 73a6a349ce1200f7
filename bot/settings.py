"""Settings of an instance: ``mentee.toml`` in the home, overridden by ``MENTEE_…`` environment variables.

Secrets come only from the environment or from files (``…_FILE``), never from ``mentee.toml``. An unknown key is an
error that names it. The home is ``$MENTEE_HOME``, else ``./.mentee``.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bot.errors import HomeMissingError, SettingsError
from bot.messages import QUALIFIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

CONFIG_NAME = "mentee.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where state lives."""

    url: str = Field("", description="SQLAlchemy URL; empty means SQLite in the home.")
    artifacts: str = Field(
        "", description="Folder of adapters, indexes and datasets, shared by replicas; empty: the home."
    )


class ModelSettings(_Section):
    """What answers and what embeds."""

    engine: Literal["local", "openai"] = Field("local", description="local: transformers here; openai: a server.")
    name: str = Field("smollm2-135m-instruct", description="Chat model: a fetched name.")
    embedder: str = Field("all-minilm-l6-v2", description="Embedder: a fetched name, or 'hashing' for none.")
    dtype: Literal["auto", "int8", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on a GPU; on a CPU int8 where that is fast and sound, else float32."
    )
    cache_mb: int = Field(
        1024, ge=1, description="Memory for keys and values, of running answers and of prompts read before, in MiB."
    )
    server_url: str = Field(
        "",
        description="Base URL of the OpenAI-compatible server for engine = 'openai'; of several, with spaces between.",
    )
    standby: str = Field(
        "", description="Chat model that answers here while no server does: a fetched name. Empty: people are told."
    )
    max_new_tokens: int = Field(256, ge=1, le=4096, description="Longest answer, in tokens.")
    threads: int = Field(0, ge=0, description="CPU threads of the engine; 0 means all cores.")

    @property
    def training_dtype(self) -> Literal["auto", "float32", "bfloat16"]:
        """What rounds compute in: int8 serves, but gradients need more."""
        return "auto" if self.dtype == "int8" else self.dtype


class WebSettings(_Section):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every network.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str = Field("", description="Address people use; https turns on secure cookies.")
    sign_in: Literal["password", "demo"] = Field(
        "password", description="demo: everyone on this machine is one operator, for trying Mentee out."
    )
    session_hours: int = Field(12, ge=1, description="Hours until a person must sign in again.")


class SlackSettings(_Section):
    """The Slack channel; tokens come from the environment."""

    transport: Literal["off", "socket", "http"] = Field(
        "off", description="socket: Socket Mode, no public address needed; http: signed requests from Slack."
    )
    workspaces: tuple[str, ...] = Field(
        (),
        description="Ids (T…) of the workspaces that may install the app by OAuth; none: the one of the bot token.",
    )
    client_id: str = Field("", description="Client id of the app, for several workspaces (Basic Information).")
    api_url: str = Field("https://slack.com/api/", description="Slack's Web API; tests point it at loopback.")
    max_body_bytes: int = Field(1_000_000, ge=1, description="Largest request read; a larger one is answered 413.")
    answers: Literal["tagged", "never"] = Field(
        "tagged",
        description="What channels get that nobody configured. tagged: an answer when Mentee is mentioned; "
        "never: only channels that an operator has opened, and direct messages, are answered.",
    )
    train_eligible: bool = Field(
        default=False,
        description="Whether rounds may learn from channels that say nothing of it themselves; "
        "never from direct messages, and never unasked from channels shared with another company.",
    )
    streaming: Literal["native", "edit", "off"] = Field(
        "native",
        description="How answers appear while they are written. native: streamed, or edited where Slack does not "
        "stream; edit: a message that is edited; off: whole, once they are complete.",
    )


class LimitSettings(_Section):
    """Every wait has a limit and every queue a bound."""

    question_chars: int = Field(4_000, ge=1, description="Longest question, in characters.")
    questions_per_minute: int = Field(30, ge=1, description="Per person.")
    queue: int = Field(200, ge=1, description="Questions waiting for the engine.")
    retrieval_seconds: float = Field(10.0, gt=0, description="Time for finding passages.")
    generation_seconds: float = Field(60.0, gt=0, description="Time for writing one answer.")
    first_token_seconds: float = Field(30.0, gt=0, description="Time for a server to begin an answer.")
    next_token_seconds: float = Field(15.0, gt=0, description="Time for a server to go on with an answer.")
    plugin_seconds: float = Field(2.0, gt=0, description="Time for one hook of one plugin.")
    drain_seconds: float = Field(25.0, gt=0, description="Time for what is under way when the server is told to stop.")
    lease_seconds: float = Field(15.0, gt=0, description="A lease without a heartbeat this long is INTERRUPTED.")


class AnswerSettings(_Section):
    """How answers are made; a department may override each (``mentee departments configure``)."""

    passages: int = Field(3, ge=1, le=12, description="Passages that are read, the most relevant ones.")
    passages_at_once: int = Field(
        0, ge=0, description="Passages in one prompt; the next are read while the model finds no answer. 0: all in one."
    )
    known_threshold: float = Field(0.5, ge=0, le=1, description="Relevance below which nothing was found.")
    refusal_odds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="How much surer the local model must be that a passage does not answer than retrieval is that "
        "it does, as a ratio of its odds to the root of retrieval's, before it finds no answer. "
        "0: wherever that is the likeliest thing to say.",
    )
    quote_threshold: float = Field(
        0.8, ge=0, le=1, description="Relevance from which the best passage is quoted where the model finds no answer."
    )
    curated_threshold: float = Field(0.82, ge=0, le=1, description="Cosine above which a curated answer is used.")

    def refusal_chance(self, relevance: float = 0.5) -> float:
        """Return the chance from which a model may say that passages of this relevance, 0..1, do not answer.

        Bayes' rule in odds: what retrieval holds of a passage before it is read, against what the reader does after.
        Both see partly the same in it, so retrieval's odds count by their square root (docs/decisions/refusal-odds.md).
        """
        against = self.refusal_odds * math.sqrt(relevance)
        return against / (against + math.sqrt(1 - relevance)) if against else 0.0


class FeedbackSettings(_Section):
    """What people hear of their feedback; a department may override it (``mentee departments configure``)."""

    tell_voters: bool = Field(
        default=True,
        description="Tell who voted an answer down, privately and once, when it is corrected and when it is learned.",
    )


class EscalationSettings(_Section):
    """Questions handed to a person; a department may override each (``mentee departments configure``)."""

    channel: str = Field("", description="Where they are told, such as slack:C024BE91L; empty: the owners, privately.")
    owners: tuple[str, ...] = Field(
        (), description="People who take them, such as slack:U024BE7LH; none: every agent who may ask the department."
    )
    remind_hours: float = Field(4.0, ge=0, description="Hours until an open one is told once more; 0 means never.")

    @field_validator("channel", "owners")
    @classmethod
    def _named_in_full(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in value if isinstance(value, tuple) else filter(None, [value]):
            if not QUALIFIED.fullmatch(name):
                raise ValueError(f"{name!r} lacks its plugin, as in slack:C024BE91L")
        return value


class TuningSettings(_Section):
    """Defaults of the tuning policy; a department may override each (``mentee departments configure``)."""

    min_examples: int = Field(40, ge=1, description="Distinct clean rows below which a round refuses.")
    min_questions: int = Field(20, ge=2, description="Held-out questions below which a round refuses.")
    held_out_share: float = Field(
        0.2, gt=0, lt=0.9, description="Share of new questions that is frozen for evaluation."
    )
    person_share: float = Field(0.05, gt=0, le=1, description="Largest share of a round one employee may have.")
    schedule: str = Field("", description="Cron expression of automatic rounds; empty means none.")
    threshold: int = Field(0, ge=0, description="Start a round after so many new votes; 0 means never.")
    lora_rank: int = Field(16, ge=1, description="Rank of the LoRA adapter.")
    learning_rate: float = Field(5e-4, gt=0, description="Learning rate of the supervised stage (SFT).")
    epochs: int = Field(2, ge=1, description="Passes over the data.")
    batch_size: int = Field(8, ge=2, description="Examples a step.")
    kto_learning_rate: float = Field(5e-5, gt=0, description="Learning rate of the stage on thumbs (KTO).")
    kto_beta: float = Field(0.1, gt=0, description="How strongly KTO stays near the model it started from.")
    seed: int = Field(0, description="Same seed, same data: same adapter, bit for bit on a CPU.")


class Settings(BaseSettings):
    """Everything an operator can set for the instance."""

    model_config = SettingsConfigDict(
        env_prefix="MENTEE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    home: Path = Field(description="Folder of the instance: $MENTEE_HOME, else ./.mentee. Not set in mentee.toml.")
    models_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "mentee" / "models",
        description="Fetched models, shared by the homes of this machine.",
    )
    store: StoreSettings = StoreSettings()
    model: ModelSettings = ModelSettings()
    web: WebSettings = WebSettings()
    slack: SlackSettings = SlackSettings()
    limits: LimitSettings = LimitSettings()
    answers: AnswerSettings = AnswerSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    escalations: EscalationSettings = EscalationSettings()
    tuning: TuningSettings = TuningSettings()
    plugins: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Settings of plugins, by name.")
    slack_bot_token: SecretStr | None = Field(None, description="Bot token (xoxb-…).")
    slack_app_token: SecretStr | None = Field(None, description="App-level token (xapp-…), for Socket Mode.")
    slack_signing_secret: SecretStr | None = Field(None, description="Signing secret, for HTTP.")
    slack_client_secret: SecretStr | None = Field(None, description="Client secret, for several workspaces.")
    model_api_key: SecretStr | None = Field(None, description="Key of the server for engine = 'openai'.")

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


SECRETS = ("slack_bot_token", "slack_app_token", "slack_signing_secret", "slack_client_secret", "model_api_key")


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from the files that ``MENTEE_<NAME>_FILE`` names, as container platforms mount them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's
        """Return the file's text without the line's end."""
        path = os.environ.get(variable := f"MENTEE_{field_name.upper()}_FILE")
        try:
            return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{variable} names {path}, which cannot be read: {error}.",
                hint="Correct the path or the file's rights.",
            ) from None

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that have a file."""
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(fields[name], name)[0] for name in SECRETS}
        return {name: value for name, value in values.items() if value is not None}


class _HomeFile(TomlConfigSettingsSource):
    """``mentee.toml``, which is copied and shown to people and therefore may not hold secrets."""

    def __call__(self) -> dict[str, Any]:
        """Return the file's tables."""
        values = super().__call__()
        for name in SECRETS:
            if name in values:
                raise SettingsError(
                    f"{CONFIG_NAME} holds the secret {name!r}, which it may not.",
                    hint=f"Remove it and set MENTEE_{name.upper()}, or MENTEE_{name.upper()}_FILE to a file with it.",
                )
        return values


def home_path() -> Path:
    """Return the home in force: ``$MENTEE_HOME``, else ``./.mentee``."""
    return Path(os.environ.get("MENTEE_HOME") or ".mentee").absolute()


def load_settings(overrides: Mapping[str, Any] | None = None, *, must_exist: bool = True) -> Settings:
    """Read the settings of the home in force.

    :param overrides: values that win over every source, such as command-line options.
    :raises HomeMissingError: there is no ``mentee.toml`` and ``must_exist`` is set.
    :raises SettingsError: a key is unknown or a value unusable; the text names it.
    """
    home = home_path()
    if must_exist and not (home / CONFIG_NAME).is_file():
        raise HomeMissingError(
            f"There is no Mentee home at {home} ({CONFIG_NAME} not found).",
            hint="Run `mentee init`, or set MENTEE_HOME to the folder of an existing home.",
        )
    try:
        return Settings(**{"home": home, **(overrides or {})})
    except ValidationError as error:
        first = error.errors()[0]
        name, found = ".".join(str(part) for part in first["loc"]), first.get("input")
        raise SettingsError(
            f"Setting {name!r} in {home / CONFIG_NAME} or the environment: {first['msg']} (found {found!r}).",
            hint="Correct or remove it; docs/reference/settings.md lists every setting.",
        ) from None
    except ValueError as error:
        raise SettingsError(f"{home / CONFIG_NAME} cannot be read: {error}.", hint="Correct the TOML.") from error
