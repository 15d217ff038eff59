"""What the pages' script asks for: JSON and files, over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

pytest.importorskip("starlette", reason="the extra `tracker` is not installed")

from pages_world import EVIL, EVIL_ID, World, add_run, png, world

MNIST = "entity=local&project=mnist"


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("tracker")) as running:
        yield running


@pytest.mark.slow
def test_metrics_of_all_runs_are_named(tracker: World) -> None:
    assert tracker.ask(f"/data/metrics?{MNIST}&run=run0&run=run1").json == {"metrics": ["lr", "train/loss", "val/acc", "system/system.cpu"]}


def test_curves_keep_the_rare_metrics_and_have_gaps_for_what_is_no_number(tracker: World) -> None:
    grids = tracker.ask(f"/data/curves?{MNIST}&run=run0&key=train/loss&key=val/acc&key=lr&key=system/system.cpu&key=none").json["runs"][
        "run0"
    ]
    by_name = {name: (grid, values) for grid in grids for name, values in grid["curves"].items()}
    assert {*by_name} == {"train/loss", "val/acc", "lr", "system/system.cpu"}
    grid, loss = by_name["train/loss"]
    assert loss[7] is None and loss[8] is None and loss[9] is not None
    assert (len(loss), grid["step"][-1], grid["runtime"][2], grid["wall"][2]) == (300, 299, 1.0, 1.7e9 + 1)
    assert by_name["val/acc"][0]["step"] == [0, 50, 100, 150, 200, 250]
    assert len(by_name["system/system.cpu"][1]) == 40


def test_metrics_with_any_name_are_found(tracker: World) -> None:
    of = urlencode({"entity": "local", "project": "evil", "run": EVIL_ID})
    metrics = tracker.ask(f"/data/metrics?{of}").json["metrics"]
    assert {f"{EVIL}/loss", "a&b<c", "ünï", "</script><b>"} == {*metrics}
    grids = tracker.ask(f"/data/curves?{of}&" + urlencode([("key", name) for name in metrics])).json["runs"][EVIL_ID]
    assert {name for grid in grids for name in grid["curves"]} == {*metrics}


@pytest.mark.slow
def test_a_long_run_shows_its_curves_quickly(tmp_path: Path) -> None:
    with world(tmp_path, seeded=False) as tracker:
        rows = [{f"m{key}": step * key for key in range(20)} | ({"val": step} if step % 1000 == 0 else {}) for step in range(100_000)]
        rows.append({"final": 1, "_nested": 0})
        add_run(tracker.service, "long", "r", {}, rows)
        asked = "&".join(f"key={key}" for key in [*(f"m{key}" for key in range(20)), "val", "final"])
        began = time.perf_counter()
        grids = tracker.ask(f"/data/curves?entity=local&project=long&run=r&{asked}").json["runs"]["r"]
        assert time.perf_counter() - began < 4
        points = {name: len(values) for grid in grids for name, values in grid["curves"].items()}
        assert points == {f"m{key}": 1000 for key in range(20)} | {"val": 100, "final": 1}


def test_the_consoles_lines_come_in_parts(tracker: World) -> None:
    def lines(asked: str) -> list[int]:
        return [line["number"] for line in tracker.ask(f"/data/console?{MNIST}&run=run0&{asked}").json["lines"]]

    assert lines("limit=3") == [697, 698, 699]
    assert lines("before=200&limit=2") == [198, 199]
    assert lines("after=690") == [*range(691, 700)]
    assert lines("before=0") == []


def test_pictures_are_shown_only_if_they_are_some(tracker: World) -> None:
    picture = tracker.ask(f"/data/image?{MNIST}&run=run0&name=media/images/picture.png")
    assert (picture.status, picture.headers["content-type"], picture.body) == (200, "image/png", png())
    assert "sandbox" in picture.headers["content-security-policy"]
    assert tracker.ask(f"/data/image?{MNIST}&run=run0&name=media/images/attack.png").status == 404


def test_files_are_had_by_signed_links(tracker: World) -> None:
    page = tracker.ask("/local/mnist/runs/run0?tab=files").text
    link = next(link for link in re.findall(r'href="(/data/file[^"]*)"', page) if "co.txt" in link)
    signed = tracker.ask(link.replace("&amp;", "&")).headers["location"]
    assert signed.startswith("/storage/")
    answer = tracker.ask(signed, known=False)
    assert (answer.status, answer.body) == (200, b"content")
    link = re.findall(r'href="(/data/file[^"]*)"', tracker.ask("/local/mnist/runs/run0?tab=artifacts").text)[0]
    assert tracker.ask(tracker.ask(link.replace("&amp;", "&")).headers["location"]).body == b"12345"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/data/curves?{MNIST}&run=none&key=a", 404),
        (f"/data/curves?{MNIST}&run=run0" + "&key=a" * 100, 400),
        (f"/data/console?{MNIST}&run=run0&before=x", 400),
        (f"/data/console?{MNIST}&run=run0&before=" + "9" * 30, 400),
        (f"/data/file?{MNIST}&run=run0&name=../../api_key", 404),
        ("/data/file?artifact=99&name=x", 404),
        ("/data/metrics?entity=none&project=none&run=r", 404),
        ("/data/none", 404),
    ],
)
def test_data_that_are_not_there_are_refused(tracker: World, path: str, status: int) -> None:
    answer = tracker.ask(path)
    assert answer.status == status
    assert answer.json["error"]


def test_static_files_are_kept_by_browsers_while_they_are_the_current_ones(tracker: World) -> None:
    page = tracker.ask("/local/mnist").text
    for name in ("style.css", "theme.js", "page.js", "plotly.min.js"):
        found = re.search(rf'"(/static/[0-9a-f]+/{re.escape(name)})"', page)
        assert found, name
        answer = tracker.ask(found[1], known=False)
        assert answer.status == 200 and "immutable" in answer.headers["cache-control"]
    assert tracker.ask("/static/old/style.css").headers["cache-control"] == "no-store"
    assert tracker.ask("/").headers["cache-control"] == "no-store"


def test_pages_load_nothing_from_elsewhere(tracker: World) -> None:
    for path in ("/", "/local/mnist", "/local/mnist/runs/run0", "/local/mnist/compare?runs=run0", "/login"):
        page = tracker.ask(path).text
        assert not re.findall(r'(?:src|href|action)="(?!/|#|\?)[^"]*"', page), path
        assert "<script>" not in page and " onclick" not in page and "style=" not in page
