"""Take the pictures of web chat, the desk and the console in docs/images, from a demo with real answers.

Run as: ``make screenshots``. Each page is taken on a desktop and on a phone, in light and dark. With ``--home FOLDER``,
an existing demo home is served instead of a new one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[1]
MENTEE = Path(sys.executable).with_name("mentee")
QUESTION = "How do I get access to Slack?"
DEPARTMENT = "it"
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZES = {"": {"width": 1280, "height": 800}, "-phone": {"width": 390, "height": 780}}
PAGES = {
    "desk": "/desk",
    "queues": "/desk/queues",
    "curated": "/desk/curated",
    "console": "/console/",
    "analytics": "/console/analytics",
    "api": "/api/v1/docs",
}
COLORS = 128
"""Enough for pages without photographs, in a third of the bytes."""

READY_SECONDS = 120


def main() -> None:
    """Make a demo, serve it and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a demo home that is there")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images", help="where the pictures go")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder) / "home"
        environment = {**os.environ, "MENTEE_HOME": str(home.absolute())}
        if given.home is None:
            subprocess.run([MENTEE, "init", "--demo"], env=environment, check=True)  # noqa: S603 - our own command
        with served(environment) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(SWITCHES))
            take(browser, url, given.folder)
            browser.close()


@contextmanager
def served(environment: dict[str, str]) -> Iterator[str]:
    """Serve the home; give its address once it can answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([MENTEE, "serve"], env={**environment, "MENTEE_WEB__PORT": str(port)})  # noqa: S603 - our own command
    try:
        until = time.monotonic() + READY_SECONDS
        while not _is_ready(f"{url}/readyz"):
            assert time.monotonic() < until, "the server isn't ready"
            time.sleep(1)
        yield url
    finally:
        server.terminate()
        server.wait()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address) as response:  # noqa: S310 - an address of this machine
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, ConnectionError):
        return False


def take(browser: Browser, url: str, folder: Path) -> None:
    """Take every page in every form."""
    first = browser.new_page()
    ask(first, url)
    conversation, state = first.url, first.context.storage_state()
    first.close()
    for size, viewport in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport=viewport, device_scale_factor=1.5, color_scheme=scheme, storage_state=state
            )
            page = context.new_page()
            page.goto(conversation)
            page.wait_for_selector(".answer[aria-busy=false]")
            page.evaluate("scrollTo(0, 0)")
            name = size + ("-dark" if scheme == "dark" else "")
            save(page, folder / f"chat{name}.png")
            for each, path in PAGES.items():
                page.goto(f"{url}{path}")
                page.wait_for_timeout(500)
                save(page, folder / f"{each}{name}.png")
            context.close()


def ask(page: Page, url: str) -> None:
    """Ask in a new conversation and wait for the answer."""
    page.goto(url)
    page.wait_for_selector("body[data-ready=true]")
    page.select_option("#department", DEPARTMENT)
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[aria-busy=false]", timeout=120_000)
    print(page.inner_text(".answer"))


def save(page: Page, path: Path) -> None:
    """Save a picture of what the page shows, small."""
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLORS).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
