"""From a finished training to the adapter that is shipped: bfloat16, without this machine's paths, with its card."""

from __future__ import annotations

import json
import shutil
from string import Template
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from bot.artifacts import hash_file, verify, writing
from bot.engines.adapter_files import CONFIG, WEIGHTS
from tuning.plots import loss_curves

if TYPE_CHECKING:
    from pathlib import Path

    from tuning.reader.recipe import Recipe

KEPT = (
    "base_model",
    "template_sha256",
    "prompt_version",
    "dataset_sha256",
    "code_version",
    "device",
    "dtype",
    "recipe",
)
"""What of the training's card is shipped. The base's own hash is left out: it changes with versions of libraries."""


def export_reader(recipe: Recipe, card: Path, *, trained: Path, dataset: Path, target: Path) -> None:
    """Write the shipped generation to ``target``, in place of the one that is there.

    :param card: the card's text, with ``$weights_sha256``, ``$dataset_sha256``, ``$prompt_version``, ``$rows`` and
        ``$tokens`` where these belong.
    :raises ArtifactError: the trained adapter or its dataset is not whole, or ``target`` holds something else.
    """
    meta, data = verify(trained, "adapter").meta, verify(dataset, "dataset").meta
    details = json.loads((trained / "card.json").read_text(encoding="utf-8"))
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(trained / WEIGHTS).items()}
    facts = {name: meta[name] for name in KEPT} | {"counts": data["counts"], "licences": data["licences"]}
    if target.exists():
        verify(target, "adapter")  # what is no adapter is not replaced
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with writing(fresh, "adapter") as draft:
        save_file(weights, draft.path / WEIGHTS, metadata={"format": "pt"})
        shutil.copyfile(trained / CONFIG, draft.path / CONFIG)
        curve = {f"{phase}.loss": list(enumerate(values, start=1)) for phase, values in details["losses"].items()}
        (draft.path / "loss.svg").write_text(loss_curves(curve), encoding="utf-8")
        (draft.path / "card.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        filled = Template(card.read_text(encoding="utf-8")).substitute(
            weights_sha256=hash_file(draft.path / WEIGHTS),
            dataset_sha256=meta["dataset_sha256"],
            rows=f"{sum(data['counts'].values()):,}",
            tokens=f"{details['tokens_trained']:,}",
            prompt_version=meta["prompt_version"],
        )
        (draft.path / "README.md").write_text(filled, encoding="utf-8")
        draft.meta |= {**facts, "version": recipe.name, "department": recipe.name}
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
