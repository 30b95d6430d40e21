"""Functions of the product changed in one small place, as mutmut thinks up."""

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst
from mutmut.mutation.file_mutation import create_mutations, deep_replace


@dataclass(frozen=True)
class Mutant:
    room: Path
    path: Path
    line: int
    diff: str
    original: str
    source: str

    def __str__(self) -> str:
        """The same wherever in the file it stands."""
        return f"{self.path}\n{self.diff}"


STRICT = re.compile(r",? *(strict=\w+)?,? *(?=\))")
"""Of a `zip` whose arguments are always equally long."""


def find_mutants(places: Iterable[Path]) -> Iterator[Mutant]:
    for room, path in [(place, path) for place in places for path in sorted(place.glob("*.py")) or [place]]:
        module, mutations, *_ = create_mutations(str(path), original := path.read_text())
        top = [each for each in module.body if isinstance(each, libcst.FunctionDef | libcst.ClassDef)]
        containing = {id(part): each for each in top for part in (each, *each.body.body)}
        for mutation in mutations:
            if isinstance(function := mutation.contained_by_top_level_function, libcst.FunctionDef):
                former = containing[id(function)]
                latter = deep_replace(former, mutation.original_node, mutation.mutated_node)
                source = original.replace(module.code_for_node(former), module.code_for_node(latter), 1)
                if STRICT.sub("", source) == STRICT.sub("", original):
                    continue
                diff = list(difflib.unified_diff(original.splitlines(), source.splitlines(), n=0, lineterm=""))
                line = int(diff[2].split()[1].strip("-").partition(",")[0])
                yield Mutant(room, path, line, "\n".join(diff[3:]), original, source)
