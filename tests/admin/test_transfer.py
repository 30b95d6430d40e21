"""Importing and exporting entity types."""

import io
import json
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import openpyxl
import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entities.admin import transfer
from entities.admin.transfer import READERS
from entities.codes import RESERVED_CODES
from entities.files import formats as files
from entities.files.columns import COLUMNS, read_flag
from entities.files.formats import MAX_ROWS, MAX_UNPACKED_BYTES, UnreadableFile, XlsxFile
from entities.files.rows import EntityResource, plan_import, write_plan
from entities.history import all_events
from entities.models import Entity
from entities.services import get_entity_infrastructure
from entities.texts import UNREADABLE
from entities.words.icons import icon_names
from tests.admin.conftest import LIST, act, before_the_next, message_of, staff_client, submit, text_of
from tests.api.conftest import make_user
from tests.conftest import make_entity, make_linked

IMPORT = f"{LIST}import/"
PROCESS = f"{LIST}process_import/"
EXPORT = f"{LIST}export/"


@pytest.fixture
def types(committed_db: None) -> None:
    make_entity("task", display_order=20)
    make_entity("project", display_order=10, child_entity_codes=["task"])


def upload(client: Client, content: str | bytes, name: str = "types.csv") -> HttpResponse:
    """Choose a file on the import page."""
    data = content.encode() if isinstance(content, str) else content
    return client.post(IMPORT, {"file": SimpleUploadedFile(name, data)})


def confirm(client: Client, preview: HttpResponse) -> HttpResponse:
    return submit(client, preview, PROCESS)


def counts(preview: HttpResponse) -> tuple[int, ...]:
    """How many rows are new, changed, unchanged and wrong."""
    return tuple(preview.context["counts"].values())  # type: ignore[attr-defined] # as above


def errors(preview: HttpResponse) -> list[tuple[int, str]]:
    """Row and column of what is wrong."""
    return [(error.row, error.column) for error in preview.context["errors"]]  # type: ignore[attr-defined] # as above


def table_of(preview: HttpResponse, title: str) -> list[str]:
    """The rows of the table below this heading, as a person reads them."""
    _, _, below = preview.content.decode().partition(f">{title}</h2>")
    body = below.partition("<tbody>")[2].partition("</tbody>")[0]
    return [text_of(row) for row in body.split("</tr>") if row.strip()]


def refusal(response: HttpResponse) -> str:
    """What the page says about a file that is no table of entity types."""
    assert response.status_code == 200
    assert "counts" not in response.context  # type: ignore[attr-defined] # as above
    (text,) = response.context["form"].errors["file"]  # type: ignore[attr-defined] # as above
    return str(text)


def export(kind: str) -> bytes:
    data = READERS[kind]().export_data(EntityResource().export(Entity.objects.all()))
    return data if isinstance(data, bytes) else data.encode()


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def rows() -> dict[str, Any]:
    return {row.code: row for row in Entity.objects.values_list(*COLUMNS, named=True)}


def test_the_preview_shows_each_difference_and_confirming_writes_those_alone(types: None, admin_client: Client) -> None:
    service, before = get_entity_infrastructure(), rows()
    assert service.get_entity("project") is not None
    stamps, events = dict(Entity.objects.values_list("code", "modified_ts")), all_events().count()
    content = (
        "code,label,icon,child_entity_codes\ntask,Task,FolderKanban,\n"
        'project,Venture,FolderKanban,"risk,task"\nrisk,Risk,Flag,project\n'
    )
    preview = upload(admin_client, content)
    assert counts(preview) == (1, 1, 1, 0)
    assert table_of(preview, "Changed") == [
        "3 project label Project Venture",
        "3 project child_entity_codes task risk, task",
    ]
    assert table_of(preview, "New") == ["4 risk Risk Risks Flag project last yes risk"]
    page = preview.content.decode()
    assert "<del>Project</del>" in page
    assert "<ins>Venture</ins>" in page
    assert rows() == before

    said = "Imported types.csv: 1 new, 1 changed, 1 unchanged."
    assert message_of(confirm(admin_client, preview)) == ("success", said)
    read = {code: service.get_entity(code) for code in ("project", "risk")}
    assert [(each.label, each.child_entity_codes) for each in read.values() if each] == [
        ("Venture", ("risk", "task")), ("Risk", ("project",)),
    ]  # fmt: skip
    assert rows()["risk"].label_plural == "Risks"
    assert all_events().count() == events + 2
    unchanged = [row.code for row in Entity.objects.all() if stamps.get(row.code) == row.modified_ts]
    assert unchanged == ["task"]


