"""Trees that no honest author would write: always a finding or a reason, never a traceback, never a hang."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli import answered, copy_of, gonogo
from experiments_of_texts import GOLDEN, GOLDEN_PLAN

RUN = "config/run/proposed-mlp-digits.yaml"
BOMB = "\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40)])
KEYS = "".join(f"k{n}: {n}\n" for n in range(10_000))
TRAP = """
obj: {_target_: os.system, command: "touch TRACE"}
home: ${oc.env:HOME}
now: ${now:%Y}
"""
Change = Callable[[Path], object]
# name: (what is done to a copy of the golden experiment, a rule that must block or None, words that its message or the open question has)
CASES: dict[str, tuple[Change, str | None, str]] = {}


def case(name: str, rule: str | None, words: str = "") -> Callable[[Change], Change]:
    def add(change: Change) -> Change:
        CASES[name] = (change, rule, words)
        return change

    return add


def replaced(path: str, text: str | bytes) -> Change:
    def change(tree: Path) -> None:
        (tree / path).write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def appended(path: str, text: str) -> Change:
    def change(tree: Path) -> None:
        with (tree / path).open("a") as file:
            file.write(text)

    return change


def link(path: str, target: str) -> Change:
    def change(tree: Path) -> None:
        (tree / path).unlink(missing_ok=True)
        (tree / path).symlink_to(target)

    return change


for path in (
    "src/train.py",
    "src/main.py",
    "src/evaluate.py",
    "src/model.py",
    "src/preprocess.py",
    "pyproject.toml",
    "config/config.yaml",
    RUN,
):
    rule = "IMP108" if path.endswith(".py") else "IMP103"
    case(f"syntax error in {path.replace('/', '-')}", rule)(appended(path, "\n)(]: {\n"))
    case(f"binary {path.replace('/', '-')}", "IMP103", "not UTF-8")(replaced(path, bytes(range(256)) * 20))
case("bomb as shared config", None, "200000 nodes")(replaced("config/config.yaml", BOMB))
case("bomb as run config", None, "200000 nodes")(replaced(RUN, BOMB))
case("recursive shared config", "IMP103", "contains itself")(replaced("config/config.yaml", "a: &a [*a]\n"))
case("recursive run config", "IMP103", "contains itself")(replaced(RUN, "a: &a {b: *a}\n"))
case("50 MB of Python", None, "too large")(replaced("src/train.py", "x = 1\n" * 9_000_000))
case("50 MB of YAML", None, "too large")(replaced(RUN, "x: 1\n" * 10_000_000))
case("50 MB of data", "STR102", "data.bin")(replaced("data.bin", b"\0" * 50_000_000))
case("link in a circle", "IMP103", "symbolic link")(link("src/model.py", "model.py"))
case("link that leaves the tree", "IMP103", "leaves the tree")(link("src/model.py", "/etc/passwd"))
case("link to the root", "STR102", "everything")(link("everything", "/"))
case("link to itself above", "STR102", "me")(link("src/me", ".."))
case("run config is a list", "RUN103", "list")(replaced(RUN, "- 1\n- 2\n"))
case("run config is a text", "RUN103", "single value")(replaced(RUN, "hello\n"))
case("empty run config", "RUN103")(replaced(RUN, ""))
case("NUL in Python", "IMP103", "null bytes")(replaced("src/train.py", "x = 1\0\n"))
case("NUL in YAML", "IMP103", "#x0000")(replaced(RUN, "a: \0\n"))
case("tab in YAML", "IMP103", "token")(replaced(RUN, "a:\n\tb: 1\n"))
case("deep YAML", None, "levels deep")(replaced(RUN, "a: " + "[" * 50_000))
case("deep TOML", None, "levels deep")(replaced("pyproject.toml", "a = " + "[" * 50_000))
case("parentheses", None, "too many nested parentheses")(replaced("src/train.py", "x = " + "(" * 5000 + ")" * 5000 + "\n"))
case("minus signs", None, "words and signs")(replaced("src/train.py", "x = " + "-" * 300_000 + "1\n"))
case("calls of calls", None)(replaced("src/train.py", "x = a" + "()" * 3000 + "\n"))
case("dots", None)(replaced("src/train.py", "x = a" + ".b" * 50_000 + "\n"))
case("sum", None)(replaced("src/train.py", "x = " + "+".join(["1"] * 50_000) + "\n"))
case("10,000 keys in the shared config", "", "")(appended("config/config.yaml", KEYS))
case("nothing is run or resolved", "", "")(appended("config/config.yaml", TRAP))
case("byte order mark", "", "")(lambda tree: replaced("src/train.py", b"\xef\xbb\xbf" + (tree / "src/train.py").read_bytes())(tree))


@case("carriage returns", "", "")
def _(tree: Path) -> None:
    for file in [*tree.rglob("*.py"), *tree.rglob("*.yaml"), *tree.rglob("*.toml")]:
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))


@case("a pipe for a file", "IMP103", "not a regular file")
def _(tree: Path) -> None:
    (tree / "src/model.py").unlink()
    os.mkfifo(tree / "src/model.py")


@case("a folder for a file", "STR101", "src/model.py")
def _(tree: Path) -> None:
    (tree / "src/model.py").unlink()
    (tree / "src/model.py").mkdir()


@case("odd names", "STR102", "")
def _(tree: Path) -> None:
    for name in (b"a\nb.py", b"\xff.py", b"\x1b[31mred.py", b"-rf.py", b"x" * 240 + b".py"):
        (tree / "src" / os.fsdecode(name)).write_text("import os\n")


@case("nothing at all", None, "there is no Python file to look at")
def _(tree: Path) -> None:
    shutil.rmtree(tree)
    tree.mkdir()


@case("read-only folders", "", "")
def _(tree: Path) -> None:
    for folder in [tree, *[path for path in tree.rglob("*") if path.is_dir()]]:
        folder.chmod(0o555)


@case("run ids that climb", "HYD102", "")
def _(tree: Path) -> None:
    ids = ["../../x", "a\0b", "/etc/x", "x\ny", "y" * 300, "${oc.env:HOME}", "a,b", "{a: b}", "~", "'", "a=b", "é 🙂", "\u202e"]
    runs = [{"run_id": run_id, "config_yaml": "run_id: x\n"} for run_id in ids]
    (tree / "plan.yaml").unlink()
    (tree / "plan.json").write_text(json.dumps({"runs": runs}))


for number, (text, words) in enumerate(
    [
        ("method: x\n", "no runs"),
        ("a: [", "not valid YAML"),
        ("runs: [1]\n", "runs.0"),
        ("runs: {a: 1}\n", "at runs"),
        ("\0", "not valid YAML"),
    ]
):
    case(f"plan {number}", None, words)(replaced("plan.yaml", text))


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> dict[str, dict]:
    """All the cases, judged by one call of the command line."""
    root = tmp_path_factory.mktemp("bad")
    home = root / "home"
    home.mkdir()
    for name, (change, _rule, _words) in CASES.items():
        change(copy_of(GOLDEN, root / name, GOLDEN_PLAN))
    config = root / "nothing is run or resolved/config/config.yaml"
    config.write_text(config.read_text().replace("TRACE", str(root / "TRACE")))
    started = time.monotonic()
    paths = [root / name for name in CASES]
    result = gonogo("check", *paths, "--format", "jsonl", "--timeout", "20", HOME=str(home), SECRET_TOKEN="hunter2")
    for path in root.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    assert (result.returncode, result.stderr) == (1, "")
    assert time.monotonic() - started < 60
    assert not (root / "TRACE").exists()
    assert list(home.iterdir()) == []
    assert "hunter2" not in result.stdout
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["experiment"] for line in lines] == [str(path) for path in paths]
    return dict(zip(CASES, lines, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_a_clear_answer(judged, name):
    _, rule, words = CASES[name]
    verdict = judged[name]
    assert "gonogo failed on it" not in str(verdict["undecided"])
    if rule == "":
        assert verdict["outcome"] == "GO", verdict["code_issue"]
    elif rule is None:
        assert not verdict["is_code_ready"]
        assert words in verdict["code_issue"]
    else:
        assert verdict["outcome"] == "NO-GO"
        messages = [finding["message"] for finding in verdict["findings"] if finding["rule"] == rule and finding["severity"] == "error"]
        assert any(words in message for message in messages), verdict["code_issue"]


def test_interpolations_stay_as_they_are(judged):
    text = json.dumps(judged["nothing is run or resolved"])
    assert os.environ.get("HOME", "/root") + "/" not in text.replace(judged["nothing is run or resolved"]["experiment"], "")


@pytest.mark.parametrize(
    ("bundle", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\x00", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"main_py": NaN}', "must be a text"),
        (b'{"main_py": 3}', "must be a text"),
        (b'{"main_py": "x", "run_configs": {"a": 3}}', "must map run ids"),
        (b'{"x": 1}', "none of its keys"),
    ],
)
def test_bundles_that_are_none(bundle, words, tmp_path):
    (tmp_path / "bundle.json").write_bytes(bundle)
    result = answered("check", tmp_path / "bundle.json")
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_bundle_with_climbing_run_ids(tmp_path):
    ids = ["../../../x", "/etc/y", "a\0b", "\ud800", "c\nd", "a/b/c", ".", "..", "z" * 300]
    bundle = {"main_py": "x = 1\n", "config_yaml": "a: 1\n", "run_configs": dict.fromkeys(ids, "run_id: x\n")}
    result = gonogo("check", "-", "--format", "json", stdin=json.dumps(bundle).encode(), TMPDIR=str(tmp_path))
    assert result.returncode == 1
    assert json.loads(result.stdout)["undecided"] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_time_out_is_no_verdict(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "slow", GOLDEN_PLAN)
    for number in range(6000):  # each takes some hundredths of a second
        text = (tree / RUN).read_text().replace("run_id: proposed-mlp-digits", f"run_id: r{number}")
        (tree / f"config/run/r{number}.yaml").write_text(text)
    result = gonogo("check", tree, GOLDEN, "--timeout", "20", "--format", "jsonl")
    slow, golden = map(json.loads, result.stdout.splitlines())
    assert not slow["is_code_ready"]
    assert "took more than 20 s" in slow["code_issue"]
    assert golden["outcome"] == "GO"


@pytest.mark.slow
def test_ten_thousand_keys_in_a_run_config(tmp_path):
    tree = copy_of(GOLDEN, tmp_path / "keys", GOLDEN_PLAN)
    appended(RUN, KEYS)(tree)
    verdict = json.loads(gonogo("check", tree, "--format", "json").stdout)
    assert sum(finding["rule"] == "HYD105" for finding in verdict["findings"]) == 1000
    assert any(note.startswith("HYD105: 9,0") and "are not listed" in note for note in verdict["notes"]), verdict["notes"]
