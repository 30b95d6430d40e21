"""What others import of the cache layer is its face, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import cache_layer

ROOT = Path(cache_layer.__file__).parents[1]
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
