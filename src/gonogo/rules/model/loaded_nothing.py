"""MOD126."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, rule
from gonogo.rules.observed import located
from gonogo.rules.watched import beside, oddities, unless


@rule("MOD126", "loaded-nothing", criterion=None, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM)
def loaded_nothing(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """In the trial, a state is loaded with `strict=False`, and not one of its names is the network's.

    What it does:
        Compares the names of each state that is loaded into a network with those of the network. Reported is the last load into a network
        where none of them fits, and `strict=False` keeps silent about that. A warning where the gate made up data or weights.

    Why it matters:
        A prefix (`module.`, `encoder.`, `state_dict`) is all it takes. The network keeps the values that it was made with at random, and
        what follows is called fine-tuning.

    Instead:
        Take the prefix off the names, and look at what `load_state_dict` gives back: `missing_keys`, `unexpected_keys`.
    """
    for run, odd in oddities(trial, "load"):
        yield Violation(
            located(odd.place, modules, contract),
            f"nothing is loaded into this `{odd.name.partition(' ')[0]}`: not one name of the state is a name of the network",
            "change the names to the network's, and hold `missing_keys` of what `load_state_dict` gives back against what you expect",
            runs=(run.label,),
            severity=unless(run.made_up),
            evidence="; ".join(odd.details),
        )


_NET = """
state = {PREFIX + name: value for name, value in nn.Linear(4, 2).state_dict().items()}
nn.Linear(4, 2).load_state_dict(state, strict=False)HERE
"""
BAD = beside(_NET.replace("PREFIX", "'module.'").replace("HERE", "  # <- here"))
GOOD = [Tree(), beside(_NET.replace("PREFIX", "''").replace("HERE", ""))]
