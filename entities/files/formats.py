"""
The file formats for exporting and importing entity types: CSV, JSON and XLSX.

Each row read has its position in the column `ROW`. Readers raise `UnreadableFile` for anything they cannot parse.
"""

import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import openpyxl
import tablib
from import_export.formats.base_formats import CSV, JSON, XLSX
from openpyxl.utils import get_column_letter

from entities.files.columns import COLUMNS, column_of

ROW = "row number"
MISSING = object()
"""Stands for a value that one object of a JSON file lacks and others have."""
MAX_BYTES, MAX_ROWS, MAX_COLUMNS = 5_000_000, 20_000, 50
WIDTHS = {"label": 28, "label_plural": 28, "icon": 20, "child_entity_codes": 48, "display_order": 14, "active_flag": 12}
OTHER_WIDTH = 24
MAX_UNPACKED_BYTES = 30_000_000
"""For an XLSX file's parts, and again for its cells' texts, as many cells may share one text."""
MAX_TAGS = 1_200_000
"""In a whole XLSX file: 20,000 full rows have a million. Parsing one takes longer than thousands of other bytes."""
PIECE_BYTES = 65_536
UNPACKED_IN_PIECES = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""zipfile unpacks the others whole, however large the result."""

DELIMITER = re.compile(r'"?sep=([^\w\s"]|\t)\1*"?\r?', re.IGNORECASE)
"""A first line that names the delimiter for Excel, which writes it too."""
FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""What spreadsheets take for a formula; see OWASP, "CSV Injection"."""
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
ESCAPED = re.compile(r"_x005F_(?=x[0-9A-Fa-f]{4}_)")
"""Excel reads `_x0041_` as `A`; escaped as `_x005F_x0041_` it stays as it is."""
TOO_LARGE = "The file is too large when it is unpacked."


class UnreadableFile(Exception):
    """The file is not a table of entity types; the message says why."""


class CsvFile(CSV):  # type: ignore[misc] # import-export has no types
    """Separated by commas, semicolons or as a `sep=` line says; formulas are escaped with an apostrophe."""

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        try:
            text = in_stream.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnreadableFile(
                f"The file is not UTF-8 text (byte {error.start + 1}). In Excel, save it as “CSV UTF-8”."
            ) from error
        if "\x00" in text:
            raise UnreadableFile("The file is not CSV text: it has NUL characters.")
        first, _, _ = text.partition("\n")
        declared = DELIMITER.fullmatch(first)
        delimiter = declared[1] if declared else ";" if first.count(";") > first.count(",") else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            if declared:
                next(reader)
            rows = [(reader.line_num, [_without_apostrophe(cell) for cell in row]) for row in reader if any(row)]
        except csv.Error as error:
            raise UnreadableFile(f"Line {reader.line_num} is not CSV: {error}.") from error
        return _dataset(rows)

    def export_data(self, dataset: tablib.Dataset, **_: Any) -> str:
        rows = [[_harmless(cell) if isinstance(cell, str) else _as_text(cell) for cell in row] for row in dataset]
        table = tablib.Dataset(*rows, headers=dataset.headers)
        return f"\ufeff{table.export('csv')}"  # without the mark Excel assumes its locale's encoding


class JsonFile(JSON):  # type: ignore[misc] # as above
    """An array of objects."""

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        try:
            objects = msgspec.json.decode(in_stream.removeprefix(b"\xef\xbb\xbf"), type=list[dict[str, Any]])
        except (ValueError, RecursionError) as error:
            raise UnreadableFile(f"The file is not a JSON array of objects: {error}.") from error
        headers = list(dict.fromkeys(name for each in objects for name in each))
        _columns(headers)  # before every row gets a cell for each of them
        rows = [(number, [each.get(name, MISSING) for name in headers]) for number, each in enumerate(objects, start=1)]
        return _dataset([(0, headers), *rows])

    def export_data(self, dataset: tablib.Dataset, **_: Any) -> str:
        return msgspec.json.format(msgspec.json.encode(dataset.dict), indent=2).decode()


