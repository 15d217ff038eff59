"""Samples of which a table or list with one row for each run gives the rows of some runs."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import ancestors, enclosing_function, last_name, origin, text_of
from gonogo.analysis.python.sources.origins import Part, Source
from gonogo.analysis.python.sources.resolve import Sources

TABLES = frozenset({"pandas.DataFrame", "pandas.DataFrame.from_records"})
BY_KEY = "pandas.DataFrame.from_dict"
SAME_ROWS = frozenset({"dropna", "to_numpy", "tolist", "to_list", "astype", "copy", "values", "reset_index", "T", "flatten"})
SAME_CALLS = frozenset({"list", "tuple", "numpy.array", "numpy.asarray"})
LOOPS = (ast.For, ast.While, ast.comprehension, ast.ListComp, ast.GeneratorExp, ast.DictComp)
MAX_CALLERS = 3


@dataclass(frozen=True)
class Chosen:
    """How rows are chosen.

    Attributes:
        column: the column that is compared.
        how: `==` a value, `!=` one, or `startswith` one.
        value: the value, None where it is not written out.
    """

    column: str
    how: str
    value: str | None


class Groups:
    """The groups that one call is given.

    Args:
        module: where the call stands.
        call: the call.
        sources: follows expressions.
        identity: the name of the column that tells runs apart.
    """

    def __init__(self, module: Module, call: ast.Call, sources: Sources, identity: str) -> None:
        self.module = module
        self.sources = sources
        self.identity = identity
        self._function = enclosing_function(module, call)

    def chosen(self, node: ast.expr) -> Chosen | None:
        """Return how the rows of a sample are chosen.

        None if it is no such sample, or if there may be more than one row for a run.
        """
        sample = self._plain(node)
        if isinstance(sample, ast.ListComp):
            return self._chosen_from_list(sample)
        if not isinstance(sample, ast.Subscript):
            return None
        if isinstance(sample.value, ast.Attribute) and sample.value.attr == "loc":
            cell = sample.slice
            mask = cell.elts[0] if isinstance(cell, ast.Tuple) and len(cell.elts) == 2 else cell
            return self._chosen_by(mask, sample.value.value)
        rows = self._plain(sample.value)
        if isinstance(rows, ast.Subscript):
            owner = rows.value
            table = owner.value if isinstance(owner, ast.Attribute) and owner.attr == "loc" else owner
            return self._chosen_by(rows.slice, table)
        return self._chosen_by_group(rows)

    def _chosen_by(self, mask: ast.expr, table: ast.expr) -> Chosen | None:
        """`table["method"] == name`."""
        mask = self._plain(mask)
        if isinstance(mask, ast.Call):
            found = _of_text_method(mask)
            owner = mask.func.value if isinstance(mask.func, ast.Attribute) else None
            compared = owner.value if found is not None and isinstance(owner, ast.Attribute) and owner.attr == "str" else None
        elif isinstance(mask, ast.Compare) and len(mask.ops) == 1 and isinstance(mask.ops[0], (ast.Eq, ast.NotEq)):
            compared, found = mask.left, ("==" if isinstance(mask.ops[0], ast.Eq) else "!=", text_of(mask.comparators[0]))
        else:
            return None
        column = (
            text_of(compared.slice)
            if isinstance(compared, ast.Subscript)
            else compared.attr
            if isinstance(compared, ast.Attribute)
            else None
        )
        if not column or found is None or not self._has_a_row_for_each_run(table):
            return None
        return Chosen(column, *found)

    def _chosen_by_group(self, rows: ast.expr) -> Chosen | None:
        """`table.groupby("method").get_group(name)`, and the groups that a loop goes over."""
        grouped: ast.expr | None = None
        if isinstance(rows, ast.Call) and isinstance(rows.func, ast.Attribute) and rows.func.attr == "get_group":
            grouped = self._plain(rows.func.value)
        elif isinstance(rows, ast.Name):
            for node in ast.walk(self._function) if self._function is not None else ():
                is_pair = isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and len(node.target.elts) == 2
                if is_pair and isinstance(node, ast.For) and last_name(node.target.elts[1]) == rows.id:  # type: ignore[attr-defined]
                    grouped = self._plain(node.iter)
        if not isinstance(grouped, ast.Call) or not isinstance(grouped.func, ast.Attribute) or grouped.func.attr != "groupby":
            return None
        column = text_of(grouped.args[0]) if grouped.args else None
        return Chosen(column, "==", None) if column is not None and self._has_a_row_for_each_run(grouped.func.value) else None

    def _chosen_from_list(self, sample: ast.ListComp) -> Chosen | None:
        """`[row["accuracy"] for row in rows if row["method"] == name]`."""
        if len(sample.generators) != 1 or len(sample.generators[0].ifs) != 1 or not isinstance(sample.generators[0].target, ast.Name):
            return None
        generator, test = sample.generators[0], sample.generators[0].ifs[0]
        if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute):
            compared, found = test.func.value, _of_text_method(test)
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Eq, ast.NotEq)):
            compared, found = test.left, ("==" if isinstance(test.ops[0], ast.Eq) else "!=", text_of(test.comparators[0]))
        else:
            return None
        is_of_entry = isinstance(compared, ast.Subscript) and last_name(compared.value) == last_name(generator.target)
        column = text_of(compared.slice) if is_of_entry and isinstance(compared, ast.Subscript) else None
        if column is None or found is None or not self._are_of_runs(self.module, generator.iter):
            return None
        return Chosen(column, *found)

    def _plain(self, node: ast.expr) -> ast.expr:
        """Return an expression with its local names resolved and row-preserving methods removed.

        Such methods keep the rows as they are.
        """
        for _ in range(8):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SAME_ROWS:
                node = node.func.value
            elif isinstance(node, ast.Call) and origin(self.module, node.func) in SAME_CALLS and len(node.args) == 1:
                node = node.args[0]
            elif isinstance(node, ast.Attribute) and node.attr in SAME_ROWS:
                node = node.value
            elif isinstance(node, ast.Name) and (value := self._assigned(node.id)) is not None:
                node = value
            else:
                break
        return node

    def _assigned(self, name: str) -> ast.expr | None:
        """What a variable of the function is assigned, if it is assigned once."""
        found: list[ast.expr] = []
        for node in ast.walk(self._function) if self._function is not None else ():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    found += _values(target, node.value, name)
        return found[0] if len(found) == 1 else None

    def _has_a_row_for_each_run(self, table: ast.expr) -> bool:
        while isinstance(table, ast.Attribute) and table.attr in SAME_ROWS:
            table = table.value
        result = self.sources.follow(self.module, table)
        if not result.complete or len(result.sources) != 1:
            return False
        made = result.sources[0]
        call: ast.expr = made.node
        is_turned = isinstance(call, ast.Attribute) and call.attr == "T"
        if isinstance(call, ast.Attribute) and is_turned:
            call = call.value
        if made.path or not isinstance(call, ast.Call) or not call.args:
            return False
        name = origin(made.module, call.func)
        by_index = any(keyword.arg == "orient" and text_of(keyword.value) == "index" for keyword in call.keywords)
        if (name == BY_KEY and by_index) or (name in TABLES and is_turned):
            return self._is_by_run(made.module, call.args[0])
        return name in TABLES and len(call.args) == 1 and not is_turned and self._are_of_runs(made.module, call.args[0])

    def _is_by_run(self, module: Module, mapping: ast.expr) -> bool:
        """Whether a mapping has what belongs to each run under the run's id."""
        keys = self.sources.follow(module, mapping, Part.KEY)
        return keys.complete and bool(keys.sources) and all(self._is_identity(key) for key in keys.sources)

    def _is_identity(self, key: Source) -> bool:
        """Return whether an expression is the id of a run.

        It is known by the name under which it is kept, or as one of those on the command line.
        """
        if key.path[-1:] == (self.identity,) or last_name(key.node) in (self.identity, "id"):
            return True
        if isinstance(key.node, ast.Subscript) and text_of(key.node.slice) == self.identity:
            return True
        return key.path[-1:] == (Part.ENTRY,) and isinstance(key.node, ast.Call) and origin(key.module, key.node.func) == "json.loads"

    def _are_of_runs(self, module: Module, rows: ast.expr) -> bool:
        """Whether the entries of a list are rows, one for each run."""
        found = self.sources.follow(module, rows, Part.ENTRY)
        return (
            found.complete
            and bool(found.sources)
            and all(not row.path and isinstance(row.node, ast.Dict) and self._is_of_a_run(row.module, row.node) for row in found.sources)
        )

    def _is_of_a_run(self, module: Module, row: ast.Dict) -> bool:
        """Whether a row names its run and is made once for each: in one loop, not in one within another."""
        return self._loops_around(module, row, 0) == 1 and any(
            isinstance(key, ast.Constant) and key.value == self.identity for key in row.keys
        )

    def _loops_around(self, module: Module, node: ast.AST, depth: int) -> int:
        """How many loops are around a node, those around the only call of its function among them."""
        loops = 0
        for parent in ancestors(module, node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
                calls = self._calls_of(module, parent) if depth < MAX_CALLERS else []
                if len(calls) == 1:
                    return loops + self._loops_around(*calls[0], depth + 1)
                break
            if isinstance(parent, LOOPS):
                loops += len(parent.generators) if isinstance(parent, (ast.ListComp, ast.GeneratorExp, ast.DictComp)) else 1
        return loops

    def _calls_of(self, module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Sequence[tuple[Module, ast.Call]]:
        return [
            (other, call)
            for other in self.sources.symbols.modules.values()
            for call in other.of(ast.Call)
            if last_name(call.func) == function.name
        ]


def _of_text_method(call: ast.Call) -> tuple[str, str | None] | None:
    """`text.startswith("proposed")`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "startswith" or len(call.args) != 1:
        return None
    return "startswith", text_of(call.args[0])


def _values(target: ast.expr, value: ast.expr, name: str) -> list[ast.expr]:
    """Return what an assignment gives a name.

    It is the value as a whole where it is unpacked in a way that is not written out.
    """
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            return [found for entry, part in zip(target.elts, value.elts, strict=True) for found in _values(entry, part, name)]
        return [value] if any(isinstance(entry, ast.Name) and entry.id == name for entry in ast.walk(target)) else []
    return []
