"""Lookup of the project's modules by the names under which they are imported.

A name is looked up from the root, from the importing file's own folder, and from a folder on the path.
"""

from __future__ import annotations

from collections.abc import Mapping

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.modules import Module


class Locator:
    """Finds the module of the project that an import means.

    Args:
        modules: every Python file, by path.
    """

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self._by_name = {module.name: module for module in modules.values()}
        self._by_end: dict[str, list[Module]] = {}
        for module in modules.values():
            parts = module.name.split(".")
            for start in range(1, len(parts)):
                self._by_end.setdefault(".".join(parts[start:]), []).append(module)
        self._found: dict[tuple[str, str], Module | None] = {}

    def find(self, importer: Module, dotted: str) -> Module | None:
        """Return the module that a file would import by a dotted name.

        None where it is not one of the project's, or where it may be several.
        """
        if not dotted:
            return None
        key = (importer.folder, dotted)
        if key not in self._found:
            self._found[key] = self._find(importer.folder, dotted)
        return self._found[key]

    def _find(self, folder: str, dotted: str) -> Module | None:
        while True:
            found = self._by_name.get(f"{folder}.{dotted}" if folder else dotted)
            if found is not None:
                return found
            if not folder:
                break
            folder = folder.rpartition(".")[0]
        ends = self._by_end.get(dotted, [])
        return ends[0] if len(ends) == 1 and self._may_be_on_the_path(dotted) else None

    def _may_be_on_the_path(self, dotted: str) -> bool:
        """Whether a name that only a folder deeper down has is not more likely a library's."""
        return "." in dotted or dotted.lower() not in _LIBRARIES


_LIBRARIES = words(
    """
    torch numpy pandas sklearn datasets transformers evaluate tensorflow keras jax scipy wandb random types logging copy queue time
    math data test tokenize statistics timm optuna peft accelerate
    """
)
