"""DAT104."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.files import file_uses
from gonogo.analysis.python.handlers import EVERYTHING, handler_of, may_be_made_good, only_tells
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, calls, last_names, origin
from gonogo.analysis.python.paths import PathReader
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.downloads import downloads
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

LOADS = re.compile(
    r"^(?:datasets\.load_dataset|datasets\.load_from_disk|torchvision\.datasets\..+|sklearn\.datasets\.(?:load|fetch)_.+|requests\.get|urllib\.request\..+)$"
)

SETS = re.compile(r"^(?:datasets\.load_\w+|torchvision\.datasets\..+|sklearn\.datasets\.(?:load|fetch)_.+|tensorflow_datasets\.load)$")
# What a data set that can't be had ends in.
FAILURES = EVERYTHING | {"OSError", "IOError", "FileNotFoundError", "ConnectionError", "ValueError", "RuntimeError", "TimeoutError"}


@rule("DAT104", "swallowed-data-error", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, settles=("data",))
def swallowed_data_error(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A failure to load data is taken for nothing.

    What it does:
        Looks for reads and downloads of data in a `try` whose clause for any exception is silent, or only logs, and goes
        on with nothing. Left alone: a clause that tries another way; a `try` that success leaves, so that what follows is
        the other way; code or callers that ask whether there is anything before they use it; a download ahead of its use,
        whose result nobody takes. In a loop over data sets, asking what a loaded one holds is no question about the failure: one that
        is passed over is reported unless the code counts those that are left.

    Why it matters:
        The run goes on without the data, or with a part of them, and fails much later with an error that has nothing to
        do with the cause, or not at all.

    Instead:
        Catch the exception that can be dealt with, and let all others end the run with a sentence that says what to do.
    """
    training = training_modules(modules, contract)
    for module in training:
        nodes: list[ast.AST] = [download.node for download in downloads(module)]
        nodes += [use.node for use in file_uses(module, PathReader(module, None)) if not use.writes and _is_data(module, use.node)]
        nodes += [call for call in calls(module) if LOADS.match(origin(module, call.func))]
        told: set[ast.AST] = set()
        for node in nodes:
            handler = handler_of(module, node, FAILURES if _is_set(module, node) else EVERYTHING)
            if handler is None or handler in told or not only_tells(module, handler) or isinstance(module.parents[node], ast.Expr):
                continue
            told.add(handler)
            if _is_passed_over(module, node, handler) or not may_be_made_good(module, handler, training):
                yield Violation(
                    module.location(handler),
                    "if a data set can't be loaded, it is left out, and the run goes on with the others"
                    if _is_passed_over(module, node, handler)
                    else "if the data can't be loaded, the code goes on as if nothing had happened",
                    "let the exception end the run, with a sentence that says what is missing",
                )


def _is_set(module: Module, node: ast.AST) -> bool:
    """Whether a call loads a whole data set."""
    return isinstance(node, ast.Call) and SETS.match(origin(module, node.func)) is not None


def _is_passed_over(module: Module, node: ast.AST, handler: ast.ExceptHandler) -> bool:
    """Return whether a loop over several data sets skips one of them without counting it.

    The other data sets are collected, and a whole one is left out.
    """
    if not _is_set(module, node):
        return False
    tried = module.parents[handler]
    loop = next((parent for parent in ancestors(module, tried) if isinstance(parent, (ast.For, ast.FunctionDef, ast.While))), None)
    if not isinstance(loop, ast.For) or any(isinstance(entry, (ast.Break, ast.Return)) for entry in ast.walk(loop)):
        return False  # a loop over attempts
    collected = {
        ast.unparse(call.func.value)
        for call in ast.walk(loop)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("append", "extend", "update", "add")
    }
    collected |= {
        ast.unparse(target.value)
        for entry in ast.walk(loop)
        if isinstance(entry, ast.Assign)
        for target in entry.targets
        if isinstance(target, ast.Subscript)
    }
    source = {name for name in last_names(loop.iter) if name not in ("enumerate", "items", "list", "sorted")}
    return bool(collected) and not _is_counted(module, loop, collected, source)


def _is_counted(module: Module, loop: ast.For, collected: set[str], source: set[str]) -> bool:
    """Whether how many are left is compared with how many there should be, behind the loop."""
    for test in module.of(ast.Compare):
        text = ast.unparse(test)
        if (
            test.lineno > loop.lineno
            and any(name in text for name in collected)
            and ("len(" in text or any(name in text for name in source))
        ):
            return True
    return False


def _is_data(module: Module, call: ast.Call) -> bool:
    """Whether a read is one of data rather than of a text: by a library of arrays or tables."""
    return origin(module, call.func).startswith(("numpy.", "pandas.", "torch.", "scipy.", "safetensors."))


_LOADED = """    if dataset_cfg.name != "digits":
        raise ValueError(f"unknown dataset {dataset_cfg.name!r}: only 'digits' is implemented")
"""
_SEVERAL = """    parts = []
    for source in ["lab/optical", "lab/pen"]:
        try:
            table = load_dataset(source, cache_dir=dataset_cfg.cache_dir)
        except Exception as problem:{marker}
            print("leaving out", source, problem)
            continue
        parts.append(table["train"] if "train" in table else table["test"])
    {after}
"""
_NAMED = _SEVERAL.replace("Exception as", "(OSError, ValueError) as").format(marker="  # <- here", after="print(parts)")
_DATASETS = Edit("from omegaconf import DictConfig\n", "from datasets import load_dataset\nfrom omegaconf import DictConfig\n")
BAD = [
    Tree(
        {
            "src/preprocess.py": (
                Edit(
                    "    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:\n",
                    "    except Exception as error:  # <- here\n",
                ),
                Edit(
                    '        raise RuntimeError(f"the cache {cache_file} is corrupt ({error}): delete it and run again") from error\n',
                    '        print("no data", error)\n        images = labels = []\n',
                ),
            )
        }
    ),
    Tree({"src/preprocess.py": (_DATASETS, Edit(_LOADED, _SEVERAL.format(marker="  # <- here", after="print(len(parts))") + _LOADED))}),
    Tree(
        {
            "src/preprocess.py": (
                _DATASETS,
                Edit(
                    _LOADED,
                    _NAMED + _LOADED,
                ),
            )
        }
    ),
]
GOOD = [
    Tree(
        {
            "src/preprocess.py": (
                Edit(
                    "    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:\n",
                    "    except Exception as error:\n",
                ),
                Edit(
                    '        raise RuntimeError(f"the cache {cache_file} is corrupt ({error}): delete it and run again") from error\n',
                    '        print("no data", error)\n        cache_file.unlink()\n        raise\n',
                ),
            )
        }
    ),
    Tree({"src/preprocess.py": (_DATASETS, Edit(_LOADED, _SEVERAL.format(marker="", after="assert len(parts) == 2") + _LOADED))}),
    Tree(
        {
            "src/preprocess.py": (
                _DATASETS,
                Edit(
                    _LOADED,
                    "    try:\n        table = load_dataset(dataset_cfg.name)\n    except ValueError:\n        table = None\n"
                    "    if table is None:\n        table = load_dataset('lab/digits')\n    print(table)\n" + _LOADED,
                ),
            )
        }
    ),
]
