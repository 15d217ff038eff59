"""Compare finished runs: `python -m src.evaluate results_dir=<path> run_ids='["a","b"]' [wandb.entity=…] [wandb.project=…]`.

First each run by itself: what it logged is read from W&B, held against itself, and written as metrics.json with figures. Then all runs that
saw the same images under the same conditions are compared: gains over BatchNorm statistics, differences, verdicts, tables, figures.
No result is read from the disk and none is made up: a run that is missing or incomplete is named, and the others are still evaluated.

Everything is paired. Sampling units are images and source models: an image recurs in all corruptions, as fifteen measurements of one.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import wandb
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from scipy import stats
from statsmodels.stats.multitest import multipletests

Floats = NDArray[np.float64]

USAGE = """usage: python -u -m src.evaluate results_dir=<path> run_ids='["a","b"]' [wandb.entity=<name>] [wandb.project=<name>]"""
ALPHA = 0.05  # two-sided; before Holm's correction a test and its 95 % interval say the same
# "CW-TENT matches TENT with more steps" means, stated before any number is seen: it keeps at least this share of that method's gain over
# BatchNorm statistics. So the margin of non-inferiority is the other half of the gain, and never larger than the gain (Rothmann et al.,
# Statistics in Medicine 22, 2003; half is the share that the FDA's guidance on non-inferiority trials, 2016, takes as an example).
RETAINED = 0.5

METHODS = {"source": "Source", "bn": "BN", "tent": "TENT", "cw-tent": "CW-TENT", "eata": "EATA weights", "sar": "SAR filter"}
PROPOSED = "cw-tent"
DATASETS = {"cifar10c": "CIFAR-10-C", "digitsc": "Digits-C"}
PROTOCOLS = {"reset": "reset per corruption", "continual": "continual", "episodic": "reset per batch"}
# The palette of Okabe and Ito (2008), told apart by the colour-blind; markers differ as well, for print in grey.
COLOURS = {"source": "#6e6e6e", "bn": "#e69f00", "tent": "#0072b2", "cw-tent": "#d55e00", "eata": "#009e73", "sar": "#cc79a7"}
MARKERS = {"source": "s", "bn": "D", "tent": "o", "cw-tent": "^", "eata": "v", "sar": "P"}
DASHES = ("-", "--")  # one step, several steps
STYLE = {"figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 8}

NUMBERS = ("top1_accuracy", "forwards", "backwards", "updates", "batches", "images_per_second", "latency_p50_ms", "latency_p95_ms")
# These may be null: nothing was searched or adapted, the stream was too short, or the clean images were not there.
MAYBE = ("average_accuracy_after_first_adaptation_step", "accuracy_after_3", "clean_accuracy", "peak_memory_mb", "bn_drift", "search_value")
PARTS = (
    "correct", "images_per_corruption", "corruptions", "seeds", "confusion_matrix", "class_names", "data_origin", "protocol", "precision",
)  # fmt: skip
REQUEST_SECONDS = 20
ROWS = ("seed", "corruption_index", "batch", "images_seen", "batch_accuracy", "running_accuracy")


class UsageError(Exception):
    """The command was not understood: one sentence, exit code 2."""


class RunError(Exception):
    """One run can't be evaluated: the rest of the sentence that starts with its name."""


# ---------------------------------------------------------------------------------------------------------------- reading runs


@dataclass(frozen=True)
class Run:
    """A finished run as W&B has it; `correct` (S, N, K) by seed, image and corruption."""

    run_id: str
    config: DictConfig
    summary: dict[str, Any]
    history: pd.DataFrame
    correct: NDArray[np.bool_]

    @property
    def method(self) -> str:
        """One of METHODS."""
        return str(self.config.run.method)

    @property
    def settings(self) -> dict[str, Any]:
        """What of `training` the method used: what was searched for, else what the config says."""
        training, found = self.config.run.training, self.summary.get("best_parameters") or {}
        return {name: found.get(name, training[name]) for name in ("inner_steps", "learning_rate", "momentum")}

    @property
    def accuracy(self) -> float:
        """Share of the images that were right, over seeds and corruptions."""
        return float(self.correct.mean())

    @property
    def conditions(self) -> dict[str, Any]:
        """What two runs must share to be compared image by image."""
        run, stream = self.config.run, self.config.stream
        return {
            "dataset": run.dataset.name,
            "origin": self.summary["data_origin"],
            "severity": run.dataset.corruption_severity,
            "batch size": run.dataset.batch_size,
            "protocol": self.summary["protocol"],
            "last batch": stream.last_batch,
            "order": stream.order,
            "predict": stream.predict,
            "model": run.model.name,
            "checkpoint": run.model.pretrained_checkpoint,
            "corruptions": tuple(self.summary["corruptions"]),
            "seeds": tuple(self.summary["seeds"]),
            "images": self.correct.shape[1],
        }


