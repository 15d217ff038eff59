"""What training scripts do with the real client, and what the tracker then holds."""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_scripts import PATH, api, finish, run, run_of, start, tracker_and_client

from gonogo.tracker import Tracker

SEED_PLAN = Path(__file__).parents[3] / "shared/seed/plan.json"
HARD_IDS = [
    "a b",
    "proposed (severity 5)",
    "a..b",
    "a+b",
    "a&b=c",
    '"quoted"',
    "ünïcødé-模型-😀",
    "a\\b",
    "[x]{y}|~`^*$!@<>",
    "x" * 100,
]
# In the order of a row: what is logged, by name.
VALUES = """{
    "nan": math.nan, "inf": math.inf, "ninf": -math.inf, "big": 2**60 + 1, "negative": -(2**62), "minus zero": -0.0, "tiny": 1e-308,
    "denormal": 5e-324, "max": 1.7976931348623157e308, "whole": 1.0, "third": 1 / 3, "1e20": 1e20, "1e22": 1e22, "true": True, "false": False,
    "none": None, "text": "ünï ☃ 😀 \\n \\" \\\\ \\u2028 \\x7f", "empty": "", "list": [0.1, [2]], "nested": {"a": 1, "b": {"c": math.nan, "d": [1, 2]}},
    "key with . dot": 1, "slash/ed": 2, "ключ": 3,
}"""
EVERYTHING = f"""
config = {{"seed": 1, "model": {{"name": "resnet18", "sizes": [1, {{"deep": None}}]}}, "big": 2**60 + 1, "text": "é☃", "none": None}}
run = init(id="everything", name="a title", notes="why", tags=["a", "ü"], group="g", job_type="train", config=config)
run.config["late"] = 5
run.config.update({{"model": {{"name": "vgg"}}}}, allow_val_change=True)  # the client joins nested dicts
for kind in ("max", "min", "mean", "last", "none"):
    run.define_metric(f"m/{{kind}}", summary=kind)
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch", summary="min")
run.log({VALUES}, step=5)
for step, value in enumerate([3, 1, 2]):
    row = {{f"m/{{kind}}": value for kind in ("max", "min", "mean", "last", "none")}}
    run.log(row | {{"epoch": step, "val/loss": value}}, step=10 + step, commit=True)
run.log({{"half": 1}}, commit=False)
run.log({{"other half": 2}})
run.log({{"sparse": 1}}, step=1000, commit=True)
run.log({{"too late": 1}}, step=3)
run.log({{"table": wandb.Table(columns=["a", "b"], data=[[1, "x"], [2.5, None]])}})
run.summary["nested"] = {{"a": {{"b": 1}}, "list": [1, 2, {{"x": math.nan}}]}}
run.summary.update({{"inf": math.inf, "text": "☃", "big": 2**60 + 1}})
run.summary["long"] = "y" * 100_000
print("printed, ünï")
print("to standard error", file=sys.stderr)
folder = Path("out/deep")
folder.mkdir(parents=True)
(folder / "notes.txt").write_text("notes\\n")
(Path("out") / "with space & (x)%41 ü.txt").write_text("odd\\n")
run.save("out/deep/*", base_path="out")
run.save("out/*.txt", base_path="out", policy="now")
run.alert("look", "something happened", level=wandb.AlertLevel.WARN)
artifact = wandb.Artifact("weights", type="model", metadata={{"epoch": 1}}, description="the best")
artifact.add_dir("out", name="files")
shared = wandb.Table(columns=["c"], data=[[1]])
artifact.add(shared, "examples")
run.log_artifact(artifact, aliases=["best", "latest"])
other = wandb.Artifact("report", type="report")
other.add(shared, "examples")  # leads to the other artifact, which may not be there yet
run.log_artifact(other)
"""


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """A tracker for all tests here."""
    with tracker_and_client(tmp_path_factory.mktemp("training")) as tracker:
        yield tracker


