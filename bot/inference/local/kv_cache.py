"""A paged KV cache with prefix sharing: which sequence has which pages, and which pages hold a prefix read before.

A page holds the keys and values of :data:`PAGE` tokens. Full pages are kept in a prefix tree of the tokens that they
were computed from, one tree per *space* (department and adapter version). When room is needed, the least recently used
pages are evicted. Tokens are compared, never their hashes. No tensors here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.inference.local.model_config import PAGE

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(slots=True, eq=False)
class _Node:
    """A page in the prefix tree: its ``tokens`` follow those of its parents."""

    tokens: tuple[int, ...]
    page: int
    parent: _Node | None
    space: Hashable
    children: dict[tuple[int, ...], _Node] = field(default_factory=dict)
    users: int = 0


@dataclass(slots=True)
class PageTable:
    """A sequence's pages, in order.

    :param shared: number of tokens at the start whose keys and values are already there.
    """

    space: Hashable
    pages: list[int]
    shared: int
    nodes: list[_Node] = field(default_factory=list)


class KVCacheManager:
    """Allocates pages to sequences and finds pages to share. For use in one thread.

    :param pages: total number of pages.
    """

    def __init__(self, pages: int) -> None:
        self._free = list(range(pages - 1, -1, -1))
        self._roots: dict[Hashable, _Node] = {}
        # Pages that nobody uses, to be evicted from the front. Not an LRU cache: a page leaves when it is used again.
        # Leaves come before their parents, because a sequence frees its last page first.
        self._evictable: OrderedDict[_Node, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Number of pages that no sequence uses."""
        return len(self._free) + len(self._evictable)

    def allocate(self, space: Hashable, tokens: Sequence[int], length: int) -> PageTable | None:
        """Allocate pages for a sequence that starts with ``tokens`` and may grow to ``length``; ``None`` if too few.

        At least the last token is left to read, because its logits are needed.
        """
        nodes = self._shared_prefix(space, tokens)
        for node in nodes:
            node.users += 1
            self._evictable.pop(node, None)
        needed = -(-length // PAGE) - len(nodes)
        if needed > self.available:
            self._release(nodes)
            return None
        pages = [node.page for node in nodes] + [self._take() for _ in range(needed)]
        return PageTable(space, pages, len(nodes) * PAGE, nodes)

    def share(self, table: PageTable, tokens: Sequence[int]) -> None:
        """Let other sequences share the full pages of the ``tokens`` computed so far."""
        for number in range(len(table.nodes), len(tokens) // PAGE):
            parent = table.nodes[-1] if table.nodes else self._root(table.space)
            key = tuple(tokens[number * PAGE : (number + 1) * PAGE])
            if key in parent.children:  # another sequence computed the same in the meantime; ours stays private
                return
            node = _Node(key, table.pages[number], parent, table.space, users=1)
            parent.children[key] = node
            table.nodes.append(node)

    def free(self, table: PageTable) -> None:
        """Free a sequence's pages; shared ones stay cached until they are evicted."""
        self._free += table.pages[len(table.nodes) :]
        self._release(table.nodes)
        table.pages, table.nodes = [], []

    def _shared_prefix(self, space: Hashable, tokens: Sequence[int]) -> list[_Node]:
        nodes: list[_Node] = []
        node = self._roots.get(space)
        for start in range(0, (len(tokens) - 1) // PAGE * PAGE, PAGE):
            node = node and node.children.get(tuple(tokens[start : start + PAGE]))
            if node is None:
                break
            nodes.append(node)
        return nodes

    def _root(self, space: Hashable) -> _Node:
        return self._roots.setdefault(space, _Node((), -1, None, space))

    def _release(self, nodes: Sequence[_Node]) -> None:
        for node in reversed(nodes):
            node.users -= 1
            if not node.users:
                self._evictable[node] = None

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        node, _ = self._evictable.popitem(last=False)
        assert node.parent is not None
        del node.parent.children[node.tokens]
        if node.parent.parent is None and not node.parent.children:
            self._roots.pop(node.space, None)
        return node.page
