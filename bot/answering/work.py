"""What is known about a question while it is being answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.answering.extractive import Text
from bot.domain.people import Basis, united
from bot.domain.questions import PROMPT_TURNS
from bot.hooks.calling.acting import Acted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Department
    from bot.answering.threads.courtesy import Courtesy
    from bot.domain.answers import AnswerSource
    from bot.domain.generation import AdapterRef
    from bot.domain.plugins.actions import OfferedAction
    from bot.domain.questions import Passage, Question, Turn
    from bot.feedback.curated.answers import CuratedMatch
    from bot.inference.failover import Served

NO_TEXT = Text("", known=False)


@dataclass(slots=True)
class Work:
    """A question on its way through the pipeline.

    :param found: passages of the department's documents, best first.
    :param passages: those to answer from, and the nearest pieces of the question's attachments.
    :param read: passages that were in a prompt.
    :param served: what wrote the answer.
    :param timings: seconds spent in each stage.
    :param actions: what a plugin offers to do.
    :param acted: what plugins did for the question.
    :param claimed_by: the plugin that claimed it before it was routed, or ``""``.
    :param courtesy: which courtesy the message is, if it asks nothing.
    :param topic: the earlier turns that the question leans on.
    :param too_late: plugins that took too long to answer without the model.
    :param text: the answer's, once there is one; so are ``source`` and the ``curated`` answer it is.
    :param suggestion: a curated answer to a similar question, to show beside it.
    """

    question: Question
    department: Department
    acted: Acted = field(default_factory=Acted)
    claimed_by: str = ""
    courtesy: Courtesy | None = None
    topic: tuple[Turn, ...] = ()
    started: float = field(default_factory=time.perf_counter)
    found: Sequence[Passage] = ()
    passages: Sequence[Passage] = ()
    read: list[Passage] = field(default_factory=list)
    adapter: AdapterRef | None = None
    served: Served | None = None
    timings: dict[str, float] = field(default_factory=dict)
    text: Text = NO_TEXT
    actions: tuple[OfferedAction, ...] = ()
    too_late: list[str] = field(default_factory=list)
    source: AnswerSource = "none"
    curated: CuratedMatch | None = None
    suggestion: CuratedMatch | None = None

    @property
    def search_text(self) -> str:
        """What to look for: the words that enrichment found, else the question's own."""
        return self.question.search_text or self.question.text

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The earlier turns that the answer was made with. A plugin gets the whole thread."""
        return self.question.history if self.source == "plugin" else self.topic

    @property
    def whole_question(self) -> str:
        """What to look for, and the earlier questions that it leans on."""
        return "\n".join([*(turn.question for turn in self.topic[-PROMPT_TURNS:]), self.search_text])

    @property
    def rests_on(self) -> tuple[Basis, ...]:
        """What the answer rests on: its department, the passages read or cited, and the turns in its prompt."""
        own = [Basis(self.department.name)]
        if self.curated is not None:
            return united(own, self.curated.rests_on)
        cited = {citation.chunk_id for citation in self.text.citations}
        named = [passage for passage in (*self.passages, *self.found) if passage.chunk_id in cited]
        documents = [
            Basis(passage.department, passage.document_id, passage.readers)
            for passage in (*self.read, *named)
            if passage.document_id
        ]
        turns = self.turns[-PROMPT_TURNS:]
        suggested = self.suggestion.rests_on if self.suggestion else ()
        return united(own, documents, suggested, *(turn.rests_on for turn in turns))

    def end(self, text: Text, source: AnswerSource, *, curated: CuratedMatch | None = None) -> None:
        """Set the answer."""
        self.text, self.source, self.curated = text, source, curated

    def took(self, stage: str) -> None:
        """Add the seconds since the last call to a stage."""
        elapsed = time.perf_counter() - self.started - sum(self.timings.values())
        self.timings[stage] = round(self.timings.get(stage, 0.0) + elapsed, 4)
