from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from bot.cli.main import cli
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ArtifactError, DocumentError, ForbiddenError, InputFileError, NotFoundError
from bot.domain.people import Role
from bot.hooks.commands import copied
from retrieval import plugin
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from retrieval.ingest.documents import Documents

    DocumentsHome = tuple[Mentee, Documents, Path]


def mentee_command(*arguments: str) -> Result:
    root = copied(cli)
    plugin.register_commands(root)
    return CliRunner().invoke(root, list(arguments), catch_exceptions=True)


def rows(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_search_json_is_the_documented_shape(documents_home: DocumentsHome) -> None:
    _, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    (row,) = rows(mentee_command("search", "annual leave", "--department", "travel", "--k", "1", "--json"))
    assert row["question"] == "annual leave"
    (result,) = row["results"]
    assert {"document", "heading", "text", "score", "chunk_id"} <= set(result)
    assert result["document"] == f"{folder}/leave.md"


def test_search_file_prints_one_line_per_row_in_order(documents_home: DocumentsHome, tmp_path: Path) -> None:
    _, documents, folder = documents_home
    documents.add([str(folder / "leave.md")], "travel")
    documents.add([str(folder / "hotel.md")], "it")
    asked = tmp_path / "asked.jsonl"
    lines = [
        {"question": "hotel"},
        {"question": "hotel", "department": "it"},
        {"question": "and sick?", "history": [{"question": "annual leave?", "answer": "4 hours"}]},
    ]
    asked.write_text("\n".join(json.dumps(line) for line in lines))
    found = rows(mentee_command("search", "--file", str(asked), "--department", "travel", "--json"))
    assert [row["question"] for row in found] == ["hotel", "hotel", "and sick?"]
    assert [row["results"][0]["document"] for row in found] == [
        f"{folder}/{name}.md" for name in ("leave", "hotel", "leave")
    ]


@pytest.mark.usefixtures("documents_home")
def test_search_file_names_the_line_that_cannot_be_used(tmp_path: Path) -> None:
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"question": "a"}\n{"question": "b", "department": "travel", "history": "x"}\n')
    assert "line 1 has no department" in str(mentee_command("search", "--file", str(asked)).exception)
    problem = mentee_command("search", "--file", str(asked), "--department", "travel").exception
    assert isinstance(problem, InputFileError)
    assert "line 2" in problem.text


def test_search_as_somebody_uses_their_rights(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel", readers=["user:ada"])
    mentee.people.add("ada", role=Role.EMPLOYEE, password=None, actor="test")
    mentee.departments.add(DepartmentSpec("board", "Board", open=False), actor="test")
    (of_ada,) = rows(mentee_command("search", "leave", "--department", "travel", "--as", "ada", "--json"))
    as_bob = ("--as", "bob", "--new-person")
    (of_bob,) = rows(mentee_command("search", "leave", "--department", "travel", *as_bob, "--json"))
    assert len(of_ada["results"]) == 2
    assert of_bob["results"] == []
    closed = mentee_command("search", "leave", "--department", "board", *as_bob)
    assert isinstance(closed.exception, ForbiddenError)
    assert isinstance(mentee_command("search", "x", "--department", "sales").exception, NotFoundError)


def test_a_person_whom_nobody_knows_is_named_unless_they_are_said_to_be_new(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    documents.add([str(folder)], "travel")
    mentee.people.add("ada", role=Role.EMPLOYEE, password=None, actor="test")
    mentee.departments.set_member("travel", "user:slack:U7", member=True, actor="test")
    typo = mentee_command("search", "leave", "--department", "travel", "--as", "adda").exception
    assert isinstance(typo, NotFoundError)
    assert typo.text == "There is no person 'adda'. Did you mean 'ada'?"
    for known in (["ada"], ["Ada"], ["web:ada"], ["slack:U7"], ["slack:U8", "--new-person"]):
        assert rows(mentee_command("search", "leave", "--department", "travel", "--json", "--as", *known))
    assert mentee_command("search", "x", "--department", "travel", "--new-person").exit_code == 2


def test_documents_commands_end_with_what_happened(documents_home: DocumentsHome) -> None:
    _, _, folder = documents_home
    (added,) = rows(mentee_command("documents", "add", str(folder), "--department", "travel", "--json"))
    assert {item["state"] for item in added["documents"]} == {"added"}
    assert added["generation"].startswith("travel-")
    (listed,) = rows(mentee_command("documents", "list", "--department", "travel", "--json"))
    assert [(each["document"], each["state"]) for each in listed] == [
        (f"{folder}/hotel.md", "ready"),
        (f"{folder}/leave.md", "ready"),
    ]
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 rubbish")
    synced = mentee_command("documents", "sync", "--department", "travel")
    assert synced.exit_code == 1
    assert "1 failed" in synced.output
    removed = mentee_command("documents", "remove", str(folder), "--department", "travel")
    assert removed.exit_code == 0
    missing = mentee_command("documents", "add", str(folder / "none.md"), "--department", "travel")
    assert isinstance(missing.exception, DocumentError)


def test_a_damaged_index_is_a_clear_error_on_the_command_line(documents_home: DocumentsHome) -> None:
    mentee, documents, folder = documents_home
    report = documents.add([str(folder)], "travel")
    assert isinstance(mentee.retriever, HybridRetriever)
    (mentee.retriever.snapshots.folder("travel") / str(report.snapshot) / "chunks.jsonl").write_text("")
    problem = mentee_command("search", "leave", "--department", "travel").exception
    assert isinstance(problem, ArtifactError)
    assert problem.exit_code == 3


@pytest.mark.parametrize("reader", ["ada", "Everyone", "user:", ""])
def test_readers_that_nobody_is_are_refused(documents_home: DocumentsHome, reader: str) -> None:
    _, documents, folder = documents_home
    result = mentee_command("documents", "add", str(folder), "--department", "travel", "--readers", reader)
    assert result.exit_code == 2
    assert "can't be the reader of a document. Expected user:NAME" in " ".join(result.output.split())
    assert documents.rows("travel") == []