class XlsxFile(XLSX):  # type: ignore[misc] # as above
    """The first sheet; every text is stored as text, so that none is run as a formula."""

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        _refuse_bomb(in_stream)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about styles that other programs omit
                sheet = openpyxl.load_workbook(io.BytesIO(in_stream), read_only=True, data_only=True).worksheets[0]
                sheet.reset_dimensions()  # the file's claim about its size may be wrong
                cells = list(sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS, values_only=True))
        except Exception as error:  # openpyxl raises anything for broken files
            raise UnreadableFile("The file is not an Excel workbook that can be read.") from error
        if sum(len(cell) for row in cells for cell in row if isinstance(cell, str)) > MAX_UNPACKED_BYTES:
            raise UnreadableFile(TOO_LARGE)
        rows = [
            (number, [ESCAPED.sub("_", cell) if isinstance(cell, str) else cell for cell in row])
            for number, row in enumerate(cells, start=1)
            if any(cell is not None for cell in row)
        ]
        return _dataset(rows)

    def export_data(self, dataset: tablib.Dataset, **_: Any) -> bytes:
        workbook = openpyxl.Workbook()
        sheet = workbook.worksheets[0]
        sheet.title = "Entity types"
        sheet.freeze_panes = "A2"
        for row in (dataset.headers, *dataset):
            sheet.append([value if isinstance(value, bool | int) else _in_xml(_as_text(value)) for value in row])
        for cell in chain.from_iterable(sheet):
            if isinstance(cell.value, str):
                cell.data_type = "s"  # even if it begins with "="
        for column, name in enumerate(dataset.headers, start=1):
            sheet.column_dimensions[get_column_letter(column)].width = WIDTHS.get(name, OTHER_WIDTH)
        stream = io.BytesIO()
        workbook.save(stream)
        return stream.getvalue()


def _dataset(rows: Sequence[tuple[int, Sequence[Any]]]) -> tablib.Dataset:
    """A dataset with the first row's columns, and `ROW`."""
    if not rows:
        raise UnreadableFile("The file is empty.")
    headers = [str(name).strip() if name is not None else "" for name in rows[0][1]]
    while headers and not headers[-1]:
        headers.pop()
    columns = _columns(headers)
    if len(rows) == 1:
        raise UnreadableFile("The file has no rows below its column names.")
    if len(rows) - 1 > MAX_ROWS:
        raise UnreadableFile(f"The file has more than {MAX_ROWS} rows: split it.")
    dataset = tablib.Dataset(headers=[ROW, *columns])
    for number, cells in rows[1:]:
        if any(cell not in (None, "") for cell in cells[len(headers) :]):
            raise UnreadableFile(f"Row {number} has more cells than there are column names.")
        filled = [*cells[: len(headers)], *[None] * (len(headers) - len(cells))]
        dataset.append([number, *filled])
    return dataset


def _columns(headings: Sequence[str]) -> list[str]:
    """The columns that the headings name: known ones, each once, and that of the codes."""
    headers = [column_of(heading) for heading in headings]
    known = ", ".join(COLUMNS)
    if "code" not in headers:
        raise UnreadableFile(f"The file has no column “code”. Columns are: {known}.")
    if unknown := [name for name in headers if name not in COLUMNS]:
        raise UnreadableFile(f"Unknown columns: {_quoted(unknown)}. Columns are: {known}.")
    if repeated := sorted(name for name, times in Counter(headers).items() if times > 1):
        raise UnreadableFile(f"Columns given more than once: {_quoted(repeated)}.")
    return headers


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"“{name[:60]}”" for name in list(names)[:10])


def _refuse_bomb(content: bytes) -> None:
    size = tags = 0
    for piece in _unpack(content):
        size += len(piece)
        tags += piece.count(b"<")
        if size > MAX_UNPACKED_BYTES or tags > MAX_TAGS:
            raise UnreadableFile(TOO_LARGE)


def _unpack(content: bytes) -> Iterator[bytes]:
    """All parts in chunks, to their real ends: they may exceed declared sizes, and openpyxl unpacks them whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for part in archive.infolist():
                if part.compress_type not in UNPACKED_IN_PIECES:
                    raise zipfile.BadZipFile("Workbooks are never compressed this way.")
                part.file_size = 2 * MAX_UNPACKED_BYTES  # zipfile would stop there; the caller stops before
                with archive.open(part) as file:
                    yield from iter(partial(file.read, PIECE_BYTES), b"")
    except Exception as error:  # zipfile passes on whatever its decompressors raise
        raise UnreadableFile("The file is not an Excel workbook (.xlsx).") from error


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _harmless(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) else text


def _without_apostrophe(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _in_xml(text: str) -> str:
    if found := NOT_IN_XML.search(text):
        raise ValueError(f"XLSX can't hold the character U+{ord(found[0]):04X}. Export CSV or JSON instead.")
    return LOOKS_ESCAPED.sub("_x005F_", text)
