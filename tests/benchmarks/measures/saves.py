"""
A change waits until no process can still use a copy in its memory. The time that a transaction takes longer with such
copies than without shows how often it waits.
"""

import time
from typing import Any

from tests.benchmarks.rows import SAVED, saved_codes
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, from_to, median, spread

SUMMARY = "fifty entity types saved in one transaction"
HEADING = "Many saves in one transaction"

ROUNDS = 3
LEASE_MS = 250
"""So long that a busy machine is not taken for a wait."""


def measure(session: Session) -> dict[str, Any]:
    """Milliseconds of one save and of fifty, each in a transaction, with copies that live so long and with none."""
    found = {}
    for kind, lease_ms in (("waiting", LEASE_MS), ("without", 0)):
        session.say(f"{SAVED} saves in one transaction, copies live {lease_ms} ms")
        environment = {"CACHE_LOCAL_LEASE_MS": str(lease_ms), "REQUEST_BUDGET_MS": "0"}
        found[kind] = session.call(f"{__name__}:time_saves", ROUNDS, **environment)
    return {"lease_ms": LEASE_MS, "saves": SAVED, **found}


def count_waits(found: Results) -> list[int]:
    """How often a transaction with many saves waited for copies to end, by what it took longer than without any."""
    longer = zip(found["waiting"]["all"], found["without"]["all"], strict=True)
    return [round((waiting - without) / found["lease_ms"]) for waiting, without in longer]


def time_saves(rounds: int) -> dict[str, list[float]]:
    """Milliseconds for each round; one round before is not counted."""
    taken: dict[str, list[float]] = {"one": [], "all": []}
    for number in range(-1, rounds):
        for kind, codes in (("one", saved_codes()[:1]), ("all", saved_codes())):
            milliseconds = _save(codes, f"Round {number}")
            if number >= 0:
                taken[kind].append(round(milliseconds, 2))
    return taken


def _save(codes: list[str], label: str) -> float:
    from django.db import transaction

    from entities.models import Entity

    entities = Entity.objects.in_bulk(codes)
    begun = time.perf_counter()
    with transaction.atomic():
        for entity in entities.values():
            entity.label = label
            entity.save()
    return (time.perf_counter() - begun) * 1000


def table(found: Results, _: Results) -> Tabled:
    rows = [
        (title, f"{median(found['without'][kind]):,.1f}", *spread(found["waiting"][kind], 1))
        for kind, title in (("one", "1"), ("all", str(found["saves"])))
    ]
    rows.append(("waits", "", f"{median(count_waits(found)):g}", from_to(count_waits(found))))
    columns = ("saves in one transaction", "no copies, ms", f"copies live {found['lease_ms']} ms, ms", "range")
    return Tabled("Saves one by one in one transaction", columns, rows)


def requirements(found: Results) -> list[Requirement]:
    text = f"{found['saves']} saves one by one in one `atomic`: waits"
    return [Requirement(text, "at most", 1, tuple(count_waits(found)))]
