"""The dataset that teaches reading, built over a small handbook with the real retrieval."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.prompt import GROUNDED, REFUSAL, fenced
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import InputFileError
from bot.storage.artifacts import verify
from recipes.reader.build import build_reader_dataset
from recipes.reader.recipe import Recipe, read_recipe
from recipes.reader.rows import Sources
from retrieval.assembly import open_documents

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome

RECIPE = """
name = "reader"
base_model = "tiny"
seed = 1
data = "."
[answers]
passages_at_once = 1
[handbook]
files = ["handbook.jsonl"]
held_out_pages = ["held.md"]
[grounded]
file = "open.jsonl.gz"
longest = 300
[[stages]]
name = "reading"
times_asked = 2
[stages.grounded]
wiki = 3
[stages.asking]
passages = 2
questions = 4
refusals = 0.5
missing = 0.0
answer_chars = 120
[stages.training]
lora_rank = 4
learning_rate = 1e-3
batch_size = 4
max_steps = 0
cpu_steps = 0
max_tokens = 512
max_answer_tokens = 64
"""
PAGES = {
    "leave.md": "# Leave\n\n## Earning\n\nYou earn four hours of leave.\n\n## Forms\n\nSend form 71 to payroll.\n",
    "hotels.md": "# Hotels\n\n## Tax\n\nShow form 1107 at the desk.\n\n## Rates\n\nThe limit is $120 a night.\n",
    "held.md": "# Badges\n\nBadges are made on Mondays.\n",
}
ROWS = [
    ("h1", "how much leave do i earn", "You earn four hours of leave.", "leave.md", ["four hours"]),
    ("h2", "who gets form 71", "Send form 71 to payroll.", "leave.md", ["payroll"]),
    ("h3", "form for the hotel desk?", "Show form 1107 at the desk.", "hotels.md", ["1107"]),
    ("h4", "may i take leave in my first week", None, "leave.md", []),
    ("h5", "which day for badges", "Badges are made on Mondays.", "held.md", ["Mondays"]),
]


@pytest.fixture
def mentee(make_home: MakeHome, tmp_path: Path) -> Mentee:
    mentee = make_home(departments=[DepartmentSpec("hr", "HR", "Say which form.", {"leave": "time off"})])
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text)
    open_documents(mentee, actor="test").add([str(tmp_path / name) for name in PAGES], "hr")
    return mentee


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    rows = [
        {
            "id": key,
            "question": question,
            "answer": answer,
            "department": "hr",
            "key_facts": facts,
            "section_ids": [f"{page}#0"],
        }
        for key, question, answer, page, facts in ROWS
    ]
    (tmp_path / "handbook.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    wiki = {"source": "wiki", "license": "CC BY-SA 4.0"}
    opened = [
        wiki | {"id": "g1", "passage": "The Nile is long. It flows north.", "question": "Where to?", "answer": "north"},
        wiki | {"id": "g2", "passage": "The Nile is long. It flows north.", "question": "How wide?", "answer": ""},
        wiki
        | {"id": "g3", "passage": "Bees make honey in summer.", "question": "What do bees make?", "answer": "honey"},
    ]
    with gzip.open(tmp_path / "open.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in opened)
    return read_recipe(tmp_path / "recipe.toml")


def build(recipe: Recipe, mentee: Mentee, folder: Path, name: str = "dataset") -> list[dict[str, Any]]:
    build_reader_dataset(Sources(recipe, folder, folder), recipe.stages[0], mentee, folder / name)
    return [json.loads(line) for line in (folder / name / "sft.jsonl").read_text().splitlines()]


def test_rows_stand_in_the_served_prompt_with_the_passage_they_name(
    recipe: Recipe, mentee: Mentee, tmp_path: Path
) -> None:
    rows = build(recipe, mentee, tmp_path)
    for row in rows:
        system, user = (message["content"] for message in row["messages"])
        assert system.startswith(GROUNDED)
        passages = fenced(user)
        assert 1 <= len(passages) <= 2
        if row["completion"] != REFUSAL:
            number = int(row["completion"].rpartition("[")[2].removesuffix("]."))
            said = row["completion"].rpartition(" [")[0]
            assert said in passages[number - 1]
    kinds = Counter((row["kind"], row["completion"] == REFUSAL) for row in rows)
    assert kinds["wiki", False] == 2
    assert kinds["wiki", True] == 1
    assert kinds["handbook", False] >= 3
    assert kinds["handbook", True] >= 1


def test_held_out_pages_are_not_learned_from(recipe: Recipe, mentee: Mentee, tmp_path: Path) -> None:
    assert not any(
        "badges" in row["messages"][-1]["content"].rpartition("Question: ")[2]
        for row in build(recipe, mentee, tmp_path)
    )


def test_the_same_recipe_gives_the_same_bytes_and_says_where_the_rows_are_from(
    recipe: Recipe, mentee: Mentee, tmp_path: Path
) -> None:
    build(recipe, mentee, tmp_path)
    build(recipe, mentee, tmp_path, "again")
    first, second = (verify(tmp_path / name, "dataset") for name in ("dataset", "again"))
    assert first.sha256 == second.sha256
    assert first.meta["licences"] == ["CC BY-SA 4.0", "CC0-1.0"]
    assert Recipe.model_validate(first.meta["recipe"]) == recipe


def test_a_missing_source_and_a_broken_recipe_are_named(recipe: Recipe, mentee: Mentee, tmp_path: Path) -> None:
    Sources(recipe, tmp_path, tmp_path).require()
    (tmp_path / "open.jsonl.gz").unlink()
    with pytest.raises(InputFileError, match=r"open\.jsonl\.gz is missing"):
        Sources(recipe, tmp_path, tmp_path).require()
    with pytest.raises(InputFileError, match=r"open\.jsonl\.gz") as missing:
        build(recipe, mentee, tmp_path)
    assert "make reader DATA=" in missing.value.hint
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("times_asked = 2", "times_asked = 0"))
    with pytest.raises(InputFileError, match=r"stages\.0\.times_asked"):
        read_recipe(tmp_path / "recipe.toml")
