"""What a review found, as the rules of the stage `advise` get it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gonogo.reviewer.verify import Standing, Verified


@dataclass
class Review:
    """What a review found.

    Attributes:
        claims: of all answers together, each settled as far as the facts go.
        orders: lines of the experiment that speak to a reviewer, as (path, line, words).
        answers: how many answers there are.
        mode: `advise` or `block`.
    """

    mode: str
    claims: list[Verified] = field(default_factory=list)
    orders: list[tuple[str, int, str]] = field(default_factory=list)
    answers: int = 0

    def standing(self, *standings: Standing) -> list[Verified]:
        """The claims that stand so and that most of the answers make."""
        return [one for one in self.claims if one.standing in standings and 2 * one.votes > self.answers]
