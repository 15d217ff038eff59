"""Random examples are the same in every process, whatever modules are loaded."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DRAWN: list[list[int]] = []


@given(st.integers(0, 10**9))
@settings(max_examples=300, database=None)
def drawn(number: int) -> None:
    DRAWN[-1].append(number)


@pytest.mark.slow
def test_a_module_of_constants_changes_no_example(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    DRAWN.append([])
    drawn()
    path = tmp_path / "constants.py"
    path.write_text("NUMBERS = (123456, 234567, 345678, 456789, 567891)\n", "utf-8")
    module = ModuleType("constants")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "constants", module)
    DRAWN.append([])
    drawn()
    before, after = DRAWN[-2:]
    assert len(before) == 300
    assert before == after
