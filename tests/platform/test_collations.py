"""One order everywhere: by code point, whatever the database's collation, which in America has no regard to `_`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from entities.admin.form.views import search_types
from entities.admin.list.ordering import reorder_entities
from entities.admin.map.type_map import read_type_map
from entities.dashboard.entries import Filter, list_entries
from entities.files.backup import write_backup
from entities.services import get_entity_infrastructure
from entities.tags import tagged_codes
from tests.admin.conftest import LIST
from tests.conftest import make_entity

CODES = ["a1", "a_1", "a_b", "ab", "ab_", "b"]
INACTIVE = "a_b"


def make_entities() -> None:
    for code in reversed(CODES):
        make_entity(code, label=code, display_order=7, active_flag=code != INACTIVE)
    make_entity("zz", label="zz", display_order=8, child_entity_codes=CODES)


def show_everywhere(client: Client, file: Path) -> dict[str, list[str]]:
    """The codes in each place that shows entity types in an order."""

    def listed(column: str = "") -> list[str]:
        return [row.code for row in client.get(LIST, {"o": column} if column else {}).context["cl"].result_list]

    service = get_entity_infrastructure()
    write_backup(file)
    return {
        "list": listed(),
        "inactive, then active": listed("4"),
        "API": [each.code for each in service.get_all_entity(include_inactive=True)],
        "active": [each.code for each in service.get_all_entity()],
        "map": list(read_type_map().types),
        "dashboard": [entry.code for entry in list_entries("", Filter.ALL, 1).entries],
        "tag": tagged_codes("under:zz"),
        "by label": listed("1"),
        "by code": listed("2"),
        "suggested": [code for code, *_ in search_types("", [])],
        "backup": [row["code"] for row in json.loads(file.read_text())],
    }


def expected_everywhere(order: list[str]) -> dict[str, list[str]]:
    active = [code for code in order if code != INACTIVE]
    ordered = dict.fromkeys(("list", "API", "map", "dashboard", "tag"), order)
    by_text = dict.fromkeys(("by label", "by code", "suggested", "backup"), sorted(order))
    return ordered | by_text | {"active": active, "inactive, then active": [INACTIVE, *active]}


def test_the_order_is_one_everywhere_and_no_query_leaves_it_to_the_database(
    admin_client: Client, tmp_path: Path
) -> None:
    make_entities()
    in_order = [*CODES, "zz"]
    moved = ["b", *CODES[:-1], "zz"]
    with CaptureQueriesContext(connection) as captured:
        assert show_everywhere(admin_client, tmp_path / "backup") == expected_everywhere(in_order)
        assert [row.code for row in reorder_entities(moved, seen=in_order)] == CODES[:-1]
        assert show_everywhere(admin_client, tmp_path / "backup") == expected_everywhere(moved)
    orders = [re.sub("CASE.*?END", "", query["sql"].partition("ORDER BY")[2]) for query in captured]
    first_texts = [found for order in orders if (found := re.search(r'"?(code|label)"?( COLLATE "C")?', order))]
    assert len(first_texts) > 9
    assert all(found[2] for found in first_texts), orders
