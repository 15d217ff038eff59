"""HYD113."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.project.child_processes import started_module, starts
from gonogo.analysis.project.hydra_mains import HydraMain, hydra_mains
from gonogo.analysis.python.files import FileUse, file_uses
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin, text_of
from gonogo.analysis.python.paths import JOINERS, TREE, WORKING, PathReader
from gonogo.model.contract import Contract, module_path
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.wrong_working_directory import definitions_of, is_thought_of

# Not results: what is kept between runs, and what Hydra and W&B write of their own.
ELSEWHERE = (".cache", "outputs", "multirun", "wandb")
# What makes a path absolute; where a module lies says nothing of where results go.
_FIXES = re.compile(
    r"to_absolute_path|get_original_cwd|runtime\.(?:cwd|output_dir)|abspath|realpath|(?<!__file__\))\.(?:resolve|absolute)\(|\bcwd\(\)"
)
_TAKES_PATHS = JOINERS | {"open", "os.makedirs", "os.mkdir"}


@rule("HYD113", "results-dir-ignored", criterion=2, severity=Severity.ERROR, stage=Stage.CHECK)
def results_dir_ignored(modules: dict[str, Module], contract: Contract, experiment: Experiment) -> Iterator[Violation]:
    """Results are written, but not where the user asked for them.

    What it does:
        Looks at the code that trains (every module but the evaluation and one that only starts another module). Where none of it so much as
        mentions the option that names the folder of results, a file that it writes under a fixed path is reported. Where Hydra changes into
        the folder of the job (`version_base` below 1.2, `hydra.job.chdir: true`), the option's relative path is reported if nothing in the
        process or in what starts it makes it absolute.

    Why it matters:
        Two runs overwrite each other's files, and whoever looks in the folder that was asked for finds nothing.

    Instead:
        Build every path that is written from `cfg.results_dir`; under a changed directory from `to_absolute_path(cfg.results_dir)`.
    """
    key = contract.evaluation.results_key()
    evaluation = module_path(contract.evaluation.module)
    training = [module for module in modules.values() if module.path != evaluation and not _starts_another(module, modules)]
    if key is not None:
        yield from _in_job_folder(key, {module.path: module for module in training}, modules, experiment)
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


def _in_job_folder(key: str, training: dict[str, Module], modules: dict[str, Module], experiment: Experiment) -> Iterator[Violation]:
    """Yield the first use of the results folder as a path in a process that Hydra moves.

    Hydra moves the process into the folder of the job.
    """
    if any(is_thought_of(module.text) for module in modules.values()):
        return
    for module in training.values():
        main = next((entry for entry in hydra_mains(module) if entry.function and entry.changes_directory(experiment)), None)
        if main is None:
            continue
        inside = definitions_of(main, modules)
        own = [other for other in modules.values() if not inside.isdisjoint(other.of(ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))]
        starters = [line for other in modules.values() if other not in own for line in other.lines if key in line]
        if any(_FIXES.search(text) for text in (*(other.text for other in own), *starters)):
            continue
        found = next((place for other in own for place in _as_path(other, key) if not inside.isdisjoint(ancestors(other, place))), None)
        holder = next((other for other in own if found is not None and found in other.parents), module)
        if found is not None:
            yield _lost(holder, found, key, main)


def _as_path(module: Module, key: str) -> Iterator[ast.expr]:
    """Where the folder of results is made a path, or part of one."""
    for node in module.of(ast.Attribute, ast.Subscript):
        if (node.attr if isinstance(node, ast.Attribute) else text_of(node.slice)) != key or not isinstance(node.ctx, ast.Load):
            continue
        parent = module.parents.get(node)
        while isinstance(parent, ast.Call) and origin(module, parent.func) == "str":
            parent = module.parents.get(parent)
        is_argument = isinstance(parent, ast.Call) and (origin(module, parent.func) in _TAKES_PATHS)
        if is_argument or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div)):
            yield node


def _lost(module: Module, node: ast.expr, key: str, main: HydraMain) -> Violation:
    return Violation(
        module.location(node),
        f"a relative `{key}` means a folder within that of Hydra's job here, not the one that the user named",
        f'write `to_absolute_path(cfg.{key})`, or give `@hydra.main` a `version_base="1.3"`',
        related=(Related(location=main.module.location(main.node), label="Hydra changes the directory here"),),
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
_NO_BASE = Edit('@hydra.main(version_base="1.3", config_path', '@hydra.main(version_base="1.1", config_path')
BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(_OLD, '    run_dir = Path("trained")\n'),
                Edit(_SAVED, '    torch.save(model.state_dict(), Path("trained") / "model.pt")  # <- here\n'),
            )
        }
    ),
    Tree({"src/train.py": (_NO_BASE, Edit(_OLD, _OLD.replace("\n", "  # <- here\n")))}),
]
GOOD = [
    Tree({"src/train.py": (_NO_BASE, Edit(_OLD, _OLD.replace("cfg.results_dir", "hydra.utils.to_absolute_path(cfg.results_dir)")))}),
    Tree({"src/train.py": Edit(_SAVED, '    torch.save(model.state_dict(), Path(cfg.results_dir) / "model.pt")\n')}),
]
