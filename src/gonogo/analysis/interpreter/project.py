"""Walking the entry points of a project whose runs no contract documents."""

from __future__ import annotations

import ast
import json
import math
import posixpath
import re
from collections.abc import Callable, Iterable
from collections.abc import Sequence as PlainSequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FolderPath
from typing import Any, Protocol

from packaging.version import InvalidVersion, Version

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Process, Value
from gonogo.analysis.interpreter.composing import UNSPECIFIED_VERSION, ConfigSource, config_of, folder_beside, text_option
from gonogo.analysis.interpreter.interpreter import Interpreter
from gonogo.analysis.interpreter.library.config_store import Store, fill_typed, store_of
from gonogo.analysis.interpreter.library.registry import load_library
from gonogo.analysis.interpreter.markers import FILLER, OPEN
from gonogo.analysis.interpreter.modules import Program
from gonogo.analysis.interpreter.processes import Composed, GaveUp, NoChildren, Started, filled
from gonogo.analysis.interpreter.sentinels import ABSENT, NOT_KNOWN
from gonogo.analysis.interpreter.state import MAX_STEPS, ExhaustedError, Site
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.traces import trace_of
from gonogo.analysis.interpreter.values.config_node import ConfigNode
from gonogo.analysis.interpreter.values.hydra_main import HydraMain
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Module
from gonogo.compose.client import Composer, Composition, Interpolation, Project, keys_of
from gonogo.compose.command_line import CommandLine
from gonogo.model.errors import StageError

STORE_FOLDER = ".gonogo-store"
NO_DEFAULT_PATH_FROM = Version("1.2")
LIBRARIES = frozenset({"hydra", "omegaconf"})
MANDATORY = re.compile(r"You must specify '([^']+)'")
NOT_FOUND = re.compile(r"Could not (?:find|load) '([^']+)'")
NO_FOLDER = "Primary config directory not found"
NO_PRIMARY = re.compile(r"Cannot find primary config '([^']+)'")
NO_MATCH = re.compile(r"Could not override '([^']+)'\. No match in the defaults list")


class Doubts(Protocol):
    """What speaks against a failure to compose; see `gonogo.analysis.project.hydra_doubts`."""

    @property
    def always(self) -> str:
        """Why no failure counts; empty if nothing speaks for that."""

    def of_missing(self, config: str, has_group: bool) -> str:
        """Why a config that is not among the files may still be found; empty if nothing speaks for that."""

    def of_absent(self, path: str, is_folder: bool) -> str:
        """Return why something that is not in the tree may exist for whoever runs the project.

        Empty if nothing suggests that.
        """


