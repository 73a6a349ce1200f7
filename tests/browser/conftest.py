"""One server and one page for a whole module: most of a browser test's time goes into starting these."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.access.people import People
from bot.domain.people import Role
from bot.testing.browser import pages
from bot.testing.engines import ScriptedEngine
from bot.testing.homes import homes
from bot.testing.serving import serving
from plugins.web.testing.fixtures import SAID, web_homes
from plugins.web.testing.pages import PASSWORD, ready, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from bot.testing.browser import Opened
    from bot.testing.serving import ServedHome

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests in a browser to ``make test-full``; pytest hands this hook the tests of all folders."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.full)


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    """What the shared server answers with."""
    return ScriptedEngine(SAID)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, engine: ScriptedEngine
) -> Iterator[ServedHome]:
    """A served home in which ``ada``, an employee, and ``olga``, an operator, sign in."""

    def database(home: Path) -> str:
        return f"sqlite:///{shutil.copy(sqlite_template, home / 'mentee.db')}"

    with (
        pytest.MonkeyPatch.context() as environment,
        homes(tmp_path_factory.mktemp("shared"), database, environment) as make_home,
        serving() as serve,
    ):
        mentee = web_homes(make_home, engine)({"web": {"sign_in": "password"}, "limits": {"question_chars": 200}})
        people = People(mentee.store)
        for name, role in (("ada", Role.EMPLOYEE), ("olga", Role.OPERATOR)):
            people.add(name, role=role, password=PASSWORD, actor="test")
        yield serve(mentee)


@pytest.fixture(scope="module")
def opened(shared: ServedHome, chromium: Browser) -> Iterator[Opened]:
    """A page on which ``ada`` has signed in."""
    with pages(chromium) as open_page:
        opened = open_page(shared.url)
        sign_in(opened.page)
        yield opened


@pytest.fixture
def page(shared: ServedHome, opened: Opened, engine: ScriptedEngine) -> Iterator[Page]:
    """The shared page with a new conversation, and no error in its scripts when the test has ended."""
    page, engine.delay, engine.answer = opened.page, 0.0, SAID
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{shared.url}/sign-in?next=/")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    ready(page)
    opened.problems.clear()
    yield page
    page.unroute_all()
    page.context.set_offline(False)
    assert opened.problems == []