def test_every_wrong_row_is_named_with_its_column_and_nothing_is_written(types: None, admin_client: Client) -> None:
    before = rows()
    content = (
        "code,label,icon,child_entity_codes,display_order,active_flag\n"
        "good,Good,Flag,,1,true\n"
        ",Nobody,Flag,,1,true\n"
        "project,,Nope,,x,perhaps\n"
        "\n"
        'task,Task,Flag,"moon,task,task",99999999999,true\n'
        "Bad Code,Bad,Flag,,1,true\n"
        "cache,Reserved,Flag,,1,true\n"
        "good,Again,Flag,,1,true\n"
    )
    preview = upload(admin_client, content)
    assert sorted(errors(preview)) == [
        (3, "code"),
        (4, "active_flag"),
        (4, "display_order"),
        (4, "icon"),
        (4, "label"),
        (6, "child_entity_codes"),
        (6, "display_order"),
        (7, "code"),
        (8, "code"),
        (9, "code"),
    ]
    assert "moon" not in rows()
    assert rows() == before
    assert "or import the other rows without them" in preview.content.decode()
    admin_client.post(PROCESS, {"upload": preview.context["upload"]})  # type: ignore[attr-defined] # of the test client
    assert rows() == before


def test_a_file_without_differences_offers_nothing_to_import(types: None, admin_client: Client) -> None:
    preview = upload(admin_client, "code,label\nproject,Project\n")
    assert counts(preview) == (0, 0, 1, 0)
    assert "there is nothing to import" in preview.content.decode()
    assert 'name="upload"' not in preview.content.decode()


def test_what_changed_since_the_preview_is_shown_before_it_is_overwritten(types: None, admin_client: Client) -> None:
    preview = upload(admin_client, "code,label\nproject,Venture\n")
    Entity.objects.filter(code="project").update(label="Undertaking")
    response = confirm(admin_client, preview)
    assert "were changed since the preview" in response.content.decode()
    assert "<del>Undertaking</del>" in response.content.decode()
    assert Entity.objects.get(code="project").label == "Undertaking"
    confirm(admin_client, response)
    assert Entity.objects.get(code="project").label == "Venture"


@pytest.mark.parametrize(
    "change",
    [
        lambda: Entity.objects.filter(code="project").update(label="Undertaking"),
        lambda: make_entity("risk", label="Somebody's"),
        lambda: Entity.objects.filter(code="task").delete(),
    ],
    ids=["changed", "added", "child removed"],
)
def test_what_changes_while_it_is_imported_undoes_the_import(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]
) -> None:
    make_linked("task", "project")
    preview = upload(admin_client, "code,label,icon,child_entity_codes\nproject,Venture,Flag,task\nrisk,Risk,Flag,\n")
    before_the_next(monkeypatch, "write_plan", change, owner=transfer)
    response = confirm(admin_client, preview)
    assert "were changed since the preview" in response.content.decode()
    assert Entity.objects.get(code="project").label != "Venture"


@pytest.mark.parametrize("sent", ["", "nonsense", "eyJhIjoxfQ:1:x"])
def test_a_preview_that_this_site_did_not_make_is_refused(types: None, admin_client: Client, sent: str) -> None:
    response = admin_client.post(PROCESS, {"upload": sent})
    assert message_of(response) == ("error", "This preview is too old: choose the file again.")


