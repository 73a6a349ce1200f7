"""Take the pictures of Slack in the docs: ``make pictures``.

An instance is connected to a fake Slack, people ask, vote and hand on, and what Mentee really sent is drawn by
``block_kit.py``. Only the model's words are given. It needs Chromium, and the fonts Lato and Noto Color Emoji.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from block_kit import Drawing, Said

from bot.access.people import People
from bot.app import Mentee
from bot.config.settings import load_settings
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Person, Role
from bot.server.lifespan import Runtime
from bot.storage.migrate import upgrade
from bot.storage.tables.documents import DocumentRow, SnapshotRow
from bot.testing.browser import CHROMIUM, SWITCHES
from bot.testing.engines import ScriptedEngine
from bot.testing.homes import OFFLINE
from bot.testing.notes import NotesRetriever, make_plugin
from plugins.slack.testing import FakeSlack
from plugins.slack.testing.fixtures import PROXIES, SlackProject, slack_secrets, slack_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from plugins.slack.testing import Post

FOLDER = Path(__file__).parents[1] / "docs" / "images"
MAYA, JONAS, AMIRA, TOM = "U1", "U2", "U3", "U4"
NAMES = {MAYA: "Maya", JONAS: "Jonas", AMIRA: "Amira", TOM: "Tom"}
ASKED, HELPERS, TRAVELLERS, PRIVATE = "CPEOPLE", "CHELPERS", "CTRAVEL", "D2"
DEPARTMENTS = (DepartmentSpec("people", "People & Culture"), DepartmentSpec("travel", "Travel"))
CARRY = (
    "You can carry over up to ten days of annual leave into the next year. Ask your manager in the leave calendar "
    "before 15 December. The days lapse on 31 March."
)
NOTES = {
    "people": [
        ("https://handbook.example.com/leave", "Annual leave › Carrying days over", CARRY),
        (
            "https://handbook.example.com/parental-leave",
            "Parental leave › Your annual leave",
            "Days of leave from before parental leave do not lapse; you can take them in the year you return.",
        ),
        (
            "https://handbook.example.com/remote-work",
            "Remote work › From abroad",
            "You may work from another country for up to 20 days a year. Tell your manager a month before.",
        ),
    ],
    "travel": [
        (
            "https://handbook.example.com/travel/hotels",
            "Hotels › What is paid",
            "What a hotel may cost for a night: up to 140 euros with breakfast, in capitals up to 190.",
        ),
        (
            "https://handbook.example.com/travel/trains",
            "Trains › Booking",
            "First class on trains may be booked for a journey of more than two hours.",
        ),
    ],
}


@asynccontextmanager
async def workspace(home: Path) -> AsyncIterator[SlackProject]:
    """Serve a fake Slack with people, departments and documents from a new home."""
    async with FakeSlack() as slack:
        slack.web_api.people = {user: {"display_name": name} for user, name in NAMES.items()}
        sections = slack_settings(slack, "socket", {**OFFLINE, "slack": {"streaming": "native"}})
        secrets = {name.lower().removeprefix("slack_"): secret for name, secret in slack_secrets().items()}
        engine, retriever = ScriptedEngine(), NotesRetriever(NOTES)
        mentee = Mentee(
            load_settings({"home": home, **sections, "slack": {**sections["slack"], **secrets}}, must_exist=False),
            engine=engine,
            built_in=("plugins.slack",),
            extra_plugins={"notes": make_plugin(register_retriever=lambda: retriever)},
            discover=False,
        )
        upgrade(mentee.store, mentee.plugins.register_tables())
        furnish(mentee)
        project = SlackProject(mentee, slack, engine, Runtime(mentee, queues=()), "socket")
        await project.start()
        try:
            yield project
        finally:
            await project.stop()
            mentee.close()


def furnish(mentee: Mentee) -> None:
    """Add the departments with their documents, and Jonas, who takes their questions."""
    People(mentee.store).ensure(Person(f"slack:{JONAS}", NAMES[JONAS], Role.AGENT))
    for spec in DEPARTMENTS:
        mentee.departments.add(spec, actor="pictures")
        with mentee.store.write() as session:
            session.add(SnapshotRow(id=spec.name, department=spec.name, embedder="none", active=True))
            for address, heading, text in NOTES[spec.name]:
                parts = {"source": address, "title": heading, "sha256": address, "size": len(text)}
                session.add(DocumentRow(department=spec.name, address=address, **parts))
    desk = {"escalations.channel": f"slack:{HELPERS}", "escalations.owners": [f"slack:{JONAS}"]}
    mentee.departments.configure("people", desk, actor="pictures")


class Scene:
    """What people do, in order, and the pages of what they see."""

    def __init__(self, project: SlackProject) -> None:
        self._project = project
        self._slack = project.slack
        self._draw = Drawing(NAMES)

    async def pages(self) -> Mapping[str, str]:
        """Return the pages by the name of their picture.

        :raises UnknownPartError: Mentee sent a block that is not drawn.
        """
        answer = await self._asked(
            "How many days of leave can I carry over?",
            "You can carry over **up to ten days** of annual leave [1].\n\n"
            "- Ask your manager in the leave calendar before 15 December [1].\n"
            "- Take the days by 31 March; then they lapse [1].\n\n"
            "Days from before a parental leave do not lapse [2].",
            by=MAYA,
            channel=ASKED,
        )
        pages = {"slack-answer": self._thread("# people-and-culture", answer)}
        pages["slack-reason"] = self._draw.modal(await self._voted_down(answer, by=AMIRA, reason="incomplete"))
        hotel = "A night may cost up to 140 euros with breakfast, in capitals up to 190 [1]."
        hotels = await self._asked("What may a hotel cost for a night?", hotel, by=TOM, channel=TRAVELLERS)
        await self._voted_down(hotels, by=TOM, reason="outdated")
        abroad = "Yes, for up to 20 days a year. Tell your manager a month before [1]."
        await self._asked("May I work from another country?", abroad, by=JONAS, channel=PRIVATE)
        trains = "Yes, for a journey of more than two hours [1]."
        await self._asked("May I book first class on trains?", trains, by=JONAS, channel=PRIVATE)
        note = await self._handed_on()
        pages["slack-home"] = await self._home(JONAS)
        pages["slack-escalation"] = await self._resolved(note)
        return pages

    async def _asked(self, question: str, answer: str, *, by: str, channel: str) -> Post:
        """Ask, and return the answer's message."""
        self._project.engine.say(answer)
        self._project.engine.gate.clear()  # an answer that is ready before its stream has begun would come whole
        ask = self._slack.message if channel.startswith("D") else self._slack.mention
        asked = await ask(question, user=by, channel=channel)
        await self._slack.wait_until(lambda: self._slack.posts(channel, thread=asked.ts))
        self._project.engine.gate.set()
        post = await self._slack.wait_until(
            lambda: next((post for post in self._slack.posts(channel, thread=asked.ts) if not post.streaming), None)
        )
        assert post is not None
        await self._project.settled()
        return post

    async def _voted_down(self, post: Post, *, by: str, reason: str) -> Mapping[str, object]:
        """Press the thumb down, give a reason, and return the modal that asked for it."""
        opened = len(self._slack.views)
        await self._slack.press("down", user=by, post=post)
        await self._slack.wait_until(lambda: len(self._slack.views) > opened)
        view = self._slack.views[opened]
        await self._slack.submit_view(view, user=by, reason=reason)
        await self._project.settled()
        return view

    async def _handed_on(self) -> Post:
        """Ask what the pages leave open, press the button, and return the note to the helpers."""
        post = await self._asked(
            "Can I carry over more than ten days of leave after a long project?",
            "You can carry over up to ten days of annual leave [1]. The page names no exception for projects.",
            by=MAYA,
            channel=ASKED,
        )
        await self._slack.press_button("Ask a person", user=MAYA, post=post)
        note = await self._slack.wait_for_post(HELPERS)
        await self._project.settled()
        return note

    async def _home(self, user: str) -> str:
        homes = self._slack.surfaces.homes
        await self._slack.open_home(user=user)
        await self._slack.wait_until(lambda: user in homes)
        return self._draw.home(homes[user])

    async def _resolved(self, note: Post) -> str:
        """Reply below the note, mark the reply, and return the page of the note's thread."""
        reply = "Yes, up to five more days, if your manager confirms by 15 December that the project needed you."
        await self._slack.message(reply, user=JONAS, channel=HELPERS, thread_ts=note.ts)
        written = self._slack.web_api.posts[-1]
        await self._slack.react("white_check_mark", user=JONAS, post=written)
        await self._slack.wait_for_post(HELPERS, thread=note.ts)
        await self._project.settled()
        return self._thread("# people-helpers", note, marked=written)

    def _thread(self, place: str, post: Post, *, marked: Post | None = None) -> str:
        """Return the page of everything said in a message's thread."""
        root = post.thread_ts or post.ts
        said = [
            Said(each.user, float(each.ts), each.text, each.blocks, ["white_check_mark"] if each is marked else [])
            for each in self._slack.web_api.posts
            if each.channel == post.channel and root in (each.ts, each.thread_ts)
        ]
        return self._draw.thread(place, said)


async def record(home: Path) -> Mapping[str, str]:
    """Return the pages by the name of their picture; ``MENTEE_HOME`` is to name ``home``, an empty folder."""
    async with workspace(home) as project:
        return await Scene(project).pages()


def take(pages: Mapping[str, str], folder: Path) -> None:
    """Save a picture of each page."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        sys.exit("There is no Chromium on this machine. Install the package chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        page = browser.new_page(viewport={"width": 800, "height": 600}, device_scale_factor=2)
        for name, content in pages.items():
            page.set_content(content)
            picture = Image.open(BytesIO(page.locator("#picture").screenshot())).convert("RGB")
            # Less than half the bytes, and no difference to be seen.
            few_colours = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few_colours.save(folder / f"{name}.png", optimize=True)
        browser.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="where the pictures go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROXIES:  # the SDK sends even loopback through a proxy named there
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MENTEE_HOME"] = home
        pages = asyncio.run(record(Path(home)))
    take(pages, folder)


if __name__ == "__main__":
    main()
