"""Hostile programs under every mechanism that this machine has: each is contained and reported, and the machine unharmed."""

from __future__ import annotations

import pytest
from hostile_cases import CASES, MECHANISMS, Case, applies, carry_out

from gonogo.trial.sandbox import Containment, Mechanism
from gonogo.trial.sandbox.choice import try_out


def _containment(mechanism: Mechanism) -> Containment:
    if mechanism is Mechanism.NONE:
        return Containment(mechanism=mechanism)
    containment, reason = try_out(mechanism)
    if containment is None or not containment.holds:
        pytest.skip(f"{mechanism} can't be used here: {reason}")
    return containment


@pytest.mark.parametrize(
    ("case", "mechanism"),
    [
        pytest.param(case, mechanism, id=f"{case.name}-{mechanism}", marks=[pytest.mark.slow] if case.slow else [])
        for case in CASES
        for mechanism in MECHANISMS
        if applies(case, mechanism)
    ],
)
def test_hostile_program_is_contained_and_reported(case: Case, mechanism: Mechanism) -> None:
    wrong, _ = carry_out(case, _containment(mechanism))
    assert wrong == []
