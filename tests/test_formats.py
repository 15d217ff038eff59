"""The formats for CI systems and people, from the real command line; SARIF is read by a binding made from the official schema."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from cli import answered, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from gonogo.model.finding import Finding, Location, Related, Severity, Stage
from gonogo.model.verdict import Verdict
from gonogo.report.formats import markdown


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The golden experiment with one error, twice, whose two places have the same text, and warnings."""
    tree = copy_of(GOLDEN, tmp_path_factory.mktemp("ci") / "my experiment", GOLDEN_PLAN)
    train = tree / "src/train.py"
    train.write_text(train.read_text().replace("cfg.run.training", "cfg.training"))
    return tree


def check(tree, format, monkeypatch, *arguments):
    monkeypatch.chdir(tree.parent)
    return answered("check", tree.name, "--format", format, *arguments)


def findings(tree):
    return json.loads(answered("check", tree, "--format", "json").stdout)["findings"]


@pytest.mark.slow
def test_sarif(broken, monkeypatch):
    result = check(broken, "sarif", monkeypatch)
    assert result.returncode == 1
    document = json.loads(result.stdout)
    Sarif.model_validate(document)
    [run] = document["runs"]
    expected = findings(broken)
    assert len(run["results"]) == len(expected)
    for found, finding in zip(run["results"], expected, strict=True):
        physical = found["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == f"my%20experiment/{finding['location']['path']}"
        assert physical.get("region", {}).get("startLine") == finding["location"]["line"]
        assert run["tool"]["driver"]["rules"][found["ruleIndex"]]["id"] == found["ruleId"] == finding["rule"]
        assert len(found.get("relatedLocations", [])) == len(finding["related"])
    prints = [found["partialFingerprints"]["gonogo/v1"] for found in run["results"]]
    assert len(set(prints)) == len(prints)
    helped = run["tool"]["driver"]["rules"][0]
    assert "Instead" in helped["help"]["markdown"]


@pytest.mark.slow
def test_sarif_of_a_go_and_of_doubt(tmp_path):
    for name, text in (("empty", None), ("doubt", "hydra:\n  searchpath: [file:///elsewhere]\n")):
        tree = copy_of(GOLDEN, tmp_path / name, GOLDEN_PLAN)
        if text:
            config = tree / "config/config.yaml"
            config.write_text(config.read_text() + text)
    result = answered("check", tmp_path / "empty", tmp_path / "doubt", "--format", "sarif")
    document = json.loads(result.stdout)
    Sarif.model_validate(document)
    go, doubt = document["runs"]
    assert (go["results"], go["invocations"]) == ([], [{"executionSuccessful": True}])
    assert not doubt["invocations"][0]["executionSuccessful"]
    assert "searchpath" in doubt["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


@pytest.mark.slow
def test_github_shows_the_ten_worst_and_the_summary_all(broken, tmp_path, monkeypatch):
    step = tmp_path / "summary.md"
    step.write_text("of another tool\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    shutil_copies = [copy_of(broken, tmp_path / str(number)) for number in range(12)]
    result = answered("check", *shutil_copies, "--format", "github")
    commands = [line for line in result.stdout.splitlines() if line.startswith("::")]
    assert len(commands) == 10
    assert all(
        re.match(r"::error file=src/train\.py,line=\d+,endLine=\d+,col=\d+,endColumn=\d+,title=HYD104 unknown-config-key::", c)
        for c in commands
    )
    assert "10 of " in result.stdout
    assert step.read_text().startswith("of another tool\n## ❌ NO-GO")
    assert step.read_text().count("## ❌ NO-GO") == 12


@pytest.mark.slow
def test_github_places_are_those_of_the_repository(broken, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert "::error file=my experiment/src/train.py,line=" in check(broken, "github", monkeypatch).stdout


@pytest.mark.slow
def test_a_summary_that_cannot_be_written_is_said_before_the_check(broken):
    result = gonogo("check", broken, "--format", "github", GITHUB_STEP_SUMMARY="/no/such/folder/x")
    assert (result.returncode, result.stdout) == (2, "")
    assert "GITHUB_STEP_SUMMARY names, can't be written" in result.stderr


@pytest.mark.slow
def test_gitlab(broken, monkeypatch):
    entries = json.loads(check(broken, "gitlab", monkeypatch).stdout)
    assert len({entry["fingerprint"] for entry in entries}) == len(entries) == len(findings(broken))
    assert {entry["severity"] for entry in entries} <= {"info", "minor", "major", "critical", "blocker"}
    assert entries[0]["check_name"] == "HYD104 unknown-config-key"
    assert entries[0]["location"]["path"] == "my experiment/src/train.py"


@pytest.mark.slow
def test_junit(broken):
    root = ET.fromstring(answered("check", broken, GOLDEN, "--format", "junit").stdout)
    bad, good = root.findall("testsuite")
    failed = [case for case in bad.findall("testcase") if case.find("failure") is not None]
    assert (
        len(failed)
        == int(bad.attrib["failures"])
        == int(root.attrib["failures"])
        == sum(f["severity"] == "error" for f in findings(broken))
    )
    assert failed[0].attrib["classname"] == "src/train.py"
    assert [case.attrib["name"] for case in good.findall("testcase")] == ["GO"]


def test_markdown_shows_texts_as_they_are():
    told = "`a|b` <script> *x* @someone [link](x) | and\nmore"
    finding = Finding(
        rule="X1", slug="x", severity=Severity.ERROR, stage=Stage.CHECK, message=told, action="do", location=Location(path="a_b.py", line=3)
    )
    text = markdown.text(Verdict(experiment="e", contract="c", gonogo_version="0", findings=[finding]))
    assert "| error | X1 | a\\_b.py:3 | `a\\|b` \\<script\\> \\*x\\* \\@someone \\[link\\]\\(x\\) \\| and more | do |" in text


@pytest.mark.slow
def test_concise_and_quiet(broken):
    lines = answered("check", broken, "--format", "concise").stdout.splitlines()
    assert re.match(r"src/train\.py:\d+:\d+: error HYD104 `cfg\.training`", lines[0])
    assert len(lines) == len(findings(broken)) + 1
    assert lines[-1].startswith(f"{broken}: NO-GO: ")
    for format in ("concise", "full"):
        quiet = answered("check", broken, "-q", "--format", format)
        assert (quiet.returncode, quiet.stdout.count("\n")) == (1, 1)
        assert "NO-GO" in quiet.stdout


@pytest.mark.slow
def test_verbose_shows_the_stages(broken):
    assert "stage: compose ran" in answered("check", broken, "-v").stdout
    assert "stage: " not in answered("check", broken).stdout


@pytest.mark.slow
def test_statistics(broken):
    result = answered("check", broken, GOLDEN, "--statistics")
    first = result.stdout.splitlines()[0].split()
    assert result.returncode == 1
    assert first[1:3] == ["error", "HYD104"]
    assert "in 1 of 2 experiments" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("1 GO, 1 NO-GO")


@pytest.mark.slow
def test_min_severity_changes_what_is_shown_not_the_verdict(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "x", GOLDEN_PLAN)

    run = tree / "config/run/proposed-mlp-digits.yaml"
    run.write_text(run.read_text() + "nobody_reads_this: 1\n")
    everything = answered("check", tree, "--format", "json")
    errors = answered("check", tree, "--format", "json", "--min-severity", "error")
    before, after = json.loads(everything.stdout), json.loads(errors.stdout)
    lesser = [finding for finding in before["findings"] if finding["severity"] != "error"]
    assert lesser
    assert everything.returncode == errors.returncode
    assert before["outcome"] == after["outcome"]
    assert len(after["findings"]) == len(before["findings"]) - len(lesser)
    assert f"{len(lesser)} finding" in after["notes"][-1]


@pytest.mark.slow
def test_exit_zero(broken, tmp_path):
    assert answered("check", broken, "--exit-zero").returncode == 0
    doubt = copy_of(GOLDEN, tmp_path / "doubt", GOLDEN_PLAN)
    config = doubt / "config/config.yaml"
    config.write_text(config.read_text() + "hydra:\n  searchpath: [file:///elsewhere]\n")
    assert answered("check", broken, doubt, "--exit-zero").returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--format", "sarfi"], "There is no format 'sarfi': did you mean sarif?"),
        (["--output", "sarif=/no/such/folder/x", "--output", "json=ok.json"], "/no/such/folder/x can't be written"),
        (["-q", "-v"], "--quiet and --verbose contradict each other"),
        (["--statistics", "--format", "json"], "--statistics and --format"),
    ],
)
def test_wrong_use(arguments, sentence, tmp_path):
    result = gonogo("check", GOLDEN, *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_many_outputs(broken, tmp_path):
    kinds = ("sarif", "gitlab", "junit", "markdown", "concise", "jsonl", "json", "agent", "github", "full")
    outputs = [word for kind in kinds for word in ("--output", f"{kind}={tmp_path / kind}")]
    assert answered("check", broken, *outputs).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kinds)
    assert all(path.read_text().strip() for path in tmp_path.iterdir())


def test_labels_of_related_places_are_in_sarif(tmp_path):
    from gonogo.report.formats.sarif import _result

    place = Location(path="a.py", line=1)
    finding = Finding(
        rule="X1",
        slug="x",
        severity=Severity.ERROR,
        stage=Stage.CHECK,
        message="m",
        action="a",
        location=place,
        related=[Related(location=Location(path="b.yaml"), label="it is here")],
    )
    verdict = Verdict(experiment="e", contract="c", gonogo_version="0", findings=[finding])
    assert _result(verdict, finding, "f", ["X1"])["relatedLocations"][0]["message"] == {"text": "it is here"}


URL = "https://example.org/gonogo/"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["option", "environment", "policy", "repository"])
def test_a_published_documentation_is_linked_to(how, tmp_path, monkeypatch):
    """In every format that can have links; without an address there is none."""
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    train = tree / "src/train.py"
    train.write_text(train.read_text("utf-8").replace("cfg.run.training.momentum", "cfg.training.momentum"), "utf-8")
    given: list[str] = []
    if how == "option":
        given = ["--docs-url", URL]
    elif how == "environment":
        monkeypatch.setenv("GONOGO_DOCS_URL", URL)
    elif how == "policy":
        (tmp_path / "policy.toml").write_text(f'docs-url = "{URL}"\n', "utf-8")
        given = ["--config", str(tmp_path / "policy.toml")]
    else:
        with (tree / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[tool.gonogo]\ndocs-url = "{URL}"\n')
        given = ["--trust-repo"]
    page = "https://example.org/gonogo/rules/HYD104/"
    formats = ("sarif", "gitlab", "github", "markdown", "html")
    outputs = [word for name in formats for word in ("--output", f"{name}={tmp_path / name}")]
    answered("check", tree, *given, *outputs)
    texts = {name: (tmp_path / name).read_text("utf-8") for name in formats}
    assert all(page in text for text in texts.values()), [name for name, text in texts.items() if page not in text]
    rules = json.loads(texts["sarif"])["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["helpUri"] for rule in rules] == [f"https://example.org/gonogo/rules/{rule['id']}/" for rule in rules]
    assert f"[HYD104]({page})" in texts["markdown"] and f'href="{page}"' in texts["html"]


@pytest.mark.slow
def test_without_an_address_nothing_is_linked_to(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "tree", GOLDEN_PLAN)
    train = tree / "src/train.py"
    train.write_text(train.read_text("utf-8").replace("cfg.run.training.momentum", "cfg.training.momentum"), "utf-8")
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[tool.gonogo]\ndocs-url = "{URL}"\n')  # the experiment's own, without --trust-repo
    for name in ("sarif", "gitlab", "github", "markdown", "html"):
        text = answered("check", tree, "--format", name).stdout
        assert "HYD104" in text and "/rules/" not in text and "helpUri" not in text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://example.org", "https://a b", 'https://x"onclick="', "https://x/](y"])
def test_an_address_that_is_none_is_refused(url, tmp_path):
    done = answered("check", GOLDEN, "--docs-url", url)
    assert done.returncode == 2 and "--docs-url" in done.stderr
    (tmp_path / "policy.toml").write_text(f"docs-url = {json.dumps(url)}\n", "utf-8")
    assert answered("check", GOLDEN, "--config", tmp_path / "policy.toml").returncode == 2
