from __future__ import annotations

import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import ArtifactError, DocumentError, NotFoundError
from bot.domain.people import Audience
from bot.storage.tables.access import AuditRow
from retrieval.assembly import open_documents

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from retrieval.ingest.changes import Report
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]


def states(report: Report) -> dict[str, str]:
    return {outcome.address.rsplit("/", 1)[-1]: outcome.state for outcome in report.outcomes}


def found(mentee: Mentee, question: str, department: str = "travel") -> list[str]:
    return [passage.document for passage in mentee.retriever.search(question, department, Audience())]


def test_a_folder_is_added_once_and_again_changes_nothing(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    first = documents.add([str(folder)], "travel")
    assert states(first) == {"leave.md": "added", "hotel.md": "added"}
    assert found(mentee, "annual leave hours")[0] == f"{folder}/leave.md"
    second = documents.add([str(folder)], "travel")
    assert states(second) == {"leave.md": "unchanged", "hotel.md": "unchanged"}
    assert second.snapshot == first.snapshot


def test_addresses_are_the_path_as_given(documents_home: DocumentsHome, monkeypatch: pytest.MonkeyPatch) -> None:
    mentee, documents, folder = documents_home
    monkeypatch.chdir(folder.parent)
    documents.add(["docs/"], "travel")
    documents.add(["./docs/leave.md"], "it")
    assert sorted(found(mentee, "hotel leave")) == ["docs/hotel.md", "docs/leave.md"]
    assert found(mentee, "leave", "it") == ["./docs/leave.md"]


def test_sync_follows_the_folder_from_anywhere(
    documents_home: DocumentsHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mentee, documents, folder = documents_home
    monkeypatch.chdir(folder.parent)
    documents.add(["docs"], "travel")
    monkeypatch.chdir(tmp_path)
    (folder / "hotel.md").unlink()
    (folder / "leave.md").write_text("# Leave\n\nNow five hours of annual leave.\n")
    (folder / "visa.md").write_text("# Visa\n\nAsk the embassy for a visa.\n")
    assert states(documents.sync("travel")) == {"leave.md": "updated", "visa.md": "added", "hotel.md": "removed"}
    assert "hotel.md" not in str(found(mentee, "hotel concur"))
    assert "five hours" in mentee.retriever.search("annual leave", "travel", Audience())[0].text


def test_sync_keeps_documents_whose_source_is_gone_and_says_so(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    shutil.rmtree(folder)
    report = documents.sync("travel")
    assert [outcome.state for outcome in report.outcomes] == ["failed"]
    assert "are kept" in report.outcomes[0].reason
    assert len(found(mentee, "leave hotel")) == 2


def test_a_batch_keeps_the_good_ones_and_names_the_bad(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 rubbish")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "moved.md").write_text("---\ntitle: Moved\n---\n")
    report = documents.add([str(folder)], "travel")
    assert states(report) == {
        "leave.md": "added",
        "hotel.md": "added",
        "broken.pdf": "failed",
        "logo.png": "skipped",
        "moved.md": "skipped",
    }
    (failed,) = report.of("failed")
    assert "not a readable PDF" in failed.reason
    assert len(found(mentee, "leave hotel pdf")) == 2
    rows = {row.address.rsplit("/", 1)[-1]: row for row in documents.rows("travel")}
    assert rows["broken.pdf"].state == "failed"
    assert "not a readable PDF" in rows["broken.pdf"].error


@pytest.mark.parametrize("name", ["broken.pdf", "picture.md", "empty.md", "nothing-there.md"])
def test_a_single_unreadable_file_is_an_error_and_leaves_nothing(documents_home: DocumentsHome, name: str) -> None:
    _, documents, folder = documents_home
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 rubbish")
    (folder / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (folder / "empty.md").write_bytes(b"")
    with pytest.raises(DocumentError, match=name):
        documents.add([str(folder / name)], "travel")
    assert documents.rows("travel") == []


def test_an_update_that_cannot_be_read_leaves_the_old_version(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    (folder / "leave.md").write_bytes(b"\x00\x01\x02")
    report = documents.sync("travel")
    assert states(report)["leave.md"] == "failed"
    assert "four hours" in mentee.retriever.search("annual leave", "travel", Audience())[0].text


def test_readers_are_set_kept_and_changed(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    board = Audience(frozenset({"group:board"}))
    documents.add([str(folder)], "travel", readers=["group:board"])
    assert found(mentee, "leave") == []
    documents.add([str(folder)], "travel")
    assert found(mentee, "leave") == []
    assert len(mentee.retriever.search("leave", "travel", board)) == 2
    report = documents.add([str(folder)], "travel", readers=["everyone"])
    assert states(report) == {"leave.md": "updated", "hotel.md": "updated"}
    assert len(found(mentee, "leave")) == 2


def test_remove_by_document_and_by_source(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    documents.remove([f"{folder}/hotel.md"], "travel")
    assert found(mentee, "hotel leave") == [f"{folder}/leave.md"]
    documents.remove([str(folder)], "travel")
    assert found(mentee, "hotel leave") == []
    assert not mentee.retriever.has_documents("travel")
    assert mentee.retriever.snapshot("travel") is None
    with pytest.raises(NotFoundError, match="'travel' has no document"):
        documents.remove([str(folder)], "travel")


def test_departments_are_apart(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder / "leave.md")], "travel")
    documents.add([str(folder / "hotel.md")], "it")
    assert found(mentee, "hotel leave") == [f"{folder}/leave.md"]
    assert found(mentee, "hotel leave", "it") == [f"{folder}/hotel.md"]
    with pytest.raises(NotFoundError, match="'sales'"):
        documents.add([str(folder)], "sales")


def test_a_missing_embedder_is_said_before_anything_is_written(
    make_home: MakeHome, documents_home: DocumentsHome, tmp_path: Path
) -> None:

    _, _, folder = documents_home
    missing = make_home(
        departments=("travel",),
        built_in=("retrieval.plugin", "plugins.sources"),
        settings={"model": {"embedder": "all-minilm-l6-v2"}},
        secrets={"MODELS_DIR": str(tmp_path / "no-models")},
    )
    documents = open_documents(missing, actor="test")
    with pytest.raises(ArtifactError, match="fetch"):
        documents.add([str(folder)], "travel")
    assert documents.rows("travel") == []


def test_changes_are_audited(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    with mentee.store.read() as session:
        row = session.query(AuditRow).filter_by(action="documents.change").one()
    assert (row.actor, row.subject, row.detail) == ("test", "travel", {"added": 2})


def test_hidden_files_and_links_out_of_the_folder_are_left_out(documents_home: DocumentsHome, tmp_path: Path) -> None:
    _, documents, folder = documents_home
    (folder / ".secret.md").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "config.md").write_text("hidden")
    (tmp_path / "outside.md").write_text("outside")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    assert set(states(documents.add([str(folder)], "travel"))) == {"leave.md", "hotel.md"}


@pytest.mark.enable_socket
def test_a_web_page_is_read_from_its_address(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    (folder / "page.html").write_text("<html><body><main><h1>Parking</h1><p>Park in garage B.</p></main></body></html>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            documents.add([f"{address}/page.html"], "travel")
            with pytest.raises(DocumentError, match="answered 404"):
                documents.add([f"{address}/none.html"], "travel")
        finally:
            server.shutdown()
            thread.join()
    assert found(mentee, "parking garage") == [f"{address}/page.html"]
    with pytest.raises(DocumentError, match="Can't fetch"):
        documents.add([f"{address}/page.html"], "it")


def test_a_git_repository_is_read_without_leaving_a_clone(documents_home: DocumentsHome, tmp_path: Path) -> None:
    mentee, documents, folder = documents_home
    run = partial(subprocess.run, cwd=folder, check=True, capture_output=True)
    run(["git", "init", "-q"])
    run(["git", "add", "."])
    run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "docs"])
    report = documents.add([f"git+{folder}"], "travel")
    assert states(report) == {"leave.md": "added", "hotel.md": "added"}
    assert found(mentee, "annual leave")[0] == f"git+{folder}/leave.md"
    with pytest.raises(DocumentError, match="Can't clone"):
        documents.add([f"git+{tmp_path}/nothing"], "travel")
