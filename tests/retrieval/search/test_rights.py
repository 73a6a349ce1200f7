from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from bot.domain.departments import DepartmentSpec
from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.people import EVERYONE, Audience
from bot.storage.tables.access import DepartmentRow, MemberRow
from bot.storage.tables.documents import DocumentRow
from retrieval.assembly import document_store
from retrieval.ingest.changes import Change, Wanted
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from retrieval.ingest.document_store import DocumentStore

PRINCIPALS = (EVERYONE, "user:ada", "user:bob", "group:board", "department:travel")
readers = st.lists(st.sampled_from(PRINCIPALS), max_size=3, unique=True)
audiences = st.frozensets(st.sampled_from(PRINCIPALS), max_size=4)


@pytest.fixture
def library(make_home: MakeHome) -> tuple[Mentee, HybridRetriever, DocumentStore]:
    mentee = make_home(departments=(DepartmentSpec("travel", "Travel"),), built_in=())
    retriever = HybridRetriever(mentee.store, mentee.settings)
    return mentee, retriever, document_store(mentee.store, retriever)


def wanted(number: int, rights: Sequence[str]) -> Wanted:
    text = f"the shared words hotel leave and the word n{number}"
    parsed = ParsedDocument("Shared title", (ParsedSection(("Same heading",), paragraphs(text)),))
    return Wanted(f"d{number}.md", f"d{number}.md", "", f"sha{number}", 1, readers=tuple(rights), parsed=parsed)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rights=st.lists(readers, min_size=1, max_size=12),
    audience=audiences,
    members=st.none() | st.lists(st.sampled_from(PRINCIPALS[1:4]), max_size=2, unique=True),
    k=st.integers(1, 12),
)
def test_no_unreadable_chunk_ever_appears_and_no_readable_one_is_crowded_out(
    library: tuple[Mentee, HybridRetriever, DocumentStore],
    rights: Sequence[str],
    audience: frozenset[str],
    members: list[str] | None,
    k: int,
) -> None:
    """``members`` is ``None`` for an open department."""
    mentee, retriever, documents = library
    with mentee.store.write() as session:
        session.get_one(DepartmentRow, "travel").open = members is None
        session.execute(delete(MemberRow))
        session.execute(delete(DocumentRow))
        session.add_all(MemberRow(department="travel", principal=principal) for principal in members or ())
    with retriever.snapshots.building("travel"):
        documents.apply("travel", Change([wanted(n, right) for n, right in enumerate(rights)]), actor="test")
    default = {EVERYONE} if members is None else {"department:travel", *members}
    readable = {f"d{n}.md" for n, right in enumerate(rights) if (set(right) or default) & audience}
    found = retriever.search("hotel leave n3", "travel", Audience(audience), k=k)
    assert {passage.document for passage in found} <= readable
    assert len(found) == min(k, len(readable))


def test_a_deleted_document_is_gone_before_any_new_snapshot(
    library: tuple[Mentee, HybridRetriever, DocumentStore],
) -> None:
    mentee, retriever, documents = library
    with retriever.snapshots.building("travel"):
        documents.apply("travel", Change([wanted(1, ()), wanted(2, ())]), actor="test")
    snapshot = retriever.snapshot("travel")
    (chunk,) = [item for item in retriever.search("n2", "travel", Audience()) if item.document == "d2.md"]
    with mentee.store.write() as session:
        session.execute(delete(DocumentRow).where(DocumentRow.address == "d2.md"))
    assert [item.document for item in retriever.search("n2", "travel", Audience())] == ["d1.md"]
    assert retriever.passages([chunk.chunk_id], "travel", Audience()) == []
    assert retriever.snapshot("travel") == snapshot


def test_rights_changed_later_count_at_once(library: tuple[Mentee, HybridRetriever, DocumentStore]) -> None:
    mentee, retriever, documents = library
    with retriever.snapshots.building("travel"):
        documents.apply("travel", Change([wanted(1, ())]), actor="test")
    assert retriever.search("hotel", "travel", Audience())
    with mentee.store.write() as session:
        session.query(DocumentRow).one().readers = ["group:board"]
    assert retriever.search("hotel", "travel", Audience()) == []
    assert retriever.search("hotel", "travel", Audience(frozenset({"group:board"})))
