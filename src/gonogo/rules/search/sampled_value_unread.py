"""OPT124."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gonogo.analysis.interpreter.trace import Path, SearchWrite, Trace
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message


@rule("OPT124", "sampled-value-unread", criterion=7, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("search",))
def sampled_value_unread(traces: list[Trace]) -> Iterator[Violation]:
    """The search writes a sampled value beside the setting that the training reads.

    What it does:
        Follows the values that Optuna suggests to where the objective writes them into a config. Reported where that is a new key that
        nothing reads, while the training reads a setting of the same name elsewhere in the config.

    Why it matters:
        Every trial trains with the same settings: the search compares noise, and the run is reported as tuned.

    Instead:
        Write the value where the training reads it, such as `cfg.run.training.learning_rate`.
    """
    yield from by_message(fault for trace in traces if trace.command == "full" for fault in _of_run(trace))


def _of_run(trace: Trace) -> Iterator[Violation]:
    if not trace.complete:
        return
    for writes in _by_place(trace).values():
        aside = [(write.path, meant) for write in writes if (meant := _meant(trace, write.path)) is not None]
        if aside and len(aside) == len(writes):
            path, meant = aside[0]
            site = writes[0].site
            yield Violation(
                site.module.location(site.node),
                f"the sampled value is written to `{'.'.join(path)}`, which nothing reads: the training reads `{'.'.join(meant)}`",
                f"write it to `{'.'.join(meant)}`",
                runs=(trace.run_id,),
            )


def _by_place(trace: Trace) -> dict[int, list[SearchWrite]]:
    """The new keys that the objective gives sampled values, by the place in the code."""
    found: dict[int, list[SearchWrite]] = {}
    for write in trace.of(SearchWrite):
        if write.sampled and write.is_new:
            found.setdefault(id(write.site.node), []).append(write)
    return found


def _meant(trace: Trace, path: Path) -> Path | None:
    """Return the nearest setting of the same name that is read.

    None where there is none, or where the path itself is read.
    """
    if trace.is_used(path):
        return None
    return min((other for other in trace.used if other[-1:] == path[-1:] and other != path), key=_nearness(path), default=None)


def _nearness(path: Path) -> Callable[[Path], tuple[int, Path]]:
    """How far a path is from another: by the keys at its beginning that are not the other's."""
    return lambda other: (-sum(one == two for one, two in zip(path, other, strict=False)), other)


_OBJECTIVE = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
_COPY = "        shifted = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))\n"
_FIT = _OBJECTIVE.replace("fit(cfg, suggested", "fit(shifted, {}")
BAD = Tree(
    {
        "src/train.py": Edit(
            _OBJECTIVE, f'{_COPY}        shifted.run.momentum = trial.suggest_float("momentum", 0.5, 0.95)  # <- here\n{_FIT}'
        )
    }
)
GOOD = Tree({"src/train.py": Edit(_OBJECTIVE, f"{_COPY}        shifted.run.training.update(suggested)\n{_FIT}")})
