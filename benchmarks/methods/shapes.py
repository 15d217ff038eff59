"""Shapes that a program may have: one script, functions with argparse, a class, several files, a notebook."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.methods.trees import Base, Section

#: By name: the files of a base in that shape.
SHAPES: dict[str, Callable[[Base], dict[str, str]]] = {}
OWN = ("lightning", "hf trainer")  # shapes of bases that are written out whole


def _shape(name: str) -> Callable[[Callable[[Base], dict[str, str]]], Callable[[Base], dict[str, str]]]:
    def enter(function: Callable[[Base], dict[str, str]]) -> Callable[[Base], dict[str, str]]:
        SHAPES[name] = function
        return function

    return enter


def _indented(code: str, by: int) -> str:
    return "\n".join(" " * by + line if line.strip() else line for line in code.strip("\n").split("\n"))


def _head(base: Base) -> str:
    return f"{base.imports.strip()}\n\n\n{base.definitions.strip()}\n\n\n"


@_shape("script")
def script(base: Base) -> dict[str, str]:
    """Everything at the top level, one step after the other."""
    return {"train.py": _head(base) + "\n".join(section.code.strip("\n") for section in base.sections) + "\n"}


@_shape("functions")
def functions(base: Base) -> dict[str, str]:
    """A function for each step, called by `main`, which reads the command line."""
    text = _head(base).replace("\n\n\n", "\nimport argparse\n\n\n", 1)
    for section in base.sections:
        text += _function(section) + "\n\n"
    return {"train.py": text + _main(base)}


def _function(section: Section) -> str:
    gives = f"\n    return {', '.join(section.gives)}" if section.gives else ""
    return f"def {section.name}({', '.join(section.takes)}):\n{_indented(section.code, 4)}{gives}\n"


def _main(base: Base) -> str:
    lines = ["def main():", "    parser = argparse.ArgumentParser()", '    parser.add_argument("--verbose", action="store_true")']
    lines += ["    args = parser.parse_args()", "    if args.verbose:", '        print("begins")']
    for section in base.sections:
        call = f"{section.name}({', '.join(section.takes)})"
        lines.append(f"    {', '.join(section.gives)} = {call}" if section.gives else f"    {call}")
    return "\n".join(lines) + '\n\n\nif __name__ == "__main__":\n    main()\n'


@_shape("class")
def trainer_class(base: Base) -> dict[str, str]:
    """A class that keeps everything in its attributes, with a method for each step."""
    shared = {name for section in base.sections for name in (*section.takes, *section.gives)}
    text = (
        _head(base)
        + 'class Experiment:\n    """All steps."""\n\n    def __init__(self, verbose=False):\n        self.verbose = verbose\n\n'
    )
    for section in base.sections:
        code = _with_self(section.code, shared)
        text += f"    def {section.name}(self):\n{_indented(code, 8)}\n\n"
    steps = "\n".join(f"        self.{section.name}()" for section in base.sections)
    text += f"    def run(self):\n{steps}\n"
    return {"train.py": text + '\n\nif __name__ == "__main__":\n    Experiment().run()\n'}


def _with_self(code: str, names: set[str]) -> str:
    """Names become attributes; keyword arguments, attributes and texts stay."""
    if not names:
        return code
    name = r"(?<![\w.])(" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + r")(?![\w])(?!=[^=])"
    pattern = re.compile(r"(f?\"[^\"\n]*\")|" + name)

    def replaced(match: re.Match[str]) -> str:
        text = match.group(1)
        if text is None:
            return f"self.{match.group(2)}"
        inside = re.compile(r"\{[^{}]*\}")
        return inside.sub(lambda part: re.sub(name, r"self.\1", part.group(0)), text) if text.startswith("f") else text

    return pattern.sub(replaced, code)


@_shape("files")
def files(base: Base) -> dict[str, str]:
    """The steps in a module of their own, called from `train.py`."""
    steps = _head(base) + "\n\n".join(_function(section) for section in base.sections)
    names = ", ".join(section.name for section in base.sections)
    return {"steps.py": steps, "train.py": f"import argparse\n\nfrom steps import {names}\n\n\n{_main(base)}"}


@_shape("notebook")
def notebook(base: Base) -> dict[str, str]:
    """Cells one after the other, with something shown at the end of each."""
    cells = [base.imports.strip(), base.definitions.strip()]
    cells += [section.code.strip("\n") + "".join(f"\nprint(type({name}))" for name in section.gives[:1]) for section in base.sections]
    return {"analysis.py": "\n\n".join(f"# %%\n{cell}" for cell in cells if cell) + "\n"}


def shapes_of(base: Base) -> dict[str, dict[str, str]]:
    """The files of a base in each shape that it can have."""
    if base.whole:
        return {base.shape: {"train.py": base.whole}}
    return {name: make(base) for name, make in SHAPES.items()}
