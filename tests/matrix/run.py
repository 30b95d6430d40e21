"""Make the environment of a combination, and run the suite in it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.plan import Combination
from tests.servers import ROOT

QUICK = ("cache_layer", "api", "commands", "admin", "dashboard", "acceptance")
"""
The folders of tests that ask the most of a version. Of the others, those that prove the protocol (model, interleavings,
torture) try the same scripts and statements in more orders, and those of `make run`, pages and figures start the
embedded engines whatever is set.
"""
ENGINES = "tests/matrix/test_matrix.py"


@dataclass(frozen=True)
class Result:
    """What one combination came to; `log` has the whole output."""

    combination: Combination
    passed: bool
    summary: str
    log: Path


def run_suite(combination: Combination, tests: Sequence[str], scratch: Path, *, jobs: int) -> Result:
    """Run `tests`, as pytest takes them, on a combination."""
    log = scratch / "logs" / (re.sub(r"[^\w.]+", "-", str(combination)) + ".log")
    log.parent.mkdir(exist_ok=True)
    begun = time.monotonic()
    with log.open("w") as output:
        python = _environment(combination, scratch, output)
        if python is None:
            return Result(combination, False, "its packages could not be installed", log)
        ended = subprocess.run(
            [python, "-m", "pytest", "-q", "-n", str(jobs), "-p", "no:cacheprovider", *tests, ENGINES],
            cwd=ROOT,
            env=os.environ | variables_of(combination),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
    return Result(combination, ended.returncode == 0, f"{_summary(log)}, {time.monotonic() - begun:.0f} s", log)


def variables_of(combination: Combination) -> dict[str, str]:
    """What `tests/engines.py` reads."""
    return {
        "PMO_TEST_POSTGRES": combination.postgres.where or "",
        "PMO_TEST_VALKEY": combination.redis.where or "",
        "PYTHONDONTWRITEBYTECODE": "1",  # beside the project's modules; packages are compiled when they are installed
    }


def _environment(combination: Combination, scratch: Path, output: object) -> Path | None:
    """The interpreter of the Python and Django of a combination, with what the tests need; None if it can't be made."""
    python, django = combination.python, combination.django
    folder = scratch / f"python-{python.name}-django-{django.name}"
    overrides = scratch / f"django-{django.name}.txt"
    overrides.write_text(f"{django.where}\n")
    interpreter = folder / "bin" / "python"
    requirements = ["--requirement", ROOT / "tests" / "requirements.txt", "--override", overrides]
    for command in (
        ["venv", "--allow-existing", "--python", str(python.where), folder],
        ["pip", "install", "--no-config", "--compile-bytecode", "--python", interpreter, *requirements],
    ):
        uv = [sys.executable, "-m", "uv", "--quiet", *command]
        if subprocess.run(uv, cwd=ROOT, stdout=output, stderr=output, check=False).returncode:  # type: ignore[call-overload]
            return None
    return interpreter


def _summary(log: Path) -> str:
    """Pytest's closing line, without its time."""
    counts = re.findall(
        r"^=*\s*(\d+ (?:passed|failed|error).*?) in [\d.]+s", log.read_text(errors="replace"), re.MULTILINE
    )
    return counts[-1] if counts else "no tests were run"
