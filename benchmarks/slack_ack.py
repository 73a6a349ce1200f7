"""How soon Slack gets its acknowledgement while answers take a minute: Mentee beside a plain Bolt app, in one run.

    .venv/bin/python benchmarks/slack_ack.py

Both are processes of their own, connected by Socket Mode to a Slack on loopback that sends 500 mentions at once, to one
and then to the other, five times. Mentee commits each to its database before it acknowledges; the plain app, as in
Bolt's guide, acknowledges from memory and answers in its listener. No answer is ready when the last is acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # a benchmark beside this one is named like a package of the product

from plugins.slack.testing import FakeSlack
from plugins.slack.testing.fixtures import PROXIES, slack_secrets, slack_settings
from plugins.slack.testing.server import APP_TOKEN, BOT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plugins.slack.testing import Delivery

QUESTION = "Are hotels tax exempt?"
ANSWER_SECONDS = 60.0
CHANNELS = 50
TARGET_SECONDS = 1.0
SLACK_SECONDS = 3.0
NAMES = ("mentee", "bolt")


def main() -> None:
    """Measure and print; exit 1 when Mentee misses the target."""
    arguments = _arguments()
    if arguments.serve:
        serve = {"mentee": serve_mentee, "bolt": serve_bolt}[arguments.serve]
        serve(arguments.api_url)
        return
    for name in PROXIES:
        os.environ.pop(name, None)
    found = asyncio.run(measure(arguments.events, arguments.rounds))
    print(json.dumps(found) if arguments.json else _table(found))
    sys.exit(0 if found["met"] else 1)


async def measure(events: int, rounds: int) -> dict[str, Any]:
    """Return the figures of both apps, in seconds, and their ratio."""
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    lost = dict.fromkeys(NAMES, 0)
    with tempfile.TemporaryDirectory() as folder:
        _make_home(Path(folder))
        async with FakeSlack() as mentee, FakeSlack() as bolt:
            slacks = dict(zip(NAMES, (mentee, bolt), strict=True))
            children = [_start(name, slack, Path(folder)) for name, slack in slacks.items()]
            try:
                for slack in slacks.values():
                    await slack.wait_for_socket(60)
                    await slack.mention(QUESTION, channel="CWARM")
                for number in range(rounds):
                    for name, slack in slacks.items():
                        deliveries = await burst(slack, events, number)
                        seconds[name] += [delivery.seconds for delivery in deliveries]
                        lost[name] += sum(not delivery.acknowledged for delivery in deliveries)
                answered = {name: len(slack.called("chat.postMessage")) for name, slack in slacks.items()}
            finally:
                for child in children:
                    child.kill()
                    child.wait()
    return _summary(seconds, lost, answered, events, rounds)


async def burst(slack: FakeSlack, events: int, number: int) -> Sequence[Delivery]:
    """Mention the app in many channels at once and return the deliveries, acknowledged or given up."""
    asked = (
        slack.mention(QUESTION, user=f"U{event}", channel=f"C{number}-{event % CHANNELS}", again=False)
        for event in range(events)
    )
    return await asyncio.gather(*asked)


def serve_mentee(_api_url: str) -> None:
    """Serve the home in force with an engine that needs a minute for each answer."""
    from bot.app import open_mentee
    from bot.config.settings import load_settings
    from bot.server.lifespan import Runtime
    from bot.testing.engines import ScriptedEngine
    from bot.testing.notes import NotesRetriever, make_plugin

    async def run() -> None:
        retriever = NotesRetriever()
        mentee = open_mentee(
            load_settings(),
            engine=ScriptedEngine("Yes.", delay=ANSWER_SECONDS),
            built_in=("plugins.slack",),
            extra_plugins={"notes": make_plugin(register_retriever=lambda: retriever)},
            discover=False,
        )
        await Runtime(mentee, queues=()).start()
        await asyncio.Event().wait()

    asyncio.run(run())


def serve_bolt(api_url: str) -> None:
    """Serve a plain Bolt app that answers in its listener."""
    from slack_bolt import App
    from slack_bolt.adapter.socket_mode import SocketModeHandler
    from slack_sdk import WebClient

    client = WebClient(BOT_TOKEN, base_url=api_url)
    app = App(client=client, signing_secret="")

    @app.event("app_mention")
    def answer(say: Any) -> None:
        time.sleep(ANSWER_SECONDS)
        say("Yes.")

    SocketModeHandler(app, APP_TOKEN, web_client=client).start()  # type: ignore[no-untyped-call] # as Bolt has it


def _make_home(folder: Path) -> None:
    from bot.config.settings import CONFIG_NAME
    from bot.domain.departments import DepartmentSpec
    from bot.storage.migrate import upgrade
    from bot.storage.session import Store
    from plugins.slack import register_tables

    (folder / CONFIG_NAME).touch()
    store = Store(f"sqlite:///{folder / 'mentee.db'}")
    upgrade(store, {"slack": register_tables()})
    store.close()
    from bot.app import open_mentee
    from bot.config.settings import load_settings

    os.environ["MENTEE_HOME"] = str(folder)
    mentee = open_mentee(load_settings(), built_in=(), discover=False)
    mentee.add_department(DepartmentSpec("travel", "Travel"), actor="benchmark")
    mentee.close()


def _start(name: str, slack: FakeSlack, home: Path) -> subprocess.Popen[bytes]:
    settings = slack_settings(slack, "socket", {"slack": {"streaming": "native"}})["slack"]
    environment = {f"MENTEE_SLACK__{key.upper()}": str(value) for key, value in settings.items()}
    environment |= {f"MENTEE_{key}": value for key, value in slack_secrets().items()}
    environment["MENTEE_LIMITS__QUEUE"] = "1000000"  # every question is taken; a full inbox would say so instead
    command = [sys.executable, __file__, "--serve", name, "--api-url", slack.api_url]
    return subprocess.Popen(  # noqa: S603 - this file
        command, env={**os.environ, **environment, "MENTEE_HOME": str(home)}, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _summary(
    seconds: dict[str, list[float]], lost: dict[str, int], answered: dict[str, int], events: int, rounds: int
) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: {
            "p50": _percentile(taken, 50),
            "p99": _percentile(taken, 99),
            "max": max(taken),
            "unacknowledged": lost[name],
            "answered_meanwhile": answered[name],
        }
        for name, taken in seconds.items()
    }
    mentee = figures["mentee"]
    return {
        "events": events,
        "rounds": rounds,
        "answer_seconds": ANSWER_SECONDS,
        **figures,
        "ratio_p50": mentee["p50"] / figures["bolt"]["p50"],
        "ratio_p99": mentee["p99"] / figures["bolt"]["p99"],
        "met": mentee["p99"] < TARGET_SECONDS and mentee["max"] < SLACK_SECONDS and not lost["mentee"],
    }


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def _table(found: dict[str, Any]) -> str:
    lines = [f"{found['rounds']} bursts of {found['events']} events each; seconds to the acknowledgement"]
    lines += [
        f"{name:8} p50 {found[name]['p50']:.3f}  p99 {found[name]['p99']:.3f}  longest {found[name]['max']:.3f}  "
        f"not acknowledged {found[name]['unacknowledged']}"
        for name in NAMES
    ]
    lines.append(f"ratio    p50 {found['ratio_p50']:.2f}   p99 {found['ratio_p99']:.2f}")
    lines.append(f"target   p99 < {TARGET_SECONDS:g} s: {'met' if found['met'] else 'missed'}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=500, help="mentions in a burst")
    parser.add_argument("--rounds", type=int, default=5, help="bursts for each app")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--api-url", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
