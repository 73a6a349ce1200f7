"""Sources of documents: files and folders, git repositories, web pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hooks.specs import hookimpl
from plugins.sources.folder import FolderSource
from plugins.sources.git import GitSource
from plugins.sources.web import WebSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.ports import Source


@hookimpl
def register_sources() -> Sequence[Source]:
    """Offer the sources; the folder source is last because it accepts any path."""
    return (WebSource(), GitSource(), FolderSource())
