"""Validation of adapter files: complete, for the right base model, only finite numbers. Needs no model library."""

from __future__ import annotations

import json
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.domain.errors import ArtifactError
from bot.observability.metrics import ARTIFACT_REFUSALS
from bot.storage.artifacts import Manifest, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.domain.generation import AdapterRef
    from bot.inference.fingerprint import ModelFingerprint

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PUBLISHING_LOCK = ".publishing.lock"
"""Lock file in the folder of all adapters. It is held from when an adapter is copied until it is recorded."""
INTEGERS = {"F64": "<u8", "F32": "<u4", "F16": "<u2", "BF16": "<u2"}
EXPONENTS = {"F64": 0x7FF << 52, "F32": 0x7F80_0000, "F16": 0x7C00, "BF16": 0x7F80}
"""The exponent bits of each floating-point format; all are set only in infinities and NaN (IEEE 754)."""


@contextmanager
def counting_refusals() -> Iterator[None]:
    """Count an adapter that is refused. Also a decorator."""
    try:
        yield
    except ArtifactError:
        ARTIFACT_REFUSALS.labels("adapter").inc()
        raise


def check_adapter(ref: AdapterRef, base: ModelFingerprint) -> Manifest:
    """Check an adapter's files against their hashes, and that it belongs to the base model.

    :raises ArtifactError: a check failed; the text says what was found and what was expected.
    """
    manifest = verify(ref.path, "adapter")
    for name in (CONFIG, WEIGHTS):
        require(name in manifest.files, ref.path, f"has no {name}")
    expected = {"base_model": base.name, "base_sha256": base.sha256, "template_sha256": base.template_sha256}
    found = {**manifest.meta, "base_model": manifest.meta.get("base_model") or ref.base_model}
    require(ref.base_model == base.name, ref.path, f"is for base model {ref.base_model!r}, not for {base.name!r}")
    for key, value in expected.items():
        if value and found.get(key):
            require(found[key] == value, ref.path, f"was made for another {key}: {found[key]!r}, here it is {value!r}")
    return manifest


def check_finite(path: Path) -> None:
    """Check that every number in an adapter's weights is finite.

    :raises ArtifactError: one isn't, or the file can't be read.
    """
    weights = path / WEIGHTS
    try:
        data = weights.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        header: dict[str, Any] = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            bits = np.frombuffer(data[begin:end], dtype=INTEGERS[entry["dtype"]])
            mask = EXPONENTS[entry["dtype"]]
            require(not ((bits & mask) == mask).any(), path, f"holds numbers that are not finite, in {name}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise ArtifactError(f"Can't read the weights {weights}: {error}.") from error


def require(condition: bool, path: Path, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Refuse the adapter at ``path`` with an :class:`ArtifactError` unless the condition holds."""
    if not condition:
        raise ArtifactError(
            f"The adapter {path} {problem}.", hint="Mentee refused it; the adapter in use stays in use."
        )
