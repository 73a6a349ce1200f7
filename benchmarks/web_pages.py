"""What pages weigh in a headless Chromium: bytes as sent, requests, layout shift, and requests to other hosts."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Request

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SHIFT = """() => new Promise(done => {
    let shift = 0;
    new PerformanceObserver(list => { for (const each of list.getEntries()) shift += each.value; })
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => done(shift), 1500);
})"""


def opened(url: str, paths: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Open pages, each in a browser that has nothing cached; return bytes as sent, requests, shift, and other hosts."""
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, map(shutil.which, CHROMIUM))), args=list(SWITCHES)
        )
        for path in paths:
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            context.request.get(url)  # a demo signs in on the first visit
            page = context.new_page()
            traffic = context.new_cdp_session(page)
            traffic.send("Network.enable")
            sizes: list[float] = []
            asked: list[str] = []
            traffic.on("Network.loadingFinished", partial(_note_size, sizes))
            page.on("request", partial(_note_address, asked))
            page.goto(f"{url}{path}", wait_until="load")
            shift = page.evaluate(SHIFT)
            elsewhere = sorted({each for each in asked if not each.startswith((url, "data:", "blob:"))})
            found[path] = {"bytes": sum(sizes), "requests": len(sizes), "shift": shift, "other_hosts": elsewhere}
            context.close()
        browser.close()
    return found


def _note_size(sizes: list[float], event: dict[str, Any]) -> None:
    sizes.append(event["encodedDataLength"])


def _note_address(asked: list[str], request: Request) -> None:
    asked.append(request.url)
