"""Run inside the foreign project: what the library promises, on its two models. Prints what it saw as JSON."""

import asyncio
import json
import os
import sys
import time
from importlib.util import find_spec
from wsgiref.util import setup_testing_defaults

import django
from django.core.cache import cache
from django.core.checks.registry import registry
from django.core.management import call_command

sys.path.insert(0, os.getcwd())
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()

from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from shop.models import CoherentGroup, Rate

from cache_layer import ReadOnlyEntry, Source
from cache_layer.counting.reporting import read_totals

seen = {}
sys.stdout = sys.stderr  # what commands print


def in_another_process(work):
    """Do something there, and go on when it is done."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def rate(name="senior"):
    found = Rate.coherent.get(name)
    return found and found.cents_per_hour


def answer(path):
    environ = {"PATH_INFO": path, "HTTP_HOST": "localhost"}
    setup_testing_defaults(environ)
    return json.loads(b"".join(application(environ, lambda *_: None)))


def renamed():
    Group.objects.filter(name="editors").update(name="writers")


senior = Rate.objects.create(name="senior", cents_per_hour=9_000)
group = Group.objects.create(name="editors")
seen["importable"] = [name for name in sys.argv[1:] if find_spec(name.partition(".")[0])]
seen["checks"] = len([each for each in registry.get_checks() if each.__module__ == "cache_layer.inspect.checks"])
call_command("check", databases=["default"], fail_level="WARNING")

seen["read"] = [rate(), rate("junior"), CoherentGroup.coherent.get("editors").id == group.id]
seen["from memory"] = any(Rate.coherent.read("senior").source is Source.LOCAL for _ in range(100))
in_another_process(lambda: Rate.objects.filter(name="senior").update(cents_per_hour=9_500))
seen["changed elsewhere"] = rate()
in_another_process(lambda: Rate._base_manager.update(cents_per_hour=9_600))
seen["changed by the base manager, as Django does"] = rate()
in_another_process(renamed)
seen["somebody else's model, renamed elsewhere"] = sorted(CoherentGroup.coherent.get_many(["editors", "writers"]))
Group.objects.get().delete()
seen["deleted"] = asyncio.run(CoherentGroup.coherent.aget("writers"))
try:
    with transaction.atomic():
        Rate.objects.filter(name="senior").update(cents_per_hour=1)
        seen["own write"] = rate()
        raise KeyError
except KeyError:
    seen["rolled back"] = rate()
seen["cache"] = [
    cache.get("shop.rate:senior").cents_per_hour,
    cache.get("report"),
    cache.set("report", {"a": 1}),
    cache.get("report"),
]
try:
    cache.set("shop.rate:senior", 1)
except ReadOnlyEntry as error:
    seen["refused"] = str(error)

from wsgi import application  # from here on this process relays, too

seen["view"] = answer("/rate/senior")
with connection.cursor() as cursor:
    cursor.execute("UPDATE shop_rate SET cents_per_hour = 7")
until = time.monotonic() + 10
while answer("/rate/senior") != {"cents_per_hour": 7} and time.monotonic() < until:
    time.sleep(0.01)
seen["changed by SQL"] = answer("/rate/senior")
seen["counted without prometheus-client"] = read_totals()["reads:L1"] > 0 and read_totals()["load_seconds:+Inf"] > 0
sys.stdout = sys.__stdout__
print(json.dumps(seen))
sys.stdout.flush()
os._exit(0)  # the relay's thread is in the middle of its wait
