"""
Compression of long values in Redis: Zstandard (RFC 8878), recognized by the magic number at the start of a frame.

Python has Zstandard from 3.14 on; before, `pip install cache-layer[zstd]`. Without it nothing is compressed, and
compressed values count as misses.

JSON never starts with this magic. Values that do are always compressed, so unpacking is unambiguous. Copies in memory
and responses have the plain bytes.
"""

import sys
from typing import Any

from cache_layer.options import get_options

zstd: Any
try:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
except ImportError:
    zstd = None

MAGIC = b"\x28\xb5\x2f\xfd"
MAX_BYTES = 16 * 1024 * 1024
"""Longer values are stored uncompressed, and no frame is unpacked to more than this."""
LARGEST_WINDOW = {zstd.DecompressionParameter.window_log_max: 24} if zstd else {}
"""The window of the longest value: a frame that needs more memory is not ours."""


def pack(payload: bytes) -> bytes:
    """The bytes to store: compressed if longer than `compress_bytes` and it helps, or if they start with the magic."""
    if zstd is None:
        return payload
    looks_packed = payload.startswith(MAGIC)
    if not (looks_packed or 0 < get_options().compress_bytes < len(payload) <= MAX_BYTES):
        return payload
    packed: bytes = zstd.compress(payload)
    return packed if looks_packed or len(packed) < len(payload) else payload


def unpack(stored: bytes) -> bytes:
    """
    The plain bytes of what is stored.

    Raises:
        ValueError: it starts with the magic but is not one whole frame, or its value is too long.
    """
    if not stored.startswith(MAGIC):
        return stored
    if zstd is None:
        raise ValueError("a compressed value, and no Zstandard: pip install cache-layer[zstd]")
    try:
        length = zstd.get_frame_info(stored).decompressed_size
        if length is None or length > MAX_BYTES:
            raise ValueError(f"a compressed value of {'unknown length' if length is None else f'{length} bytes'}")
        decompressor = zstd.ZstdDecompressor(options=LARGEST_WINDOW)
        payload: bytes = decompressor.decompress(stored, max_length=length + 1)
    except zstd.ZstdError as error:
        raise ValueError(f"not a compressed value: {error}") from error
    if not decompressor.eof or decompressor.unused_data or len(payload) != length:
        raise ValueError("not one whole compressed value")
    return payload


def unpacks_to(stored: bytes | None, payload: bytes) -> bool:
    """Whether the stored bytes, if any, unpack to `payload`."""
    if stored is None or not stored.startswith(MAGIC):
        return stored == payload
    try:
        return unpack(stored) == payload
    except ValueError:
        return False
