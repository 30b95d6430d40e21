"""`make matrix` runs this with whatever else it runs: the engines are those that it asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from django.db import connection
from redis import Redis

from pmo.run.engines import postgres, valkey


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
