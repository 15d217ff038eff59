"""IMP123."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from gonogo.analysis.project.documented import documents
from gonogo.analysis.project.entries import submodules
from gonogo.analysis.project.left_out_by_git import LeftOut
from gonogo.analysis.project.started_programs import Started, started_programs
from gonogo.analysis.python.handlers import handler_of
from gonogo.analysis.python.imports import is_guarded
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, origin, text_of
from gonogo.analysis.python.reachability import is_never_reached
from gonogo.analysis.python.search_paths import searches_elsewhere
from gonogo.analysis.python.symbols import Symbols
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule
from gonogo.rules.grouping import by_message

# A line of a document that brings files, or makes them.
_BRINGS = re.compile(r"\b(?:wget|curl|cp|mv|git|gdown|scp|rsync|ln|unzip|tar|clone|download|submodule)\b|>")
_IN_TESTS = re.compile(r"(?:^|/)(?:tests?/|test_[^/]*\.py$|conftest\.py$|[^/]*_test\.py$)")


@rule(
    "IMP123",
    "missing-program",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    settles=("missing-file", "crash"),
)
def missing_program(modules: dict[str, Module], symbols: Symbols, experiment: Experiment, contract: Contract) -> Iterator[Violation]:
    """The code starts a Python program of the project that is not there.

    What it does:
        Reads the words of `subprocess` and `os.system` commands that call Python or one of its launchers, `runpy`, `exec` of a file's
        text and `importlib.import_module`, where they name a file or a module whole. A file counts as missing if no path of the
        project ends as it is written, and the folder that it names is there; a module, if it is of a package of the project. Silent
        where another folder is entered, where the code or a document may bring or write the file, and where a failure is handled.

    Why it matters:
        What the program should do there is not done: the call fails, or, where nobody looks at the exit code of the child process,
        everything seems to end well.

    Instead:
        Add the program, or name the one that is there.
    """
    yield from by_message(_violations(modules, symbols, experiment, contract))


def _violations(modules: dict[str, Module], symbols: Symbols, experiment: Experiment, contract: Contract) -> Iterator[Violation]:
    project = _Project(modules, symbols, experiment)
    for module in modules.values():
        if _IN_TESTS.search(module.path) or _goes_elsewhere(module):
            continue
        for started in started_programs(module):
            if started.in_child and contract.scope is Scope.RUNS:
                continue  # each run is followed there (IMP121)
            if is_guarded(module, started.call) or handler_of(module, started.call) or is_never_reached(module, started.call):
                continue
            if project.lacks(module, started):
                yield _violation(module, started, project.names(started))


def _goes_elsewhere(module: Module) -> bool:
    """Whether a module changes the folder in which it works."""
    return any(origin(module, call.func) in ("os.chdir", "os.fchdir", "contextlib.chdir") for call in module.of(ast.Call))


def _violation(module: Module, started: Started, names: Iterable[str]) -> Violation:
    near = get_close_matches(started.name, list(names), n=1, cutoff=0.5)
    kind = "module" if started.is_module else "file"
    how = "the child process is" if started.in_child else "this runs"
    shown = f"`python {'-m ' if started.is_module else ''}{started.name}`" if started.in_child else f"`{started.name}`"
    return Violation(
        module.location(started.call),
        f"{how} {shown}, and there is no such {kind} in the project",
        f"name `{near[0]}`, or add the {kind}" if near else f"add the {kind}, or correct its name",
    )


class _Project:
    """What is in a project, and what may come to be in it."""

    def __init__(self, modules: dict[str, Module], symbols: Symbols, experiment: Experiment) -> None:
        self._modules, self._symbols, self._experiment = modules, symbols, experiment
        self._elsewhere = tuple(f"{folder}/" for folder in submodules(experiment))
        self._left_out = LeftOut(experiment)
        self._folders = {posixpath.dirname(path) for path in experiment.files}

    def names(self, started: Started) -> Iterable[str]:
        """What may have been meant."""
        return self._symbols.by_name if started.is_module else self._modules

    def lacks(self, module: Module, started: Started) -> bool:
        """Whether a program is surely not there when it is started."""
        return self._lacks_module(module, started) if started.is_module else self._lacks_file(module, started)

    def _lacks_module(self, module: Module, started: Started) -> bool:
        top = started.name.partition(".")[0]
        if not self._symbols.is_package(top) or top not in self._symbols.by_name:
            return False  # a folder without `__init__.py` yields to an installed package of its name
        if self._symbols.has_module(started.name) is not False or self._symbols.may_be_alias(started.name):
            return False
        parent = started.name.rpartition(".")[0]
        if parent in self._symbols.by_name and self._symbols.binds(parent, started.name.rpartition(".")[2]) is not False:
            return False
        if self._left_out.names_module(started.name) or searches_elsewhere(self._experiment, module):
            return False
        return not self._may_come(f"{started.name.rpartition('.')[2]}.py")

    def _lacks_file(self, module: Module, started: Started) -> bool:
        if started.name.startswith(("/", "~", "..", "\\")) or not started.name.endswith(".py"):
            return False
        path = posixpath.normpath(started.name)
        folder, _, name = path.rpartition("/")
        if path.startswith("../") or any(known == path or known.endswith(f"/{path}") for known in self._experiment.files):
            return False
        home = posixpath.dirname(module.path)
        if folder and not {folder, posixpath.join(home, folder)} & self._folders:
            return False  # the whole folder comes from elsewhere
        if f"{path}/".startswith(self._elsewhere) or self._left_out.has(path) or self._left_out.has(posixpath.join(home, path)):
            return False
        return not self._may_come(name)

    def _may_come(self, name: str) -> bool:
        """Whether the code or a document says something of a file besides starting it."""
        if any(name in line and _BRINGS.search(line) for text in documents(self._experiment) for line in text.splitlines()):
            return True
        for module in self._modules.values():
            if name not in module.text:
                continue
            starts = [each.call for each in started_programs(module)]
            for node in module.of(ast.Constant):
                told = text_of(node)
                if (
                    told
                    and name in told
                    and not _is_docstring(module, node)
                    and not any(call in ancestors(module, node) for call in starts)
                ):
                    return True
        return False


def _is_docstring(module: Module, node: ast.AST) -> bool:
    return isinstance(module.parents.get(node), ast.Expr)


_PROGRAM = """import subprocess
import sys

