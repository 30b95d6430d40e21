"""Settings of the cache layer."""

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cache_layer.errors import InvalidOptions
from cache_layer.options import Options
from tests.docs.pages import documented_settings
from tests.platform.running import bare_environment
from tests.servers import ROOT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"local_leese_ms": 50}, "did you mean 'local_lease_ms'"),
        ({"zzz": 1}, "known: cache_alias"),
        ({"local_lease_ms": -1}, "from 0 to 60000"),
        ({"max_connections": 10_001}, "from 1 to 10000"),
        ({"hold_ms": "5"}, "whole number"),
        ({"hold_ms": True}, "whole number"),
        ({"write_policy": "hope"}, "'available' or 'strict'"),
        ({"relay": 1}, "True or False"),
        ({"local_lease_ms": 2_500}, "more than twice"),
    ],
)
def test_a_mistake_is_named_with_what_would_do(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        Options.of(values)


def test_nothing_set_gives_the_designs_values() -> None:
    options = Options.of({})
    assert (options.local_lease_ms, options.hold_ms) == (7, 5_000)


SHOW = """
import json
from pmo import settings
print(json.dumps([settings.CACHE_LAYER, settings.CACHES["entity_metadata"]["TIMEOUT"]]))
"""


def test_every_setting_but_the_alias_has_an_environment_variable_that_is_documented(tmp_path: Path) -> None:
    numbers = {field.name: field.default + 1 for field in fields(Options) if type(field.default) is int}
    wanted = numbers | {"write_policy": "strict", "relay": False}
    assert {field.name for field in fields(Options)} == {"cache_alias", *wanted}
    variables = {f"CACHE_{name.upper()}": str(value) for name, value in wanted.items()} | {"CACHE_TTL_SECONDS": "301"}
    loaded = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=ROOT,
        env=bare_environment(**variables, DATA_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(loaded.stdout) == [wanted | {"cache_alias": "entity_metadata"}, 301]
    assert variables.keys() <= documented_settings().keys()
