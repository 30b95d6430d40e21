"""
No piece of the protocol can be left out: for each, a history that goes wrong without it, and does not with it.

`pytest -rP` shows the histories step by step.
"""

from __future__ import annotations

import pytest

from tests.interleavings.removals import REMOVALS
from tests.interleavings.scripted import assert_all_is_well, assert_it_goes_wrong_without

pytestmark = pytest.mark.usefixtures("committed_db", "stepwise_options")

A_READ_AND_A_CHANGE = """
    reader A: reads the type, to the end
    writer 1: save(), until it changes the row
    writer 1: changes the row
    => INVERSION: v1 is read although v2 may have been
"""
A_READ_AFTER_A_HOLD_WAS_LOST = """
    writer 1: save(), until it changes the row
    Redis: the hold of writer 1 lapses
    reader A: reads the type, to the end
    writer 1: goes on, to the end
    => STALE: v1 is read although v2 is acknowledged
"""
HISTORIES = {
    "fill ignores its lease": """
        reader A: reads the type, until it fills
        writer 1: save(), to the end
        reader A: fills
        => STALE: v1 is read although v2 is acknowledged
    """,
    "hold leaves the lease": """
        reader A: reads the type, until it fills
        writer 1: save(), until it changes the row
        reader A: fills
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "hold leaves the value": A_READ_AND_A_CHANGE,
    "hold leaves the absence": """
        writer 1: delete(), to the end
        reader A: reads the type, to the end
        writer 1: save(), to the end
        => INVERSION: no row is read although v3 may have been
    """,
    "claim ignores holds": """
        writer 1: save(), until it changes the row
        reader A: reads the type, to the end
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "an autocommitted writer does not drain": """
        reader A: reads the type, to the end
        writer 1: save(), to the end
        => INVERSION: v1 is read although v2 may have been
    """,
    "a COMMIT does not wait": """
        reader A: reads the type, to the end
        writer 1: save() in a transaction, to the end
        => INVERSION: v1 is read although v2 may have been
    """,
    "the drain begins at the hold of an earlier row": """
        writer 1: save() after another row's
        writer 1: holds
        time: 10 ms pass
        reader A: reads the type, to the end
        writer 1: goes on, to the end
        => INVERSION: v1 is read although v2 may have been
    """,
    "hold leaves the other version": """
        (readers of two versions)
        reader B: reads the type, to the end
        writer 1: save(), until it changes the row
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "release leaves the other version": """
        (readers of two versions)
        writer 1: save(), until it changes the row
        Redis: the hold of writer 1 lapses
        reader B: reads the type, to the end
        writer 1: goes on, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "invalidate leaves the other version": """
        (readers of two versions)
        reader B: reads the type, until it fills
        psql: updates the row
        the relay: looks into the outbox, to the end
        reader B: fills
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a writer leaves the last known value": A_READ_AND_A_CHANGE,
    "what is last known is served while the database is there": """
        reader A: reads the type, to the end
        Redis: the value of the type expires
        reader B: reads the type, to the end
        => reader B got what was last known although the database was there
    """,
    "each version holds for itself": """
        (readers of two versions)
        writer 1: save(), until it changes the row
        reader B: reads the type, to the end
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "release leaves the value": A_READ_AFTER_A_HOLD_WAS_LOST,
    "release leaves the lease": """
        writer 1: save(), until it changes the row
        Redis: the hold of writer 1 lapses
        reader A: reads the type, until it fills
        writer 1: goes on, to the end
        reader A: fills
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a lost hold is not noticed": A_READ_AFTER_A_HOLD_WAS_LOST,
    "a lost hold leaves others alone": """
        writer 1: save(), until it changes the row
        Redis: the hold of writer 1 lapses
        writer 2: save(), until it releases
        writer 1: goes on, to the end
        writer 2: goes on, to the end
        => STALE: v2 is read although v3 is acknowledged
    """,
    "a hold taken before does not count": """
        writer 1: save(), until it changes the row
        writer 2: save(), until it releases
        writer 1: goes on, to the end
        writer 2: releases
        => STALE: v2 is read although v3 is acknowledged
    """,
    "a hold taken since does not count": """
        writer 1: save(), until it releases
        writer 2: save(), to the end
        writer 1: releases
        => STALE: v2 is read although v3 is acknowledged
    """,
    "a hold is tried again under the same id": """
        writer 1: save(), until it holds
        writer 1: times out, its command runs later
        writer 1: goes on, until it releases
        writer 2: save(), to the end
        Redis: runs a late command
        writer 1: releases
        => STALE: v2 is read although v3 is acknowledged
    """,
    "a refused hold is given up at once": """
        Redis: refuses connections
        writer 1: save(), until it changes the row
        Redis: is back, empty
        time: a second passes
        reader A: reads the type, to the end
        writer 1: goes on, until it invalidates
        writer 1: times out, its command runs later, to the end
        time: a second passes
        reader A: reads the type, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a refused release does not drain": """
        writer 1: save(), until it changes the row
        Redis: FLUSHDB
        reader A: reads the type, to the end
        writer 1: goes on, until it releases
        Redis: refuses connections
        writer 1: goes on, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a commit in doubt gives up its hold": """
        writer 1: update(), until it commits
        writer 1: loses its session, COMMIT runs later, to the end
        reader A: reads the type, to the end
        PostgreSQL: runs a late COMMIT
        => INVERSION: v1 is read although v2 may have been
    """,
    "no guard": """
        reader A: reads the type, to the end
        Redis: saves a snapshot
        writer 1: save(), to the end
        Redis: restarts from its snapshot
        reader A: reads the type, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the guard leaves companions": """
        reader A: reads the type, until it fills
        Redis: saves a snapshot
        writer 1: save(), to the end
        Redis: restarts from its snapshot
        reader A: fills
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the guard leaves holds of another run": """
        writer 1: save(), until it changes the row
        Redis: saves a snapshot
        Redis: FLUSHDB
        reader A: reads the type, to the end
        Redis: restarts from its snapshot
        writer 1: goes on, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the guard purges living holds": """
        reader A: reads the type, to the end
        Redis: FLUSHDB
        writer 1: save(), until it changes the row
        reader A: reads the type, until it claims
        reader A: loses its connection, its command has run, to the end
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "what is not committed may be cached": """
        writer 1: cursor.execute() in a transaction, until it commits
        => UNCOMMITTED: v2 is read
    """,
    "an old snapshot may be cached": """
        reader A: reads the type in an old snapshot, until it claims
        writer 1: save(), to the end
        Redis: the value of the type expires
        reader A: goes on, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a copy's lease counts from when it is kept": """
        reader A: reads the type, until it keeps a copy in its L1
        writer 1: save(), until it changes the row
        reader A: keeps a copy in its L1
        writer 1: goes on, to the end
        => INVERSION: v1 is read although v2 may have been
    """,
    "invalidate leaves the last holder": """
        writer 1: save(), until it releases
        psql: updates the row
        the operator: invalidates by hand, to the end
        writer 1: releases
        => STALE: v2 is read although v3 is acknowledged
    """,
    "invalidate leaves the lease": """
        reader A: reads the type, until it fills
        psql: updates the row
        the relay: looks into the outbox, to the end
        reader A: fills
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the relay forgets what it left": """
        writer 1: save(), until it releases
        psql: updates the row
        the relay: looks into the outbox, to the end
        writer 1: releases
        => STALE: v2 is read although v3 is acknowledged
    """,
    "a writer forgets changes it has not read back": """
        writer 1: save(), until it releases
        psql: updates the row
        writer 1: goes on, to the end
        => STALE: v2 is read although v3 is acknowledged
    """,
}
"""By the piece that is missing: a script, and how the complaint begins that it leads to."""


def test_with_every_piece_in_its_place_all_of_these_histories_keep_every_promise() -> None:
    assert_all_is_well(HISTORIES)


@pytest.mark.parametrize("piece", REMOVALS)
def test_without_any_one_piece_a_promise_is_broken(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_it_goes_wrong_without(piece, REMOVALS[piece], HISTORIES[piece], monkeypatch)


TWO_RELEASES = {
    "a value that lacks a member is replaced, but not behind a writer's back": """
        (readers of two releases)
        reader A: reads the type, to the end
        reader B: reads the type, until it claims
        writer 1: save(), until it changes the row
        reader B: goes on, to the end
        writer 1: goes on, to the end
        reader B: reads the type, until it fills
        writer 1: save(), to the end
        reader B: goes on, to the end
        reader B: reads the list, to the end
        reader A: reads the type, to the end
        reader A: reads the list, to the end
    """,
    "a value with a member more is used while its writer's change lasts": """
        (readers of two releases)
        writer 2: save(), to the end
        reader A: reads the type, to the end
        writer 1: save(), until it changes the row
        reader A: reads the type, to the end
        writer 1: goes on, to the end
        reader B: reads the type, to the end
        reader A: reads the type, to the end
    """,
}


def test_releases_that_share_values_keep_every_promise() -> None:
    assert_all_is_well(TWO_RELEASES)
