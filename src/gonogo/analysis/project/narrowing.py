"""One program of a project: its file, and the project's files that it may come to."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gonogo.analysis.project.entries import entry_words
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import text_of
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment

_WORD = re.compile(r"\w+")
_FINDS = re.compile(r"import_module|__import__|pkgutil|\b(?:glob|listdir|iterdir|walk|exec|eval|subprocess|runpy|system|Popen)\b")
_CODE = (".py", ".ipynb")
_MOST_TEXT = 200  # characters of a text that may name a module


def narrowed(experiment: Experiment, programs: Iterable[str]) -> Experiment:
    """An experiment with only the code that some of its programs may come to.

    A file belongs to it where its name is a part of an import or stands in a text of code that belongs to it; where such code finds
    modules by computed names, all of a folder whose name it has. Files that are no code all stay.

    Args:
        experiment: the whole project.
        programs: entry points: paths of Python files or notebooks in it, quoted as for a shell; what stands behind a path is left out.

    Raises:
        UsageError: one can't be read, or is not there.
    """
    reached = {entry_words(program)[0].removeprefix("./") for program in programs}
    for path in sorted(reached):
        if path not in experiment.files or not path.endswith(_CODE):
            raise UsageError(f"There is no program {path} in {experiment.name}: give the path of a Python file or a notebook in it.")
    by_stem: dict[str, list[str]] = {}
    by_folder: dict[str, list[str]] = {}
    for path in experiment.files:
        if path.endswith(".py"):
            folder, stem = posixpath.split(path.removesuffix(".py"))
            by_stem.setdefault(posixpath.basename(folder) if stem == "__init__" else stem, []).append(path)
            by_folder.setdefault(posixpath.basename(folder), []).append(path)
    pending = list(reached)
    while pending:
        path = pending.pop()
        words = set(_words(experiment, path))
        places = [by_stem, by_folder] if _FINDS.search(experiment.text(path) or "") else [by_stem]
        found = {other for place in places for word in words for other in place.get(word, ())} - reached
        reached |= found
        pending += found
    files = {path: file for path, file in experiment.files.items() if path in reached or not path.endswith(_CODE)}
    return replace(experiment, files=files)


def _words(experiment: Experiment, path: str) -> Iterator[str]:
    """The parts of what a file imports, and the words of its short texts."""
    module = Module(path, experiment.text(path) or "")
    for node in module.of(ast.Import, ast.ImportFrom):
        for alias in node.names:
            yield from alias.name.split(".")
        if isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            if node.level:  # `from . import x` runs the packages above, too
                yield from posixpath.dirname(path).split("/")
    for constant in module.of(ast.Constant):
        text = text_of(constant)
        if text is not None and len(text) <= _MOST_TEXT:
            yield from _WORD.findall(text)
