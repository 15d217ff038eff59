"""Findings of one cause are shown as one, and their fixes stand where the code is wrong."""

import json

import pytest
from experiments_of_texts import GOLDEN, run_rules

from gonogo.model.causes import by_cause
from gonogo.model.verdict import Verdict
from gonogo.report import json as report_json
from gonogo.report.formats import agent, markdown


@pytest.fixture
def files():
    return {path.relative_to(GOLDEN).as_posix(): path.read_text() for path in GOLDEN.rglob("*") if path.suffix in (".py", ".yaml", ".toml")}


def found(composer, files, *rules):
    return run_rules(composer, files, *(rules or ("HYD104",)))


def changes(findings):
    return {(c.location.path, c.location.line, c.text) for f in findings if f.fix for c in f.fix.changes}


def test_a_section_that_is_handed_on_is_changed_at_the_call(composer, files):
    model = files["src/train.py"]
    assert "cfg.run.model" in model
    files["src/train.py"] = model.replace("cfg.run.model", "cfg.model")
    files["config/config.yaml"] += "model: {}\n"
    findings = found(composer, files)
    assert {finding.location.path for finding in findings} >= {"src/model.py"}
    assert all(finding.fix.is_safe for finding in findings)
    lines = files["src/train.py"].splitlines()
    assert changes(findings) == {("src/train.py", number, ".run") for number, line in enumerate(lines, 1) if "cfg.model" in line}
    [shared] = by_cause(findings)
    assert shared.location.path == "src/train.py"


def test_reads_of_one_section_are_one_cause(composer, files):
    files["src/train.py"] = files["src/train.py"].replace("cfg.run.training", "cfg.training")
    files["config/config.yaml"] += "training: {}\n"
    findings = found(composer, files)
    assert len(findings) > 1
    [shared] = by_cause(findings)
    assert shared.action.startswith("put `run.` before them at src/train.py:")
    verdict = Verdict(experiment="e", contract="c", gonogo_version="0", findings=findings)
    assert verdict.code_issue.count("\n") == 0
    assert "`cfg.training.momentum` (`run.training.momentum`)" in verdict.code_issue
    assert len(report_json.as_dict(verdict)["findings"]) == len(findings)
    for text in (agent.text(verdict), markdown.text(verdict)):
        assert text.count("put `run.` before them") == 1
        assert all(str(finding.location.line) in text for finding in findings)


@pytest.mark.slow
def test_a_section_of_which_other_keys_are_there_is_not_moved(composer, files):
    files["src/train.py"] = files["src/train.py"].replace("cfg.run.training.momentum", "cfg.training.momentum + cfg.training.extra")
    files["config/config.yaml"] += "training: {extra: 0.1}\n"
    [finding] = found(composer, files)
    assert finding.fix is None
    assert by_cause([finding])[0].action == finding.action


def test_an_expression_that_stands_for_two_sections_is_not_changed(composer, files):
    train = files["src/train.py"]
    helper = "\n\ndef _momentum(section):\n    return section.training.momentum\n\n"
    files["src/train.py"] = train.replace("cfg.run.training.momentum", "_momentum(cfg) + _momentum(cfg.run)").replace(
        "\n\ndef ", helper + "\n\ndef ", 1
    )
    files["config/config.yaml"] += "training: {}\n"
    [finding] = found(composer, files)
    assert finding.fix is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "written", ["cfg.training.momentum", 'cfg["training"]["momentum"]', 'cfg["training"].momentum', "cfg.training['momentum']"]
)
def test_all_ways_to_write_a_read(composer, files, written):
    good = files["src/train.py"]
    files["src/train.py"] = good.replace("cfg.run.training.momentum", written)
    [finding] = found(composer, files)
    [change] = finding.fix.changes
    lines = files["src/train.py"].splitlines(keepends=True)
    line, start, end = change.location.line - 1, change.location.column - 1, change.location.end_column - 1
    lines[line] = lines[line][:start] + change.text + lines[line][end:]
    assert found(composer, files | {"src/train.py": "".join(lines)}) == []


def test_a_key_spelled_otherwise_is_no_safe_fix(composer, files):
    files["src/train.py"] = files["src/train.py"].replace("cfg.run.training.momentum", "cfg.run.training.momentums")
    [finding] = found(composer, files)
    assert finding.cause is None
    assert not finding.fix.is_safe


def test_json_has_cause_and_fix(composer, files):
    files["src/train.py"] = files["src/train.py"].replace("cfg.run.training.momentum", "cfg.training.momentum")
    [finding] = found(composer, files)
    data = json.loads(finding.model_dump_json())
    assert data["cause"]["key"] == "moved-keys  run"
    assert data["fix"]["changes"][0]["text"] == ".run"
