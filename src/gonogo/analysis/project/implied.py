"""What a call of a library needs installed beyond the library itself, which imports it only when the call is made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module, qualified_name
from gonogo.analysis.python.names import calls, enclosing_function, origin, text_of


@dataclass(frozen=True)
class Implied:
    """A call that needs more than its library.

    Attributes:
        call: where.
        library: what the call is of, as it is imported.
        needs: the distributions of which one must be there, the usual one first.
        because: what of the call needs it.
    """

    call: ast.Call
    library: str
    needs: tuple[str, ...]
    because: str


# The library, a pattern for the rest of the dotted name, an argument that must be given (empty: none), and what is needed.
# From the libraries' own checks when the call is made: transformers 4.46 to 4.57, diffusers 0.30, pandas 2.2, optuna 4.
_LIBRARIES = frozenset({"transformers", "diffusers", "pandas", "optuna"})
_FALSY = (None, False)
_TABLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("transformers", r".*\.from_pretrained", "device_map", ("accelerate",)),
    ("transformers", r".*\.from_pretrained", "low_cpu_mem_usage", ("accelerate",)),
    ("transformers", r".*\.from_pretrained", "load_in_8bit", ("bitsandbytes",)),
    ("transformers", r".*\.from_pretrained", "load_in_4bit", ("bitsandbytes",)),
    ("transformers", r"pipeline", "device_map", ("accelerate",)),
    ("transformers", r"BitsAndBytesConfig", "", ("bitsandbytes",)),
    ("transformers", r"BitsAndBytesConfig", "", ("accelerate",)),
    ("transformers", r"(?:Seq2Seq)?TrainingArguments|(?:Seq2Seq)?Trainer", "", ("accelerate",)),
    ("diffusers", r".*\.from_pretrained", "device_map", ("accelerate",)),
    ("pandas", r"read_parquet", "", ("pyarrow", "fastparquet")),
    ("pandas", r"read_feather", "", ("pyarrow",)),
    ("pandas", r"read_hdf", "", ("tables",)),
    ("optuna", r"visualization\.plot_\w+", "", ("plotly",)),
    ("optuna", r"visualization\.matplotlib\.plot_\w+", "", ("matplotlib",)),
)


def implied(module: Module) -> Iterator[Implied]:
    """The calls of a module that need more than the library they are of; what `functools.partial` will call is among them."""
    if not any(library in module.text for library, *_ in _TABLE):
        return
    for call in calls(module):
        is_partial = origin(module, call.func) == "functools.partial" and bool(call.args)
        library, _, rest = origin(module, call.args[0] if is_partial else call.func).partition(".")
        if library not in _LIBRARIES:
            continue
        given = _given(module, call)
        spoken: set[tuple[str, ...]] = set()
        for name, pattern, argument, needs in _TABLE:
            if library != name or needs in spoken or re.fullmatch(pattern, rest) is None or (argument and argument not in given):
                continue
            value = given.get(argument)
            if not (isinstance(value, ast.Constant) and value.value in _FALSY):
                spoken.add(needs)
                yield Implied(call, library, needs, f"`{argument}=`" if argument else f"`{rest.rpartition('.')[2]}`")


def _given(module: Module, call: ast.Call) -> dict[str, ast.expr]:
    """The keyword arguments of a call, those of `**options` among them, where the function that makes the call writes them out."""
    given: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg is not None:
            given[keyword.arg] = keyword.value
        else:
            given |= _entries(module, keyword.value)
    return given


def _entries(module: Module, node: ast.expr) -> dict[str, ast.expr]:
    """The entries of a dict by their keys, of a variable all that its function gives it."""
    if isinstance(node, ast.Dict):
        found: dict[str, ast.expr] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found |= _entries(module, value)
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = value
        return found
    if isinstance(node, ast.Call) and origin(module, node.func) == "dict":
        return {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if not isinstance(node, ast.Name):
        return {}
    scope = enclosing_function(module, node) or module.tree
    found = {}
    for inner in ast.walk(scope) if scope is not None else ():
        if isinstance(inner, (ast.Assign, ast.AnnAssign)) and inner.value is not None:
            for target in inner.targets if isinstance(inner, ast.Assign) else [inner.target]:
                found |= _assigned(module, target, inner.value, node.id)
        elif isinstance(inner, ast.Call) and qualified_name(inner.func) == f"{node.id}.update":
            found |= {keyword.arg: keyword.value for keyword in inner.keywords if keyword.arg}
            found |= _entries(module, inner.args[0]) if inner.args and not isinstance(inner.args[0], ast.Name) else {}
    return found


def _assigned(module: Module, target: ast.expr, value: ast.expr, name: str) -> dict[str, ast.expr]:
    """The entries that an assignment gives the dict of a name."""
    if isinstance(target, ast.Name) and target.id == name and not isinstance(value, ast.Name):
        return _entries(module, value)
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == name:
        key = text_of(target.slice)
        return {key: value} if key is not None else {}
    return {}
