"""`gonogo fix`: edits that remove their finding, nothing else changed, nothing half written."""

import json
import os
import stat
import subprocess
import sys

import pytest
from cli import answered, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN, experiment_of
from hypothesis import given
from hypothesis import strategies as st

from gonogo.analysis.project.repairs import with_requirement, with_usable_dependencies
from gonogo.engine.fixing import mend
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.edits import change_between, edited
from gonogo.model.experiment import source_file
from gonogo.model.finding import Change, Fix, Location
from gonogo.rules.base import MARKER, all_rules

WITH_A_FIX = {"ENV101", "ENV102", "ENV107", "EVA103", "EVA108", "HYD101", "HYD104", "HYD106", "TRN101"}


def texts_of_golden():
    return {path.relative_to(GOLDEN).as_posix(): path.read_text() for path in GOLDEN.rglob("*") if path.suffix in (".py", ".yaml", ".toml")}


def examples():
    rules = all_rules()
    for rule_id in sorted(WITH_A_FIX):
        for number, tree in enumerate(rules[rule_id].examples()[0]):
            yield pytest.param(rule_id, tree, id=f"{rule_id}-{number}")


@pytest.mark.parametrize(("rule_id", "tree"), list(examples()))
def test_the_fix_of_a_rule_removes_what_its_examples_show(rule_id, tree, composer):
    files = {path: text.replace(MARKER, "") for path, text in tree.apply(texts_of_golden()).items()}
    experiment = experiment_of(files, tree.plan)
    mended = mend(experiment, lambda each: check(each, CheckOptions(select=(rule_id,)), composer), unsafe=True)
    offered = [finding for finding in mended.before.findings if finding.fix is not None]
    assert mended.taken_back == []
    assert len(mended.after.findings) <= len(mended.before.findings) - len(offered)


@pytest.mark.slow
def test_each_of_these_rules_mends_one_of_its_examples(composer):
    offering = set()
    for case in examples():
        rule_id, tree = case.values
        files = {path: text.replace(MARKER, "") for path, text in tree.apply(texts_of_golden()).items()}
        verdict = check(experiment_of(files, tree.plan), CheckOptions(select=(rule_id,)), composer)
        offering |= {finding.rule for finding in verdict.findings if finding.fix is not None}
    assert offering == WITH_A_FIX


@pytest.mark.parametrize(
    "written",
    [
        "@hydra.main(config_path='../config', config_name='config')",
        "@hydra.main(\n    config_path='../config',\n    config_name='config',\n)",
    ],
)
def test_version_base(written, composer):
    files = texts_of_golden()
    usual = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")'
    files["src/train.py"] = files["src/train.py"].replace(usual, written)
    mended = mend(experiment_of(files), lambda each: check(each, CheckOptions(select=("HYD101",)), composer), unsafe=True)
    assert len(mended.before.findings) == 1
    assert mended.after.findings == []
    assert mended.texts["src/train.py"].replace('version_base="1.3", ', "", 1) == files["src/train.py"]


@pytest.fixture
def broken(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "broken", GOLDEN_PLAN)
    train = tree / "src/train.py"
    text = train.read_text().replace("cfg.run.training", "cfg.training").replace("cfg.run.model", "cfg.model")
    train.write_text(text + "# größer, and a last line without an end", newline="")
    train.chmod(0o755)
    config = tree / "config/config.yaml"
    config.write_text(config.read_text() + "training: {}\nmodel: {}\n")
    return tree


@pytest.mark.slow
def test_from_no_go_to_go(broken):
    before = (broken / "src/train.py").read_text()
    assert answered("check", broken).returncode == 1
    result = answered("fix", broken)
    assert result.returncode == 0
    assert "NO-GO -> GO" in result.stdout
    assert (broken / "src/train.py").read_text() == before.replace("cfg.training", "cfg.run.training").replace("cfg.model", "cfg.run.model")
    assert stat.S_IMODE((broken / "src/train.py").stat().st_mode) == 0o755
    assert answered("check", broken).returncode == 0
    assert "no files changed" in answered("fix", broken).stdout
    assert not [path for path in broken.rglob(".*") if path.is_file()]