def test_a_bad_file_gets_a_clear_message(admin_client: Client, subtests: pytest.Subtests) -> None:
    for content, name, says in [
        ("", "a.csv", "The submitted file is empty."),
        ("\n\n", "a.csv", "The file is empty."),
        ("code,label\n", "a.csv", "no rows below"),
        ("label,icon\nx,y\n", "a.csv", "no column “code”"),
        ("code,colour\nx,y\n", "a.csv", "Unknown columns: “colour”"),
        ("code,label,label\nx,y,z\n", "a.csv", "more than once: “label”"),
        ("code,Label plural,label_plural\ntask,a,b\n", "a.csv", "Columns given more than once: “label_plural”."),
        ("code,label\nx,y,z\n", "a.csv", "Row 2 has more cells"),
        ('code,label\nx,"y\n', "a.csv", "is not CSV"),
        ("code,label\nx,\x00\n", "a.csv", "NUL"),
        ("code,label\nbüro,Büro\n".encode("latin-1"), "a.csv", "not UTF-8"),
        ("code,label\n" + "a,b\n" * (MAX_ROWS + 1), "a.csv", "more than 20000 rows"),
        ("code,label\n" + "a,b\n" * 1_300_000, "a.csv", "larger than"),
        ("code", "a.txt", "ends in .csv, .json or .xlsx"),
        ("{}", "a.json", "not a JSON array of objects"),
        ("[1]", "a.json", "not a JSON array of objects"),
        ("[{", "a.json", "not a JSON array of objects"),
        ("[" * 100_000, "a.json", "not a JSON array of objects"),
        ("[]", "a.json", "no column “code”"),
        ('[{"label": "x"}]', "a.json", "no column “code”"),
        (b"\xff\xfe", "a.json", "not a JSON array of objects"),
        ("no workbook", "a.xlsx", "not an Excel workbook"),
        (b"PK\x05\x06" + bytes(18), "a.xlsx", "not an Excel workbook"),
        (workbook(), "a.xlsx", "The file is empty."),
        (workbook(["code", None, "label"], ["x", 1, "y"]), "a.xlsx", "Unknown columns"),
    ]:
        with subtests.test(content=content, name=name, says=says):
            assert says in refusal(upload(admin_client, content, name))


def test_a_workbook_with_a_row_too_many_is_refused_and_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ROWS", 3)
    rows = [[f"type_{number}"] for number in range(4)]
    assert len(XlsxFile().create_dataset(workbook(["code"], *rows[:3]))) == 3
    with pytest.raises(UnreadableFile, match="more than 3 rows"):
        XlsxFile().create_dataset(workbook(["code"], *rows))


@pytest.mark.parametrize(
    ("compression", "length", "told", "says"),
    [
        (zipfile.ZIP_DEFLATED, 2 * MAX_UNPACKED_BYTES + 1, 2 * MAX_UNPACKED_BYTES + 1, "too large when it is unpacked"),
        (zipfile.ZIP_DEFLATED, MAX_UNPACKED_BYTES + 1_000_000, 10, "too large when it is unpacked"),
        (zipfile.ZIP_BZIP2, 20, 10, r"not an Excel workbook \(.xlsx\)"),
        (zipfile.ZIP_LZMA, 20, 10, r"not an Excel workbook \(.xlsx\)"),
    ],
)
def test_a_zip_bomb_is_not_unpacked_whatever_it_says_of_its_length(
    compression: int, length: int, told: int, says: str
) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(length))
        part = archive.infolist()[0]
        part.file_size, part.CRC = told, zlib.crc32(bytes(told))
    with pytest.raises(UnreadableFile, match=says):
        XlsxFile().create_dataset(stream.getvalue())


def workbook_with(**parts: bytes) -> bytes:
    """A workbook of two columns, with parts that no program writes."""
    stream = io.BytesIO()
    strings = b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument'
    strings += b'.spreadsheetml.sharedStrings+xml"/></Types>'
    made = zipfile.ZipFile(io.BytesIO(workbook(["code", "label"], ["project", "Project"])))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in {*made.namelist(), "xl/sharedStrings.xml"}:
            given = parts.get(name.rpartition("/")[2].partition(".")[0])
            part = given if given is not None else made.read(name)
            archive.writestr(name, part.replace(b"</Types>", strings) if b"sharedStrings" not in part else part)
    return stream.getvalue()


