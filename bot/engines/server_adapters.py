"""Adapters of a vLLM server: loaded while it runs, each under a name of its own, the least recently used unloaded.

An adapter's name on the server holds its version and the start of its hash. Nothing is ever loaded under a name that
stood for other weights before, so no cache of the server can answer from those; and two instances of Mentee may share a
server although both have a version "support-1".
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import structlog

from bot.engines.adapter_files import check_finite, check_generation
from bot.engines.server_errors import AdapterRefusedError, ServerFailedError, server_message, unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.engines.identity import ModelIdentity
    from bot.protocols import AdapterRef

LOAD_SECONDS = 60.0
UNLOAD_SECONDS = 10.0
REPLICAS = 16
"""Servers that may stand behind one address."""

HASH_LETTERS = 8

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """One loading of an adapter; ``name`` is what to ask the server for."""

    name: str


class ServerAdapters:
    """Which adapters the server holds.

    :param base: what the server serves.
    :param limit: adapters kept loaded.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, base: ModelIdentity, *, limit: int = 16) -> None:
        self._client = client
        self._url = url
        self._base = base
        self._limit = limit
        self._loaded: OrderedDict[AdapterRef, Loaded] = OrderedDict()
        self._missing: set[AdapterRef] = set()
        self._in_use: Counter[AdapterRef] = Counter()
        self._loading: defaultdict[AdapterRef, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def held(self, ref: AdapterRef | None) -> AsyncIterator[Loaded]:
        """Have the adapter loaded for as long as the block runs; without one, the base model.

        :raises ArtifactError: the adapter's files are not sound, or the server refuses it.
        :raises ServerFailedError: the server fails.
        """
        if ref is None:
            yield Loaded(self._base.name)
            return
        self._in_use[ref] += 1
        try:
            async with self._loading[ref]:
                loaded = self._loaded.get(ref) or await self._load(ref)
                self._loaded[ref] = loaded
                self._loaded.move_to_end(ref)
            await self._thin_out()
            yield loaded
        finally:
            self._in_use[ref] -= 1
            if ref not in self._loaded and not self._in_use[ref]:
                self._drop(ref)

    def forget(self, ref: AdapterRef, loaded: Loaded) -> None:
        """Note that the server did not know an adapter, unless it was loaded again since."""
        if self._loaded.get(ref) is loaded:
            del self._loaded[ref]
            self._missing.add(ref)

    async def _load(self, ref: AdapterRef) -> Loaded:
        name = await asyncio.to_thread(_checked, ref, self._base)
        # Where several servers share the address, one that has the adapter may answer the first tries.
        for _ in range(REPLICAS if ref in self._missing else 1):
            if await self._load_once(ref, name):
                break
        self._missing.discard(ref)
        return Loaded(name)

    async def _load_once(self, ref: AdapterRef, name: str) -> bool:
        """Have one server load the adapter; return ``False`` when it had it."""
        body = {"lora_name": name, "lora_path": str(ref.path)}
        # A kept connection would lead to the same server each time.
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
            return AdapterRefusedError(f"The server {self._url} loads no adapters at run time.", hint=hint)
        if response.status_code > httpx2.codes.INTERNAL_SERVER_ERROR:
            return ServerFailedError(f"The server {self._url} failed with status {response.status_code}: {problem}")
        # vLLM gives 500 for an adapter that does not suit its options, such as a rank above --max-lora-rank.
        return AdapterRefusedError(
            f"The server {self._url} refused adapter {ref.version} at {ref.path}: {problem}",
            hint="The server must see this folder under the same path, and allow the adapter's rank (--max-lora-rank).",
        )

    async def _thin_out(self) -> None:
        while len(self._loaded) > self._limit:
            idle = next((ref for ref in self._loaded if not self._in_use[ref]), None)
            if idle is None:
                return
            loaded = self._loaded.pop(idle)
            self._drop(idle)
            await self._unload(loaded.name)

    def _drop(self, ref: AdapterRef) -> None:
        """Keep nothing of an adapter that is neither loaded nor wanted."""
        self._in_use.pop(ref, None)
        self._loading.pop(ref, None)
        self._missing.discard(ref)

    async def _unload(self, name: str) -> None:
        """Free the server's memory; an answer never fails because that did not work."""
        body = {"lora_name": name}
        try:
            response = await self._client.post("/v1/unload_lora_adapter", json=body, timeout=UNLOAD_SECONDS)
            problem = "" if response.is_success else server_message(response)
        except httpx2.HTTPError as error:
            problem = str(error) or type(error).__name__
        if problem:
            log.warning("adapter_not_unloaded", adapter=name, server=self._url, problem=problem)


def _checked(ref: AdapterRef, base: ModelIdentity) -> str:
    """Return the name for a sound adapter."""
    manifest = check_generation(ref, base)
    check_finite(ref.path)
    return f"{ref.version}.{manifest.sha256[:HASH_LETTERS]}"
