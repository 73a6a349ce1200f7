"""The engine in this process, on the CPU or one CUDA GPU."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from bot.domain.errors import EngineError, MenteeError
from bot.domain.generation import EngineInfo
from bot.inference.fingerprint import ModelFingerprint, model_fingerprint
from bot.inference.local.detokenizer import TokenText
from bot.inference.local.runner import LocalRunner
from bot.inference.local.scheduler import MAX_RUNNING, Scheduler
from bot.inference.local.sequences import GenerationSequence

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from bot.domain.generation import GenerationRequest
    from bot.domain.questions import ChatMessage
    from bot.inference.local.sequences import Piece

GPU_MAX_RUNNING = 64
"""Sequences that run together on a GPU."""


class LocalEngine:
    """Implements :class:`bot.domain.ports.Engine` with a model on this machine.

    :param path: folder of a verified model.
    :param dtype: ``auto``, ``int8``, ``float32`` or ``bfloat16``.
    :param threads: CPU threads; 0 means all cores.
    :param queue: questions that may wait.
    :param seconds: time limit of an answer, which is then cut.
    :param cache_mb: memory for the KV cache, in MiB.
    """

    def __init__(  # noqa: PLR0913 - one keyword a setting
        self,
        path: Path,
        *,
        dtype: str = "auto",
        threads: int = 0,
        queue: int = 200,
        seconds: float = 60.0,
        cache_mb: int = 1024,
    ) -> None:
        self._fingerprint: ModelFingerprint = model_fingerprint(path)
        self._runner = LocalRunner(
            path,
            self._fingerprint,
            dtype=dtype,
            threads=threads or os.cpu_count() or 1,
            cache_bytes=cache_mb << 20,
        )
        max_running = GPU_MAX_RUNNING if self._runner.device == "cuda" else MAX_RUNNING
        self._scheduler = Scheduler(self._runner, queue=queue, seconds=seconds, max_running=max_running)
        self._encoding = threading.Lock()

    @property
    def info(self) -> EngineInfo:
        """Describe what is served."""
        runner = self._runner
        return EngineInfo("local", self._fingerprint.name, runner.device, runner.dtype_name, runner.context_tokens)

    async def start(self) -> None:
        """Load the model; return when requests can be served."""
        await asyncio.to_thread(self._scheduler.start)

    async def stop(self) -> None:
        """Cancel all answers and free the model."""
        await asyncio.to_thread(self._scheduler.stop)

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length in tokens, chat template included. Works before :meth:`start`, too."""
        return len(self._encode(messages))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text; it ends at the token limit, at a stop text or at the time limit.

        :raises BusyError: the queue is full, or the request waited too long in it.
        :raises EngineError: the prompt is too long, or the engine failed or was stopped.
        :raises ArtifactError: the adapter is missing, altered or not for this model.
        """
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece] = asyncio.Queue()

        def send(piece: Piece) -> None:
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:  # the loop is closed: nobody reads the answer
                sequence.cancelled = True

        sequence = self._sequence(request, send)
        if request.adapter is not None:
            sequence.loaded_adapter = await self._scheduler.load_adapter(request.adapter)
        self._scheduler.submit(sequence)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, MenteeError):
                    raise piece
                yield piece
        finally:
            self._scheduler.cancel(sequence)

    async def answer_all(
        self, requests: Sequence[GenerationRequest], on_progress: Callable[[int], None] | None = None
    ) -> list[str]:
        """Answer many requests at once and return the whole texts in order; they must fit into the queue.

        :param on_progress: called after each answer with their number so far.
        """
        done = 0

        async def answer(request: GenerationRequest) -> str:
            nonlocal done
            text = "".join([piece async for piece in self.generate(request)])
            done += 1
            if on_progress:
                on_progress(done)
            return text

        return await asyncio.gather(*map(answer, requests))

    def _sequence(self, request: GenerationRequest, send: Callable[[Piece], None]) -> GenerationSequence:
        prompt = self._encode(request.messages)
        room = self._runner.context_tokens - len(prompt)
        if room < 1:
            raise EngineError(
                f"The prompt has {len(prompt)} tokens; {self._fingerprint.name} takes {self._runner.context_tokens}, "
                "including the answer.",
                hint="Ask a shorter question, or lower the department's setting answers.passages.",
            )
        return GenerationSequence(
            prompt,
            min(request.max_new_tokens, room),
            TokenText(self._runner.decode, request.stop),
            send,
            department=request.department,
            adapter=request.adapter,
            temperature=request.temperature,
            seed=request.seed,
            reserved=(self._first_token(request.reserved.text), request.reserved.chance) if request.reserved else None,
        )

    def _first_token(self, text: str) -> int:
        with self._encoding:
            return self._runner.encode_text(text)[0]

    def _encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        # One thread at a time, because another may change the tokenizer's padding.
        with self._encoding:
            return self._runner.encode(messages)