class ProjectSource(ConfigSource):
    """Composes for a project of any shape; each thing once.

    Args:
        composer: the child process.
        root: the folder with the project's files.
        roots: folders, relative to it, that its packages are imported from.
        doubts: why Hydra here may not say what it says where the project is at home.
    """

    def __init__(self, composer: Composer, root: FolderPath, roots: PlainSequence[str], doubts: Doubts) -> None:
        super().__init__(composer, root)
        self._roots = tuple(root / folder for folder in roots)
        self._doubts = doubts
        self._stores: dict[str, FolderPath] = {}

    def compose_project(
        self,
        folder: str | None,
        name: str | None,
        overrides: Iterable[str],
        version: str | None,
        store: Store,
        beside: str | None = None,
    ) -> Composition:
        """Compose a config together with what the code keeps in Hydra's store.

        A failure that may not be the project's fault is `unsure`.

        Args:
            folder: the config folder, relative to the root.
            name: of the primary config.
            overrides: as they are given.
            version: `version_base`.
            store: what the code keeps in Hydra's store.
            beside: what `--config-dir` names, relative to the root.
        """
        kept = self._kept(store)
        key = (folder, name, tuple(overrides), version, kept, beside)
        if key not in self._done:
            project = Project(self._root, self._roots, kept, (self._root / beside,) if beside is not None else ())
            path = self._root / folder if folder is not None else None
            try:
                made = self._composer.compose(path, name, key[2], version, folder or "", project)
            except StageError as error:
                made = Composition(folder or "", name, key[2], error="StageError", message=str(error), unsure=str(error))
            self._done[key] = self._completed(made, store) if made.ok else self._doubted(made, store)
        return self._done[key]

    def sweep(self, overrides: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The single runs of a multirun; see `Composer.sweep`."""
        return self._composer.sweep(overrides) if any("," in text or "(" in text for text in overrides) else [overrides]

    def has_folder(self, path: str) -> bool:
        """Whether the project has a folder, by its path relative to the root."""
        return (self._root / path).is_dir()

    def folders_with(self, end: str, name: str) -> list[str]:
        """The folders of the project whose path ends in a way, and that hold a file of a name."""
        found = (path.parent.relative_to(self._root).as_posix() for path in self._root.rglob(name) if path.is_file())
        return [folder for folder in found if f"/{folder}".endswith(f"/{end}")]

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
        reason = made.unsure or self._doubts.always or store.doubt
        missing = NOT_FOUND.search(made.message)
        if missing is not None and not reason:
            group = missing[1].rpartition("/")[0]
            has_group = any(config.group == group for config in store.configs) or self.has_folder(posixpath.join(made.config_path, group))
            reason = self._doubts.of_missing(missing[1], bool(group) and has_group)
        reason = reason or self._left_out(made)
        if asked is not None:
            reason = f"it asks for a choice of `{asked[1]}` on the command line: give it after the entry point's name, with --entry"
        elif "interpolation" in made.message.lower():
            reason = reason or "an interpolation in it needs what only the command line or a resolver gives"
        elif FILLER in made.message or OPEN in made.message:
            reason = reason or "a config in the code holds a value that its source does not tell"
        return replace(made, unsure=reason)

    def _left_out(self, made: Composition) -> str:
        """Return why something that Hydra does not find may exist for whoever runs the project.

        Empty if nothing suggests that.
        """
        if NO_FOLDER in made.message:
            return self._doubts.of_absent(posixpath.normpath(made.config_path), is_folder=True)
        missing = NOT_FOUND.search(made.message) or NO_PRIMARY.search(made.message)
        name = missing[1].removesuffix(".yaml") if missing is not None else ""
        return self._doubts.of_absent(posixpath.normpath(f"{made.config_path}/{name}.yaml"), is_folder=False) if name else ""

    def _completed(self, made: Composition, store: Store) -> Composition:
        """Return the config with what types add to it.

        Broken interpolations that may find something in an open place are left out.
        """
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
    references = [keys_of(reference, entry.path) for reference in entry.references] or [()]
    return replace(entry, status="unknown") if any(_may_be_there(config, keys) for keys in references) else entry


def _may_be_there(config: dict[str, Any], keys: PlainSequence[str]) -> bool:
    """Return whether a reference may find something.

    It may if it goes into an open mapping, or below a null or a mandatory value.
    """
    if keys[:1] == ("hydra",):
        return True
    value: Any = config
    for key in keys:
        if not isinstance(value, dict):
            return True
        if key not in value:
            return OPEN in value
        value = value[key]
    return True  # it is there: something it refers to in turn is not, and is reported itself


@dataclass(frozen=True)
class EntryPoint:
    """One start of a project.

    Attributes:
        name: what the run is called.
        module: the entry point's module.
        function: the function under `@hydra.main`; None where the module composes by itself.
        line: its command line.
        is_open: the command line has other words, of which nothing is known.
        is_shown: somebody starts it just so; else the overrides were chosen here.
        is_alone: no other program has its config folder, so the groups in it are for this one.
        only_compose: don't walk the code that gets the config.
    """

    name: str
    module: Module
    function: ast.AST | None
    line: CommandLine = field(default_factory=CommandLine)
    is_open: bool = False
    is_shown: bool = True
    is_alone: bool = False
    only_compose: bool = False


class EntryHydra:
    """Composes for an entry point: only for the function that the run is about, and once.

    Attributes:
        started: whether that function was reached.
        where: the folder and the name of the primary config, once they are known.
        named_folder: the folder alone, where the name is not known.
        folder_is_named: whether `@hydra.main` says where the configs are.
    """

    def __init__(self, walk: Interpreter, configs: ProjectSource, entry: EntryPoint) -> None:
        self._walk = walk
        self._configs = configs
        self._entry = entry
        self.started = False
        self.folder_is_named = True
        self.where: tuple[str | None, str | None] | None = None
        self.named_folder: str | None = None
        self._beside: str | None = None  # what `--config-dir` names

    def start(self, main: Value, at: ast.AST) -> Value:
        """Call a function under `@hydra.main`."""
        assert isinstance(main, HydraMain)
        if self.started or main.function.node is not self._entry.function:
            return UNKNOWN
        self.started = True
        line = self._entry.line
        reason, folder = self._config_folder(main)
        name, version = text_option(main, "config_name", None), text_option(main, "version_base", UNSPECIFIED_VERSION)
        name = line.config_name if line.config_name is not None else name
        self.named_folder = folder
        if name is NOT_KNOWN or version is NOT_KNOWN or FILLER in (name or ""):
            return self._give_up("what `@hydra.main` is given is computed")
        if line.config_dir is not None:
            self._beside = self._folder_of_command(line.config_dir, main)
            reason = reason if self._beside is not None else "its `--config-dir` is not in the project"
        if reason:
            return self._give_up(reason)
        self.where = (folder if folder is not None else self._beside, name)
        config = self._composed(folder, name, list(line.overrides), version, Site(main.function.module, main.node))
        if not isinstance(config, ConfigNode) or self._entry.only_compose:
            return self._give_up("the code was not followed")
        return main.function.call(self._walk, Arguments([config]), at)

    def compose(self, given: Arguments, at: ast.AST) -> Value:
        """`hydra.compose(config_name, overrides=…)`."""
        folder, name, words = self._walk.process.folder, given.get(0, "config_name").constant(), given.get(1, "overrides", Sequence())
        if folder is None or not isinstance(name, str) or not isinstance(words, Sequence) or words.open:
            return UNKNOWN
        if any(word.unknown for word in words.values):
            return UNKNOWN
        return self._composed(folder, name, [filled(word) for word in words.values], None, self._walk.state.site(at))

    def folder_given(self, given: Arguments) -> str | None:
        """The folder that `hydra.initialize` was given, relative to the project's root."""
        return folder_beside(self._walk.state.module, given.get(0, "config_path", given.get(0, "config_dir")))

    def _give_up(self, reason: str) -> Value:
        self._walk.state.record(GaveUp(reason))
        return UNKNOWN

    def _config_folder(self, main: HydraMain) -> tuple[str, str | None]:
        """Why the config folder is not known (empty if it is), and the folder, None for none."""
        value: Value = main.options.get("config_path", Scalar("."))
        if self._entry.line.config_path is not None:
            value = Scalar(self._entry.line.config_path)
            if FILLER in self._entry.line.config_path:
                return "its `--config-path` is not told", None
        elif "config_path" not in main.options:
            version = main.options["version_base"].constant() if "version_base" in main.options else ""
            try:
                stays = version != "" and (not isinstance(version, str) or Version(version) >= NO_DEFAULT_PATH_FROM)
            except InvalidVersion:
                return "its `version_base` is no version", None
            self.folder_is_named = False
            if stays:
                return "", None
        if value.is_none():
            return "", None
        text = value.path_text()
        if (isinstance(text, str) and text.endswith((".yaml", ".yml"))) or "strict" in main.options:
            return "`@hydra.main` is used as Hydra 0.11 had it, and gonogo composes with Hydra 1.3", None
        if isinstance(text, str) and text.startswith("pkg://"):
            return self._package_folder(text.removeprefix("pkg://").replace(".", "/"))
        folder = folder_beside(main.function.module, value) or (self._folder_by_its_end(main) if text is None else None)
        return ("", folder) if folder is not None else ("its `config_path` is computed, or leads out of the project", None)

    def _folder_by_its_end(self, main: HydraMain) -> str | None:
        """Return the only folder that a computed config path can stand for, or None.

        An example is `ROOT / "conf"` with a root from the environment. None if several folders fit.
        """
        name = main.options["config_name"].constant() if "config_name" in main.options else None
        given = main.node.keywords if isinstance(main.node, ast.Call) else []
        paths = [keyword.value for keyword in given if keyword.arg == "config_path"]
        ends = [node.value for path in paths for node in ast.walk(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        end = ends[0].strip("/") if len(ends) == 1 else ""
        if not isinstance(name, str) or not end or end.startswith("."):
            return None
        found = self._configs.folders_with(end, name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
        return found[0] if len(found) == 1 else None

    def _folder_of_command(self, text: str, main: HydraMain) -> str | None:
        """Return the folder that a path on the command line stands for.

        It is looked up from the folders in which programs are often started. None if it is not in the project.
        """
        beside = posixpath.dirname(main.function.module.path)
        paths = [posixpath.normpath(posixpath.join(folder, text)) for folder in ("", beside, posixpath.dirname(beside))]
        inside = [path for path in paths if not path.startswith(("..", "/")) and FILLER not in path]
        return next((path for path in inside if self._configs.has_folder(path)), None)

    def _package_folder(self, path: str) -> tuple[str, str | None]:
        module = self._walk.program.by_name.get(path.replace("/", "."))
        return ("", posixpath.dirname(module.path)) if module is not None else ("its `config_path` names a package outside", None)

    def _composed(self, folder: str | None, name: str | None, overrides: list[str], version: str | None, site: Site) -> Value:
        walk, memory = self._walk, self._walk.memory
        made = self._made(folder, name, overrides, version)
        walk.state.record(Composed(walk.process, site, made))
        if made.config is None:
            return UNKNOWN
        root, _ = config_of(walk, {memory.now: made})
        if isinstance(root, ConfigNode):
            if name is None or "*" in made.swept or self._entry.is_open:  # whoever starts it names a config, or adds groups
                memory.set(root, "open", True)
            for key in made.swept:
                if root.items.look(key) is ABSENT and "." not in key:
                    memory.put(root.items, key, UNKNOWN)
        return root

    def _made(self, folder: str | None, name: str | None, overrides: list[str], version: str | None) -> Composition:
        """What Hydra makes of it; a failure that may not be the project's fault is `unsure`."""
        store, beside = store_of(self._walk), self._beside
        made = self._configs.compose_project(folder, name, overrides, version, store, beside)
        refused = NO_MATCH.search(made.message)
        if refused is not None and not self._entry.is_shown:
            # A group that is not in the defaults list is added, as the user would.
            added = [f"+{text}" if text.partition("=")[0] == refused[1] else text for text in overrides]
            if added != overrides:
                made = self._configs.compose_project(folder, name, added, version, store, beside)
                if not made.ok and not self._entry.is_alone:
                    made = replace(made, unsure=f"nothing says that the group `{refused[1]}` is for this program")
        if not made.ok and folder is None and "rimary config" in made.message:
            made = replace(made, unsure="where its config is, only the command line says (`--config-path`, `--config-dir`)")
        if not made.ok and (self._entry.is_open or any(FILLER in text for text in overrides)):
            made = replace(made, unsure="an override is computed")
        return made


class ProjectInterpreter:
    """Walks one entry point of a project.

    Args:
        modules: every module, by path.
        texts: the text of a file by path, None if there is none.
        configs: composes.
        entry: the entry point.
        roots: folders that packages are imported from.

    Attributes:
        trace: what was seen, once it has been walked.
        hydra: what is known of the config's whereabouts.
    """

    def __init__(
        self,
        modules: dict[str, Module],
        texts: Callable[[str], str | None],
        configs: ProjectSource,
        entry: EntryPoint,
        roots: PlainSequence[str],
    ) -> None:
        self.entry = entry
        self.trace = Trace(entry.name, "run")
        aliases: dict[str, Module] = {}
        for root in [posixpath.dirname(entry.module.path), *roots]:
            prefix = root.replace("/", ".") + "."
            for other in modules.values():
                if root and other.name.startswith(prefix):
                    aliases.setdefault(other.name.removeprefix(prefix), other)
        # Where these libraries are themselves in the tree, what they do is known better than from their source.
        program = Program(modules.values(), texts, aliases, hidden=LIBRARIES)
        # Where no one documents the runs, code that a condition may skip is for other runs than this.
        self._walk = Interpreter(
            program, load_library(), 1, lambda walk: EntryHydra(walk, configs, entry), lambda _: NoChildren(), doubts_branches=True
        )
        hydra = self._walk.hydra
        assert isinstance(hydra, EntryHydra)
        self.hydra = hydra

    @property
    def steps(self) -> int:
        """How many syntax nodes were looked at."""
        return self._walk.state.steps

    def walk(self) -> None:
        """Walk the module as a program, and then the function if the module itself does not call it."""
        entry, walk, state = self.entry, self._walk, self._walk.state
        process = Process(entry.module.name, Sequence(map(Scalar, (entry.module.path, *entry.line.words()))))
        state.record(Started(process, entry.line.overrides))
        try:
            walk.run_process(entry.module, process, self._start_function)
        except ExhaustedError:
            state.record(GaveUp(f"more than {MAX_STEPS} steps"))
        except RecursionError:
            state.record(GaveUp("calls nested too deeply"))
        self.trace = trace_of(state, 0, entry.name, "run")

    def _start_function(self) -> None:
        main = self._walk.modules.globals_of(self.entry.module).look(getattr(self.entry.function, "name", ""))
        if not self.hydra.started and isinstance(main, HydraMain):
            main.call(self._walk, Arguments(), main.node)
