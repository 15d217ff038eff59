"""Runs as training logs them, with accuracies that are known: made of numbers, logged with the real client to the tracker of the environment.

`python logged_runs.py IMAGES [CORRUPTIONS]` logs a whole set of runs and ends.
"""

from __future__ import annotations

import base64
import sys
from typing import Any

import numpy as np

ENTITY, PROJECT = "tta-lab", "cw-tent"
CORRUPTIONS = [
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow", "frost", "fog", "brightness",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression",
]  # fmt: skip
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
# Skill of a method at the start of a corruption's stream, at its end, images per second, drift of the affine parameters.
SKILLS = {
    "source": (0.1, 0.1, 950.0, 0.0),
    "bn": (0.95, 0.95, 900.0, 0.0),
    "tent": (0.97, 1.12, 420.0, 0.012),
    "cw-tent": (0.97, 1.1, 410.0, 0.011),
}
PROPOSED_ID = "proposed-ResNet-18 (11M)-CIFAR-10-C (severity 5)"
TENT_ID = "comparative-1-ResNet-18 (11M)-CIFAR-10-C (severity 5)"


def pack(bits: np.ndarray) -> str:
    return base64.b64encode(np.packbits(bits).tobytes()).decode()


def correct_bits(method: str, steps: int, images: int, corruptions: list[str], gain: float = 0.0, seed: int = 0) -> np.ndarray:
    """Whether each image is right, shape (corruptions, images): an image's and a corruption's difficulty are the same for all methods."""
    shared = np.random.default_rng(1)
    difficulty = shared.normal(size=images)
    hardness = shared.normal(scale=0.45, size=len(corruptions))
    occasion = shared.normal(scale=0.8, size=(len(corruptions), images))
    own = np.random.default_rng([steps, seed, sum(map(ord, method))]).normal(scale=0.35, size=(len(corruptions), images))
    start, end, *_ = SKILLS[method]
    skill = end - (end - start) * np.exp(-np.arange(images) * steps / 400) + gain
    # Without adaptation noise hurts most.
    hurt = np.array([0.9 if "noise" in name and method == "source" else 0.0 for name in corruptions])
    return difficulty * 0.9 + occasion + own + hardness[:, None] - hurt[:, None] + skill > 0


def config_of(run_id: str, method: str, steps: int, batch_size: int, protocol: str) -> dict[str, Any]:
    objective = {"tent": "entropy", "cw-tent": "confidence_weighted_entropy"}.get(method, "none")
    return {
        "trial_mode": False,
        "results_dir": "results",
        "wandb": {"entity": ENTITY, "project": PROJECT, "mode": "online"},
        "stream": {
            "protocol": protocol, "order": "file", "last_batch": "keep", "predict": "before", "images": None, "precision": "auto",
        },
        "run": {
            "run_id": run_id,
            "method": method,
            "model": {"name": "resnet18", "pretrained_checkpoint": "timm/resnet18.a1_in1k", "num_classes": 10},
            "dataset": {"name": "cifar10c", "corruption_severity": 5, "corruption_types": "all", "split": "test", "batch_size": batch_size},
            "training": {
                "adaptation": steps > 0, "objective": objective, "inner_steps": steps, "learning_rate": 0.001, "momentum": 0.9,
                "optimizer": "sgd",
            },
            "optuna": {"enabled": False},
            "seed": 42,
        },
    }  # fmt: skip


