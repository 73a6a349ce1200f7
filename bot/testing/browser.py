"""A headless Chromium for tests: the ``browser_page`` fixture opens pages and records what they do."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Dialog, Page, Request

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
TIMEOUT_MS = 40_000  # a busy machine with two cores may take this long for a page and an answer


@dataclass(slots=True)
class Opened:
    """An open page, with its requests, dialogs and errors.

    ``blocked`` are addresses that the page's policy blocked before a request was sent; they are not in ``requests``.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """The hosts of all requests, with ports; ``data:`` addresses have none."""
        return {urlsplit(address).netloc for address in self.requests} - {""}


class BrowserPage(Protocol):
    """The type of the ``browser_page`` fixture."""

    def __call__(self, url: str, *, width: int = 1280, height: int = 800) -> Opened:
        """Open an address in a browser context of its own; returns when the page is ready.

        A page that needs time starts with ``<body data-ready="false">`` and sets it to ``true``.
        """


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    # Not for the whole session: Playwright's own event loop would be in the way of other modules' async tests.
    from playwright.sync_api import sync_playwright

    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[BrowserPage]:
    """Return a function that opens pages; see :class:`BrowserPage`."""
    with pages(chromium) as open_page:
        yield open_page


@contextmanager
def pages(chromium: Browser) -> Generator[BrowserPage, None, None]:
    """Give a function that opens pages, for fixtures of a wider scope; they are closed at the end."""
    contexts = []

    def open_page(url: str, *, width: int = 1280, height: int = 800) -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        opened = Opened(context.new_page())
        page = opened.page
        context.on("request", lambda request: opened.requests.append(request.url))
        context.on("requestfailed", lambda request: _sort_out(opened, request))
        page.on("dialog", lambda dialog: _dismiss(opened, dialog))
        page.on("pageerror", lambda error: opened.problems.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body:not([data-ready=false])")
        return opened

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()


def _sort_out(opened: Opened, request: Request) -> None:
    if request.failure == "csp":
        opened.requests.remove(request.url)
        opened.blocked.append(request.url)


def _dismiss(opened: Opened, dialog: Dialog) -> None:
    opened.dialogs.append(dialog.message)
    dialog.dismiss()
