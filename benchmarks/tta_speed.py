"""How fast is adaptation in experiments/cw_tent, against the plain loop and against the machine?

    uv run --project experiments/cw_tent python benchmarks/tta_speed.py [--batch 64] [--threads 2] [--checkpoint FILE --data FOLDER]

Prints images a second and the ratio to the plain loop for TENT, CW-TENT, BatchNorm statistics and source, in fp32 and, where the processor
has it, bf16; FLOP per image by torch's own counter, of the plain arithmetic; and the share of the machine's matrix-product rate that each
reaches at that count, which may be above one.

The plain loop is official TENT as its code stands: train mode, gradients for BatchNorm alone, NCHW, fp32, torch.optim.SGD. Contenders run
in two processes, because `src.main` starts the experiment with an allocator that keeps memory, which the plain loop does not have; with
`--same-allocator` it has it too. All are warmed, take turns batch by batch so that whatever else the machine does meets them alike, and
their medians are compared; the ratio is the median of the ratios of each turn. `--tent FOLDER` adds the public code of DequanWang/tent,
from a folder with its tent.py. With a checkpoint and data (a folder of <corruption>.npy and labels.npy) the errors of TENT in fp32 and bf16
are compared too; without, weights and images are random. On a machine with other work take `--threads 1 --clock cpu`: what others do then
counts far less.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "experiments/cw_tent"))
from src.main import SURROUNDINGS

from src import model as experiment

PLAIN, PUBLIC = "plain TENT", "tent.py"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


class PlainTent:
    """DequanWang/tent's loop, cut down to what runs for one batch."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).train().requires_grad_(False)
        parameters = []
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(True)
                module.track_running_stats, module.running_mean, module.running_var = False, None, None
                parameters += [module.weight, module.bias]
        self.optimizer = torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)

    def predict(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        loss = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean(0)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return logits


class PublicTent:
    """The public code as it stands, with the optimizer of the others."""

    def __init__(self, network: nn.Module, folder: Path) -> None:
        sys.path.insert(0, str(folder))
        public = importlib.import_module("tent")
        configured = public.configure_model(copy.deepcopy(network))
        parameters, _ = public.collect_params(configured)
        self.predict = public.Tent(configured, torch.optim.SGD(parameters, lr=1e-3, momentum=0.9))


def network(checkpoint: Path | None) -> nn.Module:
    torch.manual_seed(0)
    model = {"name": "resnet18", "num_classes": 10, "pretrained_checkpoint": None if checkpoint is None else str(checkpoint)}
    return experiment.build_network(OmegaConf.create({"run": {"model": model}, "cache_dir": ".cache"}))[0]


def settings(method: str, steps: int = 1) -> experiment.Settings:
    """A method at the settings of the benchmark."""
    steps = steps if method in experiment.WEIGHTS else 0
    return experiment.Settings(method, experiment.OBJECTIVES[method], steps, learning_rate=1e-3)


def adapter(built: nn.Module, method: str, precision: str) -> experiment.Adapter:
    """A method on the network made fast, as a run has it."""
    return experiment.Adapter(experiment.fast(built, precision), settings(method))


def contenders(options: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    built = network(options.checkpoint)
    others = {PLAIN: lambda: PlainTent(built), PUBLIC: lambda: PublicTent(built, options.tent)}
    return {name: others[name]() if name in others else adapter(built, *name.split(" ")) for name in names}


def work(connection: Connection, options: argparse.Namespace, names: list[str]) -> None:
    """A process: run whichever contender is asked for on one batch, and answer with its seconds."""
    torch.set_num_threads(options.threads)
    runners = contenders(options, names)
    images = load(options)[0][: options.batch]
    clock = CLOCKS[options.clock]
    while (name := connection.recv()) is not None:
        started = clock()
        runners[name].predict(images)
        connection.send(clock() - started)


@contextmanager
def surroundings(kept: bool) -> Iterator[None]:
    """The environment in which processes start: that which `src.main` gives, or the same with the usual allocator."""
    before = dict(os.environ)
    for name, value in SURROUNDINGS.items():
        if kept or "MALLOC" not in name:  # threads that spin would count against the plain loop wherever something else runs
            os.environ[name] = value
    yield
    os.environ.clear()
    os.environ.update(before)


def load(options: argparse.Namespace) -> tuple[Tensor, Tensor | None]:
    """Normalised images (N, 3, 32, 32) of one corruption and their labels; random ones where no data are given."""
    if options.data is None:
        return torch.randn(options.batch, 3, 32, 32), None
    images = torch.from_numpy(np.load(options.data / f"{options.corruption}.npy")[: options.images])
    labels = torch.from_numpy(np.load(options.data / "labels.npy")[: options.images]).long()
    images = images.permute(0, 3, 1, 2).float() / 255
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1), labels


def take_turns(options: argparse.Namespace, names: list[str]) -> dict[str, list[float]]:
    """Seconds of each turn of each contender; none of them runs beside another."""
    context = multiprocessing.get_context("spawn")
    connections: dict[str, Connection] = {}
    processes = []
    for members, keep in (([PLAIN, *[PUBLIC] * (options.tent is not None)], options.same_allocator), (names, True)):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=work, args=(theirs, options, members), daemon=True))
        with surroundings(keep):
            processes[-1].start()
        theirs.close()  # so that a process that died is an EOFError, not silence
        connections |= dict.fromkeys(members, ours)
    seconds: dict[str, list[float]] = {name: [] for name in connections}
    for turn in range(options.warm + options.turns):
        for name, connection in connections.items():
            connection.send(name)
            taken = connection.recv()
            if turn >= options.warm:
                seconds[name].append(taken)
    for connection in set(connections.values()):
        connection.send(None)
    for process in processes:
        process.join()
    return seconds


