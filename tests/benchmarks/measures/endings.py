"""
`python -m tests.benchmarks.measures.endings`: signs people in and ends what they may do, by Django's ORM, on request.

Each line of standard input is `WAY NAME`, each of standard output its result as JSON.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable

import django


def sign_in_new(name: str) -> dict[str, str]:
    """Make a user and sign them in."""
    from django.contrib.auth.models import User

    from pmo.people.tokens import sign_in

    _other_password()  # takes long, and not while reads are counted
    refresh = sign_in(User.objects.create_user(name))
    return {"token": str(refresh.access_token), "refresh": str(refresh)}


def deactivate(name: str) -> None:
    from django.contrib.auth.models import User

    user = User.objects.get(username=name)
    user.is_active = False
    user.save()


def give_password(name: str) -> None:
    from django.contrib.auth.models import User

    user = User.objects.get(username=name)
    user.password = _other_password()
    user.save()


@functools.cache
def _other_password() -> str:
    from django.contrib.auth.hashers import make_password

    return make_password("another than before")


WAYS: dict[str, Callable[[str], object]] = {
    "sign_in": sign_in_new,
    "deactivation": deactivate,
    "password": give_password,
}


if __name__ == "__main__":
    django.setup()
    for line in sys.stdin:
        way, name = line.split()
        sys.stdout.write(json.dumps(WAYS[way](name)) + "\n")
        sys.stdout.flush()
