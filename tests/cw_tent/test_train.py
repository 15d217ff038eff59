"""Training of the reference experiment: its protocol in process, and whole runs as subprocesses that log to a real tracker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import save_file
from src.model import Adapter, ModelError, Settings, build_network, fast
from src.preprocess import DataError, load_corruption

from gonogo.tracker import Tracker
from src import train

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
RUNS = sorted(path.stem for path in (EXPERIMENT / "config" / "run").glob("*.yaml"))
SPACE = "{learning_rate: {type: loguniform, low: 1e-4, high: 1e-2}, inner_steps: {type: categorical, choices: [1, 2]}}"
CPU = torch.device("cpu")
# A whole run in seconds: a source model of one epoch on small images, three corruptions of 128 images.
SMALL = [
    "run.dataset.corruption_types=[gaussian_noise,contrast,pixelate]",
    "stream.images=128",
    "run.training.log_interval=1",
    "source.digitsc.schedule=[[16,1]]",
    "source.digitsc.min_accuracy=0",
    "threads=1",
]


def config(*overrides: str, run: str = "digits-tent-1", cache: Path = Path(".cache")) -> DictConfig:
    with initialize_config_dir(str(EXPERIMENT / "config"), version_base="1.3"):
        return compose("config", [f"run='{run}'", f"cache_dir='{cache}'", *overrides])


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return fast(build_network(config())[0])


# -------------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("run", RUNS)
def test_every_run_is_a_method_with_its_settings(run: str) -> None:
    cfg = config(run=run)
    found = train.method_settings(cfg, {})
    assert cfg.run.run_id == run and found.method == cfg.run.method
    assert run.startswith(("proposed", "comparative")) or run.split("-", 1)[1].startswith(found.method)
    assert (found.steps, found.learning_rate) == (cfg.run.training.inner_steps, cfg.run.training.learning_rate)
    if cfg.run.optuna.enabled:
        point = train.suggest(optuna.create_study().ask(), cfg.run.optuna.search_space)
        assert train.method_settings(cfg, point).learning_rate == point["learning_rate"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["run.training.epochs=3"], "training.epochs is 3"),
        (["run.training.scheduler=cosine"], "training.scheduler is 'cosine'"),
        (["run.training.adaptation=false"], "contradicts the method tent"),
        (["run.training.objective=none"], "training.objective is 'none'"),
        (["device=tpu"], "device is 'tpu'"),
        (["run.training.stream_mode=sideways"], "stream_mode is 'sideways'"),
        (["stream.precision=fp8"], "stream.precision is 'fp8'"),
        (["stream.order=sorted"], "stream.order is 'sorted'"),
        (["stream.last_batch=borrow"], "stream.last_batch is 'borrow'"),
        (["run.dataset.batch_size=0"], "dataset.batch_size is 0"),
        (["run.dataset.batch_size=300", "stream.last_batch=drop"], "100 images make no batch of 300"),
        (["search.images=100"], "search.images is 100"),
        (["stream.images=0"], "stream.images is 0"),
        (["run.optuna.metric=loss"], "optuna has 'loss'"),
        (["run.optuna.direction=minimize"], "'top1_accuracy' to minimize"),
        (["++run.optuna.search_space={learning_rate: {type: normal, low: 0, high: 1}}", "run.optuna.n_trials=1"], "type is 'normal'"),
        (["++run.optuna.search_space={depth: {type: int, low: 0, high: 1}}", "run.optuna.n_trials=1"], "search_space has depth; known are"),
    ],
)
def test_settings_that_can_not_be(changes: list[str], says: str, tmp_path: Path) -> None:
    cfg = config(*changes, "search.images_per_corruption=4", cache=tmp_path)
    with pytest.raises((train.TrainError, ModelError, DataError), match=says):
        train.method_settings(cfg, {})
        train.choose_device(cfg)
        train.protocol(cfg)
        train.choose_precision(cfg, network(), CPU)
        train.stream_order(cfg, 0, "fog", 10)
        train.scored_images(cfg, 100)
        train.stream_batches(100, cfg.run.dataset.batch_size, cfg.stream.last_batch)
        train.search(cfg, network(), CPU)


@pytest.mark.slow
def test_protocols_are_named() -> None:
    assert train.protocol(config()) == "reset"
    assert train.protocol(config("stream.protocol=episodic")) == "episodic"
    assert train.protocol(config("run.training.stream_mode=continual")) == "continual"


# ---------------------------------------------------------------------------------------------------------------- source model


@pytest.mark.slow
def test_a_source_model_is_trained_once_for_each_seed_and_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = config(*SMALL, cache=tmp_path)
    first = train.source_model(cfg, 0, CPU)
    again = train.source_model(cfg, 0, CPU)
    other = train.source_model(cfg, 1, CPU)
    assert capsys.readouterr().out.count("source model: trained on 1000 clean images") == 2
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)) and not again.training
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    assert len(list((tmp_path / "source").glob("*.safetensors"))) == 2
    cfg.source.digitsc.learning_rate = 0.01
    train.source_model(cfg, 0, CPU)
    assert len(list((tmp_path / "source").glob("*.safetensors"))) == 3


@pytest.mark.slow
def test_runs_that_begin_together_train_one_source_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys, torch; from hydra import compose, initialize_config_dir; from src import train\n"
        "with initialize_config_dir(sys.argv[1], version_base='1.3'): cfg = compose('config', sys.argv[2:])\n"
        "train.choose_device(cfg); train.source_model(cfg, 0, torch.device('cpu'))"
    )
    command = [sys.executable, "-c", code, str(EXPERIMENT / "config"), *SMALL, f"cache_dir='{tmp_path}'"]
    runs = [subprocess.Popen([*command, f"run={run}"], cwd=EXPERIMENT) for run in ("digits-bn", "digits-tent-1")]
    assert [run.wait() for run in runs] == [0, 0]
    assert capfd.readouterr().out.count("source model: trained on 1000 clean images") == 1
    assert len(list((tmp_path / "source").glob("*.safetensors"))) == 1


@pytest.mark.slow
def test_training_makes_a_better_model(tmp_path: Path) -> None:
    cfg = config("source.digitsc.schedule=[[32,3]]", "source.digitsc.min_accuracy=0.5", "threads=1", cache=tmp_path)
    assert (train.clean_accuracy(cfg, train.source_model(cfg, 0, CPU), CPU) or 0) > 0.6
    with pytest.raises(train.TrainError, match=r"gets \d+\.\d % of the clean test images right, less than"):
        train.clean_accuracy(cfg, network(), CPU)


def test_a_training_that_diverges_is_told(tmp_path: Path) -> None:
    cfg = config(*SMALL, "source.digitsc.learning_rate=1e30", cache=tmp_path)
    with pytest.raises(train.TrainError, match=r"the loss is .*: lower source\.digitsc\.learning_rate"):
        train.source_model(cfg, 0, CPU)


# ---------------------------------------------------------------------------------------------------------------------- search


def searching(cache: Path, trials: int, *more: str) -> DictConfig:
    return config(
        "run.optuna.enabled=true", f"run.optuna.n_trials={trials}", f"++run.optuna.search_space={SPACE}", "search.images_per_corruption=16",
        "run.dataset.batch_size=8", *more, cache=cache,
    )  # fmt: skip


def trials_of(cache: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(cache / "search" / "journal.log")))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials(states=(optuna.trial.TrialState.COMPLETE,))


@pytest.mark.slow
def test_a_search_that_was_stopped_goes_on_with_the_same_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train.search(searching(tmp_path / "whole", 4), network(), CPU)
    measured, calls = train.accuracy_on, 0

    def stopped_in_the_third_trial(*arguments: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 9:  # each trial asks for four corruptions
            raise KeyboardInterrupt
        return measured(*arguments)

    cfg = searching(tmp_path / "stopped", 4)
    monkeypatch.setattr(train, "accuracy_on", stopped_in_the_third_trial)
    with pytest.raises(KeyboardInterrupt):
        train.search(cfg, network(), CPU)
    assert len(trials_of(tmp_path / "stopped")) == 2
    assert train.search(cfg, network(), CPU) == whole
    points, done = (
        sorted(json.dumps(trial.params, sort_keys=True) for trial in trials_of(tmp_path / name)) for name in ("whole", "stopped")
    )
    assert len({*points}) == 4 and done == points
    assert whole[0].keys() == {"learning_rate", "inner_steps"} and 0 <= whole[1] <= 1


@pytest.mark.slow
def test_threads_find_what_one_finds(tmp_path: Path) -> None:
    one = train.search(searching(tmp_path / "one", 4), network(), CPU)
    two = train.search(searching(tmp_path / "two", 4, "search.n_jobs=2"), network(), CPU)
    assert one == two
    other_settings = searching(tmp_path / "one", 4, "run.training.momentum=0.5")
    assert train.study_name(other_settings, network()) != train.study_name(searching(tmp_path / "one", 4), network())
    assert train.study_name(other_settings, network()) != train.study_name(other_settings, network(1))


# ---------------------------------------------------------------------------------------------------------------------- stream


@given(count=st.integers(1, 3000), size=st.integers(1, 400), policy=st.sampled_from(["keep", "skip_update", "drop"]))
@settings(deadline=None)
def test_batches_cover_the_stream_once(count: int, size: int, policy: str) -> None:
    if policy == "drop" and count < size:
        with pytest.raises(train.TrainError, match="make no batch"):
            train.stream_batches(count, size, policy)
        return
    cut = train.stream_batches(count, size, policy)
    whole = count - count % size
    assert [i for part, _ in cut for i in range(count)[part]] == list(range(whole if policy == "drop" else count))
    assert all(part.stop - part.start == size and update for part, update in cut[: count // size])
    if policy != "drop" and count % size:
        assert cut[-1] == (slice(whole, count), policy == "keep")


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**63), name=st.sampled_from(["fog", "snow"]), count=st.integers(1, 200))
def test_orders(seed: int, name: str, count: int) -> None:
    cfg = config()
    assert train.stream_order(cfg, seed, name, count).tolist() == list(range(count))
    cfg.stream.order = "shuffled"
    mixed = train.stream_order(cfg, seed, name, count)
    assert sorted(mixed.tolist()) == list(range(count)) and torch.equal(mixed, train.stream_order(cfg, seed, name, count))
    if count > 20:
        assert not torch.equal(mixed, train.stream_order(cfg, seed + 1, name, count))
        assert not torch.equal(mixed, train.stream_order(cfg, seed, "frost", count))


def test_corruptions_that_would_leave_out_different_images_are_refused() -> None:
    cfg = config("stream.order=shuffled", "stream.last_batch=drop", "run.dataset.batch_size=16")
    assert len(train.stream_order(cfg, 0, "fog", 48)) == 48
    with pytest.raises(train.TrainError, match="keep the last batch"):
        train.stream_order(cfg, 0, "fog", 50)


def streamed(monkeypatch: pytest.MonkeyPatch, *overrides: str) -> tuple[list[train.Part], list[dict[str, float]], Adapter]:
    """A stream through a random network, with the rows that it logs."""
    cfg = config(
        "run.dataset.corruption_types=[contrast,pixelate]", "stream.images=48", "run.dataset.batch_size=16", "run.training.log_interval=1",
        *overrides,
    )  # fmt: skip
    rows: list[dict[str, float]] = []
    monkeypatch.setattr(train.wandb, "log", rows.append)
    adapter = Adapter(network(), train.method_settings(cfg, {}))
    return train.stream(cfg, adapter, 0, CPU), rows, adapter


@pytest.mark.slow
def test_a_stream_scores_what_the_adapter_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, rows, adapter = streamed(monkeypatch)
    cfg = config("stream.images=48")
    for part in parts:
        data = load_corruption(cfg, part.corruption)[:48]
        by_hand = Adapter(network(), adapter.settings)
        right = [
            by_hand.predict(train.inputs(cfg, data.images[start : start + 16], CPU)).argmax(1) == data.labels[start : start + 16]
            for start in (0, 16, 32)
        ]
        assert (part.correct == torch.cat(right).numpy()).all()
        assert part.confusion.trace() == part.correct.sum() and part.confusion.sum() == 48 and part.drift == pytest.approx(by_hand.drift)
    assert [(row["corruption_index"], row["batch"], row["images_seen"]) for row in rows] == [
        (c, b, 16 * b + 16) for c in (0, 1) for b in (0, 1, 2)
    ]
    assert [row["backwards"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["corruption_accuracy"] == rows[-1]["running_accuracy"] == pytest.approx(parts[1].correct.mean())
    assert {"loss", "weight_sum", "entropy", "bn_drift", "updates", "step_latency_ms"} <= set(rows[0])


@pytest.mark.slow
def test_the_order_changes_the_stream_and_not_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    in_order, _, _ = streamed(monkeypatch, "run.training.learning_rate=1e-9")
    mixed, _, _ = streamed(monkeypatch, "run.training.learning_rate=1e-9", "stream.order=shuffled", "run.dataset.batch_size=48")
    whole, _, _ = streamed(monkeypatch, "run.training.learning_rate=1e-9", "run.dataset.batch_size=48")
    assert (mixed[0].correct == whole[0].correct).all(), "one batch of all images is the same in every order, but for where they stand"
    assert len(in_order[0].correct) == 48


@pytest.mark.slow
def test_protocols_differ_in_when_the_adapter_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drifts = {}
    for name in ("reset", "continual", "episodic"):
        _, rows, _ = streamed(monkeypatch, f"stream.protocol={name}")
        drifts[name] = [row["bn_drift"] for row in rows]
    assert drifts["reset"][:3] == drifts["continual"][:3] and drifts["reset"][3:] != drifts["continual"][3:]
    assert drifts["reset"][0] == drifts["episodic"][0] and drifts["reset"][1] != drifts["episodic"][1]


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_accuracy_after_the_first_steps(steps: int) -> None:
    cfg = config("run.dataset.batch_size=16", f"run.training.inner_steps={steps}")
    data = load_corruption(cfg, "contrast")[:100]
    adapter = Adapter(network(), train.method_settings(cfg, {}))
    found = train.accuracy_after(cfg, adapter, data, CPU)
    for count in (1, 3):
        by_hand, used = Adapter(network(), adapter.settings), -(-count // steps) * 16
        for step in range(count):
            start = step // steps * 16
            by_hand.step(train.inputs(cfg, data.images[start : start + 16], CPU))
        answers = [
            by_hand.predict(train.inputs(cfg, data.images[start : start + 16], CPU), update=False).argmax(1)
            for start in range(used, 100, 16)
        ]
        assert found[count] == pytest.approx(float((torch.cat(answers) == data.labels[used:]).float().mean()))
    assert adapter.forwards == 0 and train.accuracy_after(cfg, adapter, data[:20], CPU) == {}


@pytest.mark.slow
def test_bf16_is_taken_only_where_it_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "has_fast_bf16", lambda device: True)
    small = ["stream.precision_images=64", "run.hardware.mixed_precision=true"]
    assert train.choose_precision(config(*small, "stream.precision_tolerance=100"), network(), CPU) == "bf16"
    assert train.choose_precision(config(*small, "stream.precision_tolerance=-1"), network(), CPU) == "fp32"
    assert train.choose_precision(config("stream.precision_images=64", "stream.precision_tolerance=100"), network(), CPU) == "fp32"
    with pytest.raises(train.TrainError, match="bf16 differs from fp32 by"):
        train.choose_precision(config(*small, "stream.precision=bf16", "stream.precision_tolerance=-1"), network(), CPU)


@pytest.mark.slow
def test_a_summary_is_what_its_parts_say() -> None:
    cfg = config()
    rng = np.random.default_rng(0)
    found = {
        seed: [
            train.Part(name, "digits", rng.random(13) < 0.7, np.eye(10, dtype=int), [0.5, 0.1], {1: 0.5}, 0.2) for name in ("fog", "snow")
        ]
        for seed in (3, 4)
    }
    adapters = [Adapter(network(), Settings("bn", "none", 0, 0.0)) for _ in found]
    adapters[0].forwards, adapters[1].forwards = 5, 7
    summary = train.summarise(cfg, found, adapters)
    assert summary["seeds"] == [3, 4] and summary["forwards"] == 12 and summary["batches"] == 8
    assert summary["top1_accuracy"] == pytest.approx(np.mean([part.correct.mean() for parts in found.values() for part in parts]))
    assert summary["average_accuracy_after_first_adaptation_step"] == 0.5 and summary["accuracy_after_3"] is None
    assert summary["images_per_second"] == pytest.approx(4 * 13 / 2.4)
    json.dumps(summary, allow_nan=False)


# ------------------------------------------------------------------------------------------------------------------ whole runs


def start(run: str, folder: Path, *overrides: str, **more: str) -> subprocess.Popen[str]:
    """As documented; Hydra's own folder and the cache go into `folder`."""
    command = [sys.executable, "-u", "-m", "src.main", f"run={run}", f"results_dir={folder / 'results'}", f"cache_dir='{folder / 'cache'}'"]
    command += [f"hydra.run.dir='{folder / 'hydra'}'", *overrides]
    return subprocess.Popen(
        command, cwd=EXPERIMENT, env={**os.environ, "WANDB_SILENT": "true", **more}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output[-3000:]
    return output


READ = """
import json, sys, wandb
run = wandb.Api().run(sys.argv[1])
print(json.dumps([run.state, list(run.scan_history()), run.summary._json_dict]))
"""


def logged(run: str, project: str = "cw-tent") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and summary without what depends on the machine's speed; read by a process of its own, as an evaluation is."""
    done = subprocess.run([sys.executable, "-c", READ, f"tta-lab/{project}/{run}"], capture_output=True, text=True, timeout=120, check=True)
    state, rows, summary = json.loads(done.stdout)
    assert state == "finished"
    timed = ("step_latency_ms", "images_per_second", "latency_p50_ms", "latency_p95_ms", "peak_memory_mb", "seconds")
    rows, (summary,) = (
        [{key: row[key] for key in sorted(row) if key not in timed and key[0] != "_"} for row in part] for part in (rows, [summary])
    )
    return rows, summary


@pytest.mark.slow
def test_a_run_that_was_killed_and_started_again_ends_as_one_that_was_not(tmp_path: Path, wandb_tracker: Tracker) -> None:
    tuned = [*SMALL, "source.seeds=[1,2]", "run.optuna.enabled=true", "run.optuna.n_trials=3", f"++run.optuna.search_space={SPACE}"]
    tuned += ["search.images_per_corruption=64"]
    finish(start("digits-cw-tent", tmp_path / "whole", *tuned, "wandb.project=whole"))
    for pattern in ("cache/source/*.safetensors", "cache/search/journal.log"):
        process = start("digits-cw-tent", tmp_path / "killed", *tuned, "wandb.project=killed")
        deadline = time.monotonic() + 240
        while not any((tmp_path / "killed").glob(pattern)):
            assert process.poll() is None and time.monotonic() < deadline, f"{pattern} never came"
            time.sleep(0.02)
        with process:
            os.killpg(process.pid, signal.SIGKILL)  # the run, its parent and its W&B client at once, as when a machine goes down
    finish(start("digits-cw-tent", tmp_path / "killed", *tuned, "wandb.project=killed"))
    rows, summary = logged("digits-cw-tent", "whole")
    assert logged("digits-cw-tent", "killed")[0] == rows
    assert logged("digits-cw-tent", "killed")[1] == summary
    assert [(row["seed"], row["corruption_index"], row["batch"]) for row in rows] == [
        (s, c, b) for s in (1, 2) for c in (0, 1, 2) for b in (0, 1)
    ]
    assert 0 < summary["top1_accuracy"] < 1 and summary["best_parameters"]["inner_steps"] in (1, 2)


@pytest.mark.slow
def test_a_server_that_is_down_is_a_sentence(tmp_path: Path) -> None:
    environment = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40, "WANDB_INIT_TIMEOUT": "5", "WANDB_DIR": str(tmp_path)}
    output = finish(start("digits-source", tmp_path, *SMALL, **environment), code=1)
    assert "cw-tent: " in output and "Traceback" not in output


