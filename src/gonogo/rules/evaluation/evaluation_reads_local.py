"""EVA102."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase

from gonogo.analysis.python.files import FileUse, file_uses
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, ancestors, enclosing_function
from gonogo.analysis.python.paths import RESULTS, SOME_TIME, TREE, UNKNOWN_ROOT, WORKING, PathReader, WrittenPath
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

DATA = (
    ".npy",
    ".npz",
    ".pt",
    ".pth",
    ".ckpt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".pkl",
    ".pickle",
    ".parquet",
    ".txt",
    ".log",
    ".safetensors",
)
CONFIG = (".yaml", ".yml")
# What evaluation itself writes under a name that is not known: never weights or configs.
MAY_BE_OWN = (".json", ".csv", ".txt", ".jsonl", ".tsv", "")
FETCHERS = frozenset({"download", "restore", "logged_artifacts", "use_artifact", "artifact", "urlretrieve"})
EXISTENCE = frozenset({"exists", "is_file", "isfile", "is_dir", "isdir"})


@rule("EVA102", "evaluation-reads-local", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def evaluation_reads_local(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Evaluation reads files of the runs instead of asking the tracker.

    What it does:
        Follows the path of every file that the evaluation module reads. One that lies in the folder of results, and
        that evaluation has not written itself, is a file that a run left there. The shared config in its own folder may
        be read. Where the contract lets runs save what they give out, and the code goes on without the file, it is a warning.

    Why it matters:
        Runs are made on other machines than the evaluation: their files are not there, and what is there may be of an
        older run. Only the tracker has all runs.

    Instead:
        Log what is needed with `wandb.log` or into `run.summary`, and read it through `wandb.Api()`. Read entity and
        project from the shared config.
    """
    module = modules.get(module_path(contract.evaluation.module))
    key = contract.evaluation.results_key()
    if module is None or key is None or not all_parsed(modules) or _downloads(module):
        return
    uses = list(file_uses(module, PathReader(module, key)))
    written = [path for use in uses if use.writes for path in use.paths]
    reads_config = any(_is_config_of_tree(path, contract) for use in uses if not use.writes for path in use.paths)
    for use in uses:
        name = _foreign_name(use, written)
        if name is None or (name.endswith(CONFIG) and reads_config):
            continue
        writer = _mention(modules, module, name)
        is_optional = _is_optional(module, use.node)
        if writer is None and is_optional:
            continue
        yield Violation(
            module.location(use.node),
            f"evaluation reads `{name}` from the folder of results",
            "read entity and project from the shared config of the tree"
            if name.endswith(CONFIG)
            else "log what is needed to W&B during the run, and read it through `wandb.Api()`",
            related=(Related(location=writer, label="the run's side of this file"),) if writer else (),
            severity=Severity.WARNING if is_optional and contract.tracking.keeps_outputs else None,
        )


def _foreign_name(use: FileUse, written: list[WrittenPath]) -> str | None:
    """Return the file's name if it surely is in the results folder and not written by evaluation.

    Evaluation surely has not written it.
    """
    if use.writes or not use.paths or any(path.root != RESULTS or not path.parts for path in use.paths):
        return None
    names = sorted({path.name for path in use.paths})
    if not all(name.endswith((*DATA, *CONFIG)) for name in names):
        return None
    if any(_overlap(name, path) for name in names for path in written):
        return None
    return names[0]


def _downloads(module: Module) -> bool:
    """Return whether evaluation downloads files from the tracker.

    Then the files in the results folder may be those.
    """
    return any(node.attr in FETCHERS for node in module.of(ast.Attribute))


def _overlap(name: str, written: WrittenPath) -> bool:
    if written.root == UNKNOWN_ROOT and written.name == "*":
        return name.endswith(MAY_BE_OWN[:-1])
    return fnmatchcase(name, written.name) or fnmatchcase(written.name, name)


def _is_config_of_tree(path: WrittenPath, contract: Contract) -> bool:
    return path.root in (WORKING, SOME_TIME, TREE) and path.parts[-2:] == (contract.hydra.config_dir, f"{contract.hydra.config_name}.yaml")


def _mention(modules: dict[str, Module], evaluation: Module, name: str) -> Location | None:
    """Where another module names the file."""
    for module in modules.values():
        if module is evaluation:
            continue
        for node in module.of(ast.Constant):
            if isinstance(node.value, str) and name.strip("*") in node.value and "\n" not in node.value:
                return module.location(node)
    return None


def _is_optional(module: Module, node: ast.AST) -> bool:
    """Whether the code provides for the file not being there."""
    for parent in ancestors(module, node):
        if isinstance(parent, ast.Try):
            return True
        if isinstance(parent, (ast.If, ast.IfExp)) and _asks_existence(parent.test):
            return True
    function = enclosing_function(module, node)
    return any(
        isinstance(entry, ast.If) and _asks_existence(entry.test) and not any(isinstance(inner, ast.Raise) for inner in entry.body)
        for entry in (ast.walk(function) if function else ())
    )


def _asks_existence(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in EXISTENCE for node in ast.walk(test))


BAD = Tree(
    {
        "src/evaluate.py": Edit(
            "    for run in runs:\n        write_run(",
            '    for run in runs:\n        pd.read_csv(results_dir / run["run_id"] / "losses.csv")  # <- here\n        write_run(',
        )
    }
)
GOOD = Tree(
    {
        "src/evaluate.py": Edit(
            '    write_comparison(runs, results_dir / "comparison")\n',
            '    write_comparison(runs, results_dir / "comparison")\n'
            '    print(pd.read_csv(results_dir / "comparison" / "comparison_table.csv"))\n',
        )
    }
)