@pytest.mark.slow
def test_diff_writes_nothing_and_is_a_patch(broken, tmp_path):
    before = {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()}
    result = answered("fix", broken, "--diff")
    assert "+++ b/src/train.py" in result.stdout
    assert "1 file would be changed" in result.stdout
    assert {path: path.read_bytes() for path in broken.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_other_encodings_and_line_ends_stay(broken):
    train = broken / "src/train.py"
    old = ("# coding: latin-1\r\n" + train.read_text().replace("\n", "\r\n")).encode("latin-1")
    train.write_bytes(old)
    assert answered("fix", broken).returncode == 0
    assert train.read_bytes() == old.replace(b"cfg.training", b"cfg.run.training").replace(b"cfg.model", b"cfg.run.model")


@pytest.mark.slow
def test_a_bundle_keeps_its_other_keys(tmp_path):
    names = {"src/main.py": "main_py", "src/train.py": "train_py", "src/evaluate.py": "evaluate_py", "src/preprocess.py": "preprocess_py"}
    names |= {"src/model.py": "model_py", "pyproject.toml": "pyproject_toml", "config/config.yaml": "config_yaml"}
    files = texts_of_golden()
    files["src/train.py"] = files["src/train.py"].replace("cfg.run.training.momentum", "cfg.training.momentum")
    bundle = {"of others": 1, **{key: files[path] for path, key in names.items()}}
    bundle["run_configs"] = {
        path.split("/")[-1].removesuffix(".yaml"): text for path, text in files.items() if path.startswith("config/run/")
    }
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle))
    answered("fix", path, "--plan", GOLDEN_PLAN)
    written = json.loads(path.read_text())
    assert list(written) == list(bundle)
    assert [key for key in bundle if written[key] != bundle[key]] == ["train_py"]
    assert "cfg.run.training.momentum" in written["train_py"]


@pytest.mark.slow
def test_unsafe_edits_are_made_only_if_asked_for(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "x", GOLDEN_PLAN)
    train = tree / "src/train.py"
    before = train.read_text()
    assert "optimizer.zero_grad()" in before
    train.write_text("".join(line for line in before.splitlines(keepends=True) if "optimizer.zero_grad" not in line))
    told = answered("fix", tree)
    assert "1 more with --unsafe" in told.stdout
    assert told.returncode == 1
    assert answered("fix", tree, "--unsafe").returncode == 0
    assert "optimizer.zero_grad()" in train.read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_what_cannot_be_written_is_one_sentence(broken):
    (broken / "src").chmod(0o555)
    result = gonogo("fix", broken)
    (broken / "src").chmod(0o755)
    assert result.returncode == 2
    assert "can't be written" in result.stderr


@pytest.mark.slow
def test_standard_input_cannot_be_mended():
    result = gonogo("fix", "-")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "can't be mended in place" in result.stderr


def _finding(composer, text, change):
    """A real finding of `undefined-name` with an edit that somebody thought would remove it."""
    experiment = experiment_of({"train.py": text})
    options = CheckOptions(select=("IMP104",), contract="program")

    def judge(each):
        verdict = check(each, options, composer)
        fix = Fix(what="try", changes=(change,), is_safe=True)
        return verdict.model_copy(update={"findings": [finding.model_copy(update={"fix": fix}) for finding in verdict.findings]})

    return mend(experiment, judge, unsafe=False)


@pytest.mark.parametrize("text", ["print(names)", "print(", "print(1)\n\n\nprint(nmae"])
def test_an_edit_that_does_not_help_is_taken_back(text, composer):
    source = "name = 1\nprint(nmae)\n"
    whole = Change(location=Location(path="train.py", line=2, column=1, end_line=2, end_column=12), text=text)
    mended = _finding(composer, source, whole)
    if "nmae" in text or text == "print(":
        assert mended.texts == {}
        assert mended.made == []
        assert len(mended.taken_back) == 1
    else:  # gone by its words; the new one is a finding of its own
        assert mended.after.findings


def test_edits_that_help_are_made(composer):
    change = Change(location=Location(path="train.py", line=2, column=7, end_line=2, end_column=11), text="name")
    mended = _finding(composer, "name = 1\nprint(nmae)\n", change)
    assert mended.texts == {"train.py": "name = 1\nprint(name)\n"}
    assert mended.after.findings == []


