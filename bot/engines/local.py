"""The engine in this process, on the CPU or one CUDA GPU."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

from bot.engines.identity import ModelIdentity, model_identity
from bot.engines.local_runner import LocalRunner
from bot.engines.scheduler import MAX_ROWS, Job, Piece, Scheduler
from bot.engines.text import TokenText
from bot.errors import EngineError, MenteeError
from bot.protocols import EngineInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from bot.messages import ChatMessage
    from bot.protocols import GenerationRequest

GPU_ROWS = 64
"""Answers that a GPU computes together."""


class LocalEngine:
    """Implements :class:`bot.protocols.Engine` with a model on this machine.

    :param path: folder of a verified model generation.
    :param dtype: ``auto``, ``int8``, ``float32`` or ``bfloat16``.
    :param threads: CPU threads; 0 means all cores.
    :param queue: questions that may wait.
    :param seconds: after which an answer is cut.
    :param cache_mb: memory for keys and values, in MiB.
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
        self._identity: ModelIdentity = model_identity(path)
        self._runner = LocalRunner(
            path,
            self._identity,
            dtype=dtype,
            threads=threads or os.cpu_count() or 1,
            cache_bytes=cache_mb << 20,
        )
        self._scheduler = Scheduler(
            self._runner, queue=queue, seconds=seconds, max_rows=GPU_ROWS if self._runner.device == "cuda" else MAX_ROWS
        )
        self._encoding = threading.Lock()

    @property
    def info(self) -> EngineInfo:
        """Describe what is served."""
        runner = self._runner
        return EngineInfo("local", self._identity.name, runner.device, runner.dtype_name, runner.context_tokens)

    async def start(self) -> None:
        """Load the model; returns when the first request can be served."""
        await asyncio.to_thread(self._scheduler.start)

    async def stop(self) -> None:
        """Cancel what runs and free the model."""
        await asyncio.to_thread(self._scheduler.stop)

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length in tokens, chat template included. Works before :meth:`start`, too."""
        return len(self._encode(messages))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text piece by piece; it is cut at the cap, at a stop text and at the time limit.

        :raises BusyError: the queue is full, or the request waited too long in it.
        :raises EngineError: the prompt is too long, or the engine failed or was stopped.
        :raises ArtifactError: the adapter is missing, altered or not for this model.
        """
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece] = asyncio.Queue()

        def send(piece: Piece) -> None:
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:  # the loop is closed, so nobody reads any more
                job.cancelled = True

        job = self._job(request, send)
        if request.adapter is not None:
            job.fetched = await self._scheduler.fetch(request.adapter)
        self._scheduler.submit(job)
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, MenteeError):
                    raise piece
                yield piece
        finally:
            self._scheduler.cancel(job)

    async def answer_all(
        self, requests: Sequence[GenerationRequest], on_progress: Callable[[int], None] | None = None
    ) -> list[str]:
        """Answer many requests at once and return the whole texts in order; they must fit into the queue.

        :param on_progress: called after each answer with how many there are now.
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

    def _job(self, request: GenerationRequest, send: Callable[[Piece], None]) -> Job:
        prompt = self._encode(request.messages)
        room = self._runner.context_tokens - len(prompt)
        if room < 1:
            raise EngineError(
                f"The prompt has {len(prompt)} tokens; {self._identity.name} takes {self._runner.context_tokens} "
                "with the answer.",
                hint="Ask with a shorter question, or let the department use fewer passages.",
            )
        return Job(
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
        # Tokenizers may be read by one thread at a time while another changes their padding.
        with self._encoding:
            return self._runner.encode(messages)
