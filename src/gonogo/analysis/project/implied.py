"""What a library call needs installed beyond the library itself.

The library imports it only when the call is made.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, origin
from gonogo.analysis.python.options import keyword_arguments


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
    """Yield the calls of a module that need more than their own library installed.

    What `functools.partial` will call is among them.
    """
    if not any(library in module.text for library, *_ in _TABLE):
        return
    for call in calls(module):
        is_partial = origin(module, call.func) == "functools.partial" and bool(call.args)
        library, _, rest = origin(module, call.args[0] if is_partial else call.func).partition(".")
        if library not in _LIBRARIES:
            continue
        given = keyword_arguments(module, call)
        spoken: set[tuple[str, ...]] = set()
        for name, pattern, argument, needs in _TABLE:
            if library != name or needs in spoken or re.fullmatch(pattern, rest) is None or (argument and argument not in given):
                continue
            value = given.get(argument)
            if not (isinstance(value, ast.Constant) and value.value in _FALSY):
                spoken.add(needs)
                yield Implied(call, library, needs, f"`{argument}=`" if argument else f"`{rest.rpartition('.')[2]}`")
