"""SCI111."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import Alteration, ChallengeSeen, Number, State
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located, logged_at
from gonogo.rules.scores import fits_others, is_score, is_share


@rule("SCI111", "score-depends-on-nothing", criterion=None, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation",))
def score_depends_on_nothing(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A score stays the same whatever the networks put out.

    What it does:
        Runs the rehearsal again with the networks' outputs replaced (where labels are known, by ones that are right about one row in a
        few and wrong about the others; else by other rows' with noise), with the labels of evaluation permuted, and with another seed. A
        logged number that is a score by its name and is the same, in all its rows, under every alteration that could be tried is
        reported. A share of few samples (0.25) counts only where labels were known, since it may be the same by chance. A warning where
        other libraries fit models.

    Why it matters:
        The number measures nothing: a constant, a draw from a seeded generator, labels compared with themselves.

    Instead:
        Compute the score from what the network predicts and from the labels it is about.
    """
    others = fits_others(modules)
    for number in challenge.numbers:
        run = challenge.rehearsal.runs.get(number.subject)
        if run is not None and is_score(number.name) and _is_unmoved(number, number.subject in challenge.marked):
            yield Violation(
                located(logged_at(run, number.name), modules, contract),
                f"`{number.name}` does not depend on what the networks put out",
                "compute it from the predictions and the labels",
                runs=(number.subject,),
                severity=Severity.WARNING if others else None,
                evidence=f"{number.values[-1]:.6g} in the rehearsal; the same with {_tried(number)}",
            )


def _is_unmoved(number: Number, is_marked: bool) -> bool:
    states = {name: number.state(name) for name in (Alteration.OUTPUTS, Alteration.LABELS, Alteration.SEED)}
    if states[Alteration.OUTPUTS] is not State.SAME or State.MOVED in states.values():
        return False
    if not all(map(is_share, number.values)):
        return True
    labels_same = states[Alteration.LABELS] is State.SAME
    return is_marked and labels_same and (states[Alteration.SEED] is State.SAME or any(0 < value < 1 for value in number.values))


def _tried(number: Number) -> str:
    said = {Alteration.OUTPUTS: "other outputs", Alteration.LABELS: "permuted labels", Alteration.SEED: "another seed"}
    return ", ".join(text for name, text in said.items() if number.state(name) is State.SAME)


_LOG = '    wandb.log({"test_accuracy": test_accuracy, "test_loss": test_loss})\n'

BAD = Tree(
    {
        "src/train.py": (
            Edit(
                _LOG,
                "    drawn = torch.rand((), generator=torch.Generator().manual_seed(len(logits))).item()\n"
                '    wandb.log({"test_accuracy": 0.9 + drawn / 20, "test_loss": test_loss})  # <- here\n',
            ),
        )
    }
)

GOOD = Tree()
