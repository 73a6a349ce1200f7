from __future__ import annotations

import pytest

from bot.observability.redaction import holds_secret, without_secrets
from plugins.guards.secrets import REPLACEMENT, check_answer

SECRETS = [
    "xoxb-1234567890-abcdefghijkl",
    "xapp-1-A012-345-abcdef0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "-----BEGIN RSA PRIVATE KEY-----",
    "Bearer abcdefghijklmnop1234",
    "password: hunter2!secret",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_sentence_with_a_secret_is_replaced(secret: str) -> None:
    verdict = check_answer(f"Sign in with {secret} please.")
    assert verdict is not None
    assert (verdict.ok, verdict.replacement) == (False, REPLACEMENT)
    assert secret not in without_secrets(f"Sign in with {secret} please.")


@pytest.mark.parametrize(
    "text", ["Reset your password in HR Links.", "Password: at least 12 characters.", "A token is a coin."]
)
def test_talk_about_secrets_is_fine(text: str) -> None:
    assert check_answer(text) is None


@pytest.mark.parametrize(
    "text", ["令牌ghp_abcdefghijklmnopqrstuvwxyz12345是", "登录用password：hunter2x3!", "密钥AKIAIOSFODNN7EXAMPLE。"]
)
def test_a_letter_of_another_script_beside_a_secret_does_not_hide_it(text: str) -> None:
    assert holds_secret(text)
