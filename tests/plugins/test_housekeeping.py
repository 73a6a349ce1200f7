"""What Mentee does by itself, as a server does it: each job is run, and what is due has happened afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.identifiers import now
from bot.server.lifespan import Runtime
from bot.storage.tables.access import PersonRow, SessionRow
from bot.testing import run_job
from tests.bot.hooks.jobs.conftest import until

if TYPE_CHECKING:
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee


def with_an_old_session(make_home: MakeHome, engine: ScriptedEngine | None = None) -> Mentee:
    mentee = make_home(departments=["it"], built_in=["plugins.housekeeping", "tuning.plugin"], engine=engine)
    with mentee.store.write() as session:
        session.add(PersonRow(id="web:ada", name="ada"))
        session.flush()
        session.add(SessionRow(id="s", person_id="web:ada", expires_at=now() - timedelta(days=1)))
    return mentee


def sessions(mentee: Mentee) -> list[str]:
    with mentee.store.read() as session:
        return list(session.scalars(select(SessionRow.id)))


def test_each_job_runs(make_home: MakeHome) -> None:
    mentee = with_an_old_session(make_home)
    for plugin in ("housekeeping", "tuning"):
        names = [job.name for job in mentee.jobs().declared(plugin)]
        assert "retention" in names
        for name in names:
            run_job(mentee, plugin, name)
    assert sessions(mentee) == []


async def test_a_server_runs_them_by_itself(make_home: MakeHome, scripted_engine: ScriptedEngine) -> None:
    mentee = with_an_old_session(make_home, scripted_engine)
    runtime = Runtime(mentee, queues=())
    await runtime.start()
    await until(lambda: not sessions(mentee))
    await runtime.stop()
    mentee.plugins.states.switch("housekeeping", "", enabled=False, actor="test")
    assert mentee.jobs().declared("housekeeping") == []
