"""Runs from other trackers and to them, checked with those trackers' own readers and writers."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("starlette", reason="the extra `tracker` is not installed")

from pages_world import png

from gonogo.model.errors import UsageError
from gonogo.tracker.beside import running
from gonogo.tracker.transfer.incoming import Target, bring, find
from gonogo.tracker.transfer.outgoing import FORMS, write
from gonogo.tracker.transfer.remote import Imported, Remote, reach

ROWS = [
    {"_step": step, "_timestamp": 1.7e9 + step, "_runtime": float(step), "loss": 1 / (step + 1), "train/acc": step / 10}
    for step in range(5)
]


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with running(tmp_path_factory.mktemp("tracker")) as tracker:
        yield Remote(tracker.url, tracker.api_key)


def stored(remote: Remote, project: str, entity: str = "local") -> dict[str, dict]:
    """Runs of a project by what they are called, each with its rows."""
    return {run["displayName"] or run["name"]: run | {"rows": [*remote.rows(entity, project, run)]} for run in remote.runs(entity, project)}


def quiet(text: str) -> None:
    """Says nothing."""


def event_files(folder: Path) -> Path:
    """Event files as TensorBoard's own writer leaves them."""
    pytest.importorskip("tensorboard", reason="the extra `transfer` is not installed")
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    summary = summary_pb2.Summary
    text = summary.Value(
        tag="note",
        metadata=summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text")),
        tensor=tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            string_val=["as it was: ü".encode()],
            tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]),
        ),
    )
    for step in range(4):
        values = [summary.Value(tag="loss/train", simple_value=float(step)), summary.Value(tag="bad", simple_value=math.nan)]
        if step == 2:
            histogram = summary_pb2.HistogramProto(min=0, max=2, num=3, sum=3, sum_squares=5, bucket_limit=[1, 2], bucket=[1, 2])
            picture = summary.Image(height=4, width=4, colorspace=3, encoded_image_string=png())
            values += [summary.Value(tag="weights", histo=histogram), summary.Value(tag="a picture", image=picture), text]
        writer.add_event(event_pb2.Event(wall_time=1.7e9 + step, step=step * 10, summary=summary_pb2.Summary(value=values)))
    writer.close()
    return folder


@pytest.mark.slow
def test_event_files_of_tensorboard(remote: Remote, tmp_path: Path) -> None:
    event_files(tmp_path / "logs" / "first")
    event_files(tmp_path / "logs" / "deep" / "second")
    said: list[str] = []
    assert bring([tmp_path / "logs"], Target(remote, "local", "boards"), said.append) == 2
    assert sorted(said) == ["4 rows of deep/second to local/boards", "4 rows of first to local/boards"]
    runs = stored(remote, "boards")
    assert {*runs} == {"first", "deep/second"}
    run = runs["first"]
    assert [(row["_step"], row["loss/train"], row["_runtime"], row["bad"]) for row in run["rows"]] == [
        (10 * n, n, n, "NaN") for n in range(4)
    ]
    row = run["rows"][2]
    assert row["weights"] == {"_type": "histogram", "bins": [0, 1, 2], "values": [1, 2]} and row["note"] == "as it was: ü"
    (name,) = row["a picture"]["filenames"]
    target = tmp_path / "had.png"
    remote.download(remote.files("local", "boards", run["name"])[name], target)
    assert target.read_bytes() == png()
    assert run["state"] == "finished" and run["createdAt"].startswith("2023-11-14T22:13:20")
    bring([tmp_path / "logs"], Target(remote, "local", "boards"), quiet)
    assert stored(remote, "boards") == runs


def test_event_files_that_grew_are_imported_again(remote: Remote, tmp_path: Path) -> None:
    folder = event_files(tmp_path / "logs" / "run")
    bring([folder], Target(remote, "local", "grown"), quiet)
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), filename_suffix=".later")
    value = summary_pb2.Summary.Value(tag="loss/train", simple_value=9.0)
    writer.add_event(event_pb2.Event(wall_time=1.8e9, step=77, summary=summary_pb2.Summary(value=[value])))
    writer.close()
    bring([folder], Target(remote, "local", "grown"), quiet)
    assert [row["_step"] for row in stored(remote, "grown")["run"]["rows"]] == [0, 10, 20, 30, 77]


