"""Right programs, as careful strangers write them, which look like what a rule of silent mistakes speaks of."""

from __future__ import annotations

import pytest
from rule_cases import findings_of, programs_of

from gonogo.compose.client import Composer


@pytest.mark.parametrize("case", programs_of("right_programs.txt"), ids=lambda case: f"{case[0]}: {case[1]}")
def test_a_right_program_is_not_reported(case: tuple[str, str, str], composer: Composer) -> None:
    rule, _, text = case
    compile(text, "program.py", "exec", dont_inherit=True)
    assert [(str(found.location), found.message) for found in findings_of({"program.py": text}, rule, composer, None)] == []
