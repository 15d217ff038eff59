"""What evaluation scripts do with `wandb.Api()`, over runs that the real client logged."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_scripts import ENTITY, PATH, PROJECT, api, run, run_of, tracker_and_client

from gonogo.tracker import Tracker

# `long` has more rows than a page and than a sample; the others differ in what filters look at.
LOGGED = """
with init(id="long", name="Long one", group="g", job_type="train", tags=["base"], config={"seed": 0, "model": {"arch": "resnet"}}) as run:
    for step in range(1200):
        row = {"loss": 1 / (step + 3), "step twice": step * 2}
        if step % 100 == 0:
            row["rare"] = step
        run.log(row)
    run.log({"odd": math.nan, "huge": math.inf})
    run.summary["best"] = {"accuracy": 0.9, "at": [1, 2]}
    table = wandb.Table(columns=["a", "b"], data=[[1, "x"], [2, "y"]])
    run.log({"predictions": table})
    artifact = wandb.Artifact("weights", type="model", metadata={"epoch": 3})
    with artifact.new_file("deep/weights.txt") as file:
        file.write("w" * 50)
    run.log_artifact(artifact, aliases=["best"])
    Path("there.txt").write_text("there")
    far = wandb.Artifact("far", type="data")
    far.add_reference(Path("there.txt").resolve().as_uri())
    run.log_artifact(far)
    Path("result.json").write_text('{"accuracy": 0.9}')
    run.save("result.json")
for seed in (1, 2, 3):
    name = f"short-{seed}"
    config = {"seed": seed, "model": {"arch": "vgg" if seed == 3 else "resnet"}, "lr": 10.0 ** -seed, "flag": seed == 1, "name": None}
    run = init(id=name, name=f"Short {seed}", tags=["base", f"t{seed}"], config=config, job_type="eval")
    if seed == 1:
        run.use_artifact("weights:best")
    run.log({"accuracy": seed / 10, "loss": 1.0})
    run.finish(exit_code=int(seed == 2))
with init(id="empty"):
    pass
