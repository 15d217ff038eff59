"""Reports: what they say, that they can't be forged, and that JSON is what its schema says."""

import io
import json

import jsonschema
import pytest
from experiments_of_texts import GOLDEN, experiment_of

from gonogo.engine.pipeline import check
from gonogo.model.finding import Finding, Location, Related, Severity, Stage
from gonogo.model.verdict import StageReport, Verdict, undecided
from gonogo.report import json as report_json
from gonogo.report import plain
from gonogo.report.console import ReportConsole
from gonogo.report.excerpt import rows
from gonogo.report.formats.full import Report

CODE = ["import os", "def f(cfg):", "    return cfg.method + '…' + cfg.x", "", "print(1)"]
YAML = ["run:", "  method: tent"]


def finding(**changes) -> Finding:
    fields = {
        "rule": "HYD104",
        "slug": "unknown-config-key",
        "severity": Severity.ERROR,
        "criterion": 2,
        "stage": Stage.COMPOSE,
        "message": "`cfg.method` is not there",
        "action": "read `cfg.run.method`",
        "location": Location(path="src/train.py", line=3, column=12, end_line=3, end_column=22),
        "related": [Related(location=Location(path="config/run/a.yaml", line=2, column=3, end_line=2, end_column=9), label="it is here")],
        "runs": ["a", "b"],
        "evidence": "Key 'method' is not in struct\n    full_key: method",
    }
    return Finding(**{**fields, **changes})


def verdict(*findings: Finding, **changes) -> Verdict:
    fields = {"experiment": "some/where", "contract": "trial-mode", "contract_reason": "so", "gonogo_version": "0", "runs": ["a", "b"]}
    stages = [StageReport(name="check", status="ran", seconds=0.25)]
    return Verdict(**{**fields, "findings": list(findings), "stages": stages, **changes})


def shown(judged: Verdict, **options) -> str:
    stream = io.StringIO()
    console = ReportConsole(stream)
    for name, value in options.items():
        setattr(console, name, value)
    Report(console).print(judged, {"src/train.py": CODE, "config/run/a.yaml": YAML}.get)
    return stream.getvalue()


def test_text_says_it_all():
    text = shown(verdict(finding(), finding(rule="IMP107", slug="dead", severity=Severity.INFO, message="nobody\ncalls it")))
    assert text == (
        "NO-GO  some/where\n"
        "contract: trial-mode (so)\n"
        "runs: 2 (a, b)\n"
        "\n"
        "src/train.py:3:12: error HYD104 unknown-config-key: `cfg.method` is not there (derived)\n"
        "    2 │ def f(cfg):\n"
        "    3 │     return cfg.method + '…' + cfg.x\n"
        "      │            ^^^^^^^^^^\n"
        "  config/run/a.yaml:2:3: it is here\n"
        "    1 │ run:\n"
        "    2 │   method: tent\n"
        "      │   ^^^^^^\n"
        "  seen: Key 'method' is not in struct\n"
        "            full_key: method\n"
        "  runs: all 2\n"
        "  → read `cfg.run.method`\n"
        "\n"
        "src/train.py:3:12: note IMP107 dead: nobody\\ncalls it (derived)\n"
        "\n"
        "NO-GO: 1 error, 0 warnings, 1 note, in 0.25 s\n"
    )


def test_text_of_a_go_and_of_doubt():
    assert shown(verdict()).endswith("\n\nGO: 0 errors, 0 warnings, 0 notes, in 0.25 s\n")
    text = shown(undecided("x", "it took\x1b[2Jtoo long"))
    assert text.startswith("UNDECIDED  x\n")
    assert "could not decide: it took\\x1b[2Jtoo long\n" in text
    assert "1 open question" in text


@pytest.mark.parametrize(
    ("concerned", "of", "words"),
    [
        (["a"], ["a"], None),
        ([], ["a", "b"], None),
        (["a", "b"], ["a", "b"], "runs: all 2"),
        (["a"], ["a", "b"], "runs: a (1 of 2)"),
        (list("abcde"), list("abcdef"), "runs: a, b, c and 2 more (5 of 6)"),
    ],
)
def test_runs_are_shortened(concerned, of, words):
    text = shown(verdict(finding(runs=concerned), runs=of))
    assert words in text if words else "\n  runs: " not in text


HOSTILE = "\x1b[2J\x1b[1;1HGO  some/where\r\nGO: 0 errors\x07\u202e\u2028[bold red]x[/] \x9b31m\udcff\u200b\ttab"


