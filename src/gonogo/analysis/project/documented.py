"""How the documents and scripts of a project start its programs.

Read are README and docs, shell and batch scripts, Makefile, CI, what editors launch, and the docstrings and comments of the programs.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.project.console_scripts import console_scripts
from gonogo.analysis.project.shell import logical_lines, split_commands
from gonogo.analysis.python.modules import Module
from gonogo.compose.command_line import CommandLine, CommandLineError, parse_command_line, takes_next_word
from gonogo.model.experiment import Experiment

PROSE = (".md", ".rst")
SCRIPTS = (".sh", ".bash", ".sbatch", ".slurm", ".job", "Makefile", "GNUmakefile", "justfile", "Justfile", "Dockerfile", "tox.ini")
WORKFLOWS = re.compile(r"(?:^|/)(?:\.github/workflows/|\.circleci/|\.gitlab-ci|azure-pipelines|\.travis)[^/]*\.?ya?ml$")
LAUNCHER = re.compile(
    r"[@!$-]{0,8}(?:.*/)?(?:i?python[\d.]*w?|torchrun|accelerate|deepspeed|composer|horovodrun|mpirun|srun|uv|poetry|pipenv|pdm|hatch)"
)
# Modules that start another program.
WRAPPERS = re.compile(
    r"torch\.distributed\.(?:launch|run)|torch_xla\..*|accelerate\..*|debugpy|pdb|i?pdb|cProfile|coverage|memory_profiler|kernprof|scalene|viztracer"
)
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OVERRIDE = re.compile(r"(?:\+{0,2}|~)[\w$.@/:-]+(?:\[[^\]]*\])?=|~[\w.@/]+$|-")
_GLOB = re.compile(r"=glob\(.*\)$")  # of the options of a group, as a reader's choice
_ELLIPSIS = re.compile(r"\[.*|\.\.\.|…|\.\.\..*")
_TAG = re.compile(r"</?(?:pre|code|kbd|tt|p|br|b)(?:\s[^<>]{0,80})?/?>")
_CODE = re.compile(r"</?(?:code|kbd|tt)>")  # what backticks are in Markdown
_TO_FILL_IN = re.compile(r"(?:^|=)[A-Z][A-Z_]{2,60}$|(?:^|[=/])[Pp]ath/to(?:/|$)|(?:^|=)(?:[Yy]our|YOUR|my)[_-]|(?:^|=)/path")
MOST_DOCUMENT = 400_000  # signs


@dataclass(frozen=True)
class Start:
    """One way to start a program that a document shows.

    Attributes:
        line: its command line; what is unknown of a word is the filler.
        is_open: there may be other words.
        path: the document.
        number: the line in it.
    """

    line: CommandLine
    is_open: bool
    path: str
    number: int


def documented_starts(
    experiment: Experiment, modules: Mapping[str, Module], programs: Mapping[str, frozenset[str]]
) -> dict[str, list[Start]]:
    """The starts that documents show, each kind once, by the path of the program's module.

    Args:
        experiment: the project.
        modules: every module, by path.
        programs: by the path of a module with a function under `@hydra.main`, the names of these functions.
    """
    finder = _Finder(experiment, modules, programs)
    found: dict[str, dict[tuple[CommandLine, bool], Start]] = {}
    for path, number, words in _command_lines(experiment, [modules[name] for name in programs]):
        program = finder.program(words, path)
        start = _start(program[1], path, number) if program is not None else None
        if program is not None and start is not None:
            found.setdefault(program[0], {}).setdefault((replace(start.line, places=()), start.is_open), start)
    return {path: list(starts.values()) for path, starts in found.items()}


@dataclass(frozen=True)
class ShownCommand:
    """One command of a document that starts a program.

    Attributes:
        words: behind the program's name; None where some are not known, or it is not started from the project's root.
        path: the document.
        number: the line in it.
    """

    words: tuple[str, ...] | None
    path: str
    number: int


def shown_commands(experiment: Experiment, modules: Mapping[str, Module], programs: Iterable[str]) -> dict[str, list[ShownCommand]]:
    """The commands that documents show, each once, by the path of the program's module.

    Args:
        experiment: the project.
        modules: every module, by path.
        programs: the paths of the modules that are programs.
    """
    wanted = {path: frozenset[str]() for path in programs}
    finder = _Finder(experiment, modules, wanted)
    found: dict[str, dict[tuple[str, ...] | None, ShownCommand]] = {}
    for path, number, words in _command_lines(experiment, [modules[name] for name in wanted]):
        program = finder.program(words, path)
        if program is not None:
            module, rest = program
            from_root = any(module in (posixpath.normpath(word), word.replace(".", "/") + ".py") for word in words)
            known = tuple(rest) if from_root and not any(_is_open(word) for word in rest) else None
            found.setdefault(module, {}).setdefault(known, ShownCommand(known, path, number))
    return {path: list(commands.values()) for path, commands in found.items()}


def _is_open(word: str) -> bool:
    """Whether a reader puts something of their own in the word's place."""
    return FILLER in word or _ELLIPSIS.fullmatch(word) is not None or _TO_FILL_IN.search(word) is not None


