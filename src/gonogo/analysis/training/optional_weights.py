"""Weights that are loaded only if a file happens to exist, with no fallback where it does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.dataflow.words import words
from gonogo.analysis.python.handlers import is_logging
from gonogo.analysis.python.modules import Function, Module, qualified_name
from gonogo.analysis.python.names import ancestors, arguments_of, calls, enclosing_function, last_name, last_names, origin, statement_of
from gonogo.analysis.python.spelled import spelled

EXISTS = re.compile(r"(?:^|\.)(?:exists|is_file|isfile|isdir|is_dir|lexists|access)$")
LOADS = frozenset(
    {"load_state_dict", "load_weights", "load_checkpoint", "load_model", "load_pretrained", "load_from_checkpoint", "load_params"}
)
_NO_NETWORK = re.compile(r"optim|sched|scaler|token|processor|config|ema|buffer|study|sampler|rng", re.IGNORECASE)
# Words of a training that is taken up where it was left, or of a file that the program itself wrote before.
_OWN = re.compile(r"resum|last|latest|optim|sched|epoch|previous|restore|best|final|snapshot|output|result|run_dir|save", re.IGNORECASE)
# Words of weights that come from somewhere else.
_GIVEN = re.compile(
    r"pretrain|checkpoint|ckpt|weight|teacher|source|init|prior|backbone|\.pth?\b|\.bin\b|\.safetensors\b|model_path", re.IGNORECASE
)
_SAVES = re.compile(
    r"(?:^|\.)(?:save|save_pretrained|save_model|save_file|save_checkpoint|save_weights|dump|copy|copyfile|move|urlretrieve|download\w*"
    r"|snapshot_download|hf_hub_download)$"
)


@dataclass(frozen=True)
class Optional:
    """A loading of weights that a missing file leaves out.

    Attributes:
        node: the loading.
        test: what asks for the file.
    """

    module: Module
    node: ast.Call
    test: ast.expr


def optional_weights(modules: Mapping[str, Module]) -> Iterator[Optional]:
    """Yield every place that loads weights only if a file exists, and otherwise goes on.

    The weights are a network's. Where the file is missing, no message stops the program.
    """
    written = written_files(modules)
    for module in modules.values():
        for call in calls(module):
            if not _loads(module, call):
                continue
            guard = _guard(module, call)
            if guard is not None and is_given(modules, module, call, guard, written):
                yield Optional(module, call, guard)


def _loads(module: Module, call: ast.Call) -> bool:
    """Whether a call loads a network's weights."""
    name = qualified_name(call.func).rpartition(".")[2] or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if name in LOADS:
        return not _NO_NETWORK.search(owner)
    if origin(module, call.func) == "torch.load":
        statement = statement_of(module, call)
        return (
            isinstance(statement, ast.Assign)
            and statement.value is call
            and any(
                re.search(r"(?:^|\.)(?:model|net|network|backbone|encoder|teacher)$", ast.unparse(target)) for target in statement.targets
            )
        )
    return False


def _guard(module: Module, call: ast.Call) -> ast.expr | None:
    """The question for a file that a loading depends on, where the other answer does nothing about it."""
    inside: ast.AST = call
    for parent in ancestors(module, call):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            break
        if isinstance(parent, ast.If) and inside in parent.body and _asks(module, parent.test):
            return parent.test if all(_only_tells(module, entry) for entry in parent.orelse) and not _is_behind(module, parent) else None
        inside = parent
    function = enclosing_function(module, call)
    return _early_return(module, call, function) if function is not None else None


