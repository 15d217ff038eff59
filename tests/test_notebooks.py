"""Notebooks: their code as one text, findings by cell, magics and shell lines left out."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from cli import gonogo
from hypothesis import given
from hypothesis import strategies as st

from gonogo.compose.client import Composer
from gonogo.documents.notebook import NotebookError, as_python, read_notebook
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.rules.base import notebook


def json_of(*cells: str | tuple[str, int | None]) -> str:
    """The text of a notebook with these cells."""
    text = notebook(*cells).changes["analysis.ipynb"]
    assert isinstance(text, str)
    return text


HEAD = """%matplotlib inline
!pip install -q scikit-learn
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler"""
SPLIT = """%%time
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=size, random_state=0)
model = LogisticRegression().fit(X_train, y_train)"""


def patients(scaled: bool, size: bool) -> nbformat.NotebookNode:
    """A notebook that scales before it splits, or defines a name after its use, or neither."""
    code = nbformat.v4.new_code_cell
    reads = 'table = pd.read_csv("patients.csv")\nX, y = table[["age", "income"]], table["sick"]'
    cells = [nbformat.v4.new_markdown_cell("# Patients"), code(HEAD, execution_count=1), code(reads, execution_count=2)]
    if scaled:
        cells.append(code("table.head()\nX = StandardScaler().fit_transform(X)", execution_count=3))
    sets = code("size = 0.2", execution_count=4)
    splits = code(SPLIT, execution_count=5)
    cells += [sets, splits] if size else [splits, sets]
    cells.append(code("print(model.score(X_test, y_test))", execution_count=6))
    return nbformat.v4.new_notebook(cells=cells)


def findings_of(text: str, composer: Composer) -> list[tuple[str, int | None, int | None]]:
    experiment = Experiment(name="n", files={"a.ipynb": source_file("a.ipynb", text)})
    found = check(experiment, CheckOptions(contract="program"), composer).findings
    return [(entry.rule, entry.location.cell, entry.location.line) for entry in found]


def test_a_finding_names_cell_and_line(composer: Composer) -> None:
    found = findings_of(nbformat.writes(patients(scaled=True, size=True)), composer)
    assert ("LEK101", 4, 2) in found
    assert not any(rule.startswith(("NTB", "IMP")) for rule, _, _ in found)


def test_a_name_defined_below_and_the_order_of_runs(composer: Composer) -> None:
    found = findings_of(nbformat.writes(patients(scaled=False, size=False)), composer)
    assert {("NTB102", 4, 2), ("NTB101", 5, 1)} <= set(found)
    assert not any(rule == "IMP104" for rule, _, _ in found)  # one fault is one finding


def test_a_right_notebook_is_silent(composer: Composer) -> None:
    assert findings_of(nbformat.writes(patients(scaled=False, size=True)), composer) == []


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    nbformat.write(patients(scaled=True, size=False), tmp_path / "analysis.ipynb")
    result = gonogo("check", tmp_path)
    assert result.returncode == 1, result.stdout
    assert "analysis.ipynb:cell 4:2:5: error LEK101" in result.stdout
    assert "X = StandardScaler().fit_transform(X)" in result.stdout  # the excerpt is of the cell
    assert "analysis.ipynb:cell 5:2:" in result.stdout and "NTB102" in result.stdout
    result = gonogo("check", tmp_path / "analysis.ipynb", "--format", "json")
    listed = json.loads(result.stdout)["findings"]
    assert {(entry["location"]["cell"], entry["location"]["line"]) for entry in listed if entry["rule"] == "LEK101"} == {(4, 2)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["github", "gitlab", "sarif", "agent", "concise", "html", "markdown"])
def test_no_format_takes_a_line_of_a_cell_for_one_of_the_file(kind: str, tmp_path: Path) -> None:
    nbformat.write(patients(scaled=True, size=True), tmp_path / "analysis.ipynb")
    said = gonogo("check", tmp_path, "--format", kind).stdout
    assert "cell 4" in said
    assert "line=2" not in said and '"startLine"' not in said


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("if x:\n    !ls", "if x:\n    pass"),
        ("!pip install \\\n  torch\nx = 1", "pass\n\nx = 1"),
        ("files = !ls *.csv\nprint(files)", "files = None\nprint(files)"),
        ("%time fit(x)", "fit(x)"),
        ("model.fit??\nx = 1", "pass\nx = 1"),
        ("%%bash\nls\nwc", "\n\n"),
        ("%%capture log\nfit()", "log = None\nfit()"),
        ("%pylab inline\nplot(x)", "from __main__ import *\nplot(x)"),
        ("left = (a\n% b)", "left = (a\n% b)"),  # Python's own operator
        ("x = 1", "x = 1"),
        ("cd data/\nls -l\nx = 1", "pass\npass\nx = 1"),
        ("ls", "pass"),
    ],
)
def test_what_only_ipython_understands_is_left_out(source: str, wanted: str) -> None:
    assert as_python(source) == wanted
    ast.parse(as_python(source))


def test_magics_of_loaded_extensions_need_no_sign() -> None:
    text = read_notebook(json_of(("%load_ext watermark", 1), ("watermark -iv\nx = 1", 2))).text
    assert "watermark -iv" not in text and "x = 1" in text


def test_a_cell_that_does_not_parse_is_left_out_and_named(composer: Composer) -> None:
    found = findings_of(json_of(("x = 1", None), ("print(x", None), ("print(x)", None)), composer)
    assert found == [("NTB103", 2, 1)]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [{}]}']
)
def test_what_is_no_notebook_is_refused(text: str, composer: Composer) -> None:
    with pytest.raises(NotebookError):
        read_notebook(text)
    assert source_file("a.ipynb", text).problem is not None
    findings_of(text, composer)


def test_an_older_format_is_read() -> None:
    cell = {"cell_type": "code", "language": "python", "collapsed": False, "input": ["x = 1\n", "print(x)"], "outputs": [], "metadata": {}}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell], "metadata": {}}]}
    assert read_notebook(json.dumps(old)).text.startswith("x = 1\nprint(x)\n")


@pytest.mark.parametrize("language", ["R", "julia"])
def test_other_languages_are_left_alone(language: str) -> None:
    found = json.loads(json_of(("x <- 1", 1)))
    found["metadata"] = {"language_info": {"name": language}}
    with pytest.raises(NotebookError, match=f"is a notebook of {language}"):
        read_notebook(json.dumps(found))


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=60), max_size=8)
)
def test_every_line_keeps_its_cell(sources: list[str]) -> None:
    found = read_notebook(json_of(*((source, None) for source in sources)))
    ast.parse(found.text)
    lines = found.text.split("\n")
    for cell in found.cells:
        for offset, line in enumerate(cell.source.split("\n")):
            assert found.cell_at(cell.first + offset) is cell
            own = lines[cell.first - 1 + offset]
            assert cell.fault or own == line or as_python(cell.source) != cell.source


@pytest.mark.slow
def test_what_reads_notebooks_is_loaded_only_for_one() -> None:
    asked = "import sys, gonogo.engine.pipeline, gonogo.cli.app; print('nbformat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"