def confusion_of(correct: np.ndarray) -> list[list[int]]:
    """The errors of a class go to the next two classes."""
    labels = np.arange(correct.shape[1]) % 10
    matrix = np.zeros((10, 10), dtype=int)
    for bits in correct:
        predicted = np.where(bits, labels, (labels + 1 + (np.arange(len(labels)) // 10) % 2) % 10)
        np.add.at(matrix, (labels, predicted), 1)
    return matrix.tolist()


def make_run(
    run_id: str,
    method: str,
    steps: int,
    *,
    images: int = 300,
    corruptions: list[str] = CORRUPTIONS,
    batch_size: int = 64,
    protocol: str = "reset",
    seeds: tuple[int, ...] = (42,),
    gain: float = 0.0,
    origin: str = "official",
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Config, rows and summary of a run, by the contract of keys between training and evaluation."""
    by_seed = [correct_bits(method, steps, images, corruptions, gain, seed) for seed in range(len(seeds))]
    rows: list[dict[str, Any]] = []
    forwards = backwards = updates = 0
    starts = range(0, images, batch_size)
    for seed, correct in zip(seeds, by_seed, strict=True):
        for index, bits in enumerate(correct):
            for batch, start in enumerate(starts):
                seen = min(images, start + batch_size)
                forwards, backwards, updates = forwards + max(1, steps), backwards + steps, updates + steps
                row = {
                    "seed": seed, "corruption_index": index, "batch": batch, "images_seen": seen, "batch_accuracy": float(bits[start:seen].mean()),
                    "running_accuracy": float(bits[:seen].mean()), "entropy": 0.5, "bn_drift": SKILLS[method][3], "forwards": forwards,
                    "backwards": backwards, "updates": updates, "step_latency_ms": 150.0,
                }  # fmt: skip
                if steps:
                    row |= {"loss": 0.3 + 0.4 * float(1 - bits[start:seen].mean()), "weight_sum": 0.7 * (seen - start)}
                if seen == images:
                    row |= {"corruption_accuracy": float(bits.mean())}
                rows.append(row)
    correct = np.stack(by_seed, axis=1)
    accuracy = float(correct.mean())
    summary = {
        "top1_accuracy": accuracy,
        "error": 1 - accuracy,
        "average_accuracy_after_first_adaptation_step": float(correct[..., batch_size:].mean()) if steps else None,
        "accuracy_after_3": float(correct[..., 3 * batch_size :].mean()) if steps else None,
        "clean_accuracy": 0.95,
        "per_corruption": {name: float(correct[index].mean()) for index, name in enumerate(corruptions)},
        "confusion_matrix": confusion_of(by_seed[0]),
        "class_names": CLASSES,
        "correct": {name: [pack(bits) for bits in correct[index]] for index, name in enumerate(corruptions)},
        "images_per_corruption": dict.fromkeys(corruptions, images),
        "forwards": forwards,
        "backwards": backwards,
        "updates": updates,
        "batches": len(rows),
        "latency_p50_ms": 150.0 * max(steps, 1),
        "latency_p95_ms": 170.0 * max(steps, 1),
        "peak_memory_mb": 812.0,
        "images_per_second": SKILLS[method][2] / max(steps, 1),
        "bn_drift": SKILLS[method][3] * max(steps, 1) ** 0.5,
        "data_origin": origin,
        "protocol": protocol,
        "precision": "fp32",
        "seeds": list(seeds),
        "best_parameters": None,
        "search_value": None,
        "corruptions": corruptions,
        "seconds": 99.0,
    }
    return config_of(run_id, method, steps, batch_size, protocol), rows, summary


def log_run(run_id: str, config: dict[str, Any], rows: list[dict[str, Any]], summary: dict[str, Any]) -> Any:
    """Log a run with the real client, and return it still running."""
    import wandb  # only the process that logs needs it

    settings = wandb.Settings(
        x_disable_stats=True, x_disable_machine_info=True, console="off", disable_git=True, save_code=False, silent=True
    )
    run = wandb.init(entity=ENTITY, project=PROJECT, id=run_id, resume="allow", config=config, settings=settings, reinit="create_new")
    for step, row in enumerate(rows):
        run.log(row, step=step)
    run.summary.update(summary)
    return run


def without(mapping: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


def log_set(images: int, corruptions: list[str] = CORRUPTIONS) -> list[Any]:
    """The runs of a comparison."""
    runs = []
    for run_id, method, steps in (
        (PROPOSED_ID, "cw-tent", 1), (TENT_ID, "tent", 10), ("tent-1", "tent", 1), ("bn", "bn", 0), ("source", "source", 0),
    ):  # fmt: skip
        runs.append(log_run(run_id, *make_run(run_id, method, steps, images=images, corruptions=corruptions)))
    return runs


def log_broken() -> list[Any]:
    """Runs that can't be evaluated or only just: the first is to fail, the last to stay running."""
    few = {"images": 100, "corruptions": CORRUPTIONS[:2]}
    config, rows, summary = make_run("failed", "bn", 0, **few)
    runs = [log_run("failed", config, rows[:2], {})]
    config, rows, summary = make_run("no-bits", "bn", 0, **few)
    runs.append(log_run("no-bits", config, rows, without(summary, "correct", "latency_p95_ms")))
    config, rows, summary = make_run("no-running", "tent", 1, **few)
    runs.append(log_run("no-running", config, [without(row, "running_accuracy", "loss") for row in rows], summary))
    config, rows, summary = make_run("one", "cw-tent", 1, images=100, corruptions=CORRUPTIONS[:1])
    runs.append(log_run("one", config, rows, summary))
    config, rows, summary = make_run("running", "bn", 0, **few)
    return [*runs, log_run("running", config, rows[:2], {})]


def main() -> None:
    images, corruptions = int(sys.argv[1]), CORRUPTIONS[: int(sys.argv[2])] if len(sys.argv) > 2 else CORRUPTIONS
    runs = log_set(images, corruptions)
    failed, *others = log_broken() if len(sys.argv) > 3 else [None]
    for run in [*runs, *others[:-1]]:
        run.finish()
    if failed is not None:
        failed.finish(exit_code=1)
        print("logged", flush=True)
        sys.stdin.readline()
        others[-1].finish()


if __name__ == "__main__":
    main()