def test_no_text_of_an_experiment_reaches_the_terminal_raw():
    place = Location(path=f"src/{HOSTILE}.py", line=1, column=1)
    nasty = finding(
        message=HOSTILE,
        action=HOSTILE,
        evidence=HOSTILE,
        location=place,
        related=[Related(location=place, label=HOSTILE)],
        runs=[HOSTILE],
    )
    judged = verdict(nasty, runs=[HOSTILE, "b"], contract_reason=HOSTILE, notes=[HOSTILE], undecided=[HOSTILE], experiment=HOSTILE)
    stream = io.StringIO()
    Report(ReportConsole(stream)).print(judged, lambda _path: [HOSTILE, HOSTILE])
    text = stream.getvalue()
    assert all(character == "\n" or character.isprintable() for character in text)
    assert "[bold red]x[/]" in text, "markup is text"
    assert not any(line.startswith(("GO", "\\x1b")) for line in text.splitlines())


def test_code_issue_is_one_line_a_finding():
    judged = verdict(finding(message="first\n2. [FAKE] forged"), finding(severity=Severity.WARNING), undecided=["why\nnot"])
    assert judged.code_issue == ("1. src/train.py:3 [HYD104] first 2. [FAKE] forged; read `cfg.run.method`\n2. could not decide: why not")


def excerpt(line: str, **place) -> list[str]:
    return [row.text for row in rows(Location(path="x", line=1, **place), [line])]


def test_carets_stand_under_wide_characters_and_tabs():
    assert excerpt("\tx = 'é' + y", column=12, end_line=1, end_column=13) == ["    x = 'é' + y", " " * 14 + "^"]
    assert excerpt("名 = y", column=5, end_line=1, end_column=6) == ["名 = y", " " * 5 + "^"]
    assert excerpt("a\x1bb", column=3) == ["a\\x1bb", "     ^"]


def test_long_lines_are_cut_around_the_range():
    text, caret = excerpt("a" * 5000 + "HERE" + "b" * 5000, column=5001, end_line=1, end_column=5005)
    assert len(text) <= 125
    assert text[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_places_that_do_not_exist_have_no_excerpt():
    assert list(rows(Location(path="x", line=9), ["a"])) == []
    assert list(rows(Location(path="x"), ["a"])) == []
    assert excerpt("ab", column=99) == ["ab", "  ^"]
    assert excerpt("", column=1, end_line=1, end_column=1) == ["", "^"]


def test_printable():
    assert plain.line("a\tb\x00\x85é\U0001f600") == "a    b\\x00\\x85é\U0001f600"


def test_terminal_lines_are_wrapped_or_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = io.StringIO()
    Report(ReportConsole(stream)).print(verdict(finding(message="word " * 30)), lambda _path: ["x" * 200] * 5)
    assert "\x1b[1;31merror" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR")
    assert "\x1b" not in shown(verdict(finding()))


def test_schema_in_the_package_is_that_of_the_model():
    assert json.loads(report_json.shipped_schema()) == report_json.make_schema(), (
        "the model changed: write json.dumps(make_schema(), indent=2) to report/verdict.schema.json, and raise SCHEMA_VERSION if a field went or changed"
    )


@pytest.mark.slow
def test_verdicts_are_what_the_schema_says(composer, golden):
    schema = json.loads(report_json.shipped_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    broken = {path: text for path, text in golden.items() if path != "src/model.py"}
    for judged in (verdict(finding()), undecided("x", "y"), *(check(experiment_of(files), None, composer) for files in (golden, broken))):
        data = json.loads(report_json.line(judged))
        jsonschema.validate(data, schema)
        assert list(data)[:3] == ["is_code_ready", "code_issue", "schema_version"]
        assert "\n" not in report_json.line(judged)
        assert data == json.loads(report_json.document([judged]))
    assert schema["required"] == list(schema["properties"])


def test_json_reads_back_as_the_same_verdict():
    judged = verdict(finding())
    assert Verdict.model_validate_json(report_json.line(judged)) == judged


@pytest.mark.slow
def test_excerpts_come_from_plan_runs_too(composer, golden_plan, golden):
    from gonogo.engine.pipeline import judge
    from gonogo.model.experiment import Experiment, SourceFile
    from gonogo.model.plan import Plan

    plan = Plan.model_validate({"runs": [{"run_id": "only-planned", "config_yaml": "run_id: other\n"}]})
    files = {path: SourceFile(path, text) for path, text in golden.items() if not path.startswith("config/run/")}
    judgement = judge(Experiment("x", files, plan), None, composer)
    path = "config/run/only-planned.yaml"
    assert any(entry.location.path == path for entry in judgement.verdict.findings)
    assert judgement.sources[path] == "run_id: other\n"


def test_golden_is_where_the_tests_think():
    assert (GOLDEN / "src/main.py").is_file()
