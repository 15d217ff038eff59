"""OPT122."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.library.optuna import STUDIES
from gonogo.analysis.interpreter.state import Site
from gonogo.analysis.interpreter.trace import Searched, SearchWrite, Trace, composed_configs
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

OPTIMIZES = frozenset(f"{study}.optimize" for study in STUDIES)


@rule("OPT122", "search-in-trial-mode", criterion=7, severity=Severity.WARNING, stage=Stage.COMPOSE, settles=("search",))
def search_in_trial_mode(traces: list[Trace], contract: Contract) -> Iterator[Violation]:
    """The search of a full run is made in trial mode, or a trial makes a search.

    What it does:
        Follows what the objective of a full run's search writes to configs, copies among them, and what it gives to the functions it calls:
        reported where that switches the trial flag on. Follows each run's trial, too: reported where it surely comes to a search of at
        least one trial although the flag is on in the config of the process that trains.

    Why it matters:
        Each trial of the search then sees the two batches of a trial: its value is noise, and so is what the search finds. A trial that
        searches takes as long as the search does.

    Instead:
        Give the objective fewer epochs or a part of the training data where the search is too expensive, by settings of its own. Leave the
        search out of a trial.
    """
    key = contract.trial.key
    value = _trial_value(contract)
    if not key or value is None:
        return
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace, key, value))
    # Where the flag does not reach the process that trains, another rule says so.
    reached = {run for run, config in composed_configs(traces, "trial").items() if str(config.get(key)).lower() == value}
    trials = [trace for trace in traces if trace.command == "trial" and trace.run_id in reached]
    yield from by_message(fault for trace in trials for fault in _of_trial(trace))


def _trial_value(contract: Contract) -> str | None:
    """What the trial flag is given on the command line of a trial."""
    command = contract.commands.get("trial")
    given = [text.partition("=") for text in command.overrides] if command is not None else []
    return next((value.lower() for name, _, value in given if name == contract.trial.key), None)


def _of_run(trace: Trace, key: str, value: str) -> Iterator[Violation]:
    places = [
        write.site
        for write in trace.of(SearchWrite)
        if write.path[-1] == key and str(write.after).lower() == value and str(write.before).lower() != value
    ]
    for search in trace.of(Searched):
        places += [Site(search.objective.module, node) for node in _given(search.objective, key, value)] if search.objective else []
    for site in places[:1]:
        yield Violation(
            site.module.location(site.node),
            f"the objective of a full run's search switches `{key}` to {value}: each of its trials sees a few batches only",
            "leave the flag as it is, and bound the search by settings of its own",
            runs=(trace.run_id,),
        )


def _of_trial(trace: Trace) -> Iterator[Violation]:
    """Searches that a trial surely makes."""
    for call in trace.calls:
        trials = call.constant("n_trials", 1)
        if call.name in OPTIMIZES and not call.doubtful and isinstance(trials, int) and trials > 0:
            yield Violation(
                call.site.module.location(call.site.node),
                "a trial comes to this search, too, which is for full runs",
                "leave the search out where the trial flag is on",
                runs=(trace.run_id,),
            )


def _given(objective: Site, key: str, value: str) -> Iterator[ast.AST]:
    """Where an objective gives a function the trial flag as an argument."""
    for node in ast.walk(objective.node):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg == key and isinstance(keyword.value, ast.Constant) and str(keyword.value.value).lower() == value:
                yield keyword.value


_OBJECTIVE = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
_COPY = "        quick = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))\n"
_FIT = _OBJECTIVE.replace("fit(cfg", "fit(quick")
BAD = [
    Tree({"src/train.py": Edit(_OBJECTIVE, f"{_COPY}        quick.trial_mode = True  # <- here\n{_FIT}")}),
    Tree(
        {
            "src/train.py": (
                Edit(
                    "found: dict[str, float], log_to_wandb: bool)", "found: dict[str, float], log_to_wandb: bool, trial_mode: bool = False)"
                ),
                Edit("1 if cfg.trial_mode else cfg.run.training.epochs", "1 if trial_mode or cfg.trial_mode else cfg.run.training.epochs"),
                Edit("fit(cfg, suggested, log_to_wandb=False)", "fit(cfg, suggested, log_to_wandb=False, trial_mode=True)  # <- here"),
            )
        }
    ),
]
_CHOICE = "search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}"
_OPTIMIZE = "    study.optimize(objective, n_trials=cfg.run.optuna.n_trials)"
BAD.append(
    Tree({"src/train.py": (Edit(_CHOICE, "search(cfg) if cfg.run.optuna.enabled else {}"), Edit(_OPTIMIZE, f"{_OPTIMIZE}  # <- here"))})
)
GOOD = Tree({"src/train.py": Edit(_OBJECTIVE, f"{_COPY}        quick.run.training.epochs = 5\n{_FIT}")})
