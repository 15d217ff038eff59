"""Reading experiments and plans: from folders, bundles and standard input; anything else is wrong use, never an accident."""

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gonogo.model import experiment as experiments
from gonogo.model import plan as plans
from gonogo.model.errors import UsageError
from gonogo.model.experiment import BUNDLE_PATHS, Experiment, from_bundle, from_folder, load, source_file, with_texts

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
LONE = "\ud800"


def bundle(**parts: object) -> bytes:
    return json.dumps({"main_py": "x = 1\n", **parts}).encode()


def test_folder(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    (tmp_path / "data.bin").write_bytes(b"\xff")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/main.pyc").write_bytes(b"")
    found = from_folder(tmp_path)
    assert found.name == tmp_path.name
    assert found.files.keys() == {"src/main.py", "data.bin"}
    assert found.text("src/main.py") == "x = 1\r\n"
    assert found.text("data.bin") is None
    assert found.text("nothing") is None
    assert [file.path for file in found.with_suffix(".py")] == ["src/main.py"]


def test_load_is_named_as_asked(tmp_path):
    assert load(str(tmp_path)).name == str(tmp_path)
    assert load(str(tmp_path), name="mine").name == "mine"
    with pytest.raises(UsageError, match="There is no mine"):
        load(str(tmp_path / "no"), name="mine")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b"caf\xe9"), "not UTF-8 text (byte 3)"),
        (lambda path: path.write_bytes(b"x" * 2_000_001), "too large"),
        (lambda path: path.symlink_to("/etc/passwd"), "leaves the tree"),
        (lambda path: path.symlink_to(path.name), "loop"),
        (lambda path: path.symlink_to("absent.py"), "can't be read: No such file"),
        (lambda path: path.symlink_to(".."), "leaves the tree"),
        (lambda path: path.symlink_to("."), "symbolic link to a folder"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, make, problem):
    make(tmp_path / "main.py")
    file = from_folder(tmp_path).files["main.py"]
    assert file.text is None
    assert problem in (file.problem or "").replace("Too many levels of symbolic links", "loop")


def test_links_inside_the_tree_are_read_and_folders_not_followed(tmp_path):
    (tmp_path / "real.py").write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to("real.py")
    (tmp_path / "again").symlink_to(".")
    found = from_folder(tmp_path)
    assert found.files.keys() == {"real.py", "link.py", "again"}
    assert found.text("link.py") == "x = 1\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable(tmp_path):
    (tmp_path / "main.py").write_text("x")
    (tmp_path / "main.py").chmod(0)
    assert "Permission denied" in (from_folder(tmp_path).files["main.py"].problem or "")


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "MAX_FILES", 3)
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(UsageError, match="more than 3 files"):
        from_folder(tmp_path)


def test_odd_file_names(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\x1b.py"
    Path(os.fsdecode(name)).write_text("x = 1\n")
    assert [path.encode() for path in from_folder(tmp_path).files]


def test_plan_is_found_in_or_beside(tmp_path):
    tree = tmp_path / "exp"
    tree.mkdir()
    assert from_folder(tree).plan is None
    (tmp_path / "exp.plan.json").write_text('{"runs": [{"run_id": "beside"}]}')
    assert from_folder(tree).plan.runs[0].run_id == "beside"
    (tree / "plan.yaml").write_text("runs:\n  - run_id: inside\n")
    found = from_folder(tree)
    assert found.plan.runs[0].run_id == "inside"
    assert "plan.yaml" in found.notes[0]
    given_plan = plans.parse("runs: [{run_id: given}]", "p.yaml")
    assert from_folder(tree, given_plan).plan is given_plan


def test_bundle():
    data = bundle(config_yaml="a: 1", train_py="", run_configs={"r1": "x: 1"}, runs=[{"run_id": "r2", "config_yaml": "x: 2"}], more=1)
    found = from_bundle(data, "b.json")
    assert found.files.keys() == {"src/main.py", "config/config.yaml", "config/run/r1.yaml", "config/run/r2.yaml"}
    assert found.notes == ["Keys of the bundle that mean nothing to gonogo: more."]
    assert from_bundle(b"\xef\xbb\xbf" + data, "b.json").files == found.files
    assert from_bundle(bundle(plan={"runs": [{"run_id": "a"}]}), "b").plan.runs[0].run_id == "a"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "none of its keys"),
        (bundle(main_py=3), "'main_py' must be a text, not int"),
        (bundle(config_yaml=["a"]), "'config_yaml' must be a text, not list"),
        (bundle(run_configs=3), "must map run ids"),
        (bundle(run_configs={"a": 3}), "must map run ids"),
        (bundle(run_configs={" ": "a: 1"}), "must map run ids"),
        (bundle(runs=[1]), "must map run ids"),
        (bundle(runs=[{"run_id": "a"}]), "must map run ids"),
        (bundle(plan=3), "must be a mapping"),
        (bundle(plan={}), "has no runs"),
    ],
)
def test_what_is_no_bundle(data, words):
    with pytest.raises(UsageError, match=words):
        from_bundle(data, "b.json")


