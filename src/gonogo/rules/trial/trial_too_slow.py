"""TRI104."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import cleaned, located
from gonogo.rules.places import main_place

SECONDS = 120.0
MOST_FRAMES = 30


@rule("TRI104", "trial-too-slow", criterion=9, severity=Severity.WARNING, stage=Stage.TRIAL, settles=("trial",))
def trial_too_slow(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A trial takes minutes.

    What it does:
        Reports a trial that took more than two minutes, both by the clock and of processor time (a busy machine is no fault), or was
        ended because its time was up; that one at the line that it was at, with its stack.

    Why it matters:
        A trial is run before every real run, and by programs that write experiments after every change.

    Instead:
        Load and compute less in a trial: fewer images, a smaller look at the data, no second model.
    """
    for run in trial.runs.values():
        worked = sum(process.cpu for process in run.processes.values())
        if run.late or min(run.seconds, worked) > SECONDS:
            place = run.last_place()
            stands = located(place, modules, contract) if place else main_place(modules, module_path(contract.commands["trial"].module))
            yield Violation(
                stands,
                "the trial did not end within the time it was given" if run.late else f"the trial takes more than {SECONDS:.0f} s",
                "let it load and compute less",
                runs=(run.label,),
                evidence=_evidence(run, worked),
            )


def _evidence(run: RunSeen, worked: float) -> str:
    """The times of a run, or where it was when its time was up."""
    if run.late:
        stack = [f"{path}:{line} in {function}" for path, line, function in run.was_at()[:MOST_FRAMES]]
        return cleaned("\n".join([f"after {run.seconds:.0f} s it was at", *stack] if stack else [f"{run.seconds:.0f} s"]))
    return f"{run.seconds:.0f} s, {worked:.0f} s of them processor time" if worked else f"{run.seconds:.0f} s"


_START = '    print(f"starting the training of {cfg.run.run_id}")\n'

BAD = Tree(
    {
        "src/main.py": (
            Edit("import subprocess\nimport sys\n", "import subprocess\nimport sys\nimport time\n"),
            Edit(_START, _START + "    time.sleep(200)  # <- here\n"),
        )
    }
)

GOOD = Tree()
