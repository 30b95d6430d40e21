"""Which processor core does what: the server under test has one for itself."""

import contextlib
import os
from collections.abc import Iterator


class Cores:
    """
    The cores this process may use, split in two.

    Attributes:
        server: for the server under test.
        rest: for the load generator and the engines.
        all: both.
    """

    def __init__(self) -> None:
        self.all = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.server = self.all[-1:]
        self.rest = self.all[:-1] or self.all

    @property
    def are_split(self) -> bool:
        return len(self.all) > 1

    @contextlib.contextmanager
    def given(self, cores: list[int]) -> Iterator[None]:
        """Processes started in the block run on `cores`."""
        if not self.all:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