@pytest.mark.slow
def test_a_trial_needs_no_data_that_it_does_not_use(tmp_path: Path) -> None:
    """With a folder of CIFAR-10-C and a complete checkpoint it is offline; what it left out is a sentence."""
    folder = tmp_path / "data" / "CIFAR-10-C"
    folder.mkdir(parents=True)
    for name in ("gaussian_noise", "shot_noise"):
        np.save(folder / f"{name}.npy", np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8))
    np.save(folder / "labels.npy", (np.arange(20) % 10).astype(np.uint8))
    narrow = config("run.model.name=resnet18-narrow", "run.model.pretrained_checkpoint=null", run="cifar10c-source", cache=tmp_path)
    save_file(build_network(narrow)[0].state_dict(), tmp_path / "source.safetensors")
    output = finish(
        start(
            "cifar10c-cw-tent", tmp_path, "trial_mode=true", f"run.dataset.root='{folder}'", "run.model.name=resnet18-narrow",
            f"run.model.pretrained_checkpoint='{tmp_path / 'source.safetensors'}'", "threads=1", WANDB_BASE_URL="http://127.0.0.1:9",
            HTTPS_PROXY="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9",
        )
    )  # fmt: skip
    assert "left out: the accuracy on clean images, since the clean test images are not here." in output
    assert "right on 2 corruptions (regenerated)" in output and not list((tmp_path / "cache").rglob("*.npy"))
