"""Answers for one person in a channel: to share with it, or made with that person's own rights.

What is made with somebody's own rights never leaves them: it has no button to share it, and its thread is kept apart,
so that no later answer for the channel is told of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.errors import NotFoundError
from bot.messages import OutboxItem, Question, Turn, delivery_id
from bot.store.models import AnswerRow, InboxRow, OutboxRow, QuestionRow
from plugins.slack.conversations.addresses import ALONE, SHARE, private_address
from plugins.slack.conversations.arrivals import EDIT
from plugins.slack.conversations.channels import Channels
from plugins.slack.conversations.connect import others_read
from plugins.slack.conversations.threads import Threads, private_thread
from plugins.slack.conversations.whispers import dismiss
from plugins.slack.events import NAME, QUESTION
from plugins.slack.surfaces.overview import Overview
from plugins.slack.texts import channels as texts
from plugins.slack.workspaces import person_id, stamped
from retrieval.rights import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import Audience, InboxItem
    from plugins.slack.conversations.groups import Groups

CLEARLY = 0.2
"""By how much a passage's chance to answer the question must exceed that of all the channel may read."""
CANDIDATES = 10
WRITTEN_FOR_ALL = ("plugin", "curated")
"""Sources of answers that a skill or a colleague wrote for whoever may ask the department."""


