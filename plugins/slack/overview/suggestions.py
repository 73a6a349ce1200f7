"""Questions to suggest to somebody: frequent ones that were voted well, or the departments' examples.

A question is other people's text. It is suggested only where it gives nobody away: asked in the same words by several
people, in a department that the reader may ask, and answered from nothing that the reader may not read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from bot.domain.identifiers import now
from bot.language.words import words
from plugins.slack.items import NAME
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bot.domain.answers import Answer, Exchange
    from bot.feedback.votes import Votes
    from bot.storage.history import History
    from plugins.slack.overview.departments import AskableDepartment

MOST = 4
"""Slack shows at most four prompts."""
ASKERS = 3
"""Different people who must have asked a question before anybody else is shown it."""
DAYS = 90
CHARACTERS = 200
"""Longer questions tell a story of their own and are no suggestions."""
QUESTIONS_READ = 5_000
"""Newest questions that are looked at."""


@dataclass(slots=True)
class _Group:
    """A question, whatever its capitals and spaces: its wordings, who asked it, and the answers it got."""

    wordings: Counter[str] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)

    def add(self, asked: Exchange) -> None:
        self.wordings[" ".join(asked.question.text.split())] += 1
        self.people.add(asked.question.person_id)
        self.answers.append(asked.answer)


class Suggestions:
    """Finds questions to suggest."""

    def __init__(self, history: History, votes: Votes) -> None:
        self._history = history
        self._votes = votes

    def of(self, departments: Sequence[AskableDepartment]) -> list[str]:
        """Return up to :data:`MOST` questions, the departments taking turns, each one's best first."""
        frequent = self._frequent([each.name for each in departments])
        found = [self._best(each, frequent.get(each.name, [])) or list(each.examples) for each in departments]
        turns = chain.from_iterable(zip_longest(*found))
        return list(dict.fromkeys(question for question in turns if question))[:MOST]

    def _frequent(self, departments: list[str]) -> dict[str, list[_Group]]:
        """Return what enough people asked in each department."""
        since, groups = now() - timedelta(days=DAYS), defaultdict[tuple[str, str], _Group](_Group)
        asked = self._history.standing_alone(departments, since=since, characters=CHARACTERS, limit=QUESTIONS_READ)
        for each in asked:
            if _of_this_workspace(each):
                groups[each.question.department, _normalised(each.question.text)].add(each)
        found: dict[str, list[_Group]] = defaultdict(list)
        for (department, _), group in groups.items():
            if len(group.people) >= ASKERS:
                found[department].append(group)
        return found

    def _best(self, department: AskableDepartment, groups: Iterable[_Group]) -> list[str]:
        """Return the questions whose answers pleased more people than not and name only pages that may be read."""
        ranked = []
        for group in groups:
            voters = self._votes.voters([answer.id for answer in group.answers])
            liked = voters["up"] - voters["down"]
            if liked > 0 and all(_may_be_shown(department, answer) for answer in group.answers):
                ranked.append((len(group.people), liked, group.wordings.most_common(1)[0][0]))
        return [text for _, _, text in sorted(ranked, reverse=True)[:MOST]]


def _of_this_workspace(asked: Exchange) -> bool:
    return asked.question.channel != NAME or asked.question.person_id.startswith(person_id(""))


def _may_be_shown(department: AskableDepartment, answer: Answer) -> bool:
    """Return whether an answer rests on pages that may be read, or on what a colleague wrote for the department."""
    if not department.sight.sees_answer(answer):
        return False
    if answer.provenance.source == "curated":
        return True
    return bool(answer.citations) and department.cites_readable(answer.citations)


def _normalised(text: str) -> str:
    return " ".join(words(text))
