"""The experiment's code and files as the interpreter sees them.

Also the modules as each process imports them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from gonogo.analysis.interpreter.base import UNKNOWN, Frame, Names, Value, Walk
from gonogo.analysis.interpreter.language.blocks import ends_of
from gonogo.analysis.interpreter.markers import ROOT
from gonogo.analysis.interpreter.memory import Cells
from gonogo.analysis.interpreter.sentinels import ABSENT
from gonogo.analysis.interpreter.values.module import ModuleValue
from gonogo.analysis.interpreter.values.objects import Instance
from gonogo.analysis.interpreter.values.outside import seen
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.interpreter.values.varied import settled
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import names_that_grow

MAIN = "__main__"


class Program:
    """The code and the files of one experiment.

    Args:
        modules: every module.
        texts: the text of a file by path, None if there is none.
        aliases: further names under which modules are imported.
        hidden: packages that are taken for libraries although they are in the tree.
    """

    def __init__(
        self,
        modules: Iterable[Module],
        texts: Callable[[str], str | None],
        aliases: dict[str, Module] | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        named = {**(aliases or {}), **{module.name: module for module in modules}}
        self.by_name = {name: module for name, module in named.items() if name.partition(".")[0] not in hidden}
        self.packages = {"", *(name.rpartition(".")[0] for name in self.by_name)}
        self.text = texts

    @functools.cached_property
    def growing(self) -> set[str]:
        """Names of what gets new keys somewhere in the project, perhaps where no run is walked."""
        return names_that_grow(self.by_name.values())

    @functools.cached_property
    def roots(self) -> set[str]:
        """The names of modules and packages at the top."""
        return {name.partition(".")[0] for name in self.by_name}

    def file_text(self, path: str) -> str | None:
        """The text of a file by its path under `/@`."""
        return self.text(path.removeprefix(ROOT + "/")) if path.startswith(ROOT + "/") else None


class LoadedModules:
    """The modules that the walked process has imported."""

    def __init__(self, walk: Walk, program: Program) -> None:
        self._walk = walk
        self._program = program

    def load(self, module: Module, name: str) -> ModuleValue:
        """Walk a module's body under a name."""
        walk = self._walk
        start = {"__name__": Scalar(name), "__file__": Scalar(f"{ROOT}/{module.path}"), "__doc__": UNKNOWN}
        value = ModuleValue(module, start)
        walk.memory.put(walk.process.loaded, MAIN if name == MAIN else module.name, value)
        if module.tree is not None:
            with walk.state.within(module):
                ends_of(walk, module.tree.body, Frame(module, value.names, value.names))
        return value

    def _named(self, name: str) -> ModuleValue | None:
        """A module of the experiment, loaded at first use; None if it is not the experiment's."""
        here, known = self._walk.state.module, self._program.by_name
        start = "" if name in known else f"{here.folder}."
        module = known.get(start + name)
        if module is None:
            return None
        self._load_packages(start, name)
        loaded = self._loaded(MAIN)
        if loaded is not None and loaded.module is module and module is here:
            return loaded
        return self._loaded(module.name) or self.load(module, module.name)

    def _load_packages(self, start: str, name: str) -> None:
        """Load the packages that hold a module, outermost first, as Python does before the module itself."""
        parts = name.split(".")
        for count in range(1, len(parts)):
            package = self._program.by_name.get(start + ".".join(parts[:count]))
            if package is not None and package.is_package and self._loaded(package.name) is None:
                self.load(package, package.name)

    def _loaded(self, name: str) -> ModuleValue | None:
        found = settled(self._walk.process.loaded.look(name))
        return found if isinstance(found, ModuleValue) else None

    def globals_of(self, module: Module) -> Names:
        """The globals of a module in this process."""
        main = self._loaded(MAIN)
        if main is not None and main.module is module:
            return main.names
        loaded = self._loaded(module.name)
        return loaded.names if loaded is not None else Cells()

    def imported(self, name: str, whole: bool) -> Value:
        """What `import a.b` binds; `a.b` itself if it is renamed (`whole`)."""
        found = self._named(name)
        if found is not None and (whole or "." not in name):
            return found
        if found is not None:
            return Instance(None, {name.split(".", 1)[1]: found})
        return self._walk.outside(name if whole else name.partition(".")[0])

    def imported_name(self, module: str, name: str) -> Value:
        """What `from module import name` binds."""
        source = self._named(module)
        if source is not None:
            found = source.names.look(name)
            if found is not ABSENT:
                return found
            return (self._named(f"{source.module.name}.{name}") if source.module.is_package else None) or UNKNOWN
        dotted = f"{module}.{name}" if module else name
        inner = self._named(dotted) if module in self._program.packages else None
        return inner or seen(self._walk, self._walk.outside(dotted))

    def public_names(self, module: str) -> dict[str, Value]:
        """What `from module import *` binds."""
        source = self._named(module)
        return {name: value for name, value in source.names.pairs() if not name.startswith("_")} if source is not None else {}

    def is_ours(self, package: str) -> bool:
        """Whether the experiment has a module or package at the top under a name."""
        return not package or package in self._program.roots

    def is_left_out(self, dotted: str) -> bool:
        """Whether the experiment has a module of this name that the process has not imported."""
        module = self._program.by_name.get(dotted)
        return module is not None and self._loaded(MAIN if module.name == self._walk.process.module else module.name) is None
