"""What is shipped: the last stage's weights, and where they are from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import hash_file, verify, writing
from recipes.reader.export import Trained, export_reader
from recipes.reader.recipe import read_recipe

ROOT = Path(__file__).parents[3]
RECIPE = read_recipe(ROOT / "recipes" / "reader.toml")
CARD = ROOT / "recipes" / "reader" / "card.md"


def stage(folder: Path, name: str, *, fill: float, losses: list[float]) -> Trained:
    with writing(folder / f"{name}-data", "dataset") as draft:
        (draft.path / "sft.jsonl").write_text(f'{{"id": "{name}"}}\n')
        draft.meta |= {"counts": {"wiki: answered": 30, "wiki: refused": 10}, "licences": ["CC0-1.0"]}
    card = {"losses": {"sft": losses}, "tokens_trained": 1234}
    with writing(folder / f"{name}-adapter", "adapter") as draft:
        save_file({"layer.lora_A.weight": torch.full((2, 3), fill)}, draft.path / "adapter_model.safetensors")
        (draft.path / "adapter_config.json").write_text("{}")
        (draft.path / "card.json").write_text(json.dumps(card))
        draft.meta |= {"base_model": RECIPE.base_model, "template_sha256": "t", "prompt_version": "3-x"}
        draft.meta |= {"code_version": "0", "device": "cpu", "dtype": "float32", "recipe": {"lora_rank": 2}}
    return Trained(name, folder / f"{name}-data", folder / f"{name}-adapter")


@pytest.fixture
def stages(tmp_path: Path) -> list[Trained]:
    return [
        stage(tmp_path, "reading", fill=1.0, losses=[2.0, 1.0]),
        stage(tmp_path, "apart", fill=1 / 3, losses=[0.5]),
    ]


def test_the_last_stage_is_shipped_in_bfloat16_with_the_facts_of_all(stages: list[Trained], tmp_path: Path) -> None:
    export_reader(RECIPE, CARD, stages, tmp_path / "shipped")
    shipped = verify(tmp_path / "shipped", "adapter")
    weights = load_file(tmp_path / "shipped" / "adapter_model.safetensors")["layer.lora_A.weight"]
    assert torch.equal(weights, torch.full((2, 3), 1 / 3, dtype=torch.bfloat16))
    assert [(made["stage"], made["steps"]) for made in shipped.meta["stages"]] == [("reading", 2), ("apart", 1)]
    assert shipped.meta["base_model"] == RECIPE.base_model
    assert shipped.meta["answers"] == RECIPE.answers
    card = (tmp_path / "shipped" / "README.md").read_text()
    assert hash_file(tmp_path / "shipped" / "adapter_model.safetensors") in card
    for made in stages:
        assert hash_file(made.dataset / "sft.jsonl") in card
    assert "40, 25% of them to be refused" in card
    assert "<svg" in (tmp_path / "shipped" / "loss.svg").read_text()


def test_an_older_reader_is_replaced_and_something_else_is_not(stages: list[Trained], tmp_path: Path) -> None:
    export_reader(RECIPE, CARD, stages[:1], tmp_path / "shipped")
    export_reader(RECIPE, CARD, stages, tmp_path / "shipped")
    assert len(verify(tmp_path / "shipped", "adapter").meta["stages"]) == 2
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError):
        export_reader(RECIPE, CARD, stages, tmp_path / "notes")
    assert (tmp_path / "notes" / "mine.txt").read_text() == "mine"
