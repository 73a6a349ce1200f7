from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import SettingsError
from bot.domain.people import Audience
from bot.testing.notes import NotesRetriever, make_plugin
from retrieval.assembly import open_documents
from retrieval.catalog import Catalog

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]


def test_the_catalog_counts_documents_and_names_the_served_snapshot(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    catalog = Catalog(mentee.store)
    assert catalog.departments() == {}
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 rubbish")
    report = documents.add([str(folder)], "travel")
    ((name, found),) = catalog.departments().items()
    assert (name, found.ready, found.failed, found.chunks) == ("travel", 2, 1, 2)
    assert found.snapshot == report.snapshot
    assert found.indexed_at is not None
    documents.remove([str(folder)], "travel")
    assert catalog.departments() == {}


def test_the_catalog_lists_what_an_audience_may_read(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder / "leave.md")], "travel")
    documents.add([str(folder / "hotel.md")], "travel", readers=["group:board"])
    catalog = Catalog(mentee.store)
    assert set(catalog.readable("travel", Audience()).values()) == {f"{folder}/leave.md"}
    assert len(catalog.readable("travel", Audience(unrestricted=True))) == 2


def test_documents_are_not_changed_under_the_retriever_of_a_plugin(make_home: MakeHome) -> None:
    def register_retriever() -> NotesRetriever:
        return NotesRetriever()

    notes = make_plugin(register_retriever=register_retriever)
    mentee = make_home(built_in=("plugins.sources",), extra_plugins={"notes": notes})
    with pytest.raises(SettingsError, match="NotesRetriever"):
        open_documents(mentee, actor="test")
