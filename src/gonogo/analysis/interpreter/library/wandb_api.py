"""W&B's API.

It models a run that is fetched by its id, and what numbers of runs become in the usual functions.
"""

from __future__ import annotations

import ast

from gonogo.analysis.interpreter.base import UNKNOWN, Arguments, Value, Walk
from gonogo.analysis.interpreter.library.registry import LIBRARY
from gonogo.analysis.interpreter.sentinels import UNHANDLED, Unhandled
from gonogo.analysis.interpreter.values.column import Column
from gonogo.analysis.interpreter.values.outside import Outside
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.interpreter.values.tracked import FetchedRun, FromRuns, gathered
from gonogo.analysis.interpreter.values.varied import settled

APIS = ("wandb.Api()", "wandb.apis.public.Api()")
OF_SEVERAL = ("mean", "nanmean", "median", "average", "max", "min", "sum")


@LIBRARY.call(*(f"{api}.run" for api in APIS))
def run(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`api.run("entity/project/run_id")`."""
    last = given.get(0, "path").shown()[-1:]
    name = last[0].rpartition("/")[2] if last and last[0] else ""
    if name not in walk.uploaded:
        return UNHANDLED
    outside = walk.outside(f"{APIS[0]}.run()")
    return FetchedRun(f"{APIS[0]}.run()", outside.known, name, walk.uploaded[name]) if isinstance(outside, Outside) else UNKNOWN


@LIBRARY.call(*(f"{library}.{name}" for library in ("numpy", "statistics") for name in OF_SEVERAL), "statistics.fmean")
def of_several(walk: Walk, given: Arguments, at: ast.AST) -> Value | Unhandled:
    """`np.mean(numbers)`: it comes from the runs of all of them."""
    first = settled(given.get(0, "a"))
    if isinstance(first, FromRuns):
        return FromRuns(first.name, first.known, first.runs)
    listed = list(first.entries) if isinstance(first, Column) else first.values if isinstance(first, Sequence) and not first.open else []
    found = gathered(listed)
    return UNHANDLED if found is None else found
