"""How passwords are hashed: as Django does it, and without that counting as waiting."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from cache_layer.deadline import computing


class UnhurriedPBKDF2(PBKDF2PasswordHasher):
    """The same algorithm, under the same name: slow on purpose, so it is not what a request's time is for."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with computing():
            return super().encode(password, salt, iterations)
