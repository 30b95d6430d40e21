"""`make model`: the widest scopes, which are too wide for every run of the suite."""

from __future__ import annotations

import sys

from tests.model.scope import Part, Scope
from tests.model.search import search

WIDEST = {
    "anything expires": Scope(),
    "a restart": Scope(processes=(0, 0), restarts=1, snapshots=False, holds_get_lost=False),
    "a restart from a snapshot": Scope(processes=(0,), restarts=1, behind_django=False),
    "a failover, two readers": Scope(processes=(0, 0), writers=1, failovers=1),
    "a failover, two writers": Scope(processes=(0,), failovers=1, behind_django=False),
    "a failover and back": Scope(processes=(0,), writers=1, failovers=2),
    "a stamp, two writers": Scope(processes=(0,), askers=1),
    "a stamp, two readers": Scope(processes=(0, 0), writers=1, askers=1),
    "a stamp, two askers": Scope(processes=(0,), writers=1, askers=2),
    "a stamp, holds kept, two writers": Scope(
        linearizable=True, processes=(0,), askers=1, holds_get_lost=False, behind_django=False
    ),
    "a stamp, holds kept, two readers": Scope(
        linearizable=True, processes=(0, 0), writers=1, askers=1, holds_get_lost=False, behind_django=False
    ),
    "a stamp, a restart": Scope(processes=(0,), writers=1, askers=1, restarts=1, behind_django=False),
    "a stamp, a restart of its server": Scope(
        processes=(0,), writers=1, askers=1, restarts=1, fails=(Part.STAMP,), behind_django=False
    ),
    "a stamp, a restart of the entry's server": Scope(
        processes=(0,), writers=1, askers=1, restarts=1, fails=(Part.ENTRY,), behind_django=False
    ),
    "a stamp, a failover, holds kept": Scope(
        processes=(0,), writers=1, askers=1, failovers=1, holds_get_lost=False, behind_django=False
    ),
    "a stamp, a failover of its server": Scope(
        processes=(0,), writers=1, askers=1, failovers=1, fails=(Part.STAMP,), behind_django=False
    ),
    "a stamp, a failover of the entry's server": Scope(
        processes=(0,), writers=1, askers=1, failovers=1, fails=(Part.ENTRY,), behind_django=False
    ),
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
