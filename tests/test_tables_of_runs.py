"""SCI128 and SCI105: run ids that go through tables of pandas on the way to the baseline, or to the samples of a test."""

from __future__ import annotations

import pytest
from rule_cases import EVALUATE, HERE, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

TABLE = "    table = pd.DataFrame(runs)"
RATE = '(proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"]'
NO_RATE = Edit(f'        "improvement_rate": {RATE},\n', "")
IMPORT = Edit("from scipy.stats import binomtest\n", "from scipy.stats import binomtest, ttest_ind\n")
NUMPY = Edit("import pandas as pd\n", "import numpy as np\nimport pandas as pd\n")
FRAME = 'df = pd.DataFrame([{"run_id": r["run_id"], "method": r["method"], "acc": r["test_accuracy"]} for r in runs])\n'
GAIN = "print((ours - theirs) / theirs)"
OURS, THEIRS = "comparative-1-mlp-digits", "proposed-mlp-digits"


def comparing(text: str) -> Tree:
    """The golden evaluation with lines where all runs are compared, and no other gain."""
    lines = "".join(f"    {line}\n" for line in text.replace("{here}", HERE).splitlines())
    return Tree({EVALUATE: (NO_RATE, IMPORT, NUMPY, Edit(TABLE, lines + TABLE))})


# Ways to two numbers; `A` is the part of the run id of the one that is called ours, `B` that of the other, M and N are their methods.
WAYS = {
    "masks of a text method": 'ours = df[df["run_id"].str.startswith("A")]["acc"].iloc[0]\n'
    'theirs = df[df.run_id.str.startswith("B")]["acc"].values[0]\n',
    "contains without case": 'ours = df.loc[df["run_id"].str.contains("A", case=False), "acc"].item()\n'
    'theirs = df.loc[~df["run_id"].str.contains("A"), "acc"].iloc[0]\n',
    "labels": 'by = df.set_index("run_id")\nours, theirs = by.loc["A-FULL", "acc"], by["acc"]["B-FULL"]\n',
    "at": 'by = df.set_index("run_id", drop=False)\nours = by.at["A-FULL", "acc"]\ntheirs = by.loc["B-FULL"]["acc"]\n',
    "groups and their means": 'means = df.groupby("method")["acc"].mean()\nours, theirs = means["M"], means.loc["N"]\n',
    "a loop over groups": 'by = {}\nfor name, group in df.groupby("method"):\n    by[name] = group["acc"].mean()\nours, theirs = by["M"], by["N"]\n',
    "the first of ordered groups": 'means = df.groupby("method").agg("mean")\nours = means.loc["M", "acc"]\ntheirs = means.loc["N"].acc\n',
    "equal methods": 'ours = df[df["method"] == "M"]["acc"].mean()\ntheirs = df[df.method != "M"]["acc"].max()\n',
    "two masks": 'ours = df[(df["method"] == "M") & (df["run_id"] != "x")]["acc"].iloc[-1]\ntheirs = df[df["method"].isin(["N"])]["acc"].tolist()[0]\n',
    "a query": "ours = df.query(\"method == 'M'\")['acc'].mean()\ntheirs = df.query('method != \"M\"').iloc[0]['acc']\n",
    "rows": 'for _, row in df.iterrows():\n    if row["run_id"].startswith("A"):\n        ours = row["acc"]\n    else:\n        theirs = row.acc\n',
    "records": 'found = {r["method"]: r for r in df.to_dict("records")}\nours, theirs = found["M"]["acc"], found["N"]["acc"]\n',
    "columns that are turned": 'wide = pd.DataFrame.from_dict({r["run_id"]: {"acc": r["test_accuracy"]} for r in runs}, orient="index").T\n'
    'ours, theirs = wide["A-FULL"]["acc"], wide.loc["acc", "B-FULL"]\n',
    "lists": 'df = pd.DataFrame({"run_id": [r["run_id"] for r in runs], "acc": [r["test_accuracy"] for r in runs]})\n'
    'ours, theirs = np.mean(df[df["run_id"] == "A-FULL"]["acc"]), np.max(df[df["run_id"] == "B-FULL"]["acc"].values)\n',
    "a helper": 'def of(frame, part):\n    chosen = frame[frame["run_id"].str.contains(part, regex=False)]\n    if chosen.empty:\n        return None\n'
    '    return float(chosen["acc"].iloc[0])\n\nours, theirs = of(df, "A"), of(df, "B")\n',
}  # fmt: skip