SHEET = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
STRINGS = b"<sst " + SHEET + b"><si><t>code</t></si><si><t>label</t></si><si><t>%s</t></si></sst>"
ROWS = (
    b"<worksheet "
    + SHEET
    + b"><sheetData><row><c t='s'><v>0</v></c><c t='s'><v>1</v></c></row>%s</sheetData></worksheet>"
)
TEXT = b"<row><c t='s'><v>2</v></c></row>"


@pytest.mark.parametrize(
    ("strings", "rows", "says"),
    [
        (STRINGS % b"x", TEXT, ""),
        (STRINGS % (b"x" * 1_000_000), TEXT * 31, "too large when it is unpacked"),
        (STRINGS % b"x", b"<row>" + b"<c/>" * 1_300_000 + b"</row>", "too large when it is unpacked"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + STRINGS % b"&a;", TEXT, "not an Excel workbook that can be read"),
    ],
    ids=["nothing of it", "one text in many cells", "very many cells", "an entity"],
)
def test_what_grows_while_it_is_read_is_refused(strings: bytes, rows: bytes, says: str) -> None:
    content = workbook_with(sharedStrings=strings, sheet1=ROWS % rows)
    assert len(content) < 100_000
    if not says:
        assert len(XlsxFile().create_dataset(content)) == 1
    else:
        with pytest.raises(UnreadableFile, match=says):
            XlsxFile().create_dataset(content)


def test_json_of_other_types_is_an_error_of_that_row(admin_client: Client, subtests: pytest.Subtests) -> None:
    for row in [
        {"code": ["list"]},
        {"code": None},
        {"code": 5},
        {"code": "x", "label": {"a": 1}},
        {"code": "x", "label": None, "icon": 7},
        {"code": "x", "child_entity_codes": [1]},
        {"code": "x", "child_entity_codes": {"a": 1}},
        {"code": "x", "active_flag": []},
        {"code": "x", "display_order": 1.5},
        {"code": "x", "label": "\u0007", "icon": "Flag"},
    ]:
        with subtests.test(row=row):
            preview = upload(admin_client, json.dumps([row]), "types.json")
            assert preview.status_code == 200
            assert {number for number, _ in errors(preview)} == {1}


def test_cells_of_a_spreadsheet_may_be_numbers_and_flags(types: None, admin_client: Client) -> None:
    content = workbook(
        ["code", "label", "display_order", "active_flag"], ["project", 2026, 5.0, False], [], ["task", "T", "7", "yes"]
    )
    confirm(admin_client, upload(admin_client, content, "types.xlsx"))
    assert (rows()["project"].label, rows()["project"].display_order, rows()["project"].active_flag) == (
        "2026",
        5,
        False,
    )
    assert rows()["task"].display_order == 7
    preview = upload(admin_client, workbook(["code", "label"], ["project", datetime(2026, 1, 1)]), "types.xlsx")
    assert errors(preview) == [(2, "label")]


PRINTABLE = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\ufffe\uffff")
TRAPS = ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "''=x", "'", "a,b", 'a"b', "a;b", " a ", "_x0041_", "_x005F_x0041_"]
READABLE = st.text(PRINTABLE, min_size=1, max_size=100).filter(lambda text: not re.search(UNREADABLE, text))
TEXTS = READABLE | st.sampled_from(TRAPS)
CODES = st.from_regex(r"[a-z][a-z0-9_]{3,12}", fullmatch=True).filter(lambda code: code not in RESERVED_CODES)


