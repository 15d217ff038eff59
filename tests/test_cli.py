"""What a user types and gets back."""

import io
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from cli import GONOGO, TRACEBACK, answered, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

from gonogo import __version__
from gonogo.cli.output import Amount, Destination, opened
from gonogo.model.verdict import undecided
from gonogo.rules.base import all_rules

BUNDLE = {"main_py": "import src.train\n", "config_yaml": "a: 1\n"}


@pytest.fixture
def broken(tmp_path) -> Path:
    tree = copy_of(GOLDEN, tmp_path / "broken", GOLDEN_PLAN)
    (tree / "src/model.py").unlink()
    return tree


@pytest.fixture
def bundle(tmp_path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(BUNDLE))
    return path


def test_version():
    assert gonogo("--version").stdout == f"gonogo {__version__}\n"


@pytest.mark.slow
def test_go():
    result = gonogo("check", GOLDEN)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"GO  {GOLDEN}\n")


@pytest.mark.slow
def test_no_go(broken):
    result = gonogo("check", broken)
    assert result.returncode == 1
    assert "src/model.py: error STR101 missing-file: " in result.stdout
    assert "\x1b" not in result.stdout


def test_could_not_decide(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "far", GOLDEN_PLAN)
    config = tree / "config/config.yaml"
    config.write_text(config.read_text() + "\nhydra:\n  searchpath: [file:///etc]\n")
    result = answered("check", tree, "--select", "HYD102", "--format", "json")
    assert result.returncode == 3
    verdict = json.loads(result.stdout)
    assert (verdict["is_code_ready"], verdict["outcome"]) == (False, "UNDECIDED")
    assert "searchpath" in verdict["code_issue"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope", "nada"], "There is no nope, no nada."),
        ([GOLDEN, "nope"], "There is no nope."),
        ([GOLDEN, "--plan", "nope"], "There is no nope."),
        ([GOLDEN, GOLDEN, "--plan", GOLDEN_PLAN], "2 PATHs take as many plans, not 1"),
        ([GOLDEN, "--plan", GOLDEN / "src"], "can't be read"),
        ([GOLDEN, "--plan", GOLDEN / "src/main.py"], "The plan"),
        ([GOLDEN, "--select", "XYZ9"], "No rule matches 'XYZ9'"),
        ([GOLDEN, "--ignore", "STR,XYZ9"], "No rule matches 'XYZ9'"),
        ([GOLDEN, "--contract", "nope"], "There is no contract 'nope'"),
        ([GOLDEN, "--contract", GOLDEN / "pyproject.toml"], "not valid"),
        ([GOLDEN, "--output", "/no/such/folder/x"], "can't be written"),
        ([GOLDEN / "pyproject.toml"], "not valid JSON"),
        (["/dev/null"], "neither a folder nor a file"),
        (["-", "-"], "Standard input can be read once"),
        (["-"], "standard input is not a bundle"),
        ([".", "--format", "xml"], "There is no format 'xml': use one of agent, concise, full"),
        ([".", "--output", "a", "--output", "json=a"], "--output names one file twice"),
    ],
)
def test_wrong_use_is_one_sentence(arguments, sentence):
    result = gonogo("check", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("gonogo: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["check"], ["check", ".", "--jobs", "0"], ["frob"], ["explain"]])
def test_typos(arguments):
    result = gonogo(*arguments)
    assert result.returncode == 2
    assert "Usage: " in result.stderr


@pytest.mark.slow
def test_bundle_on_stdin():
    result = gonogo("check", "-", "--format", "jsonl", stdin=json.dumps(BUNDLE).encode())
    assert result.returncode == 1
    assert json.loads(result.stdout)["experiment"] == "standard input"


@pytest.mark.slow
def test_several_keep_their_order_and_say_whose_they_are(broken, bundle):
    paths = [str(broken), str(GOLDEN), str(bundle), str(broken)]
    result = gonogo("check", *paths, "--format", "jsonl", "--jobs", "2")
    assert result.returncode == 1
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["experiment"] for line in lines] == paths
    assert [line["outcome"] for line in lines] == ["NO-GO", "GO", "NO-GO", "NO-GO"]
    assert [list(line)[:2] for line in lines] == [["is_code_ready", "code_issue"]] * 4


@pytest.mark.slow
def test_one_plan_for_each(broken):
    plan = broken / "plan.yaml"
    result = gonogo("check", GOLDEN, broken, "--plan", GOLDEN_PLAN, "--plan", plan, "--format", "json")
    assert [verdict["outcome"] for verdict in json.loads(result.stdout)] == ["GO", "NO-GO"]


@pytest.mark.slow
def test_what_is_no_experiment_does_not_take_the_others_along(tmp_path):
    (tmp_path / "text.json").write_text("hello")
    result = gonogo("check", GOLDEN, tmp_path / "text.json")
    assert result.returncode == 3
    assert "1 GO, 0 NO-GO, 1 UNDECIDED" in result.stdout


@pytest.mark.slow
def test_output_file(tmp_path, broken):
    target = tmp_path / "verdict.json"
    result = answered("check", broken, "--format", "json", "--output", target)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")
    assert json.loads(target.read_text())["is_code_ready"] is False


def test_select_and_ignore(broken):
    found = json.loads(answered("check", broken, "--select", "STR101,HYD104", "--select", "RUN", "--format", "json").stdout)
    assert {finding["rule"] for finding in found["findings"]} <= {"STR101", "HYD104", "RUN101", "RUN102", "RUN103", "RUN104"}
    assert "STR101" in found["code_issue"]
    assert any("Only these rules ran" in note for note in found["notes"])
    found = json.loads(answered("check", broken, "--select", "STR", "--ignore", "missing-file", "--format", "json").stdout)
    assert not any(finding["rule"] == "STR101" for finding in found["findings"])


def test_rules_and_explain():
    listed = json.loads(answered("rules", "--format", "json").stdout)
    assert [rule["id"] for rule in listed] == list(all_rules())
    text = answered("rules").stdout
    assert all(f"{rule['id']} " in text for rule in listed)
    shown = answered("explain", "str101").stdout
    assert "What it does: " in shown
    assert "src/preprocess.py is deleted" in shown
    assert answered("explain", "missing-file").stdout == shown
    assert answered("explain", "STR999").returncode == 2


def test_contracts_and_schema():
    assert "trial-mode (default)" in answered("contracts").stdout
    assert json.loads(answered("schema").stdout)["title"] == "gonogo verdict"


@pytest.mark.slow
def test_experiment_checked_from_inside_cannot_replace_our_modules(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "inside", GOLDEN_PLAN)
    for name in ("yaml", "hydra", "pydantic", "typer", "json", "rich"):
        (tree / f"{name}.py").write_text("raise SystemExit('code of the experiment was run')\n")
    result = gonogo("check", ".", "--select", "HYD104", cwd=tree, PYTHONPATH=str(tree))
    # PYTHONPATH is the user's own doing, and is honoured by the interpreter before gonogo can say a word; the current folder is not.
    assert "code of the experiment was run" in result.stderr
    result = gonogo("check", ".", "--select", "HYD104", cwd=tree)
    # Started there, the experiment itself would import this hydra.py, so its config can't be composed: undecided, but nothing was run.
    assert "code of the experiment was run" not in result.stderr
    assert result.returncode == 3


@pytest.mark.slow
def test_closed_pipe():
    process = subprocess.Popen([*GONOGO, "check", GOLDEN], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) == 141


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_full_disk_is_no_verdict(format):
    with Path("/dev/full").open("w") as full:
        process = subprocess.run([*GONOGO, "check", GOLDEN, "--format", format], stdout=full, stderr=subprocess.PIPE, check=False)
    assert process.returncode == 3
    assert b"No space left" in process.stderr
    assert TRACEBACK.encode() not in process.stderr


def children_of(process: subprocess.Popen) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        if len(children) >= 4:
            return children
        time.sleep(0.02)
    raise AssertionError("the children did not start")


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGKILL, -9)]
)
def test_no_orphans(sent, code, tmp_path):
    process = subprocess.Popen(
        [*GONOGO, "check", *[str(GOLDEN)] * 500, "--jobs", "2", "--format", "jsonl"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    children = children_of(process)
    process.send_signal(sent)
    with process.stderr:
        errors = process.stderr.read()
    assert process.wait(10) == code
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert errors == (b"gonogo: stopped\n" if sent == signal.SIGINT else b"")
    if sent != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []


def on_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run with a terminal for stdout and stderr."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*GONOGO, *arguments], stdout=child, stderr=child, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "90", **environment}
    )
    os.close(child)
    shown = b""
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(parent)
    return process.wait(30), shown.decode()


@pytest.mark.slow
def test_terminal(broken):
    code, shown = on_terminal("check", str(GOLDEN), str(broken))
    assert code == 1
    assert "2/2" in shown, "the progress bar"
    assert "\x1b[1;31mNO-GO" in shown
    code, shown = on_terminal("check", str(broken), NO_COLOR="1")
    assert "\x1b[3" not in shown


def test_cold_start_is_light():
    process = subprocess.run(
        [GONOGO[0], "--version"], capture_output=True, text=True, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert not imported & {"typer", "rich", "pydantic", "yaml", "hydra", "subprocess"}


@pytest.mark.slow
def test_several_reports_of_one_check(tmp_path):
    agent, lines = tmp_path / "agent.md", tmp_path / "verdict.jsonl"
    result = gonogo("check", GOLDEN, "--output", f"agent={agent}", "--output", f"jsonl={lines}", "--format", "json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["outcome"] == json.loads(lines.read_text())["outcome"] == "GO"
    assert agent.read_text().startswith("# GO")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.md", "verdict.jsonl"]


def test_a_report_that_is_not_finished_is_not_there(tmp_path):
    report = tmp_path / "report.json"
    report.write_text("an old one")
    with pytest.raises(KeyboardInterrupt), opened([Destination("json", str(report))], io.StringIO(), 1, Amount()) as reports:
        reports.add(undecided("x", "it was stopped"), {})
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