@pytest.fixture(scope="module")
def everything(tracker: Tracker, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run with one of everything."""
    run(tracker, tmp_path_factory.mktemp("everything"), EVERYTHING)
    return run_of("everything")


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, what is no number and the signs of zeros included; whole numbers may be of either kind."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("d", one) == struct.pack("d", other)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@pytest.mark.slow
def test_every_value_comes_back(everything: Any) -> None:
    rows = {row["_step"]: row for row in everything.scan_history()}
    row = {name: value for name, value in rows[5].items() if name not in ("_step", "_runtime", "_timestamp")}
    wanted = eval(VALUES, {"math": math})
    assert row.keys() == wanted.keys()
    assert [name for name in row if not same(row[name], wanted[name])] == []


def test_what_the_client_makes_of_numbers(everything: Any) -> None:
    """These are the client's doing, not the tracker's; the test is here so that a change is noticed."""
    (row,) = (row for row in everything.scan_history() if row["_step"] == 5)
    assert isinstance(row["whole"], int), "1.0 came back as the integer 1 with clients up to 0.31"
    assert str(row["minus zero"]) == "0", "-0.0 came back without its sign with clients up to 0.31"
    (keyed,) = everything.scan_history(keys=["nan", "inf", "ninf", "big", "third", "nested.b.c"])
    assert (keyed["nan"], keyed["inf"], keyed["ninf"], keyed["nested.b.c"]) == ("NaN", "Infinity", "-Infinity", "NaN")
    assert (keyed["big"], keyed["third"]) == (float(2**60 + 1), 1 / 3), "with keys, integers came back as doubles with clients up to 0.31"
    (sampled,) = everything.history(keys=["nan", "big"], pandas=False)
    assert (sampled["nan"], sampled["big"]) == ("NaN", 2**60 + 1)


def test_rows_are_those_that_were_committed(everything: Any) -> None:
    rows = {row["_step"]: row for row in everything.scan_history()}
    assert [*rows] == [5, 10, 11, 12, 13, 1000, 1001]
    assert (rows[13]["half"], rows[13]["other half"]) == (1, 2)
    assert everything.lastHistoryStep == 1001
    assert not any("too late" in row for row in rows.values())


def test_config_is_the_last_one(everything: Any) -> None:
    config = {"seed": 1, "model": {"name": "vgg", "sizes": [1, {"deep": None}]}, "big": 2**60 + 1, "text": "é☃", "none": None, "late": 5}
    assert everything.config == config


def test_summary_is_as_defined(everything: Any) -> None:
    summary = everything.summary
    assert [summary[f"m/{kind}"][kind] for kind in ("max", "min", "mean", "last")] == [3, 1, 2, 2]
    assert "m/none" not in summary
    assert summary["val/loss"]["min"] == 1
    assert same(summary._json_dict["nested"], {"a": {"b": 1}, "list": [1, 2, {"x": math.nan}]})
    assert (summary["inf"], summary["text"], summary["big"], len(summary["long"])) == (math.inf, "☃", 2**60 + 1, 100_000)
    assert summary["third"] == 1 / 3


def test_what_is_said_of_a_run(everything: Any) -> None:
    found = (everything.name, everything.notes, everything.tags, everything.group, everything.job_type, everything.state)
    assert found == ("a title", "why", ["a", "ü"], "g", "train", "finished")
    assert everything.metadata["python"]


def test_files_of_a_run(everything: Any, tmp_path: Path) -> None:
    contents = {"deep/notes.txt": "notes\n", "with space & (x)%41 ü.txt": "odd\n"}
    names = {file.name for file in everything.files()}
    assert {*contents, "config.yaml", "output.log", "requirements.txt", "wandb-metadata.json", "wandb-summary.json"} <= names
    for name, content in contents.items():
        with everything.file(name).download(root=str(tmp_path)) as file:
            assert file.read() == content
        assert (tmp_path / name).read_text() == content


def test_console_of_a_run(everything: Any, tmp_path: Path) -> None:
    with everything.file("output.log").download(root=str(tmp_path)) as file:
        assert sorted(file.read().splitlines()) == ["printed, ünï", "to standard error"]


@pytest.mark.slow
def test_table_of_a_run(everything: Any, tmp_path: Path) -> None:
    assert everything.summary["table"]["_type"] == "table-file"
    with everything.file(everything.summary["table"]["path"]).download(root=str(tmp_path)) as file:
        assert json.load(file) == {"columns": ["a", "b"], "data": [[1, "x"], [2.5, None]]}
    (table,) = (artifact for artifact in everything.logged_artifacts() if artifact.type == "run_table")
    assert table.get("table").data == [[1, "x"], [2.5, None]]


def test_artifacts_of_a_run(everything: Any, tmp_path: Path) -> None:
    artifact = api().artifact(f"{PATH}/weights:best")
    assert (artifact.type, artifact.metadata, artifact.description, artifact.version) == ("model", {"epoch": 1}, "the best", "v0")
    assert artifact.logged_by().id == "everything"
    folder = Path(artifact.download(root=str(tmp_path)))
    contents = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")}
    assert contents == {"files/deep/notes.txt": "notes\n", "files/with space & (x)%41 ü.txt": "odd\n"}
    assert artifact.get("examples").data == [[1]]
    assert api().artifact(f"{PATH}/report:latest").get("examples").data == [[1]]


def seed_ids() -> list[str]:
    """The ids of the runs of the given plan."""
    return [entry["run_id"] for entry in json.loads(SEED_PLAN.read_text())["runs"]]


ONE_RUN_EACH = """
for name in json.loads(sys.argv[1]):
    with init(id=name, name=f"title of {name}") as run:
        run.log({"x": 0.5, "table": wandb.Table(columns=["a"], data=[[name]])})
        Path("file.txt").write_text(name)
        run.save("file.txt")
"""


def check_ids(names: list[str], folder: Path) -> None:
    """Look whether runs of these ids can be read by them."""
    assert {run.id for run in api().runs(PATH)} >= {*names}
    for name in names:
        found = run_of(name)
        assert (found.id, found.name, found.state) == (name, f"title of {name}", "finished")
        assert [row["x"] for row in found.scan_history()] == [0.5]
        with found.file("file.txt").download(root=str(folder), replace=True) as file:
            assert file.read() == name
        (table,) = found.logged_artifacts()
        assert table.get("table").data == [[name]]


@pytest.mark.skipif(not SEED_PLAN.exists(), reason="the material beside the project is not here")
def test_ids_of_the_given_plan(tracker: Tracker, tmp_path: Path) -> None:
    names = seed_ids()
    assert len(names) == 2
    run(tracker, tmp_path, ONE_RUN_EACH, json.dumps(names))
    check_ids(names, tmp_path)


@pytest.mark.slow
def test_hard_ids(tracker: Tracker, tmp_path: Path) -> None:
    run(tracker, tmp_path, ONE_RUN_EACH, json.dumps(HARD_IDS))
    check_ids(HARD_IDS, tmp_path)


@pytest.mark.slow
def test_ids_that_the_client_can_not_log_under_fail_at_once(tracker: Tracker, tmp_path: Path) -> None:
    script = """
for name in ("100%", "a%41", ".."):
    try:
        init(id=name)
    except wandb.Error as error:
        print(error)
"""
    output = run(tracker, tmp_path, script)
    assert output.count("can't log under the id") == 3


@pytest.mark.slow
@pytest.mark.parametrize(("end", "code", "state"), [("sys.exit(3)", 3, "failed"), ("1 / 0", 1, "failed"), ("sys.exit(0)", 0, "finished")])
def test_the_state_tells_how_a_program_ended(tracker: Tracker, tmp_path: Path, end: str, code: int, state: str) -> None:
    name = f"ends-{state}-{code}"
    run(tracker, tmp_path, f"run = init(id={name!r})\nrun.log({{'x': 1}})\n{end}", code=code)
    assert run_of(name).state == state
    assert [row["x"] for row in run_of(name).scan_history()] == [1]


@pytest.mark.slow
def test_an_exit_code_of_finish_is_a_failure(tracker: Tracker, tmp_path: Path) -> None:
    run(tracker, tmp_path, "run = init(id='gave-up')\nrun.log({'x': 1})\nrun.finish(exit_code=1)")
    assert run_of("gave-up").state == "failed"


RESUMED = """
run = init(id=sys.argv[1], resume=sys.argv[2], config={"late": int(sys.argv[3])})
print(json.dumps([run.resumed, run.starting_step]))
for number in range(3):
    run.log({"x": int(sys.argv[3]) + number})
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["allow", "must"])
def test_a_resumed_run_goes_on_where_it_was(tracker: Tracker, tmp_path: Path, how: str) -> None:
    name = f"resumed-{how}"
    begun = run(tracker, tmp_path, RESUMED, name, "allow", "0")
    resumed = run(tracker, tmp_path, RESUMED, name, how, "100")
    assert [json.loads(begun), json.loads(resumed)] == [[False, 0], [True, 3]]
    found = run_of(name)
    assert [(row["_step"], row["x"]) for row in found.scan_history()] == [(0, 0), (1, 1), (2, 2), (3, 100), (4, 101), (5, 102)]
    assert (found.config["late"], found.summary["x"], found.state) == (100, 102, "finished")


