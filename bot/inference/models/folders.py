"""Checks and copies model folders from other tools, without anything that could run code.

Only safetensors weights are copied. A folder with pickled weights (``.bin``, ``.pt``), or a model that needs its own
code, is refused.
"""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

from bot.domain.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FETCHED = (".safetensors", ".json", ".jinja", ".txt", ".model")
"""Suffixes of the files a model consists of."""

PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
HEADER_LIMIT = 100_000_000
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '### ' + message['role'].capitalize() + ':\n' + message['content'] }}"
    "{{ (eos_token if message['role'] == 'assistant' else '') + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:\n' }}{% endif %}"
)
"""For base models, which have no chat template; they learn it in their first round."""


def copy_model(source: Path, target: Path, on_progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Copy a chat model or an embedder to the folder ``target``; return facts for its manifest.

    :param on_progress: called with (bytes done, bytes in all).
    :raises ArtifactError: the folder holds no such model, pickled or damaged weights, or a model with code.
    """
    config = _json(source / "config.json", source)
    files = [path for path in _files(source) if path.suffix in FETCHED]
    weights = [path for path in files if path.suffix == ".safetensors"]
    if not weights:
        pickled = sorted(path.name for path in _files(source) if path.suffix in PICKLED)
        found = f"only {', '.join(pickled)}, which can run code when it is read" if pickled else "no weights"
        raise ArtifactError(
            f"The model {source} has {found}; safetensors was expected.",
            hint="Convert it with transformers: load it where you trust it, then save_pretrained().",
        )
    _refuse_code(source, config)
    role = _role(source, config)
    parameters = sum(_parameters(path) for path in weights)
    total, done = sum(path.stat().st_size for path in files), 0
    for path in files:
        destination = target / path.relative_to(source)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        done += path.stat().st_size
        on_progress(done, total)
    notes = _complete_chat_model(target) if role == "chat" else []
    return {
        "role": role,
        "architecture": (config.get("architectures") or [""])[0],
        "context_tokens": config.get("max_position_embeddings"),
        "parameters": parameters,
        "dtype": config.get("dtype") or config.get("torch_dtype"),
        "notes": notes,
    }


def _files(source: Path) -> list[Path]:
    # One level of folders: sentence-transformers keeps its modules there. Deeper are other formats' copies.
    found = [*source.glob("*"), *source.glob("[0-9]_*/*")]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _refuse_code(source: Path, config: dict[str, Any]) -> None:
    tokenizer = source / "tokenizer_config.json"
    both = [config, _json(tokenizer, source) if tokenizer.is_file() else {}]
    if any(part.get("auto_map") for part in both):
        raise ArtifactError(
            f"The model {source} needs code of its own (auto_map), which Mentee never runs.",
            hint="Choose a model whose architecture transformers has built in.",
        )


def _role(source: Path, config: dict[str, Any]) -> str:
    modules = source / "modules.json"
    if modules.is_file():
        kinds = [str(module.get("type", "")) for module in _json(modules, source)]
        foreign = [kind for kind in kinds if not kind.startswith("sentence_transformers.")]
        if foreign:
            raise ArtifactError(
                f"The embedder {source} needs code of its own ({foreign[0]}), which Mentee never runs.",
                hint="Choose one that consists of sentence-transformers' own modules.",
            )
        return "embedder"
    architectures = config.get("architectures") or []
    if any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in architectures):
        return "chat"
    raise ArtifactError(
        f"{source} is neither a chat model nor an embedder: architectures {architectures or 'none'}, no modules.json.",
        hint="Give a transformers causal language model or a sentence-transformers model.",
    )


def _complete_chat_model(target: Path) -> list[str]:
    from bot.inference.loading import load_tokenizer

    notes = []
    has_template = (target / "chat_template.jinja").is_file()
    settings = target / "tokenizer_config.json"
    if not has_template and not (settings.is_file() and _json(settings, target).get("chat_template")):
        (target / "chat_template.jinja").write_text(PLAIN_TEMPLATE, encoding="utf-8")
        notes.append("a base model without a chat template: it was given a plain one, which a round has to teach it")
    if load_tokenizer(target).eos_token_id is None:
        raise ArtifactError(
            f"The tokenizer of {target.name} has no end token, so an answer would never end.",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    return notes


def _parameters(path: Path) -> int:
    """Count the parameters in a safetensors file by its header, which must match the file's size."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > HEADER_LIMIT:
                raise ValueError("its header is too long")  # noqa: TRY301 - one place words all damage
            header: dict[str, Any] = json.loads(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        if path.stat().st_size != 8 + length + end:
            raise ValueError(f"it has {path.stat().st_size} bytes, its header says {8 + length + end}")  # noqa: TRY301 - as above
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ArtifactError(f"The weights {path} are damaged: {error}.", hint="Get the file again.") from error
    count = 0
    for entry in tensors:
        size = 1
        for length in entry["shape"]:
            size *= length
        count += size
    return count


def _json(path: Path, source: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{source} is not a model folder: it has no {path.name}.",
            hint="Give a folder as save_pretrained() writes it.",
        ) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"Can't read {path}: {error}.") from error
