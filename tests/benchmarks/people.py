"""`python -m tests.benchmarks.people FIRST COUNT`: signs in users who may read, and prints their tokens as JSON."""

from __future__ import annotations

import json
import sys

import django


def sign_in_users(first: int, count: int) -> list[str]:
    """Make users, numbered from `first`, and sign each in without asking for a password, which would take long."""
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.db import transaction

    from pmo.people.tokens import sign_in

    nobodys = make_password(None)
    with transaction.atomic():
        made = User.objects.bulk_create(
            User(username=f"reader_{number}", password=nobodys) for number in range(first, first + count)
        )
        return [str(sign_in(user).access_token) for user in made]


if __name__ == "__main__":
    django.setup()
    json.dump(sign_in_users(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
