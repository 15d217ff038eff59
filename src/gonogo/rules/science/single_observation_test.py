"""SCI105."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.interpreter.values.column import Column
from gonogo.analysis.interpreter.values.sequence import Sequence
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, origin
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.tablegroups import Chosen, Groups
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

TESTS = frozenset(
    f"scipy.stats.{name}"
    for name in ("ttest_ind", "ttest_rel", "wilcoxon", "mannwhitneyu", "ks_2samp", "kruskal", "f_oneway", "ranksums", "brunnermunzel")
)

CELLS = frozenset({"loc", "iloc", "at", "iat"})


@rule("SCI105", "single-observation-test", criterion=8, severity=Severity.WARNING, stage=Stage.CHECK)
def single_observation_test(
    modules: dict[str, Module], runs: list[Run], sources: Sources, contract: Contract, evaluation_trace: Trace | None
) -> Iterator[Violation]:
    """A significance test is given one number for each method.

    What it does:
        Looks at the samples that the tests of `scipy.stats` are given: a list of one entry, `float(…)`, or one cell of a
        table is a single observation, whatever it holds. So are the rows of one method in a table or list of one row for
        each run, where every run of the plan has a method of its own; the other sample may be all other methods at once. Follows the
        evaluation of all runs, too, to samples that are surely lists of one entry.

    Why it matters:
        A test of one number against one has no spread to go by: the p-value is NaN, or 1 whatever the numbers are.

    Instead:
        Test over what was observed many times under both methods: images, folds, corruptions, seeds.
    """
    followed = _of_one_entry(evaluation_trace)
    for module in modules.values():
        for call in calls(module):
            if origin(module, call.func) not in TESTS:
                continue
            samples = [entry for entry in call.args if not isinstance(entry, ast.Starred)][:2]
            groups = Groups(module, call, sources, contract.run_config.identity)
            if samples and (call in followed or all(_is_single(entry) for entry in samples) or _are_of_one_run(groups, samples, runs)):
                yield Violation(
                    module.location(call),
                    f"`{origin(module, call.func).rpartition('.')[2]}` is given a single number for each group",
                    # A contract whose evaluation is documented asks for a test (EVA105).
                    "test over paired observations (images, folds, seeds)"
                    + ("" if contract.evaluation.arguments else ", or leave the test out"),
                )


def _of_one_entry(trace: Trace | None) -> set[ast.AST]:
    """The tests whose samples are lists of one entry whenever the evaluation comes to them."""
    counts: dict[ast.AST, set[int | None]] = {}
    for event in trace.calls if trace is not None else ():
        if event.name in TESTS:
            known = [_length(entry) for entry in event.arguments[:2]]
            counts.setdefault(event.site.node, set()).update(known if len(known) == 2 else [None])
    return {node for node, lengths in counts.items() if lengths == {1}}


def _length(sample: object) -> int | None:
    """How many entries a sample has: a list, or a column of a table; None where that is not known."""
    if isinstance(sample, Column):
        return len(sample.entries)
    return len(sample.values) if isinstance(sample, Sequence) and not sample.open else None


def _are_of_one_run(groups: Groups, samples: list[ast.expr], runs: list[Run]) -> bool:
    """Return whether the samples are what one run gave each.

    Also true if one of them is, and the other is what all other methods gave.
    """
    chosen = [groups.chosen(entry) for entry in samples]
    counts = [_most_runs(entry, runs) if entry is not None else None for entry in chosen]
    return (
        len(runs) > 1
        and 1 in counts
        and all(count == 1 or (entry and entry.how == "!=") for entry, count in zip(chosen, counts, strict=True))
    )


def _most_runs(chosen: Chosen, runs: list[Run]) -> int | None:
    """Of how many runs there may be rows at most; None where that is not told."""
    values = [run.id if chosen.column == "run_id" else run.document.get((chosen.column,)) for run in runs]
    if not all(isinstance(value, str) for value in values) or chosen.how == "!=":
        return None
    texts = [str(value) for value in values]
    if chosen.value is None:
        return max(texts.count(text) for text in texts) if chosen.how == "==" else None
    return sum(text == chosen.value if chosen.how == "==" else text.startswith(chosen.value) for text in texts)


def _is_single(node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Tuple)):
        return len(node.elts) == 1 and not isinstance(node.elts[0], ast.Starred)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("float", "int")
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr in CELLS:
        place = node.slice
        return isinstance(place, ast.Tuple) and len(place.elts) == 2 and all(isinstance(entry, ast.Constant) for entry in place.elts)
    return False


IMPORT = "from scipy.stats import binomtest"
RETURN = '    return {\n        "proposed": proposed'
ONE_EACH = '    ttest_ind([proposed["test_accuracy"]], [baseline["test_accuracy"]])  # <- here\n'
MANY = '    ttest_ind([a == "1" for a, _ in pairs], [b == "1" for _, b in pairs])\n'
TABLE = "    table = pd.DataFrame(runs)"
RECORDS = """    records = []
    for run in runs:
        records.append({"run_id": run["run_id"], "method": run["method"], "test_accuracy": run["test_accuracy"]})
    frame = pd.DataFrame(records)
"""
CHOSEN = """    for name in frame["method"].unique():
        chosen = frame[frame["method"] == name]
        rest = frame[frame["method"] == "cross-entropy"]
        x, y = chosen["test_accuracy"].dropna().values, rest["test_accuracy"].values
        ttest_ind(x, y)  # <- here
"""
BAD = [
    Tree({"src/evaluate.py": (Edit(IMPORT, f"{IMPORT}, ttest_ind"), Edit(RETURN, ONE_EACH + RETURN))}),
    Tree({"src/evaluate.py": (Edit(IMPORT, f"{IMPORT}, ttest_ind"), Edit(TABLE, RECORDS + CHOSEN + TABLE))}),
]
PER_EPOCH = RECORDS.replace("        records", "        for _ in run['history']:\n            records")
GOOD = [
    Tree({"src/evaluate.py": (Edit(IMPORT, f"{IMPORT}, ttest_ind"), Edit(RETURN, MANY + RETURN))}),
    Tree({"src/evaluate.py": (Edit(IMPORT, f"{IMPORT}, ttest_ind"), Edit(TABLE, PER_EPOCH + CHOSEN.replace("  # <- here", "") + TABLE))}),
]
