"""How long a hook takes through 20 plugins: Mentee beside Errbot and opsdroid with the same message, in one run.

    .venv/bin/python benchmarks/hooks.py [--json] [--alone] [--cpu] [--peers-python FILE]

Each bot is a process of its own with 20 plugins that look for a word in the message and return a line. They take turns;
a median is of all messages, a ratio the median of the turns' ratios. Mentee calls ``extend_prompt``: each call is
guarded, has a time limit and a limit of calls at once, and its result is checked. A second row has plugins that take
their settings and their context, too. Errbot and opsdroid catch what plugins raise; a plugin that hangs stops them.
They are installed into a temporary virtual environment. One that can't be is null, and it is said why. On a busy
machine, ``--cpu`` measures the CPU time of the bot's process instead of the time that passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
PEERS = {"errbot": ("errbot==6.2.1", "pytest"), "opsdroid": ("opsdroid==0.31.0", "setuptools<81")}
"""What to install for each peer; Errbot's backend without a chat service imports pytest."""

OURS = ("mentee", "mentee with settings")
BOTS = (*OURS, *PEERS)
PLUGINS = 20
MESSAGE = "Are hotels tax exempt?"
LINE = "Name the form to show."
TARGET_MICROSECONDS = 150.0


def main() -> None:
    """Measure and print; exit 1 when Mentee misses the target."""
    arguments = _arguments()
    if arguments.serve:
        serve(arguments.serve, time.process_time if arguments.cpu else time.perf_counter)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure(_pythons(arguments, Path(folder)), arguments.rounds, arguments.messages, cpu=arguments.cpu)
    print(json.dumps(found) if arguments.json else _table(found))
    sys.exit(0 if found["met"] else 1)


def measure(pythons: dict[str, str | None], rounds: int, messages: int, *, cpu: bool) -> dict[str, Any]:
    """Return the microseconds of each bot, and theirs over Mentee's."""
    taken: dict[str, list[list[float]]] = {name: [] for name, python in pythons.items() if python}
    with ExitStack() as running:
        bots = {name: running.enter_context(_Bot(name, str(pythons[name]), cpu=cpu)) for name in taken}
        for _ in range(rounds):
            for name, bot in bots.items():
                taken[name].append(bot.ask(messages))
    by_turn = {name: [median(turn) for turn in turns] for name, turns in taken.items()}

    def ratio(name: str) -> float | None:
        if name not in by_turn:
            return None
        return median(their / our for their, our in zip(by_turn[name], by_turn["mentee"], strict=True))

    microseconds = {
        name: median(second for turn in taken[name] for second in turn) * 1e6 if name in taken else None
        for name in pythons
    }
    return {
        "plugins": PLUGINS,
        "rounds": rounds,
        "messages_per_round": messages,
        "clock": "cpu" if cpu else "wall",
        "microseconds": microseconds,
        "messages_per_second": {name: 1e6 / each if each else None for name, each in microseconds.items()},
        "ratios": {name: ratio(name) for name in pythons if name != "mentee"},
        "met": all((microseconds[name] or 0.0) <= TARGET_MICROSECONDS for name in OURS),
    }


class _Bot:
    """A bot in a process of its own, which is told how many messages to take."""

    def __init__(self, name: str, python: str, *, cpu: bool) -> None:
        command = [python, __file__, "--serve", name, *["--cpu"] * cpu]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)} if name in OURS else {**os.environ}
        self._process = subprocess.Popen(  # noqa: S603 - this file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        self.ask(200)  # the first ones open what is opened once
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, messages: int) -> list[float]:
        """Return the seconds that each message took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{messages}\n")
        self._process.stdin.flush()
        seconds: list[float] = json.loads(self._process.stdout.readline())
        return seconds


# --- the processes of the bots --------------------------------------------------------------------------------------


def serve(name: str, clock: Callable[[], float]) -> None:
    """Take as many messages as each line says; print the seconds of each by the clock."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a bot prints is no answer
    with tempfile.TemporaryDirectory() as folder:
        makers: dict[str, Callable[[Path], Iterator[Callable[[], object]]]] = {
            "mentee": _mentee,
            "mentee with settings": _mentee_with_settings,
            "errbot": _errbot,
            "opsdroid": _opsdroid,
        }
        for take in makers[name](Path(folder)):
            for line in sys.stdin:
                answers.write(json.dumps([_seconds(take, clock) for _ in range(int(line))]) + "\n")
                answers.flush()


