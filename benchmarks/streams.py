"""Does it pay to run several streams as one batch? Time for each stream's batch, alone and together, in one process.

With `--run` a whole run's stream is timed as well, its corruptions one by one and side by side.

uv run --all-packages python -m benchmarks.streams [--streams 1,2,4] [--threads 2] [--run digits-tent-10]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from benchmarks.tta_speed import experiment, settings
from src import train

CONFIG = Path(experiment.__file__).parents[1] / "config"

#: Title, network, images of a batch.
CASES = [
    ("ResNet-18, 64 images", {"name": "resnet18", "num_parameters_m": 11.17, "num_classes": 10}, 64),
    ("ResNet-18, 16 images", {"name": "resnet18", "num_parameters_m": 11.17, "num_classes": 10}, 16),
    ("the digits' network, 64 images", None, 64),
    ("the digits' network, 4 images", None, 4),
]


def digits_network() -> dict[str, object]:
    return dict(OmegaConf.to_container(OmegaConf.load(CONFIG / "run/digits-tent-1.yaml").model))  # type: ignore[arg-type]


def seconds(network: torch.nn.Module, size: int, counts: list[int], turns: int) -> dict[int, float]:
    """The shortest time of one batch of each stream, for numbers of streams, which take turns."""
    predictors = {}
    for count in counts:
        adapters = [experiment.adapter(network, settings("tent", "fp32")) for _ in range(count)]
        images = [torch.randn(size, 3, 32, 32) for _ in adapters]
        if count == 1:
            predictors[count] = lambda adapters=adapters, images=images: adapters[0].predict(images[0])
        else:
            together = experiment.Together(adapters)
            predictors[count] = lambda together=together, images=images: together.predict(images, [True] * len(images))
    best = dict.fromkeys(counts, float("inf"))
    for turn in range(turns + 1):
        for count, predict in predictors.items():
            started = time.perf_counter()
            predict()
            if turn:  # the first one warms up
                best[count] = min(best[count], (time.perf_counter() - started) / count)
    return best


def run_seconds(run: str, counts: list[int], turns: int) -> dict[int, float]:
    """The shortest time of a run's whole stream, for numbers of corruptions at once, which take turns; its source model is there before."""
    best = dict.fromkeys(counts, float("inf"))
    with tempfile.TemporaryDirectory() as name, initialize_config_dir(str(CONFIG), version_base="1.3"):

        def config(count: int) -> DictConfig:
            return compose("config", [f"run='{run}'", f"cache_dir='{name}'", f"streams_at_once={count}"])

        machine = train.prepare(config(1))
        network = train.get_source(config(1), machine).eval()
        for turn in range(turns):
            for count in counts:
                cfg, parts = config(count), Path(name) / f"{turn}-{count}"
                fresh = partial(train.make_adapter, cfg, network, {}, precision="fp32", device=machine.device)
                stream = train.Stream(cfg, machine, fresh, parts, lambda row, step: None)
                started = time.perf_counter()
                stream.run()
                best[count] = min(best[count], time.perf_counter() - started)
    return best


def row(title: str, best: dict[int, float], unit: str, factor: float) -> str:
    first = next(iter(best.values()))
    return f"| {title} | {' | '.join(f'{factor * each:.1f} {unit} ({first / each:.2f}×)' for each in best.values())} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", default="1,2,4", help="how many at once, with commas; the first is what the others are compared with")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--run", help="also time the whole stream of this run, e.g. digits-tent-10")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    experiment.keep_memory()
    counts = [int(count) for count in given.streams.split(",")]
    print(f"| one step of TENT, {given.threads} threads | {' | '.join(f'{count} at once' for count in counts)} |")
    print(f"|---|{'---|' * len(counts)}")
    for title, model, size in CASES:
        network = experiment.build_network(OmegaConf.create(model or digits_network()))
        print(row(title, seconds(network, size, counts, given.turns), "ms", 1000), flush=True)
    if given.run:
        print(row(f"whole run {given.run}", run_seconds(given.run, counts, 2), "s", 1), flush=True)


if __name__ == "__main__":
    sys.exit(main())
