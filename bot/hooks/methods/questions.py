"""The hooks that a question goes through, from the first claim to the check of its answer.

Which plugins acted on a question is noted, see :mod:`bot.hooks.calling.acting`. A guard acts by checking, whatever
it says; any other plugin by returning something that changes the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.domain.answers import Refusal
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks import results
from bot.hooks.calling.acting import note_acting
from bot.hooks.calls import chained
from bot.hooks.health import Failure
from bot.hooks.methods.base import HookMethods
from bot.observability.metrics import GUARD_REFUSALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.domain.answers import AnswerSource, DirectAnswer, Exchange
    from bot.domain.plugins.actions import Action, ActionResult
    from bot.domain.questions import Passage
    from bot.hooks.calling.chains import Chain

UNCHECKED = "I can't answer right now, because a check of my answers isn't working. Operators can see why."

DONE = "This is done. A check of my answers doesn't let me show what came of it."
NOT_DONE = "This didn't work. A check of my answers doesn't let me show why."


def shown_text(text: str, actions: Iterable[Action]) -> str:
    """Return a plugin's text with that of the buttons below it."""
    buttons = [said for action in actions for said in (action.label, action.confirm)]
    return "\n".join(filter(None, [text, *buttons]))


@dataclass(frozen=True, slots=True)
class Claim:
    """A plugin's claim to a question, before it is routed.

    :param departments: where the plugin wants it to be answered; never empty.
    """

    plugin: str
    departments: tuple[str, ...]


