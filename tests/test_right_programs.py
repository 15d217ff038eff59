"""Right programs, as careful strangers write them, which look like what a rule of silent mistakes speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
from rule_cases import findings_of

from gonogo.compose.client import Composer

TABLE = Path(__file__).parent / "right_programs.txt"
HEADING = "#### "


def _cases() -> list[tuple[str, str, str]]:
    """The rule, the name and the text of each program of the table."""
    found = []
    for part in TABLE.read_text().split(f"\n{HEADING}")[1:]:
        head, _, text = part.partition("\n")
        rule, _, name = head.partition(" ")
        found.append((rule, name, text))
    return found


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case[0]}: {case[1]}")
def test_a_right_program_is_not_reported(case: tuple[str, str, str], composer: Composer) -> None:
    rule, _, text = case
    compile(text, "program.py", "exec", dont_inherit=True)
    assert [(str(found.location), found.message) for found in findings_of({"program.py": text}, rule, composer, None)] == []
