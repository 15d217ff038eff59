"""Metrics that code writes to files.

They are recognised by what is written: the keys of a mapping, of rows or of arrays, or the name of a variable.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, last_name, origin
from gonogo.analysis.python.sources.origins import Part
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.sources.texts import ANY, texts

# What writes an object to a file, by the place of the object among the arguments.
SAVERS = {
    **dict.fromkeys(("torch.save", "joblib.dump", "pickle.dump", "cloudpickle.dump", "dill.dump", "json.dump", "yaml.dump"), 0),
    **dict.fromkeys(("yaml.safe_dump", "ujson.dump", "simplejson.dump"), 0),
    "numpy.save": 1,
}
ARRAYS = frozenset({"numpy.savez", "numpy.savez_compressed"})
SERIALISERS = frozenset({"json.dumps", "yaml.dump", "yaml.safe_dump", "pickle.dumps", "ujson.dumps", "orjson.dumps"})
TEXT_WRITERS = frozenset({"write_text", "write_bytes", "write"})
TABLE_WRITERS = frozenset({"to_csv", "to_json", "to_parquet", "to_pickle", "to_excel", "to_feather"})
TABLES = frozenset({"pandas.DataFrame", "pandas.DataFrame.from_records", "polars.DataFrame"})
METRIC = re.compile(
    r"(?:^|[_/. -])(?:acc|accurac(?:y|ies)|loss(?:es)?|scores?|metrics?|f1|auc|auroc|errors?|precision|recall|perplexity|ppl|bleu|rouge\w*"
    r"|iou|miou|history|results?|mse|mae|rmse|r2|nll|ece|top[15]|wer|cer)(?:$|[_/. -]|@)",
    re.IGNORECASE,
)
# Keys that stand beside metrics and say what they are of.
BESIDE = re.compile(
    r"^(?:epochs?|steps?|iter(?:ation)?s?|run(?:_id|_name)?|method|seed|split|dataset|model_name|time|seconds|duration|fold|corruption|"
    r"severity|batch|best_epoch|timestamp)$"
)
VARIABLE = re.compile(r"^(?:\w+_)?(?:metrics|scores|losses|accuracies|history|histories)$")
OTHER = re.compile(r"param|config|space|cache|normali|statistic")


@dataclass(frozen=True)
class SavedMetrics:
    """A call that writes metrics, and what they are called."""

    node: ast.Call
    names: tuple[str, ...]


def saved_metrics(sources: Sources, module: Module) -> Iterator[SavedMetrics]:
    """Every call of a module that surely writes metrics to a file, and nothing else."""
    for call in calls(module):
        names = _names(sources, module, call)
        if names and not OTHER.search(ast.unparse(call).lower()):
            yield SavedMetrics(call, tuple(names))


def _names(sources: Sources, module: Module, call: ast.Call) -> list[str]:
    name = origin(module, call.func)
    if name in SAVERS:
        written = argument(call, SAVERS[name], "obj", "data", "value", "arr")
        is_to_file = len(call.args) + len(call.keywords) > 1 or name == "torch.save"
        return _of_object(sources, module, written) if written is not None and is_to_file else []
    if name in ARRAYS:
        return _if_metrics([keyword.arg for keyword in call.keywords])
    if name == "csv.DictWriter":
        fields = argument(call, 1, "fieldnames")
        return _if_metrics(_known(texts(sources, module, fields, Part.ENTRY))) if fields is not None else []
    if not isinstance(call.func, ast.Attribute):
        return []
    if call.func.attr in TEXT_WRITERS and call.args:
        return _of_text(sources, module, call.args[0])
    return _of_table(sources, module, call.func.value) if call.func.attr in TABLE_WRITERS and (call.args or call.keywords) else []


def _of_text(sources: Sources, module: Module, node: ast.expr) -> list[str]:
    """Return the metrics in a text that is written to a file.

    The text must be an object as JSON, with at most something appended.
    """
    while isinstance(node, ast.BinOp):
        node = node.left
    result = sources.follow(module, node)
    if not result.complete or len(result.sources) != 1:
        return []
    made = result.sources[0]
    is_made = isinstance(made.node, ast.Call) and origin(made.module, made.node.func) in SERIALISERS and not made.path
    return _of_object(sources, made.module, made.node.args[0]) if is_made and isinstance(made.node, ast.Call) and made.node.args else []


def _of_table(sources: Sources, module: Module, node: ast.expr) -> list[str]:
    """The metrics of a table that is made of rows or columns."""
    result = sources.follow(module, node)
    if not result.complete or len(result.sources) != 1:
        return []
    made = result.sources[0]
    if not isinstance(made.node, ast.Call) or origin(made.module, made.node.func) not in TABLES or made.path or not made.node.args:
        return []
    return _of_object(sources, made.module, made.node.args[0])


def _of_object(sources: Sources, module: Module, node: ast.expr) -> list[str]:
    """The metrics that an object holds, if that is all that it holds."""
    variable = last_name(node)
    for path in ((Part.KEY,), (Part.ENTRY, Part.KEY)):
        keys = _known(texts(sources, module, node, *path))
        if keys:
            return _if_metrics(keys)
    return [variable] if VARIABLE.match(variable) else []


def _known(found: set[str]) -> list[str]:
    return [] if any(ANY in text for text in found) else sorted(found)


def _if_metrics(keys: list[str] | list[str | None]) -> list[str]:
    """The keys if they are those of metrics; none if something else is among them."""
    metrics = [key for key in keys if key is not None and METRIC.search(key)]
    others = [key for key in keys if key is None or not METRIC.search(key)]
    return metrics if all(key is not None and BESIDE.match(key) for key in others) else []
