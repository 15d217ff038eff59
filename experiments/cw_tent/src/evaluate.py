"""Compare finished runs: `python -u -m src.evaluate results_dir=<path> run_ids='["a","b"]'`.

Everything about a run is asked of W&B, once; nothing is read that training may have left on a disk, and nothing is made up: a run that is
missing, unfinished or incomplete is named, together with what it lacks, and the others are still evaluated (exit code 1 at the end).

The methods see the same images, so all tests are paired. The unit that is resampled is the *image*: the same image recurs in every
corruption, and several seeds only repeat it in another order. Neither is more data.
"""

import base64
import binascii
import csv
import io
import itertools
import json
import math
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import wandb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from scipy.stats import binomtest, rankdata
from wandb.errors import Error as WandbError

Floats = NDArray[np.float64]

USAGE = """usage: python -u -m src.evaluate results_dir=<path> run_ids='["a","b"]' [wandb.entity=<name>] [wandb.project=<name>]"""
OPTIONAL_ARGUMENTS = ("wandb.entity", "wandb.project")

# What the claims are judged by, stated before any number is seen.
MARGIN_POINTS = 0.5  # "A matches B": A may be worse by less than this, in points of accuracy
ALPHA = 0.05  # two-sided; one-sided tests use half of it, so that a test and its 95 % interval say the same
RESAMPLES = 10_000
BOOTSTRAP_SEED = 20_240_501

# Drawing is spread over processes from so many runs for each on.
RUNS_PER_PROCESS = 3

# W&B's service has to give up by itself, before its client stops waiting for it: it then tells the reason, and a request that the client
# takes back can leave both waiting for each other at exit (wandb 0.31: 18 of 150 processes, 0 of 200 that waited for the answer).
RETRIES = 3
REQUEST_SECONDS = 20
GIVE_UP_SECONDS = 120  # four requests and the pauses between them, with room for a slow machine

PRIMARY = "top1_accuracy"
AFTER_FIRST = "average_accuracy_after_first_adaptation_step"
AFTER_THIRD = "accuracy_after_3"
HISTORY_NEEDED = ("seed", "corruption_index", "batch", "images_seen", "batch_accuracy", "running_accuracy", "backwards")
HISTORY_KEPT = (*HISTORY_NEEDED, "loss", "weight_sum", "entropy", "bn_drift", "corruption_accuracy", "step_latency_ms")
SUMMARY_NUMBERS = (
    PRIMARY,
    "clean_accuracy",
    "forwards",
    "backwards",
    "updates",
    "images",
    "images_per_second",
    "latency_p50_ms",
    "latency_p95_ms",
)
# These may be null or absent for a good reason (nothing was searched, nothing adapted, the platform can't tell); null is then reported.
SUMMARY_MAYBE = (
    AFTER_FIRST,
    AFTER_THIRD,
    "source_accuracy_floor",
    "skipped_updates",
    "bn_drift",
    "peak_memory_mb",
    "search_value",
    "streams_at_once",
    "seconds",
)
SUMMARY_OTHER = (
    "per_corruption",
    "confusion_matrix",
    "class_names",
    "correct",
    "corruptions",
    "seeds",
    "data_origin",
    "predict",
    "protocol",
    "precision",
)

METHODS = {"source": "Source", "bn": "BN", "tent": "TENT", "cw-tent": "CW-TENT", "cw-tent-undetached": "CW-TENT, undetached"}
PROPOSED = ("cw-tent", "cw-tent-undetached")
DATASETS = {"cifar10c": "CIFAR-10-C", "digitsc": "Digits-C"}
PROTOCOLS = {"reset": "reset per corruption", "continual": "continual", "episodic": "reset per batch"}

# The palette of Okabe and Ito (2008), told apart by the colour-blind; markers and dashes differ as well, for print in grey.
LOOKS = {
    "source": ("#6e6e6e", "s", (0, (1, 1.2))),
    "bn": ("#e69f00", "D", (0, (4, 1.5))),
    "tent": ("#0072b2", "o", "-"),
    "cw-tent": ("#d55e00", "^", "-"),
    "cw-tent-undetached": ("#cc79a7", "v", (0, (5, 1, 1, 1))),
}
TENT_SHADES = ("#0072b2", "#009e73", "#56b4e9", "#003f66")
INK, PALE = "#222222", "#d9d9d9"
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
COLUMN = 3.35  # inches, one column of a two-column paper
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so a figure is the same on every machine
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.dpi": 220,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


class UsageError(Exception):
    """The command was not understood: one sentence, exit code 2."""


class EvaluationError(Exception):
    """Nothing can be evaluated at all, whatever the run: one sentence, exit code 1."""


class RunError(Exception):
    """One run can't be evaluated: the rest of the sentence that starts with its name."""


# ---------------------------------------------------------------------------------------------------------------- the command


@dataclass(frozen=True)
class Command:
    """What the command line asks for."""

    results_dir: Path
    run_ids: list[str]
    entity: str | None
    project: str | None


def parse_command(arguments: Sequence[str]) -> Command:
    """Read `key=value` arguments in any order.

    Raises:
        UsageError: Something is missing, unknown, given twice or not what it should be.
    """
    values: dict[str, str] = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign or key not in ("results_dir", "run_ids", *OPTIONAL_ARGUMENTS):
            raise UsageError(f"{argument!r} is not understood; {USAGE}")
        if key in values:
            raise UsageError(f"{key} is given twice; {USAGE}")
        if not value:
            raise UsageError(f"{key} is empty; {USAGE}")
        values[key] = value
    for key in ("results_dir", "run_ids"):
        if key not in values:
            raise UsageError(f"{key} is missing; {USAGE}")
    return Command(Path(values["results_dir"]), parse_run_ids(values["run_ids"]), values.get("wandb.entity"), values.get("wandb.project"))


def parse_run_ids(text: str) -> list[str]:
    """Read a JSON list of run ids, each of which can be the name of a folder.

    Raises:
        UsageError: It is no such list, or an id is there twice, or can't be the name of a run's folder.
    """
    try:
        run_ids = json.loads(text)
    except ValueError as error:
        raise UsageError(f"run_ids is not valid JSON ({error}): {text!r}; {USAGE}") from None
    if not isinstance(run_ids, list) or not run_ids or not all(isinstance(run_id, str) and run_id.strip() for run_id in run_ids):
        raise UsageError(f"run_ids must be a JSON list of at least one run id, not {text!r}; {USAGE}")
    for run_id, times in Counter(run_ids).items():
        if times > 1:
            raise UsageError(f"run_ids names {run_id!r} {times} times")
        if run_id in (".", "..", "comparison") or not re.fullmatch(r"[^/\\\x00-\x1f]{1,200}", run_id):
            raise UsageError(f"run id {run_id!r} can't be the name of the run's folder in results_dir")
    return run_ids


