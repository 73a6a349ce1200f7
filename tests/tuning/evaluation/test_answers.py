from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuning.evaluation.answers import EvaluateJob, Side, cache_key, read_answers, read_questions, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.tiny import TinyAdapterFactory

REFERENCES = ("Open it.", "A much longer reference answer that is surely more than twelve tokens of one character.")


@pytest.fixture
def make_job(tiny_model: Path, tmp_path: Path) -> Callable[..., EvaluateJob]:
    questions = tmp_path / "questions.jsonl"
    fenced = "[1 abc]\nLeave\nAnnual leave\n[/1 abc]\n\nQuestion: how much leave?"
    rows = [
        {"id": "h0", "messages": [{"role": "user", "content": "open?"}], "reference": REFERENCES[0], "cluster": "c"},
        {"id": "h1", "messages": [{"role": "user", "content": fenced}], "reference": REFERENCES[1]},
    ]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def make(*sides: Side, out: str = "out") -> EvaluateJob:
        (tmp_path / out).mkdir(exist_ok=True)
        return EvaluateJob(
            model=str(tiny_model),
            sides=sides,
            questions=str(questions),
            out=str(tmp_path / out),
            cache=str(tmp_path / "cache"),
            progress=str(tmp_path / "progress.jsonl"),
            max_new_tokens=12,
            dtype="float32",
            threads=1,
        )

    return make


def test_a_job_file_reads_back_as_it_was_written(make_job: Callable[..., EvaluateJob], tmp_path: Path) -> None:
    job = make_job(Side("champion", "base"), Side("challenger", "x-1", "/adapters/x-1"))
    job.write(tmp_path / "job.json")
    assert EvaluateJob.read(tmp_path / "job.json") == job


def test_passages_and_question_are_told_apart_and_a_lone_question_is_its_own_cluster(
    make_job: Callable[..., EvaluateJob],
) -> None:
    plain, fenced = read_questions(Path(make_job().questions))
    assert (plain.question, plain.passages, plain.cluster) == ("open?", [], "c")
    assert (fenced.question, fenced.passages, fenced.cluster) == ("how much leave?", ["Leave\nAnnual leave"], "h1")


def test_each_side_answers_with_its_own_adapter_and_is_scored(
    make_job: Callable[..., EvaluateJob], tiny_adapter_factory: TinyAdapterFactory, tmp_path: Path
) -> None:
    adapter = tiny_adapter_factory("Open it.")
    job = make_job(Side("champion", "base"), Side("challenger", adapter.version, str(adapter.path)))
    run(job)
    base, tuned = (read_answers(tmp_path / "out" / f"answers-{side.name}.jsonl") for side in job.sides)
    assert [row["answer"] for row in tuned] == ["Open it.", "Open it."]
    assert tuned[0]["scores"]["rouge_l"] == 1.0
    assert base[0]["answer"] != "Open it."
    # The base model never ends: that counts where the reference is shorter than the limit, and only there.
    assert [row["scores"]["endless"] for row in base] == [1.0, 0.0]
    assert [row["scores"]["endless"] for row in tuned] == [0.0, 0.0]
    assert tuned[0]["scores"]["grounded_precision"] is None
    assert tuned[1]["scores"]["grounded_precision"] == 0.0
    progress = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert progress[-1]["step"] == progress[-1]["steps"] == 4


def test_answers_are_kept_by_what_made_them(
    make_job: Callable[..., EvaluateJob], tiny_adapter_factory: TinyAdapterFactory, tmp_path: Path
) -> None:
    one, other = tiny_adapter_factory("Open it."), tiny_adapter_factory("Close up.")
    first = make_job(Side("champion", one.version, str(one.path)))
    run(first)
    lines = (tmp_path / "progress.jsonl").read_text()
    run(make_job(Side("challenger", "another-name", str(one.path)), out="again"))
    assert (tmp_path / "progress.jsonl").read_text() == lines  # nothing was generated
    assert (tmp_path / "again" / "answers-challenger.jsonl").is_file()
    keys = {cache_key(first, Side("s", "v", str(ref.path))) for ref in (one, other)} | {
        cache_key(first, Side("s", "b"))
    }
    assert len(keys) == 3
