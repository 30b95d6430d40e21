"""
The keys of the platform's sign-on: a shared secret, public keys in a file, or keys it serves (JWKS).

Served keys are fetched in the background (PyJWT's `PyJWKClient`). Known keys are used whether the sign-on answers or
not; a request only waits for an unknown key, never longer than `WAIT_SECONDS`.
"""

import json
import logging
import re
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import jwt

from cache_layer import deadline

logger = logging.getLogger("pmo")

PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
FRESH_SECONDS = 300.0
"""How long keys are used before they are fetched again."""
COOLDOWN_SECONDS = 10.0
"""At most one fetch in this time, whichever keys tokens name."""
FETCH_SECONDS = 5.0
WAIT_SECONDS = 1.0
PLACES = 4
"""How many threads of a process may wait for keys: half of the request threads."""


class BadKeys(Exception):
    """The source contains no usable key; the message says why."""


class KeysUnknown(Exception):
    """The sign-on's keys could not be fetched, so the token cannot be verified."""


class Key(NamedTuple):
    """
    One key.

    Attributes:
        name: its `kid`; None if it has none.
        algorithm: the only one it may be used with; None for any of its kind.
    """

    name: str | None
    algorithm: str | None
    key: Any


class KnownKeys:
    """Keys that are all known: a secret, or those of a file."""

    def __init__(self, keys: list[Key]) -> None:
        self.keys = keys

    def find(self, name: str | None) -> list[Key]:
        """The keys that may have signed a token with this `kid`, or without one (None); a nameless key matches any."""
        return [key for key in self.keys if name is None or key.name in (None, name)]


def keys_of_file(path: str) -> list[Key]:
    """
    The public keys of a file: one or several in PEM, certificates included; or a JWKS document.

    Raises:
        BadKeys: it cannot be read, has no key, or has a private one.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise BadKeys(f"the file can't be read: {error}") from error
    try:
        if text.lstrip().startswith("{"):
            return _of_document(json.loads(text))
        return [Key(None, None, _of_pem(block[1], block[0].encode())) for block in PEM.finditer(text)]
    except (jwt.PyJWTError, ValueError, TypeError, LookupError) as error:
        raise BadKeys(f"the file has no key that can be used: {error}") from error


def _of_pem(kind: str, block: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if "PRIVATE" in kind:
        raise BadKeys("the file has a private key: give the public one")
    return load_pem_x509_certificate(block).public_key() if kind == "CERTIFICATE" else load_pem_public_key(block)


def _of_document(document: Any) -> list[Key]:
    """The public signature keys (RFC 7517); secret, encryption and unknown keys are skipped."""
    keys: list[Key] = []
    for given in document["keys"]:
        with suppress(jwt.PyJWTError):
            key = jwt.PyJWK(given)
            if key.public_key_use in ("sig", None) and key.key_type != "oct" and not hasattr(key.key, "private_bytes"):
                keys.append(Key(key.key_id, given.get("alg"), key.key))
    return keys


class ServedKeys(KnownKeys):
    """The keys served at a URL."""

    def __init__(self, url: str) -> None:
        super().__init__([])
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=FETCH_SECONDS)
        self._fetched = self._asked = -float("inf")
        self._fetch = threading.Thread()  # in a forked child, one of its parent's does not run
        self._lock, self._places = threading.Lock(), threading.BoundedSemaphore(PLACES)

    def find(self, name: str | None) -> list[Key]:
        """
        Like that of known keys.

        Raises:
            KeysUnknown: the keys could not be fetched.
        """
        found = super().find(name)
        if found:
            if monotonic() - self._fetched > FRESH_SECONDS:
                self.begin_fetch()
            return found
        fetch = self.begin_fetch()
        if fetch.is_alive() and self._places.acquire(blocking=False):
            try:
                fetch.join(deadline.left_seconds(WAIT_SECONDS))
            finally:
                self._places.release()
        found = super().find(name)
        if not found and self._fetched < self._asked:
            raise KeysUnknown
        return found

    def begin_fetch(self) -> threading.Thread:
        """Start a fetch, unless one runs or ended just now; returns the last one."""
        with self._lock:
            if not self._fetch.is_alive() and monotonic() - self._asked >= COOLDOWN_SECONDS:
                self._asked = monotonic()
                self._fetch = threading.Thread(target=self._ask, name="sign-on keys", daemon=True)
                self._fetch.start()
            return self._fetch

    def _ask(self) -> None:
        try:
            keys = _of_document(self._client.fetch_data())
            if not keys:
                raise BadKeys("it serves no public key for signatures")
            self.keys, self._fetched = keys, monotonic()
        except Exception as error:  # any kind: the response may be anything
            logger.warning("Sign-on keys not fetched", extra={"url": self._client.uri, "error": str(error)[:300]})
