"""Password hashing: Django's, exempt from the request deadline, and bounded so that readers still get threads."""

import threading

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from cache_layer import deadline
from entities.api.errors import Unavailable

PLACES = 4
"""How many threads of a process may hash or wait to: half of the request threads. One hashes, the others wait."""


class TooManyLogins(Unavailable):
    """Anyone may send passwords, and hashing one takes as long as thousands of reads."""

    default_detail = "Too many passwords are being checked at this moment. Try again in a moment."
    default_code = "too_many_logins"


places, turn = threading.BoundedSemaphore(PLACES), threading.Lock()


class PBKDF2OutsideDeadline(PBKDF2PasswordHasher):
    """Django's PBKDF2, slow on purpose. Hashing does not consume the request deadline."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        if not places.acquire(blocking=False):
            raise TooManyLogins
        try:
            with deadline.paused(), turn:
                return super().encode(password, salt, iterations)
        finally:
            places.release()
