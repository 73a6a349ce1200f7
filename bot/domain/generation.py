"""Requests to an engine, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bot.domain.questions import ChatMessage


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """A LoRA adapter version on disk. ``version`` is never reused, so it is safe as a cache key.

    :param starter: a first adapter that no round has trained. It can only answer from passages.
    """

    version: str
    path: Path
    base_model: str
    starter: bool = False


class Refusal(str):
    """A piece by which an engine says that it refuses to answer, instead of spelling it in the answer.

    Servers of the OpenAI API send it as ``refusal``, beside ``content``. Its text is the engine's reason; nobody who
    asks sees it. The engine ends the answer with it.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reserved:
    """A beginning of an answer, such as that of a refusal, that needs a minimum probability.

    Greedy decoding starts with the likeliest token. A refusal has only one way to begin, so it could win with a
    probability of .3 over an answer, which shares its probability among many ways to begin.

    :param text: the answer may start with this text's first token only if the probability is high enough.
    :param chance: the minimum probability. Below it, the answer starts with another token.
    """

    text: str
    chance: float


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to generate.

    :param department: for taking turns between departments, or ``""``.
    :param max_new_tokens: the maximum length of the answer, in tokens.
    :param temperature: 0 is greedy and deterministic.
    :param stop: texts that end the answer. They aren't part of it.
    :param reserved: used by engines that see the model's logits. OpenAI-compatible servers ignore it.
    """

    messages: tuple[ChatMessage, ...]
    adapter: AdapterRef | None = None
    department: str = ""
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    reserved: Reserved | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine serves. ``mentee doctor`` shows it, and answers store it as provenance."""

    kind: str
    base_model: str
    device: str
    dtype: str
    context_tokens: int
