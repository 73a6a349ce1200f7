"""Documents of a plugin's source: their own addresses, titles and kinds, and who may read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bot import Audience, DocumentError, FetchError, Readers, SourceDocument, hookimpl
from retrieval.assembly import open_documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from retrieval.ingest.documents import Documents

PAGE = SourceDocument(
    "http://127.0.0.1:9/HR",
    b"<p>Staff earn four hours of leave.</p>",
    title="Leave, by HR",
    media_type="text/html; charset=utf-8",
)
ADA = Audience(frozenset({"everyone", "user:ada"}))


class Wiki:
    """A source of the pages that a test puts into it."""

    name = "wiki"

    def __init__(self) -> None:
        self.pages: list[SourceDocument] = [PAGE]

    def accepts(self, address: str) -> bool:
        return address.startswith("wiki://")

    def documents(self, address: str) -> Sequence[SourceDocument]:  # noqa: ARG002 - there is only one wiki
        return self.pages

    @hookimpl
    def register_sources(self) -> Sequence[Wiki]:
        return [self]


@pytest.fixture
def wiki() -> Wiki:
    return Wiki()


@pytest.fixture
def opened(make_home: MakeHome, wiki: Wiki) -> tuple[Mentee, Documents]:
    mentee = make_home(departments=["travel"], extra_plugins={"wiki": wiki})
    return mentee, open_documents(mentee, actor="test")


def found(mentee: Mentee, audience: Audience) -> list[str]:
    return [passage.document for passage in mentee.retriever.search("leave hours", "travel", audience)]


def test_a_page_has_its_own_address_and_title_and_needs_no_suffix(opened: tuple[Mentee, Documents], wiki: Wiki) -> None:
    mentee, documents = opened
    wiki.pages.append(replace(PAGE, address="notes/visa", file_name="visa.md", data=b"# Visa\n\nAsk.", title=""))
    documents.add(["wiki://HR"], "travel")
    rows = {row.address: row.title for row in documents.rows("travel")}
    assert rows == {"http://127.0.0.1:9/HR": "Leave, by HR", "wiki://HR/notes/visa": "Visa"}
    assert mentee.retriever.search("leave hours", "travel", ADA)[0].title == "Leave, by HR"
    wiki.pages[0] = replace(PAGE, title="Leave")
    assert [outcome.address for outcome in documents.sync("travel").of("updated")] == [PAGE.address]
    assert mentee.retriever.search("leave hours", "travel", ADA)[0].title == "Leave"


class Lazy(Sequence[SourceDocument]):
    """Pages that are read one by one; the second is something else, or can't be read."""

    def __init__(self, second: str = "") -> None:
        self.second = second

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: Any) -> Any:
        if number == 1 and not self.second:
            raise LookupError("page 1 is gone")
        return self.second if number else PAGE


def raises(error: BaseException) -> Callable[[str], Any]:
    def documents(_address: str) -> Any:
        raise error

    return documents


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (raises(KeyError("HR")), "The source 'wiki' can't read 'wiki://HR': KeyError: 'HR'."),
        (raises(FetchError("There was no response.")), "can't read 'wiki://HR': There was no response."),
        (raises(DocumentError("HR is closed.")), "HR is closed."),
        (lambda _: (each for each in [PAGE]), "documents() returned generator, not a list of SourceDocument"),
        (lambda _: [PAGE, "text"], "documents() returned a list with str, not SourceDocument"),
        (lambda _: Lazy(), "The source 'wiki' can't read 'wiki://HR': LookupError: page 1 is gone."),
        (lambda _: "text", "documents() returned str, not a list of SourceDocument"),
    ],
)
def test_a_source_that_fails_keeps_its_documents_and_the_others_are_read(
    opened: tuple[Mentee, Documents], wiki: Wiki, tmp_path: Path, documents: Any, said: str
) -> None:
    mentee, added = opened
    added.add(["wiki://HR"], "travel")
    (tmp_path / "visa.md").write_text("# Visa\n\nAsk.")
    added.add([str(tmp_path)], "travel")
    (tmp_path / "visa.md").write_text("# Visa\n\nAsk the desk.")
    wiki.documents = documents  # type: ignore[method-assign] # the wiki breaks
    report = added.sync("travel")
    assert [outcome.address for outcome in report.of("updated")] == [f"{tmp_path}/visa.md"]
    (failed,) = report.of("failed")
    assert said in failed.reason
    assert failed.reason.endswith("Its documents are kept.")
    assert PAGE.address in found(mentee, ADA)
    with pytest.raises(DocumentError, match=re.escape(said)):
        added.add(["wiki://HR"], "travel")


def test_a_source_that_fails_to_say_what_it_accepts_is_named(
    opened: tuple[Mentee, Documents], wiki: Wiki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiki, "accepts", raises(ZeroDivisionError("by zero")))
    with pytest.raises(DocumentError, match="The source 'wiki' can't read 'wiki://HR': ZeroDivisionError: by zero"):
        opened[1].add(["wiki://HR"], "travel")


