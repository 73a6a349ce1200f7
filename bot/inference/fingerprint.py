"""A base model's fingerprint: its name and hashes, read without loading it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.storage.artifacts import read_manifest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFingerprint:
    """A base model's name and hashes. An empty hash is unknown, as of a model behind a server, and not compared.

    An adapter whose manifest ``meta`` contains them (:meth:`as_meta`) is refused by any other base model.
    """

    name: str
    sha256: str = ""
    template_sha256: str = ""

    def as_meta(self) -> dict[str, str]:
        """Return the entries for an adapter's manifest."""
        return {"base_model": self.name, "base_sha256": self.sha256, "template_sha256": self.template_sha256}


def model_fingerprint(path: Path) -> ModelFingerprint:
    """Return the fingerprint of the model at ``path``; the folder's name is the model's name.

    :raises ArtifactError: the folder holds no model.
    """
    return ModelFingerprint(path.name, read_manifest(path, "model").sha256, template_hash(path))


def template_hash(path: Path) -> str:
    """Return the SHA-256 of the model's chat template, or ``""`` when it has none."""
    template = path / "chat_template.jinja"
    if template.is_file():
        text = template.read_text(encoding="utf-8")
    else:
        config = path / "tokenizer_config.json"
        raw = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        text = json.dumps(raw["chat_template"]) if raw.get("chat_template") else ""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
