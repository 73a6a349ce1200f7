from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from bot.server.pages.layout import page_templates

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome
    from bot.testing.serving import ServeHome


@pytest.mark.parametrize("name", ["style.css", "icon.svg"])
def test_the_files_of_all_pages_are_served_without_any_plugin(
    make_home: MakeHome, serve_home: ServeHome, name: str
) -> None:
    home = serve_home(make_home(built_in=()), ready=False)
    response = httpx2.get(f"{home.url}/static/{name}")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-cache"


def test_a_plugins_template_extends_the_shared_layout_and_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('{% extends "base.html" %}{% block body %}<p>{{ said }}</p>{% endblock %}')
    page = page_templates(tmp_path).get_template("page.html").render(said="<b>")
    assert "/static/style.css" in page
    assert "<p>&lt;b&gt;</p>" in page
