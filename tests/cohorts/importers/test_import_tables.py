import sys
import zipfile
from pathlib import Path

import pytest

from hcnet.cohorts.importers.tables import by_key, check_columns, read_table
from hcnet.errors import InputError, MissingExtraError

openpyxl = pytest.importorskip("openpyxl")


def book(path: Path, **sheets: list[list[object]]) -> Path:
    written = openpyxl.Workbook()
    written.remove(written.active)
    for name, rows in sheets.items():
        sheet = written.create_sheet(name)
        for row in rows:
            sheet.append(row)
    written.save(path)
    return path


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_text(content, encoding=encoding)
    return path


def test_a_csv_is_rows_of_strings_without_blanks_and_nan(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", 'pid, age ,note\nX_1,41.0,"a, b"\n,,\nX_2, nan\n', "utf-8-sig")
    assert read_table(path) == [
        {"pid": "X_1", "age": "41.0", "note": "a, b"},
        {"pid": "X_2", "age": "", "note": ""},
    ]


def test_the_first_sheet_or_the_named_one_is_read(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        legend=[["word"], ["x"]],
        dataset_info=[["patient_id", "age", "times"], ["DUKE_001", 41.0, "[0, 584]"], [None] * 3],
    )
    assert read_table(path) == [{"word": "x"}]
    assert read_table(path, "dataset_info") == [
        {"patient_id": "DUKE_001", "age": "41", "times": "[0, 584]"}
    ]
    with pytest.raises(InputError, match=r"a\.xlsx: has no sheet info; there are: legend, dataset"):
        read_table(path, "info")


def test_several_header_rows_are_joined_and_merged_cells_go_on(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        s=[
            ["Patient", None, "Tumour"],
            ["ID", "Age", "Grade"],
            [None, "years", None],
            ["P1", 3, 2],
        ],
    )
    assert read_table(path, header_rows=3) == [
        {"Patient | ID": "P1", "Patient | Age | years": "3", "Tumour | Grade": "2"}
    ]


def test_a_second_column_of_a_name_is_numbered_and_one_without_is_dropped(tmp_path: Path) -> None:
    assert read_table(text(tmp_path / "a.csv", "a,,a\n1,2,3\n")) == [{"a": "1", "a (2)": "3"}]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", "pid,age\nx,1\n")
    check_columns(path, read_table(path), "pid", "age")
    with pytest.raises(InputError, match=r"a\.csv: the table has no column n_z; it has: pid, age"):
        check_columns(path, read_table(path), "pid", "n_z")
    with pytest.raises(InputError, match="holds no row"):
        check_columns(path, [], "pid")


def test_rows_by_key_are_lower_case_and_single(tmp_path: Path) -> None:
    path = text(tmp_path / "a.csv", "pid,age\nX_1,1\n,5\nx_2,2\n")
    assert {key: row["age"] for key, row in by_key(path, read_table(path), "pid").items()} == {
        "x_1": "1",
        "x_2": "2",
    }
    text(path, "pid,age\nX_1,1\nx_1,2\n")
    with pytest.raises(InputError, match="two rows have the pid x_1"):
        by_key(path, read_table(path), "pid")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"pid,times\nx,[0, 5, 7]\n", "row 2 has 4 cells under 2 columns"),
        (b'pid\n"x', "cannot be read as CSV"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
        (b"", "has no header of 1 row"),
        (b",,\n1,2,3\n", "its header names no column"),
    ],
)
def test_a_bad_csv_has_its_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_table(path)


def test_a_bad_xlsx_has_its_sentence(tmp_path: Path) -> None:
    path = text(tmp_path / "a.xlsx", "no book")
    with pytest.raises(InputError, match=r"a\.xlsx: cannot be read as XLSX"):
        read_table(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "no book either")
    with pytest.raises(InputError, match=r"a\.xlsx: cannot be read as XLSX"):
        read_table(path)
    with pytest.raises(InputError, match="there is no such table"):
        read_table(tmp_path / "b.xlsx")


def test_a_table_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hcnet.cohorts.importers.tables.MAX_BYTES", 1000)
    path = book(tmp_path / "a.xlsx", s=[["a"], ["b"]])
    with pytest.raises(InputError, match="unpacks to more than 1000 bytes"):
        read_table(path)
    with pytest.raises(InputError, match="is larger than 1000 bytes"):
        read_table(text(tmp_path / "a.csv", "a\n" * 600))


def test_without_openpyxl_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book(tmp_path / "a.xlsx", s=[["a"], ["b"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hcnet\[tables\]'"):
        read_table(path)
