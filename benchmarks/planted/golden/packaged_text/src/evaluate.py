"""Compare finished runs; all numbers come from W&B."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import wandb
from omegaconf import OmegaConf
from scipy.stats import binomtest

CONFIG_FILE = Path(__file__).resolve().parents[1] / "config" / "config.yaml"


def parse():
    """Let OmegaConf read the `key=value` arguments; a JSON list is a list for it."""
    given = OmegaConf.from_cli()
    if set(given) != {"results_dir", "run_ids"}:
        raise SystemExit("usage: python -m src.evaluate results_dir=<path> run_ids=<JSON list>")
    return Path(given.results_dir), list(given.run_ids)


def fetch(api, project_path, run_id):
    """Return what a finished run logged."""
    run = api.run(f"{project_path}/{run_id}")
    if run.state != "finished":
        raise RuntimeError(f"run {run_id!r} is {run.state}, not finished")
    rows = [row for row in run.scan_history() if row.get("epoch") is not None]
    if not rows:
        raise RuntimeError(f"run {run_id!r} logged no epochs")
    points = [[row["epoch"], row["val_accuracy"]] for row in rows]
    return {
        "run_id": run_id,
        "method": run.config["method"],
        "test_accuracy": float(run.summary["test_accuracy"]),
        "observed": run.summary["test_correct"],
        "curve": points,
    }


def write_json(path, content):
    """Write strict JSON."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False), encoding="utf-8")


def draw_run(result, run_dir):
    """Write the metrics and the learning curve of one run."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / "metrics.json", result)
    figure, axes = plt.subplots()
    axes.plot([epoch for epoch, _ in result["curve"]], [value for _, value in result["curve"]], marker="o")
    axes.set(title=result["run_id"], xlabel="epoch", ylabel="val_accuracy")
    figure.savefig(run_dir / "learning_curve.pdf")
    plt.close(figure)


def compare(proposed, baseline):
    """Return the improvement of the proposed method and a paired test over the test examples."""
    pairs = list(zip(proposed["observed"], baseline["observed"], strict=True))
    wins = pairs.count(("1", "0"))
    losses = pairs.count(("0", "1"))
    # Without a disagreement the methods are as equal as they can be.
    p_value = float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0
    return {
        "proposed": proposed["run_id"],
        "baseline": baseline["run_id"],
        "improvement_rate": (proposed["test_accuracy"] - baseline["test_accuracy"]) / abs(baseline["test_accuracy"]),
        "p_value": p_value,
    }


def write_comparison(results, folder):
    """Write the derived metrics, the table and the figure over all runs."""
    proposed = [result for result in results if result["run_id"].startswith("proposed-")]
    baselines = [result for result in results if result["run_id"].startswith("comparative-")]
    if not proposed or not baselines:
        raise ValueError("a comparison needs a proposed run and a comparative run")
    comparisons = [compare(one, other) for one in proposed for other in baselines]
    folder.mkdir(parents=True, exist_ok=True)
    table = [{"run_id": result["run_id"], "method": result["method"], "test_accuracy": result["test_accuracy"]} for result in results]
    write_json(folder / "aggregated_metrics.json", {"runs": table, "comparisons": comparisons})
    lines = ["run_id,method,test_accuracy", *(f"{row['run_id']},{row['method']},{row['test_accuracy']}" for row in table)]
    (folder / "comparison_table.csv").write_text("\n".join(lines), encoding="utf-8")
    figure, axes = plt.subplots()
    axes.barh([row["run_id"] for row in table], [row["test_accuracy"] for row in table])
    axes.set(xlabel="test_accuracy")
    figure.savefig(folder / "test_accuracy_test.pdf")
    plt.close(figure)


def main():
    """Fetch the requested runs and write their results."""
    results_dir, run_ids = parse()
    config = OmegaConf.load(CONFIG_FILE)
    api = wandb.Api()
    results = [fetch(api, f"{config.wandb.entity}/{config.wandb.project}", run_id) for run_id in run_ids]
    for result in results:
        draw_run(result, results_dir / result["run_id"])
    write_comparison(results, results_dir / "comparison")


if __name__ == "__main__":
    main()
