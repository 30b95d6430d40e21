"""
Nothing that stamps need can be left out: for each piece, a history that goes wrong without it, and does not with it.

`pytest -rP` shows the histories step by step.
"""

from __future__ import annotations

import pytest

from tests.interleavings.scripted import assert_all_is_well, assert_it_goes_wrong_without
from tests.interleavings.stamp_removals import STAMP_REMOVALS

pytestmark = pytest.mark.usefixtures("committed_db", "stepwise_options")

HISTORIES = {
    "what Redis had before the request counts": """
        (readers at rest)
        writer 1: save(), to the end
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the stamp is not held": """
        (readers at rest)
        writer 1: save() in a transaction, until it waits L
        time: 10 ms pass
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it reads the database
        => INVERSION: v1 is read although v2 may have been
    """,
    "a stamp is made while it is held": """
        writer 1: save() after another row's
        writer 1: holds
        reader A: reads the type through the lane, to the end
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it waits L
        time: 10 ms pass
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it reads the database
        => INVERSION: v1 is read although v2 may have been
    """,
    "a copy rests on a stamp that is known only since it was asked for": """
        (readers in one process, readers at rest)
        time: 20 ms pass
        reader A: reads the type, until it keeps a copy in its L1
        writer 1: save(), to the end
        reader B: reads the list through the lane, to the end
        reader A: keeps a copy in its L1
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a nonce is used again": """
        (readers at rest)
        writer 1: save(), to the end
        reader B: reads the type through the lane, to the end
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a command that is sent again makes the same stamp": """
        (readers at rest)
        Redis: the value of the stamp expires
        time: 20 ms pass
        reader A: reads the type through the lane, until it asks for the stamp
        reader A: loses its connection, its command has run
        reader B: reads the type through the lane, to the end
        writer 1: save(), to the end
        reader A: goes on, to the end
        reader B: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a stamp's lease counts from when it is kept": """
        (readers at rest)
        time: 10 ms pass
        reader A: reads the type through the lane, until it keeps the stamp
        writer 1: save(), until it changes the row
        reader A: goes on, to the end
        writer 1: changes the row
        => INVERSION: v1 is read although v2 may have been
    """,
    "the stamp is released before its entries": """
        (nodes apart)
        writer 1: save(), until it changes the row
        Redis: the hold of writer 1 lapses
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it releases
        writer 1: releases
        reader A: reads the type through the lane, to the end
        writer 1: goes on, to the end
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "a lost hold on the stamp alone is overlooked": """
        writer 1: save() after another row's
        writer 1: holds
        Redis: the holds on the stamp are evicted
        reader A: reads the type through the lane, to the end
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it releases
        reader A: reads the type through the lane, to the end
        writer 1: goes on, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the relay ends the stamp before its entries": """
        (readers at rest)
        psql: updates the row
        the relay: looks into the outbox
        the relay: invalidates
        reader A: reads the type through the lane, to the end
        the relay: goes on, to the end
        time: 20 ms pass
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the relay leaves the stamp": """
        (readers at rest)
        psql: updates the row
        the relay: looks into the outbox, to the end
        time: 20 ms pass
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "clearing leaves the stamp": """
        (readers at rest)
        psql: truncates the table
        the relay: looks into the outbox, to the end
        time: 20 ms pass
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although no row is acknowledged
    """,
    "invalidation by hand leaves the stamp": """
        (readers at rest)
        psql: updates the row
        the operator: invalidates by hand, to the end
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "the guard leaves stamps": """
        (readers at rest)
        Redis: saves a snapshot
        writer 1: save(), to the end
        Redis: restarts from its snapshot
        reader A: reads the type through the lane, to the end
        => STALE: v1 is read although v2 is acknowledged
    """,
    "changes are looked for after the row was read back": """
        writer 1: save(), until it reads the database
        writer 1: reads the database
        psql: updates the row
        writer 1: goes on, to the end
        time: 20 ms pass
        => STALE: v2 is read although v3 is acknowledged
    """,
    "who was told of one change was told of all": """
        writer 1: save(), until it takes changes off the outbox
        psql: updates the row
        the relay: looks into the outbox, to the end
        => STALE: v2 is read although v3 is acknowledged
    """,
}
"""By the piece that is missing: a script, and how the complaint begins that it leads to."""


WENT_WRONG_ONCE = {
    "a stamp that could not be held with an earlier row is held with the next": """
        Redis: refuses connections
        writer 1: save() after another row's
        writer 1: holds
        Redis: is back, empty
        time: a second passes
        writer 1: goes on, until it waits L
        Redis: the hold of writer 1 lapses
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it invalidates
        writer 1: invalidates
        reader A: reads the type through the lane, to the end
        writer 1: goes on, to the end
        reader A: reads the type through the lane, to the end
    """,
    "the relay leaves nothing but the row's own entry to a writer that has told of it": """
        (nodes apart)
        writer 1: save(), until it changes the row
        Redis: the holds on the list are evicted
        reader A: reads the list, to the end
        writer 1: goes on, until it releases
        writer 1: releases
        writer 1: is killed
        the relay: looks into the outbox, to the end
        time: 20 ms pass
    """,
    "nor the stamp": """
        (nodes apart)
        writer 1: save() after another row's
        writer 1: holds
        writer 1: holds
        writer 1: holds
        Redis: the holds on the stamp are evicted
        reader A: reads the type through the lane, to the end
        reader A: reads the type through the lane, to the end
        writer 1: goes on, until it releases
        writer 1: releases
        writer 1: releases
        writer 1: releases
        writer 1: is killed
        the relay: looks into the outbox, to the end
        time: 20 ms pass
        reader A: reads the type through the lane, to the end
    """,
}
"""By what has been mended since."""


def test_with_every_piece_in_its_place_all_of_these_histories_keep_every_promise() -> None:
    assert_all_is_well(HISTORIES)


@pytest.mark.parametrize("mended", WENT_WRONG_ONCE)
def test_no_history_goes_wrong_again(mended: str) -> None:
    assert_all_is_well({mended: WENT_WRONG_ONCE[mended]})


@pytest.mark.parametrize("piece", STAMP_REMOVALS)
def test_without_any_one_piece_a_promise_is_broken(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_it_goes_wrong_without(piece, STAMP_REMOVALS[piece], HISTORIES[piece], monkeypatch)