def test_half_characters_are_replaced():
    found = from_bundle(bundle(main_py=LONE, run_configs={LONE: LONE}), "b.json")
    for path, file in found.files.items():
        assert (path + (file.text or "")).encode()
    assert plans.parse(json.dumps({"runs": [{"run_id": LONE}], "method": {LONE: [LONE]}}), "p.json").model_dump_json()


def test_large_bundles(monkeypatch):
    file = from_bundle(bundle(train_py="x" * 2_000_001), "b.json").files["src/train.py"]
    assert "too large" in (file.problem or "")
    monkeypatch.setattr(experiments, "MAX_BUNDLE_BYTES", 10)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"x" * 11)))
    with pytest.raises(UsageError, match="standard input is larger than"):
        load("-")


def test_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(bundle())))
    assert load("-").name == "standard input"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("p.json", "{", "not valid JSON"),
        ("p.json", "[" * 100_000, "nested too deeply"),
        ("p.yaml", "a: [", "not valid YAML: line"),
        ("p.yaml", "a: &a [*a]", "an anchor that contains itself"),
        ("p.yaml", "", "not empty"),
        ("p.yaml", "- 1", "not a list"),
        ("p.yaml", "hello", "not a text"),
        ("p.json", "3", "not a number"),
        ("p.yaml", "a: 1", "has no runs"),
        ("p.yaml", "runs: []", "has no runs"),
        ("p.yaml", "runs: [1]", "not valid at runs.0"),
        ("p.yaml", "runs: {a: 1}", "not valid at runs"),
        ("p.yaml", "runs: [{}]", "not valid at runs.0.run_id"),
        ("p.yaml", "runs: [{run_id: ' '}]", "can't be empty"),
        ("p.yaml", "runs: [{run_id: a}, {run_id: a}]", "'a' more than once"),
        ("p.yaml", "runs: [{run_id: a, config_yaml: [1]}]", "config_yaml"),
        ("p.yaml", "runs: [{run_id: a}]\nmetrics: 3", "metrics"),
    ],
)
def test_what_is_no_plan(path, text, words):
    with pytest.raises(UsageError, match=words):
        plans.parse(text, path)


def test_plan_files(tmp_path, monkeypatch):
    path = tmp_path / "p.yaml"
    with pytest.raises(UsageError, match="No such file"):
        plans.load(path)
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        plans.load(path)
    path.write_text("runs: [{run_id: 7, method: m, other: x}]\nmore: 1\n")
    assert plans.load(path).runs[0].run_id == "7"
    monkeypatch.setattr(plans, "MAX_BYTES", 3)
    with pytest.raises(UsageError, match="larger than"):
        plans.load(path)


def only_usage_errors(function, *arguments) -> object:
    try:
        return function(*arguments)
    except UsageError as error:
        assert str(error)
        assert "\n" not in str(error).splitlines()[0]
        return None


@pytest.mark.slow
@SETTINGS
@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda data: json.dumps(data).encode()))
def test_any_bytes_are_a_bundle_or_wrong_use(data):
    assert isinstance(only_usage_errors(from_bundle, data, "b"), Experiment | None)


@pytest.mark.slow
@SETTINGS
@given(st.dictionaries(st.sampled_from([*BUNDLE_PATHS, "run_configs", "runs", "plan", "x"]), JSON | st.dictionaries(st.text(), st.text())))
def test_any_object_is_a_bundle_or_wrong_use(data):
    found = only_usage_errors(from_bundle, json.dumps(data).encode(), "b")
    for path, file in found.files.items() if isinstance(found, Experiment) else ():
        assert (path + (file.text or "")).encode()


@pytest.mark.slow
@SETTINGS
@given(st.text() | JSON.map(json.dumps), st.sampled_from(["p.json", "p.yaml"]))
def test_any_text_is_a_plan_or_wrong_use(text, path):
    only_usage_errors(plans.parse, text, path)


@pytest.mark.slow
@SETTINGS
@given(st.fixed_dictionaries({"runs": JSON | st.lists(st.dictionaries(st.sampled_from(["run_id", "method", "config_yaml"]), JSON))}))
def test_any_object_is_a_plan_or_wrong_use(data):
    only_usage_errors(plans.parse, json.dumps(data), "p.json")


def test_texts_of_an_editor_take_the_place_of_files() -> None:
    before = Experiment("test", {path: source_file(path, "x = 1\n") for path in ("a.py", "b.py")})
    texts = {"a.py": "x = 2\n", "new/c.yaml": "a: 1\n", ".venv/lib/d.py": "x = 3\n", "picture.svg": "<svg/>"}
    after = with_texts(before, texts)
    assert {path: file.text for path, file in after.files.items()} == {"a.py": "x = 2\n", "b.py": "x = 1\n", "new/c.yaml": "a: 1\n"}
    assert before.text("a.py") == "x = 1\n"
