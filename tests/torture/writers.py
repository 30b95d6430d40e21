"""
`python -m tests.torture.writers`: loads Django once and forks the writers, and new ones for those that are killed.

It prints a line when it is ready, takes its orders from a file, and prints another, `slot process`, for each
writer it starts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import django

from pmo.processes import ending_with_parent
from tests.torture.orders import Orders
from tests.torture.records import WriteLog, first_version

if TYPE_CHECKING:
    from tests.torture.operations import Writer

RESTART_SECONDS = 0.1
MIGRATED_STEP_SECONDS = 0.05


def run_writers(orders: Orders) -> None:
    """Keep one writer alive for each kind in `Plan.kinds` until the time is over."""
    from tests.torture.operations import HttpWriter, OrmWriter, RawWriter  # with Django set up
    from tests.torture.people import PeopleWriter

    kinds = {"http": HttpWriter, "orm": OrmWriter, "raw": RawWriter, "people": PeopleWriter}
    lives: Counter[int] = Counter()

    def start(slot: int) -> int:
        lives[slot] += 1
        end_with_this_process = ending_with_parent(signal.SIGKILL)  # a fork does not inherit it
        process = os.fork()
        if process == 0:
            try:
                if end_with_this_process:
                    end_with_this_process()
                _write_until_over(orders, slot, lives[slot], kinds[orders.plan.kinds[slot]])
            finally:
                os._exit(0)
        sys.stdout.write(f"{slot} {process}\n")
        sys.stdout.flush()
        return process

    slots = {start(slot): slot for slot in range(len(orders.plan.kinds))}
    while slots:
        slot = slots.pop(os.wait()[0])
        if not orders.are_over():
            time.sleep(RESTART_SECONDS)
            slots[start(slot)] = slot


def _write_until_over(orders: Orders, slot: int, life: int, kind: type[Writer]) -> None:
    while orders.plan.kinds[slot] != "http" and not orders.migrated.exists() and not orders.are_over():
        time.sleep(MIGRATED_STEP_SECONDS)
    writer = kind(orders, WriteLog(orders.log_of(slot)), f"{orders.plan.seed} {slot} {life}", first_version(slot, life))
    while not orders.are_over():
        writer.write()
        time.sleep(writer.random.uniform(0, orders.plan.pause_ms / 1000))
    writer.close()


if __name__ == "__main__":
    django.setup()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run_writers(Orders.take())
