"""``mentee tokens``: API tokens, for programs that act for a person within scopes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Column, Table

from bot.access.tokens import DAYS, Tokens
from bot.cli.home import opened_store
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.domain.people import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTOR = "cli:operator"
MAX_DAYS = 3650


@click.group()
def tokens() -> None:
    """Manage API tokens. Programs send one as `Authorization: Bearer TOKEN`."""


@tokens.command("create")
@click.option("--user", "name", required=True, metavar="NAME", help="The person that the program acts as.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the token may be used for, within the person's own permissions. Can be repeated. By default all that the"
    " person may do now.",
)
@click.option(
    "--expires", "days", type=click.IntRange(1, MAX_DAYS), default=DAYS, show_default=True, help="Days it is valid."
)
@json_option
def create(name: str, scopes: tuple[str, ...], days: int, *, as_json: bool) -> None:
    """Create a token and print it once. It can't be shown again."""
    with _tokens() as kept:
        secret, token = kept.create(name, [Scope(scope) for scope in scopes], days=days, actor=ACTOR)
    if as_json:
        emit_json({"token": secret, "id": token.id, "scopes": token.scopes, "expires_at": token.expires_at})
        return
    progress_console.print(f"{token.id} for {token.person}, valid until {token.expires_at:%Y-%m-%d}:")
    progress_console.print(f"Scopes: {', '.join(token.scopes)}.")
    console.print(secret)


@tokens.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List tokens, without the secrets."""
    with _tokens() as kept:
        found = kept.all()
    if as_json:
        emit_json([asdict(token) for token in found])
        return
    whole = Column("Token", overflow="fold", min_width=len(found[0].id) if found else None)  # to be copied
    table = Table(whole, "Person", "Scopes", "Valid until", box=None, pad_edge=False)
    for token in found:
        table.add_row(token.id, token.person, "\n".join(token.scopes), f"{token.expires_at:%Y-%m-%d}")
    console.print(table if found else "No tokens yet: `mentee tokens create --user NAME`.")


@tokens.command("revoke")
@click.argument("token_id", metavar="ID", required=False)
@click.option("--user", "name", metavar="NAME", help="End all tokens of this person.")
def revoke(token_id: str | None, name: str | None) -> None:
    """End token ID, or all tokens of a person."""
    if (token_id is None) == (name is None):
        raise click.UsageError("Give the ID of a token, or --user.")
    with _tokens() as kept:
        if token_id is not None:
            kept.revoke(token_id, actor=ACTOR)
            console.print(f"Revoked {token_id}.")
        elif name is not None:
            console.print(f"Tokens of {name} revoked: {kept.revoke_all(name, actor=ACTOR)}.")


@contextmanager
def _tokens() -> Iterator[Tokens]:
    with opened_store() as store:
        yield Tokens(store)