@pytest.mark.parametrize(
    ("documents", "text", "where"),
    [
        (raises(KeyError("HR")), "KeyError: 'HR'", "in documents\n    raise error"),
        (raises(SystemExit(3)), "SystemExit: 3", "in documents\n    raise error"),
        (lambda _: [PAGE, "text"], "documents() returned a list with str, not SourceDocument", "in <lambda>"),
        (lambda _: Lazy(), "LookupError: page 1 is gone", 'raise LookupError("page 1 is gone")'),
        (lambda _: Lazy("text"), "documents() returned a sequence with str, not SourceDocument", "in <lambda>"),
    ],
)
def test_a_failing_source_is_a_failure_of_its_plugin_and_the_other_addresses_are_added(  # noqa: PLR0917 - fixtures and cases
    opened: tuple[Mentee, Documents], wiki: Wiki, tmp_path: Path, documents: Any, text: str, where: str
) -> None:
    mentee, added = opened
    (tmp_path / "visa.md").write_text("# Visa\n\nAsk.")
    wiki.documents = documents  # type: ignore[method-assign] # the wiki breaks
    report = added.add(["wiki://HR", str(tmp_path)], "travel")
    assert f"{tmp_path}/visa.md" in [outcome.address for outcome in report.of("added")]
    assert [outcome.address for outcome in report.of("failed")] == ["wiki://HR"]
    (failure,) = mentee.plugins.recorded("wiki")
    assert failure == replace(failure, hook="documents() of the source 'wiki'", text=text)
    assert where in failure.traceback
    assert "reading.py" not in failure.traceback
    assert mentee.plugins.problems["wiki"] == f"documents() of the source 'wiki': {text}"


def test_what_a_source_says_it_cant_read_is_no_failure_of_its_plugin(
    opened: tuple[Mentee, Documents], wiki: Wiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee, added = opened
    (tmp_path / "visa.md").write_text("# Visa\n\nAsk.")
    monkeypatch.setattr(wiki, "documents", raises(FetchError("There was no response.")))
    report = added.add(["wiki://HR", str(tmp_path)], "travel")
    assert [len(report.of(state)) for state in ("added", "failed")] == [1, 1]
    monkeypatch.setattr(wiki, "documents", raises(DocumentError("HR is closed.")))
    with pytest.raises(DocumentError, match="HR is closed"):
        added.add(["wiki://HR", str(tmp_path)], "travel")
    assert mentee.plugins.recorded("wiki") == []


def test_a_source_that_fails_to_say_what_it_accepts_leaves_addresses_to_the_others(
    opened: tuple[Mentee, Documents], wiki: Wiki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee, added = opened
    monkeypatch.setattr(wiki, "accepts", raises(ZeroDivisionError("by zero")))
    (tmp_path / "visa.md").write_text("# Visa\n\nAsk.")
    report = added.add([str(tmp_path)], "travel")
    assert [outcome.address for outcome in report.of("added")] == [f"{tmp_path}/visa.md"]
    assert mentee.plugins.problems["wiki"] == "accepts() of the source 'wiki': ZeroDivisionError: by zero"


def test_readers_are_those_of_the_newest_sync(opened: tuple[Mentee, Documents], wiki: Wiki) -> None:
    mentee, documents = opened
    documents.add(["wiki://HR"], "travel")
    everyone = Audience(frozenset({"everyone"}))
    for readers, others, ada in (
        (Readers.only("user:ada"), False, True),
        (None, False, True),
        (Readers.department(), True, True),
        (Readers.nobody(), False, False),
        (Readers.only(), False, False),
        (Readers.department(), True, True),
    ):
        wiki.pages = [replace(PAGE, readers=readers)]
        documents.sync("travel")
        assert (bool(found(mentee, everyone)), bool(found(mentee, ADA))) == (others, ada), readers


@pytest.mark.parametrize(
    ("principal", "said"),
    [
        ("ada", "'ada' can't be the reader of a document. Expected user:NAME"),
        ("User:ada", "'User:ada' can't be"),
        ("users:ada", "Did you mean 'user:ada'?"),
        ("departments:hr", "Did you mean 'department:hr'?"),
        ("user:", "'user:' can't be"),
        ("user:ada lovelace", "can't be"),
        ("everyone:else", "Did you mean 'everyone'?"),
        ("", "'' can't be"),
        (42, "42 can't be"),
        (None, "None can't be"),
    ],
)
def test_a_reader_that_cannot_be_is_refused(principal: Any, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        Readers.only("user:bob", principal)
    assert said in str(caught.value)
    with pytest.raises(DocumentError):
        Readers(frozenset({principal}))


def test_readers_in_every_form_they_can_have() -> None:
    given = ("user:ada", "user:slack:U024BE7LH", "department:hr", "slack:C024BE91L", "slack:T1:C024BE91L", "everyone")
    assert Readers.only(*given).principals == frozenset(given)
    computed: Any = list(given)
    assert Readers(computed) == Readers.only(*given)
    assert Readers() == Readers.department()
    assert Readers.only() == Readers.nobody() != Readers.department()
    text: Any = "user:ada"
    with pytest.raises(DocumentError, match="Expected a set"):
        Readers(text)


def test_a_source_with_a_reader_that_cannot_be_changes_nothing(opened: tuple[Mentee, Documents], wiki: Wiki) -> None:
    mentee, documents = opened
    wiki.pages = [replace(PAGE, readers=Readers.nobody())]
    documents.add(["wiki://HR"], "travel")
    failing = FailingWiki()
    wiki.documents = failing.documents  # type: ignore[method-assign] # the wiki's next version
    report = documents.sync("travel")
    assert ["'ada' can't be the reader" in outcome.reason for outcome in report.of("failed")] == [True]
    assert found(mentee, ADA) == []


class FailingWiki(Wiki):
    """A wiki whose readers lack their kind."""

    def documents(self, address: str) -> Sequence[SourceDocument]:
        return [replace(PAGE, address=address, readers=Readers.only("ada"))]
