"""Encrypts the tokens of installed workspaces, so that neither the database nor its backups give them away.

The key comes from the environment or a file. Several, separated by spaces, rotate it: the first encrypts, all decrypt.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.domain.errors import SettingsError

if TYPE_CHECKING:
    from plugins.slack.settings import SlackSettings

VARIABLE = "MENTEE_SLACK_TOKEN_KEY"
KEY_BYTES = 32
MAKE = f"Set {VARIABLE}, or {VARIABLE}_FILE to the path of a file, to what `openssl rand -base64 32` prints."


class TokenCipher:
    """Encrypts and decrypts tokens with the keys of an instance.

    :raises SettingsError: there is no key, or it is not one.
    """

    def __init__(self, slack: SlackSettings) -> None:
        keys = slack.token_key.get_secret_value().split() if slack.token_key else []
        if not keys:
            raise SettingsError("slack.workspaces is set, but there is no key to encrypt their tokens.", hint=MAKE)
        self._fernet = MultiFernet([Fernet(_key(text)) for text in keys])

    def encrypt(self, token: str) -> str:
        """Encrypt with the first key."""
        return self._fernet.encrypt(token.encode()).decode()

    def decrypt(self, encrypted: str, team: str) -> str:
        """Decrypt with any of the keys.

        :raises SettingsError: it was encrypted with another one.
        """
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise SettingsError(
                f"{VARIABLE} does not decrypt the token of workspace {team}.",
                hint="Add the earlier key to it after a space, or let the workspace open /slack/install again.",
            ) from None


def _key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise SettingsError(f"{VARIABLE} is not a key: expected {KEY_BYTES} bytes in Base64.", hint=MAKE)
    return base64.urlsafe_b64encode(raw)
