"""Giving a department its first champion: the reader, where the base model is the one it was made for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bot.artifacts import MANIFEST, read_manifest
from tuning.registry import Registry

if TYPE_CHECKING:
    from bot.app import Mentee

ADAPTER = Path(__file__).parent / "adapter"
"""The reader as it is shipped, a generation of kind "adapter"; its ``README.md`` is the model card."""


def install_reader(mentee: Mentee, department: str) -> str | None:
    """Publish the reader as the champion of a department, which then reads as it was taught; return its version.

    :return: ``None`` on another base model, or where no reader is shipped.
    :raises ArtifactError: the shipped adapter is altered.
    """
    if not (ADAPTER / MANIFEST).is_file():
        return None  # it is being made, or this distribution leaves it out
    meta = read_manifest(ADAPTER, "adapter").meta
    if mentee.settings.model.engine != "local" or mentee.settings.model.name != meta["base_model"]:
        return None
    registry = Registry(mentee)
    version = registry.publish(ADAPTER, department, state="challenger")
    registry.promote(department, version, actor="mentee", reason="the reader, with which departments start")
    settings = {f"answers.{name}": value for name, value in meta["answers"].items()}
    mentee.departments.configure(department, settings, actor="mentee")
    return version