@given(st.text("ab\n\r"), st.text("ab\n\r"))
def test_the_change_between_two_texts_makes_one_of_the_other(old, new):
    change = change_between("x", old, new)
    assert (old if change is None else edited(old, [change])) == new


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('dependencies = ["torch^2.4"]', ["torch>=2.4,<3"]),
        ('dependencies = ["torch ^0.4.1", "numpy"]', ["torch>=0.4.1,<0.5", "numpy"]),
        ('dependencies = ["sklearn>=1.0"]', ["scikit-learn>=1.0"]),
        ('[project.dependencies]\ntorch = "^2.4"\npython = "^3.11"\nnumpy = "*"', ["torch>=2.4,<3", "numpy"]),
        (
            '[project.dependencies]\ntorch = "~2.4.1"\nhydra-core = {version = ">=1.3", extras = ["a"]}',
            ["torch>=2.4.1,<2.5", "hydra-core[a]>=1.3"],
        ),
        ('[tool.poetry.dependencies]\npython = "^3.11"\ntorch = "2.4.0"', ["torch==2.4.0"]),
        ('[project.dependencies]\ntorch = {git = "https://example.org/x"}', None),
        ("dependencies = 3", None),
    ],
)
def test_dependencies_that_uv_can_use(written, meant):
    import tomllib

    text = f'[project]\nname = "x"  # my own\nversion = "1"\n{written}\n\n[tool.other]\nkey = 1 # stays\n'
    mended = with_usable_dependencies(text)
    if meant is None:
        assert mended is None
        return
    assert tomllib.loads(mended)["project"]["dependencies"] == meant
    assert "# my own" in mended and "key = 1 # stays" in mended


def test_a_requirement_is_added_as_the_list_is_written():
    text = '[project]\ndependencies = [\n  "a",  # first\n  "b"\n]\n'
    assert with_requirement(text, "c") == '[project]\ndependencies = [\n  "a",  # first\n  "b",\n  "c"\n]\n'


def test_a_file_is_read_as_it_would_be_from_a_disk():
    assert source_file("a.py", "x = 1\r\n").text == "x = 1\r\n"


PARSERS = [  # the lines of a parser; whether the fix may be offered, and then hands on what the command gives
    ('parser.add_argument("results_dir")\nparser.add_argument("run_ids")\nargs = parser.parse_args()', True),
    ('parser.add_argument("results_dir", type=str)\nparser.add_argument("run_ids", type=str)\nargs = parser.parse_args(sys.argv[1:])', True),
    ('parser.add_argument("--results_dir")\nparser.add_argument("--run_ids")\nargs = parser.parse_args()', True),
    ('parser.add_argument("--results_dir")\nparser.add_argument("--run_ids", required=True)\nparser.add_argument("--dpi", type=int)\n'
     "args = parser.parse_args()", True),
    ('parser.add_argument("run_ids")\nparser.add_argument("results_dir")\nargs = parser.parse_args()', False),  # in another order
    ('parser.add_argument("--results-dir")\nparser.add_argument("--run-ids")\nargs = parser.parse_args()', False),
    ('parser.add_argument("--results_dir")\nparser.add_argument("--run_ids", nargs="+")\nargs = parser.parse_args()', False),
    ('parser.add_argument("results_dir")\nparser.add_argument("--run_ids")\nargs = parser.parse_args()', False),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "offered"), PARSERS)
@pytest.mark.parametrize("imports_sys", [True, False])
def test_a_parser_gets_what_the_documented_command_gives(lines, offered, imports_sys, composer):
    """The mended text is run by Python itself, with the arguments of the documented command."""
    if "sys.argv" in lines and not imports_sys:
        pytest.skip("it names sys")
    files = texts_of_golden()
    parser = f"parser = argparse.ArgumentParser()\n{lines}\n"
    tail = "results_dir, run_ids = Path(args.results_dir), json.loads(args.run_ids)\n"
    imports = (
        "from __future__ import annotations\n\nimport argparse\nimport json\n"
        + "import sys\n" * imports_sys
        + "from pathlib import Path\n\n"
    )
    files["src/evaluate.py"] = imports + parser + tail
    mended = mend(experiment_of(files), lambda each: check(each, CheckOptions(select=("EVA103",)), composer), unsafe=False)
    (finding,) = mended.before.findings
    assert (finding.fix is not None) is offered
    if offered:
        assert mended.after.findings == [] and mended.taken_back == []
        told = [
            sys.executable,
            "-c",
            mended.texts["src/evaluate.py"] + "print(results_dir, run_ids)",
            "results_dir=/out=1",
            'run_ids=["a", "b"]',
        ]
        assert subprocess.run(told, capture_output=True, text=True, check=True).stdout == "/out=1 ['a', 'b']\n"
