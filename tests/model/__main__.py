"""`make model`: the widest scopes, which are too wide for every run of the suite."""

import sys
from dataclasses import replace

from tests.model.scope import Part, Scope
from tests.model.search import search

ONE_READER, ONE_WRITER = Scope(processes=(0,)), Scope(processes=(0, 0), writers=1)
ONE_OF_EACH = Scope(processes=(0,), writers=1)
STAMP_HOLDS_KEPT = Scope(linearizable=True, processes=(0,), askers=1, holds_get_lost=False, behind_django=False)
STAMP_FAILS = replace(ONE_OF_EACH, askers=1, behind_django=False)
WIDEST = {
    "anything expires": Scope(),
    "a restart": Scope(processes=(0, 0), restarts=1, snapshots=False, holds_get_lost=False),
    "a restart from a snapshot": replace(ONE_READER, restarts=1, behind_django=False),
    "a failover, two readers": replace(ONE_WRITER, failovers=1),
    "a failover, two writers": replace(ONE_READER, failovers=1, behind_django=False),
    "a failover and back": replace(ONE_OF_EACH, failovers=2),
    "a stamp, two writers": replace(ONE_READER, askers=1),
    "a stamp, two readers": replace(ONE_WRITER, askers=1),
    "a stamp, two askers": replace(ONE_OF_EACH, askers=2),
    "a stamp, holds kept, two writers": STAMP_HOLDS_KEPT,
    "a stamp, holds kept, two readers": replace(STAMP_HOLDS_KEPT, processes=(0, 0), writers=1),
    "a stamp, a restart": replace(STAMP_FAILS, restarts=1),
    "a stamp, a restart of its server": replace(STAMP_FAILS, restarts=1, fails=(Part.STAMP,)),
    "a stamp, a restart of the entry's server": replace(STAMP_FAILS, restarts=1, fails=(Part.ENTRY,)),
    "a stamp, a failover, holds kept": replace(STAMP_FAILS, failovers=1, holds_get_lost=False),
    "a stamp, a failover of its server": replace(STAMP_FAILS, failovers=1, fails=(Part.STAMP,)),
    "a stamp, a failover of the entry's server": replace(STAMP_FAILS, failovers=1, fails=(Part.ENTRY,)),
}


def main() -> int:
    for name, scope in WIDEST.items():
        found = search(scope)
        if found.history:
            sys.stdout.write(f"{name}: a stale read:\n{found}\n")
            return 1
        sys.stdout.write(f"{name}: {found.states:,} states, no stale read\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