@st.composite
def entity_types(draw: st.DrawFn) -> list[Entity]:
    codes = draw(st.lists(CODES, min_size=1, max_size=8, unique=True))
    return [
        Entity(
            code=code,
            label=draw(TEXTS),
            label_plural=draw(TEXTS),
            icon=draw(st.sampled_from(sorted(icon_names())[:20])),
            child_entity_codes=draw(st.lists(st.sampled_from(codes), unique=True)),
            display_order=draw(st.integers(-(2**31) + 1, 2**31 - 1)),
            active_flag=draw(st.booleans()),
            entity_type=draw(st.text("abc=", min_size=1, max_size=50)),
        )
        for code in codes
    ]


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", READERS)
@settings(
    max_examples=int(os.environ.get("FUZZ_INPUTS", "12")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(entities=entity_types())
def test_what_is_exported_comes_back_unchanged(db: None, kind: str, entities: list[Entity]) -> None:
    Entity.objects.all().delete()
    Entity.objects.bulk_create(entities)
    before = rows()
    content = export(kind)
    plan = plan_import(READERS[kind]().create_dataset(content))
    assert plan.totals["skip"] == len(entities), [row.changes or row.validation_error for row in plan.rows]
    Entity.objects.filter(code=entities[0].code).update(child_entity_codes=[])
    Entity.objects.update(label="x", label_plural="y", child_entity_codes=[], display_order=0)
    write_plan(plan_import(READERS[kind]().create_dataset(content)))
    assert rows() == before


def test_no_cell_of_an_export_is_a_formula(committed_db: None) -> None:
    for number, label in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1")):
        make_entity(f"type_{number}", label=label, label_plural=label)
    cells = [line.split(",")[1] for line in export("csv").decode().splitlines()[1:]]
    assert all(cell.startswith("'") for cell in cells)
    sheet = openpyxl.load_workbook(io.BytesIO(export("xlsx"))).worksheets[0]
    assert {cell.data_type for row in sheet.iter_rows(min_row=2, max_col=3) for cell in row} == {"s"}


def test_what_xlsx_cannot_hold_is_said(committed_db: None, admin_client: Client) -> None:
    make_entity("project", label="x\uffff")
    form = {"format": "xlsx", "confirmed": "yes"}
    for response in (admin_client.post(EXPORT, form), act(admin_client, "export_selected", "project", **form)):
        level, text = message_of(response)
        assert (level, "XLSX can't hold the character U+FFFF" in text) == ("error", True)


def exported_codes(response: HttpResponse) -> list[str]:
    assert response["Content-Type"] == "application/json"
    assert response["Content-Disposition"].endswith('.json"')
    return [each["code"] for each in json.loads(response.content)]


def test_all_what_the_filter_shows_and_the_selection_are_exported(types: None, admin_client: Client) -> None:
    form = {"format": "json", "confirmed": "yes"}
    assert "2 entity types will be written" in admin_client.get(EXPORT).content.decode()
    assert exported_codes(admin_client.post(EXPORT, form)) == ["project", "task"]
    assert exported_codes(admin_client.post(f"{EXPORT}?has_children=no", form)) == ["task"]
    assert exported_codes(act(admin_client, "export_selected", "project", **form)) == ["project"]
    everything = act(admin_client, "export_selected", "project", select_across="1", **form)
    assert exported_codes(everything) == ["project", "task"]


def test_an_export_of_a_filter_that_is_none_leads_to_the_list(types: None, admin_client: Client) -> None:
    response = admin_client.get(f"{EXPORT}?nonsense__x=1")
    assert (response.status_code, response["Location"]) == (302, LIST)


def test_json_has_values_of_their_own_types(types: None) -> None:
    project = json.loads(export("json"))[0]
    assert (project["child_entity_codes"], project["display_order"], project["active_flag"]) == (["task"], 10, True)


@pytest.mark.parametrize("permission", ["add", "change"])
def test_to_import_one_must_be_allowed_to_add_and_to_change(types: None, permission: str) -> None:
    client = staff_client(make_user("some", "view", permission, is_staff=True))
    page = client.get(LIST).content.decode()
    assert (IMPORT in page, EXPORT in page) == (False, True)
    assert [client.get(IMPORT).status_code, upload(client, "code\nx\n").status_code] == [403, 403]
    assert client.post(PROCESS).status_code == 403


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (json.dumps([{"code": "task", f"column{number}": 1} for number in range(5_000)]).encode(), "json"),
        (b"code," * 100_000 + b"\ntask", "csv"),
    ],
)
def test_very_many_columns_are_refused_at_once(content: bytes, kind: str) -> None:
    began = time.process_time()
    with pytest.raises(UnreadableFile):
        READERS[kind]().create_dataset(content)
    assert time.process_time() - began < 1


