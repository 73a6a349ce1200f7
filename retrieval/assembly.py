"""Puts the parts of retrieval together for a running instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.errors import SettingsError
from retrieval.ingest.document_store import DocumentStore
from retrieval.ingest.documents import Documents
from retrieval.ingest.erasure import DocumentEraser
from retrieval.ingest.reading import PluginSource, Reader
from retrieval.parse.dispatch import parsers_of
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from bot.hooks.host import PluginHost
    from bot.hooks.instance import Instance
    from bot.storage.session import Store
    from retrieval.ingest.changes import Listener


def open_documents(instance: Instance, *, actor: str, listener: Listener | None = None) -> Documents:
    """Return what changes an instance's documents.

    :param actor: who makes the changes, for the audit log.
    :raises SettingsError: a plugin's retriever is in use, which keeps its documents elsewhere.
    """
    retriever = instance.retriever
    if not isinstance(retriever, HybridRetriever):
        raise SettingsError(
            f"Documents are managed by a plugin's retriever, {type(retriever).__name__}.",
            hint="Add documents there, or disable the plugin.",
        )
    plugins = instance.plugins
    reader = Reader(_sources(plugins), parsers_of(plugins), failed=plugins.failed, listener=listener)
    stored = document_store(instance.store, retriever)
    return Documents(stored, instance.departments, reader, actor=actor, listener=listener)


def open_eraser(instance: Instance) -> DocumentEraser | None:
    """Return what erases documents; ``None`` where a plugin's retriever keeps them elsewhere."""
    retriever = instance.retriever
    if not isinstance(retriever, HybridRetriever):
        return None
    store = instance.store
    return DocumentEraser(store, retriever.snapshots, lambda: document_store(store, retriever))


def document_store(store: Store, retriever: HybridRetriever) -> DocumentStore:
    """Return the store of the documents that a retriever searches."""
    return DocumentStore(store, retriever.snapshots, lambda: retriever.embedder.inner)


def _sources(plugins: PluginHost) -> list[PluginSource]:
    """Return the sources of all plugins, the plugin registered last first."""
    names = reversed(plugins.implementing("register_sources"))
    return [PluginSource(name, source) for name in names for source in plugins.register_sources(name)]
