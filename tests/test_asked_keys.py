"""Which keys evaluation surely asks W&B for, and what it does where one is missing."""

from __future__ import annotations

import textwrap

import pytest
from experiments_of_texts import experiment_of

from gonogo.analysis.python.modules import load_modules
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.tracking.asked_keys import AskedKey, AskedKeys, unique

HEAD = "import pandas as pd\nimport seaborn as sns\nimport wandb\n"
START = 'api = wandb.Api()\nrun = api.run("team/project/id")\n'


def asked(body: str, start: str = START) -> list[AskedKey]:
    """What an evaluation asks for that has these lines."""
    experiment = experiment_of({"src/evaluate.py": HEAD + start + textwrap.dedent(body)})
    modules = load_modules(experiment)
    return unique(AskedKeys(Sources(Symbols(modules, experiment.files)), modules["src/evaluate.py"]).find())


def ways(found: list[AskedKey]) -> set[tuple[str, str]]:
    """The keys with the way of asking."""
    return {(entry.key, entry.how) for entry in found}


ASKED = [
    ("the summary", 'x = run.summary["acc"]', {("acc", "summary")}),
    ("the summary by another name", 's = run.summary\nx = s["acc"]', {("acc", "summary")}),
    ("the summary's plain dictionary", 's = dict(run.summary._json_dict)\nx = s["acc"]', {("acc", "summary")}),
    ("several in a loop", 'for k in ["acc", "loss"]:\n    x = run.summary[k]', {("acc", "summary"), ("loss", "summary")}),
    ("keys for the server", 'h = run.history(keys=["acc", "loss"])', {("acc", "keys"), ("loss", "keys")}),
    ("keys for the server by name", 'KEYS = ["acc"]\nh = list(run.scan_history(keys=KEYS))', {("acc", "keys")}),
    ("a column", 'h = run.history()\nx = h["acc"].max()', {("acc", "column")}),
    ("columns", 'h = run.history(samples=9)\nx = h[["acc", "loss"]]', {("acc", "column"), ("loss", "column")}),
    ("a column of a copy", 'h = run.history().dropna().copy()\nx = h["acc"]', {("acc", "column")}),
    ("a column after a mask", 'h = run.history()\nx = h[h["epoch"] > 3]["acc"]', {("acc", "column"), ("epoch", "column")}),
    ("rows", 'for row in run.scan_history():\n    x = row["acc"]', {("acc", "column")}),
    ("rows made a table", 'h = pd.DataFrame(list(run.scan_history()))\nx = h["acc"]', {("acc", "column")}),
    ("rows of a comprehension made a table", 'h = pd.DataFrame([r for r in run.scan_history()])\nx = h["acc"]', {("acc", "column")}),
    ("dropna", 'h = run.history().dropna(subset=["acc"])', {("acc", "column")}),
    ("seaborn", 'h = run.history()\nsns.lineplot(data=h, x="epoch", y="acc")', {("epoch", "column"), ("acc", "column")}),
    ("runs of a project", 'for r in api.runs("team/project"):\n    x = r.summary["acc"]', {("acc", "summary")}),
    (
        "through functions and dictionaries",
        """
        def fetch(api, path):
            found = api.run(path)
            return {"summary": found.summary._json_dict, "history": found.history()}
        def plot(table):
            return table["acc"]
        data = {}
        for name in ["a", "b"]:
            data[name] = fetch(api, f"team/project/{name}")
        for name, entry in data.items():
            plot(entry["history"])
            x = entry["summary"]["best"]
        """,
        {("acc", "column"), ("best", "summary")},
    ),
]


@pytest.mark.parametrize(("body", "expected"), [(body, expected) for _, body, expected in ASKED], ids=[name for name, *_ in ASKED])
def test_what_is_asked_is_seen(body: str, expected: set[tuple[str, str]]) -> None:
    assert ways(asked(body)) == expected