@pytest.mark.slow
def test_what_may_not_be_resumed(tracker: Tracker, tmp_path: Path) -> None:
    run(tracker, tmp_path, RESUMED, "was-there", "never", "0")
    script = """
for name, how in (("was-there", "never"), ("was-not-there", "must")):
    try:
        init(id=name, resume=how)
    except wandb.Error as error:
        print(json.dumps(str(error)))
"""
    never, must = map(json.loads, run(tracker, tmp_path, script).splitlines())
    assert "was-there" in never and "already exists" in never
    assert "was-not-there" in must and "does not exist" in must
    assert [row["x"] for row in run_of("was-there").scan_history()] == [0, 1, 2]
    assert "was-not-there" not in [run.id for run in api().runs(PATH)]


@pytest.mark.slow
def test_the_same_id_without_resume_begins_anew(tracker: Tracker, tmp_path: Path) -> None:
    script = """
first, count = int(sys.argv[1]), int(sys.argv[2])
with init(id="anew", config={"first": first}) as run:
    for number in range(count):
        run.log({"x": first + number, f"key {first}": 1})
"""
    run(tracker, tmp_path, script, "0", "20")
    run(tracker, tmp_path, script, "100", "5")
    found = run_of("anew")
    assert [row["x"] for row in found.scan_history()] == [100, 101, 102, 103, 104]
    assert (found.config, found.summary["x"], found.lastHistoryStep) == ({"first": 100}, 104, 4)
    assert "key 0" not in found.summary
    assert [*found.scan_history(keys=["key 0"])] == []


