"""HYD101."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Mapping

from gonogo.analysis.interpreter.trace import Site, Trace
from gonogo.analysis.project.child_processes import started_module, starts
from gonogo.analysis.project.hydra_mains import HydraMain, Unknown, hydra_mains
from gonogo.analysis.python.modules import Module, without_docstring
from gonogo.analysis.python.names import calls, imported_modules, main_guard, origin
from gonogo.model.contract import Contract, module_path
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Cause, Change, Fix, Location, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule

# Other ways to a config that a module may have chosen.
COMPOSE = (
    "hydra.compose",
    "hydra.initialize",
    "hydra.initialize_config_dir",
    "hydra.initialize_config_module",
    "hydra.experimental",
    "hydra_zen",
)
OTHER_SOURCES = frozenset(
    {"argparse", "argv", "from_cli", "OmegaConf", "yaml", "json", "tyro", "typer", "click", "fire", "stdin", "environ", "pickle"}
)

# Of one cause with what such code then asks of its config in vain.
NO_NAME = Cause(
    key="@hydra.main without config_name",
    message="`@hydra.main` has no `config_name`: it composes an empty config, and whatever is asked of it is missing",
    action="name the shared config in `config_name`",
)


@rule("HYD101", "no-hydra-entry-point", criterion=2, severity=Severity.ERROR, stage=Stage.CHECK)
def no_hydra_entry_point(experiment: Experiment, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A module that is started has no Hydra entry point, or one that finds no config.

    What it does:
        Looks for `@hydra.main` (or Hydra's compose functions) in the modules of the documented commands, and in the
        training module where that is a program of its own. Holds `config_path`, which is relative to the module's file,
        and `config_name` against the files of the experiment. A missing `version_base` is a warning.

        A module that hands its arguments on to one with an entry point is left alone.

    Why it matters:
        Without a working entry point the overrides of the documented command reach nothing, or Hydra ends the run
        before it begins. Without `version_base`, Hydra 1.3 behaves like 1.1 and changes the working directory.

    Instead:
        `@hydra.main(version_base="1.3", config_path="../config", config_name="config")`.
    """
    with_main = {module.name for module in modules.values() if list(hydra_mains(module))}
    started = list(dict.fromkeys(command.module for command in contract.commands.values()))
    for name in started:
        module = modules.get(module_path(name))
        if module is not None and not _has_entry(module, modules, with_main):
            yield _missing(module, "starts without Hydra: there is no `@hydra.main` in it")
    module = modules.get(module_path(contract.training.module))
    if module is not None and _is_lost(module, modules, started, with_main):
        yield _missing(module, "is a program of its own, but takes its config from nowhere: there is no `@hydra.main` in it")
    if any("ConfigStore" in other.text for other in modules.values()):
        return
    for other in modules.values():
        for main in hydra_mains(other):
            yield from _wrong_options(main, experiment)


def _missing(module: Module, problem: str) -> Violation:
    guard = main_guard(module)
    definition = module.definitions.get("main")
    function = definition if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)) else None
    node = function or guard
    return Violation(
        at(module.path, node.lineno if node else None),
        f"`{module.name}` {problem}",
        'put `@hydra.main(version_base="1.3", config_path=…, config_name=…)` over its main function',
    )


def _has_entry(module: Module, modules: Mapping[str, Module], with_main: set[str]) -> bool:
    if module.tree is None or not without_docstring(module.tree.body) or module.has_star_import or module.name in with_main:
        return True
    if any(started_module(words) in (None, *with_main) for _, words in starts(module)):
        return True
    return bool(imported_modules(module, modules) & with_main) or _composes(module, modules)


def _composes(module: Module, modules: Mapping[str, Module]) -> bool:
    near = imported_modules(module, modules)
    candidates = [module, *(other for other in modules.values() if other.name in near)]
    return any(origin(other, call.func).startswith(COMPOSE) for other in candidates for call in calls(other))


def _is_lost(module: Module, modules: Mapping[str, Module], started: list[str], with_main: set[str]) -> bool:
    """Whether a module runs as a program without any config: only what is surely so."""
    if module.name in started or main_guard(module) is None or _has_entry(module, modules, with_main):
        return False
    if any(module.name in imported_modules(other, modules) for other in modules.values()):
        return False
    words = {node.id if isinstance(node, ast.Name) else node.attr for node in module.of(ast.Name, ast.Attribute)}
    return not words & OTHER_SOURCES


