"""Following the entry points of a project whose runs no contract documents."""

from __future__ import annotations

import ast
import json
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path as FolderPath
from typing import Any

from packaging.version import InvalidVersion, Version

from gonogo.analysis.interpreter.config import FILLER, OPEN, build
from gonogo.analysis.interpreter.core import MAX_STEPS, ExhaustedError
from gonogo.analysis.interpreter.interpreter import UNSPECIFIED_VERSION, ConfigSource, Machine
from gonogo.analysis.interpreter.structured import Store, fill_typed
from gonogo.analysis.interpreter.trace import Process, Site
from gonogo.analysis.interpreter.values import UNKNOWN, Arguments, FilePath, Function, HydraMain, Node
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composer, Composition, Interpolation, Project
from gonogo.model.errors import StageError

STORE_FOLDER = ".gonogo-store"
NO_DEFAULT_PATH_FROM = Version("1.2")
LIBRARIES = frozenset({"hydra", "omegaconf"})
MANDATORY = re.compile(r"You must specify '([^']+)'")
NO_MATCH = re.compile(r"Could not override '([^']+)'\. No match in the defaults list")


class ProjectSource(ConfigSource):
    """Composes for a project of any shape; each thing once.

    Args:
        composer: the child process.
        root: the folder with the project's files.
        roots: folders, relative to it, that its packages are imported from.
        doubt: why Hydra here may not say what it says where the project is at home; empty if nothing speaks for that.
    """

    def __init__(self, composer: Composer, root: FolderPath, roots: Sequence[str], doubt: str) -> None:
        super().__init__(composer, root)
        self._roots = tuple(root / folder for folder in roots)
        self.doubt = doubt
        self._stores: dict[str, FolderPath] = {}

    def compose_project(
        self, folder: str | None, name: str | None, overrides: Iterable[str], version: str | None, store: Store
    ) -> Composition:
        """Compose with what the code keeps in Hydra's store; a failure that may not be the project's fault is `unsure`."""
        kept = self._kept(store)
        key = (folder, name, tuple(overrides), version, kept)
        if key not in self._done:
            project = Project(self._root, self._roots, kept)
            path = self._root / folder if folder is not None else None
            try:
                made = self._composer.compose(path, name, key[2], version, folder or "", project)
            except StageError as error:
                made = Composition(folder or "", name, key[2], error="StageError", message=str(error), unsure=str(error))
            self._done[key] = self._completed(made, store) if made.ok else self._doubted(made, store)
        return self._done[key]

    def _kept(self, store: Store) -> FolderPath | None:
        """The folder with the stored configs as files, a new one whenever there are others."""
        if not store.configs:
            return None
        texts = {}
        for config in store.configs:
            path = posixpath.normpath(f"{config.group or '.'}/{config.name}.yaml")
            header = f"# @package {config.package}\n" if config.package is not None else ""
            texts[path] = header + json.dumps(_finite(config.data), ensure_ascii=False)
        content = json.dumps(texts, sort_keys=True)
        if content not in self._stores:
            target = self._root / f"{STORE_FOLDER}-{len(self._stores)}"
            for path, text in texts.items():
                if not path.startswith(("/", "..")) and "\0" not in path:
                    (target / path).parent.mkdir(parents=True, exist_ok=True)
                    (target / path).write_text(text, "utf-8")
            self._stores[content] = target
        return self._stores[content]

    def _doubted(self, made: Composition, store: Store) -> Composition:
        asked = MANDATORY.search(made.message)
        reason = made.unsure or self.doubt or store.doubt
        if asked is not None:
            reason = f"it asks for a choice of `{asked[1]}` on the command line: give it after the entry point's name, with --entry"
        elif "interpolation" in made.message.lower():
            reason = reason or "an interpolation in it needs what only the command line or a resolver gives"
        elif FILLER in made.message or OPEN in made.message:
            reason = reason or "a config in the code holds a value that its source does not tell"
        return replace(made, unsure=reason)

    def _completed(self, made: Composition, store: Store) -> Composition:
        """The config with what types add to it, and without broken interpolations that may find something in an open place."""
        config = made.config
        assert config is not None
        stored = {posixpath.normpath(f"{entry.group or '.'}/{entry.name}"): entry for entry in store.configs}
        sources = []
        for path, package in made.sources:
            where = tuple(package.split(".")) if package not in ("", "_global_") else ()
            from_store = path.startswith(STORE_FOLDER)
            entry = stored.get(path.partition("/")[2] if from_store else posixpath.relpath(path, made.config_path or "."))
            if not from_store:
                sources.append((path, package))
            if entry is not None and not from_store:
                fill_typed(config, where, entry.data)  # of one name with a file: Hydra takes it for the file's schema
            for place, fields in entry.typed.items() if entry is not None else ():
                fill_typed(config, (*where, *place), fields)
        interpolations = {path: _softened(entry, config) for path, entry in made.interpolations.items()}
        return replace(made, sources=tuple(sources), interpolations=interpolations)


