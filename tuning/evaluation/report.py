"""Writes a round's report: one self-contained HTML file with inline plots."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from bot.storage.artifacts import read_manifest, write_atomically
from tuning.evaluation.metrics import METRIC_NAMES
from tuning.evaluation.plots import differences, loss_curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bot.access.departments import Department
    from bot.storage.tables.training import RoundRow

VERDICTS = {
    "better": "Better: it is live",
    "not_worse": "Not worse: champion stays",
    "inconclusive": "Inconclusive: champion stays",
    "worse": "Worse: champion stays",
    "refused": "Refused: champion stays",
}
WAITS = "Better: an operator decides"
DATA = {
    "rows": "distinct rows",
    "sft": "right answers to imitate",
    "up": "good answers for preference",
    "down": "bad answers for preference",
    "held_out": "held-out questions",
    "clusters": "clusters of near-duplicates",
    "scrubbed": "personal details removed",
}
SET_ASIDE = {
    "capped": "rows over a person's share",
    "held": "votes and corrections held for an operator",
    "quarantined": "votes and corrections quarantined",
    "discarded": "votes and corrections discarded by an operator",
}
DROPPED = "dropped: "
BEST, WORST, RANDOM = 3, 2, 3


def write_report(  # noqa: PLR0913 - what the report is made from
    folder: Path,
    row: RoundRow,
    department: Department,
    outcome: Mapping[str, Any],
    *,
    curves: Mapping[str, Sequence[tuple[int, float]]],
    base_model: str,
    adapter: Path | None,
) -> Path:
    """Write ``report.html`` into a round's folder and return its path.

    :param outcome: the combined results of the stages: verdict, reason, metrics, n, counts, dataset, adapter and more.
    :param curves: the numbers of the training by name, as (step, value).
    :param adapter: folder of the published adapter, if there is one.
    """
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    row.verdict, row.reason = outcome.get("verdict"), outcome.get("reason", "")
    metrics = outcome.get("metrics", {})
    template = Environment(loader=PackageLoader("tuning.evaluation"), autoescape=True).get_template("report.html.jinja")
    page = template.render(
        department=department,
        round=row,
        verdict_word=WAITS if outcome.get("approval") == "waiting" else VERDICTS[row.verdict or "inconclusive"],
        numbers=_numbers(outcome),
        data=_data(outcome.get("counts", {})),
        notes=_notes(folder / "work" / "progress.jsonl"),
        losses=Markup(loss_curves(curves)),  # noqa: S704 - our own drawing, made from numbers
        plot=Markup(differences(metrics, METRIC_NAMES)),  # noqa: S704 - the same
        comparison=[_comparison(name, metrics[name]) for name in METRIC_NAMES if name in metrics],
        n=outcome.get("n"),
        examples=_examples(folder, row.policy.get("seed", 0)),
        provenance=_provenance(row, outcome, base_model, adapter),
    )
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def _numbers(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    primary = outcome.get("metrics", {}).get("rouge_l")
    if primary is None:
        return []
    low, high = primary["interval"]
    return [
        (f"{primary['champion']:.3f} → {primary['challenger']:.3f}", "ROUGE-L, champion to challenger"),
        (f"{primary['difference']:+.3f}", f"difference, 95% interval [{low:+.3f}, {high:+.3f}]"),
        (str(outcome["n"]), "held-out questions" + _looks(outcome)),
    ]


def _looks(outcome: Mapping[str, Any]) -> str:
    looks = outcome.get("looks", 1)
    return f", looked at {looks} times; decided at {100 * outcome['confidence']:.2f}%" if looks > 1 else ""


def _data(counts: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Return what was used and what was dropped, with the reasons, as the dataset counted them."""
    used = [
        (DATA.get(name, name), value)
        for name, value in counts.items()
        if not name.startswith(DROPPED) and name not in SET_ASIDE
    ]
    aside = [(words, counts[name]) for name, words in SET_ASIDE.items() if counts.get(name)]
    dropped = [(name.removeprefix(DROPPED), value) for name, value in counts.items() if name.startswith(DROPPED)]
    return [(title, rows) for title, rows in (("Used", used), ("Set aside", aside), ("Left out", dropped)) if rows]


def _notes(progress: Path) -> list[str]:
    """Return what the trainer had to say in words, each once."""
    if not progress.is_file():
        return []
    found: dict[str, None] = {}
    for line in progress.read_text(encoding="utf-8").split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "skipped" in row.get("note", ""):
            found[row["note"]] = None
    return list(found)


def _comparison(name: str, row: Mapping[str, Any]) -> dict[str, str]:
    low, high = row["interval"]
    return {
        "name": METRIC_NAMES[name],
        "champion": f"{row['champion']:.3f}",
        "challenger": f"{row['challenger']:.3f}",
        "difference": f"{row['difference']:+.3f}",
        "interval": f"{low:+.3f} to {high:+.3f}",
    }


def _examples(folder: Path, seed: int) -> list[tuple[str, list[dict[str, Any]]]]:
    if not (folder / "answers-challenger.jsonl").is_file():
        return []
    from tuning.evaluation.answers import read_answers

    sides = zip(
        read_answers(folder / "answers-champion.jsonl"), read_answers(folder / "answers-challenger.jsonl"), strict=True
    )
    pairs = sorted((_pair(old, new) for old, new in sides), key=lambda pair: -float(pair["difference"]))
    best, rest = pairs[:BEST], pairs[BEST:]
    worst, rest = rest[-WORST:], rest[:-WORST]
    drawn = random.Random(seed).sample(rest, min(RANDOM, len(rest)))  # noqa: S311 - which examples to show is no secret
    groups: list[tuple[str, Sequence[dict[str, Any]]]] = [
        ("Gained most", best),
        ("Lost most", worst[::-1]),
        ("At random", drawn),
    ]
    return [(title, list(shown)) for title, shown in groups if shown]


def _pair(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    before, after = old["scores"]["rouge_l"], new["scores"]["rouge_l"]
    return {
        "question": old["question"],
        "reference": old["reference"],
        "before": old["answer"],
        "after": new["answer"],
        "before_score": before,
        "after_score": after,
        "difference": after - before,
    }


def _provenance(
    row: RoundRow, outcome: Mapping[str, Any], base_model: str, adapter: Path | None
) -> list[tuple[str, str]]:
    found = [
        ("adapter", outcome.get("adapter")),
        ("champion before", outcome.get("champion") or "base model"),
        ("base model", base_model),
        ("dataset", row.dataset),
        ("dataset SHA-256", outcome.get("dataset_sha256")),
    ]
    if adapter is not None:
        manifest = read_manifest(adapter, "adapter")
        found += [
            ("weights SHA-256", manifest.files["adapter_model.safetensors"]["sha256"]),
            ("base SHA-256", manifest.meta.get("base_sha256")),
            ("chat template SHA-256", manifest.meta.get("template_sha256")),
            ("prompt version", manifest.meta.get("prompt_version")),
        ]
    policy = ", ".join(f"{name} {value}" for name, value in row.policy.items() if value != "")
    found.append(("policy", policy))
    return [(name, str(value)) for name, value in found if value]
