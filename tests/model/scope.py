"""What is searched: how much may happen, and which piece of the protocol is left out."""

from dataclasses import dataclass
from enum import StrEnum

from tests.model.state import Server, State


class Piece(StrEnum):
    """What the promise rests on: the design's table, then how its pieces must be done and what they assume."""

    FILL_LEASE = "fill lease"
    HOLD = "hold before commit"
    DRAIN = "drain before the commit"
    LATE_DRAIN = "late drain"
    ALONE = "alone test"
    LOST_HOLD_ENDS_ALONENESS = "a lost hold ends everyone's aloneness"
    RUN_ID_GUARD = "run-id guard"

    ALONE_EARLIER = "alone test: no other hold when ours was taken"
    ALONE_LATER = "alone test: no other hold since ours was taken"
    LEASE_FROM_BEFORE_FETCH = "local lease counted from before the fetch"
    FRESH_HOLD_ID = "each attempt to hold has its own id"
    INVALIDATE_ENDS_ALONENESS = "invalidate ends everyone's aloneness"
    REFUSED_RELEASE_DRAINS = "a release whose connection is refused is a lost hold"
    REFUSED_HOLD_IS_TOLD = "a write whose hold was refused waits until Redis has been told of it"
    REFUSED_MEANS_GONE = "a server that refuses connections comes back with another run id"
    COMMIT_IN_DOUBT_KEEPS_HOLD = "a commit whose outcome is unknown keeps its hold"

    PURGE_ENDS_HOLDS = "a hold that another run of a server left is lost"
    SUCCESSOR_IS_PURGED = "a replica that takes over is purged"
    REPLICATION_ID = "a server that takes over again is another run"
    FORMER_IS_LEFT = "a primary that was replaced passes no comparison"
    SUCCESSOR_WAITS = "a server that has taken over is not used for a second after its purge"
    REFUSED_PROVES_NOTHING = "a writer goes on trying where another server may have taken over"

    DRAIN_FROM_NEWEST_HOLD = "the drain begins at the newest hold of the transaction"

    STAMP_IS_HELD = "the stamp is held like the entry"
    LOST_STAMP_HOLD_DRAINS = "late drain after a lost hold of the stamp"
    STAMP_RELEASED_LAST = "the stamp is released after the entry"
    RELEASE_ENDS_STAMP = "the release of the stamp deletes its value"
    STAMP_INVALIDATED = "the relay invalidates the stamp as well"
    STAMP_INVALIDATED_LAST = "the relay invalidates the stamp after the entry"
    LATE_DRAIN_AFTER_BOTH = "the late drain begins after both have been released or invalidated"
    STAMP_BEFORE_VALUE = "a copy rests on a stamp that was known before its value was fetched"
    FRESH_NONCE = "no value of a stamp is ever used again"
    STAMP_IS_PURGED = "the run-id guard purges stamps as well"
    STAMP_LEASE_FROM_BEFORE_FETCH = "the stamp's local lease counted from before the fetch"


class Part(StrEnum):
    """What is kept on a server of its own, in a cluster."""

    ENTRY = "the entry"
    STAMP = "the stamp"


@dataclass(frozen=True)
class Scope:
    """How much may happen; every history within it is searched."""

    linearizable: bool = False
    writers: int = 2
    processes: tuple[int, ...] = (0, 1)  # of each reader: all different or all the same
    holds_get_lost: bool = True
    behind_django: bool = True
    restarts: int = 0
    snapshots: bool = True
    failovers: int = 0  # of a primary to its replica, instead of restarts
    askers: int = 0  # for the stamp: one for each process, or all of them in the first; 0: there is no stamp
    fails: tuple[Part, ...] = (Part.ENTRY, Part.STAMP)  # what is on the servers that restart or are replaced


class Rules:
    """What every step looks at."""

    def __init__(self, scope: Scope, missing: Piece | None = None) -> None:
        self.scope = scope
        self.missing = missing

        self.has_stamp = scope.askers > 0

    def has(self, piece: Piece) -> bool:
        return self.missing is not piece

    def reaches(self, s: State, part: Part) -> bool:
        """Whether the server that has this part answers."""
        return s.redis.server is Server.UP or part not in self.scope.fails
