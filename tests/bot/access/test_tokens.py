from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from alembic.command import downgrade
from click.testing import CliRunner

from bot.access.people import People
from bot.access.tokens import PREFIX, Tokens
from bot.cli.commands.tokens import tokens as command
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import now
from bot.domain.people import Person, Role, Scope
from bot.observability.redaction import without_secrets
from bot.storage.migrate import _schemas, upgrade
from bot.storage.tables.access import AuditRow, TokenRow

if TYPE_CHECKING:
    from bot.storage.session import Store
    from bot.testing.homes import MakeHome

PASSWORD = "correct horse battery"


@pytest.fixture
def tokens(store: Store) -> Tokens:
    People(store).add("ada", role=Role.AGENT, password=PASSWORD, actor="test")
    return Tokens(store)


def test_a_token_names_its_person_and_scopes(tokens: Tokens) -> None:
    secret, kept = tokens.create("ada", [Scope.ASK, Scope.VOTE], actor="test")
    assert tokens.holder(secret) == (Person("web:ada", "ada", Role.AGENT), frozenset({Scope.ASK, Scope.VOTE}))
    assert timedelta(days=89) < kept.expires_at - now() <= timedelta(days=90)
    for wrong in ("", PREFIX, secret[:-1], secret + "x", secret.removeprefix(PREFIX), "\udc80", kept.id):
        assert tokens.holder(wrong) is None


def test_an_expired_or_revoked_token_and_one_of_somebody_removed_open_nothing(tokens: Tokens, store: Store) -> None:
    secrets = [tokens.create("ada", [Scope.ASK], days=days, actor="test") for days in (1, 2, 3)]
    with store.write() as session:
        session.get_one(TokenRow, secrets[0][1].id).expires_at = now() - timedelta(seconds=1)
    tokens.revoke(secrets[1][1].id, actor="test")
    assert [tokens.holder(secret) is not None for secret, _ in secrets] == [False, False, True]
    People(store).remove("ada", actor="test")
    assert tokens.holder(secrets[2][0]) is None
    assert tokens.all() == []


def test_all_tokens_of_a_person_can_be_ended_at_once(tokens: Tokens) -> None:
    secrets = [tokens.create("ada", [Scope.ASK], actor="test")[0] for _ in range(2)]
    assert tokens.revoke_all("ada", actor="test") == 2
    assert all(tokens.holder(secret) is None for secret in secrets)


def test_tokens_of_nobody_are_not_revoked(tokens: Tokens) -> None:
    with pytest.raises(NotFoundError, match=r"no person 'adda'\. Did you mean 'ada'\?"):
        tokens.revoke_all("adda", actor="test")
    assert tokens.revoke_all("ada", actor="test") == 0


def test_the_database_and_the_audit_log_hold_no_token(tokens: Tokens, store: Store) -> None:
    secret, kept = tokens.create("ada", [Scope.ASK], actor="eve")
    tokens.revoke(kept.id, actor="eve")
    with store.read() as session:
        rows = session.query(AuditRow).order_by(AuditRow.at).all()[1:]
    assert [(row.actor, row.action, row.detail["token"]) for row in rows] == [
        ("eve", "token.create", kept.id),
        ("eve", "token.revoke", kept.id),
    ]
    assert secret not in json.dumps([row.detail for row in rows])
    assert without_secrets(f"with {secret} in it") == "with <SECRET> in it"


@pytest.mark.parametrize(
    ("role", "beyond"),
    [
        (Role.EMPLOYEE, set()),
        (Role.AGENT, {Scope.JUDGE}),
        (Role.OPERATOR, {Scope.JUDGE, Scope.OPERATE}),
    ],
)
def test_without_scopes_a_token_gets_those_that_its_person_can_use_at_that_time(
    store: Store, role: Role, beyond: set[Scope]
) -> None:
    people, tokens = People(store), Tokens(store)
    people.add("eve", role=role, password=PASSWORD, actor="test")
    secret, kept = tokens.create("eve", actor="test")
    assert set(kept.scopes) == set(Scope) - {Scope.JUDGE, Scope.OPERATE} | beyond
    people.set_role("eve", Role.OPERATOR, actor="test")
    held = tokens.holder(secret)
    assert held is not None
    assert held[1] == set(kept.scopes)


def test_tokens_from_before_the_scopes_were_renamed_may_do_what_they_might(tokens: Tokens, store: Store) -> None:
    secret, kept = tokens.create("ada", list(Scope), actor="test")
    (core,) = _schemas(None)
    with store.engine.execution_options(writes=True).begin() as connection:
        downgrade(core.config(connection), "0012")
    with store.read() as session:
        scopes = session.get_one(TokenRow, kept.id).scopes
    assert sorted(scopes) == ["act", "ask", "correct", "operate", "vote"]
    upgrade(store)
    held = tokens.holder(secret)
    assert held is not None
    assert held[1] == set(Scope)


def test_going_back_to_the_old_scopes_gives_a_token_nothing_new(tokens: Tokens, store: Store) -> None:
    _, kept = tokens.create("ada", [Scope.READ, Scope.VOTE], actor="test")
    (core,) = _schemas(None)
    with store.engine.execution_options(writes=True).begin() as connection:
        downgrade(core.config(connection), "0012")
    with store.read() as session:
        assert session.get_one(TokenRow, kept.id).scopes == ["vote"]
    upgrade(store)


def test_unknown_people_and_tokens_are_named(tokens: Tokens) -> None:
    with pytest.raises(NotFoundError, match="no person 'bob'"):
        tokens.create("bob", [Scope.ASK], actor="test")
    with pytest.raises(NotFoundError, match="no token 't_x'"):
        tokens.revoke("t_x", actor="test")


def test_the_command_shows_a_token_once_lists_it_without_and_revokes_it(make_home: MakeHome) -> None:
    home = make_home(built_in=())
    home.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    run = CliRunner().invoke
    made = json.loads(run(command, ["create", "--user", "ada", "--scope", "questions:write", "--json"]).stdout)
    assert set(made) == {"token", "id", "scopes", "expires_at"}
    several = ["--scope", "votes:write", "--scope", "questions:write"]
    plain = run(command, ["create", "--user", "ada", *several, "--expires", "7"])
    assert plain.stdout.startswith(PREFIX)
    listed = run(command, ["list", "--json"]).stdout
    assert [row["scopes"] for row in json.loads(listed)] == [
        ["questions:write"],
        ["questions:write", "votes:write"],
    ]
    assert made["token"] not in listed
    assert made["id"] in run(command, ["list"]).output
    assert run(command, ["revoke", made["id"]]).exit_code == 0
    assert run(command, ["revoke", "--user", "ada"]).output == "Tokens of ada revoked: 1.\n"
    assert run(command, ["revoke"]).exit_code == 2
    assert run(command, ["create", "--user", "ada", "--scope", "everything"]).exit_code == 2
