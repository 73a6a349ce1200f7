"""The order of all hooks in one real run: a department, a server, a question, a vote, a correction and a round."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.answers import Done
from bot.domain.departments import DepartmentSpec
from bot.domain.feedback import Correction, Vote
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.hooks import specs
from bot.hooks.specs import hookimpl
from bot.server.app import build_app
from bot.server.lifespan import Runtime
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome
    from bot.testing.votes import ImportVotes

BY_THE_CLOCK = "register_jobs"
"""Called again and again, whatever else happens."""

HOOKS = [name for name, value in vars(specs).items() if inspect.isfunction(value) and name != BY_THE_CLOCK]
ROUND_SECONDS = 240

AT_START = ["register_section", "register_tables"]
DEPARTMENT = ["register_settings", "start_department"]
SERVER = ["register_routes", "register_channels", "register_services"]
"""The last two are called at the same time."""
QUESTION = [
    "claim_question",
    "route_question",
    "register_retriever",  # when first needed: here to compare what the departments know
    "enrich_question",
    "answer_directly",
    "rank_passages",
    "register_engine",
    "extend_prompt",
    "check_answer",
    "on_answer_recorded",
]
FEEDBACK = ["on_vote_recorded", "on_correction_recorded"]
DATASET = ["scrub_text", "extend_prompt", "filter_training_example"]


class Everything:
    """A plugin that implements every hook that has its place in a run, notes each call, and otherwise does nothing."""

    def __init__(self) -> None:
        self._called: list[str] = []
        self.finished = threading.Event()
        brings: dict[str, object] = {
            "register_engine": ScriptedEngine("Hotels are tax exempt in 12 states [1]."),
            "register_retriever": NotesRetriever(),
        }
        for hook in HOOKS:
            setattr(self, hook, hookimpl(self._noting(hook, brings.get(hook))))

    def _noting(self, hook: str, brought: object) -> Callable[..., object]:
        def note() -> object:
            self._called.append(hook)
            if hook == "on_round_finished":
                self.finished.set()
            return brought

        def note_with_settings(settings: object) -> object:  # noqa: ARG001 - only to be given them
            return note()

        return note_with_settings if "settings" in inspect.signature(getattr(specs, hook)).parameters else note

    def take(self) -> list[str]:
        """Return the hooks called since this was asked last, each once, by first call."""
        called, self._called = self._called, []
        return list(dict.fromkeys(called))


async def ask(mentee: Mentee) -> str:
    question = Question("Are hotels tax exempt?", Person("user:ada"))
    events = [event async for event in mentee.answer(question)]
    assert isinstance(events[-1], Done)
    mentee.recorder.record(question, events[-1].answer)
    return events[-1].answer.id


def run_round(mentee: Mentee, plugin: Everything) -> None:
    services.rounds(mentee).start("travel", actor="test")
    worker = services.round_worker(mentee)
    worker.launch()
    try:
        assert plugin.finished.wait(ROUND_SECONDS)
    finally:
        worker.shut_down()


@pytest.mark.timeout(ROUND_SECONDS)
@pytest.mark.parametrize(
    ("votes", "round_hooks"),
    [
        pytest.param(6, [*DATASET, "on_round_finished"], id="refused"),
        pytest.param(60, [*DATASET, "on_round_metric", "on_round_finished"], id="trained", marks=pytest.mark.full),
    ],
)
async def test_hooks_are_called_in_the_order_of_the_run(
    make_home: MakeHome, tiny_model: Path, import_made_up_votes: ImportVotes, votes: int, round_hooks: list[str]
) -> None:
    plugin = Everything()
    settings: dict[str, dict[str, Any]] = {
        "model": {"name": tiny_model.name, "max_new_tokens": 12, "dtype": "float32", "threads": 1},
        "tuning": {"min_examples": 20, "min_questions": 8, "epochs": 1, "lora_rank": 2, "person_share": 0.2},
    }
    mentee = make_home(
        settings=settings,
        secrets={"MODELS_DIR": str(tiny_model.parent)},
        built_in=("tuning.plugin",),
        extra_plugins={"everything": plugin},
    )
    assert plugin.take() == AT_START
    for name in ("travel", "it"):
        mentee.add_department(DepartmentSpec(name, name.title()), actor="test")
    assert plugin.take() == DEPARTMENT
    runtime = Runtime(mentee, queues=())
    build_app(mentee, runtime)
    await runtime.start()
    await runtime.stop()
    called = plugin.take()
    assert [called[0], *sorted(called[1:])] == SERVER
    answer = await ask(mentee)
    assert plugin.take() == QUESTION
    mentee.votes.record(Vote(answer, Person("user:ada"), "up"))
    mentee.votes.correct(Correction(answer, Person("user:kim", role=Role.AGENT), "In 13 states."))
    assert plugin.take() == FEEDBACK
    import_made_up_votes(mentee, votes, department="travel")
    run_round(mentee, plugin)
    assert plugin.take() == round_hooks
