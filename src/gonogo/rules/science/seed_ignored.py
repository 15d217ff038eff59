"""SCI118."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import Alteration, ChallengeSeen, State
from gonogo.execution.challenge.numbers import LOSSES, UPDATES
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.scores import is_score


@rule("SCI118", "seed-ignored", criterion=None, severity=Severity.WARNING, stage=Stage.CHALLENGE)
def seed_ignored(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Another seed changes nothing of a run that trains.

    What it does:
        Runs the rehearsal again with other seeds in the config (or, where the config has none, in the calls that seed generators) and
        reports a run whose optimizers took steps and of which losses, updates and scores are all the same.

    Why it matters:
        Runs with several seeds are then one run several times, and their spread of zero is taken for certainty.

    Instead:
        Seed the generators with the config's seed before the network is made and the data are shuffled.
    """
    for run_id in challenge.rehearsal.runs:
        telling = [each for each in challenge.of(run_id) if each.name in (LOSSES, UPDATES) or is_score(each.name)]
        trains = any(each.name == UPDATES and any(each.values) for each in telling)
        if trains and all(each.state(Alteration.SEED) is State.SAME for each in telling):
            yield Violation(
                located(None, modules, contract),
                "another seed changes nothing of the run",
                "seed the generators with the seed of the config, before the network is made",
                runs=(run_id,),
                evidence=f"the same with another seed: {', '.join(each.name for each in telling[:6])}",
            )


BAD = Tree(
    {
        "src/train.py": (
            Edit("torch.manual_seed(cfg.run.training.seed)", "torch.manual_seed(min(cfg.run.training.seed, 0))"),
            Edit("TPESampler(seed=cfg.run.training.seed)", "TPESampler(seed=7)"),
            Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
