"""
A pytest plugin: one real PostgreSQL and one real Valkey for the whole run, started before Django reads its settings.

Each xdist worker has a database of its own in both. `PMO_TEST_POSTGRES`, a folder of programs, and `PMO_TEST_VALKEY`, a
server, name others than the embedded ones: `make matrix` sets them.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import django.db.models  # noqa: F401 - whole, before pytest-randomly imports it in part (through model-bakery)
import pytest

from pmo.run.embedded import running_engines

POSTGRES_PROGRAMS, VALKEY_PROGRAM = (
    Path(given) if (given := os.environ.get(f"PMO_TEST_{name}")) else None for name in ("POSTGRES", "VALKEY")
)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        os.environ["REDIS_DB"] = str(1 + int(worker.removeprefix("gw")))
        return
    stack = contextlib.ExitStack()
    early_config.add_cleanup(stack.close)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-tests-")))
    given = {"postgres_programs": POSTGRES_PROGRAMS, "valkey_program": VALKEY_PROGRAM}
    endpoints, _ = stack.enter_context(running_engines(directory, durable=False, **given))
    os.environ |= {
        "ENVIRONMENT": "development",
        "DATA_DIR": str(directory),
        "DATABASE_URL": endpoints.database_url,
        "DATABASE_POOL_SIZE": "0",
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(endpoints.valkey_port),
        "REDIS_DB": "0",
        "CACHE_LOCAL_LEASE_MS": "20",  # twice the default: the machine is busy with other tests
        "REQUEST_BUDGET_MS": "60000",  # the machine is busy with other tests; those of the budget have their own
        "CACHE_ANALYTICS_SECONDS": "0",  # a server of a test may report; the tests themselves do not at their end
    }