def sync(tracker: Tracker, folder: Path, *arguments: str) -> str:
    """Run `wandb sync`; what it printed."""
    script = f"from wandb.cli.cli import cli\ncli({['sync', *arguments]!r})"
    return run(tracker, folder, script, WANDB_SILENT="false")


@pytest.mark.slow
def test_an_offline_run_is_synced_once_however_often(tracker: Tracker, tmp_path: Path) -> None:
    script = """
with init(id="offline", mode="offline", config={"seed": 2}, tags=["off"]) as run:
    for step in range(1200):
        run.log({"x": step / 3})
    run.summary["best"] = {"deep": [1]}
    run.log({"table": wandb.Table(columns=["a"], data=[[1]])})
    print("printed offline")
    Path("file.txt").write_text("offline")
    run.save("file.txt")
"""
    run(tracker, tmp_path, script)
    assert "offline" not in [run.id for run in api().runs(PATH)]
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    for _ in range(2):
        sync(tracker, tmp_path, "--include-synced", str(folder))
        found = run_of("offline")
        assert [row["x"] for row in found.scan_history(keys=["x"])] == [step / 3 for step in range(1200)]
        assert len([*found.scan_history()]) == 1201
        assert (found.config, found.tags, found.state, found.summary["best"]["deep"]) == ({"seed": 2}, ["off"], "finished", [1])
        assert found.file("file.txt").size == 7
        with found.file("output.log").download(root=str(tmp_path), replace=True) as file:
            assert file.read().splitlines() == ["printed offline"]
        (table,) = found.logged_artifacts()
        assert (table.version, table.get("table").data) == ("v0", [[1]])


@pytest.mark.slow
def test_syncing_the_folder_of_a_crashed_process_leaves_what_its_successor_logged(tracker: Tracker, tmp_path: Path) -> None:
    script = """
run = init(id="crashed", resume="allow", config={"attempt": sys.argv[1]})
first = run.starting_step
for step in range(first, 300):
    run.log({"x": step, "attempt": int(sys.argv[1])})
    if sys.argv[1] == "1" and step == 200:
        import time, signal
        time.sleep(3)
        os.kill(os.getpid(), signal.SIGKILL)
print(first)
"""
    crash = start(tracker, tmp_path / "one", script, "1", WANDB__FILE_STREAM_TRANSMIT_INTERVAL="1")
    crash.communicate(timeout=60)
    assert crash.returncode == -9
    had = len([*run_of("crashed").scan_history()])
    assert 0 < had <= 201
    assert int(run(tracker, tmp_path / "two", script, "2")) == had
    before = [(row["_step"], row["x"], row["attempt"]) for row in run_of("crashed").scan_history()]
    assert before == [(step, step, 1 if step < had else 2) for step in range(300)]
    (folder,) = (tmp_path / "one/wandb").glob("run-*")
    # The file of a killed process ends with half a record, which the client reports.
    script = f"import subprocess\nsubprocess.run([sys.executable, '-m', 'wandb', 'sync', '--include-online', '--include-synced', {str(folder)!r}])"
    run(tracker, tmp_path / "one", script)
    assert [(row["_step"], row["x"], row["attempt"]) for row in run_of("crashed").scan_history()] == before


