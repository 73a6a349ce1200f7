"""Searches a department for a plugin, with the permissions of those who will see the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.errors import ForbiddenError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bot.domain.people import Audience
    from bot.domain.questions import Passage
    from bot.hooks.instance import Instance

PASSAGES = 10


class PluginRetriever:
    """Finds passages. All methods block."""

    def __init__(self, instance: Callable[[], Instance], department: str | None, audience: Audience | None) -> None:
        self._instance = instance
        self._department = department
        self._audience = audience

    def search(
        self, text: str, *, k: int = PASSAGES, department: str | None = None, audience: Audience | None = None
    ) -> list[Passage]:
        """Return up to ``k`` passages that the audience may read, best first.

        :param department: by default that of the call.
        :param audience: who will see what is found. In a hook with a ``question``, by default those who will see its
            answer; elsewhere you must say.
        :raises ForbiddenError: the audience can't ask the department, or there is no audience.
        :raises NotFoundError: there is no such department.
        """
        name, seen_by = department or self._department, audience or self._audience
        if seen_by is None:
            raise ForbiddenError(
                "A search needs to know who will see what it finds, and this hook has no question.",
                hint="Pass audience=…, such as context.instance.departments.audience_of(person).",
            )
        if name is None:
            raise SettingsError(
                "A search needs a department, and this call has none.", hint="Pass department=…, such as 'it'."
            )
        instance = self._instance()
        instance.departments.require_askable(name, seen_by)
        return instance.retriever.search(text, name, seen_by, k=k)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a unit vector for each text, shape ``(len(texts), dimension)``."""
        return self._instance().retriever.embed(texts)