def _version_base(main: HydraMain) -> Fix | None:
    node = main.node
    if not isinstance(node, ast.Call) or node.args or any(keyword.arg is None for keyword in node.keywords):
        return None
    if node.keywords:
        first = main.module.location(node.keywords[0])
        place, text = first.model_copy(update={"end_line": first.line, "end_column": first.column}), 'version_base="1.3", '
    else:
        end = main.module.location(node)
        place = end.model_copy(update={"line": end.end_line, "column": (end.end_column or 1) - 1, "end_column": (end.end_column or 1) - 1})
        text = 'version_base="1.3"'
    # Hydra no longer changes the working directory then, on which relative paths may rely.
    return Fix(what='give `version_base="1.3"`', changes=(Change(location=place, text=text),), is_safe=False)


def _wrong_options(main: HydraMain, experiment: Experiment) -> Iterator[Violation]:
    place = main.module.location(main.node)
    options = main.options
    if "version_base" not in options:
        yield Violation(
            place,
            "`@hydra.main` has no `version_base`: Hydra then behaves as version 1.1 did",
            'give it `version_base="1.3"`',
            severity=Severity.WARNING,
            fix=_version_base(main),
        )
    path, name = options.get("config_path"), options.get("config_name")
    if isinstance(path, str) and main.leads_out:
        yield Violation(
            place,
            f"`config_path={path!r}` leads out of the experiment: it is relative to the module's file",
            f"give the folder relative to `{posixpath.dirname(main.module.path) or '.'}`, for example `../config`",
        )
    if isinstance(path, Unknown) or isinstance(name, Unknown) or (isinstance(path, str) and main.folder is None):
        return
    if name is None:
        if path is not None:
            yield _without_name(main, place, experiment)
    elif path is None:
        yield Violation(place, "`@hydra.main` has no `config_path`: Hydra does not find the config", "give the folder in `config_path`")
    elif not any(file.startswith(f"{main.folder}/") for file in experiment.files):
        yield Violation(
            place,
            f"`config_path={path!r}` is no folder of the experiment: it is relative to the module's file, so it means `{main.folder}`",
            f"give the folder relative to `{posixpath.dirname(main.module.path) or '.'}`, for example `../config`",
        )
    elif main.config_file not in experiment.files:
        yield Violation(place, f"`config_name={name!r}`: there is no `{main.config_file}`", "name a config that is there")


def _without_name(main: HydraMain, place: Location, experiment: Experiment) -> Violation:
    """`@hydra.main` that names no config.

    Says what to write where the folder has one config, or one of the usual name.
    """
    configs = sorted(posixpath.basename(path) for path in experiment.files if posixpath.dirname(path) == main.folder)
    names = [name.rpartition(".")[0] for name in configs if name.endswith((".yaml", ".yml"))]
    name = names[0] if len(names) == 1 else "config" if "config" in names else None
    action = f'give it `config_name="{name}"`' if name else "name the shared config in `config_name`"
    cause = NO_NAME.model_copy(update={"action": action})
    return Violation(place, "`@hydra.main` has no `config_name`: it composes an empty config", action, cause=cause)


def composes_nothing(trace: Trace, site: Site) -> bool:
    """Return whether code runs under a `@hydra.main` that names no config.

    Every key is absent then, for that one cause.

    Args:
        trace: of a run.
        site: where its code asks for a key, or writes one.
    """
    unnamed = {
        process.module
        for process in trace.processes
        for _, composition in process.compositions
        if composition.ok and composition.config_name is None and composition.config_path
    }
    return site.module.name in unnamed or (bool(unnamed) and all(process.module in unnamed for process in trace.processes))


HYDRA_MAIN = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")'
BAD = [
    Tree({"src/train.py": Edit(HYDRA_MAIN, '@hydra.main(version_base="1.3", config_path="config", config_name="config")  # <- here')}),
    Tree({"src/train.py": Edit(HYDRA_MAIN, '@hydra.main(version_base="1.3", config_path="../config", config_name="base")  # <- here')}),
    Tree(
        {"src/train.py": Edit(HYDRA_MAIN, '@hydra.main(version_base="1.3", config_path="../../config", config_name="config")  # <- here')}
    ),
    Tree({"src/train.py": Edit(HYDRA_MAIN, '@hydra.main(config_path="../config", config_name="config")  # <- here')}),
    Tree(
        {
            "src/main.py": (
                Edit(f"{HYDRA_MAIN}\ndef main(cfg: DictConfig) -> None:", "def main(cfg: DictConfig) -> None:  # <- here"),
                Edit("    subprocess.run(command, check=True)\n", ""),
            )
        }
    ),
]
GOOD = Tree({"src/train.py": Edit(HYDRA_MAIN, '@hydra.main("../config", "config.yaml", None)')})
