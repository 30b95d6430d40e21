"""What the source says: others import the face alone, and the protocol asks for no wall clock."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import cache_layer
from tests.servers import ROOT

FACE = {"cache_layer", "cache_layer.inspect", "cache_layer.wsgi"}
MODULES = {"deadline", "origin"}
"""Those of which the application uses functions, by the module's name."""


def imports_of(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


@pytest.mark.parametrize("package", ["pmo", "entities"])
def test_the_application_imports_the_face_alone(package: str) -> None:
    files = [*(ROOT / package).rglob("*.py")]
    found = {(module, name) for file in files for module, name in imports_of(file) if module.startswith("cache_layer")}
    assert found
    assert {module for module, _ in found} <= FACE
    for module, name in found:
        assert module != "cache_layer" or name in (*cache_layer.__all__, *MODULES)


def test_every_name_of_the_face_is_there_and_known_to_type_checkers() -> None:
    assert not [name for name in cache_layer.__all__ if isinstance(getattr(cache_layer, name), ModuleType)]
    declared = {(module, name) for module, name in imports_of(Path(cache_layer.__file__)) if module.startswith("cache")}
    assert declared == {(cache_layer._ROOM_OF[name], name) for name in cache_layer.__all__}
    with pytest.raises(AttributeError, match="no attribute 'read_everything'"):
        _ = cache_layer.read_everything


WALL_CLOCK = re.compile(
    r"\btime\.time\(|\btime\.time_ns\(|\bdatetime\b|\btimezone\b|from time import (?!monotonic|sleep)"
)
COUNTING = {"activity.py", "counting", "inspect", "plain_metrics.py", "fields.py"}
"""Rooms, and a module: what was counted in which minute is told by the wall clock; nothing served depends on it."""


def test_no_wall_clock_enters_the_protocol() -> None:
    """Leases are counted on each process's monotonic clock, holds and TTLs on Redis' own; `--skew` of the torture."""
    modules = [each for each in (ROOT / "cache_layer").rglob("*.py") if each.parent.name != "migrations"]
    assert len(modules) > 30
    found = [module for module in modules if WALL_CLOCK.search(module.read_text())]
    assert not [each for each in found if not COUNTING & {each.name, each.parent.name}]
    scripts = "".join(script.read_text() for script in (ROOT / "cache_layer" / "lua").glob("*.lua"))
    assert set(re.findall(r'redis\.call\("(\w*TIME\w*)"', scripts)) == {"TIME"}
