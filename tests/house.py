"""
`make house`: how big the project is and how it hangs together, as a table by which two commits can be compared.

    lines        of each kind of file, without blank ones, vendored ones and migrations
    largest      modules over 250 lines; folders by the modules that lie in them
    imports      modules and names of `cache_layer` that the application uses
"""

import ast
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.table import Table

from tests import ROOT
from tests.command_line import make_console

PACKAGES = ("cache_layer", "entities", "pmo")
PRODUCT = (*PACKAGES, "templates")
KINDS = (".py", ".lua", ".sql", ".js", ".css", ".html", ".md")
LEFT_OUT = ("migrations", "vendor")
MAX_LINES = 250


def tracked_files() -> list[Path]:
    """What git has, of the kinds that people write."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    files = [Path(name) for name in names if Path(name).suffix in KINDS]
    return [file for file in files if not set(LEFT_OUT) & set(file.parts) and (ROOT / file).is_file()]


def count_lines(file: Path) -> int:
    return sum(bool(line.strip()) for line in (ROOT / file).read_text().splitlines())


def imported_names(files: Iterable[Path], package: str) -> Iterator[tuple[str, str]]:
    """The modules of a package, and the names of each, that files import, or use of a module that they import."""
    for file in files:
        tree = ast.parse((ROOT / file).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
                for name in (alias.name for alias in node.names):
                    if (ROOT / str(node.module).replace(".", "/") / f"{name}.py").is_file():
                        yield from ((f"{node.module}.{name}", used) for used in attributes_of(name, tree))
                    else:
                        yield str(node.module), name


def attributes_of(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            yield node.attr


def main() -> None:
    files = tracked_files()
    table = Table("figure", "what", title="The house")
    table.add_column("number", justify="right")
    lines: Counter[tuple[str, str]] = Counter()
    for file in files:
        where = "product" if file.parts[0] in PRODUCT else "tests" if file.parts[0] == "tests" else "other"
        lines[where, file.suffix] += count_lines(file)
    for (where, kind), number in sorted(lines.items()):
        table.add_row("lines", f"{where}, {kind}", f"{number:,}")
    modules = [file for file in files if file.suffix == ".py" and file.parts[0] in PACKAGES]
    lengths = {file: len((ROOT / file).read_text().splitlines()) for file in modules}
    for file, length in sorted(lengths.items(), key=lambda item: -item[1]):
        if length > MAX_LINES:
            table.add_row("largest", str(file), f"{length}")
    folders = Counter(file.parent for file in modules if file.name != "__init__.py")
    for folder, number in folders.most_common(3):
        table.add_row("modules in a folder", str(folder), f"{number}")
    outside = {*imported_names((file for file in modules if file.parts[0] != "cache_layer"), "cache_layer")}
    table.add_row("imports", "modules of cache_layer from outside", f"{len({module for module, _ in outside})}")
    table.add_row("imports", "names of cache_layer from outside", f"{len(outside)}")
    make_console().print(table)


if __name__ == "__main__":
    main()