def find_config() -> Path:
    """Return config/config.yaml beside this file's folder, or in the working folder.

    Raises:
        EvaluationError: There is none.
    """
    folders = (Path(__file__).resolve().parents[1], Path.cwd())
    paths = [folder / "config" / "config.yaml" for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    raise EvaluationError(f"config/config.yaml, which names W&B's entity and project, is neither at {paths[0]} nor at {paths[1]}")


def project_path(command: Command) -> str:
    """Return `entity/project`: the command line's, else those of config.yaml, else (where that has null) those of the environment.

    Raises:
        EvaluationError: The project or the entity is nowhere.
    """
    path = find_config()
    try:
        section = OmegaConf.load(path).wandb
        entity, project = command.entity or section.entity, command.project or section.project
    except (OmegaConfBaseException, AttributeError, OSError) as error:
        raise EvaluationError(f"{path} does not say wandb.entity and wandb.project: {error}") from None
    entity, project = entity or os.environ.get("WANDB_ENTITY"), project or os.environ.get("WANDB_PROJECT")
    if not entity or not project:
        raise EvaluationError(f"neither {path} nor WANDB_ENTITY and WANDB_PROJECT say which W&B entity and project the runs are in")
    return f"{entity}/{project}"


# ---------------------------------------------------------------------------------------------------------------- reading runs


@dataclass(frozen=True)
class Run:
    """A finished run as W&B has it, checked.

    Attributes:
        method: One of METHODS.
        steps: Updates for each batch: those that were searched for, else those of the config; 0 without adaptation.
        batch_size: Images in a batch.
        correct: For each corruption whether an image was right, booleans of shape (seeds, images), in file order.
        history: Columns of equal length, one entry for each batch that was logged, in stream order; NaN where a row has no such number.
        numbers: Numbers of the summary; None where the run has none for a good reason.
        conditions: What must be equal for two runs to have seen the same: by name.
        confusion: Counts, rows are true classes.
    """

    run_id: str
    method: str
    steps: int
    batch_size: int
    seeds: list[int]
    corruptions: list[str]
    correct: list[NDArray[np.bool_]]
    history: dict[str, Floats]
    numbers: dict[str, float | None]
    conditions: dict[str, Any]
    confusion: NDArray[np.int64]
    class_names: list[str]
    config: dict[str, Any]
    best_parameters: dict[str, Any] | None
    precision: str
    url: str

    def number(self, name: str) -> float:
        """A number that every run has."""
        value = self.numbers[name]
        if value is None:
            raise RunError(f"has no {name}")
        return value

    @property
    def accuracy(self) -> float:
        """Share of the images that were right, over all corruptions and seeds."""
        return float(np.mean(self.accuracies))

    @property
    def accuracies(self) -> Floats:
        """The same for each corruption."""
        return np.array([bits.mean() for bits in self.correct])

    @property
    def batches(self) -> int:
        """Batches of the whole stream, over all seeds; not all of them need to have been logged (training.log_interval)."""
        return int(batches_of_streams(self.history).sum())

    @property
    def places(self) -> Floats:
        """For each entry of the history its batch's number in the stream of its seed, from 1."""
        lengths, starts = batches_of_streams(self.history), stream_starts(self.history)
        places = np.empty(len(self.history["batch"]))
        before = 0
        for length, start, stop in zip(lengths, starts, [*starts[1:], len(places)], strict=True):
            if start and self.history["seed"][start] != self.history["seed"][start - 1]:
                before = 0
            places[start:stop] = before + self.history["batch"][start:stop] + 1
            before += int(length)
        return places

    @property
    def backwards_per_image(self) -> float:
        """Backward passes that an image goes through: those of its batch."""
        return self.number("backwards") / self.batches


def stream_starts(history: dict[str, Floats]) -> list[int]:
    """The first entry of each stream: of one corruption with one seed."""
    new = (np.diff(history["corruption_index"]) != 0) | (np.diff(history["seed"]) != 0)
    return [0, *(np.flatnonzero(new) + 1).tolist()]


def batches_of_streams(history: dict[str, Floats]) -> NDArray[np.int64]:
    """The batches of each stream, the last of which is always logged."""
    ends = [*stream_starts(history)[1:], len(history["batch"])]
    return history["batch"][np.array(ends) - 1].astype(np.int64) + 1


def unpack_bits(text: Any, count: int) -> NDArray[np.bool_]:
    """Return `count` booleans from base64 of `np.packbits`.

    Raises:
        ValueError: The text is not base64, has another length, or bits are set after the last one.
    """
    if not isinstance(text, str):
        raise ValueError("it is not text")
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"it is not base64 ({error})") from None
    if len(packed) != -(-count // 8):
        raise ValueError(f"it holds {len(packed)} bytes where {count} images need {-(-count // 8)}")
    bits = np.unpackbits(packed).astype(bool)
    if bits[count:].any():
        raise ValueError(f"bits are set after the {count} images")
    return bits[:count]


def is_number(value: Any) -> bool:
    """Whether it is a finite number (JSON has no NaN; W&B writes it as a text)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def look_up(config: dict[str, Any], name: str) -> Any:
    """Return `config["a"]["b"]` for `a.b`.

    Raises:
        RunError: The run's config has no such key.
    """
    value: Any = config
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise RunError(f"has no {name} in its W&B config")
        value = value[key]
    return value


def read_run(api: wandb.Api, project: str, run_id: str) -> Run:
    """Ask W&B for a run: one request for the run and one scan of its history.

    Raises:
        RunError: It isn't there, isn't finished, or lacks something; the text says what.
    """
    try:
        found = api.run(f"{project}/{run_id}")
        state = found.state
        if state != "finished":
            states = {"running": "is still running", "crashed": "has crashed", "failed": "has failed", "killed": "was killed"}
            raise RunError(f"{states.get(state, f'is {state}')}, so it has no result yet")
        config, summary = plain(dict(found.config)), plain(dict(found.summary))
        rows = [dict(row) for row in found.scan_history()]
    except (WandbError, ValueError, OSError) as error:
        text = first_words(error)
        if "could not find run" in text.lower() or "not found" in text.lower():
            raise RunError(f"does not exist in the W&B project {project}") from None
        raise RunError(f"could not be read from W&B: {text}") from None
    return checked_run(run_id, config, summary, rows, str(found.url))


def first_words(error: Exception) -> str:
    """Return on one line what W&B says of a failed request, without its repetitions."""
    return " ".join(str(error).split()).partition(" while retrying: ")[0][:300]


def plain(value: Any) -> Any:
    """Turn the client's own mappings into dicts and lists."""
    if hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def checked_run(run_id: str, config: dict[str, Any], summary: dict[str, Any], rows: list[dict[str, Any]], url: str) -> Run:
    """Check what W&B has of a run and hold its parts against each other.

    Raises:
        RunError: Something is missing or contradicts something else.
    """
    missing = [name for name in (*SUMMARY_NUMBERS, *SUMMARY_OTHER) if name not in summary]
    if missing:
        raise RunError(f"lacks in its summary: {', '.join(missing)}")
    method = look_up(config, "run.method")
    if method not in METHODS:
        raise RunError(f"has the unknown run.method {method!r}; known are {', '.join(METHODS)}")
    numbers = summary_numbers(summary)
    corruptions, seeds = summary["corruptions"], summary["seeds"]
    if not isinstance(corruptions, list) or not corruptions or not isinstance(seeds, list) or not seeds:
        raise RunError("has no corruptions or no seeds in its summary")
    correct = [correct_bits(summary, str(name), len(seeds)) for name in corruptions]
    history = read_history(rows, len(corruptions), len(seeds), adapts=numbers["updates"] != 0)
    best = summary.get("best_parameters") or None
    run = Run(
        run_id=run_id,
        method=method,
        steps=inner_steps(method, config, best),
        batch_size=int(look_up(config, "run.dataset.batch_size")),
        seeds=seeds,
        corruptions=[str(name) for name in corruptions],
        correct=correct,
        history=history,
        numbers=numbers,
        conditions=conditions(config, summary, correct),
        confusion=confusion_matrix(summary),
        class_names=[str(name) for name in summary["class_names"]],
        config=config,
        best_parameters=best,
        precision=str(summary["precision"]),
        url=url,
    )
    check_agreement(run, summary)
    return run


def summary_numbers(summary: dict[str, Any]) -> dict[str, float | None]:
    """Return the numbers of a summary.

    Raises:
        RunError: One that is needed is no finite number.
    """
    for name in SUMMARY_NUMBERS:
        if not is_number(summary[name]):
            raise RunError(f"has {summary[name]!r} as {name} in its summary, which is no number")
    for name in SUMMARY_MAYBE:
        if summary.get(name) is not None and not is_number(summary[name]):
            raise RunError(f"has {summary[name]!r} as {name} in its summary, which is neither a number nor null")
    if summary["updates"] and AFTER_FIRST not in summary:
        raise RunError(f"lacks in its summary: {AFTER_FIRST}")
    return {name: summary.get(name) for name in (*SUMMARY_NUMBERS, *SUMMARY_MAYBE)}


def correct_bits(summary: dict[str, Any], corruption: str, seeds: int) -> NDArray[np.bool_]:
    """Return whether each image of a corruption was right, shape (seeds, images).

    Raises:
        RunError: The bits or the count of images are missing, or do not fit each other.
    """
    entry = summary["per_corruption"].get(corruption) if isinstance(summary["per_corruption"], dict) else None
    if not isinstance(entry, dict) or not is_number(entry.get("accuracy")) or not is_number(entry.get("images")) or entry["images"] < 1:
        raise RunError(f"lacks in its summary: per_corruption.{corruption} with accuracy and images")
    texts = summary["correct"].get(corruption) if isinstance(summary["correct"], dict) else None
    if texts is None:
        raise RunError(f"lacks in its summary: correct.{corruption}")
    texts = texts if isinstance(texts, list) else [texts]
    if len(texts) != seeds:
        raise RunError(f"has correct.{corruption} for {len(texts)} of its {seeds} seeds")
    try:
        bits = np.stack([unpack_bits(text, int(entry["images"])) for text in texts])
    except ValueError as error:
        raise RunError(f"has an unreadable correct.{corruption} in its summary: {error}") from None
    if not math.isclose(bits.mean(), entry["accuracy"], abs_tol=1e-5):
        raise RunError(f"contradicts itself: {corruption} has accuracy {entry['accuracy']:.5f}, its bits say {bits.mean():.5f}")
    return bits


def confusion_matrix(summary: dict[str, Any]) -> NDArray[np.int64]:
    """Return the confusion matrix of a summary.

    Raises:
        RunError: It is not square, holds something else than counts, or does not fit the names of the classes.
    """
    try:
        matrix = np.array(summary["confusion_matrix"], dtype=np.float64)
    except (TypeError, ValueError):
        raise RunError("has a confusion_matrix in its summary that is no table of numbers") from None
    classes = len(summary["class_names"]) if isinstance(summary["class_names"], list) else 0
    if matrix.shape != (classes, classes) or not classes or not np.isfinite(matrix).all() or (matrix < 0).any():
        raise RunError(f"has a confusion_matrix of shape {matrix.shape} for {classes} class_names, or with impossible counts")
    return matrix.astype(np.int64)


def inner_steps(method: str, config: dict[str, Any], best: dict[str, Any] | None) -> int:
    """Return the updates for each batch: a search may have chosen others than the config has."""
    if method in ("source", "bn"):
        return 0
    steps = look_up(config, "run.training.inner_steps")
    if isinstance(best, dict):
        steps = next((value for key, value in best.items() if key.rpartition(".")[2] == "inner_steps"), steps)
    if not is_number(steps) or steps < 1:
        raise RunError(f"has {steps!r} as inner_steps")
    return int(steps)


def conditions(config: dict[str, Any], summary: dict[str, Any], correct: list[NDArray[np.bool_]]) -> dict[str, Any]:
    """Return what two runs must share for their images to be paired."""
    return {
        "dataset": look_up(config, "run.dataset.name"),
        "data origin": summary["data_origin"],
        "severity": look_up(config, "run.dataset.corruption_severity"),
        "split": look_up(config, "run.dataset.split"),
        "corruptions": list(summary["corruptions"]),
        "images per corruption": [bits.shape[1] for bits in correct],
        "batch size": look_up(config, "run.dataset.batch_size"),
        "last batch": look_up(config, "stream.last_batch"),
        "order": look_up(config, "stream.order"),
        "protocol": summary["protocol"],
        "predict": summary["predict"],
        "model": look_up(config, "run.model.name"),
        "checkpoint": look_up(config, "run.model.pretrained_checkpoint"),
    }


def read_history(rows: list[dict[str, Any]], corruptions: int, seeds: int, *, adapts: bool) -> dict[str, Floats]:
    """Return the history as columns, one entry for each batch that was logged, in the order of the stream.

    A run that was started again may have logged a batch twice: the later row counts.

    Raises:
        RunError: A metric, a corruption or a seed is missing, or the count of backward passes decreases.
    """
    logged = {name for row in rows for name, value in row.items() if is_number(value)}
    needed = (*HISTORY_NEEDED, "corruption_accuracy", *(["loss"] if adapts else []))
    missing = [name for name in needed if name not in logged]
    if missing:
        raise RunError(f"never logged: {', '.join(missing)}")
    by_batch: dict[tuple[float, ...], dict[str, Any]] = {}
    for row in rows:
        if all(is_number(row.get(name)) for name in HISTORY_NEEDED):
            by_batch[row["seed"], row["corruption_index"], row["batch"]] = row
    batches = list(by_batch.values())
    history = {
        name: np.array([row[name] if is_number(row.get(name)) else np.nan for row in batches]) for name in HISTORY_KEPT if name in logged
    }
    streams = set(zip(history["seed"], history["corruption_index"], strict=True))
    if len(streams) != corruptions * seeds:
        raise RunError(f"logged batches of {len(streams)} streams, not of {corruptions} corruptions with {seeds} seed(s) each")
    ends = int(np.isfinite(history["corruption_accuracy"]).sum())
    if ends != len(streams):
        raise RunError(f"logged corruption_accuracy for {ends} of its {len(streams)} streams")
    if (np.diff(history["backwards"]) < 0).any():
        raise RunError("logged a count of backwards that decreases: it should run on over the whole stream")
    return history


def check_agreement(run: Run, summary: dict[str, Any]) -> None:
    """Hold summary, history and bits against each other.

    Raises:
        RunError: They tell different stories, so none of them can be trusted.
    """
    images = sum(bits.size for bits in run.correct)
    share = sum(int(bits.sum()) for bits in run.correct) / images
    if not math.isclose(share, run.number(PRIMARY), abs_tol=1e-5):
        raise RunError(f"contradicts itself: {PRIMARY} is {run.number(PRIMARY):.5f}, its bits say {share:.5f}")
    ends = np.isfinite(run.history["corruption_accuracy"])
    for index, name in enumerate(run.corruptions):
        logged = run.history["corruption_accuracy"][ends & (run.history["corruption_index"] == index)]
        if not len(logged) or not math.isclose(logged.mean(), summary["per_corruption"][name]["accuracy"], abs_tol=1e-5):
            raise RunError(f"contradicts itself: the history and the summary differ in the accuracy on {name}")
    if run.history["backwards"][-1] != run.number("backwards"):
        last = int(run.history["backwards"][-1])
        raise RunError(f"contradicts itself: {int(run.number('backwards'))} backward passes in the summary, {last} in the history")


# ---------------------------------------------------------------------------------------------------------------- statistics


def mcnemar(first: Floats, second: Floats) -> dict[str, Any]:
    """McNemar's exact test: do two methods differ in which images they get right?

    Sources: McNemar, Psychometrika 12 (1947); exact form: Edwards, Psychometrika 13 (1948); for classifiers: Dietterich, Neural Computation
    10 (1998). The odds ratio of the discordant pairs has the interval of Clopper and Pearson, Biometrika 26 (1934), for their share.

    Args:
        first: Share of the seeds in which an image was right, shape (images,); 0 or 1 with one seed. With several it is the exact
            sign test over the images (Dixon and Mood, JASA 41 (1946)), which McNemar's test is for one seed.
        second: The same of the other method.
    """
    only_first, only_second = int((first > second).sum()), int((first < second).sum())
    discordant = only_first + only_second
    result: dict[str, Any] = {"images": len(first), "only_first_right": only_first, "only_second_right": only_second}
    if not discordant:
        # The data are then as likely as can be if the methods are equal.
        return result | {"p_value": 1.0, "odds_ratio": None, "odds_ratio_low": None, "odds_ratio_high": None}
    test = binomtest(only_first, discordant)
    interval = test.proportion_ci(1 - ALPHA, method="exact")
    return result | {
        "p_value": float(test.pvalue),
        # null: infinite, since the other method was never alone in being right
        "odds_ratio": only_first / only_second if only_second else None,
        "odds_ratio_low": float(interval.low / (1 - interval.low)),
        "odds_ratio_high": float(interval.high / (1 - interval.high)) if interval.high < 1 else None,
    }


def wilcoxon(differences: Floats) -> dict[str, Any]:
    """Wilcoxon's signed-rank test over corruptions, exact also with ties.

    Sources: Wilcoxon, Biometrics Bulletin 1 (1945); over data sets: Demšar, JMLR 7 (2006); effect size (matched-pairs rank-biserial
    correlation): Kerby, Comprehensive Psychology 3 (2014). The null distribution of the rank sum is counted out over all signs (ranks
    doubled, so that those of ties are whole numbers); corruptions without a difference are left out, as in the original.

    Args:
        differences: First minus second method, one for each corruption.

    Returns:
        The test, or the reason why there is none under "left_out".
    """
    differences = np.round(differences, 12)
    differences = differences[differences != 0]
    if len(differences) < 2:
        return {"left_out": f"only {len(differences)} corruption(s) with a difference: a rank test needs at least 2"}
    ranks = np.round(2 * rankdata(np.abs(differences))).astype(int)
    ways = np.ones(1)
    for rank in ranks:
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    ways /= ways.sum()
    positive, total = int(ranks[differences > 0].sum()), int(ranks.sum())
    p_value = 2 * min(ways[: positive + 1].sum(), ways[positive:].sum())
    return {
        "corruptions": len(differences),
        "statistic": min(positive, total - positive) / 2,
        "p_value": float(min(1.0, p_value)),
        "smallest_possible_p_value": float(2.0 ** (1 - len(differences))),
        "rank_biserial": (2 * positive - total) / total,
    }


def rank_biserial(differences: Floats) -> Floats:
    """The effect size of `wilcoxon` for each row of differences, shape (rows, corruptions); 0 for a row without any difference."""
    differences = np.round(differences, 12)
    ranks = rankdata(np.where(differences == 0, np.inf, np.abs(differences)), axis=1) * (differences != 0)
    return (ranks * np.sign(differences)).sum(axis=1) / np.maximum(ranks.sum(axis=1), 1)


def bootstrap(scores: Floats, resamples: int = RESAMPLES, seed: int = BOOTSTRAP_SEED) -> Floats:
    """Means over resampled images, all columns with the same images.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 6, 8 and 13. An image is drawn with all its
    columns, that is with all corruptions and methods, since its results in these depend on each other.

    Args:
        scores: Shape (images, columns).

    Returns:
        Shape (resamples, columns).
    """
    images = len(scores)
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, scores.shape[1]))
    at_once = max(1, 2_000_000 // images)
    table = np.ascontiguousarray(scores, dtype=np.float32)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = generator.integers(images, size=(count, images)) + images * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * images).reshape(count, images)
        means[start : start + count] = weights.astype(np.float32) @ table / images
    return means


