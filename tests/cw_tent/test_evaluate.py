"""The evaluation: its statistics against known values, and its command against the real tracker."""

from __future__ import annotations

import base64
import json
import math
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
for needed in ("matplotlib", "omegaconf", "wandb"):
    pytest.importorskip(needed, reason="the experiment's own dependencies are not installed")
tracker = pytest.importorskip("gonogo.tracker", reason="gonogo, whose tracker the runs are logged to, is not installed")

import logged_runs  # noqa: E402
from logged_runs import CORRUPTIONS, PROPOSED_ID, TENT_ID, correct_bits, make_run, pack  # noqa: E402

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
if str(EXPERIMENT) not in sys.path:
    sys.path.insert(0, str(EXPERIMENT))

from src import evaluate as ev  # noqa: E402

IDS = ["source", "bn", "tent-1", TENT_ID, PROPOSED_ID]
IMAGES = 300


# ------------------------------------------------------------------------------------------------ drawing in processes


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
def test_many_runs_are_drawn_by_processes_of_which_none_may_be_lost(tmp_path: Path) -> None:
    with ev.drawing(2 * ev.RUNS_PER_PROCESS) as draw:
        for number in range(4):
            draw(ev.write_bytes, tmp_path / str(number), b"drawn")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]
    with pytest.raises(ev.EvaluationError, match="was killed"), ev.drawing(2 * ev.RUNS_PER_PROCESS) as draw:
        draw(os._exit, 1)
    with pytest.raises(IsADirectoryError), ev.drawing(2 * ev.RUNS_PER_PROCESS) as draw:
        draw(ev.write_bytes, tmp_path, b"not to be drawn")


# ------------------------------------------------------------------------------------------------ statistics


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_bits_survive_packing(bits: list[bool]) -> None:
    assert ev.unpack_bits(pack(np.array(bits)), len(bits)).tolist() == bits


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 80))
def test_bits_of_another_count_are_refused_unless_they_fit(bits: list[bool], count: int) -> None:
    try:
        unpacked = ev.unpack_bits(pack(np.array(bits)), count)
    except ValueError:
        assert -(-count // 8) != -(-len(bits) // 8) or any(bits[count:])
    else:
        assert unpacked.tolist() == (bits + [False] * 8)[:count]


@pytest.mark.parametrize("text", [None, 3, "!!!!", "AA", base64.b64encode(b"ab").decode(), "/w=="])
def test_unreadable_bits_are_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"it is not|bytes where|bits are set"):
        ev.unpack_bits(text, 5)


def test_mcnemar_by_hand() -> None:
    # 8 images that only the first gets right, 2 that only the second does: 2 · (1 + 10 + 45) / 1024
    first = np.array([1.0] * 8 + [0.0] * 2 + [1.0] * 30)
    second = np.array([0.0] * 8 + [1.0] * 2 + [1.0] * 30)
    result = ev.mcnemar(first, second)
    assert (result["only_first_right"], result["only_second_right"], result["odds_ratio"]) == (8, 2, 4.0)
    assert result["p_value"] == pytest.approx(112 / 1024)
    assert result["odds_ratio_low"] < 4 < result["odds_ratio_high"]


def test_mcnemar_without_a_disagreement_and_with_one_side_only() -> None:
    same = np.ones(5)
    assert ev.mcnemar(same, same)["p_value"] == 1.0
    result = ev.mcnemar(np.ones(6), np.zeros(6))
    assert result["p_value"] == pytest.approx(2 / 64)
    assert result["odds_ratio"] is None
    assert result["odds_ratio_high"] is None
    json.dumps(result, allow_nan=False)


def test_wilcoxon_equals_scipys_exact_test() -> None:
    differences = np.array([0.31, -0.12, 0.05, 0.44, 0.27, -0.02, 0.19, 0.6, 0.07, 0.33, -0.21, 0.15, 0.5, 0.09, 0.11])
    expected = scipy_stats.wilcoxon(differences, method="exact")
    result = ev.wilcoxon(differences)
    assert result["p_value"] == pytest.approx(expected.pvalue, rel=1e-12)
    assert result["statistic"] == expected.statistic
    assert ev.wilcoxon(np.arange(1, 16))["p_value"] == pytest.approx(2**-14)  # the floor that the notes name: 6e-5