@pytest.mark.slow
def test_a_disabled_run_sends_nothing(tracker: Tracker, tmp_path: Path) -> None:
    script = """
run = init(id="disabled")
run.log({"x": 1})
run.summary["y"] = 2
run.log_artifact(wandb.Artifact("nothing", type="model"))
run.finish()
"""
    run(tracker, tmp_path, script, WANDB_MODE="disabled")
    run(tracker, tmp_path, script.replace("init(", "init(mode='disabled', "))
    assert "disabled" not in [run.id for run in api().runs(PATH)]


@pytest.mark.slow
def test_runs_in_parallel_do_not_disturb_one_another(tracker: Tracker, tmp_path: Path) -> None:
    script = """
with init(id=sys.argv[1], config={"number": int(sys.argv[2])}) as run:
    for step in range(1000):
        run.log({"x": step * int(sys.argv[2]), "y": step})
    artifact = wandb.Artifact("of-all", type="model")
    with artifact.new_file("number.txt") as file:
        file.write(sys.argv[2])
    run.log_artifact(artifact)
"""
    processes = [start(tracker, tmp_path / str(number), script, f"parallel-{number}", str(number)) for number in range(4)]
    for process in processes:
        finish(process)
    for number in range(4):
        found = run_of(f"parallel-{number}")
        assert [row["x"] for row in found.scan_history()] == [step * number for step in range(1000)]
        assert (found.config["number"], found.state) == (number, "finished")
    versions = [*api().artifacts("model", f"{PATH}/of-all")]
    assert sorted(version.version for version in versions) == ["v0", "v1", "v2", "v3"]
    assert {version.logged_by().id for version in versions} == {f"parallel-{number}" for number in range(4)}


@pytest.mark.slow
def test_versions_of_an_artifact(tracker: Tracker, tmp_path: Path) -> None:
    script = """
def log(run, content, aliases=()):
    artifact = wandb.Artifact("versions", type="dataset")
    with artifact.new_file("a.txt") as file:
        file.write(content)
    with artifact.new_file("same.bin") as file:
        file.write("s" * 1000)
    run.log_artifact(artifact, aliases=["latest", *aliases]).wait()
    return artifact

with init(id="versions") as run:
    print([log(run, content, aliases).version for content, aliases in (("one", ["old"]), ("two", ["new"]), ("one", ["again"]))])
with init(id="reader") as run:
    artifact = run.use_artifact("versions:v1")
    folder = Path(artifact.download())
    print((folder / "a.txt").read_text(), sorted(artifact.aliases))
    used = run.use_artifact("versions:latest")
    print(used.version, sorted(used.aliases))
    artifact.description = "changed"
    artifact.metadata = {"rows": 2}
    artifact.aliases = ["kept"]
    artifact.save()
"""
    output = run(tracker, tmp_path, script).splitlines()
    assert output == ["['v0', 'v1', 'v0']", "two ['new']", "v0 ['again', 'latest', 'old']"]
    assert [artifact.version for artifact in run_of("reader").used_artifacts()] == ["v0", "v1"]
    changed = api().artifact(f"{PATH}/versions:kept")
    assert (changed.version, changed.description, changed.metadata, changed.aliases) == ("v1", "changed", {"rows": 2}, ["kept"])
    assert [version.version for version in api().artifacts("dataset", f"{PATH}/versions")] == ["v1", "v0"]


@pytest.mark.slow
def test_a_summary_of_ten_megabytes(tracker: Tracker, tmp_path: Path) -> None:
    run(tracker, tmp_path, "with init(id='large') as run:\n    run.summary['large'] = ['é' * 100] * 50_000\n    run.log({'x': 1})")
    found = run_of("large")
    assert found.summary["large"] == ["é" * 100] * 50_000
    assert [run.id for run in api().runs(PATH, filters={"summary_metrics.x": 1, "display_name": found.name})] == ["large"]


