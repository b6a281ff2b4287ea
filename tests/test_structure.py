"""How the package is cut: no two modules need each other, and a class name means one thing."""

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.team import TOP

PACKAGE = TOP / "gitops_bridge"
REPEATED = {
    "Answer", "Application", "Build", "Change", "DataRobot", "Delivery", "Deployment", "Effect",
    "Environment", "Facts", "File", "Finding", "Limits", "Line", "Listing", "Look", "Manifest",
    "Observed", "Patience", "Plan", "Reader", "Record", "Reference", "Registry", "Reply",
    "Repository", "Result", "Source", "Stage", "Target", "Targets", "Tree",
}  # fmt: skip
"""Class names that stand in several modules today: none is added, and renamed ones leave."""


def modules() -> dict[str, ast.Module]:
    return {_name(path): ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


def _name(path: Path) -> str:
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def needs(found: dict[str, ast.Module], name: str) -> set[str]:
    """The modules it imports: of `from package import module`, the module alone."""
    named = {item for item in imported(found[name]) if item in found and item != name}
    return {it for it in named if not any(other.startswith(f"{it}.") for other in named)}


def test_no_two_modules_need_each_other():
    found = modules()
    graph = {name: needs(found, name) for name in found}
    assert sum(map(len, graph.values())) > 300
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError that names the circle


def test_a_class_name_stands_in_one_module():
    places = defaultdict(set)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(name)
    several = {name: where for name, where in places.items() if len(where) > 1}
    new = several.keys() - REPEATED
    assert not new, {name: several[name] for name in new}
