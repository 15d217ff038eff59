"""Wrong programs, each mistake written in many ways: what `right_programs.txt` is for the silence of a rule, for its speaking."""

from __future__ import annotations

import pytest
from rule_cases import HERE, findings_of, programs_of

from gonogo.compose.client import Composer


@pytest.mark.parametrize("case", programs_of("wrong_programs.txt"), ids=lambda case: f"{case[0]}: {case[1]}")
def test_a_wrong_program_is_reported_where_it_says(case: tuple[str, str, str], composer: Composer) -> None:
    rule, _, text = case
    compile(text, "program.py", "exec", dont_inherit=True)
    lines = text.split("\n")
    marked = [number for number, line in enumerate(lines, 1) if line.endswith(HERE)]
    files = {"program.py": "\n".join(line.removesuffix(HERE) for line in lines)}
    assert [found.location.line for found in findings_of(files, rule, composer, None)] == marked