class Private:
    """Shares answers and offers to answer in private.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, groups: Groups, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._groups = groups
        self._client = client
        self._channels = Channels(mentee)
        self._threads = Threads(mentee.store)
        self._overview = Overview(mentee)

    async def share(self, item: InboxItem) -> None:
        """Post an answer that only its asker saw into the thread, once, if the channel may see it now.

        :raises NotFoundError: the answer is gone, or somebody else asked for it.
        :raises BusyError: Slack cannot be asked for what decides.
        """
        channel, user = item.payload["channel"], item.payload["user"]
        external = await others_read(self._client(), channel)
        settings = await self._mentee.store.run(self._channels.get, channel)
        may_ask = not settings.askers or await self._groups.hold(settings.askers, user)
        if await self._mentee.store.run(self._share, item, may_ask=may_ask, external=external):
            await dismiss(item.payload["response_url"])

    async def alone(self, item: InboxItem) -> Question:
        """Return the question of an offer that was taken up, asked with the person's own rights.

        :raises NotFoundError: the question is gone, or somebody else asked it.
        """
        question = await self._mentee.store.run(self._alone, item)
        await dismiss(item.payload["response_url"])
        return question

    def offer(self, item: OutboxItem) -> None:
        """Offer the asker a private answer if their own documents clearly hold more than the channel's. Blocking."""
        with self._mentee.store.read() as session:
            answer = session.get(AnswerRow, item.answer_id)
            question = session.get(QuestionRow, answer.question_id) if answer else None
            asked = session.get(InboxRow, question.id.removeprefix("q_")) if question else None
        if answer is None or question is None or asked is None or asked.kind not in (QUESTION, EDIT):
            return
        private = asked.payload["direct"] or asked.payload["external"]
        if private or answer.provenance["source"] in WRITTEN_FOR_ALL or not self._reads_more(question):
            return
        payload = {"text": texts.offer(), "question_id": question.id}
        address = {**private_address(asked.payload), "offer": ALONE}
        self._add(OutboxItem(NAME, "offer", address, payload, id=f"out_offer_{question.id}"))

    def _share(self, item: InboxItem, *, may_ask: bool, external: bool) -> bool:
        answer_id, channel = item.payload["about"], item.payload["channel"]
        shared = f"out_share_{answer_id}"
        with self._mentee.store.read() as session:
            answer = session.get(AnswerRow, answer_id)
            question = session.get(QuestionRow, answer.question_id) if answer else None
            shown = session.get(OutboxRow, delivery_id(question.id)) if question else None
        if answer is None or question is None or shown is None or shown.address.get("offer") != SHARE:
            raise NotFoundError("There is no such answer to share.")
        if question.place != channel or question.person_id != person_id(item.payload["user"]):
            raise NotFoundError("Somebody else asked for this answer.")
        if not (may_ask and self._may_see(channel, answer, external=external)):
            address = stamped({key: shown.address[key] for key in ("channel", "thread_ts", "user", "shown_in")})
            self._add(OutboxItem(NAME, "notice", address, {"text": texts.cannot_share()}, id=f"out_{item.id}"))
            return False
        address = stamped({"channel": channel, "thread_ts": shown.address["thread_ts"]})
        self._add(OutboxItem(NAME, "answer", address, shown.payload, shared, answer_id))
        with self._mentee.store.write() as session:
            session.get_one(QuestionRow, question.id).thread = address["thread_ts"]  # from now on others know of it
        return True

    def _may_see(self, channel: str, answer: AnswerRow, *, external: bool) -> bool:
        settings = self._channels.get(channel)
        if settings.departments and answer.department not in settings.departments:
            return False
        audience = self._channels.audience(settings, external=external)
        departments = {each.name: each for each in self._overview.departments(audience)}
        known = departments.get(answer.department)
        if known is None:
            return False
        return answer.provenance["source"] in WRITTEN_FOR_ALL or known.shows(answer.citations)

    def _alone(self, item: InboxItem) -> Question:
        user, place, question_id = item.payload["user"], item.payload["channel"], item.payload["about"]
        with self._mentee.store.read() as session:
            question = session.get(QuestionRow, question_id)
            asked = session.get(InboxRow, question_id.removeprefix("q_"))
        person = self._mentee.departments.person(person_id(user))
        if question is None or asked is None or (question.place, question.person_id) != (place, person.id):
            raise NotFoundError("There is no such question of this person.")
        if asked.payload["external"]:
            raise NotFoundError("Where another company reads along, nothing is answered with a person's own rights.")
        audience, thread = self._mentee.departments.audience_of(person), asked.payload["thread"]
        own = private_thread(thread, user, own_rights=True)
        seen = {thread, private_thread(thread, user), own}
        return Question(
            text=question.text,
            person=person,
            audience=audience,
            departments=tuple(self._mentee.departments.askable(audience)),
            channel=NAME,
            place=place,
            thread=own,
            history=self._threads.history(place, seen, before=question_id),
            reply_to=private_address(asked.payload),
            train_eligible=False,
        )

    def _reads_more(self, question: QuestionRow) -> bool:
        """Return whether a page that the asker may read and the channel may not answers clearly better."""
        departments, settings = self._mentee.departments, self._channels.get(question.place)
        channel = self._channels.audience(settings, external=False)
        own = departments.audience_of(departments.person(question.person_id))
        open_here = departments.askable(channel)
        here = [name for name in open_here if not settings.departments or name in settings.departments]
        more = self._more([*here, *(name for name in departments.askable(own) if name not in open_here)], own, channel)
        if not more:
            return False
        held = max((self._best(question, name, channel) for name in here), default=0.0)
        for name, documents in more.items():
            least = max(departments.get(name).answers.known_threshold, held + CLEARLY)
            if self._best(question, name, own, among=documents) >= least:
                return True
        return False

    def _more(self, names: list[str], own: Audience, channel: Audience) -> Mapping[str, frozenset[str]]:
        """Return, by department, the documents that the person may read and the channel may not."""
        with self._mentee.store.read() as session:
            found = {
                name: frozenset(readable(session, name, own)) - frozenset(readable(session, name, channel))
                for name in names
            }
        return {name: documents for name, documents in found.items() if documents}

    def _best(
        self, question: QuestionRow, department: str, audience: Audience, *, among: frozenset[str] | None = None
    ) -> float:
        """Return the relevance of the best passage, of these documents only where they are named."""
        history = [Turn(turn["question"], turn["answer"]) for turn in question.history]
        passages = self._mentee.retriever.search(question.text, department, audience, k=CANDIDATES, history=history)
        fitting = (each.relevance for each in passages if among is None or each.document_id in among)
        return max(fitting, default=0.0)

    def _add(self, item: OutboxItem) -> None:
        """Put a delivery into the outbox, once however often it is tried."""
        with self._mentee.store.write() as session:
            if session.get(OutboxRow, item.id) is None:
                self._mentee.outbox.add(session, item, lane=item.address["channel"])
