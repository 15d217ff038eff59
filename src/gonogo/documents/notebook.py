"""Jupyter notebooks as Python text: code cells in order, without what only IPython understands."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

MAX_CELLS = 5_000
# Cell magics whose body is Python all the same.
_AROUND_PYTHON = frozenset({"time", "timeit", "capture", "prun", "memit", "mprun", "snakeviz", "wandb", "heat", "scalene"})
# Those whose body is no code of the notebook's: another language, a file, another process.
_ELSEWHERE = frozenset(
    {"bash", "sh", "script", "cmd", "system", "sx", "!", "writefile", "writetemplate", "file", "html", "HTML", "javascript", "js", "latex",
     "markdown", "svg", "SVG", "perl", "ruby", "R", "sql", "bigquery", "python", "python2", "python3", "pypy", "cpp", "cu", "julia"}
)  # fmt: skip
_LINE = re.compile(r"^(?P<indent>[ \t]*)(?:%{1,2}|!{1,2}|\?{1,2}|(?:cd|ls|ll|cat|cp|mv|rm|mkdir|pip|conda)[ \t]+[\w./~-])")
# A cell of one line that begins with such a word is a command, though it may read like a division or a difference: `cat /data/x.json`.
_AUTOMATIC = re.compile(r"(cd|ls|ll|cat|cp|mv|rm|rmdir|mkdir|less|more|man|head|tail|pip|conda)[ \t]+[/~.-][/\w.~-][^\n]*")
_BOUND = re.compile(r"\b\w+(?=[ \t]*=(?!=))|(?<=import )\w+|(?<=as )\w+|(?<=for )\w+|(?<=def )\w+")
_TIMED = re.compile(r"^(?P<indent>[ \t]*)%(?:time|timeit|prun|memit)\s+(?!-)(?P<rest>.+)$")
UNKNOWN = "from __main__ import *"  # stands for what binds names, nobody knows which
_LOADS = re.compile(r"^[ \t]*%load_ext[ \t]+(\w+)", re.MULTILINE)
_BINDS = re.compile(r"^%(?:pylab|run|store\s+-r|load_ext\s+sql|reload)\b")
_ASSIGNED = re.compile(r"(?P<head>[ \t]*+[\w.,\[\]'\" ]++=\s*+)[!%](?!=).*$")
_HELP = re.compile(r"^(?P<indent>[ \t]*)[\w.]+\?{1,2}\s*$")


class NotebookError(ValueError):
    """A file that is no notebook; the text says why, a clause without its subject."""


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        number: its place among all cells, from 1.
        source: as it is written.
        first: the line of the notebook's text that it begins on, from 1.
        executed: the number that Jupyter gave its last run, None where it has none.
        fault: why it does not parse, empty if it does; then the text only says that it may bind any name.
        fault_line: where, within the cell.
    """

    number: int
    source: str
    first: int
    executed: int | None
    fault: str = ""
    fault_line: int = 1


@dataclass(frozen=True)
class Notebook:
    """The code of a notebook.

    Attributes:
        text: its code cells one after the other, as Python; each line of a cell is one line of it.
        cells: its code cells.
    """

    text: str
    cells: tuple[Cell, ...]

    def cell_at(self, line: int) -> Cell | None:
        """The cell that a line of the text belongs to."""
        place = bisect_right([cell.first for cell in self.cells], line) - 1
        return self.cells[place] if place >= 0 else None


def read_notebook(text: str) -> Notebook:
    """Read a notebook of any version of the format.

    Args:
        text: the JSON that the file holds.

    Raises:
        NotebookError: it is no notebook, or none of Python 3.
    """
    import nbformat  # only where there is a notebook: it takes a tenth of the time in which gonogo starts

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cells without ids and the like: an affair of editors
            found = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat lets through whatever its parsers and converters raise
        raise NotebookError(f"is no notebook: {str(error).partition(chr(10))[0][:200] or type(error).__name__}") from error
    language = found.metadata.get("language_info", {})
    kernel = str(found.metadata.get("kernelspec", {}).get("language", "python")).lower()
    if str(language.get("name", kernel)).lower() not in ("python", "ipython"):
        raise NotebookError(f"is a notebook of {language.get('name', kernel)}")
    # Some services write the version of a template: the kernel's name counts, too.
    if str(language.get("version", "3")).startswith("2") and "3" not in str(found.metadata.get("kernelspec", {}).get("name", "")):
        raise NotebookError("is a notebook of Python 2")
    return _joined([(number, cell) for number, cell in enumerate(found.cells, 1) if cell.cell_type == "code"][:MAX_CELLS])