SILENT = [
    ("another object's summary", 'model = build()\nx = model.summary["acc"]'),
    ("a run that may come from elsewhere", 'run = other() if x else run\ny = run.summary["acc"]'),
    ("a parameter that anybody may give", 'def f(run):\n    return run.summary["acc"]\nregister(f)'),
    ("a key that is looked for", 'x = run.summary["acc"] if "acc" in run.summary else None'),
    ("a column that is looked for elsewhere", 'def plot(h):\n    return h["acc"]\nh = run.history()\nif "acc" in h.columns:\n    plot(h)'),
    ("columns that are there", 'h = run.history()\nfor k in [c for c in ["acc"] if c in h.columns]:\n    x = h[k]'),
    ("a parameter of a call that is looked for", 'def plot(h, k):\n    return h[k]\nh = run.history()\nif "acc" in h:\n    plot(h, "acc")'),
    ("a loop that looks first", 'h = run.history()\nfor k in ["acc", "loss"]:\n    if k in h:\n        x = h[k]'),
    ("a loop that goes on", 'h = run.history()\nfor k in ["acc"]:\n    if k not in h:\n        continue\n    x = h[k]'),
    ("a set of columns", 'h = run.history()\nif {"acc", "loss"}.issubset(h.columns):\n    x = h["acc"]'),
    ("an error that is caught", 'try:\n    x = run.summary["acc"]\nexcept KeyError:\n    x = None'),
    ("a column of evaluation's own", 'h = run.history()\nh["smooth"] = 1\nx = h["smooth"]'),
    ("a renamed column", 'h = run.history()\nh.rename(columns={"a": "acc"}, inplace=True)\nx = h["acc"]'),
    ("system metrics", 'h = run.history(stream="system")\nx = h["system.gpu"]'),
    ("a table that is put together", 'h = pd.concat([run.history(), more])\nx = h["acc"]'),
    ("a table of one row for each run", 't = pd.DataFrame([{"run": 1, "acc": run.summary.get("x")}])\nx = t["acc"]'),
    ("the config", 'x = run.config["lr"]'),
    ("a computed key", "x = run.summary[name()]"),
]


@pytest.mark.parametrize("body", [body for _, body in SILENT], ids=[name for name, _ in SILENT])
def test_what_is_not_surely_asked_or_provided_for_is_left_alone(body: str) -> None:
    assert "acc" not in {entry.key for entry in asked(body) if entry.fallback != "shown"}
    assert not {("smooth", "column"), ("system.gpu", "column"), ("lr", "summary")} & ways(asked(body))


@pytest.mark.parametrize(
    ("call", "fallback"),
    [
        ('run.summary["acc"]', "nothing"),
        ('run.summary.get("acc", 0.0)', "number"),
        ('run.summary.get("acc", -1)', "number"),
        ('run.summary.get("acc", run.summary.get("top1", 0))', "number"),
        ('run.summary.get("acc")', "shown"),
        ('run.summary.get("acc", float("nan"))', "shown"),
        ('run.summary.get("acc", False)', "shown"),
    ],
)
def test_what_evaluation_goes_on_with(call: str, fallback: str) -> None:
    assert {entry.fallback for entry in asked(f"x = {call}") if entry.key == "acc"} == {fallback}


def test_the_place_of_a_key_is_its_own_text() -> None:
    found = asked('h = run.history(\n    keys=[\n        "acc",\n        "loss",\n    ]\n)')
    lines = {entry.key: getattr(entry.written, "lineno", 0) for entry in found}
    assert lines["loss"] == lines["acc"] + 1


def test_the_place_of_a_key_of_a_constant_is_where_its_text_stands() -> None:
    (found,) = asked('KEYS = ["acc"]\nx = pd.DataFrame(list(run.scan_history()))[KEYS]')
    assert getattr(found.written, "lineno", 0) == getattr(found.node, "lineno", 0) - 1


def test_each_key_comes_once() -> None:
    assert [entry.key for entry in asked('x = run.summary["acc"]\ny = run.summary["acc"]')] == ["acc"]
