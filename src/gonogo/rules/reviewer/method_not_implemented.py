"""AIR101."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.model.finding import Severity, Stage
from gonogo.reviewer.review import Review
from gonogo.reviewer.verify import Standing
from gonogo.rules.base import Edit, Tree, Violation, at, rule


@rule("AIR101", "method-not-implemented", criterion=1, severity=Severity.WARNING, stage=Stage.ADVISE)
def method_not_implemented(review: Review) -> Iterator[Violation]:
    """The AI reviewer says the code does not implement the plan's method, and no fact refutes it.

    What it does:
        Asks a language model whether the code computes the plan's method, and keeps a claim if the line it quotes is there, most of the
        answers make it, and no fact refutes it. It blocks only with `--ai block`, and only what the model calls an error.

    Why it matters:
        No check can tell whether a loss is the one that a paper describes. A run of another method answers another question.

    Instead:
        Compare the line with the plan, and change the one that is wrong.
    """
    for one in review.standing(Standing.OPEN, Standing.CONFIRMED):
        if one.claim.kind == "method":
            blocks = review.mode == "block" and one.claim.severity == "error"
            yield Violation(
                at(one.claim.path, one.line),
                f"the AI reviewer: {one.claim.what.rstrip('.')}",
                one.claim.fix.rstrip(".") or "compare it with the plan's method",
                evidence=f"{one.claim.why} ({one.votes} of {review.answers} answers)".strip(),
                severity=Severity.ERROR if blocks else None,
            )


BAD = Tree(
    {
        "src/model.py": Edit(
            "        return nn.CrossEntropyLoss(label_smoothing=smoothing)\n",
            "        return nn.CrossEntropyLoss(label_smoothing=smoothing**2)  # <- here\n",
        )
    }
)

GOOD = Tree()
