"""HYD114."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.code.config_places import NOTHING, ConfigPlaces, paths_of, value_at
from gonogo.code.flow.trace import Access, Trace
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.rules.hydra.unknown_config_key import expression

SILENT_KINDS = frozenset({"get", "getattr", "select", "attribute", "item"})


@rule("HYD114", "masked-missing-key", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE)
def masked_missing_key(traces: list[Trace], config_places: ConfigPlaces) -> Iterator[Fault]:
    """A default hides that a key is looked up in the wrong place.

    What it does:
        Finds reads with a default (`.get(key, default)`, `getattr`, a swallowing `except`) of a key that is absent there, while the same
        key stands elsewhere in the run with another value that no run ever reads.

    Why it matters:
        Nothing fails: every run silently uses the default, and the settings under test are never in force.

    Instead:
        Read the key where it is, without a default.
    """
    complete = all(trace.complete and not trace.loads_unknown for trace in traces)
    for trace in traces if complete else ():
        for access in trace.accesses:
            other = meant_elsewhere(access, trace, traces)
            if other is None:
                continue
            run = config_places.runs.get(trace.run_id)
            place = config_places.locate(other, run, trace.composition)
            dotted = ".".join(other)
            yield Fault(
                access.site.module.location(access.site.node),
                f"`{expression(access.site)}` looks for `{'.'.join(access.path)}`, which is absent; "
                f"the run has it as `{dotted}`, which nothing reads",
                f"read `{dotted}`, without a default",
                (Related(location=place, label="the value that is never used"),) if place else (),
                (trace.run_id,),
            )


def meant_elsewhere(access: Access, trace: Trace, traces: list[Trace]) -> tuple[str, ...] | None:
    """The one key of the same name that stands elsewhere, with a value of its own that nothing reads."""
    if not access.guarded or access.doubtful or access.kind not in SILENT_KINDS or access.status != "absent":
        return None
    config = trace.composition.config if trace.composition and trace.composition.config else {}
    same = [path for path in paths_of(config) if path[-1] == access.path[-1] and path != access.path]
    tail = access.path[-2:]
    if len(access.path) > 1 and any(path[-2:] == tail for path in same):
        same = [path for path in same if path[-2:] == tail]
    if len(same) != 1 or any(other.is_used(same[0]) for other in traces):
        return None
    value = value_at(config, same[0])
    if value is NOTHING or value is None or isinstance(value, dict) or value == access.default:
        return None
    return same[0]


BAD = Tree({"src/train.py": Edit("cfg.run.training.epochs\n", 'cfg.get("epochs", 3)  # <- here\n')})
GOOD = Tree({"src/train.py": Edit("cfg.run.training.epochs\n", 'cfg.run.training.get("epochs", 3)\n')})
