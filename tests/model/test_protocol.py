"""
The coherence protocol keeps its promises in every history, and no piece of it can be left out.

`pytest -rP` shows the history by which each piece is missed. What takes seconds each is left to `make proofs`, and the
widest scopes to `make model`, which it runs too.
"""

import sys
from dataclasses import replace

import pytest

from tests.model.scope import Part, Piece, Scope
from tests.model.search import search

ONE_READER = Scope(processes=(0,))
DJANGO_ONLY = Scope(behind_django=False)
DJANGO_ONLY_ONE_READER = Scope(processes=(0,), behind_django=False)
ONE_OF_EACH = Scope(writers=1, processes=(0,), behind_django=False)
HOLDS_KEPT = Scope(linearizable=True, holds_get_lost=False, behind_django=False)
HOLDS_KEPT_ONE_PROCESS = Scope(linearizable=True, processes=(0, 0), holds_get_lost=False, behind_django=False)
RESTART = Scope(processes=(0,), restarts=1, snapshots=False, holds_get_lost=False)
ONE_OF_EACH_AND_A_RESTART = Scope(writers=1, processes=(0,), restarts=1, behind_django=False)
FAILOVER = Scope(writers=1, processes=(0,), failovers=1, behind_django=False)
FAILOVER_AND_BACK = Scope(writers=1, processes=(0,), failovers=2, holds_get_lost=False, behind_django=False)
STAMP = Scope(writers=1, processes=(0,), askers=1)
STAMP_HOLDS_KEPT = Scope(writers=1, processes=(0,), askers=1, holds_get_lost=False)
STAMP_LINEARIZABLE = replace(STAMP_HOLDS_KEPT, linearizable=True, behind_django=False)
STAMP_AND_RESTART = replace(STAMP_HOLDS_KEPT, restarts=1, snapshots=False)
STAMP_SERVER_RESTARTS = replace(STAMP_HOLDS_KEPT, restarts=1, fails=(Part.STAMP,), behind_django=False)

# Where a stale read is looked for, in the narrowest scope that has one (whatever happens there happens in every wider
# one), and a step of its history that shows it is the expected one. Without the hold no read is older than an
# acknowledged write, but a new version is followed by an old one.
REMOVALS = {
    Piece.FILL_LEASE: (DJANGO_ONLY, "reader A: fills v0 -> stored"),
    Piece.HOLD: (HOLDS_KEPT, "reader B: bypasses the cache, reads v1 from the database"),
    Piece.DRAIN: (ONE_OF_EACH, "reader A: reads v0 from its L1"),
    Piece.LATE_DRAIN: (ONE_OF_EACH, "writer 1: releases -> lost"),
    Piece.ALONE: (DJANGO_ONLY_ONE_READER, "writer 1: releases -> ok, stores v1"),
    Piece.LOST_HOLD_ENDS_ALONENESS: (DJANGO_ONLY_ONE_READER, "writer 1: releases -> lost"),
    Piece.RUN_ID_GUARD: (ONE_OF_EACH_AND_A_RESTART, "Redis: restarts from its snapshot"),
    Piece.ALONE_EARLIER: (DJANGO_ONLY_ONE_READER, "writer 2: holds -> not alone"),
    Piece.ALONE_LATER: (DJANGO_ONLY_ONE_READER, "writer 1: releases -> ok, stores v1"),
    Piece.LEASE_FROM_BEFORE_FETCH: (ONE_OF_EACH, "reader A: keeps v0 in its L1"),
    Piece.FRESH_HOLD_ID: (DJANGO_ONLY_ONE_READER, "writer 1: its hold command runs a second time"),
    Piece.INVALIDATE_ENDS_ALONENESS: (ONE_READER, "relay: invalidates for v2 of writer 2"),
    Piece.REFUSED_RELEASE_DRAINS: (ONE_OF_EACH_AND_A_RESTART, "writer 1: releases -> connection refused"),
    Piece.REFUSED_HOLD_IS_TOLD: (
        ONE_OF_EACH_AND_A_RESTART,
        "writer 1: finds Redis silent and gives up, since it has no hold there",
    ),
    Piece.REFUSED_MEANS_GONE: (ONE_OF_EACH_AND_A_RESTART, "Redis: is back as it was"),
    Piece.COMMIT_IN_DOUBT_KEEPS_HOLD: (HOLDS_KEPT, "writer 1: loses the connection during COMMIT, releases"),
    Piece.PURGE_ENDS_HOLDS: (ONE_OF_EACH_AND_A_RESTART, "Redis: restarts from its snapshot"),
    Piece.SUCCESSOR_IS_PURGED: (FAILOVER, "Redis: a connection finds another run"),
    Piece.REPLICATION_ID: (FAILOVER_AND_BACK, "Redis: the replica takes over"),
    Piece.FORMER_IS_LEFT: (FAILOVER, "Redis: a second later the former primary still passes comparisons"),
    Piece.SUCCESSOR_WAITS: (FAILOVER, "reader A: looks up -> reads v0 from Redis (the former primary)"),
    Piece.REFUSED_PROVES_NOTHING: (FAILOVER, "writer 1: holds -> connection refused"),
    Piece.DRAIN_FROM_NEWEST_HOLD: (ONE_OF_EACH, "writer 1: holds an earlier row"),
    Piece.STAMP_IS_HELD: (STAMP_HOLDS_KEPT, "reader A: reads v0 from its L1, by its stamp"),
    Piece.LOST_STAMP_HOLD_DRAINS: (STAMP, "Redis: the hold of writer 1 on the stamp lapses"),
    Piece.STAMP_RELEASED_LAST: (STAMP, "writer 1: releases -> lost"),
    Piece.RELEASE_ENDS_STAMP: (STAMP, "writer 1: releases the stamp -> lost"),
    Piece.STAMP_INVALIDATED: (STAMP_HOLDS_KEPT, "relay: invalidates for v1 of writer 1"),
    Piece.STAMP_INVALIDATED_LAST: (STAMP_HOLDS_KEPT, "relay: invalidates the stamp for v1 of writer 1"),
    Piece.LATE_DRAIN_AFTER_BOTH: (STAMP_HOLDS_KEPT, "relay: invalidates the stamp for v1 of writer 1"),
    Piece.STAMP_BEFORE_VALUE: (STAMP_HOLDS_KEPT, "reader A: reads v0 from its L1, by its stamp"),
    Piece.FRESH_NONCE: (STAMP_HOLDS_KEPT, "asker A: asks -> the only stamp, made anew"),
    Piece.STAMP_IS_PURGED: (STAMP_SERVER_RESTARTS, "Redis: restarts from its snapshot"),
    Piece.STAMP_LEASE_FROM_BEFORE_FETCH: (STAMP_HOLDS_KEPT, "asker A: keeps stamp 0"),
}

