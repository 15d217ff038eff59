"""Docstrings can be read at a glance: the first line is one short clause, what else there is to say stands below it."""

from __future__ import annotations

import ast
from pathlib import Path

import gonogo

LONGEST = 100  # characters of a first line
SOURCE = Path(gonogo.__file__).parent


def test_first_lines_are_short():
    long = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                if len(first) > LONGEST:
                    long.append(f"{path.relative_to(SOURCE)}: {first}")
    assert not long
