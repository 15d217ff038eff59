"""SCI128 and SCI105: which run a number of the evaluation comes from, in the ways that programs choose the baseline."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

TABLE = "    table = pd.DataFrame(runs)"
RATE = '(proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"]'
NO_RATE = Edit(f'        "improvement_rate": {RATE},\n', "")
GROUPS = 'groups = {}\nfor run in runs:\n    groups.setdefault(run["method"], []).append(run["test_accuracy"])\n'
IMPORT = Edit("from scipy.stats import binomtest\n", "from scipy.stats import binomtest, ttest_ind\n")


def comparing(text: str) -> Tree:
    """The golden evaluation with lines where all runs are compared, and no other gain."""
    lines = "".join(f"    {line}\n" for line in text.replace("{here}", HERE).splitlines())
    return Tree({EVALUATE: (NO_RATE, IMPORT, Edit(TABLE, lines + TABLE))})


CHOSEN = "base = by[NAME]\nprint({m: (by[m] - base) / base for m in by if m != NAME})"
BY_ID = 'by = {run["run_id"]: run["test_accuracy"] for run in runs}\n'
TURNED = {
    "the last in order": BY_ID + "names = sorted(by)\n" + CHOSEN.replace("NAME", "names[-1]") + "{here}",
    "the first of a list in reverse": BY_ID + "names = sorted(by, reverse=True)\n" + CHOSEN.replace("NAME", "names[0]") + "{here}",
    "a name that is written": BY_ID + CHOSEN.replace("NAME", '"proposed-mlp-digits"') + "{here}",
    "a loop with else": BY_ID + "for name in by:\n    if not name.startswith('comparative'):\n        base = by[name]\n"
    "for name, value in by.items():\n    if name.startswith('comparative'):\n        print(100 * (value - base) / base){here}",
    "a quotient": BY_ID + "ours, theirs = by['comparative-1-mlp-digits'], by['proposed-mlp-digits']\nprint(ours / theirs - 1){here}",
    "next": 'base = next(run for run in runs if run["method"] != "cross-entropy")\nother = next(run for run in runs if run["run_id"] != base["run_id"])\n'
    'print((other["test_accuracy"] - base["test_accuracy"]) / base["test_accuracy"]){here}',
    "means": 'ours = [run["test_accuracy"] for run in runs if "label" not in run["run_id"] and run["method"] == "cross-entropy"]\n'
    'theirs = [run["test_accuracy"] for run in runs if run["method"] == "label-smoothing"]\n'
    "print((np.mean(ours) - np.mean(theirs)) / abs(np.mean(theirs))){here}",
    "itself": 'baselines = [run for run in runs if "cross" not in run["method"]]\nfor run in proposed_runs:\n    for base in baselines:\n'
    '        print((run["test_accuracy"] - base["test_accuracy"]) / max(base["test_accuracy"], 1e-8)){here}',
}  # fmt: skip
RIGHT = {
    "the first in order": BY_ID + "names = sorted(by)\n" + CHOSEN.replace("NAME", "names[0]"),
    "a name that is written": BY_ID + CHOSEN.replace("NAME", '"comparative-1-mlp-digits"'),
    "the best": "base = max(runs, key=lambda run: run['test_accuracy'])\nfor run in runs:\n"
    "    print((run['test_accuracy'] - base['test_accuracy']) / base['test_accuracy'])",
    "ordered by a score": "base = sorted(runs, key=lambda run: run['test_accuracy'])[-1]\nfor run in runs:\n"
    "    print((run['test_accuracy'] - base['test_accuracy']) / base['test_accuracy'])",
    "every pair": "for one in runs:\n    for other in runs:\n"
    "        print((one['test_accuracy'] - other['test_accuracy']) / other['test_accuracy'])",
    "a difference": BY_ID + "print(by['comparative-1-mlp-digits'] - by['proposed-mlp-digits'])",
    "relative to what it was": BY_ID + "print((by['comparative-1-mlp-digits'] - by['proposed-mlp-digits']) / by['comparative-1-mlp-digits'])",
    "an error rate": BY_ID + "ours, theirs = 1 - by['proposed-mlp-digits'], 1 - by['comparative-1-mlp-digits']\nprint((ours - theirs) / theirs)",
    "numbers of one run": "for run in runs:\n    print((run['test_accuracy'] - run['test_loss']) / run['test_loss'])",
    "another list": "print([(a - b) / b for a, b in load_pairs()])",
}  # fmt: skip
NUMPY = Edit("import pandas as pd\n", "import numpy as np\nimport pandas as pd\n")


def tree_of(text: str) -> Tree:
    tree = comparing(text)
    return Tree({EVALUATE: (*tree.changes[EVALUATE], NUMPY)}) if "np." in text else tree


@pytest.mark.parametrize("name", TURNED)
def test_the_gain_of_the_baseline_over_the_proposed_method_is_found(name: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI128", name, tree_of(TURNED[name])), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", RIGHT)
def test_other_gains_are_left_alone(name: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("SCI128", name, tree_of(RIGHT[name])), golden, composer) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        GROUPS + "first, second = groups.values()\nprint(ttest_ind(first, second)){here}",
        GROUPS + 'print(ttest_ind(groups["label-smoothing"], groups["cross-entropy"])){here}',
        GROUPS + "names = sorted(groups)\nprint(ttest_ind(groups[names[0]], groups[names[1]], equal_var=False)){here}",
    ],
)
def test_groups_by_a_setting_of_the_runs_hold_one_number_each(text: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI105", "groups", comparing(text)), golden, composer)
    assert found == marked


def test_groups_by_a_setting_that_runs_share_hold_several(golden: dict[str, str], composer: Composer) -> None:
    text = GROUPS.replace('run["method"]', 'run["dataset"]') + 'print(ttest_ind(groups["digits"], groups["digits"]))'
    assert found_and_marked(("SCI105", "groups", comparing(text)), golden, composer) == ([], [])