def matmul_rate(dtype: torch.dtype, clock: Callable[[], float]) -> float:
    """The best FLOP/s of square matrix products of several sizes: what the machine can do, not what it should."""
    best = 0.0
    for size in (1024, 2048, 4096):
        left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
        for _ in range(6):
            started = clock()
            left @ right
            best = max(best, 2 * size**3 / (clock() - started))
    return best


def flop_per_image(method: str) -> float:
    """FLOP (a multiplication and an addition are two) of the plain arithmetic by torch's counter, on a batch of 2."""
    counted = experiment.Adapter(network(None), settings(method))
    with FlopCounterMode(display=False) as counter:
        counted.predict(torch.randn(2, 3, 32, 32))
    return counter.get_total_flops() / 2


def error(options: argparse.Namespace, precision: str) -> float:
    """TENT's error (%) on the images of the corruption, whole batches."""
    images, labels = load(options)
    tent = adapter(network(options.checkpoint), "tent", precision)
    count = len(images) // options.batch * options.batch
    wrong = sum(
        int((tent.predict(images[start : start + options.batch]).argmax(1) != labels[start : start + options.batch]).sum())
        for start in range(0, count, options.batch)
    )
    return 100 * wrong / count


def report(options: argparse.Namespace, precisions: list[str]) -> None:
    names = [f"{method} {precision}" for precision in precisions for method in ("tent", "cw-tent", "bn", "source")]
    seconds = take_turns(options, names)
    rates = {
        precision: matmul_rate(torch.float32 if precision == "fp32" else torch.bfloat16, CLOCKS[options.clock]) for precision in precisions
    }
    flop = {method: flop_per_image(method) for method in ("tent", "cw-tent", "bn", "source")}
    print(f"batch {options.batch}, {options.threads} threads, {options.turns} turns, {options.clock} time, torch {torch.__version__}")
    print(f"matrix product: {', '.join(f'{precision} {rate / 1e9:.0f} GFLOP/s' for precision, rate in rates.items())}\n")
    print(f"{'':14} {'ms/batch':>9} {'images/s':>9} {'x plain':>8} {'GFLOP/image':>12} {'GFLOP/s':>8} {'of matmul':>10}")
    for name, taken in seconds.items():
        method, precision = ("tent", "fp32") if name in (PLAIN, PUBLIC) else name.split(" ")
        median = statistics.median(taken)
        ratio = statistics.median(plain / own for plain, own in zip(seconds[PLAIN], taken, strict=True))
        speed = flop[method] * options.batch / median
        columns = f"{median * 1e3:9.0f} {options.batch / median:9.0f} {ratio:8.2f} {flop[method] / 1e9:12.3f} {speed / 1e9:8.0f}"
        print(f"{name:14} {columns} {speed / rates[precision]:10.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--turns", type=int, default=9, help="measured batches of each contender")
    parser.add_argument("--warm", type=int, default=3, help="batches of each contender before them")
    parser.add_argument("--checkpoint", type=Path, help="a .safetensors of the source model; random weights without")
    parser.add_argument("--data", type=Path, help="a folder of <corruption>.npy and labels.npy; random images without")
    parser.add_argument("--corruption", default="gaussian_noise", help="which file of the data")
    parser.add_argument("--images", type=int, default=1000, help="how many of its images for the errors")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu, with --threads 1: for a machine that has other work")
    parser.add_argument("--same-allocator", action="store_true", help="the plain loop's allocator keeps memory as well")
    parser.add_argument("--tent", type=Path, help="folder of DequanWang/tent, to run its own code as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    precisions = ["fp32", "bf16"] if experiment.has_fast_bf16(torch.device("cpu")) else ["fp32"]
    report(options, precisions)
    if options.data is not None and options.checkpoint is not None:
        errors = {precision: error(options, precision) for precision in precisions}
        print(f"\nTENT's error on {options.corruption}: {', '.join(f'{name} {value:.2f} %' for name, value in errors.items())}")


if __name__ == "__main__":
    main()