def _finite(data: Any) -> Any:
    """Data as JSON can carry it."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return FILLER if isinstance(data, bytes) or (isinstance(data, float) and not math.isfinite(data)) else data


def _softened(entry: Interpolation, config: dict[str, Any]) -> Interpolation:
    if entry.status != "broken":
        return entry
    references = entry.references or (".",)
    return replace(entry, status="unknown") if any(_may_be_there(config, reference) for reference in references) else entry


def _may_be_there(config: dict[str, Any], reference: str) -> bool:
    """Whether a reference may find something: a relative one, one into an open mapping, or one beneath a null or a mandatory value."""
    if reference.startswith(".") or reference.partition(".")[0] == "hydra":
        return True
    value: Any = config
    for key in reference.replace("[", ".").replace("]", "").split("."):
        if not isinstance(value, dict):
            return True
        if key not in value:
            return OPEN in value
        value = value[key]
    return True  # it is there: something it refers to in turn is not, and is reported itself


class ProjectMachine(Machine):
    """Follows one entry point of a project.

    Args:
        modules: every module, by path.
        texts: the text of a file by path, None if there is none.
        configs: composes.
        run_id: the run.
        module: the entry point's module.
        function: the function under `@hydra.main`; None where the module composes by itself.
        overrides: the overrides of its command line.
        config_name: what `--config-name` says, None if it is not given.
        roots: folders that packages are imported from.
        only_compose: don't follow the code that gets the config.
    """

    configs: ProjectSource

    @property
    def in_doubt(self) -> bool:
        """As for any run; and where no one documents the runs, code that a condition may skip is for other runs than this."""
        return self.doubt > 0 or self.uncertain > 0

    def __init__(
        self,
        modules: dict[str, Module],
        texts: Callable[[str], str | None],
        configs: ProjectSource,
        run_id: str,
        module: Module,
        function: ast.AST | None,
        overrides: Sequence[str],
        config_name: str | None,
        roots: Sequence[str],
        only_compose: bool,
    ) -> None:
        super().__init__(modules, texts, configs, run_id, "run", run_option="", config_dir="")
        aliases: dict[str, Module] = {}
        for root in [posixpath.dirname(module.path), *roots]:
            prefix = root.replace("/", ".") + "."
            for other in modules.values():
                if root and other.name.startswith(prefix):
                    aliases.setdefault(other.name.removeprefix(prefix), other)
        # Where these libraries are themselves in the tree, what they do is known better than from their source.
        self.by_name = {name: other for name, other in {**aliases, **self.by_name}.items() if name.partition(".")[0] not in LIBRARIES}
        self.packages = {"", *(name.rpartition(".")[0] for name in self.by_name)}
        self.entry, self.function = module, function
        self.overrides, self.config_name, self.only_compose = tuple(overrides), config_name, only_compose
        self.entered_main = False
        self.folder_is_named = True
        self.where: tuple[str | None, str | None] | None = None  # the folder and the name of the primary config, once known

    def follow(self) -> None:
        """Follow the module as a program, and then the function if the module itself does not call it."""
        process = Process(self.entry.name, self.overrides)
        self.trace.processes.append(process)
        self._reset_process(process, [self.entry.path, *self.overrides])
        self.module = self.entry
        try:
            loaded = self._load(self.entry, "__main__")
            main = loaded.names.get(getattr(self.function, "name", ""))
            if not self.entered_main and isinstance(main, HydraMain):
                self.start_hydra(main, Arguments(), main.node)
            self.finish_instances()
        except ExhaustedError:
            self._give_up(f"more than {MAX_STEPS} steps")
        except RecursionError:
            self._give_up("calls nested too deeply")
        self.trace.forget_deferred()

    def launch(self, command: Any, at: ast.AST) -> None:
        """Children are entry points of their own."""

    def start_hydra(self, main: HydraMain, arguments: Arguments, at: ast.AST) -> Any:
        """Call a function under `@hydra.main`: only the one that this run is about, and once."""
        if arguments.positional or arguments.keywords:
            return self.enter(main.function, arguments, at)
        if self.entered_main or not isinstance(main.function, Function) or main.function.node is not self.function:
            return UNKNOWN
        self.entered_main = True
        reason, folder = self._config_folder(main)
        name = main.options.get("config_name")
        version = main.options.get("version_base", UNSPECIFIED_VERSION)
        if not isinstance(name, (str, type(None))) or not isinstance(version, (str, type(None))):
            reason = "what `@hydra.main` is given is computed"
        if reason:
            self._give_up(reason)
            return UNKNOWN
        name = self.config_name or name
        self.where = (folder, name)
        node = self._compose(folder, name, list(self.overrides), version, Site(main.function.module, main.node))
        if not isinstance(node, Node) or self.only_compose:
            self._give_up("the code was not followed")
            return UNKNOWN
        return self.enter(main.function, Arguments([node]), at)

    def _config_folder(self, main: HydraMain) -> tuple[str, str | None]:
        """Why the config folder is not known (empty if it is), and the folder, None for none."""
        version = main.options.get("version_base")
        value = main.options.get("config_path", UNKNOWN)
        if "config_path" not in main.options:
            try:
                stays = "version_base" in main.options and (not isinstance(version, str) or Version(version) >= NO_DEFAULT_PATH_FROM)
            except InvalidVersion:
                return "its `version_base` is no version", None
            value = None if stays else "."
            self.folder_is_named = False
        if value is None:
            return "", None
        text = value.text if isinstance(value, FilePath) else value
        if (isinstance(text, str) and text.endswith((".yaml", ".yml"))) or "strict" in main.options:
            return "`@hydra.main` is used as Hydra 0.11 had it, and gonogo composes with Hydra 1.3", None
        if isinstance(text, str) and text.startswith("pkg://"):
            return self._package_folder(text.removeprefix("pkg://").replace(".", "/"))
        folder = self._folder_beside(main.function.module, value)
        return ("", folder) if folder is not None else ("its `config_path` is computed, or leads out of the project", None)

    def _package_folder(self, path: str) -> tuple[str, str | None]:
        module = self.by_name.get(path.replace("/", "."))
        return ("", posixpath.dirname(module.path)) if module is not None else ("its `config_path` names a package outside", None)

    def _compose(self, folder: str | None, name: str | None, overrides: list[str], version: str | None, site: Site) -> Any:
        made = self.configs.compose_project(folder, name, overrides, version, self.store)
        refused = NO_MATCH.search(made.message)
        if refused is not None:
            # A group that is not in the defaults list is added, as the user would.
            added = [f"+{text}" if text.partition("=")[0] == refused[1] else text for text in overrides]
            if added != overrides:
                made = self.configs.compose_project(folder, name, added, version, self.store)
                made = made if made.ok else replace(made, unsure=f"nothing says that the group `{refused[1]}` is for this program")
        if not made.ok and folder is None and "rimary config" in made.message:
            made = replace(made, unsure="where its config is, only the command line says (`--config-path`, `--config-dir`)")
        if not made.ok and any(FILLER in text for text in overrides):
            made = replace(made, unsure="an override is computed")
        self.process.compositions.append((site, made))
        if made.config is None:
            return UNKNOWN
        root = build(made.config, ())
        root.struct = True
        root.open = root.open or name is None or "*" in made.swept  # whoever starts it names a config, or adds groups
        for key in made.swept:
            if key not in root.items and "." not in key:
                root.items[key] = UNKNOWN
        return root
