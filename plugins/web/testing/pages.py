"""What tests do on the chat page in a browser."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse battery"
QUESTION = "Which states exempt hotels from tax?"


def ready(page: Page) -> None:
    """Wait until the chat can be used."""
    page.wait_for_selector("body[data-ready=true]")


def sign_in(page: Page, name: str = "ada") -> None:
    """Fill in the sign-in form that the page shows, and wait for the chat."""
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    ready(page)


def ask(page: Page, text: str = QUESTION) -> None:
    """Ask, and wait for the answer."""
    before = page.locator(".answer").count()
    page.fill("#question", text)
    page.keyboard.press("Enter")
    page.wait_for_function(
        """before => {
          const all = document.querySelectorAll(".answer");
          return all.length > before && all[all.length - 1].ariaBusy === "false";
        }""",
        arg=before,
    )


def focused(page: Page) -> str:
    """Return the id of what has the focus, or its label, or the name of its element."""
    return str(
        page.evaluate("document.activeElement.id || document.activeElement.ariaLabel || document.activeElement.tagName")
    )


def axe(page: Page, *also: str) -> list[str]:
    """Return what axe-core finds serious or critical on the page, and what breaks the rules named in ``also``."""
    page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in {"serious", "critical"} or each["id"] in also
        for node in each["nodes"]
    ]
