"""The evaluation: its statistics against known values, and its command against the real tracker."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

scipy_stats = pytest.importorskip("scipy.stats", reason="the experiment's own dependencies are not installed")
for needed in ("matplotlib", "omegaconf", "statsmodels", "wandb"):
    pytest.importorskip(needed, reason="the experiment's own dependencies are not installed")
tracker = pytest.importorskip("gonogo.tracker", reason="gonogo, whose tracker the runs are logged to, is not installed")

import logged_runs  # noqa: E402
from logged_runs import CORRUPTIONS, PROPOSED_ID, TENT_ID, correct_bits, make_run, pack  # noqa: E402

from src import evaluate as ev  # noqa: E402

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
IDS = ["source", "bn", "tent-1", TENT_ID, PROPOSED_ID]
IMAGES = 300
SMALL: dict[str, Any] = {"images": 200, "corruptions": CORRUPTIONS[:4]}


def checked(run_id: str, method: str, steps: int, **options: Any) -> ev.Run:
    config, rows, summary = make_run(run_id, method, steps, **(SMALL | options))
    return ev.checked(run_id, config, summary, rows)


# ------------------------------------------------------------------------------------------------------------- reading


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_bits_survive_packing(seeds: int, images: int, corruptions: int, seed: int) -> None:
    bits = np.random.default_rng(seed).random((seeds, images, corruptions)) < 0.5
    names = CORRUPTIONS[:corruptions]
    summary = {
        "corruptions": names,
        "images_per_corruption": dict.fromkeys(names, images),
        "correct": {name: [pack(row) for row in bits[:, :, index]] for index, name in enumerate(names)},
    }
    assert np.array_equal(ev.unpack(summary), bits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top1_accuracy": 0.9}, "contradicts itself: top1_accuracy is 0.90000, but"),
        ({"top1_accuracy": float("nan")}, "contradicts itself: top1_accuracy is nan"),
        ({"top1_accuracy": "much"}, "can't be read"),
        ({"seeds": [1, 2]}, "2 seeds, but images of 1"),
        ({"confusion_matrix": [[1, 2]]}, "10 classes, but counts"),
        ({"confusion_matrix": [[1, 2], [3]]}, "can't be read"),
        ({"batches": 0}, "no batch"),
        ({"correct": {}}, "can't be read"),
        ({"correct": {name: ["////"] for name in CORRUPTIONS[:4]}}, "contradicts itself|can't be read"),
        ({"correct": {name: ["!"] for name in CORRUPTIONS[:4]}}, "can't be read"),
        ({"images_per_corruption": {"fog": 1, "snow": 2}}, "different numbers of images"),
        ({"correct": None, "seeds": None}, "lacks correct, seeds in what it logged"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(change: dict[str, Any], said: str) -> None:
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL)
    with pytest.raises(ev.RunError, match=said):
        ev.checked("cw", config, summary | change, rows)


def test_rows_and_method_must_be_known() -> None:
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL)
    with pytest.raises(ev.RunError, match="lacks running_accuracy"):
        ev.checked("cw", config, summary, [{key: row[key] for key in row if key != "running_accuracy"} for row in rows])
    config["run"]["method"] = "magic"
    with pytest.raises(ev.RunError, match="unknown method 'magic'"):
        ev.checked("cw", config, summary, rows)
    del config["run"]["dataset"]
    with pytest.raises(ev.RunError, match="can't be read"):
        ev.checked("cw", config | {"run": {"method": "bn"}}, summary, rows)


# ---------------------------------------------------------------------------------------------------------- statistics


def test_with_one_model_an_interval_is_that_of_students_t() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (1, 50))
    found, known = ev.estimate(values), scipy_stats.ttest_1samp(values[0], 0)
    interval = known.confidence_interval()
    assert (found.mean, found.p_value) == pytest.approx((100 * values.mean(), known.pvalue))
    assert (found.low, found.high) == pytest.approx((100 * interval.low, 100 * interval.high))


def test_constant_values_have_no_interval() -> None:
    zero, one = ev.estimate(np.zeros((2, 5))), ev.estimate(np.ones((1, 5)))
    assert (zero.low, zero.high, zero.p_value) == (0, 0, 1)
    assert (one.low, one.high, one.p_value) == (100, 100, 0)


@pytest.mark.parametrize(("of_models", "of_images"), [(0.3, 1.0), (0.0, 1.0), (1.0, 0.1)])
def test_intervals_hold_the_truth_as_often_as_they_say(of_models: float, of_images: float) -> None:
    """Crossed random effects of 3 models and 60 images, and noise of their own; the truth is 0. Wider is allowed, narrower is not."""
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        values = rng.normal(0, of_models, (3, 1)) + rng.normal(0, of_images, (1, 60)) + rng.normal(0, 0.5, (3, 60))
        found = ev.estimate(values)
        held += found.low <= 0 <= found.high
    assert held / 400 > 0.925  # 0.95 less twice the standard error of 400 trials


def test_more_models_do_not_make_images_more() -> None:
    one = np.random.default_rng(0).normal(0.3, 1, (1, 50))
    thrice = np.repeat(one, 3, axis=0)
    assert ev.estimate(thrice).high == pytest.approx(ev.estimate(one).high)


@pytest.mark.slow
def test_pairs_and_their_tests() -> None:
    runs = [checked("cw", "cw-tent", 1), checked("ten", "tent", 10), checked("bn", "bn", 0), checked("source", "source", 0)]
    (group,) = ev.group_runs(runs)
    assert [group.labels[run.run_id] for run in group.runs] == ["Source", "BN", "TENT-10", "CW-TENT"]
    tests = ev.all_comparisons([group])[group.name]
    assert {(test["first"], test["second"]) for test in tests} == {
        ("cw", "ten"), ("cw", "bn"), ("cw", "source"), ("ten", "bn"), ("source", "bn"),
    }  # fmt: skip
    for test in tests:
        first, second = (next(run for run in runs if run.run_id == test[key]) for key in ("first", "second"))
        apart = first.correct.mean(axis=2)[0] - second.correct.mean(axis=2)[0]
        known = scipy_stats.ttest_rel(first.correct.mean(axis=2)[0], second.correct.mean(axis=2)[0])
        assert test["difference_points"]["mean"] == pytest.approx(100 * apart.mean())
        assert test["p_value"] == pytest.approx(known.pvalue)
        assert test["p_value"] <= test["p_value_holm"] <= 1
        by_corruption = first.correct.mean(axis=(0, 1)) - second.correct.mean(axis=(0, 1))
        assert test["wilcoxon_p_value"] == pytest.approx(scipy_stats.wilcoxon(by_corruption).pvalue)


@pytest.mark.parametrize(
    "change", [{"batch_size": 100}, {"protocol": "continual"}, {"origin": "regenerated"}, {"images": 150}, {"seeds": (7,)}]
)
def test_runs_under_other_conditions_are_not_paired(change: dict[str, Any]) -> None:
    groups = ev.group_runs([checked("cw", "cw-tent", 1), checked("bn", "bn", 0, **change)])
    assert len(groups) == 2 and len({group.name for group in groups}) == 2
    assert not any(ev.all_comparisons(groups).values())
    assert ("(regenerated)" in groups[1].title) == ("origin" in change)


def test_labels_tell_runs_apart() -> None:
    runs = [checked(name, "tent", 1) for name in ("a", "b", "c")]
    runs[1].config.run.training.learning_rate = 0.1
    assert ev.short_labels(runs[:1]) == {"a": "TENT-1"}
    assert ev.short_labels(runs[:2]) == {"a": "TENT-1 (lr 0.001)", "b": "TENT-1 (lr 0.1)"}
    assert ev.short_labels(runs) == {"a": "a", "b": "TENT-1 (lr 0.1)", "c": "c"}


# ------------------------------------------------------------------------------------------------------------ verdicts


def with_accuracies(monkeypatch: pytest.MonkeyPatch, shares: dict[str, float], images: int = 1000) -> list[dict[str, Any]]:
    """Verdicts on runs whose accuracy is known: a share of the same images is right for each method, and for more only of the better."""

    def bits(method: str, steps: int, images: int, corruptions: list[str], *_: Any) -> np.ndarray:
        draws = np.random.default_rng(0).random((len(corruptions), images))
        return draws < shares[f"{method}-{steps}"]

    monkeypatch.setattr(logged_runs, "correct_bits", bits)
    runs = [checked(name, *(name.rpartition("-")[0], int(name.rpartition("-")[2])), images=images) for name in shares]
    groups = ev.group_runs(runs)
    return ev.verdicts(groups, ev.all_comparisons(groups))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own", "ten", "status"),
    [
        (0.84, 0.85, "supported"),  # keeps four fifths
        (0.81, 0.85, "refuted"),  # keeps one fifth
        (0.90, 0.85, "supported"),  # gains more
        (0.825, 0.85, "undecided"),  # about half
        (0.80, 0.80, "empty"),  # ten steps gain nothing: a method that does nothing would match them
        (0.85, 0.79, "empty"),  # ten steps lose
    ],
)
def test_the_claim_is_judged_by_the_share_of_the_gain(own: float, ten: float, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_accuracies(monkeypatch, {"bn-0": 0.8, "tent-10": ten, "cw-tent-1": own})
    assert found[0]["claim"] == "CW-TENT matches TENT-10" and found[0]["status"] == status
    kept = found[0]["own_gain_less_the_share_points"]
    assert status == "empty" or (kept["low"] > 0, kept["high"] < 0) == (status == "supported", status == "refuted")
    better = next(verdict for verdict in found if verdict["claim"] == "CW-TENT is better than TENT-10")
    assert (better["status"] == "refuted") == (own < ten) and (better["status"] == "supported") == (own > ten)


@pytest.mark.slow
def test_few_images_leave_it_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_accuracies(monkeypatch, {"bn-0": 0.8, "tent-10": 0.85, "cw-tent-1": 0.83}, images=200)
    assert found[0]["status"] == "undecided"


@pytest.mark.slow
def test_without_batch_statistics_there_is_no_gain_to_match(monkeypatch: pytest.MonkeyPatch) -> None:
    found = with_accuracies(monkeypatch, {"tent-10": 0.85, "cw-tent-1": 0.85})
    assert found[0]["status"] == "not tested" and "no run of BatchNorm statistics" in found[0]["sentence"]


@pytest.mark.slow
def test_a_rival_whose_search_chose_one_step_is_no_rival_with_more(monkeypatch: pytest.MonkeyPatch) -> None:
    config, rows, summary = make_run("ten", "tent", 10, **SMALL)
    runs = [ev.checked("ten", config, summary | {"best_parameters": {"inner_steps": 1}}, rows), checked("cw", "cw-tent", 1)]
    groups = ev.group_runs([*runs, checked("bn", "bn", 0)])
    assert not [verdict for verdict in ev.verdicts(groups, ev.all_comparisons(groups)) if "matches" in verdict["claim"]]


# --------------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage:"),
        (["results_dir=x"], "usage:"),
        (["results_dir=x", "run_ids=a"], "usage:"),
        (["results_dir=x", "run_ids=[]"], "usage:"),
        (["results_dir=", 'run_ids=["a"]'], "usage:"),
        (["results_dir=x", 'run_ids=["a"]', "more=1"], "usage:"),
        (["results_dir=x", "run_ids=["], "can't be read"),
        (["results_dir=x", 'run_ids=["a","a"]'], "an id twice"),
        (["results_dir=x", 'run_ids=["../a"]'], "can't be the name of a folder"),
        (["results_dir=x", 'run_ids=["comparison"]'], "can't be the name of a folder"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    assert ev.main() == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@dataclass(frozen=True)
class Server:
    environment: dict[str, str]
    running: subprocess.Popen[str]


@contextmanager
def logged(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Log runs in a process of its own, which keeps one run running until the block ends."""
    command = [sys.executable, str(Path(__file__).with_name("logged_runs.py")), *arguments]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert any(line == "logged\n" for line in process.stdout), "the runs could not be logged"
            yield process
        finally:
            if process.poll() is None:
                process.stdin.write("\n")
                process.stdin.close()
                process.wait(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A tracker with five complete runs and some broken ones."""
    folder = tmp_path_factory.mktemp("tracker")
    with tracker.running(folder / "data") as running:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= running.environment(folder)
        with logged(environment, str(IMAGES), "15", "broken") as process:
            yield Server(environment, process)


def run_command(environment: dict[str, str], *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-u", "-m", "src.evaluate", *arguments]
    return subprocess.run(command, cwd=EXPERIMENT, env=environment, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def evaluated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    results = tmp_path_factory.mktemp("results")
    return run_command(server.environment, f"results_dir={results}", f"run_ids={json.dumps(IDS)}"), results


def read_json(path: Path) -> Any:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} in {path}")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


@pytest.mark.slow
def test_everything_is_written_and_printed(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, results = evaluated
    assert done.returncode == 0, done.stderr
    written = {path for path in results.rglob("*") if path.is_file()}
    printed = {Path(line) for line in done.stdout.splitlines() if line.startswith(str(results))}
    assert printed == {path for path in written if path.suffix in (".json", ".pdf", ".csv")}
    assert {folder.name for folder in results.iterdir()} == {*IDS, "comparison"}
    for pdf in results.rglob("*.pdf"):
        assert pdf.with_suffix(".png") in written
        assert pdf.stem.replace("_", "").replace("-", "").replace(".", "").isalnum()
    topics = {path.name.partition("_cifar10c")[0] for path in (results / "comparison").glob("*.pdf")}
    assert topics == {"accuracy", "corruptions", "gains"}
    for kind in ("learning_curve", "confusion_matrix"):
        assert len(list(results.glob(f"*/{kind}_*.pdf"))) == len(IDS)


@pytest.mark.slow
def test_numbers_are_those_that_were_logged(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, results = evaluated
    for run_id, method, steps in zip(IDS, ("source", "bn", "tent", "tent", "cw-tent"), (0, 0, 1, 10, 1), strict=True):
        bits = correct_bits(method, steps, IMAGES, CORRUPTIONS)
        metrics = read_json(results / run_id / "metrics.json")
        assert metrics["top1_accuracy"] == pytest.approx(bits.mean())
        assert metrics["backwards"] == steps * metrics["batches"]
        low, high = metrics["accuracy_percent"]["low"], metrics["accuracy_percent"]["high"]
        assert low < 100 * bits.mean() < high
        # An interval over images is wider than one over 4,500 predictions, as if they were independent.
        assert high - low > 1.3 * 100 * 2 * 1.96 * np.sqrt(bits.mean() * (1 - bits.mean()) / bits.size)


@pytest.mark.slow
def test_the_comparison_is_complete(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, results = evaluated
    content = read_json(results / "comparison" / "aggregated_metrics.json")
    assert set(content["metrics"]["top1_accuracy"]) == set(IDS)
    assert content["best_proposed"]["run_id"] == PROPOSED_ID
    apart = content["best_proposed"]["top1_accuracy"] - content["best_baseline"]["top1_accuracy"]
    assert content["gap_points"] == pytest.approx(100 * apart)
    ((name, group),) = content["groups"].items()
    assert name == "cifar10c-b64-reset" and len(group["tests"]) == 7
    claims = [verdict["claim"] for verdict in content["verdicts"]]
    assert claims[0] == "CW-TENT matches TENT-10" and len(claims) == 5
    assert all(verdict["sentence"] in done.stdout for verdict in content["verdicts"])
    mean = 100 * correct_bits("bn", 0, IMAGES, CORRUPTIONS).mean()
    for suffix, kind in itertools.product(("csv", "md", "tex"), ("results", "tests")):
        table = (results / "comparison" / f"{kind}_table.{suffix}").read_text("utf-8")
        assert kind == "tests" or f"{mean:.2f}"[:4] in table


@pytest.mark.slow
def test_broken_runs_are_named_and_the_others_evaluated(server: Server, tmp_path: Path) -> None:
    asked = ["no such run", "running", "failed", "no-bits", "no-running", "one"]
    done = run_command(server.environment, f"results_dir={tmp_path}", f"run_ids={json.dumps(asked)}")
    assert done.returncode == 1, done.stderr
    for sentence in (
        "run 'no such run' can't be read from the W&B project tta-lab/cw-tent",
        "run 'running' is running, not finished",
        "run 'failed' is failed, not finished",
        "run 'no-bits' lacks latency_p95_ms, correct in what it logged",
        "run 'no-running' lacks running_accuracy in what it logged",
    ):
        assert sentence in done.stderr
    assert {folder.name for folder in tmp_path.iterdir()} == {"one", "comparison"}
    content = read_json(tmp_path / "comparison" / "aggregated_metrics.json")
    assert set(content["not_evaluated"]) == set(asked) - {"one"}
    assert content["best_baseline"] is None and content["verdicts"] == []


@pytest.mark.slow
def test_results_that_cannot_be_written_are_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_command(server.environment, f"results_dir={tmp_path / 'file'}", 'run_ids=["one"]')
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and done.stderr.startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("listens", [False, True])
def test_a_server_that_is_away_or_silent_is_a_sentence(listens: bool, tmp_path: Path) -> None:
    """Said by W&B's service: where its client gives up first (`did not respond in time`), both may wait for each other at exit."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        if not listens:
            door.close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"WANDB_BASE_URL": address, "WANDB_API_KEY": "0" * 40, "WANDB_DIR": str(tmp_path)}
        program = "import sys; from src import evaluate; evaluate.REQUEST_SECONDS = 1; sys.exit(evaluate.main())"
        command = [sys.executable, "-c", program, f"results_dir={tmp_path / 'r'}", 'run_ids=["a"]']
        done = subprocess.run(command, cwd=EXPERIMENT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "giving up after 4 attempt(s)" in done.stderr
    assert not (tmp_path / "r").exists()
