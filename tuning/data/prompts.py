"""Builds the prompts that serving uses, for training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bot.answering.citations import in_full
from bot.answering.prompt import build_messages, portions
from bot.domain.people import EVERYONE, Audience, Person
from bot.domain.questions import Question
from tuning.evaluation.metrics import grounded_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Department
    from bot.domain.ports import Retriever
    from bot.domain.questions import ChatMessage, Passage, Turn
    from bot.hooks.host import PluginHost


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked, without its asker.

    :param chunks: ids of the passages in its answer's prompt.
    """

    text: str
    history: tuple[Turn, ...] = ()
    chunks: tuple[str, ...] = ()

    @property
    def leans_on(self) -> tuple[Turn, ...]:
        """The turns that its prompt has: those that it leans on."""
        return tuple(turn for turn in self.history if turn.leaned_on)


class PromptFor(Protocol):
    """Builds the prompt that a question gets in serving, retrieval included."""

    def __call__(self, asked: Asked, said: str, *, learned: bool) -> tuple[ChatMessage, ...]:
        """Build the prompt that fits an answer.

        :param said: the answer to learn, or the reference to compare answers with.
        :param learned: whether the model learns ``said`` from this prompt, or is only compared with it.
        """


class ServedPrompts:
    """Builds the prompts of one department as :mod:`bot.answering.pipeline` does.

    The passages of a recorded answer are fetched by the ids stored with it. Imported answers have none, so their
    questions are searched now. Either way, only passages that everyone who may ask the department may read are found.

    If a department reads its passages in portions, the prompt holds the portion that overlaps most with the answer.

    A learned answer may continue beyond a passage, as a reader's quotation does. Then the passage is shown with the
    text that follows it, because the model must not learn to say what isn't in its prompt.
    """

    def __init__(self, department: Department, retriever: Retriever, plugins: PluginHost) -> None:
        self._department = department
        self._retriever = retriever
        self._plugins = plugins
        self._documents: bool | None = None

    def __call__(self, asked: Asked, said: str, *, learned: bool) -> tuple[ChatMessage, ...]:
        """Return the prompt of a question; see :class:`PromptFor`."""
        passages = self._passages(asked)
        if learned:
            passages = [max(passage, in_full(passage), key=lambda shown: _held(said, [shown])) for passage in passages]
        department = self._department
        question = Question(asked.text, Person("mentee:tuning"), department=department.name)
        return build_messages(
            asked.text,
            max(portions(passages, department.answers.passages_at_once), key=lambda portion: _held(said, portion)),
            title=department.title,
            instructions=department.instructions,
            glossary=department.glossary,
            history=asked.leans_on,
            extra=self._plugins.extend_prompt(question, department.name),
        )

    def _passages(self, asked: Asked) -> list[Passage]:
        department = self._department
        if self._documents is None:
            self._documents = self._retriever.has_documents(department.name)
        if not self._documents:
            return []
        audience = Audience(department.readers | {EVERYONE})
        if asked.chunks:
            return self._retriever.passages(asked.chunks, department.name, audience)
        return self._retriever.search(
            asked.text, department.name, audience, k=department.answers.passages, history=asked.leans_on
        )


def _held(said: str, passages: Sequence[Passage]) -> float:
    return grounded_precision(said, [passage.text for passage in passages]) or 0.0
