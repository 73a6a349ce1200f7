from __future__ import annotations

import pytest

from bot.server.returning import local_address


@pytest.mark.parametrize("wanted", ["/", "/#c_0123", "/console/?department=it#plugins", "/a/q_1?x=1%20%2F"])
def test_a_path_of_this_server_is_kept(wanted: str) -> None:
    assert local_address(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "console",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "/a\\b",
        "https://evil.example/",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "/\u2215evil.example",
        "/sign-in?next=/",
        "/sign-out",
        "/" + "a" * 3000,
    ],
)
def test_anything_else_leads_to_the_chat(wanted: str) -> None:
    assert local_address(wanted) == "/"
