"""Files of a W&B run: what training uploads, and what evaluation asks for."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, last_name, origin
from gonogo.analysis.python.sources.origins import Part
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.sources.texts import ANY, may_be, texts
from gonogo.analysis.tracking.asked_keys import RUN, AskedKeys
from gonogo.analysis.tracking.wandb_runs import LOGS_BY_ITSELF

# What the client uploads of its own.
OWN = re.compile(  # whole names
    r"^(?:wandb-(?:summary|metadata)\.json|config\.yaml|output\.log|requirements\.txt|conda-.*|diff.*\.patch|(?:media|code)/.*)$"
)
PATHS = frozenset({"str", "os.fspath", "os.path.join", "pathlib.Path"})
FILE = re.compile(r"[^./]\.[A-Za-z0-9]{1,8}$")  # more than the ending of a name


@dataclass(frozen=True)
class AskedFile:
    """A file that evaluation asks a run for."""

    module: Module
    node: ast.AST
    name: str


def asked_files(asked: AskedKeys) -> Iterator[AskedFile]:
    """Every file that is asked for by its whole name."""
    module = asked.module
    for call in calls(module):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "file" and asked.kind(call.func.value) == RUN:
            yield from _named(asked, call, argument(call, 0, "name"))
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "endswith" and _is_name(asked, call.func.value):
            yield from _named(asked, call, argument(call, 0))
    for node in module.of(ast.Compare):
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            sides = [node.left, node.comparators[0]]
            for one, other in (sides, sides[::-1]):
                if _is_name(asked, one):
                    yield from _named(asked, node, other)


def _named(asked: AskedKeys, node: ast.AST, name: ast.expr | None) -> Iterator[AskedFile]:
    known = texts(asked.sources, asked.module, name) if name is not None else set()
    if len(known) == 1 and FILE.search(text := known.pop()) and not OWN.match(text):
        yield AskedFile(asked.module, node, text)


def _is_name(asked: AskedKeys, node: ast.expr) -> bool:
    """Whether an expression surely is the name of one of the files of a run."""
    if not isinstance(node, ast.Attribute) or node.attr != "name":
        return False
    result = asked.sources.follow(asked.module, node.value)
    return (
        result.complete
        and bool(result.sources)
        and all(
            isinstance(source.node, ast.Call)
            and isinstance(source.node.func, ast.Attribute)
            and source.node.func.attr == "files"
            and source.module is asked.module
            and len(source.path) == 1
            and (source.path[0] is Part.ENTRY or isinstance(source.path[0], int))
            and asked.kind(source.node.func.value) == RUN
            for source in result.sources
        )
    )


def may_upload(sources: Sources, training: Iterable[Module], name: str) -> bool:
    """Whether training may upload a file of this name: by `save`, or in a way that no text shows."""
    for module in training:
        if module.tree is None or any(LOGS_BY_ITSELF.match(imported) for imported in module.imports.values()):
            return True
        for node in module.of(ast.Attribute):
            if node.attr == "dir" and re.search(r"wandb|run", ast.unparse(node.value)):
                return True  # what lies in the folder of the run is uploaded
        for call in calls(module):
            if last_name(call.func) in ("upload_file", "log_code", "import_module"):
                return True
            if origin(module, call.func) == "wandb.save" or _may_save_for_run(call):
                given = argument(call, 0, "glob_str")
                if given is None or any(_covers(pattern, name) for pattern in _saved(sources, module, given)):
                    return True
    return False


def _saved(sources: Sources, module: Module, node: ast.expr) -> set[str]:
    """What may be saved: whole paths, or their last parts."""
    result = sources.follow(module, node)
    found = set() if result.complete else {ANY}
    for source in result.sources:
        last = source.node
        while True:
            if isinstance(last, ast.BinOp) and isinstance(last.op, ast.Div):
                last = last.right
            elif isinstance(last, ast.Call) and origin(source.module, last.func) in PATHS and last.args:
                last = last.args[-1]
            else:
                break
        found |= {ANY} if source.path else texts(sources, source.module, last)
    return found


def _may_save_for_run(call: ast.Call) -> bool:
    """Whether it may be the `save` of a run: of something that is called one, or with one argument."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "save":
        return False
    return last_name(call.func.value) not in ("torch", "np", "numpy", "OmegaConf", "jnp", "plt")


def _covers(pattern: str, name: str) -> bool:
    """Whether a text that is saved, a path or a pattern of files, may stand for a file."""
    last = posixpath.basename(pattern) or pattern
    return any(char in last for char in "*?[") or may_be(last, posixpath.basename(name)) or may_be(pattern, name)