def way(name: str, ours: str, theirs: str) -> str:
    methods = {THEIRS: "label-smoothing", OURS: "cross-entropy"}
    text = FRAME + WAYS[name].replace('"M"', f'"{methods[ours]}"').replace("'M'", f"'{methods[ours]}'").replace(
        '"N"', f'"{methods[theirs]}"'
    )
    text = text.replace("A-FULL", ours).replace("B-FULL", theirs)
    return text.replace('"A"', f'"{ours.partition("-")[0]}"').replace('"B"', f'"{theirs.partition("-")[0]}"') + GAIN


@pytest.mark.parametrize("name", WAYS)
def test_a_gain_of_the_baseline_is_found_behind_tables(name: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI128", name, comparing(way(name, OURS, THEIRS) + "{here}")), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", WAYS)
def test_a_gain_of_the_proposed_method_is_right(name: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("SCI128", name, comparing(way(name, THEIRS, OURS))), golden, composer) == ([], [])


def test_a_column_of_gains_over_the_wrong_run_is_found(golden: dict[str, str], composer: Composer) -> None:
    text = FRAME + 'base = df.sort_values("run_id")["acc"].iloc[-1]\ndf["gain"] = (df["acc"] - base) / base{here}'
    found, marked = found_and_marked(("SCI128", "a column", comparing(text)), golden, composer)
    assert found == marked


