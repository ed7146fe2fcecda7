"""The viewer as people use it, in a real browser."""

import base64
import json
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from browser import HCNET, needs_browser, pixels, serving, visiting
from server_parts import AFFINE, write_result

from hcnet.server.orders import SegmentOrder, write_order
from hcnet.volumes.nifti import read_nifti

pytestmark = needs_browser

DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
}"""
SEEN = """() => {
    window.seen = new Set();
    new MutationObserver(() => {
        const text = document.querySelector("#jobs .small")?.textContent;
        if (text) window.seen.add(text);
    }).observe(document.querySelector("#jobs"), { subtree: true, childList: true });
}"""


def slide(page, value):
    move(page, "#threshold", value)
    page.wait_for_function(
        "(value) => document.querySelector('#threshold-value').value === value", arg=f"{value:.2f}"
    )


def move(page, slider, value):
    page.locator(slider).evaluate(
        """(slider, value) => {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
            slider.dispatchEvent(new Event("change"));
        }""",
        str(value),
    )


def downloaded(page, link, target):
    with page.expect_download() as waiting:
        page.click(link)
    waiting.value.save_as(target)
    return read_nifti(target)


def asked(url):
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        return json.load(answer)


def test_from_a_dropped_file_to_a_downloaded_mask(tiny_cohort, tiny_run, tmp_path):
    source = tiny_cohort["PHANTOM_0001"].pre.path
    bundle = tiny_run / "bundle"
    expected = tmp_path / "by_command"
    subprocess.run([HCNET, "segment", source, "-o", expected, "-b", bundle], check=True)
    workspace = tmp_path / "work"
    with serving("-b", bundle, "--workspace", workspace) as address, visiting(address) as visit:
        page = visit.page
        page.wait_for_selector("#drop")
        content = base64.b64encode(source.read_bytes()).decode()
        page.evaluate(DROP, [source.name, content])
        page.wait_for_selector("#found")
        assert source.name in page.inner_text("#found")
        page.evaluate(SEEN)
        page.click("button.main")
        page.wait_for_selector("#downloads")
        seen = page.evaluate("[...window.seen]")
        for part in ("map of phantom_0001 (", "tumour of phantom_0001 ("):
            assert any(text.startswith(part) for text in seen), seen

        mask = downloaded(page, "text=Tumour mask (NIfTI)", tmp_path / "tumour.nii.gz")
        by_command = read_nifti(expected / "tumour.nii.gz")
        assert np.array_equal(mask.data, by_command.data)
        assert np.array_equal(mask.affine, by_command.affine)

        probability = read_nifti(expected / "tumour_probability.nii.gz")
        first, second = np.quantile(probability.data[probability.data > 0], [0.5, 0.9]).round(2)
        result = page.url.rsplit("/", 1)[1]
        shown = {}
        for value in (first, second):
            slide(page, value)
            shown[value] = pixels(page)
            told = asked(f"{address}api/results/{result}/tumour?threshold={value}")
            assert page.inner_text("#volume") == f"{told['tumour_ml']:.2f} ml"
            assert int(page.get_attribute("#volume", "data-voxels")) == told["voxels"]
        assert shown[first] != shown[second]
        move(page, "#uncertainty-opacity", 1)
        assert pixels(page) != shown[second]
        move(page, "#uncertainty-opacity", 0)
        assert pixels(page) == shown[second]
        at = downloaded(page, "#mask-download", tmp_path / "at.nii.gz")
        assert np.count_nonzero(at.data) == told["voxels"]
        assert visit.complaints == []


def test_cancel_ends_the_segmentation(tiny_cohort, tiny_run, tmp_path):
    with (
        serving(tiny_cohort.root, "-b", tiny_run / "bundle", "--workspace", tmp_path) as address,
        visiting(address) as visit,
    ):
        page = visit.page
        page.click("text=PHANTOM_0000")
        page.wait_for_selector("#found")
        page.click("button.main")
        page.click("#jobs li[data-state=running] >> text=Cancel")
        page.wait_for_selector("#jobs li[data-state=cancelled]")
        (job,) = asked(f"{address}api/jobs")
        assert not (tmp_path / "jobs" / job["id"] / "out").exists()
        assert not list((tmp_path / "jobs" / job["id"]).glob(".*-out"))
        assert visit.complaints == []


def test_a_corrected_mask_lies_where_it_was_drawn(tmp_path):
    out = write_result(tmp_path / "out")
    found = read_nifti(out / "tumour.nii.gz")
    with serving(out) as address, visiting(address) as visit:
        page = visit.page
        page.click("text=Correct the mask")
        page.click("#brush >> text=Save")
        page.wait_for_selector("text=Corrected mask (NIfTI)")
        kept = read_nifti(out / "tumour_corrected.nii.gz")
        assert np.array_equal(kept.data, found.data)  # axes are permuted and flipped in the file
        assert np.allclose(kept.affine, AFFINE)

        page.click("text=Axial")
        page.click("text=Correct the mask")
        box = page.locator("#frame").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x - 280, y)
        page.mouse.down()
        page.mouse.move(x + 280, y, steps=12)
        page.mouse.up()
        page.click("#brush >> text=Save")
        page.wait_for_selector("text=/Saved: .* ml added/ >> nth=-1")
        page.wait_for_selector("text=Correct the mask")
        drawn = read_nifti(out / "tumour_corrected.nii.gz").data
        added = np.argwhere((drawn > 0) & (found.data == 0))
        assert len(added)
        # The middle focus is in view, so the stroke lies in its axial plane: axis 1 runs upwards.
        assert len(np.unique(added[:, 1])) <= 3
        assert visit.complaints == []


def test_a_reference_is_compared_with_what_is_shown(tmp_path):
    out = write_result(tmp_path / "out")
    with serving(out) as address, visiting(address) as visit:
        page = visit.page
        page.wait_for_selector("#compare")
        page.set_input_files("#reference-file", out / "tumour.nii.gz")
        page.wait_for_selector("#comparison table")
        assert "DSC\t1.000" in page.inner_text("#comparison")
        before = page.inner_text("#comparison")
        slide(page, 0.9)
        page.wait_for_function(
            "(before) => document.querySelector('#comparison').innerText !== before", arg=before
        )
        assert visit.complaints == []
        page.set_input_files("#reference-file", __file__)
        page.wait_for_selector("text=A mask is sent as a NIfTI file.")


def test_classes_can_be_hidden(tmp_path):
    out = write_result(tmp_path / "out")
    with serving(out) as address, visiting(address) as visit:
        page = visit.page
        page.wait_for_selector("#downloads")
        with_all = pixels(page)
        page.uncheck("#class-2")
        assert pixels(page) != with_all
        page.check("#class-2")
        assert pixels(page) == with_all
        assert visit.complaints == []


def test_what_was_asked_for_last_is_shown(tmp_path):
    for name in ("first", "second"):
        write_result(tmp_path / "several" / name, name)
    workspace = tmp_path / "work"
    with (
        serving(tmp_path / "several", "--workspace", workspace) as address,
        visiting(address) as visit,
    ):
        page = visit.page
        for _ in range(3):
            page.click("#results >> text=first")
            page.click("#results >> text=second")
        page.wait_for_selector("#result >> text=second")
        page.wait_for_timeout(1000)
        assert page.inner_text("#result h2") == "second"
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_page_fits_and_the_keyboard_reaches_all(tmp_path, width, height, scheme):
    out = write_result(tmp_path / "out")
    with serving(out) as address, visiting(address, width, height, scheme) as visit:
        page = visit.page
        page.wait_for_selector("#downloads")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert "not a medical device" in page.inner_text("#notice")
        reached = set()
        page.evaluate("document.activeElement.blur()")
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id"))
        assert {"canvas", "threshold", "tumour-opacity", "outline", "class-1"} <= reached
        where = page.inner_text("#where")
        page.focus("#canvas")
        page.keyboard.press("ArrowUp")
        page.wait_for_function(
            "(where) => document.querySelector('#where').innerText !== where", arg=where
        )
        assert visit.complaints == []


def test_the_child_ends_with_its_parent(tmp_path):
    order = SegmentOrder(paths=("none",), name="x", bundle="none", threshold=None, tta=False)
    write_order(tmp_path, order)
    command = [sys.executable, "-m", "hcnet.server.child", "segment", tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait() == 1
    assert not (tmp_path / "error.txt").exists()
