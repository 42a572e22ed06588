"""Doors that import-linter cannot see, because they are attributes and not modules, or live in comments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import hcc_scope
import ui

PACKAGE = Path(hcc_scope.__file__).parent
WINDOW = Path(ui.__file__).parent


def _modules_that_match(pattern: str) -> set[str]:
    return {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(pattern, path.read_text(encoding="utf-8"))
    }


def test_torchscript_is_read_and_written_in_one_place_each() -> None:
    assert _modules_that_match(r"torch\.jit\.load\(") == {"inference/torchscript.py"}
    assert _modules_that_match(r"torch\.jit\.save\(") == {"training/export.py"}


def test_there_is_one_broad_except() -> None:
    assert _modules_that_match(r"except (BaseException|Exception)\b|except:") == {"workers.py"}
    assert len(re.findall(r"except BaseException", (PACKAGE / "workers.py").read_text(encoding="utf-8"))) == 1


def _texts(path: Path) -> set[str]:
    """Return the texts of a module, without its docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }


def test_the_research_use_sentence_is_in_one_place() -> None:
    modules = [*PACKAGE.rglob("*.py"), *WINDOW.rglob("*.py")]
    pattern = re.compile("research use only", re.IGNORECASE)
    # its text may stand in pieces, on several lines; only modules with the first word of it are parsed
    maybe = [path for path in modules if "research" in path.read_text(encoding="utf-8").lower()]
    found = {path.name for path in maybe if any(pattern.search(text) for text in _texts(path))}
    assert found == {"research_use.py"}
