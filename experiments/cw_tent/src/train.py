"""One run: get the source model, search if asked to, adapt on every corruption of the stream, and report all of it to W&B.

Started by `src.main`. Whatever can be made again stands under `cache_dir`: the source model, the trials of the search, and how far the
stream has come, so that a run that was killed goes on where it stopped, with the rows and results that it would have had.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import optuna
import torch
import wandb
from omegaconf import DictConfig, OmegaConf
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from src.model import (
    Adapter,
    ModelError,
    Step,
    Together,
    build_network,
    can_run_together,
    entropy,
    fit,
    has_fast_bf16,
    keep_memory,
    load_body,
    load_weights,
    looks_random,
    make_adapter,
    read_checkpoint,
)
from src.preprocess import (
    DataError,
    Images,
    batches,
    class_names,
    evaluation_corruptions,
    evaluation_indices,
    load_clean,
    load_corruption,
    load_search,
    normalise,
    order,
    search_corruptions,
    select,
)
from tqdm import tqdm

# A trial sees this many batches of each loader, of at most so many images, for at most so many corruptions.
TRIAL_BATCHES = 2
TRIAL_IMAGES = 8
TRIAL_CORRUPTIONS = 2
# Images of several streams that a CPU takes as one batch, by the most parameters that the network has: small batches and networks leave it
# idle, of large ones it has enough with one (benchmarks/streams.py), and every image takes memory.
IMAGES_AT_ONCE = ((2_000_000, 256), (math.inf, 64))
# Seconds between two looks at the trials that others have not ended yet.
WAIT = 0.2
# After how many updates the model is looked at on its own (the plan's "first K adaptation steps").
FIRST_STEPS = (1, 3)
# Of an adapter's counts, those that rows have: of the whole run so far.
COUNTED = ("forwards", "backwards", "updates")
# What the search can be asked to maximise or minimise.
SEARCHABLE_METRICS = ("top1_accuracy", "average_accuracy_after_first_adaptation_step")
# Anything that changes what a stored intermediate result means raises these: of a source model, and of searches and parts of the stream.
SOURCE_FORMAT = 1
FORMAT = 2


class TrainError(Exception):
    """The run can't go on; the text says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Machine:
    """What the run computes with."""

    device: torch.device
    batch_limit: int | None
    graphs: bool = False

    def batches(self, count: int, batch_size: int, last_batch: str) -> list[tuple[slice, bool]]:
        """The batches of `count` images, just the first ones in a trial."""
        return batches(count, batch_size, last_batch)[: self.batch_limit]

    def inputs(self, cfg: DictConfig, images: torch.Tensor) -> torch.Tensor:
        """What the network takes for stored images, (B, 3, H, W), uint8: normalised, on the device."""
        numbers = cfg.run.dataset.preprocessing.normalize
        return normalise(images.to(self.device), numbers.mean, numbers.std)


def prepare(cfg: DictConfig) -> Machine:
    """Choose the device and the number of threads.

    Raises:
        TrainError: The device is not there, or CUDA graphs are asked for where there can be none.
    """
    if cfg.device not in ("auto", "cpu", "cuda"):
        raise TrainError(f"device is {cfg.device!r}; it must be auto, cpu or cuda.")
    if cfg.device == "cuda" and not torch.cuda.is_available():
        raise TrainError("device is cuda, but PyTorch finds none: set device=cpu, or install a PyTorch that fits the driver.")
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    keep_memory()
    device = "cuda" if cfg.device != "cpu" and torch.cuda.is_available() else "cpu"
    if cfg.cuda_graphs not in (True, False, "auto") or (cfg.cuda_graphs is True and device == "cpu"):
        raise TrainError(f"cuda_graphs is {cfg.cuda_graphs!r}, and the device {device}; it must be auto or false, or on CUDA true.")
    return Machine(torch.device(device), TRIAL_BATCHES if cfg.trial_mode else None, device == "cuda" and cfg.cuda_graphs is not False)


# ------------------------------------------------------------------------------------------------------------- source model


def source_settings(cfg: DictConfig) -> DictConfig:
    """How a source model for the run's dataset is trained."""
    return cfg.source[cfg.run.dataset.name]


