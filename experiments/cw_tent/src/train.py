"""One run in the order of the protocol: source model, search, stream, summary.

`src.main` starts it.

1. A source model for each seed: a checkpoint, or trained here on clean images and kept under `cache_dir`.
2. If the run has a search: learning rate and the like are chosen on the four held-out corruptions, of images that are not scored.
3. For each corruption: the adapter starts as the source model, sees the images batch by batch, once, and its predictions are scored.
4. All of it goes to W&B: a row for every training.log_interval-th batch, and a summary with which images were right, so that methods can be
   compared image by image.

A run that was stopped starts its stream anew, and replaces its W&B run; source models and trials of the search are kept.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import resource
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import optuna
import torch
import wandb
from filelock import FileLock
from omegaconf import DictConfig, OmegaConf
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from safetensors.torch import load_file, save_file
from src.model import Adapter, ModelError, Settings, build_network, fast, has_fast_bf16
from src.preprocess import (
    HELD_OUT,
    DataError,
    Images,
    class_names,
    evaluation_corruptions,
    load_clean,
    load_corruption,
    load_search,
    normalise,
    whole,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import v2
from tqdm import tqdm

# A trial sees this many batches of each loader, of at most so many images, for at most so many corruptions.
TRIAL_BATCHES, TRIAL_IMAGES, TRIAL_CORRUPTIONS = 2, 8, 2
# "Accuracy after the first K adaptation steps", and on how many of the next images.
FIRST_STEPS, FIRST_STEPS_IMAGES = (1, 3), 256


class TrainError(Exception):
    """The run can't go on; the text says what is wrong, where, and what to do."""


# -------------------------------------------------------------------------------------------------------------- 1. source model


def source_model(cfg: DictConfig, seed: int, device: torch.device) -> nn.Module:
    """The network that every method starts from.

    It is a complete checkpoint, one that was trained here before, or one that is trained now.
    """
    torch.manual_seed(seed)
    network, complete = build_network(cfg, seed)
    if complete:
        return network.to(device)
    data, settings = load_clean(cfg, "train"), cfg.source[cfg.run.dataset.name]
    model, normal = cfg.run.model, OmegaConf.to_container(cfg.run.dataset.preprocessing, resolve=True)
    plain = [model.name, model.pretrained_checkpoint, model.num_classes, normal, OmegaConf.to_container(settings, resolve=True)]
    plain += [seed, cfg.trial_mode, cfg.run.hardware.mixed_precision, zlib.crc32(data.images.numpy())]
    key = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
    path = Path(cfg.cache_dir) / "source" / f"{key}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # of runs that begin together one trains it, and the others wait
        if path.exists():
            network.load_state_dict(load_file(path))
        else:
            print(f"source model: trained on {len(data)} clean images with seed {seed}, kept as {path}")
            train_source(cfg, network.to(device), data, device)
            state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
            save_file(state, path.with_suffix(".part"))  # whole or not at all: a run may be killed here
            path.with_suffix(".part").replace(path)
    return network.to(device).eval()


class Augmented(Dataset[tuple[Tensor, int]]):
    """Clean training images, moved by up to four pixels and mirrored at random.

    Digits are not mirrored: they would be other signs.
    """

    def __init__(self, cfg: DictConfig, data: Images) -> None:
        flip = [v2.RandomHorizontalFlip()] if cfg.run.dataset.name != "digitsc" else []
        self.data, self.change = data, v2.Compose([v2.RandomCrop(data.images.shape[-1], padding=4, padding_mode="reflect"), *flip])

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.change(self.data.images[place]), int(self.data.labels[place])


