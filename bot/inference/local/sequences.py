"""What the scheduler and the backends share: an answer being generated, and the protocol of what computes it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bot.domain.errors import MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.generation import AdapterRef
    from bot.inference.local.adapter_cache import AdapterCache
    from bot.inference.local.detokenizer import TokenText

Piece = str | MenteeError | None
"""Some of an answer's text, ``None`` at its end, or the error that ended it."""


@dataclass(slots=True, eq=False)
class GenerationSequence:
    """One answer: its prompt, how to generate it, and how far it has come.

    :param prompt: token ids.
    :param limit: maximum number of tokens to generate.
    :param text: turns tokens into text.
    :param send: receives each :data:`Piece`; called from the scheduler's thread.
    :param loaded_adapter: the adapter as the backend's :class:`AdapterCache` returned it.
    :param reserved: a token that may begin the answer only with at least this probability.
    """

    prompt: Sequence[int]
    limit: int
    text: TokenText
    send: Callable[[Piece], None]
    department: str = ""
    adapter: AdapterRef | None = None
    loaded_adapter: Any = None
    temperature: float = 0.0
    seed: int = 0
    reserved: tuple[int, float] | None = None
    cancelled: bool = False
    unread: int = 0
    count: int = 0
    queued_at: float = field(default_factory=time.monotonic)
    started_at: float = 0.0


class Backend(Protocol):
    """Computes running sequences. Called from the scheduler's thread; ``adapters`` from any.

    ``prefill_chunks`` are the prompt tokens to read in one step: while answers run, which a longer chunk would delay,
    and while none does.
    """

    adapters: AdapterCache[Any]
    prefill_chunks: tuple[int, int]

    def admit(self, sequence: GenerationSequence) -> bool:
        """Add a sequence and set its ``unread`` to the prompt tokens left to read; return ``False`` if there's no room.

        :raises MenteeError: the sequence can't be computed.
        """

    def step(self, work: Sequence[tuple[GenerationSequence, int]]) -> list[list[int | None]]:
        """Read up to so many prompt tokens of each sequence, or continue its answer where the number is 0.

        Subtracts what it read from ``unread``. Returns the new tokens of each sequence: none while its prompt is being
        read, ``None`` in place of a token when its logits aren't finite.
        """

    def release(self, sequence: GenerationSequence) -> None:
        """Remove a sequence and free its memory."""


class Runner(Protocol):
    """Loads a model. ``ends`` are the tokens that end an answer."""

    ends: frozenset[int]

    def load(self) -> Backend:
        """Load the model and return the backend that computes it."""

    def close(self) -> None:
        """Free the model's memory."""
