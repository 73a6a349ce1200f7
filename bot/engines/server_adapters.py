"""Adapters of a vLLM server: loaded while it runs, each under its version's name, the least recently used unloaded."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from bot.engines.adapter_files import check_finite, check_generation
from bot.engines.identity import ModelIdentity
from bot.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx2

    from bot.protocols import AdapterRef

LOAD_SECONDS = 60.0

log = structlog.get_logger(__name__)


class ServerAdapters:
    """Which adapter versions the server holds.

    :param model: the base model's name on the server.
    :param limit: versions kept loaded.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, model: str, *, limit: int = 16) -> None:
        self._client = client
        self._url = url
        self._base = ModelIdentity(model)
        self._limit = limit
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self._in_use: Counter[str] = Counter()
        self._loading = asyncio.Lock()

    @asynccontextmanager
    async def held(self, ref: AdapterRef | None) -> AsyncIterator[str]:
        """Have the adapter loaded for as long as the block runs; give the name to ask the server for.

        :raises ArtifactError: the adapter's files are not sound, or the server refuses it.
        """
        if ref is None:
            yield self._base.name
            return
        self._in_use[ref.version] += 1
        try:
            async with self._loading:
                if ref.version not in self._loaded:
                    await self._load(ref)
                self._loaded[ref.version] = None
                self._loaded.move_to_end(ref.version)
                await self._thin_out()
            yield ref.version
        finally:
            self._in_use[ref.version] -= 1

    def forget(self, version: str) -> None:
        """Note that the server does not have this version any more."""
        self._loaded.pop(version, None)

    async def _load(self, ref: AdapterRef) -> None:
        await asyncio.to_thread(_check, ref, self._base)
        body = {"lora_name": ref.version, "lora_path": str(ref.path)}
        response = await self._client.post("/v1/load_lora_adapter", json=body, timeout=LOAD_SECONDS)
        # Another replica may have loaded it; versions are never reused, so it is the same one.
        if response.is_success or "already" in response.text:
            return
        if response.status_code == 404:  # noqa: PLR2004 - HTTP's own number
            hint = "Start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
            raise ArtifactError(f"The server {self._url} loads no adapters at run time.", hint=hint)
        if response.is_server_error:
            response.raise_for_status()
        raise ArtifactError(
            f"The server {self._url} refused adapter {ref.version} at {ref.path}: {response.text[:300]}",
            hint="The server must see this folder under the same path, and allow the adapter's rank (--max-lora-rank).",
        )

    async def _thin_out(self) -> None:
        for version in [v for v in self._loaded if not self._in_use[v]]:
            if len(self._loaded) <= self._limit:
                return
            del self._loaded[version]
            response = await self._client.post("/v1/unload_lora_adapter", json={"lora_name": version})
            if not response.is_success:
                log.warning("adapter_not_unloaded", adapter=version, status=response.status_code)


def _check(ref: AdapterRef, base: ModelIdentity) -> None:
    check_generation(ref, base)
    check_finite(ref.path)