"""


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """A tracker with the runs above."""
    folder = tmp_path_factory.mktemp("reading")
    with tracker_and_client(folder) as tracker:
        run(tracker, folder / "script", LOGGED)
        yield tracker


@pytest.fixture
def long(tracker: Tracker) -> Any:
    """The run with most rows."""
    return run_of("long")


ALL = ["long", "short-1", "short-2", "short-3", "empty"]


@pytest.mark.slow
def test_scan_history_gives_every_row(long: Any) -> None:
    rows = [*long.scan_history()]
    assert [row["_step"] for row in rows] == [*range(1202)]
    assert [row["loss"] for row in rows[:1200]] == [1 / (step + 3) for step in range(1200)]
    assert math.isnan(rows[1200]["odd"]) and rows[1200]["huge"] == math.inf


@pytest.mark.parametrize("page_size", [7, 1000, 5000])
def test_pages_of_scan_history_join_without_gaps(long: Any, page_size: int) -> None:
    assert [row["_step"] for row in long.scan_history(page_size=page_size, min_step=1150)] == [*range(1150, 1202)]
    assert [row["rare"] for row in long.scan_history(keys=["rare"], page_size=max(page_size, 100))] == [*range(0, 1200, 100)]


def test_scan_history_between_steps(long: Any) -> None:
    assert [row["_step"] for row in long.scan_history(min_step=10, max_step=15)] == [10, 11, 12, 13, 14]
    assert [row["step twice"] for row in long.scan_history(keys=["step twice"], min_step=10, max_step=15)] == [20, 22, 24, 26, 28]
    assert [*long.scan_history(min_step=5000)] == []


def test_scan_history_with_keys_gives_rows_that_hold_them_all(long: Any) -> None:
    assert [row["loss"] for row in long.scan_history(keys=["loss", "rare"])] == [1 / (step + 3) for step in range(0, 1200, 100)]
    assert [*long.scan_history(keys=["loss", "accuracy"])] == []
    assert [row["_step"] for row in long.scan_history(keys=["_step", "rare"])] == [*range(0, 1200, 100)]


def test_history_is_a_sample_with_both_ends(long: Any) -> None:
    rows = long.history(pandas=False)
    assert len(rows) == 500
    assert (rows[0]["_step"], rows[-1]["_step"]) == (0, 1201)
    assert len(long.history(samples=10_000, pandas=False)) == 1202
    assert [row["loss"] for row in long.history(keys=["loss"], samples=2000, pandas=False)] == [1 / (step + 3) for step in range(1200)]
    assert len(long.history(keys=["loss"], pandas=False)) == 500
    assert len(long.history(keys=["loss"], x_axis="step twice", samples=10, pandas=False)) == 10


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_history_as_a_frame(long: Any) -> None:
    frame = long.history(samples=10_000)
    assert len(frame) == 1202
    assert frame["loss"][3] == 1 / 6


def test_a_key_that_was_never_logged_has_no_rows(long: Any) -> None:
    assert [*long.scan_history(keys=["no such key"])] == []
    assert long.history(keys=["no such key"], pandas=False) == []
    with pytest.raises(KeyError, match="no such key"):
        long.summary["no such key"]


def test_a_run_that_logged_nothing(tracker: Tracker) -> None:
    empty = run_of("empty")
    assert ([*empty.scan_history()], empty.history(pandas=False), empty.config) == ([], [], {})
    assert empty.state == "finished"
    assert empty.summary.get("loss") is None
    assert empty.lastHistoryStep == -1


def test_config_and_summary(long: Any) -> None:
    assert long.config == {"seed": 0, "model": {"arch": "resnet"}}
    assert (long.summary["best"]["accuracy"], long.summary["best"]["at"], long.summary["rare"]) == (0.9, [1, 2], 1100)
    assert long.summary.get("loss") == 1 / 1202
    assert long.lastHistoryStep == 1201
    keys = {name: (about["typeCounts"], about["previousValue"]) for name, about in long.history_keys["keys"].items()}
    assert keys["rare"] == ([{"type": "number", "count": 12}], 1100) and keys["loss"][1] == 1 / 1202


def test_what_is_known_of_a_run(long: Any) -> None:
    assert (long.id, long.name, long.group, long.job_type, long.tags) == ("long", "Long one", "g", "train", ["base"])
    assert (long.entity, long.project, long.path) == (ENTITY, PROJECT, [ENTITY, PROJECT, "long"])
    assert long.url.endswith(f"/{PATH}/runs/long")
    assert long.user.username == "local"
    assert [run_of(name).state for name in ALL] == ["finished", "finished", "failed", "finished", "finished"]
    long.wait_until_finished()
    long.load(force=True)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (None, ALL),
        ({}, ALL),
        ({"state": "finished"}, ["long", "short-1", "short-3", "empty"]),
        ({"state": {"$ne": "finished"}}, ["short-2"]),
        ({"config.seed": 2}, ["short-2"]),
        ({"config.seed.value": 2}, ["short-2"]),
        ({"config.model.arch": "vgg"}, ["short-3"]),
        ({"config.lr": 0.01}, ["short-2"]),
        ({"config.lr": {"$lt": 0.05}}, ["short-2", "short-3"]),
        ({"config.lr": {"$gte": 0.01, "$lte": 0.1}}, ["short-1", "short-2"]),
        ({"config.flag": True}, ["short-1"]),
        ({"config.lr": {"$exists": False}}, ["long", "empty"]),
        ({"$or": [{"config.seed": 0}, {"config.seed": 3}]}, ["long", "short-3"]),
        ({"$and": [{"config.model.arch": "resnet"}, {"job_type": "eval"}]}, ["short-1", "short-2"]),
        ({"config.seed": {"$in": [1, 3]}}, ["short-1", "short-3"]),
        ({"config.seed": {"$nin": [1, 3]}}, ["long", "short-2", "empty"]),
        ({"$nor": [{"tags": "base"}]}, ["empty"]),
        ({"tags": "t1"}, ["short-1"]),
        ({"tags": {"$in": ["t1", "t2"]}}, ["short-1", "short-2"]),
        ({"display_name": {"$regex": "^Short [12]"}}, ["short-1", "short-2"]),
        ({"displayName": "Long one"}, ["long"]),
        ({"display_name": "empty"}, ["empty"]),
        ({"name": "short-1"}, ["short-1"]),
        ({"name": {"$in": ["short-1", "long"]}}, ["long", "short-1"]),
        ({"group": "g"}, ["long"]),
        ({"jobType": "eval"}, ["short-1", "short-2", "short-3"]),
        ({"summary_metrics.accuracy": {"$gt": 0.15}}, ["short-2", "short-3"]),
        ({"summary_metrics.best.accuracy": 0.9}, ["long"]),
        ({"created_at": {"$gt": "2020-01-01T00:00:00Z"}}, ALL),
        ({"createdAt": {"$lt": "2020-01-01"}}, []),
        ({"username": "local"}, ALL),
    ],
)
def test_runs_are_filtered(tracker: Tracker, filters: dict[str, Any] | None, found: list[str]) -> None:
    runs = api().runs(PATH, filters=filters)
    assert [one.id for one in runs] == found
    assert len(runs) == len(found)


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("+created_at", ALL),
        ("-created_at", ALL[::-1]),
        ("+config.seed", ALL),
        ("-config.seed", ["short-3", "short-2", "short-1", "long", "empty"]),
        ("-summary_metrics.accuracy", ["short-3", "short-2", "short-1"]),
        ("+summary_metrics.accuracy", ["short-1", "short-2", "short-3"]),
        ("+display_name", ["long", "short-1", "short-2", "short-3", "empty"]),
        ("-name", ["short-3", "short-2", "short-1", "long", "empty"]),
    ],
)
def test_runs_are_ordered(tracker: Tracker, order: str, found: list[str]) -> None:
    ids = [one.id for one in api().runs(PATH, order=order)]
    assert ids[: len(found)] == found
    assert sorted(ids) == sorted(ALL)


@pytest.mark.parametrize("per_page", [1, 2, 5, 1000])
def test_runs_come_in_pages(tracker: Tracker, per_page: int) -> None:
    runs = api().runs(PATH, per_page=per_page)
    assert len(runs) == 5
    assert [one.id for one in runs] == ALL
    assert runs[3].id == "short-3"
    assert [one.id for one in runs[1:3]] == ["short-1", "short-2"]


def test_runs_hold_their_config_and_summary(tracker: Tracker) -> None:
    for lazy in (True, False):
        runs = api().runs(PATH, filters={"config.seed": {"$gt": 0}}, lazy=lazy)
        assert {one.id: (one.config["lr"], one.summary["accuracy"]) for one in runs} == {
            f"short-{n}": (10.0**-n, n / 10) for n in (1, 2, 3)
        }


def test_files(long: Any, tmp_path: Path) -> None:
    import wandb

    names = [file.name for file in long.files()]
    assert {"config.yaml", "result.json", "wandb-metadata.json", "wandb-summary.json", "requirements.txt"} <= {*names}
    assert [file.name for file in long.files(per_page=1)] == names
    assert [file.name for file in long.files(["result.json", "no such file"])] == ["result.json"]
    file = long.file("result.json")
    assert (file.name, file.size, file.mimetype) == ("result.json", 17, "application/json")
    with file.download(root=str(tmp_path)) as opened:
        assert opened.read() == '{"accuracy": 0.9}'
    with pytest.raises(wandb.Error, match="already exists"):
        file.download(root=str(tmp_path))
    with file.download(root=str(tmp_path), exist_ok=True) as opened:
        assert opened.read() == '{"accuracy": 0.9}'


@pytest.mark.slow
def test_artifacts(long: Any, tmp_path: Path) -> None:
    logged = {artifact.type: artifact for artifact in long.logged_artifacts() if artifact.type != "data"}
    assert {*logged} == {"model", "run_table"}
    assert logged["run_table"].get("predictions").data == [[1, "x"], [2, "y"]]
    (used,) = run_of("short-1").used_artifacts()
    assert (used.name, used.metadata) == ("weights:v0", {"epoch": 3})
    artifact = api().artifact(f"{PATH}/weights:latest")
    assert sorted(artifact.aliases) == ["best", "latest"]
    assert (Path(artifact.download(root=str(tmp_path))) / "deep/weights.txt").read_text() == "w" * 50
    assert [run.id for run in artifact.used_by()] == ["short-1"]
    assert artifact.logged_by().id == "long"
    assert (Path(api().artifact(f"{PATH}/far:v0").download(root=str(tmp_path))) / "there.txt").read_text() == "there"
    assert [version.name for version in api().artifacts("model", f"{PATH}/weights")] == ["weights:v0"]
    assert [kind.name for kind in api().artifact_types(PATH)] == ["data", "model", "run_table"]
    assert api().artifact_exists(f"{PATH}/weights:best") and not api().artifact_exists(f"{PATH}/weights:worst")


def test_projects(tracker: Tracker) -> None:
    assert [project.name for project in api().projects(ENTITY)] == [PROJECT]
    assert api().project(PROJECT, entity=ENTITY).name == PROJECT
    assert [*api().projects("nobody")] == []


def test_what_is_missing_is_the_clients_own_error(long: Any) -> None:
    import wandb

    with pytest.raises(wandb.Error, match="Could not find run"):
        api().run(f"{PATH}/nothing")
    with pytest.raises(wandb.Error, match="Could not find run"):
        api().run(f"{ENTITY}/nothing/long")
    with pytest.raises(ValueError, match="Could not find project nothing"):
        len(api().runs(f"{ENTITY}/nothing"))
    with pytest.raises(wandb.Error, match="weights:worst"):
        api().artifact(f"{PATH}/weights:worst")
    with pytest.raises(wandb.Error, match="nothing:latest"):
        api().artifact(f"{PATH}/nothing:latest")
    with pytest.raises(wandb.Error, match="list index out of range"):  # as the client says it up to 0.31
        long.file("no such file")


@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"config.seed": {"$near": 1}}, r"\$near is not supported here; use"),
        ({"shoe_size": 1}, "runs have no field 'shoe_size'"),
        ({"display_name": {"$regex": "("}}, "not a regular expression"),
    ],
)
def test_a_filter_that_is_not_understood_is_an_error_that_says_so(tracker: Tracker, filters: dict[str, Any], says: str) -> None:
    with pytest.raises(Exception, match=says):
        len(api().runs(PATH, filters=filters))


def test_an_order_that_is_not_understood_is_an_error_that_says_so(tracker: Tracker) -> None:
    with pytest.raises(Exception, match="runs have no field 'shoe_size'"):
        [*api().runs(PATH, order="-shoe_size")]


def test_a_wrong_key_is_an_error_that_says_so(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with pytest.raises(Exception, match=r"(?i)401|unauthorized|not logged in|invalid|API key"):
        api().run(f"{PATH}/long").config  # noqa: B018


@pytest.mark.slow
def test_changing_a_run(tracker: Tracker, tmp_path: Path) -> None:
    script = """
