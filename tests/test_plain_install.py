"""The README's two commands install no PyTorch: tests that need it say so, and are skipped."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = [path for path in sorted(TESTS.rglob("test_*.py")) if path.parent.name != "cw_tent"]  # its conftest leaves all of it out
NOT_INSTALLED = {"torch", "torchvision", "timm", "transformers", "lightning"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_what_is_not_installed_is_asked_for(path):
    for statement in ast.parse(path.read_text("utf-8")).body:
        text = ast.unparse(statement)
        if text.startswith("pytest.importorskip") or "= pytest.importorskip" in text:
            return
        names = {alias.name for alias in statement.names} if isinstance(statement, ast.Import) else set()
        names |= {statement.module or ""} if isinstance(statement, ast.ImportFrom) else set()
        assert not {name.partition(".")[0] for name in names} & NOT_INSTALLED, text