def test_a_former_icon_is_imported_as_it_is_and_told(types: None, admin_client: Client) -> None:
    preview = upload(admin_client, "code,label,icon\nrisk,Risk,CheckSquare\nevent,Event,CheckSquare\ntask,Task,Home\n")
    page = preview.content.decode()
    assert "Lucide calls the icon CheckSquare SquareCheckBig now; both names work. (Rows 2, 3)" in page
    assert "Lucide calls the icon Home House now; both names work. (Row 4)" in page
    confirm(admin_client, preview)
    assert Entity.objects.get(code="risk").icon == "CheckSquare"


def test_new_types_without_a_display_order_come_last_in_the_order_of_the_file(
    types: None, admin_client: Client
) -> None:
    preview = upload(admin_client, "code,label,icon,display_order\nrisk,Risk,Flag,\nevent,Event,Flag,\n")
    assert ">last</td>" in preview.content.decode()
    confirm(admin_client, preview)
    assert list(Entity.objects.values_list("code", "display_order"))[2:] == [("risk", 30), ("event", 40)]


def test_what_excel_makes_of_a_csv_file_is_read(types: None, admin_client: Client) -> None:
    assert export("csv").startswith("\ufeff".encode()), "else Excel shows letters of its country"
    content = (
        "\ufeffsep=;\r\nCODE;Label;LABEL PLURAL;Icon;Children;Display order;Active\r\n"
        "cafe;Cafe\u0301;;Flag;task, project;;WAHR\r\nbar;Bar;;Flag;;;nein\r\n"
    )
    preview = upload(admin_client, content)
    assert counts(preview) == (2, 0, 0, 0)
    assert [row.split()[0] for row in table_of(preview, "New")] == ["3", "4"]
    confirm(admin_client, preview)
    found = Entity.objects.filter(icon="Flag").values_list("label", "label_plural", "child_entity_codes", "active_flag")
    assert list(found) == [("Café", "Cafés", ["task", "project"], True), ("Bar", "Bars", [], False)]


@pytest.mark.parametrize("first", ["sep=\t\n", '"sep=|"\n', "SEP=;;;\n"])
def test_the_delimiter_may_be_declared(types: None, admin_client: Client, first: str) -> None:
    delimiter = next(each for each in "\t|;" if each in first)
    assert counts(upload(admin_client, f"{first}code{delimiter}label\ntask{delimiter}A, B\n")) == (0, 1, 0, 0)


def test_true_and_false_are_known_in_other_languages(subtests: pytest.Subtests) -> None:
    for word, flag in [
        ("WAHR", True),
        ("Falsch", False),
        ("VRAI", True),
        ("ja", True),
        ("Oui", True),
        ("nein", False),
        ("いいえ", False),
    ]:
        with subtests.test(word=word, flag=flag):
            assert read_flag(word) is flag
    for word in ["jo", "maybe", "", "2"]:
        with subtests.test(word=word), pytest.raises(ValueError, match="Give true or false"):
            read_flag(word)


def test_the_good_rows_are_imported_without_the_wrong_ones_and_those_that_need_them(
    types: None, admin_client: Client
) -> None:
    content = (
        "code,label,icon,child_entity_codes\n"
        "good,Good,Flag,task\nbad,Bad,Nope,\nabove,Above,Flag,bad\ntop,Top,Flag,above\n"
        "project,Venture,FolderKanban,bad\ntask,Duty,FolderKanban,\ngood,Again,Flag,\n"
    )
    preview = upload(admin_client, content)
    assert [(error.row, error.value) for error in preview.context["errors"]] == [  # type: ignore[attr-defined] # as above
        (3, "Nope"), (4, "bad"), (5, "above"), (6, "bad"), (8, "good"),
    ]  # fmt: skip
    assert counts(preview) == (1, 1, 0, 5)
    assert "Import 2 rows, without the 5 that are wrong" in " ".join(preview.content.decode().split())
    assert message_of(confirm(admin_client, preview)) == (
        "warning",
        "Imported types.csv: 1 new, 1 changed, 0 unchanged. Rows 3, 4, 5, 6, 8 left out because of errors.",
    )
    assert dict(Entity.objects.values_list("code", "label")) == {"good": "Good", "project": "Project", "task": "Duty"}
    assert set(LogEntry.objects.values_list("object_id", "action_flag")) == {("good", ADDITION), ("task", CHANGE)}
