"""Runs the `console` blocks of the pages in one shell, beside a `make run`, and compares what they print."""

import re
import shutil
import subprocess
import sys

from pmo.run.embedded import Endpoints
from pmo.run.engines.postgres import program_folder
from tests.docs.pages import PAGES, Block, blocks_of
from tests.platform.running import Launched, bare_environment
from tests.servers import ROOT

NEEDED = ("bash", "curl", "jq")
REDIS_CLI = (
    "import sys, redis; print(redis.Redis(port=int(sys.argv[1]), decode_responses=True).execute_command(*sys.argv[2:]))"
)
SHELL = f"""
manage.py() {{ '{sys.executable}' -W ignore '{ROOT}/manage.py' "$@"; }}
redis-cli() {{ '{sys.executable}' -c '{REDIS_CLI}' "$REDIS_PORT_HERE" "$@"; }}
"""
END_MARK = "--- end of what was printed ---"
ALIKE = {
    r"\b[0-9a-f]{32,64}\b": "ID",
    r"\b\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"\b\d+(\.\d+)?(?= ?(ms|us|s|seconds)\b)": "N",
}
"""What differs from run to run."""


def missing_programs() -> list[str]:
    return [name for name in NEEDED if not shutil.which(name)]


def console_blocks(*, proofs: bool) -> list[Block]:
    """Those that can be run, in the order of the pages; the README's first."""
    blocks = [block for page in PAGES for block in blocks_of(page, "console")]
    for block in blocks:
        assert block.mark in ("", "proof") or re.match("not run: .{10}", block.mark), f"{block.where}: {block.mark}"
    return [block for block in blocks if not block.mark or (proofs and block.mark == "proof")]


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Each command of a block, with what it is said to print."""
    found = re.findall(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
    assert "".join(f"$ {command}{printed}" for command, printed in found) == block.text, block.where
    return found


def check_console_blocks(launch: Launched, *, proofs: bool = False) -> None:
    """
    Run the blocks in the folder in which `launch` has its `.data`.

    Raises:
        AssertionError: one prints something else than its page says.
    """
    steps = [(block.where, *step) for block in console_blocks(proofs=proofs) for step in commands_of(block)]
    assert len(steps) > 1, "there are some to run"
    script = SHELL + "".join(f"{here(command, launch)}\necho '{END_MARK}'\n" for _, command, _ in steps)
    folder = launch.directory.parent
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=bare_environment(
            DATA_DIR=str(launch.directory),
            PORT=str(launch.port),
            PATH=f"{program_folder()}:/usr/local/bin:/usr/bin:/bin",
            LOG_LEVEL="WARNING",
            PYTHONPATH=str(ROOT),
            REDIS_PORT_HERE=str(Endpoints.of(launch.directory).valkey_port),
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    printed = done.stdout.split(f"{END_MARK}\n")
    assert len(printed) == len(steps) + 1, done.stdout
    for (where, command, expected), found in zip(steps, printed, strict=False):
        pattern = re.escape(alike(expected)).replace(re.escape("...\n"), "(?s:.*)")
        is_as_said = re.fullmatch(pattern, alike(f"{found.rstrip()}\n" if found else ""))
        assert is_as_said, f"{where}: {command}prints\n{found}and not\n{expected}"


def here(command: str, launch: Launched) -> str:
    """A command as it stands on a page, for this server."""
    own = {"localhost:4000": f"localhost:{launch.port}", ".venv/bin/python manage.py": "manage.py"}
    for written, meant in (own | {".venv/bin/python": sys.executable}).items():
        command = command.replace(written, meant)
    return command


def alike(text: str) -> str:
    for pattern, name in ALIKE.items():
        text = re.sub(pattern, name, text.replace("\r", ""))
    return text
