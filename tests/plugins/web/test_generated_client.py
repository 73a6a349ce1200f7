"""A client that another tool generates from the OpenAPI document asks, waits, votes, corrects and is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.tokens import Tokens
from bot.domain.people import Role

if TYPE_CHECKING:
    from bot.testing.serving import ServedHome
    from plugins.web.testing.fixtures import Visit

GENERATOR = "openapi-python-client>=0.26"
SCENARIO = """
import json, sys, time
from mentee_client import AuthenticatedClient
from mentee_client.api.answers import correct, vote
from mentee_client.api.conversations import get_conversation, list_conversations
from mentee_client.api.questions import ask
from mentee_client.models import Ask, CorrectionBody, Problem, VoteBody

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token, timeout=20)

def sent(key):
    text = "Which states exempt hotels from tax?"
    return Ask.from_dict({"text": text, "conversation": "conversation-1", "key": key})

accepted = ask.sync(client=client, body=sent("key-0001"))
until = time.monotonic() + 30
while not (turns := json.loads(get_conversation.sync_detailed("conversation-1", client=client).content)):
    assert time.monotonic() < until, "no answer"
    time.sleep(0.2)
answer = turns[0]["answer"]["id"]
voted = vote.sync_detailed(answer, client=client, body=VoteBody.from_dict({"value": "down"}))
corrected = correct.sync(answer, client=client, body=CorrectionBody("Eleven states."))
listed = json.loads(list_conversations.sync_detailed(client=client).content)
invalid = ask.sync(client=client, body=sent("short"))
stranger = ask.sync(client=AuthenticatedClient(base_url=url, token="wrong"), body=sent("key-0002"))
assert isinstance(invalid, Problem) and isinstance(stranger, Problem)
print(json.dumps({
    "same": accepted.question_id == turns[0]["question"]["id"],
    "voted": int(voted.status_code),
    "live": corrected.live,
    "listed": [each["id"] for each in listed],
    "invalid": [invalid.type_, [each.field for each in invalid.errors]],
    "stranger": [stranger.type_, stranger.status],
}))
"""


def run(*command: str, path: Path) -> str:
    """Run a command apart from Mentee's own environment; return what it prints."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # the generator calls ruff
    environment = {**os.environ, "PATH": programs, "PYTHONPATH": str(path)}
    done = subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_generated_client_does_what_the_page_does(web: ServedHome, visit: Visit, tmp_path: Path) -> None:
    web.mentee.people.add("ada", role=Role.EMPLOYEE, password="correct horse battery", actor="test")
    secret, _ = Tokens(web.mentee.store).create("ada", actor="test")
    document = tmp_path / "openapi.json"
    document.write_bytes(visit(web, first_page=False).get("/api/v1/openapi.json").content)
    run(sys.executable, "-m", "venv", "venv", path=tmp_path)
    run("venv/bin/pip", "install", "--quiet", GENERATOR, path=tmp_path)
    generate = ("--path", document.name, "--meta", "none", "--output-path", "mentee_client", "--fail-on-warning")
    run("venv/bin/openapi-python-client", "generate", *generate, path=tmp_path)
    (tmp_path / "scenario.py").write_text(SCENARIO)
    found: dict[str, Any] = json.loads(run("venv/bin/python", "scenario.py", web.url, secret, path=tmp_path))
    assert found == {
        "same": True,
        "voted": 204,
        "live": False,
        "listed": ["conversation-1"],
        "invalid": ["/api/v1/problems/invalid-request", ["key"]],
        "stranger": ["/api/v1/problems/sign-in-required", 401],
    }
