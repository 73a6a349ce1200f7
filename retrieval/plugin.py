"""Retrieval as a plugin: the retriever, the parsers and the commands ``mentee documents`` and ``mentee search``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from bot.domain.ports import Eraser, Parser, Retriever
    from bot.hooks.instance import Instance


@hookimpl
def register_retriever(instance: Instance) -> Retriever:
    """Return the hybrid retriever; its embedder is loaded at the first question."""
    from retrieval.search.hybrid import HybridRetriever

    return HybridRetriever(instance.store, instance.settings)


@hookimpl
def register_parsers() -> Sequence[Parser]:
    """Offer the parsers of :data:`retrieval.parse.kinds.KINDS`."""
    from retrieval.parse.dispatch import built_in_parsers

    return built_in_parsers()


@hookimpl
def register_erasers(instance: Instance) -> Sequence[Eraser]:
    """Erase documents from the index."""
    from retrieval.assembly import open_eraser

    eraser = open_eraser(instance)
    return [eraser] if eraser else []


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``documents`` and ``search``."""
    from retrieval.commands.documents import documents
    from retrieval.commands.search import search

    cli.add_command(documents)
    cli.add_command(search)
