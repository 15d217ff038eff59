"""HYD113."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.project.child_processes import started_module, starts
from gonogo.analysis.python.files import FileUse, file_uses
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.paths import TREE, WORKING, PathReader
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Not results: what is kept between runs, and what Hydra and W&B write of their own.
ELSEWHERE = (".cache", "outputs", "multirun", "wandb")


@rule("HYD113", "results-dir-ignored", criterion=2, severity=Severity.ERROR, stage=Stage.CHECK)
def results_dir_ignored(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Results are written, but not where the user asked for them.

    What it does:
        Looks at the code that trains (every module but the evaluation and one that only starts another module). Where none of it so much as
        mentions the option that names the folder of results, a file that it writes under a fixed path is reported.

    Why it matters:
        Two runs overwrite each other's files, and whoever looks in the folder that was asked for finds nothing.

    Instead:
        Build every path that is written from `cfg.results_dir`.
    """
    key = contract.evaluation.results_key()
    evaluation = module_path(contract.evaluation.module)
    training = [module for module in modules.values() if module.path != evaluation and not _starts_another(module, modules)]
    if key is None or any(module.tree is None or re.search(rf"\b{re.escape(key)}\b", module.text) for module in training):
        return
    for module in training:
        for use in file_uses(module, PathReader(module, None)):
            path = _fixed_path(use)
            if path is not None:
                yield Violation(
                    module.location(use.node),
                    f"`{path}` is written to a fixed place: no code that trains knows `{key}`",
                    f"write it below `cfg.{key}`",
                )


def _starts_another(module: Module, modules: dict[str, Module]) -> bool:
    names = {other.name for other in modules.values() if other is not module}
    return any(started_module(words) in names for _, words in starts(module))


def _fixed_path(use: FileUse) -> str | None:
    """The one relative path that is surely written, None if it is not known or no place for results."""
    places = list(use.paths)
    if not use.writes or len(places) != 1 or places[0].root not in (TREE, WORKING) or not places[0].parts:
        return None
    parts = [str(part) for part in places[0].parts]
    return None if parts[0] in ELSEWHERE else "/".join(parts)


_OLD = "    run_dir = Path(cfg.results_dir) / cfg.run.run_id\n"
_SAVED = '    torch.save(model.state_dict(), run_dir / "model.pt")\n'
BAD = Tree(
    {
        "src/train.py": (
            Edit(_OLD, '    run_dir = Path("trained")\n'),
            Edit(_SAVED, '    torch.save(model.state_dict(), Path("trained") / "model.pt")  # <- here\n'),
        )
    }
)
GOOD = Tree({"src/train.py": Edit(_SAVED, '    torch.save(model.state_dict(), Path(cfg.results_dir) / "model.pt")\n')})
