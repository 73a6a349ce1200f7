"""Where documents come from: files and folders, git repositories, web pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl
from plugins.sources.folder import FolderSource
from plugins.sources.git import GitSource
from plugins.sources.web import WebSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.protocols import Source


@hookimpl
def register_sources() -> Sequence[Source]:
    """Offer the readers; the folder reader comes last because it takes whatever the others leave."""
    return (WebSource(), GitSource(), FolderSource())
