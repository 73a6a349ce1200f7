"""Selects the engine that the settings name. Heavy libraries are imported only when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.config.extras import require
from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from bot.config.settings import Settings
    from bot.domain.ports import Engine


def open_engine(settings: Settings) -> Engine:
    """Return the engine that the settings name; ``start()`` loads it.

    :raises SettingsError: ``engine = "openai"`` without a ``server_url``.
    :raises ArtifactError: a local model is missing or altered.
    """
    if settings.model.engine == "local":
        return _local(settings, settings.model.name)
    if not settings.model.server_url.strip():
        raise SettingsError(
            "Setting 'model.engine' is 'openai' but 'model.server_url' is empty.",
            hint="Set model.server_url in mentee.toml to the server's address, such as http://gpu-1:8000.",
        )
    servers = _servers(settings)
    if not settings.model.standby:
        return servers
    from bot.inference.failover import FailoverEngine

    return FailoverEngine(servers, _local(settings, settings.model.standby))


def _servers(settings: Settings) -> Engine:
    from bot.inference.openai.client import Timeouts
    from bot.inference.openai.engine import OpenAIEngine

    folder = settings.models_dir / settings.model.name
    key = settings.model_api_key
    limits = settings.limits
    return OpenAIEngine(
        settings.model.server_url,
        settings.model.name,
        api_key=key.get_secret_value() if key else "",
        queue=limits.queue,
        seconds=limits.generation_seconds,
        folder=folder if folder.is_dir() else None,
        timeouts=Timeouts(limits.first_token_seconds, limits.next_token_seconds),
    )


def _local(settings: Settings, name: str) -> Engine:
    require("local", "The local engine", instead="or set model.engine to 'openai' and model.server_url to a server")
    from bot.inference.local.engine import LocalEngine
    from bot.inference.models.catalogue import model_path

    return LocalEngine(
        model_path(settings.models_dir, name),
        dtype=settings.model.dtype,
        threads=settings.model.threads,
        queue=settings.limits.queue,
        seconds=settings.limits.generation_seconds,
        cache_mb=settings.model.cache_mb,
    )