UNKNOWN = {
    "ordered by a score": 'base = df.sort_values("acc")["acc"].iloc[-1]\n',
    "a table that was changed": 'df.loc[0, "run_id"] = input()\nbase = df[df["run_id"] == "proposed-mlp-digits"]["acc"].iloc[0]\n',
    "a pattern": 'base = df[df["run_id"].str.contains("^prop.*")]["acc"].iloc[0]\n',
    "the best": 'base = df.loc[df["acc"].idxmax()]["acc"]\n',
    "changed in place": 'df.drop(columns=["method"], inplace=True)\nbase = df[df["run_id"] == "proposed-mlp-digits"]["acc"].iloc[0]\n',
    "with others": 'base = pd.concat([df, load_more()])["acc"].iloc[0]\n',
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_of_a_table_is_no_finding(name: str, golden: dict[str, str], composer: Composer) -> None:
    text = FRAME + UNKNOWN[name] + "print([(value - base) / base for value in df['acc']])"
    assert found_and_marked(("SCI128", name, comparing(text)), golden, composer) == ([], [])


SAMPLES = {
    "masks": 'ttest_ind(df[df["run_id"].str.startswith("proposed")]["acc"], df[df.run_id.str.startswith("comparative")]["acc"])',
    "groups": 'groups = df.groupby("method")["acc"]\n'
    'ttest_ind(groups.get_group("label-smoothing"), groups.get_group("cross-entropy"))',
    "values": 'ttest_ind(df.loc[df["method"] == "label-smoothing", "acc"].dropna().values, df.query("method == \'cross-entropy\'")["acc"].tolist())',
    "a loop over groups": 'samples = [group["acc"].values for _, group in df.groupby("method")]\nttest_ind(samples[0], samples[1])',
    "labels": 'by = df.set_index("run_id")\nttest_ind(by[by.index == "proposed-mlp-digits"]["acc"], by[by.index != "proposed-mlp-digits"]["acc"])',
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_one_row_a_run_is_one_observation_a_method(name: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI105", name, comparing(FRAME + SAMPLES[name] + "{here}")), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", SAMPLES)
def test_many_rows_a_run_are_many_observations(name: str, golden: dict[str, str], composer: Composer) -> None:
    frame = FRAME.replace("for r in runs", 'for r in runs for _ in r["history"]')
    assert found_and_marked(("SCI105", name, comparing(frame + SAMPLES[name])), golden, composer) == ([], [])


# A constant stands in where a number is missing: the number is taken for what is compared.
PLAIN = "ours, theirs = by['comparative-1-mlp-digits'], by['proposed-mlp-digits']\n"
STAND_INS = {
    "a clause for what is missing": "by = {}\nfor r in runs:\n    try:\n        by[r['run_id']] = r['test_accuracy']\n    except KeyError:\n"
    "        by[r['run_id']] = 0.0\n" + PLAIN,
    "records of both": "by = {}\nfor r in runs:\n    try:\n        by[r['run_id']] = dict(acc=r['test_accuracy'], n=1)\n    except Exception:\n"
    "        by[r['run_id']] = dict(acc=0.0, n=0)\nby = {name: found['acc'] for name, found in by.items()}\n" + PLAIN,
    "or": "by = {r['run_id']: r['test_accuracy'] or 0.0 for r in runs}\n" + PLAIN,
    "NaN": "by = {r['run_id']: r['test_accuracy'] if r['test_accuracy'] is not None else float('nan') for r in runs}\n" + PLAIN,
    "NaN of NumPy": "by = {r['run_id']: np.nan if r['test_accuracy'] is None else r['test_accuracy'] for r in runs}\n" + PLAIN,
    "left out": "by = {}\nfor r in runs:\n    acc = r['test_accuracy']\n    if acc is None:\n        continue\n    by[r['run_id']] = acc\n" + PLAIN,
    "a value to begin with": "ours, theirs = 0.0, 0.0\nfor r in runs:\n    if r['run_id'].startswith('comp'):\n        ours = r['test_accuracy']\n"
    "    elif r['test_accuracy'] > 0:\n        theirs = r['test_accuracy']\n",
    "a table of such": "rows = []\nfor r in runs:\n    try:\n        acc = float(r['test_accuracy'])\n    except KeyError:\n        acc = 0.0\n"
    "    rows.append({'run_id': r['run_id'], 'acc': acc})\ndf = pd.DataFrame(rows).set_index('run_id')\n"
    "ours, theirs = df.loc['comparative-1-mlp-digits', 'acc'], df.loc['proposed-mlp-digits', 'acc']\n",
    "other columns that are not known": "rows = [{'run_id': r['run_id'], 'method': r['method'], 'acc': r['test_accuracy'], **dict(load_more(r))} for r in runs]\n"
    "df = pd.DataFrame(rows)\nours, theirs = df[df.method == 'cross-entropy']['acc'].max(), df[df.method == 'label-smoothing']['acc'].max()\n",
}  # fmt: skip
NEVER_TURNED = {
    "the best so far": "ours = theirs = 0.0\nfor r in runs:\n    if r['test_accuracy'] > theirs:\n        theirs = r['test_accuracy']\n",
    "either of two": "by = {r['run_id']: r['test_accuracy'] for r in runs}\nours = by['comparative-1-mlp-digits']\n"
    "theirs = by['proposed-mlp-digits'] if ours > 0.5 else by['comparative-1-mlp-digits']\n",
    "a number from a file": "ours = runs[0]['test_accuracy']\ntheirs = float(open('base.txt').read()) or 0.0\n",
}  # fmt: skip


@pytest.mark.parametrize("name", STAND_INS)
def test_constants_stand_in_for_what_is_missing(name: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("SCI128", name, comparing(STAND_INS[name] + GAIN + "{here}")), golden, composer)
    assert found == marked


@pytest.mark.parametrize("name", NEVER_TURNED)
def test_numbers_of_nobody_knows_which_run_are_left_alone(name: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("SCI128", name, comparing(NEVER_TURNED[name] + GAIN)), golden, composer) == ([], [])


# Numbers of a key, in ways that the names in the code do not tell; BOTH is a line that computes a gain of `one` over `two`.
BY = 'by = {r["run_id"]: r for r in runs}\n'
FETCHED = {
    "entries": BY + 'one, two = by["proposed-mlp-digits"]["KEY"], by["comparative-1-mlp-digits"]["KEY"]\n',
    "a table": 'df = pd.DataFrame([{"run_id": r["run_id"], "x": r["KEY"]} for r in runs]).set_index("run_id")\n'
    'one, two = df.loc["proposed-mlp-digits", "x"], df.loc["comparative-1-mlp-digits"]["x"]\n',
    "masks": 'df = pd.DataFrame([{"run_id": r["run_id"], "x": r["KEY"]} for r in runs])\n'
    'one = df[df.run_id.str.startswith("proposed")]["x"].min()\ntwo = df[~df.run_id.str.startswith("proposed")]["x"].iloc[0]\n',
    "a list": 'one, two = [r["KEY"] for r in sorted(runs, key=lambda r: r["run_id"], reverse=True)]\n',
    "a loop": 'one = two = None\nfor r in runs:\n    if r["run_id"].startswith("proposed"):\n        one = r["KEY"]\n    else:\n        two = r["KEY"]\n',
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("gain", ["improvement = (one - two) / two", 'report = {"gain_percent": 100 * (one - two) / two}'])
@pytest.mark.parametrize("name", FETCHED)
def test_more_loss_is_no_improvement(name: str, gain: str, golden: dict[str, str], composer: Composer) -> None:
    text = FETCHED[name].replace("KEY", "test_loss") + gain
    found, marked = found_and_marked(("SCI129", name, comparing(text + "{here}")), golden, composer)
    assert found == marked
    for right in (
        text.replace("(one - two)", "(two - one)"),
        text.replace("test_loss", "test_accuracy"),
        text.replace("(one - two)", "abs(one - two)"),
    ):
        assert found_and_marked(("SCI129", name, comparing(right)), golden, composer) == ([], [])
    other = text.replace("improvement", "change").replace("gain_percent", "change")
    assert found_and_marked(("SCI129", name, comparing(other)), golden, composer) == ([], [])
