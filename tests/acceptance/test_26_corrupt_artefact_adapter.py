"""A corrupt or pickled adapter is rejected by name, never unpickled, and counted; the previous one keeps answering."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bot.domain.errors import ArtifactError
from bot.domain.generation import AdapterRef, GenerationRequest
from bot.domain.questions import ChatMessage
from bot.inference.local.engine import LocalEngine
from bot.observability.metrics import REGISTRY
from bot.storage.artifacts import read_manifest, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WEIGHTS = "adapter_model.safetensors"


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.target),)


async def answer(engine: Any, ref: Any) -> Any:
    request = GenerationRequest((ChatMessage("user", "What now?"),), adapter=ref)
    return "".join([piece async for piece in engine.generate(request)])


@pytest.fixture
async def engine(tiny_model: Any) -> AsyncIterator[Any]:
    engine = LocalEngine(tiny_model, dtype="float32", threads=1)
    await engine.start()
    yield engine
    await engine.stop()


def flip_a_bit(ref: Any, _tmp_path: Path) -> Any:
    data = bytearray((ref.path / WEIGHTS).read_bytes())
    data[-5] ^= 1
    (ref.path / WEIGHTS).write_bytes(data)
    return ref


def cut_off(ref: Any, _tmp_path: Path) -> Any:
    data = (ref.path / WEIGHTS).read_bytes()
    (ref.path / WEIGHTS).write_bytes(data[: len(data) // 2])
    return ref


def put_a_pickle_in_place(ref: Any, tmp_path: Path) -> Any:
    (ref.path / WEIGHTS).unlink()
    (ref.path / "adapter_model.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "unpickled")))
    return ref


def put_a_pickle_beside(ref: Any, tmp_path: Path) -> Any:
    (ref.path / "adapter_model.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "unpickled")))
    return ref


def change_the_config(ref: Any, _tmp_path: Path) -> Any:
    config = ref.path / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": ', '"lora_alpha": 9'))
    return ref


def seal_broken_numbers(ref: Any, tmp_path: Path) -> Any:
    """Hashes that are right do not help: the numbers are checked, too."""
    target = tmp_path / "sealed"
    with writing(target, "adapter") as draft:
        (draft.path / "adapter_config.json").write_text((ref.path / "adapter_config.json").read_text())
        tensors = load_file(ref.path / WEIGHTS)
        name = min(tensors)
        tensors[name][0, 0] = torch.nan
        save_file(tensors, draft.path / WEIGHTS)
        draft.meta |= read_manifest(ref.path, "adapter").meta
    return AdapterRef(ref.version, target, ref.base_model)


def remove_the_manifest(ref: Any, _tmp_path: Path) -> Any:
    (ref.path / "manifest.json").unlink()
    return ref


def refusals() -> float:
    return REGISTRY.get_sample_value("mentee_artifact_refusals_total", {"kind": "adapter"}) or 0


@pytest.mark.parametrize(
    ("corrupt", "problem"),
    [
        (flip_a_bit, f"altered {WEIGHTS}"),
        (cut_off, f"altered {WEIGHTS}"),
        (put_a_pickle_in_place, "adapter_model.bin"),
        (put_a_pickle_beside, "adapter_model.bin"),
        (change_the_config, "altered adapter_config.json"),
        (seal_broken_numbers, "not finite"),
        (remove_the_manifest, "manifest.json is missing"),
    ],
)
async def test_refused_while_the_old_one_answers(
    engine: Any, tiny_adapter_factory: Any, tmp_path: Path, corrupt: Any, problem: str
) -> None:
    champion = tiny_adapter_factory("as before")
    assert await answer(engine, champion) == "as before"
    challenger = corrupt(tiny_adapter_factory("broken", version="challenger"), tmp_path)
    before = refusals()
    with pytest.raises(ArtifactError, match=problem) as refusal:
        await answer(engine, challenger)
    assert refusals() == before + 1
    assert str(challenger.path) in refusal.value.text
    assert await answer(engine, champion) == "as before"
    assert not (tmp_path / "unpickled").exists()


def test_forbidden_files_are_never_written_either(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"adapter_model\.bin"), writing(tmp_path / "new", "adapter") as draft:
        (draft.path / "adapter_model.bin").write_bytes(b"x")
    assert not (tmp_path / "new").exists()
