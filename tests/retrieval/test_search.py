from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.errors import ArtifactError, DocumentError, ForbiddenError, InputFileError, NotFoundError
from bot.messages import Audience, DepartmentSpec, Turn
from retrieval import plugin


@pytest.fixture(scope="module", autouse=True)
def commands():
    if "documents" not in cli.commands:
        plugin.register_commands(cli)


def mentee_command(*arguments):
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=True)


def rows(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_scores_are_in_range_and_fall(shelf):
    mentee, documents, folder = shelf
    documents.add([str(folder)], "travel")
    passages = mentee.retriever.search("annual leave hours", "travel", Audience())
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= passage.score <= 1 and 0 <= passage.relevance <= 1 for passage in passages)
    assert passages[0].heading == "Leave › Annual"
    assert passages[0].generation == mentee.retriever.generation("travel")


def test_one_section_and_one_text_do_not_fill_the_list(shelf):
    mentee, documents, folder = shelf
    long = "\n\n".join(f"Vouchers and vouchers, rule {n}: " + "hand in the voucher on time. " * 20 for n in range(12))
    (folder / "vouchers.md").write_text(f"# Vouchers\n\n{long}\n")
    (folder / "copy.md").write_text((folder / "leave.md").read_text())
    documents.add([str(folder)], "travel")
    passages = mentee.retriever.search("vouchers on time, annual leave hours", "travel", Audience(), k=3)
    assert len({passage.text for passage in passages}) == 3
    assert sum(passage.document.endswith("vouchers.md") for passage in passages) == 1


def test_a_passage_ends_with_a_sentence_and_knows_what_its_section_says_next(shelf):
    mentee, documents, folder = shelf
    rules = "\n".join(f"- Rule {n}: sign the voucher, {'and again, ' * 2 * n} hand it in" for n in range(14))
    (folder / "vouchers.md").write_text(f"# Vouchers\n\nThe rules:\n{rules}\n\n# Hotels\n\nAsk for the tax form.\n")
    documents.add([str(folder)], "travel")
    found = mentee.retriever.search("vouchers rules", "travel", Audience(), k=20)
    parts = [passage for passage in found if passage.heading == "Vouchers"]
    assert len(parts) > 2
    chunks = mentee.retriever.generations.serve("travel", parts[0].generation).chunks
    assert not all(chunk.text.endswith("hand it in") for chunk in chunks if chunk.heading == "Vouchers"), "some are cut"
    assert all(passage.text.endswith("hand it in") for passage in parts)
    assert sum(passage.following == "" for passage in parts) == 1, "the section's last part"
    assert mentee.retriever.passages([parts[0].chunk_id], "travel")[0].text == parts[0].text, "read and learned alike"


def test_the_thread_helps_a_question_that_leans_on_it(shelf):
    mentee, documents, folder = shelf
    (folder / "sick.md").write_text("# Sick days\n\nContractors are paid for sick days in Ohio.\n")
    (folder / "ohio.md").write_text("# Hotels in Ohio\n\nContractors pay the hotel tax in Ohio.\n")
    documents.add([str(folder)], "travel")
    history = [Turn("Who pays the hotel tax?", "Employees do not.")]
    with_thread = mentee.retriever.search("and contractors in Ohio?", "travel", Audience(), history=history)
    assert with_thread[0].document.endswith("ohio.md")


@pytest.mark.parametrize("question", ["", "   ", "zzzz qqqq", "?!", "a" * 5000, "the of and", "東京"])
def test_odd_questions_do_no_harm(shelf, question):
    mentee, documents, folder = shelf
    documents.add([str(folder)], "travel")
    assert isinstance(mentee.retriever.search(question, "travel", Audience()), list)
    assert mentee.retriever.search(question, "nowhere", Audience()) == []


def test_passages_come_by_id_in_the_order_asked(shelf):
    mentee, documents, folder = shelf
    documents.add([str(folder)], "travel")
    found = mentee.retriever.search("hotel leave", "travel", Audience())
    ids = [passage.chunk_id for passage in found][::-1]
    assert [passage.chunk_id for passage in mentee.retriever.passages([*ids, "c_gone"], "travel")] == ids


def test_search_json_is_the_documented_shape(shelf):
    _, documents, folder = shelf
    documents.add([str(folder)], "travel")
    (row,) = rows(mentee_command("search", "annual leave", "--department", "travel", "--k", "1", "--json"))
    assert row["question"] == "annual leave"
    (result,) = row["results"]
    assert {"document", "heading", "text", "score", "chunk_id"} <= set(result)
    assert result["document"] == f"{folder}/leave.md"


def test_search_file_prints_one_line_per_row_in_order(shelf, tmp_path):
    _, documents, folder = shelf
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


@pytest.mark.usefixtures("shelf")
def test_search_file_names_the_line_that_cannot_be_used(tmp_path):
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"question": "a"}\n{"question": "b", "department": "travel", "history": "x"}\n')
    assert "line 1 names no department" in str(mentee_command("search", "--file", str(asked)).exception)
    problem = mentee_command("search", "--file", str(asked), "--department", "travel").exception
    assert isinstance(problem, InputFileError)
    assert "line 2" in problem.text


def test_search_as_somebody_uses_their_rights(shelf):
    mentee, documents, folder = shelf
    documents.add([str(folder)], "travel", readers=["user:ada"])
    mentee.departments.add(DepartmentSpec("board", "Board", open=False), actor="test")
    (ada,) = rows(mentee_command("search", "leave", "--department", "travel", "--as", "ada", "--json"))
    (bob,) = rows(mentee_command("search", "leave", "--department", "travel", "--as", "bob", "--json"))
    assert len(ada["results"]) == 2
    assert bob["results"] == []
    closed = mentee_command("search", "leave", "--department", "board", "--as", "bob")
    assert isinstance(closed.exception, ForbiddenError)
    assert isinstance(mentee_command("search", "x", "--department", "sales").exception, NotFoundError)


def test_documents_commands_end_with_what_happened(shelf):
    _, _, folder = shelf
    (report,) = rows(mentee_command("documents", "add", str(folder), "--department", "travel", "--json"))
    assert {item["state"] for item in report["documents"]} == {"added"}
    (listed,) = rows(mentee_command("documents", "list", "--department", "travel", "--json"))
    assert [(row["document"], row["state"]) for row in listed] == [
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


def test_a_damaged_index_is_a_clear_error_on_the_command_line(shelf):
    mentee, documents, folder = shelf
    report = documents.add([str(folder)], "travel")
    (mentee.retriever.generations.folder("travel") / report.generation / "chunks.jsonl").write_text("")
    problem = mentee_command("search", "leave", "--department", "travel").exception
    assert isinstance(problem, ArtifactError)
    assert problem.exit_code == 3
