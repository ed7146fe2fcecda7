"""A real server and a real, headless Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hcnet.server.page import NEEDED, STATIC

HCNET = Path(sys.executable).with_name("hcnet")
CHROMIUM = shutil.which("chromium")
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
PATIENCE_MS = 480_000

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.skipif(
        not all((STATIC / name).is_file() for name in NEEDED),
        reason="the viewer's page is not built; run `make viewer`",
    ),
]


@contextmanager
def serving(*words: object) -> Iterator[str]:
    """`hcnet serve WORDS` on a free port; yields its address."""
    command = [HCNET, "serve", *map(str, words), "--port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), address
            yield address
        finally:
            server.terminate()
            server.wait()


@dataclass
class Visit:
    """A page with what it complained of."""

    page: Any
    complaints: list[str] = field(default_factory=list)


@contextmanager
def visiting(address: str, width: int = 1280, height: int = 800, scheme: str = "light") -> Any:
    """A page of the viewer; requests to anywhere else are complaints."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", *WEBGL]
        )
        try:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.set_default_timeout(PATIENCE_MS)
            visit = Visit(page)
            page.on("pageerror", lambda error: visit.complaints.append(str(error)))
            page.on("console", lambda message: _heard(visit, message))
            page.on("request", lambda request: _asked(visit, address, request.url))
            page.goto(address)
            yield visit
        finally:
            browser.close()


def drop_on_page(page: Any, *paths: Path) -> None:
    """Let go of files or folders over the page, as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": step, "x": 200, "y": 200, "data": data})
    session.detach()


def pixels(page: Any) -> bytes:
    """What the canvas shows, once two pictures in a row are the same."""
    canvas = page.locator("#frame")
    before = canvas.screenshot()
    while True:
        page.wait_for_timeout(300)
        after = canvas.screenshot()
        if after == before:
            return bytes(after)
        before = after


def _heard(visit: Visit, message: Any) -> None:
    if message.type == "error":
        visit.complaints.append(message.text)


def _asked(visit: Visit, address: str, url: str) -> None:
    if not url.startswith((address, "data:", f"blob:{address}")):
        visit.complaints.append(f"asked {url}")