{start}
"""
_OTHER = "print('trains')\n"
BAD = [
    program(_PROGRAM.format(start='subprocess.run([sys.executable, "-u", "fit.py", "--seed", "1"])  # <- here')),
    program(
        _PROGRAM.format(start='for seed in range(3):\n    subprocess.check_call(f"python fit.py --seed {seed}", shell=True)  # <- here')
    ),
    program('import os\n\nos.system("CUDA_VISIBLE_DEVICES=0 torchrun --nproc_per_node 2 fit.py")  # <- here\n'),
    program('import runpy\n\nrunpy.run_path("fit.py", run_name="__main__")  # <- here\n'),
    program('exec(open("fit.py").read())  # <- here\n', other=_OTHER),
    Tree(
        {
            "train.py": 'import importlib\n\nimportlib.import_module("methods.ours").train()  # <- here\n',
            "methods/__init__.py": "",
            "methods/base.py": _OTHER,
        },
        alone=True,
    ),
]
GOOD = [
    Tree(),
    program(_PROGRAM.format(start='subprocess.run([sys.executable, "fit.py"])'), fit=_OTHER),
    program(_PROGRAM.format(start='subprocess.run([sys.executable, "fit.py"], cwd="../other")')),
    program(_PROGRAM.format(start='subprocess.run("git clone URL . && python fit.py", shell=True)')),
    program(_PROGRAM.format(start='open("fit.py", "w").write("print(1)")\nsubprocess.run([sys.executable, "fit.py"])')),
    program(_PROGRAM.format(start='subprocess.run([sys.executable, "vendor/fit.py"])')),
    program(_PROGRAM.format(start='subprocess.run([sys.executable, sys.argv[1] + ".py"])')),
    program('import runpy\n\ntry:\n    runpy.run_path("local.py")\nexcept Exception:\n    print("no settings of your own")\n'),
    program('import importlib\n\nimportlib.import_module("methods.ours").train()\n'),
    Tree({"train.py": 'import os\n\nos.system("python fit.py")\n', "README.md": "wget https://example.org/fit.py\n"}, alone=True),
]