class QuestionHooks(HookMethods):
    """The methods of :class:`bot.hooks.host.PluginHost` for hooks of questions. Everything here is blocking."""

    @chained
    def claim_question(self, question: Question, candidates: Sequence[str]) -> Chain[Claim | None]:
        """Return the claim of the first plugin that makes one.

        A plugin is asked about each candidate in which it is on. One that fails isn't asked about the others.
        """
        given = {"question": replace(question, departments=tuple(candidates))}
        on = {name: list(self._calls.turns("claim_question", name)) for name in candidates}
        for plugin in dict.fromkeys(each.plugin for name in candidates for each in on[name]):
            claimed = []
            for name in candidates:
                mine = next((each for each in on[name] if each.plugin == plugin), None)
                if mine is None:
                    continue
                result = yield from self._calls.one(mine, "claim_question", results.YES_OR_NO, name, given)
                if result.error is not None:
                    break
                claimed += [name] if result.value else []
            if claimed:
                note_acting(plugin)
                return Claim(plugin, tuple(claimed))
        return None

    @chained
    def route_question(self, question: Question, candidates: Sequence[str]) -> Chain[str | None]:
        """Return the first candidate that a plugin names. Plugins find the candidates in ``question.departments``."""
        given = {"question": replace(question, departments=tuple(candidates))}
        for call in self._calls.each("route_question", results.TEXT, None, given):
            result = yield from call
            if result.value in candidates:
                note_acting(result.plugin)
                return result.value
            if result.value is not None:
                problem = f"named {result.value!r}, which is not among {', '.join(candidates)}"
                self._calls.health.failed(Failure(result.plugin, "route_question", None, problem))
        return None

    @chained
    def enrich_question(self, question: Question, department: str) -> Chain[Question]:
        """Return the question with the words to search for that plugins gave it; nothing else of it changes."""
        for each in self._calls.turns("enrich_question", department):
            given = {"question": question}
            result = yield from self._calls.one(each, "enrich_question", results.QUESTION, department, given)
            if result.value is not None and result.value.search_text != question.search_text:
                note_acting(each.plugin)
                question = replace(question, search_text=result.value.search_text)
        return question

    @chained
    def answer_directly(
        self,
        question: Question,
        department: str,
        too_late: Callable[[str], object] | None = None,
        claimed_by: str = "",
    ) -> Chain[DirectAnswer | None]:
        """Return the first answer that a plugin gives without the model.

        :param too_late: is told the name of each plugin that took too long.
        :param claimed_by: the plugin to ask first.
        """
        given = {"question": question}
        turns = self._calls.turns("answer_directly", department)
        for each in sorted(turns, key=lambda each: each.plugin != claimed_by):
            result = yield from self._calls.one(each, "answer_directly", results.DIRECT_ANSWER, department, given)
            if result.value is not None:
                note_acting(each.plugin)
                return self._with_plugin(result.value, each.plugin, department)
            if too_late is not None and result.error is not None and result.error.timed_out:
                too_late(each.plugin)
        return None

    @chained
    def rank_passages(self, question: Question, passages: Sequence[Passage], department: str) -> Chain[list[Passage]]:
        """Return the passages in the order that plugins gave them, without those that plugins left out.

        Plugins choose by ``chunk_id`` alone: what else they change of a passage isn't used, a passage is used once, and
        one that the plugin wasn't given isn't used at all.
        """
        ranked = list(passages)
        for each in self._calls.turns("rank_passages", department):
            given = {"question": question, "passages": list(ranked)}
            result = yield from self._calls.one(each, "rank_passages", results.PASSAGES, department, given)
            if result.value is not None:
                before, chosen = ranked, {passage.chunk_id: None for passage in result.value}
                by_id = {passage.chunk_id: passage for passage in before}
                ranked = [by_id[chunk_id] for chunk_id in chosen if chunk_id in by_id]
                if ranked != before:
                    note_acting(each.plugin)
        return ranked

    @chained
    def extend_prompt(self, question: Question, department: str) -> Chain[list[str]]:
        """Return further lines of instructions for the model."""
        lines = []
        for call in self._calls.each("extend_prompt", results.TEXT, department, {"question": question}):
            result = yield from call
            if result.value:
                note_acting(result.plugin)
                lines.append(result.value)
        return lines

    @chained
    def check_answer(  # noqa: PLR0913, PLR0917 - as the hook
        self,
        question: Question,
        draft: str,
        passages: Sequence[Passage],
        adapter: str | None,
        source: AnswerSource,
        department: str,
    ) -> Chain[Refusal | None]:
        """Return the first refusal, or ``None`` if the text may be shown. A guard that fails refuses.

        What a guard gives to be shown instead is checked by the others.
        """
        given = {"question": question, "draft": draft, "passages": passages, "adapter": adapter, "source": source}
        refusal = yield from self._first_refusal(given, department)
        if refusal is None or refusal.failed or not refusal.replacement:
            return refusal
        instead = {**given, "draft": refusal.replacement, "source": "plugin"}
        again = yield from self._first_refusal(instead, department, without=refusal.guard)
        if again is None:
            return refusal
        return replace(refusal, replacement=UNCHECKED if again.failed else "", failed=again.failed)

    def check_result(self, result: ActionResult, person: Person, exchange: Exchange) -> ActionResult:
        """Return what came of an action as it may be shown. Whether it happened is always said."""
        if self._refusal_again(exchange, person, shown_text(result.text, result.actions), "plugin") is None:
            return result
        return replace(result, text=DONE if result.ok else NOT_DONE, actions=())

    def may_show_again(self, exchanges: Sequence[Exchange]) -> list[bool]:
        """Return which recorded answers may be shown once more, as far as guards are concerned.

        Those that every guard has checked when they were written aren't checked again. The others were imported, or a
        guard was installed or switched on since. Once a guard fails, none of these is shown.
        """
        shown, failed = [], False
        for each in exchanges:
            answer = each.answer
            if set(self.guards(answer.department)) <= answer.provenance.plugins.keys():
                shown.append(True)
                continue
            refusal: Refusal | None = None
            if not failed:
                sources = [part for one in answer.citations for part in (one.document, one.heading, one.text)]
                suggested = answer.provenance.suggestion
                text = "\n".join(filter(None, [answer.text, *sources, suggested.shown if suggested else ""]))
                refusal = self._refusal_again(each, Person(each.question.person_id), text, answer.provenance.source)
                failed = refusal is not None and refusal.failed
            shown.append(refusal is None and not failed)
        return shown

    def _refusal_again(self, exchange: Exchange, person: Person, text: str, source: AnswerSource) -> Refusal | None:
        asked, department = exchange.question, exchange.answer.department
        question = Question(asked.text, person, id=asked.id, department=department, channel=asked.channel)
        return self.check_answer(question, text, (), exchange.answer.provenance.adapter, source, department)

    def guards(self, department: str | None) -> tuple[str, ...]:
        """Return the plugins that check answers and are on for the department."""
        return tuple(each.plugin for each in self._calls.implementations("check_answer", department))

    def guards_left(self, plugin: str, department: str | None) -> tuple[str, ...]:
        """Return the guards that would still check the department's answers if the plugin were off.

        Without any, answers are shown unchecked. Ask or warn whoever is about to switch off the last one.
        """
        return tuple(name for name in self.guards(department) if name != plugin)

    def _first_refusal(self, given: Mapping[str, Any], department: str, *, without: str = "") -> Chain[Refusal | None]:
        for guard in self._calls.turns("check_answer", department):
            if guard.plugin == without:
                continue
            note_acting(guard.plugin)
            result = yield from self._calls.one(guard, "check_answer", results.VERDICT, department, given)
            if result.error is not None:
                return Refusal(guard.plugin, f"the guard {guard.plugin} failed", UNCHECKED, failed=True)
            if result.value is not None and not result.value.ok:
                GUARD_REFUSALS.labels(guard.plugin, given["source"]).inc()
                return Refusal(guard.plugin, result.value.reason, result.value.replacement or "")
        return None

    def _with_plugin(self, direct: DirectAnswer, plugin: str, department: str) -> DirectAnswer:
        acts = any(each.plugin == plugin for each in self._calls.implementations("on_action", department))
        if direct.actions and not acts:
            problem = "offered actions, but has no hook on_action"
            self._calls.health.failed(Failure(plugin, "answer_directly", department, problem))
        return replace(direct, plugin=plugin, actions=direct.actions if acts else ())
