"""AIR102."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.finding import Severity, Stage
from gonogo.reviewer.review import Review
from gonogo.reviewer.verify import Standing
from gonogo.rules.base import Edit, Tree, Violation, at, rule

NOT_HERE = ("method", "instructions")


@rule("AIR102", "reviewer-concern", criterion=None, severity=Severity.WARNING, stage=Stage.ADVISE)
def reviewer_concern(review: Review) -> Iterator[Violation]:
    """The AI reviewer has another concern that no fact settles.

    What it does:
        Keeps a claim of a language model if the line it quotes is there, most of the answers make it, and the facts neither refute it nor
        say the same already.

    Why it matters:
        It may be right. It never blocks: models have invented syntax errors and missing files.

    Instead:
        Look at the line, and decide.
    """
    for one in review.standing(Standing.OPEN):
        if one.claim.kind not in NOT_HERE:
            yield Violation(
                at(one.claim.path, one.line),
                f"the AI reviewer: {one.claim.what.rstrip('.')}",
                one.claim.fix.rstrip(".") or "look at it, and decide",
                evidence=f"{one.claim.why} ({one.votes} of {review.answers} answers)".strip(),
            )


BAD = Tree({"src/train.py": Edit("    sampler = optuna.samplers.TPESampler(", "    # <- here\n    sampler = optuna.samplers.TPESampler(")})

GOOD = Tree()
