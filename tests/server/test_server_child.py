"""The process that does the work of the server."""

from hcnet.inference.built_in import find_bundle
from hcnet.server import child
from hcnet.server.orders import SegmentOrder, write_order


def test_a_segmentation_tells_each_step(tiny_cohort, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(child, "write_json", lambda path, facts: told.append((path.name, facts)))
    source = tiny_cohort["PHANTOM_0001"].pre.path
    bundle = str(find_bundle("phantom-tiny"))
    order = SegmentOrder(
        paths=(str(source),), name="case", bundle=bundle, threshold=None, tta=False
    )
    write_order(tmp_path, order)
    child.segment(tmp_path)

    assert {name for name, _ in told} == {"progress.json"}
    lines = [facts["description"] for _, facts in told]
    assert list(dict.fromkeys(lines)) == [
        "reading the exam",
        "map of case",
        "tumour of case",
        "writing the report",
    ]
    for bar in ("map of case", "tumour of case"):
        counts = [(f["done"], f["total"]) for _, f in told if f["description"] == bar]
        assert counts == [(done, len(counts) - 1) for done in range(len(counts))]
    assert (tmp_path / "out" / "report.html").is_file()
