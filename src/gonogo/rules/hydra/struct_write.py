"""HYD107."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import StructWrite, Trace
from gonogo.analysis.project.config_places import nearest
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.no_hydra_entry_point import NO_NAME, composes_nothing

HOW = {
    "assignment": "is assigned, but the config does not have it",
    "update": "is updated, but the config does not have it",
    "merge": "is merged in, but the config it is merged into does not have it",
    "pop": "is popped from a config in struct mode",
    "delete": "is deleted from a config in struct mode",
}


@rule(
    "HYD107", "struct-write", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE, scope=Scope.HYDRA, settles=("config-key", "crash")
)
def struct_write(traces: list[Trace]) -> Iterator[Violation]:
    """The code writes a key that struct mode refuses.

    What it does:
        Follows every write to the config (assignment, `update`, `merge`, `pop`, `del`) and asks whether the key exists or the config has
        been opened.

    Why it matters:
        A config from `@hydra.main` is in struct mode: a new key raises ConfigAttributeError at run time, often only in trial mode.

    Instead:
        Declare the key in the config, or write inside `with open_dict(cfg):` or after `OmegaConf.set_struct(cfg, False)`.
    """
    for trace in traces:
        first: set[tuple[object, str]] = set()
        for write in trace.struct_writes:
            key = (write.site.node, write.how)
            if key in first:
                continue  # a merge of many keys, or a loop over them, is one fault
            first.add(key)
            same = [".".join(other.path) for other in trace.struct_writes if (other.site.node, other.how) == key]
            yield Violation(
                write.site.module.location(write.site.node),
                f"`{same[0]}` {HOW[write.how]}: struct mode raises here",
                f"{_instead(trace, write)}declare the key in the config, or open the config first (`open_dict`)",
                runs=(trace.run_id,),
                evidence=f"keys concerned: {', '.join(dict.fromkeys(same))}" if len(set(same)) > 1 else "",
                cause=NO_NAME.model_copy(update={"item": f"`{same[0]}`"}) if composes_nothing(trace, write.site) else None,
            )


def _instead(trace: Trace, write: StructWrite) -> str:
    """The key of the same name elsewhere in the config, which was most likely meant.

    A key that is declared anew is read by nothing.
    """
    meant = nearest(trace.config, write.path)
    return f"assign `{'.'.join(meant)}`, " if meant is not None and meant[-1] == write.path[-1] else ""


BAD = Tree(
    {
        "src/train.py": Edit(
            "    run_dir.mkdir(parents=True, exist_ok=True)",
            "    cfg.run.training.max_batches = 2  # <- here\n    run_dir.mkdir(parents=True, exist_ok=True)",
        )
    }
)
GOOD = Tree(
    {
        "src/train.py": (
            Edit("from omegaconf import DictConfig, OmegaConf", "from omegaconf import DictConfig, OmegaConf, open_dict"),
            Edit(
                "    run_dir.mkdir(parents=True, exist_ok=True)",
                "    with open_dict(cfg):\n        cfg.run.training.max_batches = 2\n    run_dir.mkdir(parents=True, exist_ok=True)",
            ),
        )
    }
)
