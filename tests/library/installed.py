"""An environment for the foreign project: the wheel of this checkout, what it says it needs, and nothing else."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from flit_core.wheel import make_wheel_in
from packaging.requirements import Requirement

from tests.servers import ROOT

PROJECT = Path(__file__).parent / "project"
DRIVER = "psycopg[binary]"
"""What the project itself installs: the wheel leaves it to a project how psycopg gets its libpq."""


class Project:
    """A copy of the foreign project, with a database of its own in the tests' PostgreSQL and the tests' Redis."""

    def __init__(self, directory: Path, python: list[str], environment: dict[str, str]) -> None:
        self.directory = directory
        self._python, self._environment = python, environment

    def run(self, *arguments: str) -> str:
        """What `python ...` prints in the project's directory."""
        ran = subprocess.run(
            [*self._python, *arguments],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@contextmanager
def foreign_project(scratch: Path, python: list[str], **environment: str) -> Iterator[Project]:
    """The project, copied to `scratch`, while its database is there."""
    shutil.copytree(PROJECT, scratch / "project", ignore=shutil.ignore_patterns("__pycache__"))
    where: dict[str, Any] = settings.DATABASES["default"]
    host = where["OPTIONS"].get("host") or where["HOST"]
    server = {"host": host, "port": str(where["PORT"]), "user": where["USER"]}
    server = {name: value for name, value in server.items() if value}
    database = f"library_{os.getpid()}"
    variables = {f"PG{name.upper()}": value for name, value in server.items()} | {
        "PGDATABASE": database,
        "REDIS_URL": settings.CACHES["default"]["LOCATION"],
        "SECRET_KEY": "x",
    }
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    with psycopg.connect(autocommit=True, dbname="postgres", **server) as admin:
        admin.execute(f'CREATE DATABASE "{database}" TEMPLATE template0')
        try:
            yield Project(scratch / "project", python, own | variables | environment)
        finally:
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def install_wheel(site: Path) -> PathDistribution:
    """Unpack the checkout's wheel to `site`, and link there what it requires of what is installed here."""
    site.mkdir()
    wheel = make_wheel_in(ROOT / "pyproject.toml", site).file
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    wheel.unlink()
    (info,) = site.glob("*.dist-info")
    library = PathDistribution(info)
    for needed in _closure([*(library.requires or ()), DRIVER]).values():
        for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(needed.locate_file(top)))
    return library


def _closure(requirements: list[str]) -> dict[str, Distribution]:
    """The distributions that requirements come to, by name; of extras none that are not asked for."""
    found: dict[str, Distribution] = {}
    asked: set[tuple[str, str]] = set()
    wanted = [(text, "") for text in requirements]
    while wanted:
        text, of_extra = wanted.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": of_extra}):
            continue
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) not in asked:
                asked.add((requirement.name, extra))
                found[requirement.name] = distribution(requirement.name)
                wanted += [(further, extra) for further in found[requirement.name].requires or ()]
    return found


ISOLATED = [sys.executable, "-S"]
"""Python without the packages of the environment that the tests run in."""
