"""What the pages change after a question, what they plot of what was logged, and the tables that they give as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("starlette", reason="the extra `tracker` is not installed")

from pages_world import EVIL, EVIL_ID, World, add_file, add_run, world

from gonogo.tracker.store.history import Chunk

MNIST = "entity=local&project=mnist"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tracker")) as running:
        yield running


def ask_for(tracker: World, what: str, **values: str) -> tuple[int, str, str]:
    """Send a form: the status, where it leads, and the page."""
    answer = tracker.ask(f"/do/{what}", "POST", {"entity": "local", **values})
    return answer.status, answer.headers.get("location", ""), answer.text


# Deleting and renaming


@pytest.mark.slow
def test_runs_are_deleted_after_a_question(tracker: World) -> None:
    run = add_run(tracker.service, "doomed", "going", {}, [{"x": 1}])
    add_run(tracker.service, "doomed", "staying", {}, [{"x": 1}])
    add_file(tracker.service, "weights.bin", b"w" * 1000, run=run)
    (row,) = tracker.service.store.files.of_run(run)
    path = tracker.service.store.files.path(row)
    status, _, question = ask_for(tracker, "delete-runs", project="doomed", runs="going")
    assert status == 200 and "going" in question and "staying" not in question
    assert tracker.service.store.runs.find("local", "doomed", "going") is not None and path.exists()
    assert ask_for(tracker, "delete-runs", project="doomed", runs="going", sure="yes")[:2] == (303, "/local/doomed")
    assert tracker.service.store.runs.find("local", "doomed", "going") is None
    assert tracker.service.store.runs.find("local", "doomed", "staying") is not None
    assert not path.exists()
    assert ask_for(tracker, "delete-runs", project="doomed", runs="going", sure="yes")[0] == 404
    assert ask_for(tracker, "delete-runs", project="doomed", sure="yes")[0] == 400


def test_a_project_is_deleted_after_a_question(tracker: World) -> None:
    add_run(tracker.service, "old", "r", {}, [{"x": 1}])
    status, _, question = ask_for(tracker, "delete-project", project="old")
    assert status == 200 and "old" in question and tracker.service.store.runs.project("local", "old") is not None
    assert ask_for(tracker, "delete-project", project="old", sure="yes")[:2] == (303, "/")
    assert tracker.service.store.runs.project("local", "old") is None


@pytest.mark.slow
def test_a_version_is_deleted_after_a_question(tmp_path: Path) -> None:
    with world(tmp_path) as tracker:
        run = tracker.service.store.runs.find("local", "mnist", "run0")
        assert run is not None
        (artifact,) = tracker.service.store.artifacts.logged_by(run["id"])
        asked = {"artifact": str(artifact["id"]), "back": "/local/mnist"}
        assert ask_for(tracker, "delete-artifact", **asked)[0] == 200
        assert tracker.service.store.artifacts.logged_by(run["id"])
        assert ask_for(tracker, "delete-artifact", **asked, sure="yes")[:2] == (303, "/local/mnist")
        assert not tracker.service.store.artifacts.logged_by(run["id"])
        assert ask_for(tracker, "delete-artifact", **asked, sure="yes")[0] == 404


def test_runs_and_projects_are_renamed(tracker: World) -> None:
    add_run(tracker.service, "before", "r", {}, [{"x": 1}])
    assert ask_for(tracker, "rename-run", project="before", run="r", label=" better ")[:2] == (303, "/local/before/runs/r")
    assert "better" in tracker.ask("/local/before").text
    assert ask_for(tracker, "rename-project", project="before", name="after")[:2] == (303, "/local/after")
    assert tracker.ask("/local/after/runs/r").status == 200 and tracker.ask("/local/before").status == 404
    for label in ("", " ", "x" * 2000):
        assert ask_for(tracker, "rename-run", project="after", run="r", label=label)[0] == 400


def test_forms_of_other_sites_change_nothing(tracker: World) -> None:
    asked = {"entity": "local", "project": "mnist", "runs": "run0", "sure": "yes"}
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert tracker.ask("/do/delete-runs", "POST", asked, **headers).status == 403
    assert tracker.ask("/do/delete-runs", "POST", asked, known=False).status == 401
    assert tracker.ask("/local/mnist/runs/run0").status == 200


# What was logged beside numbers


def test_histograms_come_on_one_grid(tracker: World) -> None:
    for key in ("weights", "layer.gradients"):
        found = tracker.ask(f"/data/histograms?{MNIST}&run=run1&key={key}").json
        assert found["steps"] == [*range(300, 312)]
        assert (found["edges"][0], len(found["edges"])) == (-1.0, len(found["counts"][0]) + 1)
        middles = [sum(at * count for at, count in enumerate(counts)) / sum(counts) for counts in found["counts"]]
        assert middles == sorted(middles)  # they move to the right, step by step
    assert tracker.ask(f"/data/histograms?{MNIST}&run=run1&key=none").status == 404


@pytest.mark.parametrize("count", [10**12, -1, 1e400, "x", None])
def test_a_histogram_with_any_number_of_bins_is_answered(tracker: World, count: object) -> None:
    row = {
        "_step": 0,
        "_timestamp": 1.0,
        "h": {"_type": "histogram", "values": [1, 2], "packedBins": {"min": 0, "size": 1, "count": count}},
    }
    run = add_run(tracker.service, "bins", f"r {count}", {}, [])
    tracker.service.store.history.store(run, Chunk(rows=[json.dumps(row)]))
    asked = urlencode({"entity": "local", "project": "bins", "run": f"r {count}", "key": "h"})
    assert tracker.ask(f"/data/histograms?{asked}").json == {"edges": [], "steps": [], "counts": []}


def test_pictures_come_by_step(tracker: World) -> None:
    steps = tracker.ask(f"/data/pictures?{MNIST}&run=run1&key=grid").json["steps"]
    assert [each["step"] for each in steps] == [*range(300, 312)]
    assert steps[0]["files"] == [["media/images/sample_300.png", label, True] for label in ("left", "right")]


# Plots of runs


def test_points_are_the_runs_that_fit_with_what_is_asked_for(tracker: World) -> None:
    found = tracker.ask(f"/data/points?{MNIST}&q=config.lr%3D0.1&col=config.lr&col=summary.val/acc&col=summary.none").json
    assert {run["name"] for run in found["runs"]} == {"run0", "run3"} and found["count"] == 2
    assert all(run["values"][0] == 0.1 and 0 < run["values"][1] < 1 and run["values"][2] is None for run in found["runs"])


# Tables as files


def test_a_history_is_had_as_csv(tracker: World) -> None:
    answer = tracker.ask(f"/data/export?{MNIST}&run=run0&format=csv")
    rows = [*csv.DictReader(io.StringIO(answer.text))]
    assert "run0-history.csv" in answer.headers["content-disposition"]
    assert [int(row["_step"]) for row in rows] == [*range(300)]
    assert (float(rows[3]["lr"]), rows[1]["val/acc"], rows[7]["train/loss"].lower()) == (0.1, "", "nan")


def test_the_runs_of_a_project_are_had_as_parquet(tracker: World) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    answer = tracker.ask(f"/data/export?{MNIST}&format=parquet")
    table = parquet.read_table(io.BytesIO(answer.body)).to_pydict()
    assert sorted(table["id"]) == [f"run{index}" for index in range(6)]
    assert dict(zip(table["id"], table["config.seed"], strict=True))["run4"] == 4


def test_other_forms_of_tables_and_names_are_refused_or_quoted(tracker: World) -> None:
    assert tracker.ask(f"/data/export?{MNIST}&run=run0&format=xlsx").status == 400
    answer = tracker.ask(f"/data/export?{urlencode({'entity': 'local', 'project': 'evil', 'run': EVIL_ID})}")
    assert answer.status == 200 and EVIL not in answer.headers["content-disposition"]


# Verdicts


def test_a_run_and_its_verdict_lead_to_each_other(tracker: World) -> None:
    (row,) = tracker.service.store.verdicts.of_project(tracker.service.store.runs.make_project("local", "mnist")["id"])
    place = f"/local/mnist/verdicts/{row['id']}"
    assert f'href="{place}"' in tracker.ask("/local/mnist/runs/run0").text
    page = tracker.ask(place).text
    assert "NO-GO" in page and 'href="/local/mnist/runs/run0"' in page and 'href="/local/mnist/runs/missing"' not in page
    assert tracker.ask(f"/local/mnist/verdicts/{quote('9999')}").status == 404