def test_runs_go_to_tensorboard_and_come_back(remote: Remote, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `transfer` is not installed")
    remote.store("local", "out", Imported("r1", "r1"), ROWS, {})
    (path,) = write(remote, "local", "out", "r1", "tensorboard", tmp_path / "events")
    bring([path], Target(remote, "local", "back"), quiet)
    for before, after in zip(ROWS, stored(remote, "back")["r1"]["rows"], strict=True):
        assert after["loss"] == pytest.approx(before["loss"]) and after["_step"] == before["_step"]


def mlflow_store(root: Path) -> Path:
    """A file store as MLflow 2 writes it."""
    run = root / "mlruns" / "123" / "0a1b2c"
    for folder in ("metrics/val", "params", "tags", "artifacts/plots"):
        (run / folder).mkdir(parents=True)
    (run.parent / "meta.yaml").write_text("name: digits classifier\nexperiment_id: '123'\nlifecycle_stage: active\n")
    meta = {"run_id": "0a1b2c", "run_name": "brave-shrew-3", "status": 3, "start_time": 1_700_000_000_000, "end_time": 1_700_000_060_000}
    (run / "meta.yaml").write_text(yaml.safe_dump(meta))
    (run / "metrics" / "loss").write_text("1700000001000 0.5 0\n1700000002000 0.25 1\n1700000003000 nan 2\n")
    (run / "metrics" / "val" / "acc").write_text("1700000002500 0.75 1\n")
    (run / "params" / "lr").write_text("0.001")
    (run / "params" / "model").write_text("resnet")
    (run / "tags" / "mlflow.note.content").write_text("the best one")
    (run / "tags" / "stage").write_text("test")
    (run / "artifacts" / "plots" / "a.png").write_bytes(png())
    return root / "mlruns"


@pytest.mark.slow
def test_mlflows_file_store(remote: Remote, tmp_path: Path) -> None:
    bring([mlflow_store(tmp_path)], Target(remote, "local", None), quiet)
    run = stored(remote, "digits-classifier")["brave-shrew-3"]
    assert run["config"] == {"lr": 0.001, "model": "resnet"} and run["notes"] == "the best one" and run["tags"] == ["stage=test"]
    assert [(row["_step"], row["loss"], row.get("val/acc"), row["_timestamp"]) for row in run["rows"]] == [
        (0, 0.5, None, 1_700_000_001),
        (1, 0.25, 0.75, 1_700_000_002.5),
        (2, "NaN", None, 1_700_000_003),
    ]
    assert run["state"] == "finished" and {*remote.files("local", "digits-classifier", run["name"])} == {"artifacts/plots/a.png"}
    for state, expected in ((4, "failed"), (1, "running"), ("KILLED", "failed")):
        path = tmp_path / "mlruns/123/0a1b2c/meta.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"status": state, "end_time": None}))
        bring([tmp_path / "mlruns"], Target(remote, "local", f"of-{state}"), quiet)
        assert {run["state"] for run in remote.runs("local", f"of-{state}")} <= {expected, "crashed" if expected == "running" else expected}


def test_runs_go_to_mlflow_and_come_back(remote: Remote, tmp_path: Path) -> None:
    run = Imported("r1", "a name", {"lr": 0.1, "deep": {"er": "x"}}, values={"notes": "about it"})
    remote.store("local", "out2", run, ROWS, {"sub/file.txt": b"content"})
    write(remote, "local", "out2", None, "mlflow", tmp_path / "mlruns")
    bring([tmp_path / "mlruns"], Target(remote, "local", "back2"), quiet)
    back = stored(remote, "back2")["a name"]
    assert [(row["_step"], row["loss"], row["train/acc"]) for row in back["rows"]] == [
        (r["_step"], r["loss"], r["train/acc"]) for r in ROWS
    ]
    assert back["notes"] == "about it" and back["config"] == {"lr": 0.1, "deep.er": "x"}
    (name,) = remote.files("local", "back2", back["name"])
    assert name == "artifacts/sub/file.txt"


def test_an_mlflow_metric_that_is_none_is_named(remote: Remote, tmp_path: Path) -> None:
    store = mlflow_store(tmp_path)
    (store / "123/0a1b2c/metrics/loss").write_text("1700000001000 much 0\n")
    with pytest.raises(UsageError, match=r"metrics/loss:1: not `milliseconds value step`: '1700000001000 much 0'"):
        bring([store], Target(remote, "local", "broken"), quiet)


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_tables_hold_every_row(remote: Remote, tmp_path: Path, form: str) -> None:
    remote.store("local", "tables", Imported("r1", "r1", {"lr": 1}), ROWS, {})
    (path,) = write(remote, "local", "tables", None, form, tmp_path)
    if form == "csv":
        with path.open() as file:
            found = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    elif form == "jsonl":
        found = [json.loads(line) for line in path.read_text().splitlines()]
        assert json.loads((tmp_path / "r1.json").read_text())["config"] == {"lr": 1}
    else:
        parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
        found = parquet.read_table(path).to_pylist()
    assert found == ROWS


@pytest.mark.parametrize("name", ["../../out", "/etc/x", "a/../../b", "..", "\0", "x" * 300])
def test_no_exported_name_leads_out_of_the_folder(remote: Remote, tmp_path: Path, name: str) -> None:
    project = f"hostile{abs(hash(name))}"
    remote.store("local", project, Imported("r1", "r1", {name: "x"}), [{"_step": 0, name: 1.0}], {})
    write(remote, "local", project, None, "mlflow", tmp_path / "deep" / "er" / "out")
    assert {path.relative_to(tmp_path).parts[:3] for path in tmp_path.rglob("*") if path.is_file()} == {("deep", "er", "out")}


def test_what_can_not_be_imported_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder"):
        find(tmp_path / "none")
    (tmp_path / "x.txt").write_text("x")
    for path in (tmp_path, tmp_path / "x.txt"):
        with pytest.raises(UsageError, match="nothing to import"):
            find(path)


@pytest.mark.slow
def test_a_verdict_is_kept_with_the_runs_it_names(remote: Remote, tmp_path: Path) -> None:
    remote.store("local", "judged", Imported("r1", "r1"), ROWS, {})
    path = tmp_path / "verdict.json"
    (tmp_path / "train.py").write_text("print(1)\n")
    checked = subprocess.run(
        [sys.executable, "-m", "gonogo", "check", "--format", "json", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    path.write_text(checked.stdout)
    said: list[str] = []
    bring([path], Target(remote, "local", "judged"), said.append)
    assert said[0].startswith("verdict ") and said[0].endswith(" of local/judged")
    path.write_text("{}")
    with pytest.raises(UsageError, match="it must be one as `gonogo check --format json` writes it"):
        bring([path], Target(remote, "local", "judged"), quiet)
    with pytest.raises(UsageError, match="say with --project"):
        bring([path], Target(remote, "local", None), quiet)


@pytest.mark.slow
def test_a_folder_that_a_tracker_works_on_is_reached_through_it(tmp_path: Path) -> None:
    with running(tmp_path / "data") as tracker, reach(tmp_path / "data") as found:
        assert found.url == tracker.url
        found.store("local", "p", Imported("r", "r"), ROWS, {})
    with reach(tmp_path / "data") as found:  # none works on it: one is started
        assert [run["name"] for run in found.runs("local", "p")] == ["r"]


def gonogo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return subprocess.run(
        [sys.executable, "-m", "gonogo", "tracker", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path) -> None:
    mlflow_store(tmp_path)
    done = gonogo("import", "mlruns", "--project", "team/digits", "--data", "data", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "3 rows and 1 files of brave-shrew-3 to team/digits\nimported: 1\n"), done.stderr
    done = gonogo("export", "team/digits", "--data", "data", "--output", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "out/0a1b2c.csv\n"), done.stderr
    for arguments, sentence in {
        ("export", "team", "--data", "data"): "name a project as ENTITY/PROJECT",
        ("export", "team/none", "--data", "data"): "team/none: the tracker has no such project",
        ("export", "team/digits/none", "--data", "data"): "team/digits/none: the tracker has no such run",
        ("import", "nothing", "--data", "data"): "nothing: there is no such file or folder",
        ("import", "mlruns", "--url", "http://127.0.0.1:9"): "set WANDB_API_KEY",
    }.items():
        done = gonogo(*arguments, cwd=tmp_path)
        assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
def test_offline_folders_of_the_client_come_and_go(remote: Remote, tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the client is not installed")
    script = """
import wandb
run = wandb.init(mode="offline", project="away", config={"lr": 0.1}, name="one")
for step in range(20):
    run.log({"loss": 1 / (step + 1)})
artifact = wandb.Artifact("weights", "model")
with artifact.new_file("w.txt") as file:
    file.write("weights")
run.log_artifact(artifact)
run.finish()
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "WANDB_DATA_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=tmp_path)
    before = {path.relative_to(tmp_path) for path in tmp_path.rglob("*")}
    assert bring([tmp_path / "wandb"], Target(remote, "local", None), quiet) == 1
    assert {path.relative_to(tmp_path) for path in tmp_path.rglob("*")} == before
    run = stored(remote, "away")["one"]
    assert [row["loss"] for row in run["rows"]] == [1 / (step + 1) for step in range(20)]
    found = remote.graphql(
        """{ project(entityName: "local", name: "away") { artifactType(name: "model") {
        artifactCollections { edges { node { name } } } } } }"""
    )
    assert [edge["node"]["name"] for edge in found["project"]["artifactType"]["artifactCollections"]["edges"]] == ["weights"]
    (folder,) = write(remote, "local", "away", run["name"], "wandb", tmp_path / "out")
    bring([folder], Target(remote, "local", "again"), quiet)
    again = stored(remote, "again")["one"]
    assert [(row["_step"], row["loss"], row["_timestamp"]) for row in again["rows"]] == [
        (row["_step"], row["loss"], row["_timestamp"]) for row in run["rows"]
    ]
    assert again["config"]["lr"] == 0.1


def test_every_form_is_an_option_of_the_command() -> None:
    from gonogo.cli.commands.tracker import Form

    assert {form.value for form in Form} == {*FORMS}
