"""What a process keeps in its memory: copies, stamps, and the answers of its express lane."""

from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpResponse

from cache_layer import Source
from cache_layer.memory import local_store
from cache_layer.memory.local_store import Copy, Stamp
from cache_layer.reading.reads import read_entry
from cache_layer.serving.express import Admission, ExpressLane, Replay
from cache_layer.serving.requests import WHO, key_of
from tests.interleavings.doing import Doing
from tests.interleavings.entries import ENTRIES, content_of
from tests.interleavings.oracle import Content

LANE_BYTES = 1_000_000
FOR_EVER_NS = 1 << 62
PATHS = {f"/{lookup.name}": (lookup, identifier) for lookup, identifier in ENTRIES}


class Memory:
    """
    Of one process; its threads share it.

    Attributes:
        lane: the project's, in front of an application that answers with the label alone.
    """

    def __init__(self) -> None:
        self.copies: dict[str, Copy] = {}
        self.stamps: dict[str, Stamp] = {}
        self.lane = ExpressLane(_answer, LANE_BYTES)

    def forget(self) -> None:
        self.copies.clear()
        self.stamps.clear()
        self.lane.store.forget()
        self.lane._renewer.forget()

    def enter(self) -> None:
        """From now on it is this process' code that runs."""
        local_store._copies, local_store._stamps = self.copies, self.stamps

    def ask(self, path: str) -> tuple[Content, Source]:
        """What the lane gives whoever asks for an entry, and where it says that it is from."""
        headers: dict[str, str] = {}
        body = b"".join(self.lane(_environ(path), lambda _status, found, *_: headers.update(found)))
        return body.decode() or None, Source(headers["X-Cache"])

    def is_renewing(self) -> bool:
        """Whether one of its threads does, for which the others wait."""
        return self.lane._renewer._renewing.locked()

    def usable(self, now_ns: int) -> Iterator[tuple[str, Content]]:
        """What a read that began now would find here, asking nobody."""
        for lookup, identifier in ENTRIES:
            copy = self.copies.get(lookup.key(identifier))
            if copy is not None and copy.is_usable(now_ns):
                yield "the L1", content_of(lookup, copy.document)
        for path in PATHS:
            replay: Replay | None = self.lane.store.find(key_of(_environ(path)))
            if replay is not None and all(copy.is_usable(now_ns) for copy in replay.copies):
                yield "the lane", replay.body.decode() or None


class TurnLock:
    """A lock of threads that are stepped through: whoever has to wait says so."""

    def __init__(self, stop: Callable[[Doing], object]) -> None:
        self._stop = stop
        self._is_taken = False

    def acquire(self, blocking: bool = True) -> bool:
        while self._is_taken:
            if not blocking:
                return False
            self._stop(Doing.WAIT_FOR_THREAD)
        self._is_taken = True
        return True

    def release(self) -> None:
        self._is_taken = False

    def locked(self) -> bool:
        return self._is_taken

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _environ(path: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, WHO: "Bearer anybody's"}


def _answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> HttpResponse:
    """As a view of the project: the entry's label, which may be replayed while its copies may be used."""
    lookup, identifier = PATHS[environ["PATH_INFO"]]
    read = read_entry(lookup, identifier)
    response = HttpResponse(content_of(lookup, read.document) or "", headers={"X-Cache": str(read.source)})
    anybody = Admission((), FOR_EVER_NS, None)
    anybody.allow_replay(response, read.copies, local={"x-cache": "L1"}, asked={"x-cache": "L2"})
    start_response("200 OK", list(response.items()))
    return response