def test_wilcoxon_is_exact_with_ties_and_zeros() -> None:
    differences = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 0.0, 3.0, -0.5])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 7)).reshape(7, -1).T
    ranks = scipy_stats.rankdata(np.abs(differences[differences != 0]))
    sums = (signs > 0) @ ranks
    seen = ranks[differences[differences != 0] > 0].sum()
    expected = min(1, 2 * min((sums <= seen).mean(), (sums >= seen).mean()))
    result = ev.wilcoxon(differences)
    assert result["p_value"] == pytest.approx(expected)
    assert result["rank_biserial"] == pytest.approx(ev.rank_biserial(differences[None])[0])


def test_wilcoxon_is_left_out_with_a_reason() -> None:
    assert "at least 2" in ev.wilcoxon(np.array([0.0, 0.0, 0.3]))["left_out"]


def test_bootstrap_agrees_with_theory_and_pairs_its_columns() -> None:
    scores = np.random.default_rng(0).random((400, 2)) < [0.7, 0.5]
    draws = ev.bootstrap(np.column_stack([scores, scores[:, 0]]).astype(float))
    assert draws.shape == (ev.RESAMPLES, 3)
    assert np.array_equal(draws[:, 0], draws[:, 2])  # the same images in all columns
    assert draws.mean(axis=0)[:2] == pytest.approx(scores.mean(axis=0), abs=2e-3)
    assert draws.std(axis=0)[:2] == pytest.approx(scores.std(axis=0) / 20, rel=0.05)
    assert np.array_equal(draws, ev.bootstrap(np.column_stack([scores, scores[:, 0]]).astype(float)))


def test_bootstrap_p_values_are_those_of_a_normal_mean() -> None:
    sample = np.random.default_rng(1).normal(0.13, 1, 400)
    draws = ev.bootstrap(sample[:, None])[:, 0]
    expected = scipy_stats.ttest_1samp(sample, 0)
    assert ev.two_sided_p(draws) == pytest.approx(expected.pvalue, rel=0.25)
    assert ev.one_sided_p(draws, 0.0) == pytest.approx(expected.pvalue / 2, rel=0.25)
    assert 0 < ev.two_sided_p(draws + 9) < 1e-3
    assert ev.interval(draws) == pytest.approx((expected.confidence_interval().low, expected.confidence_interval().high), abs=0.01)


def test_holm_by_hand() -> None:
    assert ev.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert ev.holm([0.6, 0.7]) == [1.0, 1.0]
    assert ev.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = ev.holm(p_values)
    assert all(after >= before or after == 1.0 for before, after in zip(p_values, adjusted, strict=True))
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p_values, kind="stable")]) >= 0)


def test_cohens_h_of_the_book() -> None:
    assert float(ev.cohens_h(np.array(0.5), np.array(0.4))) == pytest.approx(0.2014, abs=1e-4)


def test_labels_are_kept_apart() -> None:
    placed = ev.apart([0.5, 0.5, 0.51, 0.9], 0.1, 0.0, 1.0)
    assert np.all(np.diff(sorted(placed)) >= 0.1 - 1e-6)
    assert min(placed) >= 0
    assert max(placed) <= 1


# ------------------------------------------------------------------------------------------------ verdicts, without a tracker


def group_of(*specs: tuple[str, str, int, dict[str, Any]]) -> list[ev.Group]:
    runs = [ev.checked_run(name, *parts(make_run(name, method, steps, **extra)), "url") for name, method, steps, extra in specs]
    groups = ev.group_runs(runs)
    ev.compare_groups(groups)
    return groups


def parts(made: tuple[Any, Any, Any]) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    config, rows, summary = made
    return config, summary, rows


SMALL: dict[str, Any] = {"images": 200, "corruptions": CORRUPTIONS[:4]}


