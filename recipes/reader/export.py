"""From a finished training to the adapter that is shipped: bfloat16, without this machine's paths, with its card."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from bot.inference.adapter_files import CONFIG, WEIGHTS
from bot.storage.artifacts import hash_file, verify, writing
from tuning.evaluation.plots import loss_curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from recipes.reader.recipe import Recipe

ROWS = "sft.jsonl"
KEPT = ("base_model", "template_sha256", "prompt_version", "code_version")
"""What of the last training is shipped. The base's own hash is left out: it changes with versions of libraries."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a stage left: the folders of its dataset and of its adapter."""

    stage: str
    dataset: Path
    adapter: Path


def export_reader(recipe: Recipe, card: Path, stages: Sequence[Trained], target: Path) -> None:
    """Write the shipped snapshot to ``target``, in place of the one that is there: the last stage's adapter.

    :param card: the card's text, with ``$weights_sha256``, ``$prompt_version`` and ``$stages`` where these belong.
    :raises ArtifactError: an adapter or a dataset is not whole, or ``target`` holds something else.
    """
    last = stages[-1].adapter
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(last / WEIGHTS).items()}
    meta = verify(last, "adapter").meta
    made = [_facts(stage) for stage in stages]
    facts = {name: meta[name] for name in KEPT} | {"answers": recipe.answers, "stages": made}
    if target.exists():
        verify(target, "adapter")  # what is no adapter is not replaced
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with writing(fresh, "adapter") as draft:
        save_file(weights, draft.path / WEIGHTS, metadata={"format": "pt"})
        shutil.copyfile(last / CONFIG, draft.path / CONFIG)
        losses = [loss for stage in stages for loss in _losses(stage.adapter)]
        curve = {"sft.loss": list(enumerate(losses, start=1))}
        (draft.path / "loss.svg").write_text(loss_curves(curve), encoding="utf-8")
        (draft.path / "card.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        filled = Template(card.read_text(encoding="utf-8")).substitute(
            weights_sha256=hash_file(draft.path / WEIGHTS),
            prompt_version=meta["prompt_version"],
            stages="\n".join(map(_line, made)),
        )
        (draft.path / "README.md").write_text(filled, encoding="utf-8")
        draft.meta |= {**facts, "version": recipe.name, "department": recipe.name}
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def _facts(stage: Trained) -> dict[str, Any]:
    data, meta = verify(stage.dataset, "dataset").meta, verify(stage.adapter, "adapter").meta
    card = json.loads((stage.adapter / "card.json").read_text(encoding="utf-8"))
    return {
        "stage": stage.stage,
        "rows_sha256": hash_file(stage.dataset / ROWS),
        "counts": data["counts"],
        "licences": data["licences"],
        "steps": len(_losses(stage.adapter)),
        "tokens": card["tokens_trained"],
        **{name: meta[name] for name in ("device", "dtype", "recipe")},
    }


def _line(made: Mapping[str, Any]) -> str:
    """Return a stage's row of the card's table."""
    counts = made["counts"]
    refused = sum(count for name, count in counts.items() if name.endswith("refused"))
    rows = f"{sum(counts.values()):,}, {refused / sum(counts.values()):.0%} of them to be refused"
    trained = f"{made['steps']:,} steps, {made['tokens']:,} tokens, {made['device']}, {made['dtype']}"
    return f"| {made['stage']} | {rows} | {trained} | `{made['rows_sha256']}` |"


def _losses(adapter: Path) -> list[float]:
    losses: list[float] = json.loads((adapter / "card.json").read_text(encoding="utf-8"))["losses"]["sft"]
    return losses