def documents(experiment: Experiment) -> Iterator[str]:
    """The texts that may say how programs are started, source files aside."""
    for path, file in sorted(experiment.files.items()):
        if file.text and (path.endswith((*PROSE, *SCRIPTS, "launch.json")) or WORKFLOWS.search(path)):
            yield file.text


def _start(words: Sequence[str], path: str, number: int) -> Start | None:
    """What is behind a program's name, None where Hydra would not run the program with it."""
    kept: list[str] = []
    is_open = False
    for word in words:
        is_value = bool(kept) and takes_next_word(kept[-1])
        if _ELLIPSIS.fullmatch(word) or (not is_value and FILLER in word.partition("=")[0]):
            is_open = True
        elif is_value or _OVERRIDE.match(word):
            kept.append(_GLOB.sub(f"={FILLER}", word))
        else:
            break  # the sentence goes on
    try:
        line = parse_command_line(kept)
    except CommandLineError:
        return None
    return Start(line, is_open, path, number) if line.runs and not line.rerun else None


class _Finder:
    """Knows which program a command line starts."""

    def __init__(self, experiment: Experiment, modules: Mapping[str, Module], programs: Mapping[str, frozenset[str]]) -> None:
        self._modules = modules
        self._programs = programs
        self._scripts = console_scripts(experiment, modules)

    def program(self, words: Sequence[str], document: str) -> tuple[str, list[str]] | None:
        """The path of the program's module, and the words behind its name."""
        launched = False
        for index, word in enumerate(words):
            if word == "-m" and launched and index + 1 < len(words):
                if WRAPPERS.fullmatch(words[index + 1]):
                    continue
                return self._found(words[index + 1].replace(".", "/") + ".py", document, words[index + 2 :])
            if word.endswith(".py") and (launched or index == 0 or word.startswith("./")):
                return self._found(word, document, words[index + 1 :])
            if word in self._scripts and all(
                launched or ASSIGNMENT.match(each) or LAUNCHER.fullmatch(each) or each in "$>%" for each in words[:index]
            ):
                path = self._scripts[word]
                return (path, list(words[index + 1 :])) if path in self._programs else None
            launched = launched or LAUNCHER.fullmatch(word) is not None
        return None

    def _found(self, name: str, document: str, rest: Sequence[str]) -> tuple[str, list[str]] | None:
        module = self._module(name.rpartition(FILLER + "/")[2], posixpath.dirname(document))
        if module is None:
            return None
        path = module if module in self._programs else self._imported_by(self._modules[module])
        return (path, list(rest)) if path is not None else None

    def _module(self, name: str, folder: str) -> str | None:
        """Return the file that a path in a document refers to.

        It is looked up from the document's folder, from the root, and as the only file whose path ends so.
        """
        name = posixpath.normpath(name)
        for path in (posixpath.normpath(posixpath.join(folder, name)), name):
            if path in self._modules:
                return path
        tail = "/" + name.lstrip("./")
        found = [path for path in self._modules if path.endswith(tail)]
        programs = [path for path in found if path in self._programs]
        return (programs or found)[0] if len(programs or found) == 1 else None

    def _imported_by(self, module: Module) -> str | None:
        """The one program whose function under `@hydra.main` a module imports."""
        names = set(module.imports.values())
        found = [
            path
            for path, functions in self._programs.items()
            for name in [self._modules[path].name]
            if any(
                f"{name}.{function}".endswith(f".{imported}") or f"{name}.{function}" == imported
                for function in functions
                for imported in names
            )
            or name in names
        ]
        return found[0] if len(found) == 1 else None


