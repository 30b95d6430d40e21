"""Hot copies are renewed, by what Redis says at that time and for no longer than a read then would give."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from unittest.mock import Mock

import pytest
from redis import Redis

import cache_layer.clock
from cache_layer.memory import local_store
from cache_layer.memory.local_store import Copy, drop_all_copies
from cache_layer.protocol.scripts import hold_keys
from cache_layer.reading.reads import read_entry
from cache_layer.reading.refresh import find_due
from cache_layer.server.connection import GuardedRedis, breaker
from cache_layer.serving.renewal import Renewer
from entities.lookups import ENTITY
from tests.cache_layer.conftest import Clock
from tests.conftest import Commands, make_entity
from tests.threads import holds_in_child
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

KEY = "entity:metadata:project"
STAMP = ENTITY.stamp_key("project")
MS = 1_000_000
Resting = tuple[Renewer, Copy]


@pytest.fixture
def copy(clock: Clock) -> Copy:
    """A copy of `project` that rests on no stamp, all but 5 of whose 20 ms are over."""
    return made_copy("project", clock)


def neighbours() -> Iterator[str]:
    """Codes of the same sixteenth, which share a stamp."""
    return (code for code in map("project_{}".format, count()) if ENTITY.stamp_key(code) == STAMP)


def made_copy(code: str, clock: Clock) -> Copy:
    make_entity(code)
    find_due([ENTITY.key(code)], 300)
    read = read_entry(ENTITY, code)
    (copy,) = read.copies
    copy.until_ns = clock.now_ns + 5 * MS
    return copy


def use(renewer: Renewer, copies: tuple[Copy, ...], clock: Clock, *, times: int = 1, every_ms: int = 0) -> bool:
    """As the express lane does, and the thread that it wants; whether they could be used each time."""
    usable = True
    for _ in range(times):
        usable &= renewer.use(copies, clock.now_ns)
        renewer.renew_used()
        clock.now_ns += every_ms * MS
    return usable


def test_a_copy_of_what_a_later_release_wrote_lives_on_while_redis_has_just_that(
    copy: Copy, clock: Clock, redis_client: Redis
) -> None:
    later = copy.payload[:-1] + b',"remark":"By a later one"}'
    redis_client.set(KEY, later)
    drop_all_copies()
    (found,) = read_entry(ENTITY, "project").copies
    assert found.payload == copy.payload
    clock.now_ns += 60 * MS
    assert not Renewer().renew((found,))
    for other in (copy.payload, later.replace(b"By", b"by")):
        clock.now_ns += 60 * MS
        redis_client.set(KEY, other)
        redis_client.delete(STAMP)
        assert Renewer().renew((found,)) == {found}
    (again,) = read_entry(ENTITY, "project").copies
    assert (again.payload, again is found) == (found.payload, False)


def test_what_rests_on_one_stamp_is_renewed_by_asking_for_the_stamp_alone(
    copy: Copy, clock: Clock, commands: list[str]
) -> None:
    renewer = Renewer()
    copies = (copy, *(made_copy(code, clock) for code in islice(neighbours(), 3)))
    assert use(renewer, copies, clock, times=3, every_ms=10)  # the script is loaded, the stamp made, they rest on it
    commands.clear()
    assert use(renewer, copies, clock, times=5, every_ms=10)
    assert commands == ["MGET"] * 5
    assert {each.stamp for each in copies} == {copy.stamp}
    assert copy.until_ns < clock.now_ns


def test_a_copy_rests_on_its_stamp_for_a_second_then_redis_is_asked_for_it(copy: Copy, clock: Clock) -> None:
    renewer, begun_ns = Renewer(), clock.now_ns
    use(renewer, (copy,), clock, times=3, every_ms=9)
    rests_until_ns = copy.rests_until_ns
    assert begun_ns + 1_000 * MS <= rests_until_ns <= clock.now_ns + 1_000 * MS
    assert use(renewer, (copy,), clock, times=75, every_ms=9)  # for 700 ms
    assert copy.rests_until_ns == rests_until_ns
    assert use(renewer, (copy,), clock, times=22, every_ms=9)
    assert copy.rests_until_ns > rests_until_ns, "before the second is over"


def test_what_is_used_now_and_then_is_renewed_with_what_is_used_all_the_time(
    copy: Copy, clock: Clock, commands: list[str]
) -> None:
    renewer, seldom = Renewer(), made_copy(next(neighbours()), clock)
    use(renewer, (copy, seldom), clock, times=3, every_ms=9)
    for _ in range(3):
        commands.clear()
        assert use(renewer, (copy,), clock, times=300, every_ms=10)
        assert use(renewer, (seldom,), clock), "used every three seconds"
        assert 300 <= len(commands) <= 305, "one for the stamp each time, and now and then one for both copies"
    use(renewer, (copy,), clock, times=1_500, every_ms=10)
    assert not use(renewer, (seldom,), clock), "not used for a quarter of a minute"


@pytest.fixture
def resting(copy: Copy, clock: Clock) -> Resting:
    """A copy whose own lease is over and that rests on a stamp."""
    renewer = Renewer()
    assert use(renewer, (copy,), clock, times=3, every_ms=10)
    clock.now_ns += 5 * MS
    assert copy.stamp is not None
    assert copy.until_ns <= clock.now_ns < copy.stamp.until_ns
    return renewer, copy


@pytest.mark.parametrize(
    "end",
    [
        lambda _: hold_keys([STAMP], "a writer"),
        lambda redis: redis.delete(STAMP),
        lambda redis: redis.set(STAMP, "another"),
    ],
    ids=["a writer holds it", "it is gone", "it is another"],
)
@pytest.mark.parametrize("has_value", [True, False])
def test_with_its_stamp_a_copy_is_asked_for_itself(
    resting: Resting, clock: Clock, redis_client: Redis, end: Callable[[Redis], object], has_value: bool
) -> None:
    renewer, copy = resting
    old = copy.stamp
    end(redis_client)
    if has_value:
        redis_client.set(KEY, copy.payload)
    else:
        redis_client.delete(KEY)
    assert renewer.use((copy,), clock.now_ns), "its lease lasts"
    clock.now_ns += 20 * MS
    assert not renewer.use((copy,), clock.now_ns)
    assert renewer.renew((copy,)) == (set() if has_value else {copy})
    assert old is not None
    assert old.until_ns <= clock.now_ns


@pytest.mark.parametrize(
    "happens",
    [
        lambda _: hold_keys([KEY, STAMP], "a writer"),
        lambda redis: redis.delete(KEY),
        lambda redis: redis.set(KEY, b"another value"),
        lambda redis: (redis.delete(KEY), redis.rpush(KEY, "no string")),
    ],
    ids=["a writer holds it", "it is gone", "it is another", "it is no value"],
)
def test_what_is_not_the_value_any_more_is_not_renewed(
    copy: Copy, clock: Clock, redis_client: Redis, happens: Callable[[Redis], object]
) -> None:
    until_ns = copy.until_ns
    happens(redis_client)
    use(Renewer(), (copy,), clock)
    assert copy.until_ns == until_ns
    clock.now_ns = until_ns
    assert local_store.find_copy(KEY) is None
    assert Renewer().renew((copy,)) == {copy}


def test_a_renewed_lease_counts_from_before_redis_is_asked(
    copy: Copy, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    execute, own = GuardedRedis.execute_command, threading.get_ident()

    def slowly(self: GuardedRedis, *args: object, **options: object) -> object:
        if threading.get_ident() == own:  # and no thread that still renews for the test before
            asked.append(clock.now_ns)
            clock.now_ns += 7 * MS
        return execute(self, *args, **options)

    monkeypatch.setattr(GuardedRedis, "execute_command", slowly)
    use(Renewer(), (copy,), clock)
    assert copy.until_ns == asked[-1] + 20 * MS
    assert copy.stamp is not None
    assert len(asked) == 3, "for the stamp, which is not there; to make it; for the value"
    assert copy.stamp.until_ns == asked[1] + 20 * MS
    assert copy.stamp.known_ns <= asked[-1]


def test_what_redis_had_after_the_request_began_may_be_used_though_its_lease_is_over(
    copy: Copy, clock: Clock, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer takes longer than a lease, as it does for a server that waits for a processor."""
    ask = GuardedRedis.run

    def slowly(self: GuardedRedis, command: Callable[[], object]) -> object:
        try:
            return ask(self, command)
        finally:
            clock.now_ns += 30 * MS

    monkeypatch.setattr(GuardedRedis, "run", slowly)
    for _ in range(4):  # by its own bytes, then by its stamp
        clock.now_ns += 60 * MS
        assert Renewer().renew((copy,)) == set()
        assert local_store.find_copy(KEY) is None, "the lease is over"
    assert copy.stamp is not None
    redis_client.delete(KEY, STAMP)
    assert Renewer().renew((copy,)) == {copy}


