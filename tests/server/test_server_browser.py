"""The viewer as people use it, in a real browser."""

import base64
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser import HCNET, drop_on_page, needs_browser, pixels, serving, visiting
from server_parts import AFFINE, probability, volume, write_result

from dicom_factory import Geometry, write_interleaved
from hcnet.server.orders import SegmentOrder, write_order
from hcnet.volumes.nifti import read_nifti, write_nifti

pytestmark = needs_browser

DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
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
        page.click("button.main")
        page.wait_for_selector("#downloads")

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


def sent_names(page):
    """Fills up with the names under which the page sends files."""
    names = []

    def listen(request):
        if request.method == "PUT":
            names.append(parse_qs(urlsplit(request.url).query)["name"][0])

    page.on("request", listen)
    return names


def table(page):
    """The cells of the table of phases."""
    page.wait_for_selector("#found")
    rows = page.locator("#found tbody tr").all()
    return [[cell.inner_text() for cell in row.locator("td").all()] for row in rows]


def test_a_dropped_folder_keeps_its_paths_and_nothing_leaves_the_workspace(tmp_path):
    base = (100 * (1 + probability())).astype(np.int16)
    folder = tmp_path / "given" / "case"
    names = ["post10/image.nii.gz", "pre/image.nii.gz", "post2/image.nii.gz", "a/b/tumour.nii.gz"]
    names += ["..\\..\\..\\zz_out.nii.gz"]  # of the systems only some take it for one name
    for factor, name in enumerate(names, 1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_nifti(volume(base * factor), folder / name)
    (folder / "pre" / "notes.txt").write_text("not an image")
    before = sorted(tmp_path.rglob("*"))
    workspace = tmp_path / "work"
    with (
        serving("--look-only", "--workspace", workspace) as address,
        visiting(address) as visit,
    ):
        page = visit.page
        page.wait_for_selector("#drop")
        sent = sent_names(page)
        drop_on_page(page, folder)
        found = [row[-1] for row in table(page)]
        assert sorted(sent) == sorted([*names, "pre/notes.txt"])
        assert found == [
            "pre/image.nii.gz", "post2/image.nii.gz", "post10/image.nii.gz", "zz_out.nii.gz"
        ]  # fmt: skip
        assert page.inner_text("#exam h2") == "case"
        assert page.get_attribute("#drop", "class") in (None, "")
        (exam,) = asked(f"{address}api/exams")
        curve = asked(f"{address}api/exams/{exam['id']}/curve?i=5&j=6&k=4")
        assert np.array_equal(curve["signal"], base[5, 6, 4] * np.array([2, 3, 1, 5]))
        inside = workspace.resolve()
        after = [path for path in sorted(tmp_path.rglob("*")) if inside not in path.parents]
        assert [path for path in after if path != workspace] == before
        kept = {path.name for path in (workspace / "exams" / exam["id"] / "files").iterdir()}
        assert {name for name in kept if name.startswith("phase_")} == {
            f"phase_{place:04d}.nii.gz" for place in range(4)
        }
        assert visit.complaints == []


def test_a_dropped_dicom_folder_is_one_exam(tmp_path):
    write_interleaved(tmp_path / "flat", Geometry())
    exam = tmp_path / "exam"
    for number, path in enumerate(sorted((tmp_path / "flat").iterdir())):
        place = exam / f"series{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / f"I{number // 2:04d}")  # the same names in both, as scanners do
    with (
        serving("--look-only", "--workspace", tmp_path / "work") as address,
        visiting(address) as visit,
    ):
        page = visit.page
        page.wait_for_selector("#drop")
        sent = sent_names(page)
        drop_on_page(page, exam)
        assert [row[0] for row in table(page)] == ["0 pre", "1", "2"]
        assert sorted(sent) == sorted(
            str(path.relative_to(exam)) for path in exam.rglob("*") if path.is_file()
        )
        assert page.inner_text("#exam h2") == "exam"
        assert visit.complaints == []


def test_a_dropped_case_is_read_and_a_whole_cohort_refused(tmp_path):
    image = volume((100 * (1 + probability())).astype(np.int16))
    for case in ("one", "two"):
        for phase in range(3):
            path = tmp_path / "cohort" / "images" / case / f"{case}_{phase:04d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_nifti(image, path)
    with (
        serving("--look-only", "--workspace", tmp_path / "work") as address,
        visiting(address) as visit,
    ):
        page = visit.page
        page.wait_for_selector("#drop")
        drop_on_page(page, tmp_path / "cohort" / "images" / "one")
        assert [row[-1] for row in table(page)] == [f"one_{n:04d}.nii.gz" for n in range(3)]
        assert visit.complaints == []
        drop_on_page(page, tmp_path / "cohort")
        page.wait_for_selector("#told >> text=cohort: is a cohort of cases")
        empty = tmp_path / "empty"
        empty.mkdir()
        drop_on_page(page, empty)
        page.wait_for_selector("#told >> text=empty: holds no file.")
        assert len(asked(f"{address}api/exams")) == 1


def test_a_running_job_is_shown_as_it_is_told(tmp_path):
    facts = {"id": "0" * 16, "exam": "1" * 16, "name": "case", "state": "running", "error": None}
    told = {"description": "windows", "step": "map of case", "done": 1, "total": 8}
    with serving("--workspace", tmp_path / "work") as address, visiting(address) as visit:
        page = visit.page
        page.wait_for_selector("#drop")
        page.route("**/api/jobs", lambda route: route.fulfill(json=[{**facts, "progress": told}]))
        line = page.locator("#jobs .small")
        for change, shown in (
            ({}, "map of case (2 of 8)"),
            ({"step": ""}, "windows (2 of 8)"),
            ({"done": 8}, "writing the results"),
            ({"description": "writing the report", "total": None}, "writing the report"),
        ):
            told.update(change)
            line.filter(has_text=re.compile(f"^{re.escape(shown)}$")).wait_for()
            bar = page.locator("#jobs progress")
            assert bar.get_attribute("max") == (str(told["total"]) if told["total"] else None)
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
