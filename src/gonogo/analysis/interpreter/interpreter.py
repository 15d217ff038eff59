"""Processes, modules and a whole run: the interpreter put together."""

from __future__ import annotations

import ast
import builtins
import functools
import posixpath
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path as FolderPath
from typing import Any

from gonogo.analysis.interpreter.config import FILLER, build
from gonogo.analysis.interpreter.core import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.library import LIBRARY, Libraries
from gonogo.analysis.interpreter.methods import ROOT
from gonogo.analysis.interpreter.selection import meant_selection
from gonogo.analysis.interpreter.structured import Store
from gonogo.analysis.interpreter.trace import Process, Site, Trace
from gonogo.analysis.interpreter.values import (
    UNKNOWN,
    Arguments,
    Builtin,
    FilePath,
    Frame,
    HydraMain,
    Instance,
    List,
    ModuleValue,
    Node,
    Path,
    Text,
    Unknown,
)
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import names_that_grow
from gonogo.compose.client import Composer, Composition

MAX_PROCESSES = 6
UNSPECIFIED_VERSION = "1.1"


class ConfigSource:
    """Composes for all runs of one experiment and never the same thing twice.

    Args:
        composer: the child process.
        root: the folder with the experiment's files.
    """

    def __init__(self, composer: Composer, root: FolderPath) -> None:
        self._composer = composer
        self._root = root
        self._done: dict[tuple[Any, ...], Composition] = {}
        self._grammar: dict[str, str | None] = {}

    def compose(self, folder: str, name: str | None, overrides: Iterable[str], version_base: str | None) -> Composition:
        """Compose the config `name` of a folder of the experiment."""
        key = (folder, name, tuple(overrides), version_base)
        if key not in self._done:
            self._done[key] = self._composer.compose(self._root / folder, name, key[2], version_base, folder)
        return self._done[key]

    def grammar_fault(self, override: str) -> str | None:
        """Hydra's complaint about an override's grammar."""
        if override not in self._grammar:
            self._grammar[override] = self._composer.parse([override])[0]
        return self._grammar[override]


