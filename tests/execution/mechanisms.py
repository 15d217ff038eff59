"""The mechanisms that this machine has, for tests."""

from __future__ import annotations

import pytest

from gonogo.execution.sandbox import Containment, Mechanism
from gonogo.execution.sandbox.choice import try_out


def containment_of(mechanism: Mechanism) -> Containment:
    """The mechanism with its self-tests passed; the test is skipped, with the reason, where it can't be used, and fails if it leaks."""
    if mechanism is Mechanism.NONE:
        return Containment(mechanism=mechanism)
    containment, reason = try_out(mechanism)
    if containment is not None and not containment.holds:
        pytest.fail(f"{mechanism} works here but does not hold: {reason}")
    if containment is None:
        pytest.skip(f"{mechanism} can't be used here: {reason}")
    return containment
