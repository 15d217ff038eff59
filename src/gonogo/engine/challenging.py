"""A challenge in the verdict: its matrix, and whether there is anything in it."""

from __future__ import annotations

import math

from gonogo.execution.challenge.matrix import ChallengeSeen, Number, State
from gonogo.model.verdict import CellReport, ChallengeReport, NumberReport


def tried(seen: ChallengeSeen) -> bool:
    """Whether any number was held against any alteration."""
    return any(cell.state is not State.NOT_TRIED for number in seen.numbers for cell in number.cells.values())


def report_of(seen: ChallengeSeen) -> ChallengeReport:
    """The matrix as the verdict has it."""
    return ChallengeReport(
        numbers=[_row(number) for number in seen.numbers],
        not_tried={str(alteration): reason for alteration, reason in seen.reasons.items()},
    )


def _row(number: Number) -> NumberReport:
    last = number.values[-1] if number.values else math.nan
    cells = {str(name): CellReport(state=cell.state, reason=cell.reason) for name, cell in number.cells.items()}
    return NumberReport(subject=number.subject, name=number.name, value=last if math.isfinite(last) else None, cells=cells)
