"""Tables of a comparison, on scores made by hand."""

import csv
import re
from dataclasses import replace

import pytest
from compare_scores import (
    DSC,
    MAPS,
    MEASURED,
    NAMES,
    PATIENTS,
    map_records,
    map_summary,
    tumour_record,
    tumour_records,
    tumour_summary,
)

from hcnet.evaluation.evaluate import METRICS
from hcnet.studies.compare.entries import BASELINE, OURS, TABLE_1, Entry
from hcnet.studies.compare.latex import escape, latex
from hcnet.studies.compare.summary import summarise_tumours
from hcnet.studies.compare.tables import (
    cost,
    groups,
    markdown,
    notes,
    ranks,
    seen,
    versus,
    write_cases_csv,
    write_comparisons_csv,
    write_table_csv,
)

FEW = (Entry("dmfnet", "post+sub"), BASELINE, OURS)


def told(summary, **more):
    facts = {"reference": "the reader", "updates": 600, "window": (96, 96, 32), "classes": 8}
    return notes(summary, **(facts | {"device": "a device"} | more))


def table_of(text):
    """Cells of the first table, by row title and heading; the headings in order."""
    lines = [line.strip("| ").split(" | ") for line in text.split("\n\n")[0].splitlines()]
    lines = [[cell.strip() for cell in line] for line in lines]
    return lines[0], lines[2:]


@pytest.fixture(scope="module")
def summary():
    return tumour_summary()


def test_every_row_has_every_column(summary):
    lines = markdown(summary, MEASURED, told(summary)).split("\n\n")[0].splitlines()
    assert len(lines) == 2 + len(TABLE_1)
    assert {line.count("|") for line in lines} == {22}


def test_best_is_bold_within_its_group(summary):
    _, rows = table_of(markdown(summary, MEASURED, []))
    bold = [i for i, row in enumerate(rows) if any(cell.startswith("**0.") and "(" in cell
                                                   for cell in row)]  # fmt: skip
    names = [entry.name for entry in TABLE_1]
    assert bold == [names.index("dmfnet-post+sub"), names.index(OURS.name)]
    text = markdown(summary, MEASURED, [])
    assert "**0.590** (" in text  # DMFNet: 0.3 + 0.28 + 0.01
    assert "**0.510** (" in text


def test_ranks(summary):
    found = ranks(summary)
    assert found["dmfnet-post+sub", "dsc"] == found["kisnet-pre", "asd_mm"] == 1
    assert found["mhl-post+sub", "dsc"] == found["resunet-pre", "hd95_mm"] == 2
    assert ("vnet-pre", "dsc") not in found
    assert found["vnet-pre", "false_ml"] == 1  # all alike
    alone = tumour_summary((FEW[0], BASELINE, OURS))
    assert ("dmfnet-post+sub", "dsc") not in ranks(alone)


def test_check_marks():
    assert [seen(Entry("resunet", kind), "x") for kind in
            ("pre", "post", "post+sub", "pre+post", "all-phases")] == [
        ("x", "", ""), ("", "x", ""), ("", "x", "x"), ("x", "x", ""), ("x", "all", "")
    ]  # fmt: skip


def test_differences_have_the_right_sign(summary):
    head, rows = table_of(markdown(summary, MEASURED, []))
    first, second = (head.index(f"DSC minus {entry.title} (95 %)") for entry in (BASELINE, OURS))
    by_name = dict(zip([entry.name for entry in TABLE_1], rows, strict=True))
    for name, row in by_name.items():
        for column, against in ((first, BASELINE.name), (second, OURS.name)):
            if name == against:
                assert row[column : column + 2] == ["-", "-"]
            else:
                assert row[column].startswith(f"{DSC[name] - DSC[against]:+.3f} (")
                assert row[column + 1] != "-"


def test_a_comparison_can_be_read_the_other_way_round(summary):
    there = versus(summary, OURS.name, BASELINE.name, "dsc")
    back = versus(summary, BASELINE.name, OURS.name, "dsc")
    assert summary.against(BASELINE.name, OURS.name, "dsc") is None
    ahead, turned = there.result.difference, back.result.difference
    assert (turned.mean, turned.low, turned.high) == (-ahead.mean, -ahead.high, -ahead.low)
    assert back.p_holm == there.p_holm
    assert versus(summary, "vnet-pre", "mhl-pre", "dsc") is None


def test_undefined_values_are_counted():
    summary = tumour_summary(FEW, missed=("C1", "C2"))
    text = markdown(summary, MEASURED, [])
    head, rows = table_of(text)
    for name in ("PPV", "ASD mm", "HD95 mm"):
        assert all(row[head.index(f"{name} (95 %)")].endswith("[4]") for row in rows)
    assert not any("[" in row[head.index("SEN (95 %)")] for row in rows)


def test_the_method_costs_both_its_networks(summary):
    own = MEASURED[OURS.name]
    assert cost(OURS, MEASURED) == (own.flops + 500_000_000, 5000)
    assert cost(BASELINE, MEASURED) == (MEASURED[BASELINE.name].flops, 1012)
    head, rows = table_of(markdown(summary, MEASURED, []))
    assert (rows[-1][head.index("GFLOPs a window")], rows[-1][head.index("Peak MB")]) == (
        "28.5", "5000"
    )  # fmt: skip


def test_notes_say_what_was_done(summary):
    text = " ".join(told(summary))
    for part in ("6 cases with a lesion and 1 without; 2 seed(s), one split", "the reader",
                 "patients and seeds, crossed", "25 comparisons of each metric", "600 updates",
                 "96 x 96 x 32", "With 2 seeds", "fewer than 20 cases", "HIPM", "a device",
                 "no training stops early"):  # fmt: skip
        assert part in text
    one = " ".join(told(tumour_summary(FEW[:2], seeds=1)))
    assert "1 seed(s)" in one
    assert "patients only, as there is one seed" in one
    assert "1 comparisons" in one
    assert "HIPM" not in one


