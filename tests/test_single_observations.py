"""SCI105: tests of one number for each method, in the ways that programs take the rows of a method."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

IMPORT = Edit("from scipy.stats import binomtest\n", "from scipy import stats\nfrom scipy.stats import binomtest, ttest_ind\n")
TABLE = "    table = pd.DataFrame(runs)"
WRITE = "def write_comparison("
FRAME = "frame = pd.DataFrame(runs)"
BY_ID = 'frame = pd.DataFrame.from_dict({run["run_id"]: {"method": run["method"], "accuracy": run["test_accuracy"]} for run in runs}, orient="index")'
TEST = f"ttest_ind(ours, theirs){HERE}"


def comparing(*lines: str, definition: str = "") -> Tree:
    """The golden evaluation with lines where all runs are compared."""
    edits = [IMPORT, Edit(TABLE, "".join(f"    {line}\n" for line in lines) + TABLE)]
    return Tree({EVALUATE: (*edits, *([Edit(WRITE, f"{definition}\n\n\n{WRITE}")] if definition else []))})


ONE_EACH = {
    "a table by run id": comparing(
        BY_ID, 'for name in frame["method"].unique():', '    ours = frame[frame["method"] == name]["accuracy"]',
        '    theirs = frame[frame["method"] != name]["accuracy"].values', f"    {TEST}",
    ),
    "a table that is turned": comparing(
        'frame = pd.DataFrame({run["run_id"]: run for run in runs}).T', 'ours = frame[frame["method"] == "label-smoothing"]["test_accuracy"]',
        'theirs = frame[frame["method"] == "cross-entropy"]["test_accuracy"]', TEST,
    ),
    "records of a function": comparing(
        FRAME, 'ours = frame[frame["method"] == "label-smoothing"]["test_accuracy"].to_numpy()',
        'theirs = frame[frame["method"] == "cross-entropy"]["test_accuracy"].to_numpy()', TEST,
    ),
    "loc": comparing(
        FRAME, 'ours = frame.loc[frame["method"] == "label-smoothing", "test_accuracy"]',
        'theirs = frame.loc[frame.method == "cross-entropy", "test_accuracy"]', TEST,
    ),
    "a mask in a variable": comparing(
        FRAME, 'mask = frame["method"] == "label-smoothing"', 'ours = frame[mask]["test_accuracy"]',
        'theirs = frame[frame["method"] != "label-smoothing"]["test_accuracy"]', TEST,
    ),
    "names that begin so": comparing(
        FRAME, 'ours = frame[frame["run_id"].str.startswith("proposed")]["test_accuracy"]',
        'theirs = frame[frame["run_id"].str.startswith("comparative")]["test_accuracy"]', TEST,
    ),
    "lists": comparing(
        'ours = [run["test_accuracy"] for run in runs if run["method"] == "label-smoothing"]',
        'theirs = [run["test_accuracy"] for run in runs if run["method"] == "cross-entropy"]', f"stats.ttest_ind(ours, theirs){HERE}",
    ),
    "lists by run id": comparing(
        'ours = [run["test_accuracy"] for run in runs if run["run_id"].startswith("proposed")]',
        'theirs = [run["test_accuracy"] for run in runs if run["run_id"].startswith("comparative")]', f"stats.mannwhitneyu(ours, theirs){HERE}",
    ),
    "groups": comparing(
        FRAME, 'groups = frame.groupby("method")', 'ours = groups.get_group("label-smoothing")["test_accuracy"]',
        'theirs = groups.get_group("cross-entropy")["test_accuracy"]', TEST,
    ),
    "a loop over groups": comparing(
        FRAME, 'for name, group in frame.groupby("method"):', '    ours = group["test_accuracy"].values',
        '    theirs = frame[frame["method"] != name]["test_accuracy"].values', f"    {TEST}",
    ),
    "a helper function": comparing(
        "tested(pd.DataFrame(runs))",
        definition='def tested(frame):\n    ours = frame[frame["method"] == "label-smoothing"]["test_accuracy"]\n'
        f'    theirs = frame[frame["method"] == "cross-entropy"]["test_accuracy"]\n    return {TEST}',
    ),
    "rows that are added": comparing(
        "rows = []", "for run in runs:", '    rows.append({"run_id": run["run_id"], "method": run["method"], "score": run["test_accuracy"]})',
        "frame = pd.DataFrame(rows)", 'ours, theirs = frame[frame["method"] == "label-smoothing"]["score"], frame[frame["method"] == "cross-entropy"]["score"]', TEST,
    ),
    "lists of a defaultdict": comparing(
        "groups = defaultdict(list)", "for run in runs:",
        '    groups["ours" if run["run_id"].startswith("proposed") else "theirs"].append(run["test_accuracy"])',
        "ours, theirs = groups['ours'], groups['theirs']", TEST, definition="from collections import defaultdict",
    ),
    "lists that a loop fills": comparing(
        "ours, theirs = [], []", "for run in runs:", '    (ours if "proposed" in run["run_id"] else theirs).append(run["test_loss"])', TEST,
    ),
}  # fmt: skip
MANY = {
    "lists that are long enough": comparing(
        'ours = [run["test_accuracy"] for run in runs if run["run_id"].startswith("proposed")]',
        'theirs = [run["test_accuracy"] for run in runs if "comparative" in run["run_id"]]',
        "if min(len(ours), len(theirs)) > 1:", "    ttest_ind(ours, theirs)",
    ),
    "every epoch": comparing(
        'rows = [{"run_id": run["run_id"], "method": run["method"], "score": row["val_loss"]} for run in runs for row in run["history"]]',
        "frame = pd.DataFrame(rows)", 'ours, theirs = frame[frame["method"] == "label-smoothing"]["score"], frame[frame["method"] == "cross-entropy"]["score"]',
        "ttest_ind(ours, theirs)",
    ),
    "all images": comparing('ttest_ind([a == "1" for a in runs[0]["test_correct"]], [b == "1" for b in runs[1]["test_correct"]])'),
    "a table from elsewhere": comparing(
        'frame = pd.read_csv("all.csv")', 'ours, theirs = frame[frame["method"] == "label-smoothing"]["score"], frame[frame["method"] == "cross-entropy"]["score"]',
        "ttest_ind(ours, theirs)",
    ),
    "all runs of a data set": comparing(
        'ours = [run["test_accuracy"] for run in runs if run["run_id"].endswith("digits")]',
        'theirs = [run["test_loss"] for run in runs if run["run_id"].endswith("digits")]', "ttest_ind(ours, theirs)",
    ),
    "a curve of each run": comparing(
        'ours = [row["val_loss"] for row in runs[0]["history"] if row["epoch"] == 3]',
        'theirs = [row["val_loss"] for row in runs[1]["history"] if row["epoch"] == 3]', "ttest_ind(ours, theirs)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", ONE_EACH)
def test_one_number_for_each_method_is_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI105", way, ONE_EACH[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", MANY)
def test_many_observations_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("SCI105", way, MANY[way]), golden, composer)[0] == []
