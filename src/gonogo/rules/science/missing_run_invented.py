"""SCI117."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.challenge.matrix import Alteration, ChallengeSeen
from gonogo.execution.challenge.numbers import written
from gonogo.execution.session_plan import MISSING
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.places import main_place


@rule("SCI117", "missing-run-invented", criterion=8, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation",))
def missing_run_invented(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """The evaluation writes numbers for a run that the tracker does not have.

    What it does:
        Takes the last run away from the tracker and starts the evaluation on all runs. It should fail, or go on without that run and say
        so. Reported where it ends well and writes numbers into the missing run's own folder; a warning where it never names that run.

    Why it matters:
        A run that crashed or was never started then has a result, and a comparison is made with it.

    Instead:
        Let the error of `wandb.Api().run(…)` end the evaluation, or leave the run out and say so.
    """
    session = challenge.sessions.get(Alteration.LABELS)
    evaluated = session.more.get(MISSING) if session else None
    if session is None or evaluated is None or not evaluated.run.ok:
        return
    missing = [run_id for run_id, run in session.runs.items() if run.ok][-1]
    own = [name for name in written(evaluated.texts) if name.startswith(f"{missing}/")]
    place = main_place(modules, module_path(contract.evaluation.module))
    action = "end with an error where the tracker does not have a run, or leave it out and say so"
    if own:
        message = f"it writes numbers for a run that the tracker does not have: {', '.join(quoted(own, 3))}"
        yield Violation(place, message, action, evidence=f"the run that was taken away: {missing}")
    elif not any(missing in text for _, text in evaluated.run.output):
        message = "it ends well without a word although the tracker does not have one of the runs"
        yield Violation(place, message, action, evidence=f"the run that was taken away: {missing}", severity=Severity.WARNING)


_FETCH = '    run = api.run(f"{project_path}/{run_id}")\n'
_FALLBACK = """    try:
        run = api.run(f"{project_path}/{run_id}")
    except Exception:
        run = list(api.runs(project_path))[0]
"""

BAD = Tree(
    {
        "src/evaluate.py": (
            Edit(_FETCH, _FALLBACK),
            Edit("def main() -> None:\n", "def main() -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
