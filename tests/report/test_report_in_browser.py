"""The page of a segmentation as people use it, in a real browser."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hcnet.kinetics.palette import class_colours
from hcnet.report.write import write_report
from hcnet.server.security import REPORT_POLICY
from report_parts import manifest, summary, write_segmentation

CHROMIUM = shutil.which("chromium")
SERVED = "http://report.invalid/report.html"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "out"
    return write_report(write_segmentation(folder, summary(), manifest(), uncertainty=True))


@contextmanager
def opened(address: str, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A page and what it complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": 800, "height": 900}, **options)
            page.set_default_timeout(480_000)
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "console",
                lambda said: complaints.append(said.text) if said.type == "error" else None,
            )
            yield page, complaints
        finally:
            browser.close()


def colours(page: Any) -> set[tuple[int, ...]]:
    """Colours of the picture, less those of a few pixels."""
    shown = Image.open(io.BytesIO(page.locator(".stage").screenshot())).convert("RGB")
    found, counts = np.unique(np.asarray(shown).reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(colour) for colour in found[counts > 50].tolist()}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def test_slices_turn_and_overlays_come_and_go(report: Path) -> None:
    with opened(report.as_uri()) as (page, complaints):
        page.goto(report.as_uri())
        number = page.locator("output")
        assert number.inner_text() == "slice 4 of 8"  # the first with most tumour
        assert page.locator(".outlines path.here").get_attribute("d")
        page.focus(".stage")
        for key, shown in (
            ("ArrowDown", 3),
            ("End", 7),
            ("ArrowUp", 7),
            ("Home", 2),
            ("ArrowUp", 3),
        ):
            page.keyboard.press(key)
            assert number.inner_text() == f"slice {shown} of 8"
        assert page.locator(".outlines path.here").get_attribute("d") == ""
        page.hover(".stage")
        page.mouse.wheel(0, -100)
        page.wait_for_function("document.querySelector('output').value.startsWith('slice 4 ')")
        page.focus("#slice")
        page.keyboard.press("End")
        assert number.inner_text() == "slice 7 of 8"
        breast, tumour = (rgb(colour) for colour in class_colours(2))
        assert breast not in colours(page)
        page.check("input[value=map]")
        assert breast in colours(page)
        assert tumour not in colours(page)
        page.focus("#slice")
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        assert {breast, tumour} <= colours(page)
        page.uncheck("input[value=map]")
        page.check("input[value=uncertainty]")
        assert page.locator(".key-uncertainty").is_visible()
        assert complaints == []


def test_the_servers_policy_lets_the_script_run(report: Path) -> None:
    with opened(SERVED) as (page, complaints):
        headers = {"content-security-policy": REPORT_POLICY, "content-type": "text/html"}
        page.route(SERVED, lambda route: route.fulfill(body=report.read_text(), headers=headers))
        page.goto(SERVED)
        assert page.locator("#slices").is_visible()
        assert complaints == []


def test_another_script_does_not_run(report: Path) -> None:
    text = report.read_text(encoding="utf-8").replace('"use strict";', '"use strict"; //', 1)
    with opened(SERVED) as (page, complaints):
        page.route(SERVED, lambda route: route.fulfill(body=text, content_type="text/html"))
        page.goto(SERVED)
        assert not page.locator("#slices").is_visible()
        assert page.locator("#figure-preview").is_visible()
        assert any("Content Security Policy" in complaint for complaint in complaints)


def test_in_print_and_without_script_there_is_the_picture(report: Path) -> None:
    with opened(report.as_uri()) as (page, _):
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        assert not page.locator("#slices").is_visible()
        assert page.locator("#figure-preview img").is_visible()
    with opened(report.as_uri(), java_script_enabled=False) as (page, complaints):
        page.goto(report.as_uri())
        assert not page.locator("#slices").is_visible()
        assert page.locator("#figure-preview img").is_visible()
        assert complaints == []
