"""The tree has the rooms that docs/architecture.md names, the arrows between them point one way, and each name is used once."""

import ast
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("recommender", "index", "service", "scripts")
FILES = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MODULES = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}


def imported(path: Path) -> set[Path]:
    """Files of the four packages that a file imports, for its types too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                target = MODULES.get(f"{node.module}.{alias.name}") or MODULES.get(node.module)
                found |= {target} if target is not None else set()
    return found - {path}


def test_the_table_of_rooms_is_the_tree() -> None:
    table = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Rooms")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([\w/]+)/` \|", table, re.MULTILINE)
    assert sorted(named) == sorted({path.parent.as_posix() for path in FILES})


def test_every_room_says_what_is_in_it() -> None:
    for path in FILES:
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))), path
    assert {path.parent for path in FILES} == {path.parent for path in FILES if path.name == "__init__.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_between_rooms(package: str) -> None:
    arrows: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        if path.parts[0] == package and path.name != "__init__.py":  # a room's face hands names on
            for target in imported(path):
                if target.parts[0] == package and room(target) != room(path):
                    arrows[room(path)].add(room(target))
    assert list(TopologicalSorter(arrows).static_order())  # raises CycleError


def room(path: Path) -> str:
    """The folder; of what is at the top of a package, the file."""
    return path.as_posix() if len(path.parts) == 2 else path.parent.as_posix()


@pytest.mark.parametrize("package", ["recommender", "index"])
def test_few_files_are_at_the_top(package: str) -> None:
    assert len(list((ROOT / package).glob("[!_]*.py"))) <= 8


def test_a_name_is_used_twice_only_by_reader_and_writer() -> None:
    places = defaultdict(list)
    for path in FILES:
        if path.name != "__init__.py":
            places[path.name].append(path)
    for name, paths in places.items():
        if len(paths) > 1:
            reader, writer = sorted(paths, key=lambda path: path.parts[0] != "recommender")
            assert (reader.parts[0], writer.parts[0]) == ("recommender", "index"), name
            assert reader.parts[1:] == writer.parts[1:], name


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.parent.as_posix() for path in FILES}
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    assert {path.parent.as_posix() for path in tests} - rooms <= {"."}
    assert len({path.name for path in tests}) == len(tests)
