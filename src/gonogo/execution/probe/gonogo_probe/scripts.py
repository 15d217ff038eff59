"""A program that is started by its path.

Its loops are watched like those of the modules that it imports.

Python compiles the file of `python train.py` by itself, past all importers, unless an entry of `sys.path_hooks` takes the file for an
archive with a `__main__` module, as it does with a ZIP file. That is what is done here for files of the experiment; the module is
then left as Python would have made it.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
from types import CodeType, ModuleType

from . import hooks, loops, places

MAIN = "__main__"


def start() -> None:
    """Take the file that this process was started for, if it is one of the experiment's."""
    if hooks.transform is not None:
        sys.path_hooks.insert(0, _Script)


class _Script:
    """The importer of the one module that a script is.

    Args:
        path: an entry of `sys.path`, or the file that Python was started with.

    Raises:
        ImportError: it is no such file.
    """

    def __init__(self, path: str) -> None:
        if not path.endswith(".py") or places.relative(path) is None or not os.path.isfile(path) or path in sys.path:
            raise ImportError(path)
        sys.path_hooks.remove(_Script)  # what the program puts into `sys.path` is none of ours
        self._path = path

    def find_spec(self, name: str, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        """How the script is loaded; nothing for any other module."""
        if name != MAIN:
            return None
        _restore_path(self._path)
        return importlib.util.spec_from_file_location(name, self._path, loader=_Loader(name, self._path))


def _restore_path(script: str) -> None:
    """Have the folder of the script first in `sys.path`, where Python put the script itself."""
    sys.path_importer_cache.pop(script, None)
    if sys.path[:1] == [script]:
        if getattr(sys.flags, "safe_path", False):
            del sys.path[0]
        else:
            sys.path[0] = os.path.dirname(os.path.realpath(script))


class _Loader(hooks.OwnLoader):
    """Loads a script like any other module of the experiment.

    It leaves it as Python leaves a script: without a spec.
    """

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the script."""
        loops.changes.append(_forget_spec)
        try:
            return super().get_code(fullname)
        finally:
            loops.changes.remove(_forget_spec)


def _forget_spec(tree: ast.Module, _: str) -> None:
    """Insert `__spec__ = None` and the like at the start of the module.

    It comes after the docstring and the imports from `__future__`.
    """
    position = 0
    for number, statement in enumerate(tree.body):
        is_text = number == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            position = number + 1
    tree.body[position:position] = ast.parse("__spec__ = __cached__ = __package__ = None").body
