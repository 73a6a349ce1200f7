"""Engines: what turns a prompt into an answer's text. Nothing heavy is imported until one is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import SettingsError

if TYPE_CHECKING:
    from bot.protocols import Engine
    from bot.settings import Settings


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
    from bot.engines.openai import OpenAIEngine

    servers = OpenAIEngine.from_settings(settings)
    if not settings.model.standby:
        return servers
    from bot.engines.standby import StandbyEngine

    return StandbyEngine(servers, _local(settings, settings.model.standby))


def _local(settings: Settings, name: str) -> Engine:
    from bot.engines.local import LocalEngine
    from bot.models import model_path

    return LocalEngine(
        model_path(settings, name),
        dtype=settings.model.dtype,
        threads=settings.model.threads,
        queue=settings.limits.queue,
        seconds=settings.limits.generation_seconds,
        cache_mb=settings.model.cache_mb,
    )
