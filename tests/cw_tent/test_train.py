"""Training of the reference experiment: its settings in process, and whole runs as subprocesses that are killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from optuna.trial import TrialState
from src.model import build_network
from src.preprocess import DataError, load_corruption

from gonogo.tracker import Tracker, running
from src import train

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "cw_tent"
SPACE = "{learning_rate: {type: loguniform, low: 1e-4, high: 1e-2}, inner_steps: {type: categorical, choices: [1, 2]}}"
# A whole run in seconds: a source model of one epoch, three corruptions of 128 images.
SMALL = [
    "run.dataset.corruption_types=[gaussian_noise,contrast,pixelate]",
    "stream.images=128",
    "stream.first_steps_images=0",
    "run.training.log_interval=1",
    "source.digitsc.epochs=2",
    "source.digitsc.images=256",
    "source.digitsc.min_accuracy=0",
    "threads=1",
]


def config(*overrides: str, run: str = "digits-tent-1", cache: Path = Path(".cache")) -> DictConfig:
    with initialize_config_dir(str(EXPERIMENT / "config"), version_base="1.3"):
        return compose("config", [f"run='{run}'", f"cache_dir='{cache}'", *overrides])


def searching(cache: Path, trials: int, *more: str) -> DictConfig:
    return config(
        "run.optuna.enabled=true", f"run.optuna.n_trials={trials}", f"++run.optuna.search_space={SPACE}", "search.images_per_corruption=64",
        *more, cache=cache,
    )  # fmt: skip


CPU = train.Machine(torch.device("cpu"), None)


# -------------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["run.training.epochs=3"], "training.epochs is 3"),
        (["device=tpu"], "device is 'tpu'"),
        (["device=cpu", "cuda_graphs=true"], "cuda_graphs is True, and the device cpu"),
        (["cuda_graphs=sometimes"], "cuda_graphs is 'sometimes'"),
        (["run.training.stream_mode=sideways"], "The protocol is 'sideways'"),
        (["stream.seeds=[1,2]"], "stream.seeds has several seeds"),
        (["run.dataset.num_workers=-1"], "dataset.num_workers is -1"),
        (["stream.precision=fp8"], "stream.precision is 'fp8'"),
        (["run.optuna.metric=loss"], "optuna.metric is 'loss'"),
        (["++run.optuna.search_space={learning_rate: {type: normal, low: 0, high: 1}}", "run.optuna.n_trials=1"], "type is 'normal'"),
        (["source.digitsc.optimizer=lion"], "source.optimizer is 'lion'"),
    ],
)
def test_settings_that_can_not_be(changes: list[str], says: str, tmp_path: Path) -> None:
    cfg = config(*changes, cache=tmp_path)
    network = build_network(cfg.run.model)
    with pytest.raises(train.TrainError, match=says):
        train.check_epochs(cfg)
        train.prepare(cfg)
        train.protocol(cfg)
        train.stream_seeds(cfg)
        train.Loader(cfg, ["contrast"])
        train.choose_precision(cfg, CPU, network)
        train.source_optimizer(train.source_settings(cfg), network)
        train.search(cfg, CPU, network, "fp32", "s")


def test_the_seeds_protocols_are_named() -> None:
    assert train.protocol(config()) == "reset"
    assert train.protocol(config("stream.protocol=episodic")) == "episodic"
    assert train.protocol(config("run.training.stream_mode=continual")) == "continual"


def test_what_changes_no_result_changes_no_key() -> None:
    key = train.settings_key(config())
    assert key == train.settings_key(config("run.dataset.num_workers=3", "threads=1", "wandb.mode=offline", "streams_at_once=2"))
    assert key != train.settings_key(config("run.training.learning_rate=0.5"))
    assert key != train.settings_key(config(), {"learning_rate": 0.5})


@pytest.mark.parametrize("workers", [0, 1, 8])
def test_reading_ahead_changes_nothing(workers: int, tmp_path: Path) -> None:
    cfg = config(f"run.dataset.num_workers={workers}", cache=tmp_path)
    names = ["contrast", "pixelate"]
    with train.Loader(cfg, names) as loader:
        for _ in range(2):  # a second seed goes over the same corruptions again
            for index, name in enumerate(names):
                assert torch.equal(loader.load(index).images, load_corruption(cfg, name).images)


def test_what_can_not_be_read_ahead_is_told_where_it_is_needed(tmp_path: Path) -> None:
    cfg = config("run.dataset.num_workers=2", "run.dataset.name=cifar10c", f"run.dataset.root='{tmp_path}'", cache=tmp_path)
    (tmp_path / "labels.npy").write_bytes(b"nothing")
    with train.Loader(cfg, ["contrast"]) as loader, pytest.raises(DataError, match=r"labels\.npy can't be read"):
        loader.load(0)


def test_a_mis_loaded_head_is_told_from_a_modest_model(tmp_path: Path) -> None:
    network = build_network(config().run.model)
    torch.nn.init.normal_(network.fc.weight, std=1e-3)
    with pytest.raises(train.TrainError, match="last layer was never trained"):
        train.clean_accuracy(config(cache=tmp_path), CPU, network)


def test_learning_rate_rises_and_falls() -> None:
    settings = train.source_settings(config())
    rates = [train.learning_rate(settings, epoch / 4, 12) for epoch in range(48)]
    assert rates[0] < 0.001 and max(rates) <= settings.learning_rate and rates[-1] < 0.001
    assert rates[4:] == sorted(rates[4:], reverse=True)


# -------------------------------------------------------------------------------------------------------------------- search


def test_points_are_drawn_once_each_and_are_the_same_again(tmp_path: Path) -> None:
    points = train.draw_points(searching(tmp_path, 12))
    assert len(points) == 12 and points == train.draw_points(searching(tmp_path, 12))
    assert len({tuple(sorted(point.items())) for point in points}) == 12
    assert points[:5] == train.draw_points(searching(tmp_path, 5))


def test_a_small_space_gives_each_of_its_points_once(tmp_path: Path) -> None:
    cfg = searching(tmp_path, 9)
    cfg.run.optuna.search_space = {"inner_steps": {"type": "int", "low": 1, "high": 3}}
    assert sorted(point["inner_steps"] for point in train.draw_points(cfg)) == [1, 2, 3]


def test_a_search_that_was_stopped_goes_on_with_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(config().run.model)
    whole = train.search(searching(tmp_path / "whole", 4), CPU, network, "fp32", "s")

    value, calls = train.search_value, 0

    def killed_in_the_third(*arguments: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return value(*arguments)

    cfg = searching(tmp_path / "stopped", 4, "search.abandoned_after_seconds=0")
    monkeypatch.setattr(train, "search_value", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        train.search(cfg, CPU, network, "fp32", "s")
    assert train.search(cfg, CPU, network, "fp32", "s") == whole
    assert calls == 5  # two before, two after, and the one that was killed
    trials = optuna.load_study(study_name="s", storage=train.search_storage(cfg)).get_trials(states=(TrialState.COMPLETE,))
    assert len(trials) == len({tuple(trial.params.values()) for trial in trials}) == 4


def test_a_search_by_another_metric(tmp_path: Path) -> None:
    network = build_network(config().run.model)
    cfg = searching(tmp_path, 2, "run.optuna.metric=average_accuracy_after_first_adaptation_step", "run.dataset.batch_size=32")
    best, found = train.search(cfg, CPU, network, "fp32", "s")
    assert set(best) == {"learning_rate", "inner_steps"} and 0 <= found <= 1


@pytest.mark.parametrize("at_once", ["auto", 1, 3, 4])
def test_a_trial_is_worth_what_its_corruptions_are_one_by_one(at_once: Any, tmp_path: Path) -> None:
    network = build_network(config().run.model)
    metric = "average_accuracy_after_first_adaptation_step"
    cfg = searching(tmp_path, 1, f"run.optuna.metric={metric}", "run.dataset.batch_size=16", f"streams_at_once={at_once}")
    data = [train.load_search(cfg, corruption) for corruption in train.search_corruptions(cfg)]
    fresh = partial(train.make_adapter, cfg, network, {"learning_rate": 0.05}, precision="fp64")
    accuracies = []
    for images in data:
        adapter = fresh()
        adapter.predict(CPU.inputs(cfg, images.images[:16]))  # the first update of this corruption, and the last
        places = [slice(start, start + 16) for start in range(16, len(images), 16)]
        answers = [adapter.predict(CPU.inputs(cfg, images.images[part]), update=False).logits.argmax(1) for part in places]
        accuracies.append(float((torch.cat(answers) == images.labels[16:]).float().mean()))
    assert train.search_value(cfg, CPU, fresh, data) == pytest.approx(sum(accuracies) / len(accuracies))


@pytest.mark.parametrize("wrong", ["0", "many", "true"])
def test_streams_at_once_that_are_none(wrong: str, tmp_path: Path) -> None:
    cfg = searching(tmp_path, 1, f"streams_at_once={wrong}")
    adapter = train.make_adapter(cfg, build_network(cfg.run.model), {}, precision="fp32")
    with pytest.raises(train.TrainError, match=r"streams_at_once is .*; it must be auto"):
        train.streams_at_once(cfg, CPU, adapter, 4)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (["run.dataset.batch_size=64"], 4),
        (["run.dataset.batch_size=200"], 1),
        (["run.dataset.batch_size=32", "run.model.name=resnet18", "run.model.num_parameters_m=null"], 2),
        (["streams_at_once=3"], 3),
        (["streams_at_once=300"], 15),
        (["streams_at_once=3", "run.model.freeze_except=[BatchNorm.weight,fc.weight]"], 1),  # more than BatchNorm
        (["streams_at_once=3", "stream.protocol=continual"], 1),  # one goes on from the other
    ],
)
def test_how_many_corruptions_run_side_by_side(changes: list[str], wanted: int, tmp_path: Path) -> None:
    cfg = config(*changes, cache=tmp_path)
    network = build_network(cfg.run.model)
    fresh = partial(train.make_adapter, cfg, network, {}, precision="fp32")
    assert train.Stream(cfg, CPU, fresh, tmp_path, lambda row, step: None).at_once == wanted


@pytest.mark.parametrize("protocol", ["reset", pytest.param("episodic", marks=pytest.mark.slow)])
def test_corruptions_side_by_side_come_out_as_one_by_one(protocol: str, tmp_path: Path) -> None:
    names = "[contrast,pixelate,fog]"
    logged: dict[int, list[tuple[int, dict[str, float]]]] = {}
    found: dict[int, dict[int, list[train.Part]]] = {}
    for at_once in (1, 4):  # six streams: a whole group and a smaller one
        cfg = config(
            f"streams_at_once={at_once}", f"stream.protocol={protocol}", f"run.dataset.corruption_types={names}", "stream.images=40",
            "run.dataset.batch_size=16", "stream.first_steps_images=16", "stream.order=shuffled", "stream.seeds=[1,2]", cache=tmp_path,
        )  # fmt: skip
        torch.manual_seed(0)
        network = build_network(cfg.run.model)
        fresh = partial(train.make_adapter, cfg, network, {"learning_rate": 0.05}, precision="fp64")
        rows = logged[at_once] = []
        stream = train.Stream(cfg, CPU, fresh, tmp_path / str(at_once), lambda row, step, rows=rows: rows.append((step, row)))
        found[at_once] = stream.run()
        again: list[tuple[int, dict[str, float]]] = []
        train.Stream(cfg, CPU, fresh, tmp_path / str(at_once), lambda row, step, again=again: again.append((step, row))).run()
        assert again == rows  # from the disk
    assert [step for step, _ in logged[4]] == list(range(len(logged[1])))
    timed = {"step_latency_ms", "images_per_second"}
    for (_, one), (_, other) in zip(logged[1], logged[4], strict=True):
        assert {key: one[key] for key in one.keys() - timed} == pytest.approx({key: other[key] for key in other.keys() - timed}, rel=1e-9)
    for seed, parts in found[1].items():
        for one_part, other_part in zip(parts, found[4][seed], strict=True):
            assert (one_part.corruption, one_part.counts, one_part.origin) == (other_part.corruption, other_part.counts, other_part.origin)
            assert (one_part.correct == other_part.correct).all() and (one_part.confusion == other_part.confusion).all()
            assert len(one_part.latencies) == len(other_part.latencies) == 3


def test_a_group_that_is_not_whole_is_done_again(tmp_path: Path) -> None:
    cfg = config("streams_at_once=2", "run.dataset.corruption_types=[contrast,pixelate,fog]", "stream.images=64", cache=tmp_path)
    network = build_network(cfg.run.model)
    fresh = partial(train.make_adapter, cfg, network, {}, precision="fp32")
    first: list[Any] = []
    train.Stream(cfg, CPU, fresh, tmp_path / "parts", lambda row, step: first.append((step, row["corruption_index"], row["loss"]))).run()
    (lost,) = (tmp_path / "parts").glob("42-01-*.npz")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    lost.unlink()
    second: list[Any] = []
    train.Stream(cfg, CPU, fresh, tmp_path / "parts", lambda row, step: second.append((step, row["corruption_index"], row["loss"]))).run()
    assert second == first  # to the bit, for the same two ran side by side
    assert [path.name[:5] for path, at in kept.items() if path.stat().st_mtime_ns == at] == ["42-02"]


# -------------------------------------------------------------------------------------------------------------------- whole runs


def command(module: str, run: str, folder: Path, *overrides: str) -> list[str]:
    """As documented; Hydra's own folder and the cache go into `folder`."""
    return [
        sys.executable, "-u", "-m", module, f"run={run}", f"results_dir={folder / 'results'}", f"cache_dir='{folder / 'cache'}'",
        f"hydra.run.dir='{folder / 'hydra'}'", *SMALL, *overrides,
    ]  # fmt: skip


