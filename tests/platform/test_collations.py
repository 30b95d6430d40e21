"""One order everywhere: by code point, whatever the database's collation, which in America has no regard to `_`."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from entities.admin.form.views import search_types
from entities.admin.list.ordering import reorder_entities
from entities.admin.map.type_map import read_type_map
from entities.dashboard.entries import Filter, list_entries
from entities.models import Entity
from entities.services import get_entity_infrastructure
from entities.tags import tagged_codes
from pmo.run.engines.postgres import PORT, Postgres, program_folder, socket_directory
from tests.admin.conftest import LIST
from tests.conftest import make_entity
from tests.servers import test_database_url

PROGRAMS = program_folder()
CODES = ["a1", "a_1", "a_b", "ab", "ab_", "b"]
INACTIVE = "a_b"


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.proof)], ids=["own", "american"])
def american(committed_db: None, request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether this test's database is one like the others', on a server that knows collations: the wheel's does not."""
    if not request.param:
        yield False
        return
    name, own = f"american_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", connection.settings_dict
    schema = subprocess.check_output([PROGRAMS / "pg_dump", "--schema-only", "--no-privileges", test_database_url()])
    schema = schema.replace(b"SET transaction_timeout = 0;", b"")  # which older ones do not know
    with contextlib.ExitStack() as stack:
        address = own["OPTIONS"]["host"]
        if not _knows_collations(test_database_url()):
            found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
            if not found:
                pytest.skip("no PostgreSQL with ICU is installed")
            # Not in pytest's folder, which another run's start closes to PostgreSQL's account.
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-")))
            programs = found[-1].parent
            sockets = stack.enter_context(socket_directory(scratch, programs))
            stack.enter_context(Postgres(scratch, sockets, durable=False, programs=programs))
            address = str(sockets)
        server = stack.enter_context(closing(psycopg.connect(_url(address, "postgres"), autocommit=True)))
        server.execute(f"CREATE DATABASE {name} LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0")
        stack.callback(server.execute, f"DROP DATABASE {name} (FORCE)")
        psql = [PROGRAMS / "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", _url(address, name)]
        subprocess.run(psql, input=schema, stdout=subprocess.DEVNULL, check=True)
        with pytest.MonkeyPatch.context() as patch:
            connection.close()
            patch.setitem(own, "NAME", name)
            patch.setitem(own["OPTIONS"], "host", address)
            ContentType.objects.clear_cache()
            yield True
            connection.close()
            ContentType.objects.clear_cache()


def _url(address: str, database: str) -> str:
    return f"postgresql://postgres@:{PORT}/{database}?host={quote(address, safe='')}"


def _knows_collations(url: str) -> bool:
    with closing(psycopg.connect(url)) as session:
        return bool(session.execute("SELECT FROM pg_collation WHERE collname = 'en-US-x-icu'").rowcount)


def make_entities() -> None:
    for code in reversed(CODES):
        make_entity(code, label=code, display_order=7, active_flag=code != INACTIVE)
    make_entity("zz", label="zz", display_order=8, child_entity_codes=CODES)


def show_everywhere(client: Client, file: Path) -> dict[str, list[str]]:
    """The codes in each place that shows entity types in an order."""

    def listed(column: str = "") -> list[str]:
        return [row.code for row in client.get(LIST, {"o": column} if column else {}).context["cl"].result_list]

    service = get_entity_infrastructure()
    call_command("backup_entities", str(file))
    return {
        "list": listed(),
        "inactive, then active": listed("4"),
        "API": [each.code for each in service.get_all_entity(include_inactive=True)],
        "active": [each.code for each in service.get_all_entity()],
        "map": list(read_type_map().types),
        "dashboard": [entry.row.code for entry in list_entries("", Filter.ALL, 1)[0]],
        "tag": tagged_codes("under:zz"),
        "by label": listed("1"),
        "by code": listed("2"),
        "suggested": [entity.code for entity in search_types("", [])],
        "backup": [row["code"] for row in json.loads(file.read_text())],
    }


def expected_everywhere(order: list[str]) -> dict[str, list[str]]:
    active = [code for code in order if code != INACTIVE]
    ordered = dict.fromkeys(("list", "API", "map", "dashboard", "tag"), order)
    by_text = dict.fromkeys(("by label", "by code", "suggested", "backup"), sorted(order))
    return ordered | by_text | {"active": active, "inactive, then active": [INACTIVE, *active]}


def test_the_order_is_one_everywhere_and_no_query_leaves_it_to_the_database(
    american: bool, client: Client, tmp_path: Path
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    make_entities()
    in_order = [*CODES, "zz"]
    moved = ["b", *CODES[:-1], "zz"]
    by_database = Entity.objects.order_by("display_order", "code").values_list("code", flat=True)
    assert (list(by_database) != in_order) is american
    with CaptureQueriesContext(connection) as captured:
        assert show_everywhere(client, tmp_path / "backup") == expected_everywhere(in_order)
        assert [row.code for row in reorder_entities(moved, seen=in_order)] == CODES[:-1]
        assert show_everywhere(client, tmp_path / "backup") == expected_everywhere(moved)
    orders = [re.sub("CASE.*?END", "", query["sql"].partition("ORDER BY")[2]) for query in captured]
    first_texts = [found for order in orders if (found := re.search(r'"?(code|label)"?( COLLATE "C")?', order))]
    assert len(first_texts) > 9
    assert all(found[2] for found in first_texts), orders
