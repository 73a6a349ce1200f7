"""If Slack's first delivery is lost, its retry is answered like a first delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from plugins.slack.testing import FakeSlack, payloads

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

    from plugins.slack.testing.fixtures import MakeSlackProject


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_an_unseen_retry_is_a_first_delivery(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="9.000001")

    delivery = await fake_slack.deliver(payloads.event(message), retry=(1, "http_timeout"))

    assert delivery.acknowledged
    post = await fake_slack.wait_for_post("C1")
    assert post.thread_ts == "9.000001"
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1


async def test_a_delivery_that_the_inbox_could_not_take_is_answered_when_it_comes_again(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project("http")
    engine = project.mentee.store.engine
    errors: list[BaseException] = []

    def break_insert(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> tuple[str, Any]:
        broken = statement.replace("INTO inbox", "INTO no_such_table")  # for the database itself to refuse
        return broken, parameters

    def note(context: ExceptionContext) -> None:
        errors.append(context.original_exception)

    event.listen(engine, "before_cursor_execute", break_insert, retval=True)
    event.listen(engine, "handle_error", note)
    first = await fake_slack.mention("Are hotels tax exempt?", again=False)
    event.remove(engine, "before_cursor_execute", break_insert)
    event.remove(engine, "handle_error", note)

    assert first.status == 500
    assert len(errors) == 1
    assert isinstance(errors[0], project.mentee.store.engine.dialect.loaded_dbapi.Error)
    assert "no_such_table" in str(errors[0])
    await fake_slack.redeliver(first, retry=(1, "http_error"))
    assert first.acknowledged
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