def start(module: str, run: str, folder: Path, *overrides: str, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "WANDB_SILENT": "true", **more}
    return subprocess.Popen(
        command(module, run, folder, *overrides), cwd=EXPERIMENT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return output


READ = """
import json, sys, wandb
run = wandb.Api().run(sys.argv[1])
print(json.dumps([run.state, list(run.scan_history()), run.summary._json_dict]))
"""


def logged(run: str, project: str, wanted: set[str] | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows without what depends on the machine's speed, and the summary likewise; read by a process of its own, as an evaluation is."""
    done = subprocess.run([sys.executable, "-c", READ, f"tta-lab/{project}/{run}"], capture_output=True, text=True, timeout=120, check=True)
    state, rows, summary = json.loads(done.stdout)
    assert state == "finished"
    return [{key: row[key] for key in sorted(ROWS & set(row))} for row in rows], {key: summary[key] for key in sorted(wanted or SUMMARY)}


ROWS = {"seed", "corruption_index", "batch", "images_seen", "batch_accuracy", "running_accuracy", "loss", "weight_sum", "entropy"}
ROWS |= {"bn_drift", "forwards", "backwards", "updates"}
SUMMARY = {"top1_accuracy", "per_corruption", "confusion_matrix", "correct", "forwards", "backwards", "updates", "images", "bn_drift"}
SUMMARY |= {"best_parameters", "clean_accuracy", "precision", "protocol"}


def wait_for(process: subprocess.Popen[str], folder: Path, pattern: str) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + 240
    while not any(folder.glob(pattern)):
        assert process.poll() is None, f"it ended before {pattern} was there: {process.stdout and process.stdout.read()[-2000:]}"
        assert time.monotonic() < deadline, f"{pattern} never came"
        time.sleep(0.02)


def kill(process: subprocess.Popen[str]) -> None:
    """The run, its parent and its W&B client at once, as when a machine goes down."""
    with process:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["reset", "continual"])
def test_a_run_killed_in_every_stage_ends_as_one_that_was_not(protocol: str, tmp_path: Path, wandb_tracker: Tracker) -> None:
    run, tuned = "digits-cw-tent", [f"stream.protocol={protocol}"]
    tuned += ["run.optuna.enabled=true", "run.optuna.n_trials=3", f"++run.optuna.search_space={SPACE}", "search.images_per_corruption=64"]
    tuned += ["search.abandoned_after_seconds=0"]
    finish(start("src.main", run, tmp_path / "whole", *tuned, "wandb.project=whole"))

    folder = tmp_path / "killed"
    for pattern in (
        "cache/source/*.partial.safetensors",
        "cache/search/journal.log",
        "cache/stream/*/42-00-*.npz",
        "cache/stream/*/42-01-*.npz",
    ):
        process = start("src.main", run, folder, *tuned, "wandb.project=killed", WANDB__FILE_STREAM_TRANSMIT_INTERVAL="1")
        wait_for(process, folder, pattern)
        kill(process)
    finish(start("src.main", run, folder, *tuned, "wandb.project=killed"))
    rows, summary = logged(run, "killed")
    whole_rows, whole_summary = logged(run, "whole")
    assert rows == whole_rows
    last = [row["bn_drift"] for row in whole_rows if row["batch"] == 1]
    assert len(set(last)) == 3 and whole_summary["bn_drift"] == pytest.approx(sum(last) / 3)  # the corruptions' mean, not the last one's
    for key, value in whole_summary.items():
        assert summary[key] == value, key
    places = [(row["corruption_index"], row["batch"]) for row in rows]
    assert places == sorted(set(places)) and len(places) == 6


@pytest.mark.slow
def test_ctrl_c_is_a_sentence_and_the_same_command_goes_on(tmp_path: Path, wandb_tracker: Tracker) -> None:
    process = start("src.main", "digits-tent-1", tmp_path)
    wait_for(process, tmp_path, "cache/source/*.partial.safetensors")
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from here" in output and "Traceback" not in output
    assert "trained here before" in finish(start("src.main", "digits-tent-1", tmp_path)) or any(tmp_path.glob("cache/source/*.safetensors"))


@pytest.mark.slow
def test_a_server_that_is_down_at_the_start_is_a_sentence(tmp_path: Path, wandb_tracker: Tracker) -> None:
    wandb_tracker.process.kill()
    wandb_tracker.process.wait()
    process = start("src.main", "digits-source", tmp_path, WANDB_INIT_TIMEOUT="5")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "cw-tent: W&B did not take the run" in output and "wandb.mode=offline" in output and "Traceback" not in output


@pytest.mark.slow
def test_a_server_that_is_away_for_a_while_costs_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "client").mkdir()
    with running(tmp_path / "tracker") as tracker:
        for name, value in tracker.environment(tmp_path / "client").items():
            monkeypatch.setenv(name, value)
        process = start("src.main", "digits-bn", tmp_path, WANDB__FILE_STREAM_TRANSMIT_INTERVAL="1")
        wait_for(process, tmp_path, "cache/stream/*/42-00-*.npz")
        tracker.process.kill()
        tracker.process.wait()
    time.sleep(3)
    with running(tmp_path / "tracker", port=urlsplit(tracker.url).port or 0):
        finish(process)
        rows, _ = logged("digits-bn", "cw-tent", {"top1_accuracy"})
    assert [(row["corruption_index"], row["batch"]) for row in rows] == [(index, batch) for index in range(3) for batch in range(2)]


@pytest.mark.slow
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: a source model is larger than it."""
    limited = f"import resource, signal, runpy, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); sys.argv = {command('src.train', 'digits-source', tmp_path, 'wandb.mode=disabled')[3:]!r}; runpy.run_module('src.train', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", limited], cwd=EXPERIMENT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "cw-tent: " in done.stderr and "File too large" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("cache/source/*.part"))


@pytest.mark.slow
def test_a_trial_is_quick_and_tracks_nothing(tmp_path: Path) -> None:
    started = time.monotonic()
    output = finish(start("src.main", "digits-cw-tent", tmp_path, "trial_mode=true", WANDB_BASE_URL="http://127.0.0.1:9"))
    assert time.monotonic() - started < 60  # 20 s on an idle machine
    assert "search:" not in output and not list(tmp_path.glob("cache/stream/*/*"))