def _asks(module: Module, test: ast.expr) -> bool:
    """Whether a condition asks that a file is there, directly or by a name that stands for the answer."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_asks(module, part) for part in test.values)
    if isinstance(test, ast.Call):
        name = qualified_name(test.func) or (test.func.attr if isinstance(test.func, ast.Attribute) else "")
        return EXISTS.search(name.rpartition(".")[2]) is not None or EXISTS.search(name) is not None
    if isinstance(test, ast.Attribute):
        kept = _kept(module, test)
        return len(kept) == 1 and isinstance(kept[0], ast.Call) and _asks(module, kept[0])
    if isinstance(test, ast.Name):
        bound = [
            node.value
            for node in module.of(ast.Assign)
            if any(isinstance(target, ast.Name) and target.id == test.id for target in node.targets)
            and enclosing_function(module, node) is enclosing_function(module, test)
        ]
        return len(bound) == 1 and isinstance(bound[0], ast.Call) and _asks(module, bound[0])
    return False


def _early_return(module: Module, call: ast.Call, function: Function) -> ast.expr | None:
    """`if not path.exists(): return`, before the loading."""
    for statement in function.body:
        if statement.lineno >= call.lineno:
            break
        if (
            isinstance(statement, ast.If)
            and (asked := _asked_in_vain(module, statement.test)) is not None
            and isinstance(statement.body[-1], ast.Return)
            and all(_only_tells(module, entry) for entry in statement.body[:-1])
            and isinstance(statement.body[-1].value, (ast.Name, ast.Constant, type(None)))
            and not (isinstance(statement.body[-1].value, ast.Constant) and statement.body[-1].value.value is not None)
        ):
            return asked
    return None


def _asked_in_vain(module: Module, test: ast.expr) -> ast.expr | None:
    """Return the existence check of a file in `not path.exists()`.

    It may be one of several conditions of which any is enough.
    """
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]
    denied = [part.operand for part in parts if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.Not)]
    return next((part for part in denied if _asks(module, part)), None)


def _kept(module: Module, node: ast.AST) -> list[ast.expr]:
    """What the class assigns to the attributes of `self` that an expression names."""
    names = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and qualified_name(inner.value) == "self"}
    owner = next((parent for parent in ancestors(module, node) if isinstance(parent, ast.ClassDef)), None)
    return [
        statement.value
        for statement in (ast.walk(owner) if owner is not None and names else ())
        if isinstance(statement, ast.Assign)
        and any(
            isinstance(target, ast.Attribute) and qualified_name(target.value) == "self" and target.attr in names
            for target in statement.targets
        )
    ]


def _handed(modules: Mapping[str, Module], function: Function, *nodes: ast.AST) -> Iterator[str]:
    """What the callers of a function give for the parameters that some expressions name."""
    parameters = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    named = {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)} & set(parameters)
    for module in modules.values() if named else ():
        for call in calls(module):
            if last_name(call.func) == function.name:
                given = dict(zip(parameters, call.args, strict=False)) | {entry.arg: entry.value for entry in call.keywords if entry.arg}
                yield from (ast.unparse(given[name]) for name in named if name in given)


def _is_behind(module: Module, node: ast.If) -> bool:
    """Return whether code after a branch that returns handles the missing file.

    A branch that does not return does not count, nor does code that only reports.
    """
    if any(isinstance(entry, ast.Return) for entry in node.body):
        function = enclosing_function(module, node)
        following = [entry for entry in (function.body if function is not None else []) if entry.lineno > node.lineno]
        return not all(_only_tells(module, entry) or _gives_name(entry) for entry in following)
    return False


def _gives_name(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Return) and isinstance(statement.value, ast.Name)


def _only_tells(module: Module, statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    return isinstance(statement, ast.Expr) and (isinstance(statement.value, ast.Constant) or is_logging(module, statement.value))


def is_given(modules: Mapping[str, Module], module: Module, call: ast.Call, test: ast.expr, written: set[str]) -> bool:
    """Return whether the file comes from elsewhere.

    It does if no name of it is among those that the project writes to.
    """
    asked = test.values[-1] if isinstance(test, ast.BoolOp) else test
    texts = [ast.unparse(asked), ast.unparse(call)]
    named = _words(module, asked) | _words(module, call)
    function = enclosing_function(module, call)
    if function is not None:
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and {name for target in node.targets for name in last_names(target)} & named:
                texts.append(ast.unparse(node.value))
                named |= _words(module, node.value)
        texts += _handed(modules, function, test, call)
    kept = [value for node in (asked, call) for value in _kept(module, node)]
    texts += [ast.unparse(value) for value in (*kept, *(deeper for value in kept for deeper in _kept(module, value)))]
    around = " ".join(texts)
    name = function.name if function is not None else ""
    if re.search(_OWN, f"{around} {name}") or named & written:
        return False
    return _GIVEN.search(around) is not None


def _words(module: Module, node: ast.AST) -> set[str]:
    """What tells one file from another in an expression: names, attributes, the last parts of paths."""
    found = {name for name in last_names(node) if name not in _COMMON}
    for part in ast.walk(node):
        text = spelled(module, part) if isinstance(part, (ast.Constant, ast.BinOp, ast.JoinedStr)) else None
        if text and "." in text:
            found.add(text.replace("\\", "/").rpartition("/")[2])
    return found


_COMMON = words(
    """
    os path Path exists is_file isfile isdir torch load self model net network load_state_dict cfg config args map_location device cpu
    weights_only state state_dict str pathlib get is_dir join run
    """
)


def written_files(modules: Mapping[str, Module]) -> set[str]:
    """Words of the files that the project writes, copies or downloads."""
    found: set[str] = set()
    for module in modules.values():
        for call in calls(module):
            name = qualified_name(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
            if _SAVES.search(name):
                for given in arguments_of(call):
                    found |= _words(module, given)
    return found