def _joined(listed: list[tuple[int, NotebookNode]]) -> Notebook:
    lines: list[str] = []
    cells: list[Cell] = []
    loaded = {name for _, entry in listed for name in _LOADS.findall(str(entry.source))}
    bound = {name for _, entry in listed for name in _BOUND.findall(str(entry.source))}
    for number, entry in listed:
        source = str(entry.source).replace("\r\n", "\n").replace("\r", "\n")
        code = as_python(source, loaded, bound)
        fault, line = _fault(code)
        executed = entry.get("execution_count")
        cells.append(Cell(number, source, len(lines) + 1, executed if isinstance(executed, int) else None, fault, line))
        own = code.split("\n")
        lines += [UNKNOWN, *[""] * (len(own) - 1)] if fault else own
        lines.append("")  # a cell ends its last statement
    return Notebook("\n".join(lines) + "\n" if lines else "", tuple(cells))


def as_python(source: str, loaded: Collection[str] = (), bound: Collection[str] = ()) -> str:
    """Convert a notebook cell to Python.

    Magics, shell lines and help requests become `pass`; the lines keep their places.

    Args:
        source: of the cell.
        loaded: extensions that the notebook loads, whose magics need no `%`.
        bound: names of commands that the notebook gives to something of its own.
    """
    for name in ("ls", "ll", "pwd", "who", "whos", *loaded):  # `watermark -iv` reads like a difference, `ls` like a name
        source = re.sub(rf"^{name}(?: -.*)?$", "pass", source, flags=re.MULTILINE)
    command = _AUTOMATIC.fullmatch(source.strip())
    if command is not None and command[1] not in bound:
        return "pass" + "\n" * source.count("\n")
    if _fault(source)[0] == "":
        return source
    lines = source.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")), 0)
    if lines[first].startswith("%%"):
        name, *words = lines[first][2:].split() or [""]
        if name not in _AROUND_PYTHON:
            return _bindings(name, "\n".join(lines[first + 1 :])) + "\n" * (len(lines) - 1)
        kept = [word for word in words if word.isidentifier()] if name == "capture" else []
        lines[first] = "".join(f"{word} = None; " for word in kept[:1]).rstrip("; ")
    found: list[str] = []
    goes_on = False
    for line in lines:
        if goes_on:
            goes_on, line = line.rstrip().endswith("\\"), ""
        elif _BINDS.match(line):
            line = UNKNOWN
        elif (timed := _TIMED.match(line)) is not None:
            line = timed["indent"] + timed["rest"]
        elif (special := _LINE.match(line) or _HELP.match(line)) is not None:
            goes_on, line = line.rstrip().endswith("\\"), f"{special['indent']}pass"
        elif (assigned := _ASSIGNED.match(line)) is not None:
            goes_on, line = line.rstrip().endswith("\\"), f"{assigned['head']}None"
        found.append(line)
    return "\n".join(found)


def _bindings(magic: str, body: str) -> str:
    """Return the names that a cell under another's magic may bind, as one line.

    `%%backend jax` runs Python, on one backend or the other.
    """
    if magic in _ELSEWHERE or _fault(body)[0]:
        return ""
    names = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.parse(body).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names if alias.name != "*"}
    return f"from __main__ import {', '.join(sorted(names))}" if names else ""


def _fault(code: str) -> tuple[str, int]:
    """Why code does not parse, and on which line; an empty text if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return error.msg or "invalid syntax", error.lineno or 1
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or "nested too deeply to be parsed", 1
    return "", 1