with init(id="changed", tags=["a"], notes="n", config={"seed": 1, "keep": [1]}) as run:
    run.log({"x": 1})
"""
    run(tracker, tmp_path, script)
    try:
        changed = run_of("changed")
        changed.config["seed"] = 2
        changed.config["new"] = {"deep": 1}
        changed.tags.append("b")
        changed.notes, changed.name = "m", "title"
        changed.update()
        changed.summary.update({"y": {"deep": 2}})
        changed.summary["z"] = 3
        changed.summary.update()
        (tmp_path / "late.txt").write_text("late")
        changed.upload_file(str(tmp_path / "late.txt"), root=str(tmp_path))
        again = run_of("changed")
        assert again.config == {"seed": 2, "keep": [1], "new": {"deep": 1}}
        assert (again.tags, again.notes, again.name) == (["a", "b"], "m", "title")
        assert (again.summary["x"], again.summary["y"]["deep"], again.summary["z"]) == (1, 2, 3)
        assert again.file("late.txt").size == 4
        again.file("late.txt").delete()
        assert "late.txt" not in [file.name for file in run_of("changed").files()]
        assert [row["x"] for row in again.scan_history()] == [1]
    finally:
        run_of("changed").delete()
    assert [one.id for one in api().runs(PATH)] == ALL


@pytest.mark.slow
def test_waiting_for_a_run_that_still_runs(tracker: Tracker, tmp_path: Path) -> None:
    from client_scripts import finish, start

    script = "import time\nwith init(id='waiting') as run:\n    run.log({'x': 1})\n    print('on', flush=True)\n    time.sleep(4)\n    run.log({'x': 2})"
    process = start(tracker, tmp_path, script)
    try:
        assert process.stdout and process.stdout.readline() == "on\n"
        waiting = run_of("waiting")
        assert waiting.state == "running"
        waiting.wait_until_finished()
        assert (waiting.state, [row["x"] for row in run_of("waiting").scan_history()]) == ("finished", [1, 2])
    finally:
        finish(process)
        run_of("waiting").delete()


@pytest.mark.slow
def test_listing_many_runs(tracker: Tracker, tmp_path: Path) -> None:
    """Public calls make runs quicker than processes that log."""
    client = api()
    for number in range(120):
        client.create_run(run_id=f"many-{number:03}", project="many", entity=ENTITY)
    runs = api().runs(f"{ENTITY}/many", order="-name")
    assert [one.id for one in runs] == [f"many-{number:03}" for number in reversed(range(120))]
    assert len(api().runs(f"{ENTITY}/many", filters={"name": {"$regex": "9$"}})) == 12
