"""SCI113."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import ChallengeSeen
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located, network_at

FEWEST = 2  # calls on other inputs


@rule("SCI113", "input-ignored", criterion=4, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("model",))
def input_ignored(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A network puts out the same whatever it is given.

    What it does:
        Calls networks that predict some times more on other inputs of the same shape and type (other rows with noise; whole numbers in
        another order) and compares what they put out. A network whose output never changed is reported, after two such calls or more.

    Why it matters:
        Its predictions are a constant: the score is the share of the most common answer, however long it is trained.

    Instead:
        Use what `forward` is given. Initial weights of zero in the last layer are no such case once they are trained.
    """
    for network in challenge.networks:
        if network.moved == 0 and network.same >= FEWEST:
            run = challenge.rehearsal.runs[network.run_id]
            yield Violation(
                located(network_at(run, network.name), modules, contract),
                f"`{network.name}` puts out the same whatever it is given",
                "compute its output from its input",
                runs=(network.run_id,),
                evidence=f"calls on other inputs: {network.same}, none of which gave anything else",
            )


_ACTIVATIONS = "        activations = torch.relu(self.hidden(images))\n"

BAD = Tree(
    {
        "src/model.py": Edit(_ACTIVATIONS, _ACTIVATIONS.replace("images", "torch.zeros_like(images)")),
        "src/train.py": Edit(
            "        loss = criterion(model(images), labels)\n",
            "        loss = criterion(model(images), labels)  # <- here\n",
        ),
    }
)

GOOD = Tree()
