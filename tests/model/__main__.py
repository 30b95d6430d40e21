"""`make model`: the widest scope, which is too wide for every run of the suite."""

from __future__ import annotations

import sys

from tests.model.protocol_model import Scope, search


def main() -> int:
    found = search(Scope())
    sys.stdout.write(f"a stale read:\n{found}\n" if found.history else f"{found.states:,} states, no stale read\n")
    return 1 if found.history else 0


if __name__ == "__main__":
    sys.exit(main())
