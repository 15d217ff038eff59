"""OPT121."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.sentinels import NOT_KNOWN
from gonogo.analysis.interpreter.state import Setting
from gonogo.analysis.interpreter.trace import ReadAfterSearch, SearchWrite, Trace
from gonogo.analysis.training.searchspace import SECTION
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message


@rule("OPT121", "search-changes-settings", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def search_changes_settings(traces: list[Trace]) -> Iterator[Violation]:
    """The search leaves a setting changed for the run that comes after it.

    What it does:
        Follows what the objective of a search writes to configs, and reports a fixed value that is still there, in place of another, when
        code outside the objective reads it. What is written to a copy, or put back, is left alone.

    Why it matters:
        The full run then trains with the few epochs, or without the tracking, that were meant for the trials of the search alone.

    Instead:
        Let the objective work on a copy of the config, `copy.deepcopy(cfg)`, or give what it needs as arguments.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace))


def _of_run(trace: Trace) -> Iterator[Violation]:
    first: dict[Setting, SearchWrite] = {}
    last: dict[Setting, SearchWrite] = {}
    for event in trace.events:
        if isinstance(event, SearchWrite):
            first.setdefault(event.setting, event)
            last[event.setting] = event
        elif isinstance(event, ReadAfterSearch) and event.setting in last:
            write, before = last[event.setting], first[event.setting].before
            is_left = write.after is not NOT_KNOWN and event.value == write.after
            if not is_left or before is NOT_KNOWN or before == write.after or SECTION in write.path:
                continue
            del last[event.setting]
            dotted = ".".join(write.path)
            yield Violation(
                write.site.module.location(write.site.node),
                f"the objective of the search sets `{dotted}` to {write.after!r} in the config of the run, which reads it after the search",
                "let the objective work on a copy of the config: `copy.deepcopy(cfg)`",
                related=(Related(location=event.site.module.location(event.site.node), label="read here by the run"),),
                runs=(trace.run_id,),
            )


_OBJECTIVE = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
BAD = Tree({"src/train.py": Edit(_OBJECTIVE, f"        cfg.run.training.epochs = 1  # <- here\n{_OBJECTIVE}")})
GOOD = [
    Tree(
        {
            "src/train.py": Edit(
                _OBJECTIVE,
                f"        epochs = cfg.run.training.epochs\n        cfg.run.training.epochs = 1\n{_OBJECTIVE}"
                "        cfg.run.training.epochs = epochs\n",
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                _OBJECTIVE,
                "        quick = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))\n        quick.run.training.epochs = 1\n"
                + _OBJECTIVE.replace("fit(cfg", "fit(quick"),
            )
        }
    ),
]
