"""Loads adapters into a running vLLM server, and unloads the least recently used ones.

An adapter's name on the server consists of its version and the start of its hash. No name ever stands for two sets of
weights, so the server's caches can't mix them up, and two instances of Mentee may share a server although both have a
version "support-1".
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import structlog
from cachetools import LRUCache

from bot.inference.adapter_files import check_adapter, check_finite, counting_refusals
from bot.inference.openai.errors import AdapterRefusedError, ServerFailedError, server_message, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.domain.generation import AdapterRef
    from bot.inference.fingerprint import ModelFingerprint

LOAD_SECONDS = 60.0
UNLOAD_SECONDS = 10.0
REPLICAS = 16
"""Maximum number of servers behind one address."""

HASH_LETTERS = 8

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """One loading of an adapter; ``name`` is its name on the server."""

    name: str


class ServerAdapters:
    """The adapters loaded in a server.

    :param base: the server's base model.
    :param limit: adapters kept loaded, unless more are in use.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, base: ModelFingerprint, *, limit: int = 16) -> None:
        self._client = client
        self._url = url
        self._base = base
        self._limit = limit
        # No maximum here: _evict() keeps to the limit, because it knows which ones are in use.
        self._loaded: LRUCache[AdapterRef, Loaded] = LRUCache(math.inf)
        self._missing: set[AdapterRef] = set()
        self._in_use: Counter[AdapterRef] = Counter()
        self._loading: defaultdict[AdapterRef, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def held(self, ref: AdapterRef | None) -> AsyncIterator[Loaded]:
        """Keep the adapter loaded while the block runs; without one, use the base model.

        :raises ArtifactError: the adapter is invalid, or the server refuses it.
        :raises ServerFailedError: the server failed.
        """
        if ref is None:
            yield Loaded(self._base.name)
            return
        self._in_use[ref] += 1
        try:
            async with self._loading[ref]:
                loaded = self._loaded.get(ref) or await self._load(ref)
                self._loaded[ref] = loaded
            await self._evict()
            yield loaded
        finally:
            self._in_use[ref] -= 1
            if ref not in self._loaded and not self._in_use[ref]:
                self._drop(ref)

    def forget(self, ref: AdapterRef, loaded: Loaded) -> None:
        """Forget an adapter that the server didn't know, unless it was loaded again since."""
        if self._loaded.get(ref) is loaded:
            del self._loaded[ref]
            self._missing.add(ref)

    async def _load(self, ref: AdapterRef) -> Loaded:
        name = await asyncio.to_thread(_checked, ref, self._base)
        # If several servers share the address, the first attempts may reach one that has the adapter.
        for _ in range(REPLICAS if ref in self._missing else 1):
            if await self._load_once(ref, name):
                break
        self._missing.discard(ref)
        return Loaded(name)

    async def _load_once(self, ref: AdapterRef, name: str) -> bool:
        """Load the adapter into one server; return ``False`` if it had it already."""
        body = {"lora_name": name, "lora_path": str(ref.path)}
        # A kept-alive connection would reach the same server each time.
        headers = {"Connection": "close"} if ref in self._missing else {}
        try:
            response = await self._client.post(
                "/v1/load_lora_adapter", json=body, headers=headers, timeout=LOAD_SECONDS
            )
        except httpx2.HTTPError as error:
            raise unreachable(self._url, error) from error
        if response.is_success:
            log.info("adapter_loaded", adapter=name, server=self._url)
            return True
        if "already" in response.text:
            return False
        raise self._refusal(response, ref)

    def _refusal(self, response: httpx2.Response, ref: AdapterRef) -> Exception:
        problem = server_message(response)
        if response.status_code == httpx2.codes.NOT_FOUND and problem.lower() == "not found":
            hint = "Start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
            return AdapterRefusedError(f"The server {self._url} can't load adapters at run time.", hint=hint)
        if response.status_code > httpx2.codes.INTERNAL_SERVER_ERROR:
            return ServerFailedError(f"The server {self._url} failed with status {response.status_code}: {problem}")
        # vLLM returns 500 for an adapter that its options don't allow, such as a rank above --max-lora-rank.
        return AdapterRefusedError(
            f"The server {self._url} refused adapter {ref.version} at {ref.path}: {problem}",
            hint="The server must see this folder under the same path, and allow the adapter's rank (--max-lora-rank).",
        )

    async def _evict(self) -> None:
        while len(self._loaded) > max(self._limit, self._pin()):
            idle, loaded = self._loaded.popitem()
            self._drop(idle)
            await self._unload(loaded.name)

    def _pin(self) -> int:
        """Mark adapters in use as recently used, so that idle ones are evicted first; return their number."""
        in_use = [ref for ref in self._loaded if self._in_use[ref]]
        for ref in in_use:
            self._loaded.get(ref)
        return len(in_use)

    def _drop(self, ref: AdapterRef) -> None:
        """Forget an adapter that is neither loaded nor in use."""
        self._in_use.pop(ref, None)
        self._loading.pop(ref, None)
        self._missing.discard(ref)

    async def _unload(self, name: str) -> None:
        """Unload an adapter; an answer never fails because that didn't work."""
        body = {"lora_name": name}
        try:
            response = await self._client.post("/v1/unload_lora_adapter", json=body, timeout=UNLOAD_SECONDS)
            problem = "" if response.is_success else server_message(response)
        except httpx2.HTTPError as error:
            problem = str(error) or type(error).__name__
        if problem:
            log.warning("adapter_not_unloaded", adapter=name, server=self._url, problem=problem)


@counting_refusals()
def _checked(ref: AdapterRef, base: ModelFingerprint) -> str:
    """Check an adapter and return its name on the server."""
    manifest = check_adapter(ref, base)
    check_finite(ref.path)
    return f"{ref.version}.{manifest.sha256[:HASH_LETTERS]}"
