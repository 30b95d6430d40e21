"""Many readers of one cold key, in several processes at once, cost the database one query."""

import subprocess
import sys

import pytest

from cache_layer.server.connection import get_writer_client
from tests.conftest import make_entity
from tests.servers import ROOT, worker_environment

PROCESSES, THREADS = 3, 67

READER = f"""
import os, sys, threading
import django

django.setup()
for _ in range({PROCESSES} - 1):
    if not os.fork():
        break

from django.db import connections
from cache_layer.reading import answered, fills
from cache_layer.server.connection import get_redis_client
from cache_layer.reading.reads import read_entry
from entities.lookups import ENTITY

loads, load = [], fills.load
answered.load = fills.load = lambda *args: loads.append(args) or load(*args)
get_redis_client().ping()
ready, go = threading.Barrier({THREADS} + 1), threading.Event()
labels = []

def read():
    ready.wait()
    go.wait()
    labels.append(read_entry(ENTITY, "project").document.label)
    connections.close_all()

threads = [threading.Thread(target=read) for _ in range({THREADS})]
for thread in threads:
    thread.start()
ready.wait()
os.write(1, b"ready\\n")
sys.stdin.read()  # until it is closed, for all of them
go.set()
for thread in threads:
    thread.join()
os.write(1, " ".join([str(len(loads)), str(len(labels)), *set(labels)]).encode() + b"\\n")
"""


@pytest.mark.usefixtures("committed_db")
def test_200_readers_in_three_processes_cost_one_query() -> None:
    make_entity("project")
    command = [sys.executable, "-c", READER]
    patient = {"CACHE_FILL_WAIT_MS": "30000", "CACHE_FILL_LEASE_MS": "30000", "CACHE_SOCKET_TIMEOUT_MS": "10000"}
    environment = worker_environment() | patient
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=-1, stdout=-1, text=True) as readers:
        assert readers.stdin
        assert readers.stdout
        assert [readers.stdout.readline() for _ in range(PROCESSES)] == ["ready\n"] * PROCESSES
        get_writer_client().delete("entity:metadata:project")
        readers.stdin.close()
        said = [line.split() for line in readers.stdout]
    assert [words[1:] for words in said] == [[str(THREADS), "Project"]] * PROCESSES
    assert sum(int(words[0]) for words in said) == 1
