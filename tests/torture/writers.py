"""
`python -m tests.torture.writers`: loads Django once and forks the writers, and new ones for those that are killed.

It prints a line when it is ready, reads its orders from standard input, and prints another, `slot process`, for each
writer it starts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from time import monotonic_ns

import django

from pmo.processes import ending_with_parent
from tests.torture.operations import HttpWriter, OrmWriter, RawWriter, Writer
from tests.torture.orders import Orders
from tests.torture.people import PeopleWriter
from tests.torture.records import WriteLog, first_version

KINDS: dict[str, type[Writer]] = {"http": HttpWriter, "orm": OrmWriter, "raw": RawWriter, "people": PeopleWriter}
RESTART_SECONDS = 0.1


def run_writers(orders: Orders) -> None:
    """Keep one writer alive for each kind in `Plan.kinds` until the time is over."""
    lives: Counter[int] = Counter()
    slots = {_start_writer(orders, slot, lives): slot for slot in range(len(orders.plan.kinds))}
    while slots:
        process, _ = os.wait()
        slot = slots.pop(process)
        if monotonic_ns() < orders.until_ns:
            time.sleep(RESTART_SECONDS)
            slots[_start_writer(orders, slot, lives)] = slot


def _start_writer(orders: Orders, slot: int, lives: Counter[int]) -> int:
    lives[slot] += 1
    end_with_this_process = ending_with_parent(signal.SIGKILL)  # a fork does not inherit it
    process = os.fork()
    if process == 0:
        try:
            if end_with_this_process:
                end_with_this_process()
            _write_until_over(orders, slot, lives[slot])
        finally:
            os._exit(0)
    sys.stdout.write(f"{slot} {process}\n")
    sys.stdout.flush()
    return process


def _write_until_over(orders: Orders, slot: int, life: int) -> None:
    kind = KINDS[orders.plan.kinds[slot]]
    writer = kind(orders, WriteLog(orders.log_of(slot)), f"{orders.plan.seed} {slot} {life}", first_version(slot, life))
    while monotonic_ns() < orders.until_ns:
        writer.write()
        time.sleep(writer.random.uniform(0, orders.plan.pause_ms / 1000))
    writer.close()


if __name__ == "__main__":
    django.setup()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    run_writers(Orders.take())
