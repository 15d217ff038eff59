"""HYD109."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from gonogo.analysis.project.child_processes import started_module, started_script, starts
from gonogo.analysis.project.hydra_mains import HydraMain, hydra_mains
from gonogo.analysis.project.pyproject import Pyproject
from gonogo.analysis.python.files import file_uses
from gonogo.analysis.python.imports import is_guarded
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, argument, has_open_keywords, is_none_literal, origin, reached
from gonogo.analysis.python.paths import SOME_TIME, TREE, WORKING, PathReader
from gonogo.model.contract import Contract, module_path
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Each of these means that somebody has thought of the working directory, in a way that the text alone does not tell.
THOUGHT_OF = re.compile(r"hydra\.job\.chdir|hydra\.run\.dir|\bPYTHONPATH\b|\bos\.chdir\b|\bcontextlib\.chdir\b")
HINTS = ("chdir", "hydra.run.dir", "PYTHONPATH")  # one is in every match; looking for them is many times faster than the pattern
# Build backends that make the tree importable from anywhere when `uv run` installs the project.
INSTALLED = re.compile(
    r"""packages\s*=\s*\[[^\]]*["']src["']|include\s*=\s*\[?\s*["'](?:src|\*)|where\s*=\s*\[\s*["']\.?["']|only-include|dev-mode-dirs|module-root"""
)


@rule("HYD109", "wrong-working-directory", criterion=2, severity=Severity.ERROR, stage=Stage.CHECK)
def wrong_working_directory(
    experiment: Experiment, modules: dict[str, Module], contract: Contract, pyproject: Pyproject | None
) -> Iterator[Violation]:
    """Something that only works in the experiment's folder is done elsewhere.

    What it does:
        Finds out whether Hydra changes into the folder of the job: it does without a `version_base` of 1.2 or later,
        and with `hydra.job.chdir: true`. Then a child process `-m src.…` without `cwd=`, and a file of the tree that is
        opened by its relative path, are reported. A `cwd=` that is a folder where the child's module is not to be found,
        or not the files of the tree that the child reads by relative paths, is reported in any case. Silent where the
        code sets `PYTHONPATH`, changes the directory itself or has Hydra told otherwise on a command line.

    Why it matters:
        The child ends with "No module named src", and files are looked for in `outputs/<date>/<time>/` or in `src/`.

    Instead:
        Give `@hydra.main` a `version_base="1.3"`, start children with `cwd=get_original_cwd()`, and make paths absolute
        with `to_absolute_path`.
    """
    if any(is_thought_of(module.text) for module in modules.values()):
        return
    installed = pyproject is not None and _installs_src(pyproject)
    for module in modules.values():
        if module.path == module_path(contract.evaluation.module):
            continue
        main = next((entry for entry in hydra_mains(module) if entry.function and entry.changes_directory(experiment)), None)
        yield from _children(module, main, experiment, modules, installed=installed)
        if main is not None:
            yield from _relative_reads(main, experiment, modules)


def is_thought_of(text: str) -> bool:
    """Whether a text has to do with the working directory in a way that the text alone does not tell."""
    return any(hint in text for hint in HINTS) and THOUGHT_OF.search(text) is not None


def _installs_src(pyproject: Pyproject) -> bool:
    """Whether `uv run` makes the package `src` itself importable from anywhere, not only what lies in it."""
    setuptools = pyproject.section("tool", "setuptools")
    folders, find = setuptools.get("package-dir"), pyproject.section("tool", "setuptools", "packages", "find").get("where")
    if isinstance(folders, dict) and ("src" in folders or folders.get("") in ("", ".")):
        return True
    if (isinstance(folders, dict) and folders.get("")) or (isinstance(find, list) and not {"", "."} & set(map(str, find))):
        return False  # what is installed lies within that folder
    return INSTALLED.search(pyproject.text) is not None


def _children(
    module: Module, main: HydraMain | None, experiment: Experiment, modules: dict[str, Module], *, installed: bool
) -> Iterator[Violation]:
    inside = definitions_of(main, modules) if main else frozenset()
    for call, words in starts(module):
        name = started_module(words)
        script = started_script(module, call, modules) if name is None else None
        if script is not None and origin(module, call.func).startswith("subprocess.") and not has_open_keywords(call):
            in_job = main is not None and not inside.isdisjoint(ancestors(module, call))
            yield from _script(module, call, script, experiment, modules, in_job=in_job, installed=installed)
        if name is None or not any(other.name == name for other in modules.values()):
            continue
        if any(keyword.arg is None for keyword in call.keywords) or not origin(module, call.func).startswith("subprocess."):
            continue
        folder = argument(call, None, "cwd")
        if folder is None or is_none_literal(folder):
            if not installed and main is not None and not inside.isdisjoint(ancestors(module, call)):
                yield Violation(
                    module.location(call),
                    f"the child process `-m {name}` is started in the folder of Hydra's job, where `{name}` is not found",
                    'give `@hydra.main` a `version_base="1.3"`, or the child `cwd=get_original_cwd()`',
                    related=(Related(location=module.location(main.node), label="Hydra changes the directory here"),),
                )
            continue
        paths = PathReader(module, None).read(folder)
        place = "/".join(next(iter(paths)).parts) if len(paths) == 1 and next(iter(paths)).root == TREE else ""
        if place and not installed and f"{place}/{module_path(name)}" not in experiment.files:
            yield Violation(
                module.location(folder),
                f"the child process `-m {name}` is started in `{place}/`, where `{name}` is not found",
                "start it in the folder of the experiment",
            )
        elif place:
            child = next(other for other in modules.values() if other.name == name)
            yield from _reads_elsewhere(module.location(folder), f"`{place}/`", child, experiment, modules, place)


def _script(
    module: Module,
    call: ast.Call,
    script: Module,
    experiment: Experiment,
    modules: dict[str, Module],
    *,
    in_job: bool,
    installed: bool,
) -> Iterator[Violation]:
    """Check a child process that is started by its file.

    It has the file's folder first on its path, and the working directory of this process.
    """
    top = script.name.partition(".")[0]
    if not installed and "." in script.name and "sys.path" not in script.text and argument(call, None, "env") is None:
        for statement in script.of(ast.ImportFrom, ast.Import):
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else [script.resolve_import(statement)]
            ours = next((name for name in names if name.partition(".")[0] == top), None)
            if ours is not None and not is_guarded(script, statement) and not _is_beside(script, top, experiment):
                yield Violation(
                    module.location(call),
                    f"started as a file, `{script.path}` has its own folder on its path, where `{ours}`, which it imports, is not found",
                    f"start it with `-m {script.name}`",
                    related=(Related(location=script.location(statement), label="imported here"),),
                )
                return
    if in_job and argument(call, None, "cwd") is None:
        yield from _reads_elsewhere(module.location(call), "the folder of Hydra's job", script, experiment, modules)


def _is_beside(script: Module, top: str, experiment: Experiment) -> bool:
    """Whether a package of a name lies in the folder of a script."""
    folder = script.path.rpartition("/")[0]
    return any(path.startswith((f"{folder}/{top}/", f"{folder}/{top}.py")) for path in experiment.files)


def _reads_elsewhere(
    started: Location, place: str, child: Module, experiment: Experiment, modules: dict[str, Module], folder: str | None = None
) -> Iterator[Violation]:
    """Yield the first file that a child process started elsewhere reads by a wrong path.

    It is a file of the tree, by a path from the folder of the experiment.

    Args:
        started: where it is started.
        place: the folder that it is started in, in words.
        child: its module.
        folder: the folder's path where it is one of the experiment.
    """
    main = next((entry for entry in hydra_mains(child) if entry.function), None)
    inside = definitions_of(main, modules) if main else None
    for module in modules.values() if inside else [child]:
        for use in file_uses(module, PathReader(module, None)):
            patterns = {"/".join(path.parts) for path in use.paths if path.root in (WORKING, SOME_TIME) and "*" not in path.parts[0:1]}
            if use.writes or not patterns or len(patterns) != len(use.paths):
                continue
            if inside is not None and inside.isdisjoint(ancestors(module, use.node)):
                continue
            missed = [pattern for pattern in sorted(patterns) if any(fnmatchcase(path, pattern) for path in experiment.files)]
            there = [f"{folder}/{pattern}" for pattern in patterns] if folder is not None else []
            if missed and not any(fnmatchcase(path, pattern) for path in experiment.files for pattern in there):
                yield Violation(
                    started,
                    f"the child process `{child.name}` is started in {place}, where `{missed[0]}`, which it reads, is not",
                    "start it in the folder of the experiment",
                    related=(Related(location=module.location(use.node), label="read here by its relative path"),),
                )
                return


def _relative_reads(main: HydraMain, experiment: Experiment, modules: dict[str, Module]) -> Iterator[Violation]:
    inside = definitions_of(main, modules)
    for module in modules.values():
        for use in file_uses(module, PathReader(module, None)):
            paths = {"/".join(path.parts) for path in use.paths if path.root == WORKING}
            if use.writes or not paths or len(paths) != len(use.paths) or not paths <= experiment.files.keys():
                continue
            if not inside.isdisjoint(ancestors(module, use.node)):
                yield Violation(
                    module.location(use.node),
                    f"`{min(paths)}` is opened by its relative path in the folder of Hydra's job, where it is not",
                    'give `@hydra.main` a `version_base="1.3"`, or make the path absolute with `to_absolute_path`',
                    related=(Related(location=main.module.location(main.node), label="Hydra changes the directory here"),),
                )


def definitions_of(main: HydraMain, modules: dict[str, Module]) -> frozenset[ast.AST]:
    """The definitions whose code runs under this `@hydra.main`: after the directory was changed."""
    assert main.function is not None
    found = reached(modules, [(main.module, main.function)])
    return frozenset(definition for _, definition in found)


BAD = [
    Tree(
        {
            "src/main.py": (
                Edit('@hydra.main(version_base="1.3", config_path', '@hydra.main(version_base="1.1", config_path'),
                Edit("subprocess.run(command, check=True)", "subprocess.run(command, check=True)  # <- here"),
            )
        }
    ),
    Tree(
        {
            "src/main.py": (
                Edit("import sys\n", "import sys\nfrom pathlib import Path\n"),
                Edit(
                    "    subprocess.run(command, check=True)",
                    "    subprocess.run(command, check=True, cwd=Path(__file__).parent)  # <- here",
                ),
            )
        }
    ),
    Tree(
        {
            "pyproject.toml": Edit("[project]\n", '[tool.hatch.build.targets.wheel]\npackages = ["src"]\n\n[project]\n'),
            "src/main.py": (
                Edit("import sys\n", "import sys\nfrom pathlib import Path\n"),
                Edit(
                    "    subprocess.run(command, check=True)",
                    "    subprocess.run(command, check=True, cwd=Path(__file__).parent)  # <- here",
                ),
            ),
            "src/train.py": Edit(
                "    run_dir.mkdir(parents=True, exist_ok=True)\n",
                '    run_dir.mkdir(parents=True, exist_ok=True)\n    print(OmegaConf.load(f"config/run/{cfg.run.run_id}.yaml"))\n',
            ),
        }
    ),
    Tree(
        {
            "config/config.yaml": Edit("trial_mode: false\n", "trial_mode: false\nhydra:\n  job:\n    chdir: true\n"),
            "src/main.py": Edit("subprocess.run(command, check=True)", "subprocess.run(command, check=True, cwd=get_original_cwd())"),
            "src/train.py": Edit(
                "    run_dir.mkdir(parents=True, exist_ok=True)\n",
                '    run_dir.mkdir(parents=True, exist_ok=True)\n    print(OmegaConf.load("config/config.yaml"))  # <- here\n',
            ),
        }
    ),
]
GOOD = Tree(
    {
        "src/main.py": (
            Edit('@hydra.main(version_base="1.3", config_path', '@hydra.main(version_base="1.1", config_path'),
            Edit("subprocess.run(command, check=True)", "subprocess.run(command, check=True, cwd=hydra.utils.get_original_cwd())"),
        )
    }
)