def test_a_claim_is_empty_where_the_baseline_is_no_better_than_batchnorm() -> None:
    (group,) = group_of(("cw", "cw-tent", 1, SMALL | {"gain": 0.4}), ("ten", "tent", 10, SMALL | {"gain": -0.6}), ("bn", "bn", 0, SMALL))
    first = ev.verdicts([group])[0]
    assert first["status"] == "empty"
    assert "EMPTY" in first["sentence"]
    assert group.non_inferiority[0]["control"]["baseline_is_better"] is False
    assert group.non_inferiority[0]["p_value"] < 0.001


def test_a_claim_is_empty_where_the_margin_is_larger_than_what_there_is_to_match(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten steps gain 0.2 points, surely; a margin of 0.5 cannot tell a method that gains nothing from one that gains it all."""

    def bits(method: str, *_: Any) -> np.ndarray:
        correct = np.random.default_rng(0).random((4, 1000)) < 0.8
        spoilt = np.flatnonzero(correct.ravel())[: 8 * 97 : 97]
        correct.ravel()[spoilt] = method == "tent"
        return correct

    monkeypatch.setattr(logged_runs, "correct_bits", bits)
    many = SMALL | {"images": 1000}
    (group,) = group_of(("cw", "cw-tent", 1, many), ("ten", "tent", 10, many), ("bn", "bn", 0, many))
    control = group.non_inferiority[0]["control"]
    assert control["baseline_is_better"] and not control["margin_is_smaller"]
    first = ev.verdicts([group])[0]
    assert first["status"] == "empty" and "not surely more than the margin" in first["sentence"]


@pytest.mark.parametrize(("gain", "status"), [(0.5, "supported"), (-0.6, "refuted")])
def test_the_verdict_follows_the_data(gain: float, status: str) -> None:
    (group,) = group_of(("cw", "cw-tent", 1, SMALL | {"gain": gain}), ("ten", "tent", 10, SMALL), ("bn", "bn", 0, SMALL | {"gain": -0.7}))
    assert ev.verdicts([group])[0]["status"] == status
    test = group.non_inferiority[0]
    assert (test["difference_points"]["low"] > -ev.MARGIN_POINTS) == (status == "supported")


def test_without_batchnorm_the_control_is_said_to_be_missing() -> None:
    (group,) = group_of(("cw", "cw-tent", 1, SMALL | {"gain": 0.5}), ("ten", "tent", 10, SMALL))
    assert "Control missing" in ev.verdicts([group])[0]["sentence"]


def test_a_baseline_whose_search_chose_one_step_tests_no_claim() -> None:
    config, rows, summary = make_run("ten", "tent", 10, **SMALL)
    summary["best_parameters"] = {"training.inner_steps": 1}
    runs = [ev.checked_run("ten", config, summary, rows, "url"), ev.checked_run("cw", *parts(make_run("cw", "cw-tent", 1, **SMALL)), "url")]
    groups = ev.group_runs(runs)
    ev.compare_groups(groups)
    assert ev.verdicts(groups)[0]["status"] == "not tested"


def test_seeds_are_averaged_for_each_image_and_are_no_more_data() -> None:
    one = group_of(("cw", "cw-tent", 1, SMALL), ("ten", "tent", 10, SMALL))[0]
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL, seeds=(1, 2, 3))
    # Three times the same stream: nothing new, so nothing may change.
    bits = [correct_bits("cw-tent", 1, 200, CORRUPTIONS[:4])] * 3
    made = {}
    for name, method, steps in (("cw", "cw-tent", 1), ("ten", "tent", 10)):
        config, rows, summary = make_run(name, method, steps, **SMALL)
        summary["seeds"] = [1, 2, 3]
        summary["correct"] = {key: [text] * 3 for key, text in summary["correct"].items()}
        rows = [
            row | {"seed": seed, "backwards": row["backwards"] + turn * rows[-1]["backwards"]}
            for turn, seed in enumerate((1, 2, 3))
            for row in rows
        ]
        summary["backwards"] *= 3
        made[name] = ev.checked_run(name, config, summary, rows, "url")
    groups = ev.group_runs(list(made.values()))
    ev.compare_groups(groups)
    assert np.array_equal(made["cw"].correct[0][0], bits[0][0])
    assert groups[0].pairs[0]["effect_sizes"]["difference_points"] == pytest.approx(
        one.pairs[0]["effect_sizes"]["difference_points"], abs=1e-4
    )
    assert groups[0].pairs[0]["mcnemar"] == one.pairs[0]["mcnemar"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"batch_size": 100}, "batch size"),
        ({"protocol": "continual"}, "protocol"),
        ({"origin": "regenerated"}, "data origin"),
        ({"images": 150}, "images"),
    ],
)
def test_runs_under_other_conditions_are_not_paired(change: dict[str, Any], word: str) -> None:
    groups = group_of(("cw", "cw-tent", 1, SMALL), ("bn", "bn", 0, SMALL | change))
    assert [group.pairs for group in groups] == [[], []]
    (sentence,) = ev.differing(groups)
    assert word in sentence
    assert "no paired test" in sentence


def break_summary(name: str, value: Any) -> Any:
    def change(summary: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        summary[name] = value

    return change


def break_rows(change: Any) -> Any:
    return lambda summary, rows: [change(row) for row in rows]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (break_summary("top1_accuracy", 0.9), "contradicts itself: top1_accuracy"),
        (break_summary("top1_accuracy", "NaN"), "no number"),
        (break_summary("confusion_matrix", [[1, 2]]), "confusion_matrix"),
        (break_summary("seeds", [1, 2]), "for 1 of its 2 seeds"),
        (break_summary("backwards", 3), "backward passes"),
        (lambda summary, rows: summary["correct"].pop("shot_noise"), "correct.shot_noise"),
        (lambda summary, rows: summary["correct"].update(shot_noise="////"), "unreadable correct.shot_noise"),
        (lambda summary, rows: summary["per_corruption"].pop("shot_noise"), "per_corruption.shot_noise"),
        (break_rows(lambda row: row.pop("corruption_accuracy", None)), "never logged: corruption_accuracy"),
        (break_rows(lambda row: row.pop("loss", None)), "never logged: loss"),
        (lambda summary, rows: rows[-1].pop("corruption_accuracy"), "for 3 of its 4 streams"),
        (lambda summary, rows: [rows.pop() for _ in range(4)], "3 streams"),
        (lambda summary, rows: rows[5].update(backwards=0), "decreases"),
    ],
)
def test_a_run_that_contradicts_itself_is_refused(change: Any, said: str) -> None:
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL)
    change(summary, rows)
    with pytest.raises(ev.RunError, match=said):
        ev.checked_run("cw", config, summary, rows, "url")


def test_a_batch_that_was_logged_twice_counts_once() -> None:
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL)
    run = ev.checked_run("cw", config, summary, rows[:6] + rows[4:], "url")
    assert run.batches == len(rows)


def test_continual_runs_converge_over_the_whole_stream() -> None:
    reset, continual = (
        ev.checked_run("cw", *parts(make_run("cw", "cw-tent", 1, protocol=name, **SMALL)), "url") for name in ("reset", "continual")
    )
    assert ev.convergence(reset)[0].tolist() == [1, 2, 3, 4]
    assert ev.convergence(continual)[0].tolist() == list(range(1, 17))


def seldom(rows: list[dict[str, Any]], every: int) -> list[dict[str, Any]]:
    """The rows of a run that logs one batch in `every`, and the last of each corruption."""
    return [row for row in rows if row["batch"] % every == 0 or "corruption_accuracy" in row]


@pytest.mark.parametrize("protocol", ["reset", "continual"])
@pytest.mark.parametrize("every", [2, 3, 50])
def test_a_run_that_logs_seldom_costs_and_shows_the_same(every: int, protocol: str) -> None:
    config, rows, summary = make_run("cw", "tent", 10, protocol=protocol, seeds=(1, 2), **SMALL)
    whole = ev.checked_run("cw", config, summary, rows, "url")
    run = ev.checked_run("cw", config, summary, seldom(rows, every), "url")
    assert run.batches == whole.batches == 4 * 4 * 2
    assert run.backwards_per_image == whole.backwards_per_image == 10
    known = dict(zip(zip(whole.history["seed"], whole.places, strict=True), whole.history["images_seen"], strict=True))
    assert all(
        known[key] == seen for key, seen in zip(zip(run.history["seed"], run.places, strict=True), run.history["images_seen"], strict=True)
    )
    assert whole.places[:17].tolist() == [*range(1, 17), 1]
    passes, accuracy = ev.convergence(run)
    everything = dict(zip(*(column.tolist() for column in ev.convergence(whole)), strict=True))
    assert len(passes) < len(everything)
    assert all(math.isclose(everything[place], value) for place, value in zip(passes.tolist(), accuracy.tolist(), strict=True))


def test_the_precision_that_was_used_is_compared_not_the_one_asked_for() -> None:
    config, rows, summary = make_run("cw", "cw-tent", 1, **SMALL)
    other = make_run("bn", "bn", 0, **SMALL)
    runs = [
        ev.checked_run("cw", config, summary | {"precision": "bf16"}, rows, "url"),
        ev.checked_run("bn", *parts(other), "url"),
    ]
    assert any("differ in precision (bf16, fp32)" in sentence for sentence in ev.doubts(ev.group_runs(runs)))


# ------------------------------------------------------------------------------------------------ the command


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


def run_command(environment: dict[str, str], *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
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
    assert {Path(line) for line in done.stdout.splitlines() if line.startswith(str(results))} == written
    assert {folder.name for folder in results.iterdir()} == {*IDS, "comparison"}
    for pdf in results.rglob("*.pdf"):
        assert pdf.with_suffix(".png") in written
        assert b"/Type3" not in pdf.read_bytes()  # fonts as TrueType, which journals ask for
        assert pdf.stem.replace("_", "").replace("-", "").replace(".", "").isalnum()
    topics = {path.name.partition("_cifar10c")[0] for path in (results / "comparison").glob("*.pdf")}
    assert topics == {"accuracy", "convergence", "cost_accuracy", "corruption_spread", "differences"}
    assert len(list(results.glob("*/learning_curve_*.pdf"))) == len(IDS)


@pytest.mark.slow
def test_numbers_are_those_that_were_logged(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, results = evaluated
    for run_id, method, steps in zip(IDS, ("source", "bn", "tent", "tent", "cw-tent"), (0, 0, 1, 10, 1), strict=True):
        bits = correct_bits(method, steps, IMAGES, CORRUPTIONS)
        metrics = read_json(results / run_id / "metrics.json")
        assert metrics["accuracy"] == pytest.approx(bits.mean())
        assert metrics["backward_passes_per_image"] == steps
        low, high = metrics["accuracy_interval_95"]
        assert low < metrics["accuracy"] < high
        # Resampling images is wider than resampling all 4,500 predictions, as if they were independent.
        assert high - low > 1.3 * 2 * 1.96 * np.sqrt(bits.mean() * (1 - bits.mean()) / bits.size)


@pytest.mark.slow
def test_comparison_is_complete(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, results = evaluated
    content = read_json(results / "comparison" / "aggregated_metrics.json")
    assert set(content["metrics"]["top1_accuracy"]) == set(IDS)
    assert content["best_proposed"]["run_id"] == PROPOSED_ID
    best = content["best_baseline"]["top1_accuracy"]
    assert content["improvement_rate_percent"] == pytest.approx(100 * (content["best_proposed"]["top1_accuracy"] - best) / best)
    (group,) = content["groups"]
    assert len(group["pairs"]) == 10
    for pair in group["pairs"]:
        size = pair["effect_sizes"]["difference_points"]
        assert size["low"] <= size["estimate"] <= size["high"]
        assert pair["bootstrap"]["p_value"] <= pair["bootstrap"]["p_value_holm"] <= 1
        assert len(pair["mcnemar"]) == 15
    (test,) = group["non_inferiority"]
    assert (test["proposed"], test["baseline"], test["margin_points"]) == (PROPOSED_ID, TENT_ID, 0.5)
    assert content["verdicts"]
    assert all(verdict["sentence"] in done.stdout for verdict in content["verdicts"])


@pytest.mark.slow
def test_tables_say_the_same(evaluated: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    folder = evaluated[1] / "comparison"
    mean = correct_bits("bn", 0, IMAGES, CORRUPTIONS).mean()
    for suffix in ("csv", "md", "tex"):
        assert f"{100 * mean:.2f}" in (folder / f"accuracy_table.{suffix}").read_text("utf-8")
    latex = (folder / "tests_table.tex").read_text("utf-8")
    assert latex.count("\\\\") == 11
    assert "−" not in latex


@pytest.mark.slow
def test_broken_runs_are_named_and_the_others_evaluated(server: Server, tmp_path: Path) -> None:
    asked = ["no such run", "running", "failed", "no-bits", "no-running", "one"]
    done = run_command(server.environment, f"results_dir={tmp_path}", f"run_ids={json.dumps(asked)}")
    assert done.returncode == 1
    for sentence in (
        "run 'no such run' does not exist in the W&B project tta-lab/cw-tent",
        "run 'running' is still running",
        "run 'failed' has failed",
        "run 'no-bits' lacks in its summary: latency_p95_ms, correct",
        "run 'no-running' never logged: running_accuracy, loss",
    ):
        assert sentence in done.stderr
    assert {folder.name for folder in tmp_path.iterdir()} == {"one", "comparison"}
    content = read_json(tmp_path / "comparison" / "aggregated_metrics.json")
    assert set(content["not_evaluated"]) == set(asked) - {"one"}
    assert content["left_out"]
    assert content["best_baseline"] is None
    assert not list(tmp_path.rglob("corruption_spread*"))
    assert "there is one corruption only" in done.stdout
    assert content["verdicts"][0]["status"] == "not tested"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "results_dir is missing"),
        (["results_dir=x"], "run_ids is missing"),
        (["results_dir=x", "run_ids=a"], "not valid JSON"),
        (["results_dir=x", "run_ids=[]"], "at least one"),
        (["results_dir=x", 'run_ids="a"'], "JSON list"),
        (["results_dir=x", "run_ids=[1]"], "JSON list"),
        (["results_dir=x", 'run_ids=["a","a"]'], "2 times"),
        (["results_dir=x", 'run_ids=["../a"]'], "can't be the name"),
        (["results_dir=x", 'run_ids=["comparison"]'], "can't be the name"),
        (["results_dir=x", 'run_ids=["a"]', "results_dir=y"], "given twice"),
        (["--results-dir=x", 'run_ids=["a"]'], "is not understood"),
        (["results_dir=", 'run_ids=["a"]'], "is empty"),
    ],
)
def test_bad_use_is_one_sentence_and_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    assert ev.main() == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("listens", "said"), [(False, "connection refused"), (True, "exceeded")])
def test_a_server_that_is_away_or_silent_is_a_sentence(listens: bool, said: str, tmp_path: Path) -> None:
    """Said by W&B's service: where its client gives up first (`did not respond in time`), both may wait for each other at exit.

    Of a silent server it says `context deadline exceeded`, `request canceled (Client.Timeout exceeded …)` or both, whichever it meets first.
    """
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        if not listens:
            door.close()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        environment |= {"WANDB_BASE_URL": address, "WANDB_API_KEY": "0" * 40, "WANDB_DIR": str(tmp_path)}
        program = "import sys; from src import evaluate; evaluate.REQUEST_SECONDS = 1; sys.exit(evaluate.main())"
        command = [sys.executable, "-c", program, f"results_dir={tmp_path / 'r'}", 'run_ids=["a"]']
        done = subprocess.run(command, cwd=EXPERIMENT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: W&B can't be asked")
    assert done.stderr.count("\n") == 1
    assert "giving up after 4 attempt(s)" in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_results_that_cannot_be_written_are_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_command(server.environment, f"results_dir={tmp_path / 'file'}", 'run_ids=["one"]')
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