def train_source(cfg: DictConfig, network: nn.Module, data: Images, device: torch.device) -> None:
    """Train the network in place by SGD with one cycle of the learning rate (Smith, 2018).

    It sees small images first (Howard, fast.ai, 2018).
    """
    settings, normal = cfg.source[cfg.run.dataset.name], cfg.run.dataset.preprocessing.normalize
    images = Augmented(cfg, data)
    loader = DataLoader(images, settings.batch_size, sampler=RandomSampler(images), drop_last=True, num_workers=cfg.run.dataset.num_workers)
    epochs = [size for size, count in settings.schedule for _ in range(count)]
    batches = len(loader)
    if cfg.trial_mode:
        epochs, batches = epochs[-1:], TRIAL_BATCHES
    network.to(memory_format=torch.channels_last).train()
    rate = settings.learning_rate
    optimizer = torch.optim.SGD(network.parameters(), rate, settings.momentum, weight_decay=settings.weight_decay, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=len(epochs) * batches, pct_start=0.2)
    halved = cfg.run.hardware.mixed_precision and has_fast_bf16(device)
    with tqdm(total=len(epochs) * batches, desc="source model", unit="batch", mininterval=1) as bar:
        for size in epochs:
            for images, labels in itertools.islice(loader, batches):
                images = v2.functional.resize(normalise(images.to(device), normal.mean, normal.std), [size, size], antialias=True)
                with torch.autocast(device.type, torch.bfloat16, enabled=halved):
                    logits = network(images.contiguous(memory_format=torch.channels_last))
                loss = nn.functional.cross_entropy(logits.float(), labels.to(device), label_smoothing=settings.label_smoothing)
                if not torch.isfinite(loss):
                    raise TrainError(f"source model: the loss is {loss.item()}: lower source.{cfg.run.dataset.name}.learning_rate.")
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


def clean_accuracy(cfg: DictConfig, network: nn.Module, device: torch.device) -> float | None:
    """Share of the clean test images that the source model gets right.

    None where they are not here: nothing else needs them.

    Raises:
        TrainError: It is below source.min_accuracy, as with a head that was never trained.
    """
    try:
        data = load_clean(cfg, "test", download=False)
    except DataError:
        print("left out: the accuracy on clean images, since the clean test images are not here.")
        return None
    parts = stream_batches(len(data), 250, "keep")[: TRIAL_BATCHES if cfg.trial_mode else None]
    with torch.inference_mode():
        right = [(network(inputs(cfg, data.images[part], device)).argmax(1).cpu() == data.labels[part]) for part, _ in parts]
    accuracy, least = float(torch.cat(right).float().mean()), cfg.source[cfg.run.dataset.name].min_accuracy
    if accuracy < least and not cfg.trial_mode:
        raise TrainError(
            f"The source model gets {100 * accuracy:.1f} % of the clean test images right, less than source.{cfg.run.dataset.name}."
            f"min_accuracy ({100 * least:.1f} %): train it longer (schedule), or correct the checkpoint and its normalisation."
        )
    return accuracy


def inputs(cfg: DictConfig, images: Tensor, device: torch.device) -> Tensor:
    """What the network takes for stored images, (B, 3, H, W), uint8: normalised, on the device."""
    normal = cfg.run.dataset.preprocessing.normalize
    return normalise(images.to(device), normal.mean, normal.std)


def choose_precision(cfg: DictConfig, source: nn.Module, device: torch.device) -> str:
    """fp32 or bf16, as stream.precision says.

    bf16 only if, with the batch's statistics, its error on the first images is within stream.precision_tolerance of that of fp32.

    Raises:
        TrainError: stream.precision is bf16, and the errors differ by more than stream.precision_tolerance.
    """
    wanted = cfg.stream.precision
    if wanted not in ("auto", "fp32", "bf16"):
        raise TrainError(f"stream.precision is {wanted!r}; it must be auto, fp32 or bf16.")
    automatic = cfg.run.hardware.mixed_precision and has_fast_bf16(device)
    if cfg.trial_mode or wanted == "fp32" or (wanted == "auto" and not automatic):
        return "fp32"
    data = load_corruption(cfg, evaluation_corruptions(cfg)[0])
    errors = {}
    for precision in ("fp32", "bf16"):
        adapter = Adapter(fast(source, precision), Settings("bn", "none", 0, 0.0))
        errors[precision] = 100 * (1 - accuracy_on(cfg, adapter, data[: cfg.stream.precision_images], device))
    apart = abs(errors["fp32"] - errors["bf16"])
    print(f"precision: on the first images fp32 has {errors['fp32']:.2f} % wrong, bf16 {errors['bf16']:.2f} %")
    if apart > cfg.stream.precision_tolerance and wanted == "bf16":
        raise TrainError(f"bf16 differs from fp32 by {apart:.2f} points, more than stream.precision_tolerance: set stream.precision=fp32.")
    return "bf16" if apart <= cfg.stream.precision_tolerance else "fp32"


# -------------------------------------------------------------------------------------------------------------------- 2. search


