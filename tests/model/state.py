"""What everyone knows at one moment."""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

NOTHING = -1  # no value, no lease, no last holder, no stamp


class Server(StrEnum):
    UP = "up"
    DOWN = "down"
    RESTARTED = "restarted"  # its run id is not the recorded one
    TOOK_OVER = "took over"  # it was a replica, and no connection has compared it yet
    PURGED = "purged"  # since it took over, a moment ago


class Known(Struct, frozen=True, order=True, cache_hash=True):
    """Part of a state, or one: compared, hashed once and copied with changes by msgspec, in C."""


class Stamp(Known):
    """The stamp that vouches for the entry."""

    nonce: int = NOTHING
    holds: int = 0  # a bit for each writer


class Redis(Known):
    value: int = NOTHING
    lease: int = NOTHING  # the reader who has it
    holds: int = 0  # a bit for each writer
    last_holder: int = NOTHING
    server: Server = Server.UP
    stamp: Stamp = Stamp()


class Others(Known):
    """The servers beside the one that clients are to use."""

    failovers_left: int
    replica: Redis | None = Redis()  # what it was told; None: nobody follows
    former: Redis | None = None  # the primary that was replaced, while a connection may trust it


class Does(StrEnum):
    NOTHING = "nothing"
    # a reader
    HAS_LEASE = "has the lease"
    HAS_ROW = "has the lease and the row"
    HAS_REPLY = "has a value it may put in L1"
    # a writer
    HOLDS_EARLIER = "holds a row that it changes before ours"
    HOLDS_ENTRY = "holds the entry, not yet the stamp"
    HOLDS_STAMP = "holds the stamp, not yet the entry"
    HOLDS = "may change the row"
    CHANGED = "has changed the row, waits L before its commit"
    DRAINED = "has changed the row and waited L"
    ROLLED_BACK = "has rolled back and released the entry, not yet the stamp"
    COMMITTED = "has committed"
    READ_BACK = "has read its row back"
    HALF_RELEASED = "has released the entry, not yet the stamp"
    DRAINS_LATE = "waits L before its change counts as acknowledged"
    IN_OUTBOX = "has committed and left; the relay will see it"
    HALF_RELAYED = "the relay has invalidated the entry, not yet the stamp"
    DONE = "has returned"
    DEAD = "was killed before its commit"


HAS_LEFT = (Does.DEAD, Does.IN_OUTBOX, Does.HALF_RELAYED, Does.DRAINS_LATE, Does.DONE)  # if its hold is there: killed
HAS_THE_ROW = (Does.CHANGED, Does.DRAINED)


class Copy(Known):
    """An entry of an L1, usable while its own local lease lasts or the stamp's copy that it rests on has one."""

    version: int = NOTHING
    drained_by: int = 0  # a bit for each writer whose drain, now under way, its local lease will not outlive
    ended: bool = False  # its local lease
    rests_on: int = NOTHING  # a nonce

    @property
    def is_leased(self) -> bool:
        return self.version != NOTHING and not self.ended


class Reader(Known):
    """With a reply, the copy that may come of it; before, the stamp's copy that its process had."""

    does: Does = Does.NOTHING
    version: int = NOTHING
    drained_by: int = 0
    ended: bool = False
    rests_on: int = NOTHING

    @property
    def is_leased(self) -> bool:
        return self.does is Does.HAS_REPLY and not self.ended


class StampCopy(Known):
    """A stamp in a process, or on its way there."""

    nonce: int = NOTHING
    drained_by: int = 0
    ended: bool = False

    @property
    def is_leased(self) -> bool:
        return self.nonce != NOTHING and not self.ended


class Writer(Known):
    does: Does = Does.NOTHING
    alone: bool = False
    version: int = NOTHING
    read_back: int = NOTHING
    lost: bool = False  # the hold of what is released already


class State(Known):
    committed: int
    floor: int  # the oldest version that a read starting now may return
    redis: Redis
    readers: tuple[Reader, ...]
    copies: tuple[Copy, ...]  # of each process
    writers: tuple[Writer, ...]
    snapshot: Redis | None = None
    restarts_left: int = 0
    others: Others | None = None
    broken: bool = False  # the last step was a read that returned something older than `floor`
    stamp_copies: tuple[StampCopy, ...] = ()  # of each process, where there is a stamp
    replies: tuple[StampCopy, ...] = ()  # of each asker: what Redis has told it, if it is not kept yet


Step = tuple[str, State]


def reader_name(r: int) -> str:
    return f"reader {'ABC'[r]}"


def writer_name(w: int) -> str:
    return f"writer {w + 1}"


def process_of(s: State, index: int, crew: tuple[Reader, ...] | tuple[StampCopy, ...]) -> int:
    """The process of a reader or an asker: each has its own, or all are in the first."""
    return index if len(crew) == len(s.copies) else 0


def with_reader(s: State, r: int, reader: Reader) -> State:
    return replace(s, readers=replaced(s.readers, r, reader))


def with_writer(s: State, w: int, writer: Writer) -> State:
    return replace(s, writers=replaced(s.writers, w, writer))


def with_each_server(s: State, change: Callable[[Redis], Redis]) -> State:
    """The same with every server changed that is there: in use, in the snapshot, or beside the one in use."""
    others = s.others and replace(
        s.others,
        replica=s.others.replica and change(s.others.replica),
        former=s.others.former and change(s.others.former),
    )
    return replace(s, redis=change(s.redis), snapshot=s.snapshot and change(s.snapshot), others=others)


def acknowledged(s: State, w: int, told: int) -> State:
    return replace(with_writer(s, w, Writer(Does.DONE)), floor=max(s.floor, told))


def row_is_free(s: State) -> bool:
    return all(writer.does not in HAS_THE_ROW for writer in s.writers)


def replaced(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])
