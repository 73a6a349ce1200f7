"""The parts of Mentee that can be left out: which modules each extra installs, and the error when they are missing."""

from __future__ import annotations

from importlib.util import find_spec

from bot.domain.errors import SettingsError

_MODELS = (
    "gguf",
    "huggingface_hub",
    "peft",
    "safetensors",
    "sentence_transformers",
    "tokenizers",
    "torch",
    "transformers",
)
EXTRAS = {
    "local": _MODELS,
    "slack": ("aiohttp", "aiolimiter", "cryptography", "slack_bolt", "slack_sdk"),
    "tuning": (*_MODELS, "croniter", "matplotlib", "rouge_score"),
    "ocr": ("PIL", "onnxruntime", "rapidocr"),
    "postgres": ("psycopg",),
}
"""The modules that ``pip install 'mentee[EXTRA]'`` brings, by extra."""


class NotInstalledError(SettingsError):
    """A part of Mentee is used whose libraries are not installed.

    :param what: the part, as the subject of a sentence.
    :param instead: another way out, as a half sentence that begins with "or".
    """

    def __init__(self, what: str, extra: str, *, instead: str = "") -> None:
        self.install = f"pip install 'mentee[{extra}]'"
        end = f", {instead}." if instead else "."
        super().__init__(f"{what} is not installed.", hint=f"Run `{self.install}`{end}")


def require(extra: str, what: str, *, instead: str = "") -> None:
    """Check that the libraries of an extra are installed, without importing them.

    :raises NotInstalledError: one is missing.
    """
    if not all(map(_found, EXTRAS[extra])):
        raise NotInstalledError(what, extra, instead=instead)


def missing_part(error: ModuleNotFoundError) -> NotInstalledError | None:
    """Return what to tell about a failed import, ``None`` when no extra brings the module."""
    module = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if module in modules), None)
    return NotInstalledError(module, extra) if extra else None


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
