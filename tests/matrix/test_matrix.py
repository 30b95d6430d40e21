"""What `make matrix` tries is what is declared; it runs this with whatever else it runs."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from django.db import connection
from redis import Redis

from pmo.run.engines import postgres, valkey
from tests.matrix.axes import DECLARED
from tests.matrix.run import QUICK
from tests.servers import ROOT


def test_what_is_declared_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pythons = [name.rpartition(" ")[2] for name in project["classifiers"] if "Language :: Python" in name]
    assert tuple(pythons) == DECLARED["Python"]
    assert project["requires-python"] == f">={DECLARED['Python'][0]}"
    assert "django>=5.2,<7" in project["dependencies"]
    readme = (ROOT / "README.md").read_text()
    said = "Tested on Python 3.11 to 3.13, Django 5.2 and 6.1, PostgreSQL 15 to 18, Redis 7.2, Valkey 8 and 9"
    assert said in " ".join(readme.split())
    assert all((ROOT / "tests" / folder).is_dir() for folder in QUICK)


@pytest.mark.django_db
def test_this_run_is_on_the_engines_asked_for(redis_client: Redis) -> None:
    folder = Path(os.environ.get("PMO_TEST_POSTGRES") or postgres.program_folder())
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        assert f"(PostgreSQL) {cursor.fetchone()[0]}" in version_of(folder / "postgres")
    server = redis_client.info("server")
    name, version = server.get("server_name", "redis"), server.get("valkey_version", server["redis_version"])
    said = version_of(Path(os.environ.get("PMO_TEST_VALKEY") or valkey.server_program()))
    assert said.lower().startswith(f"{name} server v={version} ")


def version_of(program: Path) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