class Machine(Libraries):
    """Follows one run of an experiment under one documented command.

    Args:
        modules: every module, by path.
        texts: the text of a file by path, None if there is none.
        configs: composes.
        run_id: the run.
        command: the name of the command.
        run_option: the override key that selects the run.
        config_dir: where the contract has the configs: taken where `hydra.main` names a folder that is not there, which HYD101 reports,
            so that all else that is wrong is found as well.
    """

    def __init__(
        self,
        modules: dict[str, Module],
        texts: Callable[[str], str | None],
        configs: ConfigSource,
        run_id: str,
        command: str,
        run_option: str,
        config_dir: str,
    ) -> None:
        self.config_dir = config_dir
        self.by_name = {module.name: module for module in modules.values()}
        self.packages = {"", *(name.rpartition(".")[0] for name in self.by_name)}
        self.texts = texts
        self.configs = configs
        self.trace = Trace(run_id, command)
        self.run_option = run_option
        self.builtins = BUILTINS
        self.steps = 0
        self.last_reads = {}
        self.guards = self.doubt = self.uncertain = self.depth = self.deferred = 0
        self.active, self.called_back, self.entered, self.loops = {}, {}, set(), []
        self.instances: list[Instance] = []
        self.shown_configs: list[Any] = []
        self.wandb_config_read = False
        self.hydra_folder: str | None = None
        self.started = 0
        self.may_have_left = False
        self.documented: list[str] = []
        self.store = Store()
        self.module = Module("", "")
        self._reset_process(Process("", None), [])

    @functools.cached_property
    def growing(self) -> set[str]:
        """Names of what gets new keys somewhere in the project, perhaps where no run was followed."""
        return names_that_grow(self.by_name.values())

    def enclosing_function(self, node: ast.AST) -> ast.AST:
        """The function around a node, the module if there is none."""
        parents = self.module.parents
        while node in parents and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node = parents[node]
        return node

    # -- processes ----------------------------------------------------------------------------------------------------

    def run(self, module: str, arguments: list[str], assumed: bool = False) -> None:
        """Follow one process started by the documented command, and all it starts."""
        self.documented = list(arguments)
        try:
            self.run_process(Process(module, tuple(arguments), assumed=assumed), list(arguments))
        except ExhaustedError:
            self._give_up(f"more than {MAX_STEPS} steps")
        except RecursionError:
            self._give_up("calls nested too deeply")
        self.trace.forget_deferred()
        if self.wandb_config_read:
            for value in self.shown_configs:
                self.escape(value)

    def _give_up(self, reason: str) -> None:
        self.trace.complete, self.trace.reason = False, reason

    def run_process(self, process: Process, arguments: list[Any]) -> None:
        """Follow `python -m <module> <arguments>`."""
        module = self.by_name.get(process.module)
        self.trace.processes.append(process)
        self.started += 1
        if module is None or module.tree is None or self.started > MAX_PROCESSES:
            if module is not None:
                self._give_up(f"{module.path} can't be parsed" if module.tree is None else "too many processes")
            return
        names = (
            "process",
            "argv",
            "loaded",
            "module",
            "guards",
            "doubt",
            "uncertain",
            "may_have_left",
            "hydra_folder",
            "instances",
            "called_back",
            "loops",
            "active",
            "depth",
            "deferred",
        )
        kept = {name: getattr(self, name) for name in names}
        self._reset_process(process, [module.path, *arguments])
        self.module = module
        try:
            self._load(module, "__main__")
            self.finish_instances()
        finally:
            for name, value in kept.items():
                setattr(self, name, value)

    def _reset_process(self, process: Process, argv: list[Any]) -> None:
        self.process = process
        self.argv = List(argv)
        self.loaded: dict[str, ModuleValue] = {}
        self.guards = self.doubt = self.uncertain = self.depth = self.deferred = 0
        self.may_have_left = False
        self.hydra_folder = None
        self.instances, self.called_back, self.loops, self.active = [], {}, [], {}

    def set_argv(self, value: Any) -> None:
        """The program sets its own command line."""
        self.process.rewrites_argv = True
        self.argv = value if isinstance(value, List) else List(open=True)

    def launch(self, command: Any, at: ast.AST) -> None:
        """The program starts a child: follow it if it is Python running one of the experiment's modules."""
        words = self.words(command)
        if words is None:
            return
        module, rest = self._python_module(words)
        if module is None or any(process.launched is not None and process.launched.node is at for process in self.trace.processes):
            return
        known = [self._word(word) for word in rest if not isinstance(word, Unknown)]
        partial = len(known) < len(rest) or (isinstance(command, List) and command.open)
        self.run_process(Process(module, tuple(known), launched=Site(self.module, at), open=partial), known)

    def words(self, command: Any) -> list[Any] | None:
        """A command line as words; None where nothing is known of it."""
        if isinstance(command, List):
            return [word.text if isinstance(word, FilePath) else word for word in command.items]
        text = command.filled(FILLER) if isinstance(command, Text) else command
        if not isinstance(text, str):
            return None
        try:
            return list(shlex.split(text))
        except ValueError:
            return None

    def _python_module(self, words: list[Any]) -> tuple[str | None, list[Any]]:
        for index, word in enumerate(words):
            if word == "-m" and index + 1 < len(words):
                name = words[index + 1]
                return (name if isinstance(name, str) and name in self.by_name else None), words[index + 2 :]
            if isinstance(word, str) and word.endswith(".py"):
                path = self.file_path(word).text.removeprefix(ROOT + "/")
                name = path.removesuffix(".py").replace("/", ".")
                return (name if name in self.by_name else None), words[index + 1 :]
        return None, []

    # -- modules ------------------------------------------------------------------------------------------------------

    def _load(self, module: Module, name: str) -> ModuleValue:
        value = ModuleValue(module)
        self.loaded[module.name if name != "__main__" else "__main__"] = value
        value.names.update({"__name__": name, "__file__": f"{ROOT}/{module.path}", "__doc__": UNKNOWN})
        if module.tree is not None:
            outer, self.module = self.module, module
            frame = Frame(module, value.names, value.names)
            try:
                self.execute(module.tree.body, frame)
            finally:
                self.module = outer
        return value

    def module_named(self, name: str) -> ModuleValue | None:
        """A module of the experiment, loaded at first use; None if it is not the experiment's."""
        module = self.by_name.get(name) or self.by_name.get(f"{self.module.folder}.{name}")
        if module is None:
            return None
        loaded = self.loaded.get("__main__")
        if loaded is not None and loaded.module is module and module is self.module:
            return loaded
        return self.loaded.get(module.name) or self._load(module, module.name)

    def import_module(self, name: str, whole: bool) -> Any:
        """`import a.b`: the value bound, that of `a.b` if it is renamed (`whole`)."""
        found = self.module_named(name)
        if found is not None and (whole or "." not in name):
            return found
        if found is not None:
            package = Instance(None)
            package.attributes[name.split(".", 1)[1]] = found
            return package
        return Unknown(name if whole else name.partition(".")[0])

    def import_name(self, source: ModuleValue | None, module: str, name: str) -> Any:
        """`from module import name`."""
        if source is not None:
            return source.names.get(name, UNKNOWN)
        found = self.module_named(f"{module}.{name}" if module else name) if module in self.packages else None
        return found or self.member_outside(Unknown(f"{module}.{name}" if module else name))

    def globals_of(self, module: Module) -> dict[str, Any]:
        """The globals of a module in this process."""
        main = self.loaded.get("__main__")
        if main is not None and main.module is module:
            return main.names
        loaded = self.loaded.get(module.name)
        return loaded.names if loaded is not None else {}

    def file_text(self, path: str) -> str | None:
        """The text of a file by its path under `/@`."""
        return self.texts(path.removeprefix(ROOT + "/")) if path.startswith(ROOT + "/") else None

    # -- composition --------------------------------------------------------------------------------------------------

    def start_hydra(self, main: HydraMain, arguments: Arguments, at: ast.AST) -> Any:
        """Call a function under `@hydra.main`."""
        if arguments.positional or arguments.keywords:
            return self.enter(main.function, arguments, at)
        folder = self._folder_beside(main.function.module, main.options.get("config_path"))
        name = main.options.get("config_name")
        version = main.options.get("version_base", UNSPECIFIED_VERSION)
        node: Any = UNKNOWN
        if folder is not None and isinstance(name, (str, type(None))) and isinstance(version, (str, type(None))):
            folder = self._folder_there(folder, name)
            overrides = self._overrides_given()
            node = self._compose(folder, name, overrides, version, Site(main.function.module, main.node))
        if not isinstance(node, Node):
            self._give_up("the config of a process did not compose")
        return self.enter(main.function, Arguments([node]), at)

    def _folder_there(self, folder: str, name: str | None) -> str:
        """The folder that `hydra.main` names, or the contract's if only that one has the config."""
        if name is None:
            return folder
        file = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
        is_there = self.texts(posixpath.normpath(f"{folder}/{file}")) is not None
        return folder if is_there or self.texts(f"{self.config_dir}/{file}") is None else self.config_dir

    def _overrides_given(self) -> list[str]:
        """The overrides on the process's command line; where the program rewrites it beyond recognition, the documented ones made safe."""
        if self.process.rewrites_argv and (self.argv.open or not self.argv.items):
            return self._documented()
        words = [self._word(word) for word in self.argv.items[1:] if not isinstance(word, Unknown)]
        given = [word for word in words if not word.startswith("-")]
        if not self.process.open:
            return given
        keys = {word.partition("=")[0].lstrip("+") for word in given}
        keys |= {word.partition("=")[0] for word, _ in self.trace.processes[0].failing}
        return given + [word for word in self._documented() if word.partition("=")[0] not in keys]

    def _documented(self) -> list[str]:
        return [quote_override(word) if self.configs.grammar_fault(word) else word for word in self.documented]

    def _word(self, word: Any) -> str:
        """A word of a command line; one that selects the run by an unknown text is taken to select this run."""
        if isinstance(word, Text) and word.parts[0] == f"{self.run_option}=":
            return quote_override(f"{self.run_option}={self.trace.run_id}")
        return _filled(word)

    @staticmethod
    def _folder_beside(module: Module, config_path: Any) -> str | None:
        if config_path is None:
            return None
        text = config_path.text if isinstance(config_path, FilePath) else config_path
        if isinstance(text, str) and (text + "/").startswith(ROOT + "/"):
            return text.removeprefix(ROOT).strip("/") or "."
        if not isinstance(text, str) or text.startswith(("/", "pkg://", "file://")):
            return None
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(module.path), text))
        return None if folder.startswith("..") else folder

    def folder_given(self, arguments: Arguments) -> str | None:
        """The folder that `hydra.initialize` was given, relative to the experiment's root."""
        value = arguments.get(0, "config_path", arguments.keywords.get("config_dir", UNKNOWN))
        text = value.text if isinstance(value, FilePath) else value
        return self._folder_beside(self.module, text)

    def compose_by_call(self, arguments: Arguments, at: ast.AST) -> Any:
        """`hydra.compose(config_name, overrides=…)`."""
        name = arguments.get(0, "config_name", UNKNOWN)
        given = arguments.get(1, "overrides", List())
        if self.hydra_folder is None or not isinstance(name, str) or not isinstance(given, List) or given.open:
            return UNKNOWN
        if any(isinstance(word, Unknown) for word in given.items):
            return UNKNOWN
        return self._compose(self.hydra_folder, name, [_filled(word) for word in given.items], None, Site(self.module, at))

    def _compose(self, folder: str | None, name: str | None, overrides: list[str], version: str | None, site: Site) -> Any:
        assert folder is not None
        composition = self.configs.compose(folder, name, overrides, version)
        self.process.compositions.append((site, composition))
        if not composition.ok:
            composition, accepted = self._without_failing(folder, name, overrides, version)
            if not composition.ok or self.process.run_lost:
                composition = self._as_meant(composition, folder, name, accepted, version)
                if not composition.ok:
                    return UNKNOWN  # without its run the config says nothing about the code
            self.process.compositions.append((site, composition))
        root = build(composition.config, ())
        root.struct = True
        return root

    def _as_meant(self, best: Composition, folder: str, name: str | None, accepted: list[str], version: str | None) -> Composition:
        """Compose with the run selected as the shared config shows; one that is not ok where it shows nothing.

        What surely fails then is worth telling; of what the code leaves undone nothing is, so the trace counts as incomplete.
        """
        without_run = best.config if best.ok else None
        selection = meant_selection(self.run_option, self.trace.run_id, folder, name or "", without_run, self.texts)
        if selection is None:
            return replace(best, config=None)
        self._give_up("the run was not selected as documented")
        word = quote_override(selection) if self.configs.grammar_fault(selection) else selection
        return self.configs.compose(folder, name, [*accepted, word], version)

    def _without_failing(self, folder: str, name: str | None, overrides: list[str], version: str | None) -> tuple[Composition, list[str]]:
        """Find the overrides that Hydra refuses, one by one, and compose without them (a run id that only lacks quotes is quoted)."""
        accepted: list[str] = []
        best = self.configs.compose(folder, name, accepted, version)
        for override in overrides:
            attempt = self.configs.compose(folder, name, [*accepted, override], version)
            if attempt.ok or (not best.ok and not self.configs.grammar_fault(override)):
                accepted.append(override)
                best = attempt
                continue
            if FILLER in override and "not in struct" not in attempt.message:
                continue  # Hydra stumbles over the filler, not over the key
            self.process.failing.append((override, attempt))
            is_run = override.partition("=")[0] == self.run_option
            if self.configs.grammar_fault(override):
                quoted = quote_override(override)
                attempt = self.configs.compose(folder, name, [*accepted, quoted], version)
                if attempt.ok:
                    accepted.append(quoted)
                    best = attempt
                    continue
                self.process.failing.append((quoted, attempt))
            self.process.run_lost = self.process.run_lost or is_run
        return best, accepted

    def composition_of(self, node: Node) -> Composition | None:
        """The last composition of this process that worked."""
        return next((composition for _, composition in reversed(self.process.compositions) if composition.ok), None)


def quote_override(override: str) -> str:
    """`key=value` with the value in single quotes, as Hydra's grammar wants them."""
    key, _, value = override.partition("=")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def _filled(word: Any) -> str:
    return word.filled(FILLER) if isinstance(word, Text) else word.text if isinstance(word, FilePath) else str(word)


def _builtins() -> dict[str, Any]:
    known: dict[str, Any] = {name: Builtin(name) for name in dir(builtins) if not name.startswith("_")}
    known["open"] = Unknown("open")
    known.update({"True": True, "False": False, "None": None})
    return known


BUILTINS = _builtins()  # nothing ever writes to it

__all__ = ["LIBRARY", "ConfigSource", "ExhaustedError", "Machine", "Path", "quote_override"]