def read_run(api: wandb.Api, project: str, run_id: str) -> Run:
    """Ask W&B for a run. Raises RunError where it isn't there, isn't finished, or is refused by `checked`."""
    try:
        found = api.run(f"{project}/{run_id}")
        if found.state != "finished":
            raise RunError(f"is {found.state}, not finished, so it has no result yet")
        return checked(run_id, plain(found.config), plain(found.summary), list(found.scan_history()))
    except (wandb.Error, ValueError, OSError) as error:
        raise RunError(f"can't be read from the W&B project {project}: {' '.join(str(error).split())[:300]}") from None


def checked(run_id: str, config: dict[str, Any], summary: dict[str, Any], rows: list[dict[str, Any]]) -> Run:
    """A run, held against itself. Raises RunError, with what it lacks or contradicts."""
    history = pd.DataFrame(rows)
    missing = [name for name in (*NUMBERS, *PARTS) if summary.get(name) is None] + [name for name in ROWS if name not in history]
    if missing:
        raise RunError(f"lacks {', '.join(missing)} in what it logged")
    try:
        run = Run(run_id, OmegaConf.create(config), summary, history.dropna(subset=list(ROWS)), unpack(summary))
        known = run.method in METHODS and bool(run.conditions) and bool(run.settings)
        numbers = {name: float(summary[name]) for name in NUMBERS}
        counts = np.array(summary["confusion_matrix"], float).shape
    except (OmegaConfBaseException, KeyError, ValueError, TypeError) as error:
        raise RunError(f"has a config or a summary that can't be read: {' '.join(str(error).split())[:300]}") from None
    if not known:
        raise RunError(f"has the unknown method {run.method!r}; known are {', '.join(METHODS)}")
    said = numbers["top1_accuracy"]
    for right, problem in (
        (abs(run.accuracy - said) <= 1e-5, f"top1_accuracy is {said:.5f}, but its images say {run.accuracy:.5f}"),
        (len(run.correct) == len(summary["seeds"]), f"it has {len(summary['seeds'])} seeds, but images of {len(run.correct)}"),
        (counts == (len(summary["class_names"]),) * 2, f"it has {len(summary['class_names'])} classes, but counts {counts} of them"),
        (numbers["batches"] > 0, "it has no batch"),
    ):
        if not right:
            raise RunError(f"contradicts itself: {problem}")
    return run


