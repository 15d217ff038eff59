"""Wrong programs, each mistake written in many ways: what `right_programs.txt` is for the silence of a rule, for its speaking."""

from __future__ import annotations

from pathlib import Path

import pytest
from rule_cases import HERE, findings_of

from gonogo.compose.client import Composer

TABLE = Path(__file__).parent / "wrong_programs.txt"
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
def test_a_wrong_program_is_reported_where_it_says(case: tuple[str, str, str], composer: Composer) -> None:
    rule, _, text = case
    compile(text, "program.py", "exec", dont_inherit=True)
    lines = text.split("\n")
    marked = [number for number, line in enumerate(lines, 1) if line.endswith(HERE)]
    files = {"program.py": "\n".join(line.removesuffix(HERE) for line in lines)}
    assert [found.location.line for found in findings_of(files, rule, composer, None)] == marked