@pytest.mark.slow
def test_media(tracker: Tracker, tmp_path: Path) -> None:
    script = """
with init(id="media") as run:
    run.log({"html": wandb.Html("<p>hello</p>", inject=False)})
    run.log({"line": wandb.plot.line(wandb.Table(columns=["x", "y"], data=[[1, 2]]), "x", "y")})
    try:
        import numpy
    except ImportError:
        print("no numpy")
    else:
        run.log({"histogram": wandb.Histogram([1, 2, 2])})
        run.log({"confusion": wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=["cat", "dog"])})
    try:
        import PIL.Image
    except ImportError:
        print("no pillow")
    else:
        run.log({"image": wandb.Image(PIL.Image.new("RGB", (4, 4)), caption="black")})
"""
    output = run(tracker, tmp_path, script)
    found = run_of("media")
    with found.file(found.summary["html"]["path"]).download(root=str(tmp_path)) as file:
        assert file.read() == "<p>hello</p>"
    (line,) = (artifact for artifact in found.logged_artifacts() if "line" in artifact.name)
    assert line.get("line_table").data == [[1, 2]]
    if "no numpy" not in output:
        assert found.summary["histogram"]["_type"] == "histogram"
    if "no pillow" not in output:
        assert found.file(found.summary["image"]["path"]).size > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "call", "says"),
    [
        ("queue", "wandb.Api().create_run_queue(name='q', type='local-container', entity='lab')", "not supported by gonogo's tracker"),
        ("team", "wandb.Api().create_team('team')", "not supported by gonogo's tracker"),
        ("near", "len(wandb.Api().runs('lab/tta', {'config.x': {'$near': 1}}))", "$near is not supported here"),
        ("user", "wandb.Api().create_user('a@b.example')", "not supported by gonogo's tracker"),
    ],
)
def test_what_is_not_supported_is_said_and_costs_nothing_that_was_logged(
    tracker: Tracker, tmp_path: Path, name: str, call: str, says: str
) -> None:
    script = f"""
run = init(id="unsupported-{name}")
made = wandb.Artifact("made-{name}", type="model")
run.log_artifact(made).wait()
run.log({{"x": 1}})
run.log({{"x": 2}})
try:
    {call}
except BaseException as error:
    print(type(error).__name__, error)
wandb.finish()
"""
    output = run(tracker, tmp_path, script)
    assert says in output
    assert [row["x"] for row in run_of(f"unsupported-{name}").scan_history()][:2] == [1, 2]
    assert run_of(f"unsupported-{name}").state == "finished"


EXACT = """
import random, struct
random.seed(7)
rows, log = [], open("rows.json", "w")
with init(id=sys.argv[1]) as run:
    for step in range(int(sys.argv[2])):
        bits = [random.getrandbits(64) for _ in range(20)]
        values = [struct.unpack("d", struct.pack("Q", one))[0] for one in bits]
        run.log({f"key/{number}": value for number, value in enumerate(values)})
"""


def bits_of(value: Any) -> bytes:
    """The bits of a double; all that are no number are one, since JSON knows only one."""
    return b"nan" if value != value else struct.pack("d", value)


def check_exact(tracker: Tracker, folder: Path, name: str, rows: int) -> None:
    """Log random doubles of all kinds, then compare bit by bit what is read."""
    run(tracker, folder, EXACT, name, str(rows))
    random.seed(7)
    count = 0
    for step, row in enumerate(run_of(name).scan_history(page_size=5000)):
        wanted = [struct.unpack("d", struct.pack("Q", random.getrandbits(64)))[0] for _ in range(20)]
        assert row["_step"] == step
        assert [bits_of(row[f"key/{number}"]) for number in range(20)] == [bits_of(value) for value in wanted]
        count += 1
    assert count == rows


@pytest.mark.slow
def test_doubles_keep_every_bit(tracker: Tracker, tmp_path: Path) -> None:
    check_exact(tracker, tmp_path, "exact", 500)


@pytest.mark.slow
def test_many_doubles_keep_every_bit(tracker: Tracker, tmp_path: Path) -> None:
    check_exact(tracker, tmp_path, "exact-many", 10_000)


@pytest.mark.slow
def test_a_folder_moved_to_another_machine_is_synced_to_another_tracker(tracker: Tracker, tmp_path: Path) -> None:
    run(tracker, tmp_path / "there", "with init(id='moved') as run:\n    run.log({'x': 1})")
    (folder,) = (tmp_path / "there/wandb").glob("run-*")
    shutil.move(folder, tmp_path / "here")
    with tracker_and_client(tmp_path / "second") as second:
        command = [sys.executable, "-m", "wandb", "sync", "--include-online", "--include-synced", str(tmp_path / "here")]
        script = f"import subprocess\nprint(subprocess.run({command!r}).returncode)"
        run(second, tmp_path / "second/work", script)
        assert [row["x"] for row in run_of("moved").scan_history()] == [1]
