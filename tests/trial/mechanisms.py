"""The mechanisms that this machine has, for tests."""

from __future__ import annotations

import pytest

from gonogo.trial.sandbox import Containment, Mechanism
from gonogo.trial.sandbox.choice import try_out


def containment_of(mechanism: Mechanism) -> Containment:
    """The mechanism with its self-tests passed; the test is skipped, with the reason, where it does not hold."""
    if mechanism is Mechanism.NONE:
        return Containment(mechanism=mechanism)
    containment, reason = try_out(mechanism)
    if containment is None or not containment.holds:
        pytest.skip(f"{mechanism} can't be used here: {reason}")
    return containment
