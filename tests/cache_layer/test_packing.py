"""Long values are compressed in Redis, and nothing that only looks like one is unpacked."""

import os
import sys
from collections.abc import Callable

import pytest
from redis import Redis

from cache_layer import Source
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.protocol.packing import MAGIC, MAX_BYTES, pack, unpack, unpacks_to
from cache_layer.reading.reads import read_entry
from cache_layer.serving.renewal import Renewer
from cache_layer.upkeep.audit import audit_cache
from entities.lookups import ENTITY
from entities.models import Entity
from tests.conftest import empty_redis, make_entity

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KEY = "entity:metadata:project"
LONG = bytes(100_000)
JSON = b'{"code":"project","child_entity_codes":[' + b'"task",' * 2_000 + b'"wiki"]}'


@pytest.fixture
def long(committed_db: None, redis_client: Redis, set_options: Callable[..., None]) -> Entity:
    """An entity type whose document is longer than the threshold."""
    set_options(compress_bytes=100)
    row = make_entity("project", label="long " * 20)
    empty_redis(redis_client)
    drop_all_copies()
    return row


def streamed(payload: bytes) -> bytes:
    """A frame that does not say how long its content is."""
    compressor = zstd.ZstdCompressor()
    return compressor.compress(payload) + compressor.flush()


def with_window(log: int) -> bytes:
    """A frame, with one block that is not compressed, that says it needs this much memory."""
    header = bytes([0x80, (log - 10) << 3]) + len(LONG).to_bytes(4, "little")
    return MAGIC + header + (1 | len(LONG) << 3).to_bytes(3, "little") + LONG


HOSTILE = {
    "a bomb": zstd.compress(bytes(MAX_BYTES + 1)),
    "a bomb of unknown length": streamed(bytes(MAX_BYTES + 1)),
    "a bomb that lies about its length": MAGIC + b"\x20\x08" + zstd.compress(bytes(10_000))[7:],
    "cut short": zstd.compress(JSON)[:-1],
    "only its beginning": MAGIC,
    "without the end of its checksum": zstd.compress(JSON, options={zstd.CompressionParameter.checksum_flag: 1})[:-1],
    "two frames": zstd.compress(JSON) + zstd.compress(JSON),
    "something behind it": zstd.compress(JSON) + b"x",
    "noise": MAGIC + os.urandom(1_000),
}


@pytest.mark.parametrize(
    ("threshold", "payload"),
    [
        pytest.param(8_192, b"x" * 8_192, id="no longer than the threshold"),
        pytest.param(8_192, os.urandom(10_000), id="it would not be shorter"),
        pytest.param(8_192, bytes(MAX_BYTES + 1), id="too long to be unpacked"),
        pytest.param(0, JSON, id="switched off"),
    ],
)
def test_some_values_are_stored_as_they_are(set_options: Callable[..., None], threshold: int, payload: bytes) -> None:
    set_options(compress_bytes=threshold)
    assert pack(payload) == payload


@pytest.mark.parametrize("payload", [JSON, bytes(MAX_BYTES)], ids=["long", "the longest"])
def test_a_long_value_is_compressed_and_comes_back(payload: bytes) -> None:
    packed = pack(payload)
    assert packed.startswith(MAGIC)
    assert len(packed) < len(payload) / 10
    assert unpack(packed) == payload


def test_a_value_that_begins_like_a_compressed_one_comes_back_whatever_its_length(
    set_options: Callable[..., None],
) -> None:
    set_options(compress_bytes=0)
    for payload in (MAGIC, MAGIC + b"an image, for example", zstd.compress(JSON)):
        assert unpack(pack(payload)) == payload
        assert unpacks_to(pack(payload), payload)


def test_hostile_frames_are_refused(subtests: pytest.Subtests) -> None:
    for what, frame in HOSTILE.items():
        with subtests.test(what=what):
            with pytest.raises(ValueError):  # noqa: PT011 - the message is zstd's, or says what it is
                unpack(frame)
            assert not unpacks_to(frame, JSON)


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    assert unpack(with_window(20)) == LONG
    with pytest.raises(ValueError, match="memory"):
        unpack(with_window(27))


def test_readers_get_the_plain_bytes_from_everywhere(long: Entity, redis_client: Redis) -> None:
    loaded = read_entry(ENTITY, "project")
    assert redis_client.get(KEY).startswith(MAGIC)
    drop_all_copies()
    from_redis, from_memory = read_entry(ENTITY, "project"), read_entry(ENTITY, "project")
    assert [read.source for read in (loaded, from_redis, from_memory)] == ["DB", "L2", "L1"]
    assert loaded.payload == from_redis.payload == from_memory.payload
    assert loaded.payload.startswith(b'{"code":"project"')


def test_a_writer_leaves_a_long_value_compressed(long: Entity, redis_client: Redis) -> None:
    long.save()
    assert redis_client.get(KEY).startswith(MAGIC)
    drop_all_copies()
    assert read_entry(ENTITY, "project").source is Source.REDIS


def test_the_audit_compares_what_is_in_a_compressed_value(long: Entity, redis_client: Redis) -> None:
    read_entry(ENTITY, "project")
    assert audit_cache().mismatches == ()
    redis_client.set(KEY, zstd.compress(ENTITY.encode(read_entry(ENTITY, "project").document) + b" "), ex=300)
    assert [mismatch.entry.key for mismatch in audit_cache().mismatches] == [KEY]
    assert redis_client.exists(KEY) == 0


def test_a_hot_copy_of_a_compressed_value_is_renewed(long: Entity, redis_client: Redis) -> None:
    read_entry(ENTITY, "project")
    drop_all_copies()
    (copy,) = read_entry(ENTITY, "project").copies
    until_ns = copy.until_ns
    renewer = Renewer()
    renewer._used.add(copy)
    renewer.renew_used()
    assert copy.until_ns > until_ns
