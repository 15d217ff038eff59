"""Functions under `@hydra.main`, with what the decorator was told, as far as the text says it."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from gonogo.analysis.python.modules import Function, Module
from gonogo.analysis.python.names import calls, functions, has_open_keywords, origin
from gonogo.model.experiment import Experiment

PARAMETERS = ("config_path", "config_name", "version_base")
# Before this version_base, Hydra changes into the folder of the job unless told not to.
STAYS_FROM = Version("1.2")


class Unknown:
    """The value of an option that only running the code would tell."""


UNKNOWN = Unknown()
Option = str | None | Unknown


@dataclass(frozen=True)
class HydraMain:
    """One use of `hydra.main`.

    Attributes:
        node: the decorator, or the call.
        function: the function it decorates; None where it is called by hand.
        options: what was given; what was not given is not in here.
    """

    module: Module
    node: ast.expr
    function: Function | None
    options: Mapping[str, Option]

    @property
    def folder(self) -> str | None:
        """The config folder, relative to the experiment's root; None if not known, outside, or not given."""
        folder = self._relative_folder
        return None if folder is None or self.leads_out else folder

    @property
    def leads_out(self) -> bool:
        """Whether the config folder surely lies outside the experiment."""
        folder = self._relative_folder
        return folder is not None and folder.split("/")[0] == ".."

    @property
    def _relative_folder(self) -> str | None:
        """Return the config folder by its path from the experiment's root.

        None if it is not known, or if it is not a relative path.
        """
        value = self.options.get("config_path", UNKNOWN)
        if not isinstance(value, str) or "://" in value or value.startswith(("/", "~")):
            return None
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.module.path), value))

    @property
    def config_file(self) -> str | None:
        """The primary config's path, None if not known."""
        name = self.options.get("config_name")
        if self.folder is None or not isinstance(name, str):
            return None
        return posixpath.join(self.folder, name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")

    def changes_directory(self, experiment: Experiment) -> bool | None:
        """Whether Hydra runs the function in the job's own folder; None if that is not plain."""
        version = self.options.get("version_base", "1.1")
        if isinstance(version, Unknown):
            return None
        config: object = None
        if "config_name" in self.options:
            document = experiment.yaml(self.config_file or "")
            if self.config_file not in experiment.files or document.error is not None:
                return None
            config = document.get(("hydra", "job", "chdir"))
            folder = document.get(("hydra", "run", "dir"))
            if isinstance(folder, str) and (posixpath.normpath(folder) == "." or "runtime.cwd" in folder):
                return None
        if config is not None:
            return config if isinstance(config, bool) else None
        try:
            return version is not None and Version(version) < STAYS_FROM
        except InvalidVersion:
            return None


def hydra_mains(module: Module) -> Iterator[HydraMain]:
    """Every use of `hydra.main` in a module."""
    decorated = set()
    for function in functions(module):
        for decorator in function.decorator_list:
            callee = decorator.func if isinstance(decorator, ast.Call) else decorator
            if origin(module, callee) == "hydra.main":
                decorated.add(decorator)
                yield HydraMain(module, decorator, function, _options(module, decorator))
    for call in calls(module):
        if call not in decorated and origin(module, call.func) == "hydra.main":
            yield HydraMain(module, call, None, _options(module, call))


def config_folders(modules: Mapping[str, Module]) -> tuple[str, ...]:
    """The folders that Hydra reads, as far as the text says, each with a slash at its end."""
    folders = {main.folder for module in modules.values() if "hydra" in module.text for main in hydra_mains(module)}
    return tuple(f"{folder}/" for folder in folders if folder not in (None, "."))


def _options(module: Module, node: ast.expr) -> dict[str, Option]:
    if not isinstance(node, ast.Call):
        return {}
    if has_open_keywords(node):
        return dict.fromkeys(PARAMETERS, UNKNOWN)
    given = dict(zip(PARAMETERS, node.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    return {name: _value(module, value) for name, value in given.items()}


def _value(module: Module, node: ast.expr) -> Option:
    if isinstance(node, ast.Name):
        bound = module.assigned.get(node.id, [])
        node = bound[0] if len(bound) == 1 else node
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
        return node.value
    return UNKNOWN
