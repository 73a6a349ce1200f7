"""A corrupt or pickled adapter is refused by name, the one before it goes on answering, and nothing is unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bot.artifacts import read_manifest, writing
from bot.engines.local import LocalEngine
from bot.errors import ArtifactError
from bot.messages import ChatMessage
from bot.protocols import AdapterRef, GenerationRequest

WEIGHTS = "adapter_model.safetensors"


class _Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


async def answer(engine, ref):
    request = GenerationRequest((ChatMessage("user", "What now?"),), adapter=ref)
    return "".join([piece async for piece in engine.generate(request)])


@pytest.fixture
async def engine(tiny_model):
    engine = LocalEngine(tiny_model, dtype="float32", threads=1)
    await engine.start()
    yield engine
    await engine.stop()


def flip_a_bit(ref, _tmp_path):
    data = bytearray((ref.path / WEIGHTS).read_bytes())
    data[-5] ^= 1
    (ref.path / WEIGHTS).write_bytes(data)
    return ref


def cut_off(ref, _tmp_path):
    data = (ref.path / WEIGHTS).read_bytes()
    (ref.path / WEIGHTS).write_bytes(data[: len(data) // 2])
    return ref


def put_a_pickle_in_place(ref, tmp_path):
    (ref.path / WEIGHTS).unlink()
    (ref.path / "adapter_model.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "unpickled")))
    return ref


def put_a_pickle_beside(ref, tmp_path):
    (ref.path / "adapter_model.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "unpickled")))
    return ref


def change_the_config(ref, _tmp_path):
    config = ref.path / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": ', '"lora_alpha": 9'))
    return ref


def seal_broken_numbers(ref, tmp_path):
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


def remove_the_manifest(ref, _tmp_path):
    (ref.path / "manifest.json").unlink()
    return ref


@pytest.mark.parametrize(
    ("corrupt", "problem"),
    [
        (flip_a_bit, f"altered {WEIGHTS}"),
        (cut_off, f"altered {WEIGHTS}"),
        (put_a_pickle_in_place, "adapter_model.bin"),
        (put_a_pickle_beside, "adapter_model.bin"),
        (change_the_config, "altered adapter_config.json"),
        (seal_broken_numbers, "not finite"),
        (remove_the_manifest, "no manifest.json"),
    ],
)
async def test_refused_while_the_old_one_answers(engine, tiny_adapter_factory, tmp_path, corrupt, problem):
    champion = tiny_adapter_factory("as before")
    assert await answer(engine, champion) == "as before"
    challenger = corrupt(tiny_adapter_factory("broken", version="challenger"), tmp_path)
    with pytest.raises(ArtifactError, match=problem) as refusal:
        await answer(engine, challenger)
    assert str(challenger.path) in refusal.value.text
    assert await answer(engine, champion) == "as before"
    assert not (tmp_path / "unpickled").exists()


def test_forbidden_files_are_never_written_either(tmp_path):
    with pytest.raises(ArtifactError, match=r"adapter_model\.bin"), writing(tmp_path / "new", "adapter") as draft:
        (draft.path / "adapter_model.bin").write_bytes(b"x")
    assert not (tmp_path / "new").exists()
