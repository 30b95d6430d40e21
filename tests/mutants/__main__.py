"""
`make mutants`: changes the product in one small place at a time, and says which changes no test notices.

    killed, timed out           a test fails with it, but not without it; tests do not end with it
    survived, equivalent        no test that runs the changed line fails; equivalent.txt lists it, with the reason
    not equivalent, unsteady    equivalent.txt lists it, but a test fails; the process of its tests ends
    untried                     it is in what runs once: the default of an argument
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from mutmut.configuration import config
from rich.console import Console
from rich.table import Table

from tests.mutants.drawing import find_mutants
from tests.mutants.judging import Judge

TESTS = {
    "cache_layer": [
        "tests/cache_layer",
        "tests/interleavings",
        "tests/dashboard/test_entries.py",
        "tests/library/test_declaring.py",
        "tests/platform/test_metrics.py",
        *(f"tests/api/test_{name}.py" for name in ("express_lane", "reading", "unavailable")),
    ],
    "entities": [
        *(f"tests/admin/test_{name}.py" for name in ("actions", "form")),
        *(f"tests/api/test_{name}.py" for name in ("changing", "concurrency", "creating")),
    ],
}
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
"""Those that no test can tell, or should, as they are reported, and then the reason in a line."""
VERDICTS = ("killed", "timed out", "survived", "equivalent", "not equivalent", "unsteady", "untried")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants", description="Changes that no test notices.")
    parser.add_argument("places", nargs="*", type=Path, default=config().source_paths, help="folders and modules")
    parser.add_argument("--seconds", type=float, default=1800, help="the time to draw mutants for")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which they are drawn")
    given = parser.parse_args()
    mutants = list(find_mutants(given.places))
    random.Random(given.seed).shuffle(mutants)
    listed = {entry.rpartition("\n")[0] for entry in EQUIVALENT.read_text().strip().split("\n\n")}
    paths = {str(mutant.path) for mutant in mutants}
    unknown = {name for name in listed if name.partition("\n")[0] in paths} - set(map(str, mutants))
    if unknown:
        sys.exit("\n".join([f"{EQUIVALENT.name} lists what is no mutant:", *unknown]))
    tests = sorted({test for place in given.places for test in TESTS[place.parts[0]]})
    judge = Judge(mutants, listed, given.seconds)
    with tempfile.TemporaryDirectory(prefix="pmo-mutants-") as folder:
        run = pytest.main([*tests, "-q", "-p", "no:randomly", "-m", "not proof", "--basetemp", folder], [judge])
    table = Table("room", "drawn", *VERDICTS, "killed of what could be")
    for room in given.places:
        of_room = Counter(verdict for mutant, verdict in judge.verdicts.items() if mutant.room == room)
        noticed = of_room["killed"] + of_room["timed out"]
        drawn = f"{of_room.total()} of {sum(mutant.room == room for mutant in mutants)}"
        rate = f"{noticed / max(noticed + of_room['survived'], 1):.1%}"
        table.add_row(str(room), drawn, *(str(of_room[each]) for each in VERDICTS), rate)
    Console(width=130).print(table)
    sys.exit(run or bool({"survived", "not equivalent"} & set(judge.verdicts.values())))


if __name__ == "__main__":
    main()
