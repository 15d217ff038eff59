"""HYD104."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.interpreter.trace import Access, Site, Trace
from gonogo.analysis.project.config_places import ConfigPlaces, nearest
from gonogo.model.contract import Scope
from gonogo.model.finding import Cause, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.no_hydra_entry_point import NO_NAME, composes_nothing
from gonogo.rules.moved_keys import Rereading, move_of

READING = frozenset({"attribute", "item", "getattr", "select"})
MOST_ALSO = 5


@rule(
    "HYD104",
    "unknown-config-key",
    criterion=2,
    severity=Severity.ERROR,
    stage=Stage.COMPOSE,
    scope=Scope.HYDRA,
    settles=("config-key", "crash"),
)
def unknown_config_key(traces: list[Trace], config_places: ConfigPlaces) -> Iterator[Violation]:
    """The code reads a config key that a run does not have.

    What it does:
        Follows the config of every run through the program (aliases, calls, loops, writes, merges) and holds each read against what Hydra
        composed. Only what is surely absent is reported; the nearest key that exists is named.

    Why it matters:
        Hydra's configs are closed: the first read of a key that is not there ends the run with a ConfigAttributeError.

    Instead:
        Read the key where it is (`cfg.run.training.learning_rate`), or add it to the run config.
    """
    rereading = Rereading(traces)
    seen: dict[tuple[str, str, tuple[str, ...]], Violation] = {}
    for trace in traces:
        for access in trace.accesses:
            if access.guarded or access.doubtful or access.kind not in READING or access.path[0] == "hydra":
                continue
            fault = _violation(access, trace, config_places, rereading)
            key = (fault.location.path, fault.message, fault.runs)
            first = seen.get(key)
            if first is None:
                seen[key] = fault
            elif fault.location.line != first.location.line and len(first.related) < MOST_ALSO:
                also = Related(location=fault.location, label="also read here")
                if also not in first.related:
                    seen[key] = replace(first, related=(*first.related, also))
    yield from seen.values()


def _violation(access: Access, trace: Trace, places: ConfigPlaces, rereading: Rereading) -> Violation:
    run = places.runs.get(trace.run_id)
    composition = trace.composition
    config = composition.config if composition is not None and composition.config is not None else {}
    dotted = ".".join(access.path)
    near = nearest(config, access.path)
    code = expression(access.site)
    what = {
        "absent": "is not in the run's config",
        "missing": "is `???` in the run's config: nothing gives it a value",
        "none": f"is asked of `{'.'.join(access.path[:-1])}`, which is null in the run's config",
        "scalar": f"is asked of `{'.'.join(access.path[:-1])}`, which is a plain value in the run's config",
    }[access.status]
    shown = f"`{code}`" if code.endswith(dotted) or code == dotted else f"`{code}` (config key `{dotted}`)"
    hint = f"; did you mean `{'.'.join(near)}`?" if near and access.status == "absent" else ""
    action = f"read `{'.'.join(near)}`" if near and access.status == "absent" else f"add `{dotted}` to the config, or don't read it"
    related = []
    for length in range(len(access.path) - 1, 0, -1):
        place = places.locate(access.path[:length], run, composition)
        if place is not None:
            related.append(Related(location=place, label=f"`{'.'.join(access.path[:length])}` is looked up here"))
            break
    if near:
        place = places.locate(near, run, composition)
        if place is not None:
            related.append(Related(location=place, label=f"`{'.'.join(near)}` is here"))
    evidence = f"keys there: {', '.join(access.siblings)}" if access.siblings else ""
    location = access.site.module.location(access.site.node)
    move = move_of(access.path, near) if near and access.status == "absent" else None
    return Violation(
        location,
        f"{shown} {what}{hint}",
        action,
        tuple(related),
        (trace.run_id,),
        evidence,
        cause=move.cause(f"`{code}`") if move is not None else _empty_config(access, trace, code),
        fix=rereading.fix(access, move, config) if move is not None else None,
    )


def _empty_config(access: Access, trace: Trace, code: str) -> Cause | None:
    """What HYD101 says of the config, where no key of it can be there."""
    return NO_NAME.model_copy(update={"item": f"`{code}`"}) if composes_nothing(trace, access.site) else None


def expression(site: Site) -> str:
    """The access as the code writes it, on one line."""
    node = site.node
    if isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Name):
        text = " ".join(ast.unparse(node).split())
        return text if len(text) <= 80 else text[:77] + "…"
    return "a config access"


BAD = [
    Tree({"src/train.py": Edit('"momentum": cfg.run.training.momentum,', '"momentum": cfg.training.momentum,  # <- here')}),
    Tree({"src/model.py": Edit("model_cfg.hidden_units", "model_cfg.width")}, at="src/model.py"),
]
GOOD = [
    Tree({"src/train.py": Edit('"momentum": cfg.run.training.momentum,', '"momentum": cfg["run"]["training"]["momentum"],')}),
    Tree(
        {
            "src/train.py": Edit(
                '"momentum": cfg.run.training.momentum,',
                '"momentum": cfg.run.training.get("nesterov_momentum", cfg.run.training.momentum),',
            )
        }
    ),
]
