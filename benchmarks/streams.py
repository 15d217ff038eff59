"""Does it pay to run several streams as one batch? Time for each stream's batch, alone and together, in one process.

uv run --all-packages python -m benchmarks.streams [--streams 1,2,4] [--threads 2]
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from omegaconf import OmegaConf

from benchmarks.tta_speed import experiment, settings

#: Title, network, images of a batch.
CASES = [
    ("ResNet-18, 64 images", {"name": "resnet18", "num_parameters_m": 11.17, "num_classes": 10}, 64),
    ("ResNet-18, 16 images", {"name": "resnet18", "num_parameters_m": 11.17, "num_classes": 10}, 16),
    ("the digits' network, 64 images", None, 64),
    ("the digits' network, 4 images", None, 4),
]


def digits_network() -> dict[str, object]:
    config = experiment.Path(experiment.__file__).parents[1] / "config/run/digits-tent-1.yaml"
    return dict(OmegaConf.to_container(OmegaConf.load(config).model))  # type: ignore[arg-type]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", default="1,2,4", help="how many at once, with commas; the first is what the others are compared with")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    experiment.keep_memory()
    counts = [int(count) for count in given.streams.split(",")]
    print(f"| one step of TENT, {given.threads} threads | {' | '.join(f'{count} at once' for count in counts)} |")
    print(f"|---|{'---|' * len(counts)}")
    for title, model, size in CASES:
        network = experiment.build_network(OmegaConf.create(model or digits_network()))
        best = seconds(network, size, counts, given.turns)
        cells = [f"{1000 * best[count]:.1f} ms ({best[counts[0]] / best[count]:.2f}×)" for count in counts]
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