def test_without_redis_leases_end(copy: Copy, clock: Clock) -> None:
    until_ns = copy.until_ns
    breaker.failed()
    use(Renewer(), (copy,), clock)
    assert copy.until_ns == until_ns


def test_a_copy_whose_end_in_redis_is_to_be_asked_for_is_left_to_the_next_read(copy: Copy, clock: Clock) -> None:
    """Otherwise nobody would ever refresh a value that is always in memory."""
    clock.now_ns += 300_000 * MS
    until_ns = copy.until_ns = clock.now_ns + 1
    use(Renewer(), (copy,), clock)
    assert copy.until_ns == until_ns


@pytest.fixture
def run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """A function that runs one of the threads while `copies` are used; returns after how many ms each it asked."""

    def run(renewer: Renewer, copies: tuple[Copy, ...], *, seconds: float, distance_ms: int = 0) -> list[int]:
        begun_ns, asked = clock.now_ns, []
        ask = GuardedRedis.run

        def from_afar(self: GuardedRedis, command: Callable[[], object]) -> object:
            asked.append((clock.now_ns - begun_ns) // MS)
            clock.now_ns += distance_ms * MS
            return ask(self, command)

        def sleep(seconds_asleep: float) -> None:
            clock.now_ns += int(seconds_asleep * 1e9)
            assert clock.now_ns < begun_ns + 2 * seconds * 1e9, "it goes on"
            if clock.now_ns < begun_ns + seconds * 1e9:
                assert renewer.use(copies, clock.now_ns)

        with monkeypatch.context() as patched:
            patched.setattr(GuardedRedis, "run", from_afar)
            patched.setattr(cache_layer.clock, "sleep", sleep)
            renewer.threads = 1
            renewer._run()
        return asked

    return run


def test_a_thread_renews_what_is_used_until_nothing_is(resting: Resting, run: Callable[..., list[int]]) -> None:
    renewer, copy = resting
    asked = run(renewer, (copy,), seconds=0.5)
    assert asked == list(range(0, 600, 12)), "12 ms later while 20 are left, until 100 ms after the last use"
    assert renewer.threads == 0


@pytest.mark.parametrize(("distance_ms", "starts"), [(0, False), (3, False), (11, True)])
def test_where_redis_is_far_away_another_thread_asks_before_the_answer_has_come(
    resting: Resting, run: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch, distance_ms: int, starts: bool
) -> None:
    renewer, copy = resting
    started: list[int] = []
    monkeypatch.setattr(renewer, "want", lambda: started.append(1))
    run(renewer, (copy,), seconds=0.05, distance_ms=distance_ms)
    assert bool(started) is starts


def test_threads_there_is_no_need_for_end(resting: Resting, monkeypatch: pytest.MonkeyPatch) -> None:
    renewer, _ = resting
    monkeypatch.setattr(cache_layer.clock, "sleep", lambda _: None)
    renewer.threads = 2
    assert renewer._await_turn(0)
    assert renewer._await_turn(0)
    assert not renewer._await_turn(0), "it would come after both"
    renewer.threads = 1
    assert renewer._await_turn(0), "somebody has to"


def test_a_failure_ends_a_thread_and_the_next_hit_starts_one(
    copy: Copy, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    renewer = Renewer()

    with monkeypatch.context() as patched:
        patched.setattr(renewer, "_ask", Mock(side_effect=ValueError("unforeseen")))
        renewer.use((copy,), clock.now_ns)
        renewer.want()
        wait_for(lambda: not renewer.threads)
    assert "Renewal failed" in caplog.text
    assert renewer.threads == 0
    until_ns = copy.until_ns
    renewer.use((copy,), clock.now_ns)
    renewer.want()
    while renewer.threads:
        time.sleep(0.001)
        clock.now_ns += MS
    assert copy.until_ns > until_ns


def test_a_forked_child_has_no_thread_and_no_lock_of_its_parent() -> None:
    renewer = Renewer()
    renewer.threads = 1
    with renewer._renewing:
        assert holds_in_child(lambda: not renewer._renewing.locked() and not renewer.threads)


def test_of_many_threads_that_find_the_same_lapsed_one_asks_redis(copy: Copy, clock: Clock, commands: Commands) -> None:
    clock.now_ns = copy.until_ns
    renewer = Renewer()
    with renewer._renewing, ThreadPoolExecutor(8, initializer=commands.listen) as pool:
        found = [pool.submit(renewer.renew, (copy,)) for _ in range(8)]
        while len(renewer._used) < 1 or pool._work_queue.qsize():
            time.sleep(0.001)
        renewer._renewing.release()
        assert not any(each.result() for each in found)
        renewer._renewing.acquire()
    assert commands.count("MGET") == 2, "for the stamp and for the value"


def test_whoever_finds_a_lapsed_copy_asks_for_what_others_use_too(
    resting: Resting, clock: Clock, redis_client: Redis, commands: list[str]
) -> None:
    """Redis may be so far away that the leases of the first are over when the last of many has asked."""
    renewer, copy = resting
    theirs, unused = (local_store.Stamp(f"cache_layer:stamp:{name}:0", b"nonce", 0, 0) for name in ("theirs", "unused"))
    for stamp in (theirs, unused):
        redis_client.set(stamp.key, stamp.nonce)
        local_store._stamps[stamp.key] = stamp
    theirs.used_ns = clock.now_ns
    clock.now_ns += 100 * MS
    commands.clear()
    assert not renewer.renew((copy,))
    assert (theirs.until_ns, unused.until_ns) == (clock.now_ns + 20 * MS, 0)
    assert commands[:1] == ["MGET"]
    drop_all_copies()