def plain(value: Any) -> Any:
    """The client's own mappings as dicts and lists."""
    if hasattr(value, "items"):
        return {str(key): plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def unpack(summary: dict[str, Any]) -> NDArray[np.bool_]:
    """Which images were right, (S, N, K), from base64 of packed bits for each corruption and seed."""
    counts = {int(count) for count in summary["images_per_corruption"].values()}
    if len(counts) > 1:
        raise ValueError(f"its corruptions have different numbers of images ({sorted(counts)}), so no image recurs in all of them")
    count = counts.pop()
    bits = [
        [np.unpackbits(np.frombuffer(base64.b64decode(text, validate=True), np.uint8), count=count) for text in summary["correct"][name]]
        for name in summary["corruptions"]
    ]
    return np.array(bits, dtype=bool).transpose(1, 2, 0)


# ------------------------------------------------------------------------------------------------------------------ statistics


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, and the two-sided p-value of "it is 0"; all in points."""

    mean: float
    low: float
    high: float
    p_value: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} points (95 % interval {self.low:+.2f} to {self.high:+.2f})".replace("-", "−")


def estimate(values: Floats) -> Estimate:
    """Mean of values (S, N) of S source models and N images, with its interval over both.

    Var(mean) = var of the models' means / S + var of the images' means / N: both are random and crossed. What a model and an image have
    together is counted in both, so the interval is a little too wide. t-distribution with the degrees of freedom of Satterthwaite
    (Biometrics Bulletin 2, 1946). With one model the interval is about other images only.
    """
    models, images = values.mean(axis=1), values.mean(axis=0)
    parts = [part.var(ddof=1) / len(part) for part in (models, images) if len(part) > 1]
    frees = [len(part) - 1 for part in (models, images) if len(part) > 1]
    mean, variance = 100 * float(values.mean()), 1e4 * float(sum(parts))
    if variance == 0:
        return Estimate(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    freedom = sum(parts) ** 2 / sum(part**2 / free for part, free in zip(parts, frees, strict=True))
    reach = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * variance**0.5
    return Estimate(mean, mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / variance**0.5, freedom)))


def scores(run: Run) -> Floats:
    """Share of the corruptions in which an image was right, for each source model, (S, N)."""
    return run.correct.mean(axis=2)


def compare(first: Run, second: Run) -> dict[str, Any]:
    """First minus second, and Wilcoxon's signed-rank test over corruptions (Demšar, JMLR 7, 2006)."""
    apart = first.correct.mean(axis=(0, 1)) - second.correct.mean(axis=(0, 1))
    ranks = float(stats.wilcoxon(apart).pvalue) if np.count_nonzero(apart) > 1 else None
    found = estimate(scores(first) - scores(second))
    return {
        "first": first.run_id,
        "second": second.run_id,
        "difference_points": vars(found),
        "improvement_rate_percent": 100 * (first.accuracy / second.accuracy - 1) if second.accuracy else None,
        "p_value": found.p_value,
        "wilcoxon_p_value": ranks,
        "per_corruption_points": dict(zip(first.summary["corruptions"], (100 * apart).tolist(), strict=True)),
    }


@dataclass
class Group:
    """Runs under the same conditions, sorted by method and steps, each with a short label."""

    name: str
    title: str
    runs: list[Run]
    labels: dict[str, str]

    @property
    def baseline(self) -> Run | None:
        """The run of BatchNorm statistics alone, over which gains are measured."""
        return next((run for run in self.runs if run.method == "bn"), None)

    def gain(self, run: Run) -> Estimate | None:
        """What a run gains over BatchNorm statistics alone."""
        return None if self.baseline is None else estimate(scores(run) - scores(self.baseline))


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Put together what can be compared."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(json.dumps(run.conditions, sort_keys=True, default=str), []).append(run)
    groups: list[Group] = []
    for members in found.values():
        members.sort(key=lambda run: (list(METHODS).index(run.method), run.settings["inner_steps"], run.settings["learning_rate"]))
        facts = members[0].conditions
        origin = " (regenerated)" if facts["origin"] == "regenerated" else ""
        title = f"{DATASETS.get(facts['dataset'], facts['dataset'])}{origin}, batch {facts['batch size']}, {PROTOCOLS[facts['protocol']]}"
        name = f"{facts['dataset']}-b{facts['batch size']}-{facts['protocol']}"
        taken = sum(group.name.startswith(name) for group in groups)
        groups.append(Group(f"{name}-{taken + 1}" if taken else name, title, members, short_labels(members)))
    return groups


def method_label(run: Run) -> str:
    """Name of the method, with its steps where they matter."""
    steps = run.settings["inner_steps"]
    return METHODS[run.method] + (f"-{steps}" if run.method == "tent" or steps > 1 else "")


def short_labels(runs: Sequence[Run]) -> dict[str, str]:
    """A label for each run: its method, then its learning rate, then its id, until labels differ."""
    labels = [method_label(run) for run in runs]
    rates = [f"{label} (lr {run.settings['learning_rate']:.2g})" for label, run in zip(labels, runs, strict=True)]
    labels = [rate if labels.count(label) > 1 else label for label, rate in zip(labels, rates, strict=True)]
    return {run.run_id: run.run_id if labels.count(label) > 1 else label for label, run in zip(labels, runs, strict=True)}


def all_comparisons(groups: Sequence[Group]) -> dict[str, list[dict[str, Any]]]:
    """By group: proposed against every run, every run against BN statistics; Holm over all."""
    found: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        pairs = itertools.permutations(group.runs, 2)
        wanted = [(a, b) for a, b in pairs if (a.method == PROPOSED != b.method) or (b.method == "bn" and a.method not in ("bn", PROPOSED))]
        found[group.name] = [compare(first, second) for first, second in wanted]
    tests = [test for tests in found.values() for test in tests]
    for kind in ("p_value", "wilcoxon_p_value"):
        family = [test for test in tests if test[kind] is not None]
        if family:
            adjusted = multipletests([test[kind] for test in family], ALPHA, method="holm")[1]
            for test, value in zip(family, adjusted, strict=True):
                test[f"{kind}_holm"] = float(value)
    return found


# -------------------------------------------------------------------------------------------------------------------- verdicts


def verdicts(groups: Sequence[Group], tests: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A verdict for each claim: it matches TENT with more steps, and is better than each rival."""
    found = []
    for group in groups:
        proposed = [run for run in group.runs if run.method == PROPOSED]
        for one, rival in itertools.product(proposed, group.runs):
            if rival.method == "tent" and rival.settings["inner_steps"] > one.settings["inner_steps"]:
                found.append(matching_verdict(group, one, rival))
        found += [better_verdict(group, test) for test in tests[group.name] if test["first"] in {run.run_id for run in proposed}]
    return found


def matching_verdict(group: Group, proposed: Run, rival: Run) -> dict[str, Any]:
    """Whether one step keeps at least RETAINED of the gain of more steps, image by image."""
    names = group.labels[proposed.run_id], group.labels[rival.run_id]
    facts = {"group": group.name, "claim": f"{names[0]} matches {names[1]}", "proposed": proposed.run_id, "rival": rival.run_id}
    if group.baseline is None:
        return facts | {"status": "not tested", "sentence": f"{group.title}: no run of BatchNorm statistics alone, so no gain to match."}
    base = scores(group.baseline)
    gain, own = estimate(scores(rival) - base), estimate(scores(proposed) - base)
    kept = estimate((scores(proposed) - base) - RETAINED * (scores(rival) - base))
    if gain.low <= 0:
        status, text = "empty", f"{names[1]} does not surely gain anything over BatchNorm statistics, so there is nothing to match"
    elif kept.low > 0:
        status, text = "supported", f"it keeps more than {RETAINED:.0%} of that gain"
    elif kept.high < 0:
        status, text = "refuted", f"it keeps less than {RETAINED:.0%} of that gain"
    else:
        status, text = "undecided", f"whether it keeps {RETAINED:.0%} of that gain can't be told"
    share = own.mean / gain.mean if gain.low > 0 else None
    shown = "" if share is None else f" ({share:.0%} were measured)"
    sentence = f"{group.title}: over BatchNorm statistics {names[1]} gains {gain} and {names[0]} {own}; {text}{shown}."
    points = {"gain_points": gain, "own_gain_points": own, "own_gain_less_the_share_points": kept}
    return facts | {name: vars(found) for name, found in points.items()} | {"status": status, "sentence": sentence, "share_kept": share}


def better_verdict(group: Group, test: dict[str, Any]) -> dict[str, Any]:
    """Is the proposed method better than another one?"""
    size, sure = Estimate(**test["difference_points"]), test["p_value_holm"] <= ALPHA
    status, text = ("supported", "better") if size.mean > 0 else ("refuted", "worse")
    status, text = (status, text) if sure else ("undecided", "no difference shown")
    names = group.labels[test["first"]], group.labels[test["second"]]
    sentence = f"{group.title}: {names[0]} against {names[1]}: {size}, {text} (p = {test['p_value_holm']:.2g} after Holm)."
    return {"group": group.name, "claim": f"{names[0]} is better than {names[1]}", "status": status, "sentence": sentence}


# ----------------------------------------------------------------------------------------------------------------------- files


def safe_name(text: str) -> str:
    """A part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "run"


def save_json(path: Path, content: Any) -> None:
    """Write strict JSON: NaN is an error here, not a surprise for the reader."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    print(path)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PDF for the paper and as PNG to look at; the same numbers give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", dpi=200)
    print(folder / f"{name}.pdf")


def save_table(table: pd.DataFrame, folder: Path, name: str) -> None:
    """Write a table as CSV, Markdown and LaTeX (needs booktabs)."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / f"{name}.csv", index=False)
    (folder / f"{name}.md").write_text(table.to_markdown(index=False, floatfmt=".2f") + "\n", "utf-8")
    (folder / f"{name}.tex").write_text(table.to_latex(index=False, escape=True, float_format="%.2f", na_rep="–"), "utf-8")
    print(folder / f"{name}.csv")


def write_run(run: Run, group: Group, folder: Path) -> None:
    """metrics.json and the figures of one run."""
    gain, label, corruptions = group.gain(run), group.labels[run.run_id], run.summary["corruptions"]
    metrics = {
        "run_id": run.run_id,
        "label": label,
        "conditions": run.conditions,
        **run.settings,
        "method": run.method,
        "accuracy_percent": vars(estimate(scores(run))),
        "gain_over_bn_points": vars(gain) if gain else None,
        "per_corruption": dict(zip(corruptions, run.correct.mean(axis=(0, 1)).tolist(), strict=True)),
        **{name: run.summary.get(name) for name in (*NUMBERS, *MAYBE, *PARTS[3:], "best_parameters")},
        "config": OmegaConf.to_container(run.config),
        "history": run.history.astype(object).where(run.history.notna(), None).to_dict(orient="list"),
    }
    save_json(folder / "metrics.json", metrics)
    title, name = f"{label}: {group.title}", safe_name(run.run_id)
    save_figure(draw_learning_curve(run, title), folder, f"learning_curve_{name}")
    save_figure(draw_confusion(run, title), folder, f"confusion_matrix_{name}")


def results_table(groups: Sequence[Group]) -> pd.DataFrame:
    """A row for each run: accuracy, gain over BN in points, their intervals, and the cost."""
    rows = []
    for group in groups:
        for run in group.runs:
            own, gain, facts = estimate(scores(run)), group.gain(run), run.summary
            row = {"conditions": group.title, "method": group.labels[run.run_id], "learning rate": run.settings["learning_rate"]}
            row |= {"accuracy": own.mean, "from": own.low, "to": own.high}
            row |= {"gain over BN": gain.mean, "gain from": gain.low, "gain to": gain.high} if gain else {}
            rows.append(row | {"backward / batch": facts["backwards"] / facts["batches"], "ms / batch": facts["latency_p50_ms"]})
    return pd.DataFrame(rows)


def tests_table(groups: Sequence[Group], tests: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """A row for each test; p-values after Holm."""
    rows = []
    for group in groups:
        for test in tests[group.name]:
            row = {"conditions": group.title, "pair": f"{group.labels[test['first']]} − {group.labels[test['second']]}"}
            row |= dict(zip(("points", "from", "to"), test["difference_points"].values(), strict=False))
            rows.append(row | {"p": test["p_value_holm"], "p (Wilcoxon)": test.get("wilcoxon_p_value_holm")})
    return pd.DataFrame(rows)


def write_comparison(groups: Sequence[Group], problems: dict[str, str], folder: Path) -> None:
    """Numbers, tables and figures of the comparison; prints the verdicts."""
    tests = all_comparisons(groups)
    found = verdicts(groups, tests)
    runs = [run for group in groups for run in group.runs]
    ranked = sorted(groups[0].runs, key=lambda run: -run.accuracy)
    one = next((run for run in ranked if run.method == PROPOSED), None)
    other = next((run for run in ranked if run.method != PROPOSED), None)
    save_json(
        folder / "aggregated_metrics.json",
        {
            "primary_metric": "top1_accuracy",
            "metrics": {name: {run.run_id: run.summary.get(name) for run in runs} for name in (*NUMBERS, *MAYBE)},
            "best_proposed": one and {"run_id": one.run_id, "top1_accuracy": one.accuracy},
            "best_baseline": other and {"run_id": other.run_id, "top1_accuracy": other.accuracy},
            "gap_points": 100 * (one.accuracy - other.accuracy) if one and other else None,
            "verdicts": found,
            "groups": {group.name: {"conditions": group.runs[0].conditions, "tests": tests[group.name]} for group in groups},
            "not_evaluated": problems,
            "settings": {"alpha": ALPHA, "share_of_gain_to_keep": RETAINED, "correction": "Holm, over all tests of a kind"},
        },
    )
    save_table(results_table(groups), folder, "results_table")
    if any(tests.values()):
        save_table(tests_table(groups, tests), folder, "tests_table")
    for group in groups:
        save_figure(draw_accuracy(group), folder, f"accuracy_{group.name}")
        save_figure(draw_corruptions(group), folder, f"corruptions_{group.name}")
    for dataset in sorted({str(group.runs[0].conditions["dataset"]) for group in groups if group.baseline}):
        members = [group for group in groups if group.baseline and group.runs[0].conditions["dataset"] == dataset]
        save_figure(draw_gains(members), folder, f"gains_{safe_name(dataset)}")
    for verdict in found:
        print(f"verdict [{verdict['status']}]: {verdict['sentence']}")


# --------------------------------------------------------------------------------------------------------------------- figures


def draw_learning_curve(run: Run, title: str) -> Figure:
    """Accuracy (and loss) over the batches of the stream, mean of the seeds, with the corruptions marked."""
    has_loss = "loss" in run.history and run.history["loss"].notna().any()
    figure = Figure(figsize=(6, 3.6 if has_loss else 2.4))
    axes = figure.subplots(nrows=1 + has_loss, sharex=True, squeeze=False)
    frame = run.history.sort_values(["corruption_index", "batch"])
    places = frame.groupby(["corruption_index", "batch"], as_index=False).mean(numeric_only=True)
    sns.lineplot(x=places.index, y=100 * places["batch_accuracy"], ax=axes[0, 0], color="#d0d0d0", lw=0.7, label="batch")
    for index, part in places.groupby("corruption_index"):
        label = "so far" if index == 0 else None
        sns.lineplot(x=part.index, y=100 * part["running_accuracy"], ax=axes[0, 0], color=COLOURS[run.method], label=label)
    axes[0, 0].set(ylabel="accuracy (%)", title=title)
    if has_loss:
        sns.lineplot(x=places.index, y=places["loss"], ax=axes[1, 0], color=COLOURS[run.method], lw=0.8)
    middles = [part.index.to_numpy().mean() for _, part in places.groupby("corruption_index")]
    axes[-1, 0].set_xticks(middles, [name.replace("_", " ") for name in run.summary["corruptions"]], rotation=45, ha="right", fontsize=7)
    axes[-1, 0].set(xlabel="logged batches of the stream")
    return figure


def draw_confusion(run: Run, title: str) -> Figure:
    """Confusion matrix in percent of each true class, over all corruptions and seeds."""
    figure = Figure(figsize=(4.6, 4))
    axis = figure.subplots()
    counts = np.array(run.summary["confusion_matrix"], dtype=float)
    names = run.summary["class_names"]
    shares = pd.DataFrame(100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), names, names)
    sns.heatmap(shares, ax=axis, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, square=True, annot_kws={"size": 6})
    axis.set(xlabel="predicted class", ylabel="true class (%)", title=title)
    return figure


def draw_accuracy(group: Group) -> Figure:
    """Accuracy of each run with its interval, and the time that it takes for a batch."""
    figure = Figure(figsize=(6.5, 1 + 0.28 * len(group.runs)))
    left, right = figure.subplots(ncols=2, sharey=True, width_ratios=(3, 1))
    for place, run in enumerate(group.runs):
        own = estimate(scores(run))
        reach = [[own.mean - own.low], [own.high - own.mean]]
        left.errorbar(own.mean, place, xerr=reach, fmt=MARKERS[run.method], color=COLOURS[run.method], capsize=2)
        left.annotate(f"{own.mean:.2f}", (own.high, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
        right.barh(place, run.summary["latency_p50_ms"], color=COLOURS[run.method], height=0.6)
    left.set_yticks(range(len(group.runs)), [group.labels[run.run_id] for run in group.runs])
    left.margins(x=0.12)
    left.invert_yaxis()
    left.set(xlabel=f"accuracy (%), 95 % interval over images{' and models' if len(group.runs[0].summary['seeds']) > 1 else ''}")
    right.set(xlabel="ms for a batch", xscale="log")
    figure.suptitle(group.title, fontsize=9)
    return figure


def draw_corruptions(group: Group) -> Figure:
    """Accuracy by corruption and run."""
    names = [name.replace("_", " ") for name in group.runs[0].summary["corruptions"]]
    table = pd.DataFrame({group.labels[run.run_id]: 100 * run.correct.mean(axis=(0, 1)) for run in group.runs}, index=names).T
    table["mean"] = table.mean(axis=1)
    figure = Figure(figsize=(2 + 0.45 * len(table.columns), 1.4 + 0.28 * len(table)))
    axis = figure.subplots()
    sns.heatmap(table, ax=axis, annot=True, fmt=".1f", cmap="viridis", annot_kws={"size": 7}, cbar_kws={"label": "accuracy (%)"})
    axis.set_title(group.title, fontsize=9)
    axis.set_xticklabels(axis.get_xticklabels(), rotation=45, ha="right")
    return figure


def draw_gains(groups: Sequence[Group]) -> Figure:
    """Gains over BN statistics along the stream, by learning rate and by batch size."""
    main = max(groups, key=lambda group: len(group.runs))
    sizes = [group for group in groups if group.runs[0].conditions["protocol"] == main.runs[0].conditions["protocol"]]
    rates = {run.settings["learning_rate"] for run in main.runs if run.method in ("tent", PROPOSED) and run.settings["inner_steps"] == 1}
    panels: list[Callable[[Axes], None]] = [lambda axis: gain_along_stream(axis, main)]
    if len(rates) > 1:
        panels.append(lambda axis: gain_by(axis, [main], "learning rate", lambda run: float(run.settings["learning_rate"])))
    if len(sizes) > 1:
        panels.append(lambda axis: gain_by(axis, sizes, "batch size", lambda run: float(run.config.run.dataset.batch_size)))
    figure = Figure(figsize=(1 + 3.1 * len(panels), 3.2))
    axes = figure.subplots(ncols=len(panels), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        panel(axis)
        axis.axhline(0, color="black", lw=0.6)
    axes[0, 0].set_ylabel("gain over BatchNorm statistics (points)")
    lines = {text: line for axis in axes[0] for line, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(lines.values(), lines.keys(), loc="outside right center", fontsize=7, frameon=False)
    figure.suptitle(main.title, fontsize=9)
    return figure


def gain_along_stream(axis: Axes, group: Group) -> None:
    """Gain so far along the stream of each method, at its learning rate of highest accuracy."""
    curves = {run.run_id: run.history.groupby("batch")[["images_seen", "running_accuracy"]].mean() for run in group.runs}
    best: dict[str, Run] = {}
    for run in sorted(learning(group.runs), key=lambda run: run.accuracy):
        best[method_label(run)] = run
    for label, run in sorted(best.items()):
        gain = 100 * (curves[run.run_id] - curves[group.baseline.run_id])["running_accuracy"].dropna()
        seen = curves[run.run_id]["images_seen"][gain.index]
        axis.plot(seen, gain, color=COLOURS[run.method], ls=DASHES[run.settings["inner_steps"] > 1], label=label)
    axis.set(xlabel="images of the corruption seen so far")


def gain_by(axis: Axes, groups: Sequence[Group], title: str, setting: Callable[[Run], float]) -> None:
    """Gain against a setting, a line a method; the learning rate is the one at most other values."""
    points = [(method_label(run), setting(run), run, group.gain(run)) for group in groups for run in learning(group.runs)]
    for label in sorted({point[0] for point in points}):
        line = sorted((point[1:] for point in points if point[0] == label), key=lambda point: point[0])
        rates = [run.settings["learning_rate"] for _, run, _ in line]
        if title != "learning rate":
            line = [point for point, rate in zip(line, rates, strict=True) if rate == max(rates, key=rates.count)]
        reach = [[gain.mean - gain.low for *_, gain in line], [gain.high - gain.mean for *_, gain in line]]
        run, xs, means = line[0][1], [x for x, *_ in line], [gain.mean for *_, gain in line]
        look = {"color": COLOURS[run.method], "marker": MARKERS[run.method], "ls": DASHES[run.settings["inner_steps"] > 1]}
        axis.errorbar(xs, means, yerr=reach, ms=4, capsize=2, lw=1.2, label=label, **look)
    axis.set(xscale="log", xlabel=title)


def learning(runs: Sequence[Run]) -> list[Run]:
    """Those that learn."""
    return [run for run in runs if run.method not in ("source", "bn")]


# ------------------------------------------------------------------------------------------------------------------------ main


def parse_command(arguments: Sequence[str]) -> DictConfig:
    """Read `key=value` arguments; raises UsageError for anything but the four that there are."""
    try:
        given = OmegaConf.from_cli(list(arguments))
    except Exception as error:  # of OmegaConf, or of the YAML parser that it asks
        raise UsageError(f"the arguments can't be read ({error}); {USAGE}") from None
    ids = given.get("run_ids")
    if set(given) - {"results_dir", "run_ids", "wandb"} or not given.get("results_dir") or not OmegaConf.is_list(ids) or not ids:
        raise UsageError(USAGE)
    given.run_ids = [str(run_id) for run_id in ids]
    if len(set(given.run_ids)) < len(given.run_ids) or any("/" in name or name in (".", "..", "comparison") for name in given.run_ids):
        raise UsageError(f"run_ids has an id twice, or one that can't be the name of a folder: {', '.join(given.run_ids)}")
    return given


def project_path(given: DictConfig) -> str:
    """`entity/project`: those of the command line, else of config.yaml, else of the environment."""
    section = OmegaConf.load(Path(__file__).resolve().parents[1] / "config" / "config.yaml").wandb
    entity = OmegaConf.select(given, "wandb.entity") or section.entity or os.environ.get("WANDB_ENTITY")
    project = OmegaConf.select(given, "wandb.project") or section.project or os.environ.get("WANDB_PROJECT")
    if not entity or not project:
        raise UsageError("neither config.yaml nor WANDB_ENTITY and WANDB_PROJECT say which W&B entity and project the runs are in")
    return f"{entity}/{project}"


def evaluate(given: DictConfig) -> int:
    """Evaluate runs; the exit code is 1 where one of them could not be evaluated."""
    project, folder = project_path(given), Path(given.results_dir)
    sns.set_theme("paper", "ticks", rc=STYLE)
    # W&B's service must give up before its client does: it then tells the reason, and they do not wait for each other at exit (wandb 0.31).
    wandb.setup(wandb.Settings(x_graphql_retry_max=3, x_graphql_timeout_seconds=REQUEST_SECONDS))
    api = wandb.Api(timeout=120)  # four requests and the pauses between them
    runs, problems = [], {}
    for run_id in given.run_ids:
        try:
            runs.append(read_run(api, project, run_id))
        except RunError as problem:
            problems[run_id] = f"run {run_id!r} {problem}"
            print(f"error: {problems[run_id]}", file=sys.stderr)
    if not runs:
        return 1  # nothing was written
    groups = group_runs(runs)
    for members in groups:
        for run in members.runs:
            write_run(run, members, folder / run.run_id)
    write_comparison(groups, problems, folder / "comparison")
    return 1 if problems else 0


def main() -> int:
    """Run the command; an error that a user can cause is one sentence."""
    try:
        return evaluate(parse_command(sys.argv[1:]))
    except (UsageError, wandb.Error, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    mpl.use("agg")
    sys.exit(main())