def _command_lines(experiment: Experiment, programs: Iterable[Module]) -> Iterator[tuple[str, int, list[str]]]:
    """Every command of every document: its path, the line, the words."""
    for path in sorted(experiment.files):
        text = experiment.text(path)
        if not text or len(text) > MOST_DOCUMENT:
            continue
        if path.endswith((*PROSE, *SCRIPTS)) or WORKFLOWS.search(path):
            for number, line in logical_lines(text):
                yield from ((path, number, words) for words in _of_line(line, path.endswith(PROSE)))
        elif path.endswith("launch.json"):
            yield from ((path, 1, words) for words in _of_editor(text))
    for module in programs:
        for number, line in _remarks(module):
            yield from ((module.path, number, words) for words in _of_line(line, True))


def _of_line(line: str, is_prose: bool) -> Iterator[list[str]]:
    """The commands of a line; in prose, those that stand in backticks are by themselves.

    There, a lone `train.py` speaks of a file, and starts nothing.
    """
    if "python" not in line and ".py" not in line and "=" not in line and " " not in line.strip():
        return
    parts = [part for part in _TAG.sub(" ", _CODE.sub("`", line)).split("`") if part.strip()] if is_prose else [line]
    for part in parts:
        yield from (words for words in split_commands(part) if words and not (is_prose and _is_file_name(words)))


def _is_file_name(words: Sequence[str]) -> bool:
    return len(words) == 1 and words[0].endswith(".py") and not words[0].startswith("./")


def _remarks(module: Module) -> Iterator[tuple[int, str]]:
    """The lines of a module's docstrings and comments, continued ones joined."""
    for node in ast.walk(module.tree) if module.tree is not None else ():
        text = ast.get_docstring(node, clean=False) if isinstance(node, (ast.Module, ast.FunctionDef)) else None
        if text is not None and isinstance(node, (ast.Module, ast.FunctionDef)):
            yield from ((node.body[0].lineno + number - 1, line) for number, line in logical_lines(text))
    comments = [line.strip().lstrip("#") if line.lstrip().startswith("#") else "" for line in module.lines]
    yield from logical_lines("\n".join(comments))


def _of_editor(text: str) -> Iterator[list[str]]:
    """The programs that a `launch.json` starts."""
    plain = re.sub(r'("(?:\\.|[^"\\])*(?:"|\\?\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)', lambda found: found[1] or "", text, flags=re.DOTALL)
    try:
        document: Any = json.loads(re.sub(r",(\s*[}\]])", r"\1", plain))
    except (ValueError, RecursionError):
        return
    entries = document.get("configurations") if isinstance(document, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict):
            continue
        program, name, given = entry.get("program"), entry.get("module"), entry.get("args", [])
        words = given.split() if isinstance(given, str) else given
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            continue
        words = [re.sub(r"\$\{[^.{}]*\}", FILLER, word) for word in words]
        if isinstance(name, str):
            yield ["python", "-m", name, *words]
        elif isinstance(program, str):
            yield ["python", re.sub(r"\$\{[^{}]*\}/", "", program), *words]