def method_settings(cfg: DictConfig, chosen: dict[str, Any]) -> Settings:
    """The method of a run, with what a search has chosen in place of what `training` says."""
    training = cfg.run.training
    for name, value, known in (("epochs", training.epochs, 1), ("scheduler", training.scheduler, "none")):
        if value != known:
            raise TrainError(f"training.{name} is {value!r}, but a stream is seen once, at one learning rate: it must be {known}.")
    if training.adaptation != (cfg.run.method != "source"):
        raise TrainError(f"training.adaptation is {training.adaptation}, which contradicts the method {cfg.run.method}.")
    values = {
        "steps": training.inner_steps,
        "learning_rate": training.learning_rate,
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
        "optimizer": training.optimizer,
        "gradient_clip": training.gradient_clip,
    }
    found = {"steps" if name == "inner_steps" else name: value for name, value in chosen.items()}
    if unknown := sorted(set(found) - set(values)):
        raise TrainError(f"optuna.search_space has {', '.join(unknown)}; known are inner_steps, {', '.join(list(values)[1:])}.")
    adapted, predict = tuple(cfg.run.model.freeze_except), cfg.stream.predict
    return Settings(cfg.run.method, training.objective, adapted=adapted, predict=predict, **(values | found))


def suggest(trial: Trial, space: DictConfig) -> dict[str, Any]:
    """A value for every parameter of a search space."""
    point: dict[str, Any] = {}
    for name, given in space.items():
        if given.type in ("uniform", "loguniform"):
            point[name] = trial.suggest_float(name, given.low, given.high, log=given.type == "loguniform")
        elif given.type == "int":
            point[name] = trial.suggest_int(name, given.low, given.high)
        elif given.type == "categorical":
            point[name] = trial.suggest_categorical(name, list(given.choices))
        else:
            raise TrainError(f"optuna.search_space.{name}.type is {given.type!r}; it must be uniform, loguniform, int or categorical.")
    return point


