"""WDB102."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.python.files import FileUse, file_uses
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, enclosing_function, origin, reached
from gonogo.analysis.python.paths import PathReader
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.saved_metrics import saved_metrics
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule

METRIC = re.compile(
    r"metric|result|score|accura|histor|confusion|stats|statistic|loss(?:es)?\b|summary|rank|prediction|perplex|evaluation", re.I
)
MEASURED = re.compile(rf"{METRIC.pattern}|\b(?:acc|f1|auc|auroc|bleu|rouge|mse|rmse|mae|wer|cer|precision|recall)\b", re.I)
# What a program was told, or what a search found: no metrics.
SETTING = re.compile(r"param|config|\bcfg\b|setting|hparam|overrid|arguments|\bargs\b|search_space", re.I)
DATA = re.compile(r"\.(?:json|jsonl|csv|tsv|npy|npz|txt|parquet|pkl|pickle|feather|xlsx)$")


@rule("WDB102", "metrics-bypass-wandb", criterion=6, severity=Severity.ERROR, stage=Stage.CHECK, settles=("tracking",))
def metrics_bypass_wandb(modules: dict[str, Module], sources: Sources, contract: Contract) -> Iterator[Violation]:
    """Training leaves its metrics in files of its own, or prints them as JSON.

    What it does:
        Looks in everything but the evaluation for files that are written and whose name says results (`metrics.json`,
        `results.csv`, `confusion_matrix.npy` …) or whose content does (a mapping of scores that `torch.save` or
        `pickle.dump` writes), and for `print(json.dumps(…))` of what is called a metric. Weights, configs, caches and the
        best parameters of a search are no metrics. Where the contract lets runs save what they give out, it is a warning.

    Why it matters:
        Only what is logged to W&B reaches the evaluation, on whatever machine it runs. Two records of one number differ
        sooner or later.

    Instead:
        `wandb.log` what changes, put what is final into `run.summary`, and write nothing.
    """
    for module in training_modules(modules, contract):
        found = [*_written(module, contract), *_printed(module)]
        named = {id(node) for node, _ in found}
        found += [entry for entry in _held(module, sources) if id(entry[0]) not in named]
        owned = _evaluation_only(module, modules, contract) if found else set()
        for node, fault in found:
            if not _is_in(module, node, owned):
                yield replace(fault, severity=Severity.WARNING) if contract.tracking.keeps_outputs else fault


def _written(module: Module, contract: Contract) -> Iterator[tuple[ast.AST, Violation]]:
    for use in file_uses(module, PathReader(module, contract.evaluation.results_key())):
        names = {path.name for path in use.paths}
        if use.writes and names and all(_is_metric_file(name) for name in names) and not _is_cached(use):
            yield (
                use.node,
                Violation(
                    module.location(use.node),
                    f"training writes `{sorted(names)[0]}`: metrics belong to W&B alone",
                    "log it with `wandb.log` or into `run.summary`, and leave the file out",
                ),
            )


def _held(module: Module, sources: Sources) -> Iterator[tuple[ast.AST, Violation]]:
    """Files whose content is metrics, whatever they are called."""
    for saved in saved_metrics(sources, module):
        yield (
            saved.node,
            Violation(
                module.location(saved.node),
                f"training writes {', '.join(quoted(saved.names, 3))} to a file of its own: metrics belong to W&B alone",
                "log them with `wandb.log` or into `run.summary`, and leave the file out",
            ),
        )


def _printed(module: Module) -> Iterator[tuple[ast.AST, Violation]]:
    for call in calls(module):
        if origin(module, call.func) == "print" and any(_is_json(module, entry) and _is_measured(module, entry) for entry in call.args):
            yield (
                call,
                Violation(
                    module.location(call),
                    "training prints JSON: metrics belong to W&B alone",
                    "log it with `wandb.log`; print a sentence for people if one is wanted",
                ),
            )


def _is_cached(use: FileUse) -> bool:
    """Whether a file is kept for later runs: below a folder, or a variable, that is called a cache."""
    owner = use.node.func.value if isinstance(use.node.func, ast.Attribute) else None
    named = " ".join(ast.unparse(entry) for entry in (owner, *use.node.args[:2]) if entry is not None)
    return any("cache" in part for path in use.paths for part in path.parts) or "cache" in named.lower()


def _is_metric_file(name: str) -> bool:
    return DATA.search(name) is not None and METRIC.search(name) is not None


def _is_measured(module: Module, printed: ast.expr) -> bool:
    """Return whether a printed value has the name of a metric, where it stands or where it was made.

    The name may be a variable, an attribute, or a key.
    """
    around: ast.AST = enclosing_function(module, printed) or module.tree or printed
    seen, waiting = set[str](), [printed]
    while waiting:
        entry = waiting.pop()
        told = " ".join(word.replace("_", " ") for word in _words(entry))
        if SETTING.search(told) and not re.search(r"metric|accura|loss", told):
            continue
        if MEASURED.search(told):
            return True
        names = {node.id for node in ast.walk(entry) if isinstance(node, ast.Name)} - seen
        seen |= names
        waiting += [
            node.value
            for node in ast.walk(around)
            if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id in names for target in node.targets)
        ]
    return False


def _words(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.keyword) and part.arg:
            yield part.arg
        elif isinstance(part, ast.Dict):
            yield from (key.value for key in part.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _is_json(module: Module, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and origin(module, node.func) == "json.dumps"


def _evaluation_only(module: Module, modules: dict[str, Module], contract: Contract) -> set[ast.AST]:
    """Return the definitions of this module that only evaluation uses.

    No other module's code uses them: they are helpers of the evaluation that stand here.
    """
    evaluation = modules.get(module_path(contract.evaluation.module))
    if evaluation is None or evaluation.tree is None:
        return set()
    used = {node for owner, node in reached(modules, [(evaluation, evaluation.tree)]) if owner is module}
    return used - {
        node for owner, node in reached(modules, [(other, other.tree) for other in training_modules(modules, contract) if other.tree])
    }


def _is_in(module: Module, node: ast.AST, owned: set[ast.AST]) -> bool:
    parent: ast.AST | None = node
    while parent is not None:
        if parent in owned:
            return True
        parent = module.parents.get(parent)
    return False


BAD = [
    Tree(
        {
            "src/train.py": (
                Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"),
                Edit(
                    "    run.finish()\n",
                    '    (run_dir / "metrics.json").write_text(json.dumps({"test": test_accuracy}))  # <- here\n    run.finish()\n',
                ),
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"),
                Edit("    run.finish()\n", '    run.finish()\n    print(json.dumps({"accuracy": test_accuracy}))  # <- here\n'),
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                "    run.finish()\n", '    torch.save({"scores": test_accuracy}, run_dir / "final.pt")  # <- here\n    run.finish()\n'
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit(
                "    run.finish()\n",
                '    with open(run_dir / "results.csv", "w") as file:  # <- here\n        file.write("…")\n    run.finish()\n',
            )
        }
    ),
]
_PARAMETERS = Edit("    run.finish()\n", '    (run_dir / "best_params.json").write_text(json.dumps(found))\n    run.finish()\n')
GOOD = [
    Tree({"src/train.py": (Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"), edit)})
    for edit in (
        _PARAMETERS,
        Edit("    return study.best_params\n", "    print(json.dumps(study.best_params))\n    return study.best_params\n"),
        Edit(
            "    return study.best_params\n",
            '    best = dict(study.best_params)\n    print("the best:", json.dumps(best, indent=2))\n    return best\n',
        ),
        Edit("    run.finish()\n", "    print(json.dumps(OmegaConf.to_container(cfg.run.training)))\n    run.finish()\n"),
    )
]
