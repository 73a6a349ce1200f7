"""Pages of keys and values: who has which, and which of them a prompt read before can give to the next one.

A page holds the keys and values of :data:`PAGE` positions. Whole pages that were computed are kept in a tree by the
tokens they were computed from, one tree for each *space* (department and adapter version), until room is needed: then
those unused for longest go first. Tokens are compared, never hashes of them. Knows no tensors.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.engines.decoder.shape import PAGE

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


@dataclass(slots=True, eq=False)
class _Node:
    """A page that others may share: what comes after its parent's tokens are its own ``tokens``."""

    tokens: tuple[int, ...]
    page: int
    parent: _Node | None
    space: Hashable
    children: dict[tuple[int, ...], _Node] = field(default_factory=dict)
    users: int = 0


@dataclass(slots=True)
class Lease:
    """A sequence's pages, in order.

    :param shared: tokens at the start whose keys and values are there already.
    """

    space: Hashable
    pages: list[int]
    shared: int
    nodes: list[_Node] = field(default_factory=list)


class PageBook:
    """Hands out pages and finds those that can be shared. Called from one thread.

    :param pages: how many there are.
    """

    def __init__(self, pages: int) -> None:
        self._free = list(range(pages - 1, -1, -1))
        self._roots: dict[Hashable, _Node] = {}
        # Leaves before their parents: a lease lets go of its last page first, and whoever uses a page uses its parents.
        self._idle: OrderedDict[_Node, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Return how many pages no sequence uses."""
        return len(self._free) + len(self._idle)

    def open(self, space: Hashable, tokens: Sequence[int], length: int) -> Lease | None:
        """Lease pages for a sequence that starts with ``tokens`` and grows to ``length``; ``None``: too few are left.

        At least the last token is left to read, because its logits are wanted.
        """
        nodes = self._known(space, tokens)
        for node in nodes:
            node.users += 1
            self._idle.pop(node, None)
        needed = -(-length // PAGE) - len(nodes)
        if needed > self.available:
            self._let_go(nodes)
            return None
        pages = [node.page for node in nodes] + [self._take() for _ in range(needed)]
        return Lease(space, pages, len(nodes) * PAGE, nodes)

    def publish(self, lease: Lease, tokens: Sequence[int]) -> None:
        """Offer a lease's pages to others, as far as the computed ``tokens`` fill whole ones."""
        for number in range(len(lease.nodes), len(tokens) // PAGE):
            parent = lease.nodes[-1] if lease.nodes else self._root(lease.space)
            key = tuple(tokens[number * PAGE : (number + 1) * PAGE])
            if key in parent.children:  # another sequence computed the same meanwhile; ours stays private
                return
            node = _Node(key, lease.pages[number], parent, lease.space, users=1)
            parent.children[key] = node
            lease.nodes.append(node)

    def close(self, lease: Lease) -> None:
        """Give a lease's pages back; those published stay known while there is room."""
        self._free += lease.pages[len(lease.nodes) :]
        self._let_go(lease.nodes)
        lease.pages, lease.nodes = [], []

    def _known(self, space: Hashable, tokens: Sequence[int]) -> list[_Node]:
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

    def _let_go(self, nodes: Sequence[_Node]) -> None:
        for node in reversed(nodes):
            node.users -= 1
            if not node.users:
                self._idle[node] = None

    def _take(self) -> int:
        if self._free:
            return self._free.pop()
        node, _ = self._idle.popitem(last=False)
        assert node.parent is not None
        del node.parent.children[node.tokens]
        if node.parent.parent is None and not node.parent.children:
            self._roots.pop(node.space, None)
        return node.page
