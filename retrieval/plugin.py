"""Retrieval as a plugin: the retriever, the parsers and the commands ``mentee documents`` and ``mentee search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from bot.app import Mentee
    from bot.protocols import Parser, Retriever


@hookimpl
def register_retriever(mentee: Mentee) -> Retriever:
    """Return the hybrid retriever; its embedder is loaded at the first question."""
    from retrieval.search import HybridRetriever

    return HybridRetriever(mentee.store, mentee.settings)


@hookimpl
def register_parsers() -> Sequence[Parser]:
    """Offer Markdown, HTML, plain text, PDF and DOCX."""
    from retrieval.documents import built_in_parsers

    return built_in_parsers()


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``documents`` and ``search``."""
    from retrieval.commands import documents, search

    cli.add_command(documents)
    cli.add_command(search)
