"""Rules of the house that neither the type checker nor import-linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support import ROOT

PACKAGE = ROOT / "host" / "vww_deploy"


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package: its path in it, and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def test_only_a_driver_knows_that_a_board_is_emulated() -> None:
    """Whoever needs to know what a board is like asks its BoardDriver or the catalogue, and compares no names."""
    asked = []
    for name, tree in modules():
        if name.startswith("boards/drivers/"):
            continue
        for node in ast.walk(tree):
            compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            words = [part.value for one in compared for part in ast.walk(one) if isinstance(part, ast.Constant)]
            if {"virtual", "qemu"}.intersection(word for word in words if isinstance(word, str)):
                asked.append(f"{name}:{compared[0].lineno}")
            if isinstance(node, ast.Attribute) and node.attr == "is_virtual":
                asked.append(f"{name}:{node.lineno}")
    assert asked == []


def test_the_name_of_a_public_class_says_which_one_it_is() -> None:
    """No two have the same; those of the wire, which its schema hash covers, are always called ``messages.Name``."""
    where: dict[str, list[str]] = {}
    for name, tree in modules():
        if name == "link/messages.py":
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}
