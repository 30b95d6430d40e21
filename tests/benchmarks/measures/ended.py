"""
As `make torture` judges it, in half a minute without faults: tokens and permissions are in use on all servers while one
server handles a logout, or another process ends them with Django's ORM. Counted are uses that begin after that has
returned, for as long as anybody still tries.
"""

import math

from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled

SUMMARY = "reads accepted after a logout, a deactivation or a new password, by a short torture"
HEADING = "Tokens that are ended"

PEOPLE, PEOPLE_READERS = 6, 32
"""Those who end tokens, and connections that read with them."""


def measure(session: Session) -> dict[str, dict[str, int]]:
    """For each way to end them, how many uses began after it was acknowledged, and how many of those were accepted."""
    rights = session.torture(writers=1, readers=1, people=PEOPLE, people_readers=PEOPLE_READERS).rights
    return {
        way: {"reads": count, "accepted": rights.accepted_after_end[way]}
        for way, count in sorted(rights.uses_after_end.items())
    }


def table(found: Results, _: Results) -> Tabled:
    rows = [(way, f"{each['reads']:,}", f"{each['accepted']:,}") for way, each in found.items()]
    return Tabled("Uses of what is ended", ("ended by", "uses that began afterwards", "accepted"), rows)


def requirements(found: Results) -> list[Requirement]:
    reads, accepted = (sum(each[name] for each in found.values()) for name in ("reads", "accepted"))
    text = "reads that begin after a logout, deactivation or new password was answered, and are accepted, of a million"
    return [Requirement(text, "at most", 0, (math.ceil(accepted / reads * 1e6),))]