def interval(draws: Floats) -> tuple[float, float]:
    """The percentile interval at 1 − ALPHA (Efron and Tibshirani 1993, chapter 13)."""
    low, high = np.quantile(draws, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def estimate(value: float, draws: Floats) -> dict[str, float]:
    """A value with its bootstrap interval."""
    low, high = interval(draws)
    return {"estimate": float(value), "low": low, "high": high}


def one_sided_p(draws: Floats, bound: float) -> float:
    """The p-value of "not above the bound", from where the bound lies in the bootstrap distribution.

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), sections 4.2 and 5.4; one is added to numerator and
    denominator, so that it is never 0.
    """
    return (1 + int((draws <= bound).sum())) / (len(draws) + 1)


def two_sided_p(draws: Floats) -> float:
    """The p-value of "no difference", from the same."""
    return min(1.0, 2 * min(one_sided_p(draws, 0.0), one_sided_p(-draws, 0.0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of a family of tests. Source: Holm, Scandinavian Journal of Statistics 6 (1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def cohens_h(first: Floats, second: Floats) -> Floats:
    """Effect size of two shares. Source: Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 6."""
    return 2 * np.arcsin(np.sqrt(np.clip(first, 0, 1))) - 2 * np.arcsin(np.sqrt(np.clip(second, 0, 1)))


# ---------------------------------------------------------------------------------------------------------------- comparing runs


@dataclass
class Group:
    """Runs that saw the same images under the same conditions, so that they can be compared image by image.

    Attributes:
        name: For file names.
        title: For people.
        labels: A short name for each run id, none twice.
        draws: Bootstrapped accuracies, shape (resamples, runs, corruptions); None where images can't be resampled.
        left_out: What could not be tested and why.
    """

    name: str
    title: str
    runs: list[Run]
    labels: dict[str, str]
    draws: Floats | None = None
    pairs: list[dict[str, Any]] = field(default_factory=list)
    non_inferiority: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def drawn(self, run: Run) -> Floats:
        """Bootstrapped accuracies of a run over all corruptions, shape (resamples,)."""
        if self.draws is None:
            raise RuntimeError("asked for resamples of a group that has none")
        return self.draws[:, self.runs.index(run)].mean(axis=1)

    def spread(self, run: Run) -> tuple[float, float] | None:
        """The interval of a run's accuracy, if there is one."""
        return interval(self.drawn(run)) if self.draws is not None else None


def group_runs(runs: list[Run]) -> list[Group]:
    """Put the runs that can be compared into groups, in the order in which they were asked for."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(run.conditions, sort_keys=True, default=str), []).append(run)
    groups: list[Group] = []
    for members in found.values():
        members = sorted(members, key=lambda run: (list(METHODS).index(run.method), run.steps))
        name = group_name(members[0].conditions, {group.name for group in groups})
        groups.append(Group(name, group_title(members[0].conditions), members, short_labels(members)))
    for group in groups:
        resample(group)
    return groups


def group_name(conditions: dict[str, Any], taken: set[str]) -> str:
    """A name for files that no other group has."""
    name = safe_name(f"{conditions['dataset']}-b{conditions['batch size']}-{conditions['protocol']}")
    candidates = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def group_title(conditions: dict[str, Any]) -> str:
    """What a reader must know of the conditions."""
    data = DATASETS.get(conditions["dataset"], str(conditions["dataset"]))
    origin = " (regenerated)" if conditions["data origin"] == "regenerated" else ""
    return f"{data}{origin}, batch {conditions['batch size']}, {PROTOCOLS.get(conditions['protocol'], conditions['protocol'])}"


def short_labels(runs: list[Run]) -> dict[str, str]:
    """A short name for each run: its method, its steps where they matter, and what tells it apart from another run of the same name."""
    labels = {run.run_id: method_label(run) for run in runs}
    for label, times in Counter(labels.values()).items():
        twins = [run for run in runs if labels[run.run_id] == label] if times > 1 else []
        for number, run in enumerate(twins, 1):
            own = {
                "lr ": "run.training.learning_rate",
                "": "run.training.optimizer",
                "momentum ": "run.training.momentum",
                "seed ": "run.seed",
            }
            told = [
                f"{word}{look_up(run.config, key)}"
                for word, key in own.items()
                if len({str(look_up(twin.config, key)) for twin in twins}) > 1
            ]
            labels[run.run_id] = f"{label} ({', '.join(told)})" if told else f"{label} #{number}"
        for number, run in enumerate(twins, 1):
            if sum(entry == labels[run.run_id] for entry in labels.values()) > 1:
                labels[run.run_id] += f" #{number}"
    return labels


def method_label(run: Run) -> str:
    """TENT always says its steps, CW-TENT where it takes more than the one step of its claim."""
    if run.method == "tent" or run.steps > 1:
        return f"{METHODS[run.method]}-{run.steps}"
    return METHODS[run.method]


def image_scores(run: Run) -> Floats:
    """Share of the seeds in which an image was right, shape (images, corruptions)."""
    return np.stack([bits.mean(axis=0) for bits in run.correct], axis=1)


def resample(group: Group) -> None:
    """Bootstrap all runs of a group at once, or say why not."""
    counts = {bits.shape[1] for run in group.runs for bits in run.correct}
    if len(counts) > 1:
        group.left_out.append("bootstrap by image: the corruptions differ in their number of images, so none recurs in all")
        return
    if counts == {1}:
        group.left_out.append("bootstrap by image: there is one image only")
        return
    columns = bootstrap(np.concatenate([image_scores(run) for run in group.runs], axis=1))
    group.draws = columns.reshape(RESAMPLES, len(group.runs), -1)


def compare_pair(group: Group, first: Run, second: Run) -> dict[str, Any]:
    """Compare two runs of a group: first against second, positive where the first is better."""
    names = {"first": first.run_id, "second": second.run_id, "labels": [group.labels[first.run_id], group.labels[second.run_id]]}
    gap = first.accuracy - second.accuracy
    result: dict[str, Any] = {
        **names,
        "gap_points": 100 * gap,
        "improvement_rate_percent": 100 * gap / second.accuracy if second.accuracy else None,
        "error_reduction_percent": 100 * gap / (1 - second.accuracy) if second.accuracy < 1 else None,
        "gap_points_per_corruption": dict(zip(first.corruptions, (100 * (first.accuracies - second.accuracies)).tolist(), strict=True)),
        "mcnemar": {
            name: mcnemar(one.mean(axis=0), other.mean(axis=0))
            for name, one, other in zip(first.corruptions, first.correct, second.correct, strict=True)
        },
    }
    if len(first.corruptions) < 2:
        result["wilcoxon"] = {"left_out": "there is one corruption only"}
    else:
        result["wilcoxon"] = wilcoxon(first.accuracies - second.accuracies)
    if group.draws is not None:
        result |= bootstrap_pair(group, first, second, result["wilcoxon"])
    return result


def bootstrap_pair(group: Group, first: Run, second: Run, ranks: dict[str, Any]) -> dict[str, Any]:
    """The difference of two runs and its effect sizes, each with the interval of the bootstrap by image."""
    if group.draws is None:
        raise RuntimeError("asked for resamples of a group that has none")
    one, other = group.drawn(first), group.drawn(second)
    sizes = {
        "difference_points": estimate(100 * (first.accuracy - second.accuracy), 100 * (one - other)),
        "cohens_h": estimate(float(cohens_h(np.array(first.accuracy), np.array(second.accuracy))), cohens_h(one, other)),
    }
    if "rank_biserial" in ranks:
        differences = group.draws[:, group.runs.index(first)] - group.draws[:, group.runs.index(second)]
        sizes["rank_biserial"] = estimate(ranks["rank_biserial"], rank_biserial(differences))
    return {"effect_sizes": sizes, "bootstrap": {"resamples": RESAMPLES, "p_value": two_sided_p(one - other)}}


def in_order(first: Run, second: Run) -> tuple[Run, Run]:
    """The proposed method, or else the more elaborate one, comes first."""
    ranks = [(list(METHODS).index(run.method), run.steps) for run in (first, second)]
    if first.method in PROPOSED and second.method in PROPOSED:
        return (first, second) if ranks[0] <= ranks[1] else (second, first)
    return (first, second) if ranks[0] > ranks[1] else (second, first)


def compare_groups(groups: list[Group]) -> None:
    """Fill in all comparisons, then correct each family of tests over all pairs of all groups (for McNemar's: and over all corruptions)."""
    for group in groups:
        if len(group.runs) < 2:
            group.left_out.append("paired tests: there is one run only under these conditions")
        group.pairs = [compare_pair(group, *in_order(*pair)) for pair in itertools.combinations(group.runs, 2)]
        group.non_inferiority = non_inferiority_tests(group)
    pairs = [pair for group in groups for pair in group.pairs]
    families = [
        [pair["bootstrap"] for pair in pairs if "bootstrap" in pair],
        [pair["wilcoxon"] for pair in pairs if "p_value" in pair["wilcoxon"]],
        [test for pair in pairs for test in pair["mcnemar"].values()],
        [test for group in groups for test in group.non_inferiority],
    ]
    for family in families:
        for test, adjusted in zip(family, holm([test["p_value"] for test in family]), strict=True):
            test["p_value_holm"] = adjusted
            test["tests_in_family"] = len(family)


def non_inferiority_tests(group: Group) -> list[dict[str, Any]]:
    """Test "CW-TENT matches TENT with more steps" for every such pair: is the difference above minus the margin?

    Sources: Piaggio et al., JAMA 308 (2012) (CONSORT for non-inferiority); one-sided at ALPHA / 2 as in ICH E9. A difference that is merely
    not significant would show nothing: a small test set never shows one. The control is part of it: where the baseline is itself no better
    than BatchNorm statistics alone, there is nothing to match.
    """
    if group.draws is None:
        return []
    tests = []
    for proposed, baseline in itertools.product(group.runs, group.runs):
        if proposed.method not in PROPOSED or baseline.method != "tent" or baseline.steps <= proposed.steps:
            continue
        draws = 100 * (group.drawn(proposed) - group.drawn(baseline))
        test = {
            "proposed": proposed.run_id,
            "baseline": baseline.run_id,
            "steps": [proposed.steps, baseline.steps],
            "margin_points": MARGIN_POINTS,
            "difference_points": estimate(100 * (proposed.accuracy - baseline.accuracy), draws),
            "p_value": one_sided_p(draws, -MARGIN_POINTS),
            "control": control(group, proposed, baseline),
        }
        tests.append(test)
    return tests


def control(group: Group, proposed: Run, baseline: Run) -> dict[str, Any]:
    """Is the baseline, and is the proposed method, better than BatchNorm statistics alone? And surely by more than the margin?

    A margin that is not smaller than the whole effect of the baseline lets a method pass that has none (ICH E10, 2000, section 1.5.1.1).
    """
    references = [run for run in group.runs if run.method == "bn"]
    if not references:
        return {"left_out": "no run of BatchNorm statistics alone among those compared"}
    reference = max(references, key=lambda run: run.accuracy)
    result: dict[str, Any] = {"reference": reference.run_id}
    for name, run in (("baseline", baseline), ("proposed", proposed)):
        draws = 100 * (group.drawn(run) - group.drawn(reference))
        p_value = one_sided_p(draws, 0.0)
        gain = estimate(100 * (run.accuracy - reference.accuracy), draws)
        result[f"{name}_gain_points"] = gain
        result[f"{name}_p_value"] = p_value
        result[f"{name}_is_better"] = p_value <= ALPHA / 2
    result["margin_is_smaller"] = result["baseline_gain_points"]["low"] > MARGIN_POINTS
    return result


def differing(groups: list[Group]) -> list[str]:
    """Say for each two groups in what their conditions differ."""
    sentences = []
    for one, other in itertools.combinations(groups, 2):
        mine, theirs = one.runs[0].conditions, other.runs[0].conditions
        names = [name for name in mine if mine[name] != theirs[name]]
        told = [f"{name} ({mine[name]} / {theirs[name]})" if not isinstance(mine[name], list) else name for name in names]
        ids = [" and ".join(repr(run.run_id) for run in group.runs) for group in (one, other)]
        sentences.append(f"{ids[0]} differ from {ids[1]} in {', '.join(told)}: no paired test between them")
    return sentences


def doubts(groups: list[Group]) -> list[str]:
    """What makes a comparison doubtful although the images are the same."""
    sentences = []
    for group in groups:
        for name, values in (
            ("clean accuracy, so perhaps in the source model", {run.number("clean_accuracy") for run in group.runs}),
            ("seeds", {json.dumps(run.seeds) for run in group.runs}),
            ("precision", {run.precision for run in group.runs}),
        ):
            if len(values) > 1:
                sentences.append(f"the runs of {group.title} differ in {name} ({', '.join(sorted(map(str, values)))})")
        if group.runs[0].conditions["data origin"] == "regenerated":
            sentences.append(f"{group.title}: the corruptions were made anew, so its numbers don't stand beside published ones")
    return sentences


# ---------------------------------------------------------------------------------------------------------------- verdicts


def verdicts(groups: list[Group]) -> list[dict[str, Any]]:
    """One verdict for each claim: the one of the method (matches TENT with more steps), and better than each baseline."""
    found = []
    for group in groups:
        if not any(run.method in PROPOSED for run in group.runs):
            continue
        found += [matching_verdict(group, test) for test in group.non_inferiority]
        if not group.non_inferiority:
            proposed = [group.labels[run.run_id] for run in group.runs if run.method in PROPOSED]
            reason = " and ".join(group.left_out) or "no TENT run with more steps than CW-TENT was made under these conditions"
            sentence = f"{group.title}: that {' or '.join(proposed)} matches TENT with more steps was not tested: {reason}."
            found.append({"claim": "matches TENT with more steps", "group": group.name, "status": "not tested", "sentence": sentence})
        found += [better_verdict(group, pair) for pair in group.pairs if is_claim(group, pair)]
    return found


def is_claim(group: Group, pair: dict[str, Any]) -> bool:
    """Whether the pair is a proposed method against a baseline, with a test."""
    methods = {run.run_id: run.method for run in group.runs}
    return methods[pair["first"]] in PROPOSED and methods[pair["second"]] not in PROPOSED and "bootstrap" in pair


def percent(value: float) -> str:
    """An accuracy for people."""
    return f"{100 * value:.2f} %"


def points(size: dict[str, float]) -> str:
    """A difference with its interval for people."""
    return f"{signed(size['estimate'])} points (95 % interval {signed(size['low'])} to {signed(size['high'])})"


def signed(value: float, digits: int = 2) -> str:
    """A signed number with a proper minus, and 0 without a sign."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text[1:]


def p_text(value: float) -> str:
    """A p-value for people; two digits, since resampling gives no more."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}" if value < 0.0995 else f"p = {value:.2f}"


def matching_verdict(group: Group, test: dict[str, Any]) -> dict[str, Any]:
    """The verdict on "one CW-TENT step matches TENT with more", with its control."""
    runs = {run.run_id: run for run in group.runs}
    proposed, baseline = runs[test["proposed"]], runs[test["baseline"]]
    names = [group.labels[run.run_id] for run in (proposed, baseline)]
    claim = f"{test['steps'][0]} step(s) of {names[0]} match {test['steps'][1]} of TENT"
    size, shown = test["difference_points"], test["p_value_holm"] <= ALPHA / 2
    if shown:
        status, text = "supported", f"non-inferior at the margin of {MARGIN_POINTS} points"
    elif size["high"] < -MARGIN_POINTS:
        status, text = "refuted", f"worse by more than the margin of {MARGIN_POINTS} points: the claim is wrong"
    else:
        status, text = "undecided", f"not shown to be within {MARGIN_POINTS} points: the data do not support the claim"
    status, check = checked_by_control(group, test["control"], names, status)
    text += ": the claim holds" if status == "supported" else ""
    test["verdict"] = status
    sentence = (
        f"{group.title}: {names[0]} {percent(proposed.accuracy)}, {names[1]} {percent(baseline.accuracy)}, difference {points(size)}; "
        f"{text} "
        f"(one-sided {p_text(test['p_value_holm'])}, Holm over {test['tests_in_family']}). {check}"
    )
    return {"claim": claim, "group": group.name, "status": status, "sentence": sentence}


def checked_by_control(group: Group, control: dict[str, Any], names: list[str], status: str) -> tuple[str, str]:
    """What the control makes of a verdict: status and sentence."""
    if "left_out" in control:
        return (
            status,
            f"Control missing ({control['left_out']}): that {names[1]} gains anything, so that there is something to match, is not known.",
        )
    reference, gain = group.labels[control["reference"]], points(control["baseline_gain_points"])
    own = points(control["proposed_gain_points"])
    mine = f"{names[0]} itself gains {own} over {reference}."
    if control["baseline_is_better"] and not control["margin_is_smaller"] and status == "supported":
        return "empty", (
            f"But the claim is EMPTY: {names[1]} gains {gain} over BatchNorm statistics alone ({reference}), "
            f"not surely more than the margin of {MARGIN_POINTS} points, so a method that gains nothing may be within it; {mine}"
        )
    if control["baseline_is_better"]:
        return status, f"Control: {names[1]} is better than BatchNorm statistics alone by {gain}, so there is something to match; {mine}"
    return "empty", (
        f"But the claim is EMPTY: {names[1]} is no better than BatchNorm statistics alone ({reference}; {gain}), so to match it takes no "
        f"adaptation at all; {mine}"
    )


def better_verdict(group: Group, pair: dict[str, Any]) -> dict[str, Any]:
    """The verdict on "the proposed method is better than this baseline"."""
    size, p_value = pair["effect_sizes"]["difference_points"], pair["bootstrap"]["p_value_holm"]
    if p_value > ALPHA:
        status, text = "undecided", "no difference shown (which does not show that there is none)"
    elif size["estimate"] > 0:
        status, text = "supported", "better"
    else:
        status, text = "refuted", "worse"
    sentence = (
        f"{group.title}: {pair['labels'][0]} against {pair['labels'][1]}: {points(size)}, {text} ({p_text(p_value)}, Holm over all pairs)."
    )
    return {"claim": f"{pair['labels'][0]} is better than {pair['labels'][1]}", "group": group.name, "status": status, "sentence": sentence}


# ---------------------------------------------------------------------------------------------------------------- files


def safe_name(text: str) -> str:
    """A part of a file name: letters, digits, dots and hyphens only; underscores separate the parts."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "run"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    print(path, flush=True)


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON: NaN would be an error here, not a surprise for the reader."""
    write_bytes(path, (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PDF for the paper and as PNG to look at; the same numbers give the same bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # it stays as it was laid out just now; "none" would still draw it once more for each file
    for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {})):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        write_bytes(folder / f"{name}.{suffix}", buffer.getvalue())


def write_run(run: Run, group: Group, results_dir: Path) -> None:
    """Write metrics and figures of one run."""
    folder = results_dir / run.run_id
    write_json(folder / "metrics.json", run_metrics(run, group))
    name, title = safe_name(run.run_id), f"{group.labels[run.run_id]}: {group.title}"
    save_figure(draw_learning_curve(run, title), folder, f"learning_curve_{name}")
    save_figure(draw_confusion(run, title), folder, f"confusion_matrix_{name}")
    save_figure(draw_corruptions(run, group, title), folder, f"corruption_accuracy_{name}")


def run_metrics(run: Run, group: Group) -> dict[str, Any]:
    """Everything about one run; null where the run has no such number."""
    spread = group.spread(run)
    place = group.runs.index(run)
    per_corruption = {}
    for index, (name, bits) in enumerate(zip(run.corruptions, run.correct, strict=True)):
        low_high = interval(group.draws[:, place, index]) if group.draws is not None else None
        per_corruption[name] = {"accuracy": float(bits.mean()), "interval_95": low_high, "images": bits.shape[1]}
    columns = {name: [value if math.isfinite(value) else None for value in column.tolist()] for name, column in run.history.items()}
    return {
        "run_id": run.run_id,
        "url": run.url,
        "label": group.labels[run.run_id],
        "method": run.method,
        "inner_steps": run.steps,
        "conditions": run.conditions,
        "seeds": run.seeds,
        "accuracy": run.accuracy,
        "accuracy_interval_95": spread,
        "error": 1 - run.accuracy,
        **run.numbers,
        "backward_passes_per_image": run.backwards_per_image,
        "forward_passes_per_image": run.number("forwards") / run.batches,
        "precision": run.precision,
        "best_parameters": run.best_parameters,
        "per_corruption": per_corruption,
        "class_names": run.class_names,
        "confusion_matrix": run.confusion.tolist(),
        "config": run.config,
        "history": columns,
    }


def aggregate(groups: list[Group], problems: dict[str, str], found: list[dict[str, Any]], warnings: list[str]) -> dict[str, Any]:
    """The content of aggregated_metrics.json."""
    runs = [run for group in groups for run in group.runs]
    names = (PRIMARY, AFTER_FIRST, AFTER_THIRD, *SUMMARY_NUMBERS[1:], *SUMMARY_MAYBE[2:])
    metrics: dict[str, dict[str, Any]] = {name: {run.run_id: run.numbers[name] for run in runs} for name in dict.fromkeys(names)}
    metrics["backward_passes_per_image"] = {run.run_id: run.backwards_per_image for run in runs}
    entries = [group_entry(group) for group in groups]
    headline = next((entry for entry in entries if entry["best_proposed"] and entry["best_baseline"]), None)
    return {
        "primary_metric": PRIMARY,
        "metrics": metrics,
        "headline_group": headline["name"] if headline else None,
        **{
            key: headline[key] if headline else None for key in ("best_proposed", "best_baseline", "gap_points", "improvement_rate_percent")
        },
        "verdicts": found,
        "warnings": warnings,
        "left_out": [f"{group.title}: {reason}" for group in groups for reason in group.left_out],
        "not_evaluated": problems,
        "groups": entries,
        "settings": {
            "margin_points": MARGIN_POINTS,
            "alpha_two_sided": ALPHA,
            "alpha_one_sided": ALPHA / 2,
            "bootstrap_resamples": RESAMPLES,
            "bootstrap_seed": BOOTSTRAP_SEED,
            "bootstrap_unit": "image, with all its corruptions; several seeds are averaged for each image",
            "correction": "Holm, for each kind of test over all pairs (McNemar: and over all corruptions)",
        },
    }


def group_entry(group: Group) -> dict[str, Any]:
    """All that is known about one group."""
    best = {
        kind: max((run for run in group.runs if (run.method in PROPOSED) == wanted), key=lambda run: run.accuracy, default=None)
        for kind, wanted in (("best_proposed", True), ("best_baseline", False))
    }
    proposed, baseline = best["best_proposed"], best["best_baseline"]
    gap = proposed.accuracy - baseline.accuracy if proposed and baseline else None
    rate = 100 * gap / baseline.accuracy if gap is not None and baseline and baseline.accuracy else None
    return {
        "name": group.name,
        "title": group.title,
        "conditions": group.runs[0].conditions,
        "runs": {
            run.run_id: {"label": group.labels[run.run_id], "method": run.method, PRIMARY: run.accuracy, "interval_95": group.spread(run)}
            for run in group.runs
        },
        **{
            kind: {"run_id": run.run_id, "label": group.labels[run.run_id], PRIMARY: run.accuracy} if run else None
            for kind, run in best.items()
        },
        "gap_points": 100 * gap if gap is not None else None,
        "improvement_rate_percent": rate,
        "pairs": group.pairs,
        "non_inferiority": group.non_inferiority,
        "left_out": group.left_out,
    }


def write_group(group: Group, folder: Path) -> None:
    """Draw the figures that compare the runs of a group."""
    save_figure(draw_accuracy(group), folder, f"accuracy_{group.name}")
    save_figure(draw_convergence(group), folder, f"convergence_{group.name}")
    save_figure(draw_cost(group), folder, f"cost_accuracy_{group.name}")
    if len(group.runs[0].corruptions) > 1:
        save_figure(draw_boxes(group), folder, f"corruption_spread_{group.name}")
    if any("effect_sizes" in pair for pair in group.pairs):
        save_figure(draw_differences(group), folder, f"differences_{group.name}")


def write_comparison(groups: list[Group], problems: dict[str, str], folder: Path) -> None:
    """Write the numbers and tables of the comparison, and print the verdicts."""
    warnings = differing(groups) + doubts(groups)
    found = verdicts(groups)
    write_json(folder / "aggregated_metrics.json", aggregate(groups, problems, found, warnings))
    write_tables("accuracy_table", [(group.title, *accuracy_table(group)) for group in groups], folder)
    write_tables("cost_table", [(group.title, *cost_table(group)) for group in groups], folder)
    if any(group.pairs for group in groups):
        write_tables("tests_table", [(group.title, *tests_table(group)) for group in groups if group.pairs], folder)
    alone = [group.title for group in groups if len(group.runs[0].corruptions) == 1]
    for kind, sentences in (
        ("note", [f"no box plot over corruptions for {title}: there is one corruption only" for title in alone]),
        ("warning", warnings),
        ("left out", [f"{group.title}: {reason}" for group in groups for reason in group.left_out]),
    ):
        for sentence in sentences:
            print(f"{kind}: {sentence}")
    for verdict in found:
        print(f"verdict [{verdict['status']}]: {verdict['sentence']}")


# ---------------------------------------------------------------------------------------------------------------- tables

Table = tuple[list[str], list[list[str]]]


def accuracy_table(group: Group) -> Table:
    """Accuracy in percent: a row for each corruption, a column for each run; the best of a row is marked in Markdown and LaTeX."""
    runs = group.runs
    header = ["corruption", *(group.labels[run.run_id] for run in runs)]
    rows = [
        [name.replace("_", " "), *mark_best([100 * run.accuracies[index] for run in runs])]
        for index, name in enumerate(runs[0].corruptions)
    ]
    rows.append(["mean", *mark_best([100 * run.accuracy for run in runs])])
    spreads = [group.spread(run) for run in runs]
    if all(spreads):
        rows.append(["95 % interval", *(f"{100 * low:.2f}–{100 * high:.2f}" for low, high in filter(None, spreads))])
    for name, words in ((AFTER_FIRST, "after first step"), (AFTER_THIRD, "after third step")):
        rows.append([words, *(none_or(run.numbers[name], 100, 2) for run in runs)])
    return header, rows


def mark_best(values: list[float]) -> list[str]:
    """Numbers with the best of several marked by asterisks."""
    texts = [f"{value:.2f}" for value in values]
    best = max(texts, key=float)
    return [f"**{text}**" if text == best and len(set(texts)) > 1 else text for text in texts]


def none_or(value: float | None, factor: float, digits: int) -> str:
    """A number, or a dash where the run has none."""
    return "–" if value is None else f"{factor * value:.{digits}f}"


def cost_table(group: Group) -> Table:
    """What each run costs, a row each. Where streams ran side by side, times are each one's share, and the memory is that of all."""
    header = ["method", "accuracy %", "backward / image", "forward / image", "side by side", "images / s", "p50 ms", "p95 ms", "memory MB"]
    header.append("BN drift %")
    rows = [
        [
            group.labels[run.run_id],
            f"{100 * run.accuracy:.2f}",
            f"{run.backwards_per_image:.2f}",
            f"{run.number('forwards') / run.batches:.2f}",
            none_or(run.numbers["streams_at_once"], 1, 0),
            f"{run.number('images_per_second'):.1f}",
            f"{run.number('latency_p50_ms'):.1f}",
            f"{run.number('latency_p95_ms'):.1f}",
            none_or(run.numbers["peak_memory_mb"], 1, 0),
            none_or(run.numbers["bn_drift"], 100, 3),
        ]
        for run in group.runs
    ]
    return header, rows


def tests_table(group: Group) -> Table:
    """All pairs: a row for each; p-values are Holm's."""
    header = ["pair", "difference (points)", "95 % interval", "Cohen's h", "p bootstrap", "p Wilcoxon", "McNemar < 0.05", "p non-inferior"]
    rows = []
    for pair in group.pairs:
        sizes = pair.get("effect_sizes", {})
        gap = sizes.get("difference_points")
        tests = list(pair["mcnemar"].values())
        matching = [
            test["p_value_holm"]
            for test in group.non_inferiority
            if (test["proposed"], test["baseline"]) == (pair["first"], pair["second"])
        ]
        rows.append(
            [
                " − ".join(pair["labels"]),
                signed(pair["gap_points"]),
                f"{signed(gap['low'])} to {signed(gap['high'])}" if gap else "–",
                signed(sizes["cohens_h"]["estimate"], 3) if gap else "–",
                p_cell(pair["bootstrap"]["p_value_holm"] if "bootstrap" in pair else None),
                p_cell(pair["wilcoxon"].get("p_value_holm")),
                f"{sum(test['p_value_holm'] < ALPHA for test in tests)} of {len(tests)}",
                p_cell(matching[0] if matching else None),
            ]
        )
    return header, rows


def p_cell(value: float | None) -> str:
    """A p-value in a table; a dash where there is no such test."""
    return "–" if value is None else p_text(value).removeprefix("p ").removeprefix("= ")


def write_tables(name: str, tables: list[tuple[str, list[str], list[list[str]]]], folder: Path) -> None:
    """Write tables of the same kind, one for each group, as CSV, Markdown and LaTeX."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for title, header, rows in tables:
        writer.writerow(["conditions", *header])
        writer.writerows([title, *(cell.strip("*").replace("−", "-") for cell in row)] for row in rows)
    write_bytes(folder / f"{name}.csv", buffer.getvalue().encode())
    write_bytes(folder / f"{name}.md", "\n".join(markdown_table(*table) for table in tables).encode())
    write_bytes(folder / f"{name}.tex", "\n".join(latex_table(*table) for table in tables).encode())


def markdown_table(title: str, header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table under its title."""
    lines = [f"**{title}**", "", f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows), ""])


def latex_table(title: str, header: list[str], rows: list[list[str]]) -> str:
    """A LaTeX table (needs the package booktabs)."""
    kind = "table*" if len(header) > 6 else "table"
    lines = [
        rf"\begin{{{kind}}}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{latex(title)}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
    ]
    lines += [r"    \toprule", f"    {' & '.join(map(latex, header))} \\\\", r"    \midrule"]
    lines += [f"    {' & '.join(map(latex, row))} \\\\" for row in rows]
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", rf"\end{{{kind}}}", ""])


def latex(text: str) -> str:
    """Escape what LaTeX would take for a command; **bold** becomes bold."""
    bold = re.fullmatch(r"\*\*(.*)\*\*", text)
    if bold:
        return rf"\textbf{{{latex(bold[1])}}}"
    text = text.replace("\\", r"\textbackslash ")
    text = re.sub(r"([&%$#_{}])", r"\\\1", text)
    for sign, command in (("−", "$-$"), ("–", "--"), ("<", "$<$"), ("~", r"\textasciitilde{}"), ("^", r"\textasciicircum{}")):
        text = text.replace(sign, command)
    return text


# ---------------------------------------------------------------------------------------------------------------- figures


def look(group: Group, run: Run) -> tuple[str, str, Any]:
    """Colour, marker and dashes of a run: its method's; TENT with several numbers of steps has several shades."""
    colour, marker, dashes = LOOKS[run.method]
    twins = [twin for twin in group.runs if twin.method == run.method]
    place = twins.index(run)
    if run.method == "tent":
        # The one with the most steps, that of the claim, has the same shade in every figure.
        place = len(twins) - 1 - place
        colour, marker = TENT_SHADES[place % len(TENT_SHADES)], "oPX*"[place % 4]
    return colour, marker, dashes if not place else (0, (3 + place, 1))


def new_figure(height: float, **subplots: Any) -> tuple[Figure, Any]:
    """A figure of one column's width; made without pyplot, so nothing global has to be closed."""
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    return figure, figure.subplots(**subplots)


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels so that they are at least `gap` apart and within the limits where there is room, as little as possible."""
    order = np.argsort(places, kind="stable")
    moved = np.array(places, dtype=np.float64)[order]
    for _ in range(200):
        spaces = np.diff(moved)
        short = np.maximum(gap - spaces, 0)
        if not (short > 1e-9).any():
            break
        moved[:-1] -= short / 2
        moved[1:] += short / 2
        moved += max(0.0, low - moved[0]) - max(0.0, moved[-1] - high)
    result = np.empty_like(moved)
    result[order] = moved
    return result.tolist()


def percent_axis(axis: Any, digits: int = 0) -> None:
    """Show shares as percent, with ticks at numbers that so many digits can say."""
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.{digits}f}".replace("-", "−")))


def stream_boundaries(run: Run) -> list[tuple[int, int, int]]:
    """First and last place in the history, and corruption, of each stretch of one corruption."""
    corruption = run.history["corruption_index"]
    starts = [*stream_starts(run.history), len(corruption)]
    return [(start, stop - 1, int(corruption[start])) for start, stop in itertools.pairwise(starts)]


def draw_learning_curve(run: Run, title: str) -> Figure:
    """Accuracy (and loss, if the run has one) over the stream of its first seed, with the corruptions marked."""
    first = run.history["seed"] == run.history["seed"][0]
    seeds = f" (seed {run.seeds[0]} of {len(run.seeds)})" if len(run.seeds) > 1 else ""
    places = run.places[first]
    has_loss = "loss" in run.history and np.isfinite(run.history["loss"][first]).any()
    figure, axes = new_figure(3.1 if has_loss else 2.3, nrows=2 if has_loss else 1, sharex=True, squeeze=False)
    upper: Axes = axes[0, 0]
    colour = LOOKS[run.method][0]
    upper.plot(places, run.history["batch_accuracy"][first], color=PALE, linewidth=0.6, label="batch")
    stretches = [stretch for stretch in stream_boundaries(run) if stretch[1] < len(places)]
    for start, stop, _ in stretches:
        upper.plot(places[start : stop + 1], run.history["running_accuracy"][first][start : stop + 1], color=colour)
        for axis in axes[:, 0]:
            if start:
                axis.axvline((places[start - 1] + places[start]) / 2, color=PALE, linewidth=0.5, zorder=0)
    upper.set_ylabel("accuracy (%)")
    percent_axis(upper.yaxis)
    upper.set_ylim(max(0.0, float(np.min(run.history["batch_accuracy"][first])) - 0.05), 1.02)
    upper.set_title(f"{title}{seeds}", fontsize=6.5, pad=6)
    name_stretches(upper, places, stretches, run.corruptions)
    if has_loss:
        axes[1, 0].plot(places, run.history["loss"][first], color=colour, linewidth=0.7)
        axes[1, 0].set_ylabel("loss")
    axes[-1, 0].set_xlabel("batch of the stream\n(line: so far in the corruption; grey: single batch)")
    axes[-1, 0].set_xlim(1, max(2, places[-1]))
    axes[-1, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.align_ylabels()
    return figure


def name_stretches(axis: Axes, places: Floats, stretches: list[tuple[int, int, int]], corruptions: list[str]) -> None:
    """Write the corruptions above their part of the stream."""
    top = axis.secondary_xaxis("top")
    top.set_xticks(
        [(places[start] + places[stop]) / 2 for start, stop, _ in stretches],
        [corruptions[index].replace("_", " ") for _, _, index in stretches],
    )
    top.tick_params(axis="x", length=0, pad=1, labelsize=5.5, labelrotation=90 if len(stretches) > 3 else 0)
    top.spines["top"].set_visible(False)


def draw_confusion(run: Run, title: str) -> Figure:
    """Confusion matrix in percent of each true class, over all corruptions."""
    figure, axis = new_figure(3.15)
    totals = run.confusion.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, 100 * run.confusion / np.maximum(totals, 1), 0)
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="equal")
    classes = len(run.class_names)
    size = 5.5 if classes <= 12 else 4 if classes <= 20 else 0
    for row, column in itertools.product(range(classes), range(classes)) if size else ():
        if totals[row, 0]:
            value = shares[row, column]
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=size, color="white" if value > 55 else INK)
    rotation = 90 if max(map(len, run.class_names)) > 2 else 0
    axis.set_xticks(range(classes), run.class_names, rotation=rotation, fontsize=6)
    axis.set_yticks(range(classes), run.class_names, fontsize=6)
    axis.tick_params(length=0)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.set_title(title, fontsize=6.5)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axis, shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("% of the true class", fontsize=6.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6, length=2)
    return figure


def draw_corruptions(run: Run, group: Group, title: str) -> Figure:
    """Accuracy for each corruption with its interval, and the mean as a line."""
    figure, axis = new_figure(0.75 + 0.155 * len(run.corruptions))
    place = group.runs.index(run)
    rows = np.arange(len(run.corruptions))
    accuracies = run.accuracies
    axis.barh(rows, accuracies, height=0.68, color=look(group, run)[0])
    ends = accuracies.copy()
    if group.draws is not None:
        spreads = np.array([interval(group.draws[:, place, index]) for index in rows])
        draw_whiskers(axis, rows, accuracies, spreads)
        ends = np.maximum(ends, spreads[:, 1])
    for row, value, end in zip(rows, accuracies, ends, strict=True):
        axis.text(end + 0.012, row, f"{100 * value:.1f}", va="center", fontsize=5.5, bbox=PLATE)
    axis.axvline(run.accuracy, color=INK, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0.5)
    axis.text(run.accuracy, -0.75, f"mean {100 * run.accuracy:.1f}", fontsize=6, ha="center", va="bottom")
    axis.set_yticks(rows, [name.replace("_", " ") for name in run.corruptions])
    axis.set(xlabel="accuracy (%)", xlim=(0, 1.08), ylim=(len(rows) - 0.4, -0.7))
    axis.set_title(title, fontsize=6.5, pad=11)
    axis.set_xticks(np.arange(0, 1.01, 0.2))
    percent_axis(axis.xaxis)
    axis.tick_params(axis="y", length=0)
    return figure


def draw_whiskers(axis: Axes, rows: Floats, values: Floats, spreads: Floats) -> None:
    """Intervals on horizontal bars."""
    axis.errorbar(values, rows, xerr=np.abs(spreads.T - values), fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.8, capthick=0.8)


def draw_accuracy(group: Group) -> Figure:
    """Accuracy of each run with its interval."""
    figure, axis = new_figure(0.65 + 0.26 * len(group.runs))
    rows = np.arange(len(group.runs))
    accuracies = np.array([run.accuracy for run in group.runs])
    axis.barh(rows, accuracies, height=0.62, color=[look(group, run)[0] for run in group.runs])
    ends, texts = accuracies.copy(), [f"{100 * value:.1f}" for value in accuracies]
    spreads = [group.spread(run) for run in group.runs]
    if group.draws is not None:
        limits = np.array(spreads)
        draw_whiskers(axis, rows, accuracies, limits)
        ends = limits[:, 1]
        texts = [f"{text} [{100 * low:.1f}, {100 * high:.1f}]" for text, (low, high) in zip(texts, limits, strict=True)]
    for row, end, text in zip(rows, ends, texts, strict=True):
        axis.text(end + 0.015, row, text, va="center", fontsize=6)
    axis.set_yticks(rows, [group.labels[run.run_id] for run in group.runs])
    axis.set(xlabel="top-1 accuracy over all corruptions (%), 95 % interval", xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axis.set_title(group.title, fontsize=6.5)
    axis.set_xticks(np.arange(0, 1.01, 0.2))
    percent_axis(axis.xaxis)
    axis.tick_params(axis="y", length=0)
    return figure


def draw_boxes(group: Group) -> Figure:
    """How the accuracy spreads over the corruptions, which are joined between runs."""
    figure, axis = new_figure(2.3)
    places = np.arange(len(group.runs))
    table = np.stack([run.accuracies for run in group.runs])
    axis.plot(places, table, color=PALE, linewidth=0.5, zorder=1)
    boxes = axis.boxplot(
        table.T, positions=places, widths=0.45, showfliers=False, patch_artist=True, medianprops={"color": INK, "linewidth": 1}, zorder=2
    )
    for place, run in enumerate(group.runs):
        colour = look(group, run)[0]
        boxes["boxes"][place].set(facecolor=(*mpl.colors.to_rgb(colour), 0.25), edgecolor=colour, linewidth=0.9)
        for line in (*boxes["whiskers"][2 * place : 2 * place + 2], *boxes["caps"][2 * place : 2 * place + 2]):
            line.set(color=colour, linewidth=0.9)
        axis.scatter(np.full(table.shape[1], place), table[place], s=5, color=colour, zorder=3, linewidths=0)
        lowest = int(np.argmin(table[place]))
        axis.annotate(
            run.corruptions[lowest].replace("_", " "),
            (place, table[place, lowest]),
            (0, -3),
            textcoords="offset points",
            fontsize=5,
            ha="center",
            va="top",
        )
    long = max(map(len, group.labels.values())) * len(group.runs) > 48
    axis.set_xticks(places, [group.labels[run.run_id] for run in group.runs], rotation=30 if long else 0, ha="right" if long else "center")
    axis.set(ylabel="accuracy on a corruption (%)", xlim=(-0.6, len(places) - 0.4))
    axis.margins(y=0.09)
    axis.set_title(group.title, fontsize=6.5)
    percent_axis(axis.yaxis)
    return figure


def accuracy_of_whole_stream(run: Run, part: NDArray[np.bool_]) -> Floats:
    """For each entry of one seed's part of the history the share of all its images so far, over the corruptions, that were right."""
    seen, share = run.history["images_seen"][part], run.history["running_accuracy"][part]
    starts = np.flatnonzero(np.diff(run.history["corruption_index"][part]) != 0) + 1
    images, right = np.zeros(len(seen)), np.zeros(len(seen))
    for start in starts:  # what the corruption before it came to, for all entries from here on
        images[start:] += seen[start - 1]
        right[start:] += seen[start - 1] * share[start - 1]
    return (right + seen * share) / (images + seen)


def convergence(run: Run) -> tuple[Floats, Floats]:
    """Backward passes since the adapter's last fresh start, and accuracy until then, averaged over streams.

    With the continual protocol there is one start, and the accuracy is that of the whole stream so far; else each corruption is a stream.
    """
    if run.conditions["protocol"] == "continual":
        parts = [run.history["seed"] == seed for seed in run.history["seed"][np.sort(np.unique(run.history["seed"], return_index=True)[1])]]
        accuracy = [accuracy_of_whole_stream(run, part) for part in parts]
    else:
        keys = list(dict.fromkeys(zip(run.history["seed"], run.history["corruption_index"], strict=True)))
        parts = [(run.history["seed"] == seed) & (run.history["corruption_index"] == index) for seed, index in keys]
        accuracy = [run.history["running_accuracy"][part] for part in parts]
    length = min(len(part) for part in accuracy)
    passes, before = [], 0.0
    for part in parts:
        counts = run.history["backwards"][part]
        passes.append(counts[:length] - before)
        before = counts[-1]
    return np.mean(passes, axis=0), np.mean([part[:length] for part in accuracy], axis=0)


def draw_convergence(group: Group) -> Figure:
    """Accuracy against the backward passes spent; runs without any are lines across."""
    figure, axis = new_figure(2.3)
    curves = {run.run_id: convergence(run) for run in group.runs}
    longest = max(curve[0][-1] for curve in curves.values())
    low, high = focus([run.accuracy for run in group.runs] + [float(value) for _, curve in curves.values() for value in curve[1:]])
    ends = []
    for run in group.runs:
        colour, marker, dashes = look(group, run)
        passes, accuracy = curves[run.run_id]
        if passes[-1] == 0:
            axis.axhline(run.accuracy, color=colour, linestyle=dashes, linewidth=0.9)
            ends.append(run.accuracy)
        else:
            axis.plot(passes, accuracy, color=colour, linestyle=dashes, marker=marker, markersize=3, markevery=[0, len(passes) - 1])
            ends.append(float(accuracy[-1]))
    if longest > 0:
        axis.set_xscale("log")
        axis.set_xlim(0.9, longest * 1.1)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_xticks([])
    reset = "in the whole stream" if group.runs[0].conditions["protocol"] == "continual" else "in a corruption's stream"
    axis.set(xlabel=f"backward passes spent {reset}", ylabel="accuracy so far (%)")
    axis.set_ylim(low, high)
    axis.set_title(group.title, fontsize=6.5)
    percent_axis(axis.yaxis, 0 if high - low > 0.04 else 1)
    label_ends(axis, group, ends, 2.3)
    return figure


def label_ends(axis: Axes, group: Group, ends: list[float], height: float) -> None:
    """Write the names of lines to the right of the axes, apart from each other, joined to where the lines end."""
    low, high = axis.get_ylim()
    gap = (high - low) * 8.5 / (72 * height * 0.75)
    shown = [max(end, low) for end in ends]
    for run, value, end, place in zip(group.runs, ends, shown, apart(shown, gap, low, high), strict=True):
        colour = look(group, run)[0]
        label = group.labels[run.run_id] + (f"\n{100 * value:.1f} ↓" if value < low else "")
        axis.plot([1.005, 1.05], [end, place], color=colour, linewidth=0.6, transform=axis.get_yaxis_transform(), clip_on=False)
        vertical = "bottom" if value < low else "center"
        axis.text(1.065, place, label, color=darker(colour), va=vertical, fontsize=6.5, transform=axis.get_yaxis_transform())


def focus(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of accuracies: those far below the others would squeeze these, and are left to a label with an arrow."""
    ordered = sorted(values)
    gaps = [upper - lower for lower, upper in itertools.pairwise(ordered)]
    widest = int(np.argmax(gaps)) if gaps else 0
    if gaps and gaps[widest] > max(0.1, 1.5 * (ordered[-1] - ordered[widest + 1])):
        ordered = ordered[widest + 1 :]
    room = 0.12 * max(ordered[-1] - ordered[0], 0.01)
    return ordered[0] - room, ordered[-1] + room


def darker(colour: str) -> tuple[float, ...]:
    """A colour dark enough for text on white."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    luminance = float(rgb @ [0.2126, 0.7152, 0.0722])
    return tuple(rgb * min(1.0, 0.33 / max(luminance, 1e-6)))


def draw_cost(group: Group) -> Figure:
    """Accuracy against speed and against backward passes for each image: up and to the cheap side is better."""
    figure, (left, right) = new_figure(2.2, ncols=2, sharey=True)
    limits = [limit for run in group.runs for limit in group.spread(run) or (run.accuracy,)]
    low, high = focus(limits)
    left.set_ylim(low, high)
    for run in group.runs:
        colour, marker, _ = look(group, run)
        spread = group.spread(run)
        error = [[run.accuracy - spread[0]], [spread[1] - run.accuracy]] if spread else None
        for axis, cost in ((left, run.number("images_per_second")), (right, run.backwards_per_image)):
            if run.accuracy < low:
                axis.plot(cost, 0.03, marker="v", color=colour, markersize=4, transform=axis.get_xaxis_transform(), clip_on=False)
            else:
                axis.errorbar(
                    cost, run.accuracy, yerr=error, fmt=marker, color=colour, mec="white", mew=0.4, ms=5, elinewidth=0.8, capsize=1.5
                )
    left.set_xscale("log")
    speeds = [run.number("images_per_second") for run in group.runs]
    left.set_xlim(min(speeds) / 1.5, max(speeds) * 1.5)
    left.set_xticks(nice_ticks(min(speeds) / 1.4, max(speeds) * 1.4))
    left.xaxis.set_minor_locator(NullLocator())
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", " ") if value >= 1 else f"{value:g}"))
    left.set(xlabel="images / second\n(more is better)", ylabel="top-1 accuracy (%)")
    passes = [run.backwards_per_image for run in group.runs]
    right.set_xscale("symlog", linthresh=1, linscale=0.6)
    right.set_xlim(-0.3, max(1.5, max(passes) * 1.4))
    right.set_xticks([tick for tick in (0, 1, 3, 10, 30, 100) if tick <= max(1.5, max(passes) * 1.4)])
    right.xaxis.set_minor_locator(NullLocator())
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.set(xlabel="backward / image\n(fewer is better)")
    percent_axis(left.yaxis, 0 if high - low > 0.04 else 1)
    left.set_title(group.title, fontsize=6.5)
    label_ends(right, group, [run.accuracy for run in group.runs], 2.2)
    return figure


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers for a logarithmic axis, not more than fit."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 4:
            break
    return inside or [low, high]


def draw_differences(group: Group) -> Figure:
    """All differences with their intervals; filled where significant after Holm, and the margin where a claim is to match."""
    pairs = [pair for pair in group.pairs if "effect_sizes" in pair]
    figure, axis = new_figure(0.75 + 0.2 * len(pairs))
    claims = {(test["proposed"], test["baseline"]) for test in group.non_inferiority}
    runs = {run.run_id: run for run in group.runs}
    for row, pair in enumerate(pairs):
        size = pair["effect_sizes"]["difference_points"]
        colour = look(group, runs[pair["first"]])[0]
        error = [[size["estimate"] - size["low"]], [size["high"] - size["estimate"]]]
        fill = colour if pair["bootstrap"]["p_value_holm"] < ALPHA else "white"
        axis.errorbar(size["estimate"], row, xerr=error, fmt="o", color=colour, markerfacecolor=fill, markersize=4, elinewidth=1, capsize=2)
        axis.text(1.02, row, signed(size["estimate"]), va="center", fontsize=6, transform=axis.get_yaxis_transform())
        if (pair["first"], pair["second"]) in claims:
            axis.plot([-MARGIN_POINTS] * 2, [row - 0.4, row + 0.4], color=INK, linewidth=1.2)
    axis.axvline(0, color=INK, linewidth=0.6, zorder=0)
    axis.set_yticks(range(len(pairs)), [" − ".join(pair["labels"]) for pair in pairs])
    axis.set_ylim(len(pairs) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    spread_differences(axis, max(abs(pair["effect_sizes"]["difference_points"][end]) for pair in pairs for end in ("low", "high")))
    note = "filled: p < 0.05 (Holm)" + (f"; bar: margin −{MARGIN_POINTS}" if claims else "")
    axis.set_xlabel(f"difference in accuracy (points), 95 % interval\n{note}")
    axis.set_title(group.title, fontsize=6.5)
    return figure


def spread_differences(axis: Axes, largest: float) -> None:
    """Make room around 0 where some differences are large: linear within one point, logarithmic beyond."""
    if largest <= 6:
        return
    axis.set_xscale("symlog", linthresh=1, linscale=0.8)
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, -1.0) * 1.3, max(high, 1.0) * 1.15)
    axis.set_xticks([tick for tick in (-30, -10, -3, -1, 0, 1, 3, 10, 30) if min(low, -1.0) * 1.3 <= tick <= max(high, 1.0) * 1.15])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))


# ---------------------------------------------------------------------------------------------------------------- main


def connect() -> wandb.Api:
    """Return the W&B API.

    Raises:
        EvaluationError: There is no key, or the server can't be reached.
    """
    try:
        wandb.setup(wandb.Settings(x_graphql_retry_max=RETRIES, x_graphql_timeout_seconds=REQUEST_SECONDS))
        return wandb.Api(timeout=GIVE_UP_SECONDS)
    except (WandbError, ValueError, OSError) as error:
        text = first_words(error)
        raise EvaluationError(f"W&B can't be asked (set WANDB_API_KEY, and WANDB_BASE_URL for a server of your own): {text}") from None


def read_runs(api: wandb.Api, project: str, run_ids: Iterable[str]) -> tuple[list[Run], dict[str, str]]:
    """Read all runs; return those that can be evaluated, and what is wrong with the others."""
    runs, problems = [], {}
    for run_id in run_ids:
        try:
            runs.append(read_run(api, project, run_id))
        except RunError as problem:
            problems[run_id] = f"run {run_id!r} {problem}"
            print(f"error: {problems[run_id]}", file=sys.stderr, flush=True)
    return runs, problems


def begin_drawing() -> None:
    """Prepare a process that only draws: an interrupt is the business of the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mpl.rcParams.update(STYLE)


@contextmanager
def drawing(runs: int) -> Iterator[Callable[..., Any]]:
    """Yield what calls a function with arguments: later and on all cores, where so many runs are worth the start of processes.

    When the block ends, all calls have been made.

    Raises:
        EvaluationError: One of the processes was killed.
    """
    workers = min(os.cpu_count() or 1, runs // RUNS_PER_PROCESS)
    if workers < 2:
        yield lambda function, *arguments: function(*arguments)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=begin_drawing)
    calls: list[Future[None]] = [pool.submit(begin_drawing) for _ in range(workers)]  # they start while the runs are read
    try:
        yield lambda function, *arguments: calls.append(pool.submit(function, *arguments))
        for call in calls:
            call.result()
    except BrokenProcessPool:
        raise EvaluationError(f"a process that draws was killed; it may have had too little memory for {workers} at once") from None
    finally:
        pool.shutdown(cancel_futures=True)


def evaluate(command: Command) -> int:
    """Evaluate runs and return the exit code: 1 where a run could not be evaluated."""
    project = project_path(command)
    comparison = command.results_dir / "comparison"
    mpl.rcParams.update(STYLE)
    with drawing(len(command.run_ids)) as draw:
        runs, problems = read_runs(connect(), project, command.run_ids)
        if not runs:
            print(f"error: none of the {len(problems)} run(s) can be evaluated; nothing was written", file=sys.stderr)
            return 1
        groups = group_runs(runs)
        compare_groups(groups)
        for group in groups:
            for run in group.runs:
                draw(write_run, run, group, command.results_dir)
            draw(write_group, group, comparison)
    write_comparison(groups, problems, comparison)
    if problems:
        print(f"error: {len(problems)} of {len(command.run_ids)} runs could not be evaluated (see above)", file=sys.stderr)
    return 1 if problems else 0


def main() -> int:
    """Run the command; every error a user can cause is one sentence."""
    try:
        return evaluate(parse_command(sys.argv[1:]))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (EvaluationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; the files that were printed are complete", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
