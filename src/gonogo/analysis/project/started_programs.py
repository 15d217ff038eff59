"""Python programs that code starts, as far as it names them in so many words."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.project.child_processes import STARTERS
from gonogo.analysis.project.documented import ASSIGNMENT, LAUNCHER, WRAPPERS
from gonogo.analysis.project.shell import split_commands
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, is_none_literal, origin, text_of

_RUNS_FILE = frozenset({"runpy.run_path"})
_RUNS_MODULE = frozenset({"runpy.run_module", "importlib.import_module"})
_EXECUTES = frozenset({"exec", "builtins.exec"})
_OPENS = frozenset({"open", "io.open", "builtins.open", "tokenize.open", "codecs.open"})
_PATHS = frozenset({"pathlib.Path", "pathlib.PurePath"})
# What changes where the words behind it are looked for, or brings files.
_CHANGES = frozenset(
    {"cd", "pushd", "git", "wget", "curl", "cp", "mv", "unzip", "tar", "ssh", "docker", "singularity", "conda", "cat", "echo"}
)


@dataclass(frozen=True)
class Started:
    """A program that a call starts.

    Attributes:
        call: the call.
        name: a path as it is written, or a dotted name.
        is_module: it is a dotted name.
        in_child: by a process of its own.
    """

    call: ast.Call
    name: str
    is_module: bool
    in_child: bool


def started_programs(module: Module) -> Iterator[Started]:
    """Yield each program that a module starts by a name that is known whole.

    Left out are commands in another folder, and those behind others that may bring the file.
    """
    for call in calls(module):
        name = origin(module, call.func)
        if name in _RUNS_FILE | _RUNS_MODULE:
            told = text_of(argument(call, 0, "path_name", "mod_name", "name"))
            if told and not told.startswith("."):
                yield Started(call, told, name in _RUNS_MODULE, in_child=False)
        elif name in _EXECUTES and call.args:
            told = _text_of_file(module, call.args[0])
            if told:
                yield Started(call, told, is_module=False, in_child=False)
        elif name in STARTERS and not name.startswith("os.exec"):
            found = _program(_command(module, call))
            if found is not None:
                yield Started(call, *found, in_child=True)


def _text_of_file(module: Module, given: ast.expr) -> str | None:
    """The path whose text an expression is.

    `open(path).read()`, `Path(path).read_text()`, either of them compiled.
    """
    if not isinstance(given, ast.Call):
        return None
    if origin(module, given.func) in ("compile", "builtins.compile") and given.args:
        return _text_of_file(module, given.args[0])
    read = given.func
    if not isinstance(read, ast.Attribute) or not isinstance(read.value, ast.Call):
        return None
    opened = origin(module, read.value.func)
    if (read.attr == "read" and opened in _OPENS) or (read.attr in ("read_text", "read_bytes") and opened in _PATHS):
        return text_of(argument(read.value, 0, "file")) if len(read.value.args) == 1 or opened in _OPENS else None
    return None


def _command(module: Module, call: ast.Call) -> Sequence[str] | None:
    """The words of the one command that a call starts, unknown ones as fillers.

    None where it is not one command in this folder.
    """
    folder = argument(call, None, "cwd")
    if folder is not None and not is_none_literal(folder):
        return None
    given = argument(call, 0, "args", "cmd", "command")
    if isinstance(given, ast.Name):
        bound = module.assigned.get(given.id, [])
        given = bound[0] if len(bound) == 1 and isinstance(bound[0], ast.expr) else None
    if isinstance(given, (ast.List, ast.Tuple)):
        return [_word(module, entry) for entry in given.elts]
    text = _word(module, given)
    if not text.strip(FILLER):
        return None
    commands = [words for words in split_commands(text) if words]
    return commands[0] if len(commands) == 1 and commands[0][0] not in _CHANGES else None


def _word(module: Module, node: ast.expr | None) -> str:
    """The text of an expression, with fillers for what is not known of it."""
    told = text_of(node)
    if told is not None:
        return told
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or FILLER for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _word(module, node.left) + _word(module, node.right)
    if node is not None and origin(module, node) == "sys.executable":
        return "python"
    return FILLER


def _program(words: Sequence[str] | None) -> tuple[str, bool] | None:
    """The program that a command starts, and whether it is a dotted name."""
    launched = False
    for index, word in enumerate(words or ()):
        if FILLER in word or word == "-c":
            return None
        if word == "-m":
            following = words[index + 1] if words is not None and index + 1 < len(words) else FILLER
            if WRAPPERS.fullmatch(following):
                continue
            return (following, True) if launched and FILLER not in following else None
        if word.endswith(".py"):
            return (word, False) if launched else None
        if LAUNCHER.fullmatch(word):
            launched = True
        elif not launched and not ASSIGNMENT.match(word):
            return None
    return None
