"""WDB121."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.analysis.python.names import ancestors, last_names
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

LOGS = frozenset({"wandb.log", "wandb.init().log", "wandb.run.log"})
FINISHES = frozenset({"wandb.finish", "wandb.init().finish", "wandb.run.finish"})
# Conditions on these say whether there is a run, or how often to log; not whether this is a trial of the search.
PLAIN_GUARDS = frozenset({"wandb", "run", "wandb_run", "wb_run", "step", "epoch", "batch_idx", "i", "global_step"})


@rule("WDB121", "search-logs-into-run", criterion=6, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("tracking", "search"))
def search_logs_into_run(traces: list[Trace]) -> Iterator[Violation]:
    """The trials of the search log into the run that is reported.

    What it does:
        Follows each full run: reported where the W&B run is begun before the search, and one place in the code logs to it both from the
        objective, which begins no run of its own, and from the run's own training.

    Why it matters:
        The history of the run holds the rows of every trial of the search among its own, under the same keys: curves, best values and tests
        are made of them all.

    Instead:
        Search before `wandb.init`, or let the objective's training log nothing.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace))


def _of_run(trace: Trace) -> Iterator[Violation]:
    own = {id(call.site.node) for call in trace.calls if call.name in LOGS and not call.searching}
    begun: Call | None = None
    has_its_own = False
    for call in trace.calls:
        if call.name == "wandb.init":
            if call.searching:
                has_its_own = True
            else:
                begun = call if call.constant("mode") != "disabled" else None
        elif call.name in FINISHES and not call.searching:
            begun = None
        elif begun is not None and not has_its_own and _is_logged_twice(call, own, trace):
            yield Violation(
                call.site.module.location(call.site.node),
                "the training of each trial of the search logs here into the run that is reported: its history holds all of their rows",
                "search before `wandb.init`, or let the trials log nothing",
                related=(Related(location=begun.site.module.location(begun.site.node), label="begun here, before the search"),),
                runs=(trace.run_id,),
            )
            return


def _is_logged_twice(call: Call, own: set[int], trace: Trace) -> bool:
    """Return whether a trial of the search surely logs where the run itself logs too.

    This is decided as far as the conditions tell; conditions of loops hold once.
    """
    if call.name not in LOGS or not call.searching or id(call.site.node) not in own:
        return False
    around = [parent for parent in ancestors(call.site.module, call.site.node) if isinstance(parent, ast.If)]
    return all(id(parent) not in trace.unanswered or last_names(parent.test) & PLAIN_GUARDS for parent in around)


_SEARCH = "    found = search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}\n"
_LOG = '            wandb.log({"epoch": epoch, "train_loss": train_loss, "val_accuracy": val_accuracy, "val_loss": val_loss})'
_QUIET = "fit(cfg, suggested, log_to_wandb=False)"
_BEGIN = "    run.config.update("
BAD = Tree(
    {
        "src/train.py": (
            Edit(_SEARCH, ""),
            Edit(_BEGIN, _SEARCH + _BEGIN),
            Edit(_QUIET, "fit(cfg, suggested, log_to_wandb=True)"),
            Edit(_LOG, f"{_LOG}  # <- here"),
        )
    }
)
GOOD = [
    Tree({"src/train.py": (Edit(_SEARCH, ""), Edit(_BEGIN, _SEARCH + _BEGIN))}),
    Tree(
        {
            "src/train.py": (
                Edit(_SEARCH, ""),
                Edit(_BEGIN, _SEARCH + _BEGIN),
                Edit(
                    f"        _, scores = {_QUIET}\n",
                    '        inner = wandb.init(project=cfg.wandb.project, group="search", reinit=True)\n'
                    "        _, scores = fit(cfg, suggested, log_to_wandb=True)\n        inner.finish()\n",
                ),
            )
        }
    ),
]