def _seconds(take: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    take()
    return clock() - started


def _mentee(folder: Path) -> Iterator[Callable[[], object]]:
    from bot import Question, hookimpl

    class Plugin:
        @hookimpl
        def extend_prompt(self, question: Question) -> str | None:
            return LINE if "exempt" in question.text else None

    return _hook_of(Plugin, folder)


def _mentee_with_settings(folder: Path) -> Iterator[Callable[[], object]]:
    from pydantic import BaseModel

    from bot import PluginContext, Question, hookimpl

    class Settings(BaseModel):
        word: str = "exempt"

    class Plugin:
        @hookimpl
        def register_settings(self) -> type[BaseModel]:
            return Settings

        @hookimpl
        def extend_prompt(self, question: Question, settings: Settings, context: PluginContext) -> str | None:
            return LINE if context.department and settings.word in question.text else None

    return _hook_of(Plugin, folder)


def _hook_of(plugin: type, folder: Path) -> Iterator[Callable[[], object]]:
    from bot import Person, Question
    from bot.app import open_mentee
    from bot.config.settings import CONFIG_NAME, load_settings
    from bot.storage.migrate import upgrade
    from bot.storage.session import Store

    (folder / CONFIG_NAME).touch()
    os.environ["MENTEE_HOME"] = str(folder)
    store = Store(f"sqlite:///{folder / 'mentee.db'}")
    upgrade(store)
    store.close()
    plugins = {f"plugin-{number}": plugin() for number in range(PLUGINS)}
    mentee = open_mentee(load_settings(), built_in=(), extra_plugins=plugins, discover=False)
    question = Question(MESSAGE, Person("user:ada"), department="travel")
    assert mentee.plugins.extend_prompt(question, "travel") == [LINE] * PLUGINS
    yield lambda: mentee.plugins.extend_prompt(question, "travel")
    mentee.close()


def _errbot(folder: Path) -> Iterator[Callable[[], object]]:
    import logging
    from types import SimpleNamespace

    from errbot.backends.base import Message
    from errbot.bootstrap import setup_bot

    logging.disable(logging.WARNING)
    for number in range(PLUGINS):
        path = folder / "plugins" / f"plugin{number}"
        path.mkdir(parents=True)
        (path / "it.plug").write_text(f"[Core]\nName = Bench{number}\nModule = it\n[Python]\nVersion = 3\n")
        (path / "it.py").write_text(
            f"from errbot import BotPlugin\n\n\nclass Bench{number}(BotPlugin):\n"
            f"    def callback_message(self, message):\n"
            f"        self.heard = {LINE!r} if 'exempt' in message.body else None\n"
        )
    config = SimpleNamespace(
        BACKEND="Null", STORAGE="Memory", BOT_DATA_DIR=str(folder), BOT_EXTRA_PLUGIN_DIR=str(folder / "plugins"),
        BOT_LOG_FILE=None, BOT_LOG_LEVEL=logging.ERROR, BOT_ADMINS=("ada",), BOT_IDENTITY={"username": "err"},
        CORE_PLUGINS=(), TEXT_COLOR_THEME="light",
    )  # fmt: skip
    bot: Any = setup_bot("Null", logging.getLogger(), config)
    bot.plugin_manager.activate_non_started_plugins()
    for each in bot.plugin_manager.get_all_active_plugins():
        if not each.name.startswith("Bench"):
            bot.plugin_manager.deactivate_plugin(each.name)  # Errbot's own, which do nothing with the message

    def take() -> None:
        message = Message(MESSAGE, bot.build_identifier("ada"), bot.bot_identifier)
        bot.callback_message(message)

    take()
    active = bot.plugin_manager.get_all_active_plugins()
    assert [each.heard for each in active] == [LINE] * PLUGINS
    yield take


def _opsdroid(_folder: Path) -> Iterator[Callable[[], object]]:
    import gettext

    gettext.install("opsdroid")  # as its command does
    from opsdroid.core import OpsDroid
    from opsdroid.events import Message
    from opsdroid.matchers import match_always

    heard: list[str] = []

    def made() -> Any:
        async def skill(event: Any) -> None:
            if "exempt" in event.text:
                heard.append(LINE)

        matched = match_always(skill)
        matched.config = {}
        return matched

    with OpsDroid() as bot:
        bot.skills.extend(made() for _ in range(PLUGINS))

        def take() -> None:
            heard.clear()
            bot.eventloop.run_until_complete(bot.parse(Message(text=MESSAGE, user="ada", target="travel")))

        take()
        assert heard == [LINE] * PLUGINS
        yield take


# --- what is measured and how it is printed ---------------------------------------------------------------------------


def _pythons(arguments: argparse.Namespace, folder: Path) -> dict[str, str | None]:
    """Return the interpreter of each bot; ``None`` for one that can't be installed."""
    ours: dict[str, str | None] = dict.fromkeys(OURS, sys.executable)
    if arguments.alone:
        return ours
    if arguments.peers_python:
        return ours | dict.fromkeys(PEERS, str(arguments.peers_python))
    venv.create(folder / "peers", with_pip=True)
    python = folder / "peers" / "bin" / "python"
    return ours | {name: str(python) if _install(python, packages) else None for name, packages in PEERS.items()}


def _install(python: Path, packages: Sequence[str]) -> bool:
    command = [str(python), "-m", "pip", "install", "--quiet", *packages]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - packages named above
    if installed.returncode:
        last = (installed.stderr.strip() or "pip failed").splitlines()[-1]
        print(f"{packages[0]} can't be installed for Python {sys.version.split()[0]}: {last}", file=sys.stderr)
    return not installed.returncode


def _table(found: dict[str, Any]) -> str:
    turns = f"{found['rounds']} turns of {found['messages_per_round']} messages"
    lines = [f"{found['plugins']} plugins, {turns}, {found['clock']} time"]
    for name, microseconds in found["microseconds"].items():
        if microseconds is None:
            lines.append(f"{name:22} null")
            continue
        ratio = found["ratios"].get(name)
        beside = f"  {ratio:5.2f} times Mentee's" if ratio else ""
        lines.append(f"{name:22} {microseconds:7.0f} µs  {found['messages_per_second'][name]:8,.0f} messages/s{beside}")
    lines.append(f"target of both of Mentee's: {TARGET_MICROSECONDS:g} µs, {'met' if found['met'] else 'missed'}")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each bot")
    parser.add_argument("--messages", type=int, default=400, help="messages in a turn")
    parser.add_argument("--alone", action="store_true", help="leave the peers out")
    parser.add_argument("--peers-python", type=Path, help="a Python that has the peers, instead of installing them")
    parser.add_argument("--cpu", action="store_true", help="CPU time instead of the time that passes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", choices=BOTS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
