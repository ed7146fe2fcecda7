import csv
import json
import math
from pathlib import Path

import pytest

from hcnet.evaluation.evaluate import CaseScores, EvaluationTable, tabulate
from hcnet.evaluation.tables import (
    as_markdown,
    detection_text,
    interval_text,
    write_csv,
    write_evaluation_json,
)


@pytest.fixture
def table() -> EvaluationTable:
    nan = math.nan
    return tabulate(
        [
            CaseScores('a|b, "c"', 0.5, 0.25, 1.0, 1.5, 4.25, 2.0, 1.0),
            CaseScores("missed", 0.0, nan, 0.0, nan, nan, 0.0, 3.0),
        ],
        draws=100,
    )


def test_csv_keeps_every_value(table: EvaluationTable, tmp_path: Path) -> None:
    write_csv(table, tmp_path / "out" / "metrics.csv")
    with (tmp_path / "out" / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["name"] for row in rows] == ['a|b, "c"', "missed"]
    for row, case in zip(rows, table.cases, strict=True):
        for column in ("dsc", "ppv", "sen", "asd_mm", "hd95_mm", "prediction_ml", "reference_ml"):
            assert float(row[column]) == pytest.approx(getattr(case, column), nan_ok=True)


def test_json_has_null_for_undefined(table: EvaluationTable, tmp_path: Path) -> None:
    write_evaluation_json(table, tmp_path / "metrics.json")
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["cases"][1]["ppv"] is None
    assert found["summary"]["asd_mm"]["undefined"] == 1
    assert found["summary"]["asd_mm"]["low"] is None
    assert found["summary"]["dsc"]["mean"] == 0.25
    assert found["detection"] | {"low": 0, "high": 0} == {
        "dsc_above": 0.1,
        "count": 1,
        "total": 2,
        "rate": 0.5,
        "low": 0,
        "high": 0,
    }


def test_markdown(table: EvaluationTable) -> None:
    text = as_markdown(table)
    assert "| PPV | 0.250 | 0.250 | 1 | 1 |" in text
    assert '| a\\|b, "c" | 0.500 | 0.250 | 1.000 | 1.50 | 4.25 | 2.00 | 1.00 |' in text
    assert "| missed | 0.000 | undefined | 0.000 | undefined | undefined | 0.00 | 3.00 |" in text
    assert "in 1 of 2 cases" in text


def test_texts(table: EvaluationTable) -> None:
    assert interval_text("dsc", table.summary["dsc"]) == "0.250 (95% 0.000 to 0.500)"
    assert interval_text("asd_mm", table.summary["asd_mm"]) == "1.50"
    healthy = tabulate([CaseScores("h", 1.0, 1.0, 1.0, math.nan, math.nan, 0.0, 0.0)])
    assert "no detection rate" in detection_text(healthy.detection)
