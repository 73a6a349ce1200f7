"""The prompt a question was, or would be, served with: training and evaluation use the same one as serving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.messages import Audience, Person, Question, Turn
from bot.prompt import build_messages, portions
from bot.quotes import in_full
from tuning.metrics import grounded_precision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.departments import Department
    from bot.messages import ChatMessage, Passage
    from bot.store.models import AnswerRow, QuestionRow


class ServedPrompts:
    """Builds the prompts of one department as :mod:`bot.pipeline` does.

    An answer's passages are fetched again by the ids stored with it. An imported answer has none, so its question is
    searched now, with the rights of everyone who may ask the department; one without documents has no passages.

    A department that reads its passages some at a time has several prompts for a question. The one built is that whose
    passages hold most of what is to be said.

    An answer that is learned may go on beyond a passage, as a reader's quotation does. There, and nowhere else, the
    passage stands in the prompt with what its section says next: nobody is to learn saying what is not before them.
    """

    def __init__(self, mentee: Mentee, department: Department) -> None:
        self._mentee = mentee
        self._department = department
        self._documents: bool | None = None

    def __call__(
        self, question: QuestionRow, answer: AnswerRow | None, said: str, *, learned: bool
    ) -> tuple[ChatMessage, ...]:
        """Return the prompt of a recorded question.

        :param said: the text that is to be learned, or that answers are held to.
        """
        history = tuple(Turn(str(turn["question"]), str(turn["answer"])) for turn in question.history)
        ids = [str(chunk["chunk_id"]) for chunk in (answer.provenance.get("chunks") or ())] if answer else []
        passages = self._passages(question.text, ids, history)
        if learned:
            passages = [max(passage, in_full(passage), key=lambda shown: _held(said, [shown])) for passage in passages]
        return self._build(question.text, passages, history, said)

    def of_text(self, text: str, said: str) -> tuple[ChatMessage, ...]:
        """Return the prompt of a question that nobody has asked yet."""
        return self._build(text, self._passages(text, [], ()), (), said)

    def _passages(self, text: str, ids: Sequence[str], history: Sequence[Turn]) -> list[Passage]:
        name = self._department.name
        if self._documents is None:
            self._documents = self._mentee.retriever.has_documents(name)
        if not self._documents:
            return []
        if ids:
            return self._mentee.retriever.passages(ids, name)
        audience = Audience(self._department.readers)
        return self._mentee.retriever.search(text, name, audience, k=self._department.answers.passages, history=history)

    def _build(
        self, text: str, passages: Sequence[Passage], history: Sequence[Turn], said: str
    ) -> tuple[ChatMessage, ...]:
        department = self._department
        question = Question(text, Person("mentee:tuning"), department=department.name)
        extra = self._mentee.plugins.values("extend_prompt", department.name, question=question)
        return build_messages(
            text,
            max(portions(passages, department.answers.passages_at_once), key=lambda portion: _held(said, portion)),
            title=department.title,
            instructions=department.instructions,
            glossary=department.glossary,
            history=history,
            extra=[str(line) for _, line in extra],
        )


def _held(said: str, passages: Sequence[Passage]) -> float:
    return grounded_precision(said, [passage.text for passage in passages]) or 0.0