def source_key(cfg: DictConfig, data: Images) -> str:
    """What a trained source model is known by: its settings and the images that it was trained on."""
    settings = {
        "format": SOURCE_FORMAT,
        "source": OmegaConf.to_container(source_settings(cfg), resolve=True),
        "network": [cfg.run.model.name, cfg.run.model.num_classes, cfg.run.model.pretrained_checkpoint],
        "normalize": OmegaConf.to_container(cfg.run.dataset.preprocessing.normalize, resolve=True),
        "batches": TRIAL_BATCHES if cfg.trial_mode else None,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(data.images.numpy().tobytes())
    digest.update(data.labels.numpy().tobytes())
    return digest.hexdigest()[:16]


def get_source(cfg: DictConfig, machine: Machine) -> torch.nn.Module:
    """The frozen network that every method starts from.

    A checkpoint that fits is used as it is. One whose first or last layer does not fit is trained on the clean training images first,
    the layers that do not fit from scratch: nothing is ever adapted from layers that were never trained.

    Raises:
        ModelError: The checkpoint can't be used.
        DataError: The training images are missing.
    """
    network, name = build_network(cfg.run.model), cfg.run.model.pretrained_checkpoint
    weights = None if name is None else read_checkpoint(name, cfg.cache_dir)
    if weights is not None and fit(network, weights).complete:
        load_weights(network, weights, name)
        print(f"source model: {name}")
        return network
    reason = "no checkpoint is given" if weights is None else f"{name}: {load_body(network, weights, name)}"
    data = load_clean(cfg, "train")
    path = Path(cfg.cache_dir) / "source" / f"{source_key(cfg, data)}.safetensors"
    if path.exists():
        network.load_state_dict(load_file(path))
        print(f"source model: {path}, trained here before")
    else:
        print(f"source model: {reason}; trained on {len(data)} clean images, kept as {path}")
        train_source(cfg, machine, network, data, path)
    return network


def train_source(cfg: DictConfig, machine: Machine, network: torch.nn.Module, data: Images, path: Path) -> None:
    """Train the network on clean images, and keep it; a training that was stopped goes on after its last whole epoch.

    Args:
        cfg: The config; `source` says how.
        machine: Where.
        network: The network, trained in place.
        data: Clean training images.
        path: Where the weights are kept.

    Raises:
        TrainError: The loss is not finite.
    """
    settings, partial = source_settings(cfg), path.with_suffix(".partial.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    if settings.images is not None:
        data = select(data, torch.arange(min(len(data), settings.images)))
    epochs = 1 if cfg.trial_mode else settings.epochs
    network.to(machine.device, memory_format=torch.channels_last).train()
    optimizer = source_optimizer(settings, network)
    first = load_partial(partial, network, optimizer)
    steps = len(machine.batches(len(data), settings.batch_size, "drop"))
    with tqdm(total=epochs * steps, initial=first * steps, desc="source", unit="batch", mininterval=0.5) as bar:
        for epoch in range(first, epochs):
            for step, (images, labels) in enumerate(shuffled(cfg, machine, data, epoch)):
                rate = learning_rate(settings, epoch + step / steps, epochs)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                logits = network(images)
                loss = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=settings.label_smoothing)
                if not torch.isfinite(loss):
                    raise TrainError(f"source training: the loss is {loss.item()} in epoch {epoch}: lower source.learning_rate.")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            save_partial(partial, network, optimizer, epoch + 1)
    save_whole(path, dict(network.state_dict()))
    partial.unlink(missing_ok=True)


def source_optimizer(settings: DictConfig, network: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer of the source training.

    Raises:
        TrainError: It is not one that there is.
    """
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            settings.learning_rate,
            settings.momentum,
            weight_decay=settings.weight_decay,
            nesterov=settings.momentum > 0,
        )
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    raise TrainError(f"source.optimizer is {settings.optimizer!r}; it must be sgd or adamw.")


def learning_rate(settings: DictConfig, epoch: float, epochs: int) -> float:
    """A linear rise for the first epochs, then half a cosine down to nothing (Loshchilov and Hutter, 2017, without restarts)."""
    if epoch < settings.warmup_epochs and epochs > settings.warmup_epochs:
        return float(settings.learning_rate * (epoch + 0.01) / settings.warmup_epochs)
    done = min(1.0, epoch / max(1, epochs))
    return float(settings.learning_rate * 0.5 * (1 + np.cos(np.pi * done)))


def shuffled(cfg: DictConfig, machine: Machine, data: Images, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of one epoch in an order of its own, (B, 3, H, W) and (B,), moved and mirrored at random if `augment` is set."""
    settings = source_settings(cfg)
    generator = torch.Generator().manual_seed(settings.seed * 10_000 + epoch)
    chosen = torch.randperm(len(data), generator=generator)
    flips = cfg.run.dataset.name != "digitsc"  # a mirrored digit is another sign, or none
    for part, _ in machine.batches(len(data), settings.batch_size, "drop"):
        images = data.images[chosen[part]]
        if settings.augment:
            images = augment(images, generator, flips)
        labels = data.labels[chosen[part]].to(machine.device)
        yield machine.inputs(cfg, images), labels


def augment(images: torch.Tensor, generator: torch.Generator, flips: bool, margin: int = 4) -> torch.Tensor:
    """Each image (of (B, 3, H, W), uint8) moved by up to `margin` pixels over a mirrored border, and half of them mirrored if `flips`."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images.float(), (margin,) * 4, mode="reflect").to(torch.uint8)
    down, right = (torch.randint(0, 2 * margin + 1, (count, 1), generator=generator) for _ in range(2))
    columns = right + torch.arange(width)
    if flips:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows = down + torch.arange(height)
    each = torch.arange(count)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def save_whole(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors so that the file is either there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def save_partial(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Keep a training after a whole epoch: weights, the optimizer's tensors, and the number of epochs done."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in state.items() if value is not None}
    save_whole(path, tensors | {"epoch": torch.tensor(epoch)})


def load_partial(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Take up a training that was stopped; the number of epochs done."""
    if not path.exists():
        return 0
    tensors = load_file(path)
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, entry = name.split(".", 2)
            state.setdefault(int(number), {})[entry] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(tensors["epoch"])


def clean_accuracy(cfg: DictConfig, machine: Machine, network: torch.nn.Module) -> float:
    """The source model's share of right answers on the clean test images.

    Raises:
        TrainError: It is below `source.min_accuracy`, so that an adaptation would mean nothing.
    """
    data = load_clean(cfg, "test")
    network = network.to(machine.device, memory_format=torch.channels_last).eval()
    right, seen, doubt = 0, 0, 0.0
    for part, _ in machine.batches(len(data), cfg.run.dataset.batch_size, "keep"):
        images = machine.inputs(cfg, data.images[part])
        with torch.inference_mode():
            logits = network(images).cpu()
        right += int((logits.argmax(1) == data.labels[part]).sum())
        doubt += float(entropy(logits).sum())
        seen += len(logits)
    accuracy = right / seen
    print(f"source model: {100 * accuracy:.2f} % of {seen} clean test images right")
    least = source_settings(cfg).min_accuracy
    if accuracy < least and not cfg.trial_mode:
        advice = "give another model.pretrained_checkpoint, or train the source for longer."
        if looks_random(accuracy, doubt / seen, cfg.run.model.num_classes):
            advice = "it answers as a network does whose last layer was never trained: check that the checkpoint is of this data set."
        raise TrainError(
            f"The source model gets {100 * accuracy:.1f} % of the clean test images right, less than source.min_accuracy "
            f"({100 * least:.1f} %): {advice}"
        )
    return accuracy


# ------------------------------------------------------------------------------------------------------------------- stream


@dataclass
class Part:
    """What came out of one corruption of the stream.

    Attributes:
        corruption: Its name.
        rows: What was logged, one row a batch.
        correct: For each scored image in the order of the file, whether it was classified right, (N,), bool.
        confusion: How often class i was taken for class j, (C, C).
        latencies: Seconds of each batch.
        first_steps: Accuracy after the first K updates, by K.
        counts: Forward and backward passes, updates, updates skipped, images.
        drift: Relative change of the adapted parameters at the end.
        origin: Where the images come from.
    """

    corruption: str
    rows: list[dict[str, float]]
    correct: np.ndarray
    confusion: np.ndarray
    latencies: list[float]
    first_steps: dict[int, float]
    counts: dict[str, int]
    drift: float
    origin: str


class Loader:
    """Reads (or makes) the corruptions of a stream, the next `dataset.num_workers` of them while the one at hand is adapted to."""

    def __init__(self, cfg: DictConfig, names: Sequence[str]) -> None:
        """Take the names in the order of the stream. Nothing is read before `load`.

        Raises:
            TrainError: `dataset.num_workers` is no number of workers.
        """
        self.cfg, self.names, self.workers = cfg, names, cfg.run.dataset.num_workers
        if isinstance(self.workers, bool) or not isinstance(self.workers, int) or self.workers < 0:
            raise TrainError(f"dataset.num_workers is {self.workers!r}; it must be a whole number, 0 or more.")
        self.pool = ThreadPoolExecutor(min(self.workers, len(names))) if self.workers else None
        self.ahead: dict[int, Future[Images]] = {}

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is being read, and give up what is not."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def load(self, index: int) -> Images:
        """The corruption number `index` of the stream.

        Raises:
            DataError: It can't be had.
        """
        if self.pool is None:
            return load_corruption(self.cfg, self.names[index])
        for number in range(index, min(index + 1 + self.workers, len(self.names))):
            if number not in self.ahead:
                self.ahead[number] = self.pool.submit(load_corruption, self.cfg, self.names[number])
        return self.ahead.pop(index).result()


class Passage:
    """One corruption on its way through the stream, batch by batch, until it is a `Part`."""

    def __init__(self, cfg: DictConfig, machine: Machine, adapter: Adapter, seed: int, index: int, name: str, data: Images) -> None:
        """Take corruption number `index`, in its order for `seed`, and the adapter that goes through it."""
        self.cfg, self.machine, self.adapter, self.seed, self.index, self.name = cfg, machine, adapter, seed, index, name
        self.images, self.labels, self.origin = data.images.to(machine.device), data.labels, data.origin
        kept = evaluation_indices(cfg, len(data))
        self.chosen = kept[order(cfg, seed, name, len(kept))]
        self.parts = machine.batches(len(self.chosen), cfg.run.dataset.batch_size, cfg.stream.last_batch)
        self.correct, self.scored = np.zeros(len(data), bool), np.zeros(len(data), bool)
        self.confusion = np.zeros((cfg.run.model.num_classes,) * 2, np.int64)
        self.rows: list[dict[str, float]] = []
        self.latencies: list[float] = []
        self._before = asdict(adapter.counts)

    def batch(self, part: slice) -> torch.Tensor:
        """A part of the stream as the network takes it."""
        return self.machine.inputs(self.cfg, self.images[self.chosen[part].to(self.images.device)])

    def score(self, number: int, step: Step, answers: torch.Tensor, seconds: float) -> None:
        """Note what came of batch `number`, which took so long."""
        part, _ = self.parts[number]
        places = self.chosen[part]
        self.latencies.append(seconds)
        right = (answers == self.labels[places]).numpy()
        self.correct[places.numpy()], self.scored[places.numpy()] = right, True
        np.add.at(self.confusion, (self.labels[places].numpy(), answers.numpy()), 1)
        last = number == len(self.parts) - 1
        if not last and number % self.cfg.run.training.log_interval:
            return
        running = self.correct[self.scored].mean()
        row = {"seed": self.seed, "corruption_index": self.index, "batch": number, "images_seen": int(self.scored.sum())}
        row |= {"batch_accuracy": right.mean(), "running_accuracy": running}
        row |= {key: value for key, value in self._measures(step).items() if value is not None}
        if last:
            row["corruption_accuracy"] = running
        self.rows.append({key: float(value) for key, value in row.items()})

    def _measures(self, step: Step) -> dict[str, float | None]:
        """What a row says of the adaptation: of this batch, and counts of this corruption so far."""
        finite = {
            key: value
            for key, value in (("loss", step.loss), ("weight_sum", step.weight_sum), ("entropy", step.entropy))
            if value is not None and np.isfinite(value)
        }
        counts = {key: count for key, count in self._counts().items() if key in COUNTED}
        seconds = self.latencies[-1]
        return {
            **finite,
            "bn_drift": self.adapter.drift,
            **counts,
            "step_latency_ms": 1000 * seconds,
            "images_per_second": len(step.logits) / seconds,
        }

    def _counts(self) -> dict[str, int]:
        return {key: value - self._before[key] for key, value in asdict(self.adapter.counts).items()}

    def end(self, first_steps: dict[int, float]) -> Part:
        """What came out of it; `first_steps` is the accuracy after the first K updates, by K."""
        self.rows[-1] |= {f"accuracy_after_{count}": accuracy for count, accuracy in first_steps.items()}
        correct, drift = self.correct[self.scored], self.adapter.drift
        return Part(self.name, self.rows, correct, self.confusion, self.latencies, first_steps, self._counts(), drift, self.origin)


class Stream:
    """The corruptions of a run in their order, adapted to one after the other, and what has come out of it so far.

    Where the adapter starts anew at each corruption, several of them may go through it side by side (`streams_at_once`). Every part is kept
    on the disk when it is complete. A run that starts again takes the complete parts from there, logs those of their rows that W&B does
    not have, and goes on with the next ones.
    """

    def __init__(
        self, cfg: DictConfig, machine: Machine, fresh: Callable[[], Adapter], folder: Path, log: Callable[[dict[str, float], int], None]
    ) -> None:
        """Take what the stream works with.

        Args:
            cfg: The config.
            machine: Where it computes.
            fresh: Makes an adapter of the run's method.
            folder: Where complete parts are kept.
            log: Called with each row and its step.
        """
        self.cfg, self.machine, self.fresh, self.folder, self.log = cfg, machine, fresh, folder, log
        self.names = evaluation_corruptions(cfg)
        self.protocol = protocol(cfg)
        self.steps = [(seed, index) for seed in stream_seeds(cfg) for index in range(len(self.names))]
        first = fresh()
        self.at_once = 1 if self.protocol == "continual" else streams_at_once(cfg, machine, first, len(self.steps))
        self.adapters = [first, *(fresh() for _ in range(self.at_once - 1))]
        self.logged = 0  # rows
        self.complete: list[Part] = []

    def run(self) -> dict[int, list[Part]]:
        """Adapt to every corruption in turn, once for each seed; the parts by seed."""
        found: dict[int, list[Part]] = {seed: [] for seed, _ in self.steps}
        with ExitStack() as stack:
            loader = stack.enter_context(Loader(self.cfg, self.names))
            bar = stack.enter_context(tqdm(total=len(self.steps), desc=self.cfg.run.method, unit="corruption"))
            for start in range(0, len(self.steps), self.at_once):
                group = self.steps[start : start + self.at_once]
                for (seed, _), part in zip(group, self.kept(group) or self.adapt(group, loader), strict=True):
                    found[seed].append(part)
                    bar.update()
                    bar.set_postfix_str(f"{part.corruption} {100 * part.correct.mean():.1f} %")
        return found

    def path(self, seed: int, index: int) -> Path:
        """Where a complete part is kept."""
        return self.folder / f"{seed}-{index:02}-{self.names[index]}.npz"

    def kept(self, group: Sequence[tuple[int, int]]) -> list[Part]:
        """The parts of a group from the disk; none if one is missing, for what ran side by side is only the same again side by side."""
        paths = [self.path(seed, index) for seed, index in group]
        if not all(path.exists() for path in paths):
            return []
        found = []
        for path in paths:
            part, state = load_part(path)
            if state:
                self.adapters[0].restore(state)
            self.report(part.rows)
            self.complete.append(part)
            found.append(part)
        return found

    def adapt(self, group: Sequence[tuple[int, int]], loader: Loader) -> list[Part]:
        """Predict and adapt batch by batch, in all corruptions of the group at once."""
        passages = []
        for adapter, (seed, index) in zip(self.adapters, group, strict=False):  # the last group may be smaller
            if self.protocol != "continual" or index == 0:
                adapter.reset()
            passages.append(Passage(self.cfg, self.machine, adapter, seed, index, self.names[index], loader.load(index)))
        return [part for _, equal in groupby(passages, lambda passage: len(passage.parts)) for part in self.side_by_side(list(equal))]

    def side_by_side(self, passages: Sequence[Passage]) -> list[Part]:
        """Go through corruptions of the same number of batches."""
        first, sent = passages[0], 0
        predict = predictor([passage.adapter for passage in passages])
        for number, (part, update) in enumerate(first.parts):
            if self.protocol == "episodic":
                for passage in passages:
                    passage.adapter.reset()
            images = [passage.batch(part) for passage in passages]
            started = self.now()
            answered = predict(images, [update] * len(passages))
            answers = [step.logits.argmax(1).cpu() for step in answered]  # waits for the device: the time is that of the whole batch
            seconds = (self.now() - started) / len(passages)
            for passage, step, answer in zip(passages, answered, answers, strict=True):
                passage.score(number, step, answer, seconds)
            if number < len(first.parts) - 1:
                sent += self.report(first.rows[sent:])  # the others' rows wait, since they come after all of these
        return [self.finish(passage, sent if passage is first else 0) for passage in passages]

    def finish(self, passage: Passage, sent: int) -> Part:
        """End a corruption: log its rows but for those that were sent, and keep the part."""
        part = passage.end(self.first_steps(passage) if self.cfg.stream.first_steps_images else {})
        self.report(part.rows[sent:])
        self.complete.append(part)
        if not self.cfg.trial_mode:
            save_part(self.path(passage.seed, passage.index), part, passage.adapter.state() if self.protocol == "continual" else {})
        return part

    def report(self, rows: Sequence[dict[str, float]]) -> int:
        """Log rows of the corruption after the complete ones, whose counts are added to theirs; how many it were."""
        for row in rows:
            self.log(row | {key: row[key] + sum(part.counts[key] for part in self.complete) for key in COUNTED}, self.logged)
            self.logged += 1
        return len(rows)

    def first_steps(self, passage: Passage) -> dict[int, float]:
        """Accuracy of the model as it is after its first K updates, on the images that follow in the stream, without further updates.

        A method with n steps a batch makes its first K updates on one batch if K <= n, else on the first K / n. One that makes none is
        looked at as it is. The passes that this takes are not counted as the method's.
        """
        size = self.cfg.run.dataset.batch_size
        inner = passage.adapter.settings.inner_steps

        def batch(number: int) -> tuple[torch.Tensor, torch.Tensor]:
            part = slice(number * size, (number + 1) * size)
            return passage.batch(part), passage.labels[passage.chosen[part]]

        found = {}
        for count in FIRST_STEPS:
            full, rest = divmod(count, inner) if inner else (0, 0)
            used, looked = full + (rest > 0), -(-self.cfg.stream.first_steps_images // size)
            looked = min(looked, self.machine.batch_limit or looked)
            if (used + looked) * size > len(passage.chosen):
                continue  # too short a stream to look at images that it has not adapted to
            probe = self.fresh()
            probe.records = False  # not worth it for so few updates
            for number in range(used):
                if number == full:
                    probe.settings = replace(probe.settings, inner_steps=rest)
                probe.predict(batch(number)[0])
            answers = [
                (probe.predict(images, update=False).logits.argmax(1).cpu(), labels)
                for images, labels in map(batch, range(used, used + looked))
            ]
            found[count] = float(np.mean([(answer == labels).float().mean() for answer, labels in answers]))
        return found

    def now(self) -> float:
        """Seconds on a clock, once the device has done what it was given."""
        if self.machine.device.type == "cuda":
            torch.cuda.synchronize(self.machine.device)
        return time.perf_counter()


def protocol(cfg: DictConfig) -> str:
    """When the adapter starts anew: `reset` at each corruption, `episodic` at each batch, `continual` never.

    `training.stream_mode` of a run decides if it names one; `sequential` leaves it to `stream.protocol`.

    Raises:
        TrainError: It is none of these.
    """
    mode = cfg.stream.protocol if cfg.run.training.stream_mode == "sequential" else cfg.run.training.stream_mode
    if mode not in ("reset", "continual", "episodic"):
        raise TrainError(
            f"The protocol is {mode!r}: training.stream_mode must be sequential, or it and stream.protocol reset, continual or episodic."
        )
    return str(mode)


def check_epochs(cfg: DictConfig) -> None:
    """A stream passes once.

    Raises:
        TrainError: `training.epochs` says otherwise.
    """
    if cfg.run.training.epochs != 1:
        raise TrainError(
            f"training.epochs is {cfg.run.training.epochs!r}, but test-time adaptation sees a stream once: set it to 1 "
            "(more updates for each batch are training.inner_steps)."
        )


def stream_seeds(cfg: DictConfig) -> list[int]:
    """The seeds of the orders of the stream.

    Raises:
        TrainError: There are several, but the order is that of the file.
    """
    seeds = [cfg.run.seed] if cfg.stream.seeds is None else list(cfg.stream.seeds)
    if len(seeds) > 1 and cfg.stream.order == "file":
        raise TrainError("stream.seeds has several seeds, which do nothing while stream.order is file: set stream.order=shuffled.")
    return [int(seed) for seed in seeds]


def save_part(path: Path, part: Part, state: dict[str, torch.Tensor]) -> None:
    """Keep a complete part, and the adapter's state where the next part goes on from it."""
    plain = {key: value for key, value in asdict(part).items() if key not in ("correct", "confusion")}
    arrays = {f"state.{name}": tensor.detach().cpu().numpy() for name, tensor in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, correct=part.correct, confusion=part.confusion, plain=np.array(json.dumps(plain)), **arrays)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_part(path: Path) -> tuple[Part, dict[str, torch.Tensor]]:
    """Read what `save_part` wrote.

    Raises:
        TrainError: It is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            plain = json.loads(str(file["plain"]))
            plain["first_steps"] = {int(count): accuracy for count, accuracy in plain["first_steps"].items()}
            state = {name.removeprefix("state."): torch.from_numpy(file[name]) for name in file.files if name.startswith("state.")}
            return Part(correct=file["correct"], confusion=file["confusion"], **plain), state
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(
            f"{path}: what was kept of the stream can't be read ({error}): remove the file, and that part is done again."
        ) from error


# ---------------------------------------------------------------------------------------------------------------- precision


def choose_precision(cfg: DictConfig, machine: Machine, network: torch.nn.Module) -> str:
    """`fp32` or `bf16`, as `stream.precision` says; bf16 only where its error agrees with that of fp32.

    Raises:
        TrainError: `stream.precision` is not known.
    """
    wanted = cfg.stream.precision
    if wanted not in ("auto", "fp32", "bf16"):
        raise TrainError(f"stream.precision is {wanted!r}; it must be auto, fp32 or bf16.")
    asked = wanted == "bf16" or (wanted == "auto" and cfg.run.hardware.mixed_precision)
    if not asked or cfg.trial_mode:
        return "fp32"
    if wanted == "auto" and not has_fast_bf16(machine.device):
        print("precision: fp32, for this device has no bf16 of its own")
        return "fp32"
    errors = {
        precision: first_error(cfg, machine, make_adapter(cfg, network, {}, precision=precision, device=machine.device))
        for precision in ("fp32", "bf16")
    }
    apart = abs(errors["fp32"] - errors["bf16"])
    print(f"precision: on the first images fp32 has {errors['fp32']:.2f} % wrong, bf16 {errors['bf16']:.2f} %")
    if apart <= cfg.stream.precision_tolerance:
        return "bf16"
    if wanted == "bf16":
        raise TrainError(
            f"bf16 differs from fp32 by {apart:.2f} points, more than stream.precision_tolerance ({cfg.stream.precision_tolerance}): "
            "set stream.precision=fp32."
        )
    return "fp32"


def first_error(cfg: DictConfig, machine: Machine, adapter: Adapter) -> float:
    """Percent of the first `stream.precision_images` images of the first corruption that are wrong."""
    data = load_corruption(cfg, evaluation_corruptions(cfg)[0])
    wrong, seen = 0, 0
    for part, update in machine.batches(min(len(data), cfg.stream.precision_images), cfg.run.dataset.batch_size, "skip_update"):
        images = machine.inputs(cfg, data.images[part])
        answers = adapter.predict(images, update=update).logits.argmax(1).cpu()
        wrong += int((answers != data.labels[part]).sum())
        seen += len(answers)
    return 100 * wrong / seen


# ------------------------------------------------------------------------------------------------------------------- search


def draw_points(cfg: DictConfig) -> list[dict[str, Any]]:
    """The points of the random search, all drawn beforehand from the run's seed, so that none comes twice and workers can share them.

    Raises:
        TrainError: The search space has something that can't be drawn from.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=cfg.run.seed))
    points: list[dict[str, Any]] = []
    for _ in range(100 * cfg.run.optuna.n_trials):
        if len(points) == cfg.run.optuna.n_trials:
            break
        trial = study.ask()
        point = suggest(trial, cfg.run.optuna.search_space)
        study.tell(trial, state=TrialState.FAIL)
        if point not in points:
            points.append(point)
    return points


def suggest(trial: Trial, space: DictConfig) -> dict[str, Any]:
    """A value for every searched parameter.

    Raises:
        TrainError: A parameter's range is not one that there is.
    """
    point: dict[str, Any] = {}
    for name, given in space.items():
        if given.type == "loguniform":
            point[name] = trial.suggest_float(name, given.low, given.high, log=True)
        elif given.type == "uniform":
            point[name] = trial.suggest_float(name, given.low, given.high)
        elif given.type == "int":
            point[name] = trial.suggest_int(name, given.low, given.high)
        elif given.type == "categorical":
            point[name] = trial.suggest_categorical(name, list(given.choices))
        else:
            raise TrainError(f"optuna.search_space.{name}.type is {given.type!r}; it must be uniform, loguniform, int or categorical.")
    return point


def study_name(cfg: DictConfig, weights: str, precision: str) -> str:
    """The name of a run's study: the same for all whose trials have the same values. `weights` is the network's key."""
    sizes = [cfg.search.images, cfg.search.images_per_corruption]  # all of `search` that the values of its points depend on
    return f"{cfg.run.run_id}-{settings_key(cfg, weights, precision, sizes)}"


def search_storage(cfg: DictConfig) -> optuna.storages.BaseStorage | str:
    """Where the trials are kept: `search.storage`, else a journal file under the cache."""
    if cfg.search.storage is not None:
        return str(cfg.search.storage)
    folder = Path(cfg.cache_dir) / "search"
    folder.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def search(cfg: DictConfig, machine: Machine, network: torch.nn.Module, precision: str, name: str) -> tuple[dict[str, Any], float]:
    """Random search on the held-out corruptions; the best parameters and their value.

    Trials that are done are not done again: a search that was stopped goes on, and several processes may work on one.

    Args:
        cfg: The config.
        machine: Where.
        network: The source model.
        precision: `fp32` or `bf16`.
        name: Name of the study: the same settings share one.

    Raises:
        TrainError: The metric is not known, or no trial ended well.
    """
    settings = cfg.run.optuna
    if settings.metric not in SEARCHABLE_METRICS:
        raise TrainError(f"optuna.metric is {settings.metric!r}; it must be one of {', '.join(SEARCHABLE_METRICS)}.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=search_storage(cfg), study_name=name, direction=settings.direction, load_if_exists=True)
    for point in draw_points(cfg):
        study.enqueue_trial(point, skip_if_exists=True)
    take_up(study, cfg.search.abandoned_after_seconds)
    with helpers(cfg, machine, network, precision, name):
        try_waiting(cfg, machine, network, precision, study)
        while study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # others' last ones: without them the best may not be there
            time.sleep(WAIT)
            take_up(study, cfg.search.abandoned_after_seconds)
            if study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                try_waiting(cfg, machine, network, precision, study)
    done = study.get_trials(states=(TrialState.COMPLETE,))
    if not done:
        raise TrainError("The search has no trial that ended well: look at the errors above, and remove its study from the cache.")
    print(f"search: {len(done)} trials, best {settings.metric} {study.best_value:.4f} with {study.best_params}")
    return study.best_params, study.best_value


def take_up(study: optuna.Study, seconds: float) -> None:
    """Put the points of trials that somebody was stopped at back in the queue.

    Args:
        study: The study.
        seconds: How long ago a trial of another machine began, at least; one of this machine has no process any more.
    """
    multiprocessing.active_children()  # helpers that have ended leave the list of processes only when somebody asks
    for lost in study.get_trials(states=(TrialState.RUNNING,)):
        if is_gone(lost) or time.time() - lost.datetime_start.timestamp() >= seconds:
            study.enqueue_trial(lost.system_attrs.get("fixed_params", lost.params))
            study.tell(lost.number, state=TrialState.FAIL)


def is_gone(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether the process that tries a point is surely no more: it was one of this machine."""
    if trial.user_attrs.get("host") != platform.node() or "process" not in trial.user_attrs:
        return False
    try:
        os.kill(trial.user_attrs["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and somebody else's
        return False
    return False


def is_tried(trials: Sequence[optuna.trial.FrozenTrial], number: int) -> bool:
    """Whether the point of a trial is that of another one as well: two processes that begin a study at once both put its points in."""
    point = trials[number].system_attrs["fixed_params"]
    return any(
        other.system_attrs.get("fixed_params") == point
        and (other.state == TrialState.COMPLETE or (other.state != TrialState.FAIL and other.number < number))
        for other in trials
    )


def try_waiting(cfg: DictConfig, machine: Machine, network: torch.nn.Module, precision: str, study: optuna.Study) -> None:
    """Try the points that wait, one after the other, until none is left; others may take some of them meanwhile."""
    data = [load_search(cfg, corruption) for corruption in search_corruptions(cfg)]
    with tqdm(total=cfg.run.optuna.n_trials, desc="search", unit="trial") as bar:
        while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            bar.update(len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) - bar.n)
            trial = study.ask()
            every = study.get_trials(deepcopy=False)
            if "fixed_params" not in every[trial.number].system_attrs:
                # Somebody took the last point in between: this one was never drawn.
                study.tell(trial, state=TrialState.FAIL)
                break
            if is_tried(every, trial.number):
                study.tell(trial, state=TrialState.FAIL)
                continue
            trial.set_user_attr("process", os.getpid())
            trial.set_user_attr("host", platform.node())
            point = suggest(trial, cfg.run.optuna.search_space)
            fresh = partial(make_adapter, cfg, network, point, precision=precision, device=machine.device)
            study.tell(trial, search_value(cfg, machine, fresh, data))
        bar.update(len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) - bar.n)


@contextmanager
def helpers(cfg: DictConfig, machine: Machine, network: torch.nn.Module, precision: str, name: str) -> Iterator[None]:
    """Processes that try points of the study beside this one, `search.workers` in all; one that dies leaves its point to the others."""
    count = cfg.search.workers - 1
    if count < 0:
        raise TrainError(f"search.workers is {cfg.search.workers}; it must be 1 or more.")
    weights = Path(cfg.cache_dir) / "search" / f"{network_key(network)}.safetensors"
    if count:
        save_whole(weights, dict(network.state_dict()))
    spawn = multiprocessing.get_context("spawn")
    plain = OmegaConf.to_container(cfg, resolve=True)
    working = [spawn.Process(target=help_search, args=(plain, str(weights), precision, name), daemon=True) for _ in range(count)]
    for helper in working:
        helper.start()
    try:
        yield
    finally:
        for helper in working:
            helper.terminate()
            helper.join()


def help_search(plain: dict[str, Any], weights: str, precision: str, name: str) -> None:
    """What a helper does: try points of a study until none waits."""
    cfg = OmegaConf.create(plain)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    machine = prepare(cfg)
    network = build_network(cfg.run.model)
    network.load_state_dict(load_file(weights))
    study = optuna.load_study(storage=search_storage(cfg), study_name=name)
    try_waiting(cfg, machine, network.to(machine.device).eval(), precision, study)


def search_value(cfg: DictConfig, machine: Machine, fresh: Callable[[], Adapter], data: Sequence[Images]) -> float:
    """Mean over the held-out corruptions of what the search is about: accuracy on the whole stream, or after the first update.

    Args:
        cfg: The config.
        machine: Where.
        fresh: Makes an adapter with the trial's parameters; each corruption has one of its own.
        data: The corruptions, all of one length.
    """
    whole = cfg.run.optuna.metric == "top1_accuracy"
    at_once = streams_at_once(cfg, machine, fresh(), len(data))
    values = []
    for start in range(0, len(data), at_once):
        group = data[start : start + at_once]
        adapters = [fresh() for _ in group]
        predict = predictor(adapters)
        right, seen = np.zeros(len(group), int), np.zeros(len(group), int)
        for part, update in machine.batches(len(group[0]), cfg.run.dataset.batch_size, "skip_update"):
            updates = [update and (whole or not adapter.counts.updates) for adapter in adapters]
            steps = predict([machine.inputs(cfg, images.images[part]) for images in group], updates)
            for place, (step, images) in enumerate(zip(steps, group, strict=True)):
                if whole or not updates[place]:
                    right[place] += int((step.logits.argmax(1).cpu() == images.labels[part]).sum())
                    seen[place] += len(step.logits)
        values += list(right / np.maximum(1, seen))
    return float(np.mean(values))


def streams_at_once(cfg: DictConfig, machine: Machine, adapter: Adapter, most: int) -> int:
    """How many of at most `most` streams run as one: the setting of that name, where such adapters can; auto goes by where it pays.

    Raises:
        TrainError: `streams_at_once` is no number of streams.
    """
    wanted = cfg.streams_at_once
    if wanted == "auto":
        size = sum(parameter.numel() for parameter in adapter.network.parameters())
        images = next(count for parameters, count in IMAGES_AT_ONCE if size <= parameters)
        wanted = max(1, images // cfg.run.dataset.batch_size) if machine.device.type == "cpu" else most
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise TrainError(f"streams_at_once is {wanted!r}; it must be auto, or a whole number from 1 on.")
    return min(wanted, most) if can_run_together(adapter) else 1


def predictor(adapters: Sequence[Adapter]) -> Callable[[Sequence[torch.Tensor], Sequence[bool]], list[Step]]:
    """What answers a batch of each adapter."""
    if len(adapters) > 1:
        return Together(adapters).predict
    return lambda batches, updates: [adapters[0].predict(batches[0], updates[0])]


# ------------------------------------------------------------------------------------------------------------------- report


def summarise(cfg: DictConfig, parts: dict[int, list[Part]], facts: dict[str, Any]) -> dict[str, Any]:
    """What a run is summed up as; the evaluation reads nothing else but this, the config and the rows.

    Args:
        cfg: The config.
        parts: The parts of the stream by seed.
        facts: What else is to be in it.
    """
    every = [part for found in parts.values() for part in found]
    first = next(iter(parts.values()))
    names = [part.corruption for part in first]
    by_name = {name: [found[index] for found in parts.values()] for index, name in enumerate(names)}
    accuracy = {name: float(np.mean([part.correct.mean() for part in found])) for name, found in by_name.items()}
    latencies = np.array([seconds for part in every for seconds in part.latencies])
    counts = {key: sum(part.counts[key] for part in every) for key in every[0].counts}
    top1 = float(np.mean(list(accuracy.values())))
    packed = {name: [pack(part.correct) for part in found] for name, found in by_name.items()}
    summary: dict[str, Any] = {
        "top1_accuracy": top1,
        "error": 1 - top1,
        "per_corruption": {name: {"accuracy": accuracy[name], "images": len(by_name[name][0].correct)} for name in names},
        "corruptions": names,
        "confusion_matrix": sum(part.confusion for part in every).tolist(),
        "class_names": class_names(cfg),
        "correct": {name: texts[0] if len(texts) == 1 else texts for name, texts in packed.items()},
        "images_per_corruption": len(first[0].correct),
        "forwards": counts["forwards"],
        "backwards": counts["backwards"],
        "updates": counts["updates"],
        "skipped_updates": counts["skipped"],
        "images": counts["images"],
        "latency_p50_ms": float(1000 * np.percentile(latencies, 50)),
        "latency_p95_ms": float(1000 * np.percentile(latencies, 95)),
        "images_per_second": float(counts["images"] / latencies.sum()),
        "peak_memory_mb": peak_memory(),
        "bn_drift": float(np.mean([part.drift for part in every])),
        "data_origin": ", ".join(sorted({part.origin for part in every})),
        "predict": str(cfg.stream.predict),
        "protocol": protocol(cfg),
        "seeds": list(parts),
        "source_accuracy_floor": float(source_settings(cfg).min_accuracy),
    }
    keys = {1: "average_accuracy_after_first_adaptation_step"}
    for count in FIRST_STEPS:
        seen = [part.first_steps[count] for part in every if count in part.first_steps]
        summary[keys.get(count, f"accuracy_after_{count}")] = float(np.mean(seen)) if seen else None
    return summary | facts


def pack(correct: np.ndarray) -> str:
    """Booleans, (N,), as bits in base64."""
    return base64.b64encode(np.packbits(correct).tobytes()).decode()


def peak_memory() -> float:
    """The most memory that was held, in megabytes: of the accelerator if there is one, else of this process."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 1e6)
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)


def settings_key(cfg: DictConfig, *more: Any) -> str:
    """What results of this run are kept under: everything that they depend on."""
    settings = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(settings, dict)
    for name in ("results_dir", "wandb", "threads", "cache_dir", "search", "streams_at_once", "cuda_graphs"):
        settings.pop(name)  # these change nothing in what comes out
    settings["run"]["dataset"].pop("num_workers")
    digest = hashlib.sha256(json.dumps([FORMAT, settings, *more], sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


def network_key(network: torch.nn.Module) -> str:
    """What a network's weights are known by."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def start_tracking(cfg: DictConfig) -> wandb.Run:
    """Begin the run at W&B, or go on with it under its id.

    Raises:
        TrainError: W&B can't be reached, or refuses.
    """
    try:
        return wandb.init(
            entity=cfg.wandb.entity,
            project=cfg.wandb.project,
            id=cfg.run.run_id,
            name=cfg.run.run_id,
            resume="allow",
            mode="disabled" if cfg.trial_mode else cfg.wandb.mode,
            config=OmegaConf.to_container(cfg, resolve=True),
        )
    except wandb.Error as error:
        reason = " ".join(str(error).split())
        raise TrainError(
            f"W&B did not take the run ({reason}): check WANDB_BASE_URL, WANDB_API_KEY and the network, or set wandb.mode=offline and "
            "send it later with `wandb sync`."
        ) from error


def lower_to_trial(cfg: DictConfig) -> None:
    """Leave in the config just as much as a trial has time for."""
    cfg.run.dataset.corruption_types = evaluation_corruptions(cfg)[:TRIAL_CORRUPTIONS]
    for section in (cfg.run.dataset, source_settings(cfg)):
        if isinstance(section.batch_size, int):
            section.batch_size = min(section.batch_size, TRIAL_IMAGES)


def train(cfg: DictConfig) -> None:
    """Do the whole run."""
    started = time.perf_counter()
    check_epochs(cfg)
    searches = cfg.run.optuna.enabled and not cfg.trial_mode
    if cfg.search.only_help and not searches:
        raise TrainError("search.only_help is true, but this run has no search: leave it out, or set optuna.enabled to true.")
    if cfg.trial_mode:
        lower_to_trial(cfg)
    machine = prepare(cfg)
    torch.manual_seed(cfg.run.seed)
    network = get_source(cfg, machine).to(machine.device).eval()
    clean = clean_accuracy(cfg, machine, network)
    weights = network_key(network)
    if cfg.search.only_help:
        precision = choose_precision(cfg, machine, network)
        search(cfg, machine, network, precision, study_name(cfg, weights, precision))
        return
    run = start_tracking(cfg)
    precision = choose_precision(cfg, machine, network)
    best: dict[str, Any] = {}
    value = None
    if searches:
        best, value = search(cfg, machine, network, precision, study_name(cfg, weights, precision))
    folder = Path(cfg.cache_dir) / "stream" / settings_key(cfg, weights, precision, best)

    def log(row: dict[str, float], step: int) -> None:
        if step >= run.starting_step:  # W&B has the rows before it from the process that was stopped
            run.log(row, step=step, commit=True)  # a row that waits would take the place of summary values of its names at the end

    def fresh() -> Adapter:
        made = make_adapter(cfg, network, best, precision=precision, device=machine.device)
        made.records = machine.graphs
        return made

    stream = Stream(cfg, machine, fresh, folder, log)
    parts = stream.run()
    facts = {
        "clean_accuracy": clean,
        "precision": precision,
        "best_parameters": best or None,
        "search_value": value,
        "streams_at_once": stream.at_once,
        "seconds": time.perf_counter() - started,
    }
    summary = summarise(cfg, parts, facts)
    run.summary.update(summary)
    run.finish()
    accuracy, corruptions = 100 * summary["top1_accuracy"], len(summary["corruptions"])
    print(f"{cfg.run.run_id}: {accuracy:.2f} % right on {corruptions} corruptions ({summary['data_origin']})")


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Do the run, or say in one sentence why it can't be done."""
    try:
        train(cfg)
    except (DataError, ModelError, TrainError, SafetensorError, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        sys.exit(f"cw-tent: {error}")
    except KeyboardInterrupt:
        print("cw-tent: stopped; the same command goes on from here.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