def search(cfg: DictConfig, source: nn.Module, device: torch.device) -> tuple[dict[str, Any], float]:
    """Random search by accuracy on the held-out corruptions: the best parameters, and their value.

    All points are drawn beforehand from the run's seed, so they are the same whatever tries them, and trials that are in the journal are
    not made again. `source` is fast already.
    """
    settings = cfg.run.optuna
    if settings.metric != "top1_accuracy" or settings.direction != "maximize":
        raise TrainError(f"optuna has {settings.metric!r} to {settings.direction}; it must be top1_accuracy to maximize.")
    data = [load_search(cfg, name) for name in HELD_OUT]

    def objective(trial: Trial) -> float:
        adapter = Adapter(source, method_settings(cfg, suggest(trial, settings.search_space)))
        return float(np.mean([accuracy_on(cfg, adapter, images, device) for images in data]))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=cfg.run.seed))
    folder = Path(cfg.cache_dir) / "search"
    folder.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(storage=storage, study_name=study_name(cfg, source), direction=settings.direction, load_if_exists=True)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # of a process that was killed
        study.tell(trial.number, state=TrialState.FAIL)
    points = [suggest(drawn.ask(), settings.search_space) for _ in range(settings.n_trials)]
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    there = waiting + [trial.params for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    for point in points:
        if point not in there:
            study.enqueue_trial(point)
            waiting.append(point)
            there.append(point)
    study.optimize(objective, n_trials=len(waiting), n_jobs=cfg.search.n_jobs, show_progress_bar=True)
    trials = study.get_trials(states=(TrialState.COMPLETE,))
    # Of equals the one drawn first, in whatever order they were tried.
    best = max(trials, key=lambda trial: (trial.value, -points.index(trial.params)))
    print(f"search: {len(trials)} trials, best accuracy {best.value:.4f} with {best.params}")
    return best.params, float(best.value or 0.0)


def study_name(cfg: DictConfig, source: nn.Module) -> str:
    """A name that only searches with the same values share: of everything that they depend on."""
    run = OmegaConf.to_container(cfg.run, resolve=True)
    digest = hashlib.sha256(
        json.dumps([run, OmegaConf.to_container(cfg.search), OmegaConf.to_container(cfg.stream)], sort_keys=True).encode()
    )
    for tensor in source.state_dict().values():
        digest.update(tensor.cpu().float().contiguous().numpy())
    return f"{cfg.run.run_id}-{digest.hexdigest()[:16]}"


def accuracy_on(cfg: DictConfig, adapter: Adapter, data: Images, device: torch.device) -> float:
    """Accuracy of an adapter on a stream of its own."""
    adapter.reset()
    right = 0
    for part, update in stream_batches(len(data), cfg.run.dataset.batch_size, "skip_update"):
        logits = adapter.predict(inputs(cfg, data.images[part], device), update)
        right += int((logits.argmax(1).cpu() == data.labels[part]).sum())
    return right / len(data)


# -------------------------------------------------------------------------------------------------------------------- 3. stream


@dataclass
class Part:
    """What came out of one corruption of one seed.

    For the scored images in the order of the file: whether they were right, and so on.
    """

    corruption: str
    origin: str
    correct: np.ndarray
    confusion: np.ndarray
    latencies: list[float] = field(default_factory=list)
    after: dict[int, float] = field(default_factory=dict)
    drift: float = 0.0


def stream(cfg: DictConfig, adapter: Adapter, seed: int, device: torch.device) -> list[Part]:
    """Adapt to the corruptions one after the other, and predict every batch once."""
    reset, parts = protocol(cfg), []
    for index, name in enumerate(tqdm(evaluation_corruptions(cfg), desc=f"{cfg.run.method}, seed {seed}", unit="corruption")):
        data = load_corruption(cfg, name)
        data = data[: scored_images(cfg, len(data))]
        order = stream_order(cfg, seed, name, len(data))
        batches = stream_batches(len(data), cfg.run.dataset.batch_size, cfg.stream.last_batch)[: TRIAL_BATCHES if cfg.trial_mode else None]
        correct, seen = np.zeros(len(data), bool), np.zeros(len(data), bool)
        part = Part(name, data.origin, correct, np.zeros((cfg.run.model.num_classes,) * 2, np.int64))
        if reset != "continual" or index == 0:
            adapter.reset()
        for number, (places, update) in enumerate(batches):
            chosen = order[places]
            images, labels = inputs(cfg, data.images[chosen], device), data.labels[chosen]
            if reset == "episodic":
                adapter.reset()
            started = time.perf_counter()
            predicted = adapter.predict(images, update).argmax(1).cpu()  # waits for the device: the time is that of the whole batch
            part.latencies.append(time.perf_counter() - started)
            correct[chosen], seen[chosen] = (predicted == labels).numpy(), True
            np.add.at(part.confusion, (labels.numpy(), predicted.numpy()), 1)
            last = number == len(batches) - 1
            if last or number % cfg.run.training.log_interval == 0:
                row = {
                    "seed": seed,
                    "corruption_index": index,
                    "batch": number,
                    "images_seen": int(seen.sum()),
                    "batch_accuracy": float(correct[chosen].mean()),
                    "running_accuracy": float(correct[seen].mean()),
                    "forwards": adapter.forwards,
                    "backwards": adapter.backwards,
                    "updates": adapter.updates,
                    "bn_drift": adapter.drift,
                    "step_latency_ms": 1000 * part.latencies[-1],
                    **adapter.measured,
                }
                wandb.log(row | ({"corruption_accuracy": row["running_accuracy"]} if last else {}))
        part.correct, part.drift = correct[seen], adapter.drift
        part.after = accuracy_after(cfg, adapter, data[order], device)
        parts.append(part)
    return parts


def accuracy_after(cfg: DictConfig, adapter: Adapter, data: Images, device: torch.device) -> dict[int, float]:
    """Accuracy after the first K steps, by K, on the images that come next.

    A K is left out where the stream, or FIRST_STEPS_IMAGES, is too short for another whole batch after it.

    A method with n steps for each batch makes its first K on the first K / n batches. A copy does it: the run's counts stay as they are.
    """
    size, steps = cfg.run.dataset.batch_size, max(1, adapter.settings.steps)
    found = {}
    for count in FIRST_STEPS[: 1 if cfg.trial_mode else None]:
        used = -(-count // steps)
        stop = min(len(data), used * size + (FIRST_STEPS_IMAGES if not cfg.trial_mode else size))
        if stop < (used + 1) * size:
            continue
        probe = Adapter(adapter.source, adapter.settings)
        for number in range(count if adapter.settings.steps else 0):
            probe.step(inputs(cfg, data.images[number // steps * size :][:size], device))
        places = [slice(start, min(stop, start + size)) for start in range(used * size, stop, size)]
        right = [
            probe.predict(inputs(cfg, data.images[part], device), update=False).argmax(1).cpu() == data.labels[part] for part in places
        ]
        found[count] = float(torch.cat(right).float().mean())
    return found


def protocol(cfg: DictConfig) -> str:
    """When the adapter starts anew: at each corruption, at each batch, or never.

    These are `reset`, `episodic` and `continual`.

    `training.stream_mode` of a run decides if it names one; `sequential` leaves it to `stream.protocol`.
    """
    mode = cfg.stream.protocol if cfg.run.training.stream_mode == "sequential" else cfg.run.training.stream_mode
    if mode not in ("reset", "continual", "episodic"):
        raise TrainError(f"training.stream_mode is {mode!r}; it must be sequential, or (as stream.protocol) reset, continual or episodic.")
    return str(mode)


def scored_images(cfg: DictConfig, count: int) -> int:
    """How many of `count` test images are scored.

    They are the first stream.images of those that are not kept for the search.
    """
    kept = count - whole(cfg.search.images, "search.images", 0, count - 1)
    return kept if cfg.stream.images is None else min(kept, whole(cfg.stream.images, "stream.images", 1))


def stream_order(cfg: DictConfig, seed: int, name: str, count: int) -> Tensor:
    """The order of a stream, (count,): that of the file, or a permutation.

    There is one permutation for each seed and corruption, whatever the method.

    Raises:
        TrainError: stream.order is unknown, or the corruptions would leave out different images, which could then not be compared.
    """
    if cfg.stream.order == "file":
        return torch.arange(count)
    if cfg.stream.order == "shuffled":
        if cfg.stream.last_batch == "drop" and count % cfg.run.dataset.batch_size:
            raise TrainError(
                "stream.order=shuffled with stream.last_batch=drop leaves out other images of each corruption: keep the last batch."
            )
        return torch.from_numpy(np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(count))
    raise TrainError(f"stream.order is {cfg.stream.order!r}; it must be file or shuffled.")


def stream_batches(count: int, size: int, last_batch: str) -> list[tuple[slice, bool]]:
    """Cut `count` images into batches, each with whether the model may learn from it.

    A smaller last batch is kept ("keep"), predicted without an update ("skip_update") or left out ("drop").
    """
    if last_batch not in ("keep", "skip_update", "drop"):
        raise TrainError(f"stream.last_batch is {last_batch!r}; it must be keep, skip_update or drop.")
    starts = range(0, count, whole(size, "dataset.batch_size", 1))
    cut = [(slice(start, min(count, start + size)), start + size <= count or last_batch == "keep") for start in starts]
    if count % size and last_batch == "drop":
        cut.pop()
    if not cut:
        raise TrainError(f"{count} images make no batch of {size} with stream.last_batch={last_batch}: lower dataset.batch_size.")
    return cut


# ------------------------------------------------------------------------------------------------------------------- 4. summary


def summarise(cfg: DictConfig, found: dict[int, list[Part]], adapters: Sequence[Adapter]) -> dict[str, Any]:
    """What a run is summed up as.

    The evaluation reads this, the few words that `train` adds, the config and the rows.
    """
    every = [part for parts in found.values() for part in parts]
    names = [part.corruption for part in next(iter(found.values()))]
    latencies = np.array([seconds for part in every for seconds in part.latencies])
    correct = {name: np.stack([part.correct for part in every if part.corruption == name]) for name in names}  # (seeds, images)
    accuracy = float(np.mean([bits.mean() for bits in correct.values()]))

    def after(count: int) -> float | None:
        values = [part.after[count] for part in every if count in part.after]
        return float(np.mean(values)) if values else None

    return {
        "top1_accuracy": accuracy,
        "error": 1 - accuracy,
        "average_accuracy_after_first_adaptation_step": after(1),
        "accuracy_after_3": after(3),
        "per_corruption": {name: float(bits.mean()) for name, bits in correct.items()},
        "correct": {name: [base64.b64encode(np.packbits(row).tobytes()).decode() for row in bits] for name, bits in correct.items()},
        "images_per_corruption": {name: bits.shape[1] for name, bits in correct.items()},
        "corruptions": names,
        "seeds": list(found),
        "confusion_matrix": sum(part.confusion for part in every).tolist(),
        "class_names": class_names(cfg),
        "forwards": sum(adapter.forwards for adapter in adapters),
        "backwards": sum(adapter.backwards for adapter in adapters),
        "updates": sum(adapter.updates for adapter in adapters),
        "batches": len(latencies),
        "latency_p50_ms": float(1000 * np.percentile(latencies, 50)),
        "latency_p95_ms": float(1000 * np.percentile(latencies, 95)),
        "images_per_second": float(sum(bits.size for bits in correct.values()) / latencies.sum()),
        "peak_memory_mb": peak_memory(),
        "bn_drift": float(np.mean([part.drift for part in every])),
        "data_origin": ", ".join(sorted({part.origin for part in every})),
        "protocol": protocol(cfg),
    }


def peak_memory() -> float:
    """The most memory that was held, in megabytes.

    Of the accelerator if there is one, else of this process.
    """
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 1e6)
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6)


# ---------------------------------------------------------------------------------------------------------------------- the run


def choose_device(cfg: DictConfig) -> torch.device:
    """The device of `device`, with the threads of `threads`."""
    if cfg.device not in ("auto", "cpu", "cuda") or (cfg.device == "cuda" and not torch.cuda.is_available()):
        raise TrainError(f"device is {cfg.device!r}; it must be auto, cpu, or cuda where PyTorch finds it.")
    if cfg.threads is not None:
        torch.set_num_threads(cfg.threads)
    return torch.device("cuda" if cfg.device != "cpu" and torch.cuda.is_available() else "cpu")


def lower_to_trial(cfg: DictConfig) -> None:
    """Leave in the config just as much as a trial has time for.

    A trial shows that the code runs, and measures nothing.
    """
    cfg.wandb.mode = "disabled"
    cfg.run.dataset.corruption_types = evaluation_corruptions(cfg)[:TRIAL_CORRUPTIONS]
    for section in (cfg.run.dataset, cfg.source[cfg.run.dataset.name]):
        section.batch_size = min(whole(section.batch_size, "batch_size", 1), TRIAL_IMAGES)


def train(cfg: DictConfig) -> None:
    """Do the whole run."""
    if cfg.trial_mode:
        lower_to_trial(cfg)
    device, started = choose_device(cfg), time.perf_counter()
    method_settings(cfg, {})  # what is wrong with it is said before anything is trained
    seeds = [cfg.run.seed] if cfg.source.seeds is None else list(cfg.source.seeds)
    sources = [source_model(cfg, seed, device) for seed in seeds]
    clean = [clean_accuracy(cfg, source, device) for source in sources]
    wandb.init(
        entity=cfg.wandb.entity,
        project=cfg.wandb.project,
        id=cfg.run.run_id,
        name=cfg.run.run_id,
        mode=cfg.wandb.mode,
        config=OmegaConf.to_container(cfg, resolve=True),
    )
    precision = choose_precision(cfg, sources[0], device)
    sources = [fast(source, precision) for source in sources]
    best, value = search(cfg, sources[0], device) if cfg.run.optuna.enabled and not cfg.trial_mode else ({}, None)
    settings = method_settings(cfg, best)
    found, adapters = {}, [Adapter(source, settings) for source in sources]
    for seed, adapter in zip(seeds, adapters, strict=True):
        found[seed] = stream(cfg, adapter, seed, device)
    summary = summarise(cfg, found, adapters)
    wandb.summary.update(
        summary
        | {
            "clean_accuracy": None if None in clean else float(np.mean(clean)),
            "precision": precision,
            "best_parameters": best or None,
            "search_value": value,
            "seconds": time.perf_counter() - started,
        }
    )
    wandb.finish()
    accuracy, count = 100 * summary["top1_accuracy"], len(summary["corruptions"])
    print(f"{cfg.run.run_id}: {accuracy:.2f} % right on {count} corruptions ({summary['data_origin']})")


@hydra.main(version_base="1.3", config_path="../config", config_name="config")
def main(cfg: DictConfig) -> None:
    """Do the run, or say in one sentence why it can't be done."""
    try:
        train(cfg)
    except (DataError, ModelError, TrainError, wandb.Error, OSError) as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        sys.exit(f"cw-tent: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