WIDE_REMOVALS = {
    Piece.STAMP_IS_PURGED,
    Piece.RELEASE_ENDS_STAMP,
    Piece.STAMP_RELEASED_LAST,
    Piece.LOST_STAMP_HOLD_DRAINS,
}
"""Of these `interleavings/histories.txt` has a history in no time."""


@pytest.mark.parametrize(
    ("scope", "least_states"),
    [
        pytest.param(ONE_READER, 15_000, id="anything expires"),
        pytest.param(RESTART, 15_000, id="restart"),
        pytest.param(ONE_OF_EACH_AND_A_RESTART, 10_000, id="restart from a snapshot, anything expires"),
        pytest.param(FAILOVER, 14_000, id="failover, anything expires"),
        pytest.param(FAILOVER_AND_BACK, 15_000, id="failover and back"),
        pytest.param(STAMP, 50_000, id="a stamp, anything expires", marks=pytest.mark.proof),
        pytest.param(STAMP_AND_RESTART, 10_000, id="a stamp, a restart", marks=pytest.mark.proof),
    ],
)
def test_the_protocol_has_no_stale_read(scope: Scope, least_states: int) -> None:
    found = search(scope)
    assert found.history == (), f"a stale read:\n{found}"
    assert found.states > least_states


@pytest.mark.parametrize(
    "scope",
    [HOLDS_KEPT, HOLDS_KEPT_ONE_PROCESS, STAMP_LINEARIZABLE],
    ids=["two processes", "one process", "a stamp"],
)
def test_with_holds_kept_reads_are_linearizable(scope: Scope) -> None:
    found = search(scope)
    assert found.history == (), f"new, then old:\n{found}"
    assert found.states > 9_000


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(piece, id=piece.name.lower(), marks=[pytest.mark.proof] if piece in WIDE_REMOVALS else [])
        for piece in Piece
    ],
)
def test_without_any_one_piece_a_stale_read_is_found(piece: Piece) -> None:
    scope, telltale = REMOVALS[piece]
    found = search(scope, missing=piece)
    sys.stdout.write(f"without {piece}:\n{found}\n")
    assert telltale in found.history
    assert "reads v" in found.history[-1]


@pytest.mark.parametrize(
    ("scope", "telltale"),
    [
        pytest.param(
            Scope(linearizable=True, behind_django=False), "Redis: the hold of writer 1 lapses", id="a hold was lost"
        ),
        pytest.param(
            Scope(linearizable=True, holds_get_lost=False), "writer 1: commits v1 in raw SQL", id="raw SQL was used"
        ),
    ],
)
def test_reads_are_not_linearizable_when(scope: Scope, telltale: str) -> None:
    assert telltale in search(scope).history
