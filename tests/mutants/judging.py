"""
A pytest plugin: the tests that run a changed line judge each mutant.

They do so in a process forked from this one, which has imported everything and made the database. There the function
gets the mutant's code.
"""

import gc
import inspect
import os
import signal
from collections.abc import Callable, Container
from itertools import accumulate
from multiprocessing import Pipe
from time import monotonic
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol
from django.db import connections

from tests.mutants.drawing import Mutant

MAX_SECONDS = 60
"""How long the tests of one mutant may take together; those that take longest are left out."""


class Judge:
    def __init__(self, mutants: list[Mutant], equivalent: Container[str], seconds: float) -> None:
        self.mutants, self.equivalent, self.seconds = mutants, equivalent, seconds
        self.verdicts: dict[Mutant, str] = {}
        self.has_failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        from cache_layer.server.connection import get_redis_client  # with Django set up

        ends = monotonic() + self.seconds
        self.session, self.items = session, {item.nodeid: item for item in session.items}
        self.cleaning = [next(name for name, item in self.items.items() if "committed_db" in item.fixturenames)]
        self.first_to_fail(self.cleaning)
        connections.close_all()
        get_redis_client().connection_pool.disconnect()
        session.config._tmp_path_factory.getbasetemp()
        gc.unfreeze()
        modules = {str(mutant.path.resolve()) for mutant in self.mutants}
        every = [each for each in gc.get_objects() if type(each) is FunctionType]
        self.functions = [each for each in every if each.__code__.co_filename in modules]
        gc.freeze()  # collected later, they would be copied into each process
        self.seconds_of, self.tests_of = apart(lambda: self.observe(modules), self.seconds)
        for mutant in self.mutants:
            if monotonic() > ends:
                break
            verdict = self.verdicts[mutant] = self.judge(mutant)
            if verdict not in ("killed", "equivalent", "untried"):
                session.config.get_terminal_writer().line(f"\n{verdict}, line {mutant.line}\n{mutant}", flush=True)
        return True

    def put_in(self, changed: dict[CodeType, CodeType]) -> None:
        for function in self.functions:
            function.__code__ = changed.get(function.__code__, function.__code__)

    def first_to_fail(self, names: list[str]) -> str:
        for name, following in zip(names, [*names[1:], ""], strict=False):
            next_item = self.items.get(following, self.session)
            self.has_failed = False
            reports = runtestprotocol(self.items[name], log=False, nextitem=next_item)
            if self.has_failed or any(report.failed for report in reports):
                return name
        return ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Subtests alone are logged; what they find is not among the reports of their test."""
        self.has_failed |= report.failed

    def observe(self, modules: set[str]) -> tuple[dict[str, float], dict[tuple[str, int], set[str]]]:
        """How many seconds each test takes that passes, and which of them run each line."""
        watch = coverage.Coverage(data_file=None, config_file=False, include=sorted(modules))
        watch.set_option("run:core", "ctrace")  # Python 3.14's own cannot tell which test it is
        watch.start()
        seconds: dict[str, float] = {}
        for name in self.items:
            watch.switch_context(name)
            began = monotonic()
            if not self.first_to_fail([name]):
                seconds[name] = monotonic() - began
        watch.stop()
        lines = ((module, watch.get_data().contexts_by_lineno(module)) for module in modules)
        return seconds, {(module, line): seconds.keys() & names for module, of in lines for line, names in of.items()}

    def judge(self, mutant: Mutant) -> str:
        if not (changed := changed_functions(mutant)):
            return "untried"
        above = range(mutant.line, min(code.co_firstlineno for code in changed), -1)
        running = (self.tests_of.get((str(mutant.path.resolve()), line)) for line in above)
        names = sorted(next(filter(None, running), ()), key=self.seconds_of.__getitem__)
        times = list(accumulate(map(self.seconds_of.__getitem__, names), initial=0))
        names = [name for name, seconds in zip(names, times[1:], strict=True) if seconds < MAX_SECONDS]
        listed, limit = str(mutant) in self.equivalent, 20 + 3 * min(times[-1], MAX_SECONDS)
        try:
            while noticed := apart(lambda: self.put_in(changed) or self.first_to_fail(names), limit):
                if noticed not in names:
                    return "unsteady"
                if not apart(lambda: self.first_to_fail([noticed]), MAX_SECONDS):
                    return "not equivalent" if listed else "killed"
                names.remove(noticed)  # it fails without the change as well
        except TimeoutError:
            apart(lambda: self.first_to_fail(self.cleaning), MAX_SECONDS)
            return "timed out"
        return "equivalent" if listed else "survived"


def changed_functions(mutant: Mutant) -> dict[CodeType, CodeType]:
    """The code of the function that has changed; none if that is what runs once, such as a default."""
    old, new = functions(mutant.original), functions(mutant.source)
    pairs = ((old[key], new[key]) for key in old.keys() & new.keys())
    return {was: now for was, now in pairs if was != now and was.co_freevars == now.co_freevars}


def functions(source: str) -> dict[tuple[str, int], CodeType]:
    """Those of a module and its classes, not those within functions, by name and line."""
    codes = [compile(source, "", "exec", dont_inherit=True)]
    for code in codes:
        if not code.co_flags & inspect.CO_OPTIMIZED:
            codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    return {(each.co_qualname, each.co_firstlineno): each for each in codes if each.co_flags & inspect.CO_OPTIMIZED}


def apart(work: Callable[[], Any], seconds: float) -> Any:
    """What it returns in a process forked from this one; a TimeoutError if that takes longer."""
    receiving, sending = Pipe(duplex=False)
    if not (child := os.fork()):
        try:
            os.setpgrp()
            sending.send(work())
        finally:
            os._exit(0)
    sending.close()
    try:
        if not receiving.poll(seconds):
            raise TimeoutError
        return receiving.recv()
    except EOFError:
        return "the end of the process"
    finally:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
