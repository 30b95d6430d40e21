"""
Compression of long values in Redis: Zstandard (RFC 8878), told from plain ones by the number that a frame begins with.

Zstandard is the standard library's from Python 3.14, and a package before (`pip install cache-layer[zstd]`). Where it
is missing nothing is compressed, and what others have compressed is a miss.

JSON never begins so; a value that does is compressed whatever its length. Memory, and whoever is answered, have the
plain bytes.
"""

from __future__ import annotations

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
"""A longer value is stored as it is, and no frame is unpacked to more."""
LARGEST_WINDOW = {zstd.DecompressionParameter.window_log_max: 24} if zstd else {}
"""As large as the longest value: a frame that asks for more memory is not ours."""


def pack(payload: bytes) -> bytes:
    """The bytes to store: compressed if longer than `compress_bytes`, and shorter then; or if they look so already."""
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
        ValueError: it begins like a frame and is not one, whole, of a value that is not too long.
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
    """Whether what is stored, if anything is, unpacks to these bytes."""
    if stored is None or not stored.startswith(MAGIC):
        return stored == payload
    try:
        return unpack(stored) == payload
    except ValueError:
        return False
