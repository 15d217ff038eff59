"""Hostile programs under every mechanism that this machine has: each is contained and reported, and the machine unharmed."""

from __future__ import annotations

import pytest
from hostile_cases import CASES, MECHANISMS, Case, applies, carry_out
from mechanisms import containment_of

from gonogo.execution.sandbox import Mechanism


@pytest.mark.parametrize(
    ("case", "mechanism"),
    [
        pytest.param(
            case, mechanism, id=f"{case.name}-{mechanism}", marks=[pytest.mark.slow] if case.slow or mechanism is Mechanism.NONE else []
        )
        for case in CASES
        for mechanism in MECHANISMS
        if applies(case, mechanism)
    ],
)
def test_hostile_program_is_contained_and_reported(case: Case, mechanism: Mechanism) -> None:
    wrong, _ = carry_out(case, containment_of(mechanism))
    assert wrong == []
