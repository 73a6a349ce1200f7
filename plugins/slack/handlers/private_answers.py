"""Answers for one person in a channel: to share with it, or made with that person's own rights.

What is made with somebody's own rights never leaves them: it has no button to share it, and its thread is kept apart,
so that no later answer for the channel is told of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.deliveries import OutboxItem, delivery_id
from bot.domain.errors import NotFoundError
from bot.domain.questions import Question
from plugins.slack.client.response_urls import dismiss
from plugins.slack.copy import channels as copy
from plugins.slack.items import ANSWER, EDIT, NAME, NOTICE, OFFER, QUESTION, item_id, private_thread
from plugins.slack.outbound.addresses import PRIVATE, SHARE, private_address
from plugins.slack.workspaces.connect import others_read
from plugins.slack.workspaces.current import person_id, stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.answers import Answer, Exchange, RecordedQuestion
    from bot.domain.deliveries import InboxItem
    from bot.domain.people import Audience
    from bot.domain.ports import Retriever
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from bot.storage.session import Store
    from plugins.slack.overview.departments import AskableDepartments
    from plugins.slack.workspaces.channels import Channels
    from plugins.slack.workspaces.groups import Groups
    from plugins.slack.workspaces.threads import Threads
    from retrieval.catalog import Catalog

CLEARLY = 0.2
"""By how much a passage's chance to answer the question must exceed that of all the channel may read."""
CANDIDATES = 10
WRITTEN_FOR_ALL = ("plugin", "curated")
"""Sources of answers that a skill or a colleague wrote for whoever may ask the department."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareHandler:
    """Shares an answer that only its asker saw.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    outbox: Outbox
    history: History
    askable: AskableDepartments
    channels: Channels
    groups: Groups
    plugins: PluginHost
    client: Callable[[], AsyncWebClient]

    async def handle(self, item: InboxItem) -> None:
        """Post the answer into the thread, once, if the channel may see it now and guards let it pass.

        :raises NotFoundError: the answer is gone, or somebody else asked for it.
        :raises BusyError: Slack cannot be asked for what decides.
        """
        channel, user = item.payload["channel"], item.payload["user"]
        external = await others_read(self.client(), channel)
        settings = await self.store.run(self.channels.get, channel)
        may_ask = not settings.askers or await self.groups.hold(settings.askers, user)
        if await self.store.run(self._share, item, may_ask=may_ask, external=external):
            await dismiss(item.payload["response_url"])

    def _share(self, item: InboxItem, *, may_ask: bool, external: bool) -> bool:
        channel = item.payload["channel"]
        found = self.history.of_answer(item.payload["about"])
        shown = self.outbox.get(delivery_id(found.question.id)) if found else None
        if found is None or shown is None or shown.item.address.get("offer") != SHARE:
            raise NotFoundError("There is no such answer to share.")
        if found.question.place != channel or found.question.person_id != person_id(item.payload["user"]):
            raise NotFoundError("Somebody else asked for this answer.")
        address = shown.item.address
        allowed = may_ask and self._may_see(channel, found.answer, external=external)
        if not (allowed and all(self.plugins.may_show_again([found]))):
            where = stamped({key: address[key] for key in ("channel", "thread_ts", "user", "shown_in")})
            notice = OutboxItem(NAME, NOTICE, where, {"text": copy.cannot_share()}, id=f"out_{item.id}")
            self.outbox.add_once(notice, lane=channel)
            return False
        where = stamped({"channel": channel, "thread_ts": address["thread_ts"]})
        shared, answer_id = f"out_share_{found.answer.id}", found.answer.id
        self.outbox.add_once(OutboxItem(NAME, ANSWER, where, shown.item.payload, shared, answer_id), lane=channel)
        with self.store.write() as session:  # from now on others know of it
            self.history.move(session, found.question.id, thread=address["thread_ts"])
        return True

    def _may_see(self, channel: str, answer: Answer, *, external: bool) -> bool:
        settings = self.channels.get(channel)
        if settings.departments and answer.department not in settings.departments:
            return False
        departments = self.askable.of(self.channels.audience(settings, external=external))
        known = next((each for each in departments if each.name == answer.department), None)
        if known is None:
            return False
        if answer.provenance.source in WRITTEN_FOR_ALL:
            return known.sight.sees_answer(answer)
        return known.shows(answer.citations, answer.rests_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateAnswerHandler:
    """Asks a question again, with its asker's own rights."""

    store: Store
    inbox: Inbox
    history: History
    departments: Departments
    threads: Threads

    async def handle(self, item: InboxItem) -> Question:
        """Return the question of an offer that was taken up.

        :raises NotFoundError: the question is gone, or somebody else asked it.
        """
        question = await self.store.run(self._question, item)
        await dismiss(item.payload["response_url"])
        return question

    def _question(self, item: InboxItem) -> Question:
        user, place, asked_as = item.payload["user"], item.payload["channel"], item.payload["about"]
        found, asked = self.history.exchange(asked_as), self.inbox.get(item_id(asked_as))
        person = self.departments.person(person_id(user))
        if found is None or asked is None or (found.question.place, found.question.person_id) != (place, person.id):
            raise NotFoundError("This person has no such question.")
        payload = asked.item.payload
        if payload["external"]:
            raise NotFoundError(
                "In channels shared with another company, answers never use a person's own permissions."
            )
        audience = self.departments.audience_of(person)
        own = private_thread(payload["thread"], user, own_rights=True)
        seen = {payload["thread"], private_thread(payload["thread"], user), own}
        return Question(
            text=found.question.text,
            person=person,
            audience=audience,
            department=item.payload.get("department"),
            departments=tuple(self.departments.askable(audience)),
            channel=NAME,
            place=place,
            thread=own,
            history=self.threads.turns(place, seen, before=asked_as),
            reply_to=private_address(payload),
            train_eligible=False,
            quotes=found.question.quotes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateOffers:
    """Offers an asker a private answer if their own documents clearly hold more than the channel's.

    :param retriever: gives the retriever, which is costly to open.
    """

    inbox: Inbox
    outbox: Outbox
    history: History
    departments: Departments
    channels: Channels
    catalog: Catalog
    retriever: Callable[[], Retriever]

    def offer(self, item: OutboxItem) -> None:
        """Look into it after an answer was delivered. Blocking."""
        found = self.history.of_answer(item.answer_id) if item.answer_id else None
        asked = self.inbox.get(item_id(found.question.id)) if found else None
        if found is None or asked is None or not self._worth_it(found, asked.item):
            return
        payload = {"text": copy.offer(), "question_id": found.question.id}
        address = {**private_address(asked.item.payload), "offer": PRIVATE}
        offer = OutboxItem(NAME, OFFER, address, payload, id=f"out_offer_{found.question.id}")
        self.outbox.add_once(offer, lane=address["channel"])

    def _worth_it(self, found: Exchange, asked: InboxItem) -> bool:
        if asked.kind not in (QUESTION, EDIT) or asked.payload["direct"] or asked.payload["external"]:
            return False
        return found.answer.provenance.source not in WRITTEN_FOR_ALL and self._reads_more(found.question)

    def _reads_more(self, question: RecordedQuestion) -> bool:
        """Return whether a page that the asker may read and the channel may not answers clearly better."""
        settings = self.channels.get(question.place)
        channel = self.channels.audience(settings, external=False)
        own = self.departments.audience_of(self.departments.person(question.person_id))
        open_here = self.departments.askable(channel)
        here = [name for name in open_here if not settings.departments or name in settings.departments]
        elsewhere = [name for name in self.departments.askable(own) if name not in open_here]
        more = self._more([*here, *elsewhere], own, channel)
        if not more:
            return False
        held = max((self._best(question, name, channel) for name in here), default=0.0)
        for name, documents in more.items():
            least = max(self.departments.get(name).answers.known_threshold, held + CLEARLY)
            if self._best(question, name, own, among=documents) >= least:
                return True
        return False

    def _more(self, names: list[str], own: Audience, channel: Audience) -> Mapping[str, frozenset[str]]:
        """Return, by department, the documents that the person may read and the channel may not."""
        found = {
            name: frozenset(self.catalog.readable(name, own)) - frozenset(self.catalog.readable(name, channel))
            for name in names
        }
        return {name: documents for name, documents in found.items() if documents}

    def _best(
        self, question: RecordedQuestion, department: str, audience: Audience, *, among: frozenset[str] | None = None
    ) -> float:
        """Return the relevance of the best passage, of these documents only where they are named."""
        turns = [turn for turn in question.history if turn.leaned_on]
        passages = self.retriever().search(question.text, department, audience, k=CANDIDATES, history=turns)
        fitting = (each.relevance for each in passages if among is None or each.document_id in among)
        return max(fitting, default=0.0)
