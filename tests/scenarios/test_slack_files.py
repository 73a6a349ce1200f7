"""Files that come with a question in Slack: read where a parser can, named where not, shown to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.access.places import Place
from bot.domain.feedback import Correction
from bot.domain.people import EVERYONE, Audience, Person, Role
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.testing.notes import make_plugin
from plugins.slack.handlers import attachments
from plugins.slack.testing import FakeSlack, error, http_error
from retrieval.parse.dispatch import built_in_parsers

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

PARSERS = {"parsers": make_plugin(register_parsers=built_in_parsers)}
MEMO = b"# Parking\n\nParking in garage B costs 9 dollars a day for visitors.\n"
ANSWER = "Parking in garage B costs 9 dollars a day [1]."
TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@pytest.fixture
async def project(slack_project: MakeSlackProject) -> SlackProject:
    made = await slack_project(plugins=PARSERS)
    made.engine.answer = ANSWER
    return made


def prompt(project: SlackProject) -> Any:
    return "\n".join(message.content for message in project.engine.requests[-1].messages)


def question(project: SlackProject) -> Any:
    with project.mentee.store.read() as session:
        return session.scalars(select(QuestionRow)).one()


@TRANSPORTS
@pytest.mark.parametrize("place", ["C1", "D1"])
async def test_a_file_is_read_for_its_question_and_cited_by_name(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, place: str
) -> None:
    project = await slack_project(transport, plugins=PARSERS)
    project.engine.answer = ANSWER
    memo = fake_slack.files.add("parking.md", MEMO)
    ask = fake_slack.mention if place == "C1" else fake_slack.message
    await ask("What does parking in garage B cost?", channel=place, files=[memo])
    post = await fake_slack.wait_for_post(place)
    assert ANSWER in post.shown
    assert "[1] Parking — parking.md" in post.shown
    assert "Parking in garage B costs 9 dollars a day for visitors." in prompt(project)
    assert (
        project.mentee.retriever.search("garage B", "travel", Audience(frozenset({EVERYONE})))[0].document
        != "parking.md"
    )


async def test_its_text_is_stored_nowhere_and_teaches_nobody(project: SlackProject, fake_slack: FakeSlack) -> None:
    project.mentee.places.configure(Place("slack:C1", train_eligible=True), actor="test")
    memo = fake_slack.files.add("parking.md", MEMO + b"The gate code is 7-marker-7.\n")
    await fake_slack.mention("What does parking in garage B cost?", files=[memo])
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    with project.mentee.store.read() as session:
        answer = session.scalars(select(AnswerRow)).one()
    row = question(project)
    assert row.train_eligible is False
    assert row.attachments == [{"name": "parking.md", "problem": ""}]
    assert [citation["text"] for citation in answer.citations] == [""]
    assert answer.provenance["chunks"][0]["chunk_id"] == "attached:parking.md#0"
    files = project.mentee.settings.home.glob("mentee.db*")
    assert not any(b"7-marker-7" in file.read_bytes() for file in files)
    live = project.mentee.votes.correct(Correction(answer.id, Person("web:ada", role=Role.AGENT), "It costs 10."))
    assert live is False
    await fake_slack.mention("What does parking in garage B cost?", channel="C2", user="U2")
    other = await fake_slack.wait_for_post("C2")
    assert post.ts != other.ts
    assert "It costs 10." not in other.shown
    assert "parking.md" not in other.shown


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("screenshot.png", b"\x89PNG\r\n\x1a\n", "I can't read images (screenshot.png)."),
        ("memo.m4a", b"x", "I can't read sound recordings (memo.m4a)."),
        ("empty.txt", b" ", "I can't read empty.txt: it is empty."),
        ("plan.zip", b"PK\x03\x04rest", "I can't read plan.zip: no parser reads it"),
        ("broken.pdf", b"no pdf", "I can't read broken.pdf: it is not a PDF file"),
    ],
)
async def test_what_cannot_be_read_is_named_with_the_reason(
    project: SlackProject, fake_slack: FakeSlack, name: str, data: bytes, said: str
) -> None:
    project.engine.answer = "Hotels are tax exempt in 12 states [1]."
    await fake_slack.mention("Are hotels tax exempt?", files=[fake_slack.files.add(name, data)])
    post = await fake_slack.wait_for_post("C1")
    assert "12 states" in post.shown
    assert said in post.shown


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"mode": "tombstone"}, "it was deleted"),
        ({"mode": "hidden_by_limit"}, "your Slack plan hides it"),
        ({"is_external": True, "external_type": "gdrive"}, "it isn't stored in Slack"),
        ({"size": 30_000_000}, "larger than 20 MB"),
        ({"url_private": "https://evil.example/x", "url_private_download": ""}, "it isn't stored in Slack"),
    ],
)
@pytest.mark.usefixtures("project")
async def test_what_slack_does_not_hold_is_not_asked_for(fake_slack: FakeSlack, parts: Any, said: str) -> None:
    memo = fake_slack.files.add("parking.md", MEMO, **parts)
    await fake_slack.mention("Are hotels tax exempt?", files=[memo])
    assert said in (await fake_slack.wait_for_post("C1")).shown
    assert fake_slack.called("files.download") == []


@pytest.mark.parametrize("refusal", ["redirect", "page"])
@pytest.mark.parametrize("name", ["parking.md", "parking.html"])
async def test_slacks_sign_in_page_is_not_taken_for_the_file(
    project: SlackProject, fake_slack: FakeSlack, refusal: Any, name: str
) -> None:
    fake_slack.web_api.granted -= {"files:read"}
    fake_slack.files.refusal = refusal
    await fake_slack.mention("Are hotels tax exempt?", files=[fake_slack.files.add(name, MEMO)])
    post = await fake_slack.wait_for_post("C1")
    assert f"I can't read {name}: Slack doesn't let me." in post.shown
    assert "Sign in" not in prompt(project)


@pytest.mark.usefixtures("project")
async def test_a_file_of_another_kind_than_its_size_says_is_cut_at_the_limit(
    fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_BYTES", 100)
    memo = fake_slack.files.add("parking.md", MEMO * 9, size=50)
    await fake_slack.mention("Are hotels tax exempt?", files=[memo])
    assert "I can't read parking.md: it is larger than" in (await fake_slack.wait_for_post("C1")).shown


@pytest.mark.usefixtures("project")
async def test_a_file_that_slack_hands_over_late_is_waited_for(fake_slack: FakeSlack) -> None:
    fake_slack.fail("files.download", http_error(503))
    await fake_slack.mention("What does parking cost?", files=[fake_slack.files.add("parking.md", MEMO)])
    assert ANSWER in (await fake_slack.wait_for_post("C1")).shown
    assert [call.answer for call in fake_slack.called("files.download")] == ["http_error", ""]


@pytest.mark.usefixtures("project")
async def test_a_file_that_slack_never_hands_over_keeps_no_answer_back(fake_slack: FakeSlack) -> None:
    fake_slack.fail("files.download", http_error(503), times=9)
    await fake_slack.mention("Are hotels tax exempt?", files=[fake_slack.files.add("parking.md", MEMO)])
    assert "Slack isn't handing it over right now" in (await fake_slack.wait_for_post("C1")).shown


async def test_a_mention_that_only_names_a_files_id_is_looked_up_where_it_was_shared(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    here, elsewhere = fake_slack.files.add("parking.md", MEMO), fake_slack.files.add("salaries.md", b"Ada earns 9.")
    fake_slack.files.share(here, "C1")
    fake_slack.files.share(elsewhere, "C9")
    rich = [{"type": "file", "file_id": file["id"]} for file in (here, elsewhere)]
    blocks = [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": rich}]}]
    await fake_slack.mention("What does parking in garage B cost?", blocks=blocks)
    post = await fake_slack.wait_for_post("C1")
    assert ANSWER in post.shown
    assert "I can't read salaries.md: it isn't shared in this conversation." in post.shown
    assert "Ada earns" not in prompt(project)


@pytest.mark.usefixtures("project")
async def test_a_file_that_slack_forgot_is_named_by_what_is_known(fake_slack: FakeSlack) -> None:
    fake_slack.fail("files.info", error("file_not_found"))
    file = {"id": "F9", "file_access": "check_file_info"}
    await fake_slack.mention("Are hotels tax exempt?", files=[file])
    assert "file_not_found" in (await fake_slack.wait_for_post("C1")).shown


async def test_files_without_a_word_are_asked_about(project: SlackProject, fake_slack: FakeSlack) -> None:
    shot, memo = fake_slack.files.add("screenshot.png", b"x"), fake_slack.files.add("parking.md", MEMO)
    await fake_slack.message("", channel="D1", files=[shot, memo])
    post = await fake_slack.wait_for_post("D1")
    assert "I can't read images (screenshot.png). What would you like to know about parking.md?" in post.shown
    await fake_slack.mention("", files=[shot])
    post = await fake_slack.wait_for_post("C1")
    assert "I can't read images (screenshot.png). Please write what you would like to know." in post.shown
    assert project.engine.requests == []
    assert fake_slack.called("files.download") == []


@pytest.mark.usefixtures("project")
async def test_of_many_files_the_rest_is_named(fake_slack: FakeSlack) -> None:
    many = [fake_slack.files.add(f"note-{number}.md", MEMO) for number in range(attachments.FILES + 1)]
    await fake_slack.mention("What does parking in garage B cost?", files=many)
    assert (
        "I didn't read note-5.md: I read at most 5 files per message." in (await fake_slack.wait_for_post("C1")).shown
    )
    assert len(fake_slack.called("files.download")) == attachments.FILES


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://files.slack.com/files-pri/T1-F1/x.md", True),
        ("https://slack.com/x", True),
        ("http://files.slack.com/x", False),
        ("https://files.slack.com.evil.example/x", False),
        ("https://evilslack.com/x", False),
        ("https://files.slack.com:8443/x", False),
        ("https://user@evil.example/files.slack.com", False),
        ("https://[broken/x", False),
        ("", False),
    ],
)
def test_the_token_goes_to_slack_alone(url: str, ours: bool) -> None:
    assert attachments.below(url, "https://slack.com/api/") is ours
