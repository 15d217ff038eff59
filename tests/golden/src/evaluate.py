"""Compare finished runs: everything about them comes from W&B, and a run that is missing there is an error."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import wandb
from omegaconf import OmegaConf
from scipy.stats import binomtest

CONFIG_FILE = Path(__file__).resolve().parents[1] / "config" / "config.yaml"
HISTORY_KEYS = ["epoch", "train_loss", "val_accuracy", "val_loss"]
SUMMARY_KEYS = ["test_accuracy", "test_loss", "confusion_matrix", "test_correct"]


def parse_arguments(arguments: list[str]) -> tuple[Path, list[str]]:
    """Read `results_dir=<path>` and `run_ids=<JSON list>`, in either order."""
    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if len(arguments) != 2 or set(values) != {"results_dir", "run_ids"}:
        raise SystemExit("""usage: python -m src.evaluate results_dir=<path> run_ids='["a","b"]'""")
    return Path(values["results_dir"]), json.loads(values["run_ids"])


def fetch_run(api: wandb.Api, project_path: str, run_id: str) -> dict[str, Any]:
    """Return what a finished run logged; W&B itself raises an error that names a run it does not have."""
    run = api.run(f"{project_path}/{run_id}")
    if run.state != "finished":
        raise RuntimeError(f"run {run_id!r} is {run.state}, not finished")
    history = pd.DataFrame(list(run.scan_history()))
    missing = sorted(set(HISTORY_KEYS) - set(history.columns)) + sorted(set(SUMMARY_KEYS) - set(run.summary.keys()))
    if missing:
        raise RuntimeError(f"run {run_id!r} never logged {missing}")
    # A run that was started again under its id holds its epochs twice: the later ones belong to the summary.
    curve = history.dropna(subset=["epoch"]).drop_duplicates("epoch", keep="last")
    return {
        "run_id": run_id,
        "method": run.config["run"]["method"],
        "dataset": run.config["run"]["dataset"],
        "optimizer_settings": run.config["optimizer_settings"],
        "test_accuracy": float(run.summary["test_accuracy"]),
        "test_loss": float(run.summary["test_loss"]),
        "confusion_matrix": run.summary["confusion_matrix"],
        "test_correct": run.summary["test_correct"],
        "history": curve[HISTORY_KEYS].to_dict("records"),
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write strict JSON: NaN or infinity is an error here, not a surprise for the reader."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Write a figure as PDF and free its memory."""
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def write_run(run: dict[str, Any], run_dir: Path) -> None:
    """Write the metrics and the figures of one run."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / "metrics.json", run)
    history = pd.DataFrame(run["history"])
    figure, axes = plt.subplots()
    sns.lineplot(data=history, x="epoch", y="train_loss", label="training loss", ax=axes)
    sns.lineplot(data=history, x="epoch", y="val_loss", label="validation loss", ax=axes)
    axes.set(title=run["run_id"], ylabel="loss")
    save_figure(figure, run_dir / "learning_curve.pdf")
    figure, axes = plt.subplots()
    sns.heatmap(run["confusion_matrix"], annot=True, fmt="d", cmap="Blues", ax=axes)
    axes.set(title=run["run_id"], xlabel="predicted digit", ylabel="true digit")
    save_figure(figure, run_dir / "confusion_matrix.pdf")


def compare(proposed: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
    """Return the improvement rate and McNemar's exact test over the test images, which both runs share."""
    if proposed["dataset"] != baseline["dataset"]:
        raise ValueError(f"{proposed['run_id']} and {baseline['run_id']} used different data: their images cannot be paired")
    pairs = list(zip(proposed["test_correct"], baseline["test_correct"], strict=True))
    only_proposed = pairs.count(("1", "0"))
    only_baseline = pairs.count(("0", "1"))
    disagreements = only_proposed + only_baseline
    # Without a disagreement there is nothing to test: the data are as likely as can be if the methods are equal.
    p_value = float(binomtest(only_proposed, disagreements).pvalue) if disagreements else 1.0
    return {
        "proposed": proposed["run_id"],
        "baseline": baseline["run_id"],
        "improvement_rate": (proposed["test_accuracy"] - baseline["test_accuracy"]) / baseline["test_accuracy"],
        "test_images": len(pairs),
        "only_proposed_correct": only_proposed,
        "only_baseline_correct": only_baseline,
        "mcnemar_p_value": p_value,
    }


def write_comparison(runs: list[dict[str, Any]], comparison_dir: Path) -> None:
    """Write the derived metrics, the table and the figures over all runs."""
    proposed_runs = [run for run in runs if run["run_id"].startswith("proposed-")]
    baseline_runs = [run for run in runs if run["run_id"].startswith("comparative-")]
    if not proposed_runs or not baseline_runs:
        raise ValueError("a comparison needs a proposed run and a comparative run")
    comparisons = [compare(proposed, baseline) for proposed in proposed_runs for baseline in baseline_runs]
    table = pd.DataFrame(runs)[["run_id", "method", "test_accuracy", "test_loss"]]
    comparison_dir.mkdir(parents=True, exist_ok=True)
    write_json(comparison_dir / "aggregated_metrics.json", {"runs": table.to_dict("records"), "comparisons": comparisons})
    table.to_csv(comparison_dir / "comparison_table.csv", index=False)
    figure, axes = plt.subplots()
    sns.barplot(data=table, x="test_accuracy", y="run_id", hue="method", ax=axes)
    save_figure(figure, comparison_dir / "accuracy_test.pdf")
    figure, axes = plt.subplots()
    for run in runs:
        sns.lineplot(data=pd.DataFrame(run["history"]), x="epoch", y="val_accuracy", label=run["run_id"], ax=axes)
    save_figure(figure, comparison_dir / "accuracy_validation.pdf")


def main() -> None:
    """Fetch the requested runs and write their results."""
    results_dir, run_ids = parse_arguments(sys.argv[1:])
    config = OmegaConf.load(CONFIG_FILE)
    api = wandb.Api()
    runs = [fetch_run(api, f"{config.wandb.entity}/{config.wandb.project}", run_id) for run_id in run_ids]
    for run in runs:
        write_run(run, results_dir / run["run_id"])
    write_comparison(runs, results_dir / "comparison")
    print(f"wrote metrics, figures and the comparison to {results_dir}")


if __name__ == "__main__":
    main()
