"""Take the pictures of the docs from a served demo, with real answers.

Run as: .venv/bin/mentee serve & .venv/bin/python scripts/screenshots.py http://127.0.0.1:8080 docs/images
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

QUESTION = "How do I get access to Slack?"
DEPARTMENT = "it"


def main() -> None:
    """Save chat.png, chat-phone.png and console.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the served demo")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--department", default=DEPARTMENT)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=switches)
        desk = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=2)
        ask(desk, given.url, given.department, given.question)
        desk.screenshot(path=given.folder / "chat.png")
        address = desk.url
        desk.goto(f"{given.url}/console/")
        desk.screenshot(path=given.folder / "console.png")
        phone = browser.new_page(
            viewport={"width": 390, "height": 780}, device_scale_factor=2, storage_state=desk.context.storage_state()
        )
        phone.goto(address)
        phone.wait_for_selector(".answer[aria-busy=false]")
        phone.evaluate("scrollTo(0, 0)")
        phone.screenshot(path=given.folder / "chat-phone.png")
        browser.close()


def ask(page: Page, url: str, department: str, question: str) -> None:
    """Ask in a new conversation and wait for the answer."""
    page.goto(url)
    page.wait_for_selector("body[data-ready=true]")
    page.select_option("#department", department)
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer[aria-busy=false]", timeout=120_000)
    print(page.inner_text(".answer"))
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
