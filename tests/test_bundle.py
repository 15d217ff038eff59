"""`gonogo pack` and `gonogo unpack`: what is packed comes back, and nothing is written outside the folder."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from cli import answered
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.model import experiment as experiments
from gonogo.model.bundle import can_be_written, schema, to_bundle, to_folder
from gonogo.model.errors import UsageError
from gonogo.model.experiment import BUNDLE_PATHS

GOLDEN = Path(__file__).parent / "golden"
PLAN = GOLDEN.parent / "golden.plan.yaml"
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda text: not text.startswith("\ufeff"))
_IDS = st.text(st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=1, max_size=12)


@pytest.mark.slow
def test_experiment_comes_back_as_it_was(tmp_path: Path) -> None:
    bundle, folder = tmp_path / "bundle.json", tmp_path / "again"
    assert answered("pack", GOLDEN, "--plan", PLAN, "--output", bundle).returncode == 0
    done = answered("unpack", bundle, folder)
    assert done.returncode == 0
    wanted = {
        str(path.relative_to(GOLDEN)): path.read_bytes()
        for path in GOLDEN.rglob("*.*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert done.stdout.split() == [str(folder / path) for path in sorted(found)]
    found.pop("plan.json")
    assert found == wanted
    verdicts = [json.loads(answered("check", each, "--format", "json").stdout) for each in (bundle, folder)]
    assert [verdict["outcome"] for verdict in verdicts] == ["GO", "GO"]
    again = answered("pack", folder)
    assert json.loads(again.stdout) == json.loads(bundle.read_text())


@pytest.mark.slow
@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(sorted(BUNDLE_PATHS)), _TEXTS, min_size=1), st.dictionaries(_IDS, _TEXTS, max_size=3))
def test_any_texts_come_back(tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str], runs: dict[str, str]) -> None:
    given = texts | ({"run_configs": runs} if runs else {})
    jsonschema.validate(given, schema())
    try:
        read = experiments.from_bundle(json.dumps(given).encode(), "x")
        folder = tmp_path_factory.mktemp("bundle") / "new"
        to_folder(read, folder)
    except UsageError:
        assert any(file.problem for file in read.files.values())  # a declared encoding that the text does not have, say
        return
    assert to_bundle(experiments.from_folder(folder))[0] == to_bundle(read)[0]


@pytest.mark.parametrize("run_id", ["../../outside", "a/../../../../b", "nul\0", "x" * 300])
def test_run_id_that_is_no_file_name_is_refused(run_id: str, tmp_path: Path) -> None:
    read = experiments.from_bundle(json.dumps({"main_py": "x = 1\n", "run_configs": {run_id: "a: 1\n"}}).encode(), "x")
    with pytest.raises(UsageError, match="can't be written"):
        to_folder(read, tmp_path / "deep" / "er")
    assert list(tmp_path.iterdir()) == []


def test_names_in_and_out_of_the_folder() -> None:
    assert can_be_written("config/run/a b.yaml")
    assert not can_be_written("/etc/passwd") and not can_be_written("a/../../b")


def test_run_id_that_is_a_file_and_a_folder_is_refused(tmp_path: Path) -> None:
    data = {"main_py": "x = 1\n", "run_configs": {"a": "a: 1\n", "a.yaml/b": "a: 1\n"}}
    with pytest.raises(UsageError, match="can't be written"):
        to_folder(experiments.from_bundle(json.dumps(data).encode(), "x"), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_source_that_has_no_place_is_not_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_text("import src.helper\n")
    (tmp_path / "src/helper.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    done = answered("pack", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no place for src/helper.py" in done.stderr
    (tmp_path / "src/helper.py").unlink()
    done = answered("pack", tmp_path)
    assert json.loads(done.stdout) == {"main_py": "import src.helper\n"}
    assert "left out" in done.stderr and "notes.txt" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pack", "nothing"), "There is no folder"),
        (("pack", "."), "has none of the files of a bundle"),
        (("unpack", "nothing.json", "new"), "There is no"),
        (("unpack", ".", "new"), "is a folder"),
        (("unpack", "bad.json", "new"), "is not a bundle"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("[]")
    done = answered(arguments[0], *(tmp_path / name for name in arguments[1:]))
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    bundle, folder = tmp_path / "b.json", tmp_path / "full"
    bundle.write_text(json.dumps({"main_py": "x = 1\n"}))
    folder.mkdir()
    (folder / "mine").write_text("kept")
    done = answered("unpack", bundle, folder)
    assert (done.returncode, [path.name for path in folder.iterdir()]) == (2, ["mine"])


def test_schema_of_bundles(tmp_path: Path) -> None:
    printed = json.loads(answered("schema", "bundle").stdout)
    jsonschema.Draft202012Validator.check_schema(printed)
    jsonschema.validate({"main_py": "", "runs": [{"run_id": "a", "config_yaml": "b: 1"}]}, printed)
    for wrong in ({}, {"main_py": 1}, {"plan": {"runs": []}}, {"main_py": "", "run_configs": [{"run_id": "a"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, printed)
