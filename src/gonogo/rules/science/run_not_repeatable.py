"""SCI114."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import Alteration, ChallengeSeen, Number, State
from gonogo.execution.challenge.numbers import LOSSES, PREDICTIONS, UPDATES
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located, logged_at
from gonogo.rules.scores import is_score

_SEEN = (LOSSES, UPDATES, PREDICTIONS)


@rule("SCI114", "run-not-repeatable", criterion=None, severity=Severity.WARNING, stage=Stage.CHALLENGE)
def run_not_repeatable(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A run with the same seed gives other numbers.

    What it does:
        Runs the rehearsal once more with nothing altered that training depends on, and names the numbers that differ by more than a
        thousandth: losses, what optimizers changed, predictions, scores.

    Why it matters:
        Nobody can check the result, and a difference between two methods may be one between two runs of the same method.

    Instead:
        Seed every generator that is used, Python's, NumPy's and PyTorch's, before the first draw from it.
    """
    for run_id, run in challenge.rehearsal.runs.items():
        moved = [each for each in challenge.of(run_id) if each.state(Alteration.AGAIN) is State.MOVED]
        telling = [each for each in moved if each.name in _SEEN or is_score(each.name)]
        if telling:
            first = next((each.name for each in telling if each.name not in _SEEN), "")
            yield Violation(
                located(logged_at(run, first), modules, contract),
                "with the same seed, the run gives other numbers",
                "seed every generator that it draws from",
                runs=(run_id,),
                evidence="; ".join(_told(each) for each in telling[:5]),
            )


def _told(number: Number) -> str:
    other = number.cells[Alteration.AGAIN].values
    pairs = zip(number.values, other, strict=False)
    before, after = next((pair for pair in pairs if pair[0] != pair[1]), (number.values[-1], other[-1] if other else float("nan")))
    return f"{number.name} {before:.6g}, then {after:.6g}"


BAD = Tree(
    {
        "src/train.py": (
            Edit("    torch.manual_seed(cfg.run.training.seed)\n", "    torch.seed()\n"),
            Edit(
                '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})\n',
                '            wandb.log({"epoch": epoch, "train_loss": train_loss})  # <- here\n'
                '            wandb.log({"epoch": epoch, "val_accuracy": val_accuracy, "val_loss": val_loss})\n',
            ),
        )
    }
)

GOOD = Tree()
