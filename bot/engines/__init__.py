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
    :raises ArtifactError: the local model is missing or altered.
    """
    if settings.model.engine == "local":
        from bot.engines.local import LocalEngine
        from bot.models import model_path

        return LocalEngine(
            model_path(settings, settings.model.name),
            dtype=settings.model.dtype,
            threads=settings.model.threads,
            queue=settings.limits.queue,
            seconds=settings.limits.generation_seconds,
        )
    if not settings.model.server_url:
        raise SettingsError(
            "Setting 'model.engine' is 'openai' but 'model.server_url' is empty.",
            hint="Set model.server_url in mentee.toml to the server's address, such as http://gpu-1:8000.",
        )
    from bot.engines.openai import OpenAIEngine

    return OpenAIEngine.from_settings(settings)