def test_notes_say_how_often_a_patient_is_held_out():
    parts = [tumour_record(BASELINE.name, 0.0, fold=f, names=NAMES[3 * f : 3 * f + 3])
             for f in (0, 1)]  # fmt: skip
    summary = summarise_tumours(parts, [BASELINE], PATIENTS, 0)
    text = " ".join(told(summary))
    assert "each patient once, in 2 folds" in text
    assert "6 cases with a lesion and 0 without" in text
    assert "there are none" in text
    rows = table_of(markdown(summary, MEASURED, told(summary)))
    assert rows[1][0][rows[0].index("False +")] == "-"
    assert not any("minus" in heading for heading in rows[0])


def test_the_maps_table():
    summary = map_summary()
    head, rows = table_of(markdown(summary, MEASURED, told(summary)))
    assert [row[0] for row in rows] == ["VNet", "ResUNet", "3D UX-Net"]
    assert rows[2][1].startswith("**0.605** (")
    assert rows[0][head.index("Mean Accuracy minus 3D UX-Net (95 %)")].startswith("-0.200")
    assert rows[2][head.index("Mean IoU minus 3D UX-Net (95 %)")] == "-"
    assert rows[1][head.index("Pooled Accuracy")] == "0.505"
    text = " ".join(told(summary))
    assert "3 cases" in text
    assert "0.125" in text  # chance of 8 classes
    both = markdown(summary, MEASURED, [])
    assert both.count("| Compared (") == 2


def test_table_csv(summary, tmp_path):
    write_table_csv(summary, MEASURED, tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [row["entry"] for row in rows] == [entry.name for entry in TABLE_1]
    ours = rows[-1]
    assert float(ours["dsc mean"]) == pytest.approx(0.51)
    assert float(ours["dsc_minus_resunet-pre mean"]) == pytest.approx(0.11)
    assert ours["dsc_minus_kisnet-pre mean"] == ""
    assert (float(ours["false_rate"]), float(ours["false_ml"])) == (0.5, 1.25)
    assert int(ours["flops"]) == MEASURED[OURS.name].flops + 500_000_000
    write_table_csv(map_summary(), MEASURED, tmp_path / "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert len(rows) == len(MAPS)
    assert float(rows[0]["pooled_mean_accuracy"]) == pytest.approx(0.405)


def test_comparisons_csv(summary, tmp_path):
    write_comparisons_csv(summary, tmp_path / "c.csv")
    rows = list(csv.DictReader((tmp_path / "c.csv").read_text().splitlines()))
    assert len(rows) == 25 * len(METRICS)
    row = next(r for r in rows if (r["first"], r["metric"]) == ("vnet-post+sub", "dsc"))
    assert float(row["difference mean"]) == pytest.approx(DSC["vnet-post+sub"] - DSC[row["second"]])


def test_cases_csv(tmp_path):
    write_cases_csv(tumour_records(FEW, missed=("C0",)), tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == 2 * 3 * 7
    assert (rows[0]["entry"], rows[0]["seed"], rows[0]["fold"], rows[0]["name"], rows[0]["ppv"],
            rows[0]["inference_s"]) == ("dmfnet-post+sub", "0", "0", "C0", "", "0.5")  # fmt: skip
    write_cases_csv(map_records(), tmp_path / "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert len(rows) == 9
    assert float(rows[0]["mean_accuracy"]) == pytest.approx(0.4)


@pytest.mark.parametrize("make", [tumour_summary, map_summary])
def test_latex_is_balanced_and_its_rows_are_as_wide_as_its_columns(make):
    text = latex(make(), MEASURED)
    bare = re.sub(r"\\[{}]", "", text.replace("\\\\", ""))
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert re.findall(r"\\begin\{(\w+)\}", text) == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", text) == ["tabular", "table"]
    assert text.count("$") % 2 == 0
    columns = re.search(r"\\begin\{tabular\}\{([lcr]+)\}", text)[1]
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 1 + len(make().rows)
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
    assert text.isascii()


def test_latex_marks(summary):
    rows = {line.split(" & ")[0] + line.count(r"\checkmark") * "+": line
            for line in latex(summary, MEASURED).splitlines() if r"\checkmark" in line}  # fmt: skip
    assert r"\textbf{0.590}" in rows["DMFNet++"]
    assert r"\underline{0.570}" in rows["MHL++"]
    assert r"\textbf{0.510}" in rows["KIS-Net (ours)+"]
    assert r"\textbf{0." not in rows["ResUNet+"]
    assert "$^" not in rows["DMFNet++"]  # six patients are too few after Holm's correction


def test_latex_signs_follow_the_corrected_p_values(summary):
    sure = replace(summary, compared=tuple(
        replace(each, p_holm=0.04 if each.first == "vnet-pre" else 0.06)
        for each in summary.compared
    ))  # fmt: skip
    text = latex(sure, MEASURED)
    assert text.count(r"$^{*\dagger}$") == text.count("$^") == 1
    assert "Holm-corrected $p < 0.05$" in text


def test_special_characters_are_escaped():
    assert escape("a_b & 5 % {x} #1 $ ^ ~ \\") == (
        r"a\_b \& 5 \% \{x\} \#1 \$ \textasciicircum{} \textasciitilde{} \textbackslash{}"
    )


def test_groups_without_rows_are_left_out():
    assert [len(group) for group in groups(tumour_summary((BASELINE, OURS)))] == [2]
