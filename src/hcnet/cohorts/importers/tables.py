"""Tables beside a collection, CSV or XLSX, as rows of strings.

Everything stays text: what a cell means is for the importer to say. Cells with nothing or `NaN`
are "", so that a table that pandas has written reads like any other.
"""

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hcnet.errors import InputError, MissingExtraError

MAX_BYTES = 200_000_000
"""Of a table, unpacked; the published ones have a few megabytes."""

JOINED_BY = " | "
"""Between the texts of several header rows."""

Row = dict[str, str]


def read_table(
    path: Path, sheet: str | None = None, header_rows: int = 1, max_bytes: int | None = None
) -> list[Row]:
    """Read a table; rows without any text are left out.

    Args:
        path: a `.csv` (UTF-8, separated by commas) or `.xlsx` file.
        sheet: of an XLSX file; None takes its first one.
        header_rows: how many rows name the columns. With several, the texts over a column are
            joined by `JOINED_BY`; a text above the last header row goes on to its right up to the
            next text of its row, as merged cells do.
        max_bytes: of the table, unpacked, instead of `MAX_BYTES`; a larger one is refused.

    Returns:
        one dict a row, from the name of a column to its text, without blanks around either.
        Columns without a name are dropped; the second one of a name is `NAME (2)`.

    Raises:
        InputError: the file is missing, too large, no such table, or a row is longer than the
            header.
        MissingExtraError: an XLSX file without openpyxl being there.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such table.")
    is_book = path.suffix.lower() == ".xlsx"
    most = MAX_BYTES if max_bytes is None else max_bytes
    grid = list(_sheet_cells(path, sheet, most) if is_book else _csv_cells(path, most))
    if len(grid) < header_rows:
        raise InputError(f"{path}: has no header of {header_rows} row(s).")
    names = _names(grid[:header_rows])
    if not any(names):
        raise InputError(f"{path}: its header names no column.")
    return [
        _row(path, number, names, cells)
        for number, cells in enumerate(grid[header_rows:], header_rows + 1)
        if any(cells)
    ]


def check_columns(path: Path, rows: Sequence[Row], *names: str) -> None:
    """Check that a table has rows and these columns.

    Args:
        path: of the table, for the message.
        rows: from `read_table`.
        names: of the columns that are needed, letter for letter.

    Raises:
        InputError: there is no row, or a column is missing; it is named.
    """
    if not rows:
        raise InputError(f"{path}: the table holds no row below its header.")
    for name in names:
        if name not in rows[0]:
            raise InputError(
                f"{path}: the table has no column {name}; it has: {', '.join(list(rows[0])[:12])}"
                f"{', ...' if len(rows[0]) > 12 else ''}."
            )


def by_key(path: Path, rows: Sequence[Row], column: str) -> dict[str, Row]:
    """Rows by what a column says, in lower case; rows that say nothing there are left out.

    Raises:
        InputError: as `check_columns`, or two rows say the same.
    """
    check_columns(path, rows, column)
    found: dict[str, Row] = {}
    for row in rows:
        key = row[column].lower()
        if key in found:
            raise InputError(f"{path}: two rows have the {column} {row[column]}; leave one.")
        if key:
            found[key] = row
    return found


def _names(header: Sequence[Sequence[str]]) -> list[str]:
    width = max(len(cells) for cells in header)
    levels = []
    for level, cells in enumerate(header):
        texts = [*cells, *[""] * (width - len(cells))]
        if level < len(header) - 1:
            for column in range(1, width):
                texts[column] = texts[column] or texts[column - 1]
        levels.append(texts)
    names: list[str] = []
    times: dict[str, int] = {}
    for column_texts in zip(*levels, strict=True):
        name = JOINED_BY.join(text for text in column_texts if text)
        times[name] = times.get(name, 0) + 1
        names.append(f"{name} ({times[name]})" if name and times[name] > 1 else name)
    return names


def _row(path: Path, number: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    # Cells beyond the header mean an unquoted comma, after which every value is in a wrong column.
    if any(cells[len(names) :]):
        raise InputError(
            f"{path}: row {number} has {len(cells)} cells under {len(names)} columns; "
            "quote the cells that hold commas."
        )
    padded = [*cells[: len(names)], *[""] * (len(names) - len(cells))]
    return {name: text for name, text in zip(names, padded, strict=True) if name}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a spreadsheet knows no whole numbers
    text = str(value).strip()
    return "" if text.lower() == "nan" else text


def _csv_cells(path: Path, max_bytes: int) -> Iterable[list[str]]:
    if path.stat().st_size > max_bytes:
        raise InputError(f"{path}: is larger than {max_bytes} bytes; is this the table?")
    try:
        text = path.read_text(encoding="utf-8-sig")
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            yield [_text(cell) for cell in row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV in UTF-8 ({error}).") from error


def _sheet_cells(path: Path, sheet: str | None, max_bytes: int) -> Iterable[list[str]]:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError(
            f"{path}: reading an XLSX table needs openpyxl; pip install 'hcnet[tables]'."
        ) from None
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise InputError(f"{path}: unpacks to more than {max_bytes} bytes; is this the table?")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles that are of no use here
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except InputError:
        raise
    except Exception as error:  # a damaged book fails anywhere inside openpyxl, with any error
        raise InputError(f"{path}: cannot be read as XLSX ({error}).") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise InputError(
                f"{path}: has no sheet {sheet}; there are: {', '.join(book.sheetnames)}."
            )
        page = book[book.sheetnames[0] if sheet is None else sheet]
        page.reset_dimensions()  # the size that a read-only book states is often wrong
        for row in page.iter_rows(values_only=True):
            yield [_text(cell) for cell in row]
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: cannot be read as XLSX ({error}).") from error
    finally:
        book.close()
