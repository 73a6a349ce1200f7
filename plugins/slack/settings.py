"""The section ``[slack]`` of ``mentee.toml``, and the secrets of the Slack app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from bot.config.core import SettingsSection
from bot.config.sections import read_section

if TYPE_CHECKING:
    from bot.config.settings import Settings


class SlackSettings(SettingsSection):
    """The Slack channel. Tokens come from the environment."""

    transport: Literal["off", "socket", "http"] = Field(
        "off", description="socket: Socket Mode, needs no public address. http: Slack sends signed requests."
    )
    workspaces: tuple[str, ...] = Field(
        (),
        description="Ids (T…) of workspaces that may install the app by OAuth. None: the bot token's workspace.",
    )
    client_id: str = Field("", description="Client id of the app, if you use several workspaces.")
    api_url: str = Field("https://slack.com/api/", description="Slack's Web API. Tests replace it.")
    max_body_bytes: int = Field(1_000_000, ge=1, description="Maximum size of a request; larger ones get 413.")
    answers: Literal["tagged", "never"] = Field(
        "tagged",
        description="What Mentee does in channels that nobody configured. tagged: answer mentions. "
        "never: stay out; only direct messages and channels opened by an operator are answered.",
    )
    train_eligible: bool = Field(
        default=False,
        description="Whether rounds may learn from channels that don't set this themselves. Never applies to "
        "direct messages or to channels shared with another company.",
    )
    streaming: Literal["native", "edit", "off"] = Field(
        "native",
        description="How answers appear. native: streamed, or as an edited message where Slack can't stream. "
        "edit: as an edited message. off: complete answers only.",
    )
    bot_token: SecretStr | None = Field(None, description="Bot token (xoxb-…).")
    app_token: SecretStr | None = Field(None, description="App-level token (xapp-…), for Socket Mode.")
    signing_secret: SecretStr | None = Field(None, description="Signing secret, for HTTP.")
    client_secret: SecretStr | None = Field(None, description="Client secret, for several workspaces.")
    token_key: SecretStr | None = Field(
        None, description="Key that encrypts the tokens of several workspaces; earlier ones follow after spaces."
    )

    @classmethod
    def of(cls, settings: Settings) -> SlackSettings:
        """Return the section of an instance's settings."""
        return read_section(settings, "slack", cls)
