"""WDB102: metrics that training writes to files, told from what is written, in the ways that programs write."""

from __future__ import annotations

import pytest
from rule_cases import HERE, TRAIN, found_and_marked

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

FINISH = "    run.finish()\n"
IMPORT = Edit(
    "from pathlib import Path\n",
    "import csv\nimport json\nimport pickle\nfrom pathlib import Path\n\nimport numpy as np\nimport pandas as pd\n",
)
SUGGEST = "def suggest(trial"
LAST = Edit("    model, _ = fit(cfg, found, log_to_wandb=True)\n", "    model, last = fit(cfg, found, log_to_wandb=True)\n")


def writing(*lines: str, definition: str = "") -> Tree:
    """The golden training that writes something before its run is finished."""
    body = "".join(f"    {line}\n" for line in lines)
    edits = [IMPORT, LAST, Edit(FINISH, body + FINISH)]
    return Tree({TRAIN: (*edits, *([Edit(SUGGEST, f"{definition}\n\n\n{SUGGEST}")] if definition else []))})


METRICS = {
    "scores beside a checkpoint": writing(f'torch.save({{"scores": last}}, run_dir / "final.pt"){HERE}'),
    "a mapping that a function returns": writing(f'torch.save(last, run_dir / "final.pt"){HERE}'),
    "a pickle": writing(f'pickle.dump({{"accuracy": test_accuracy, "epoch": 3}}, (run_dir / "last.bin").open("wb")){HERE}'),
    "JSON": writing('with open(run_dir / "final.json", "w") as file:', f'    json.dump({{"test_loss": test_loss}}, file){HERE}'),
    "JSON as a text": writing(f'(run_dir / "final.json").write_text(json.dumps({{"test_loss": test_loss}}, indent=2)){HERE}'),
    "a variable": writing('final = {"test_accuracy": test_accuracy}', 'final["test_loss"] = test_loss', f'torch.save(final, run_dir / "final.pt"){HERE}'),
    "arrays": writing(f'np.savez(run_dir / "final.npz", accuracy=test_accuracy, loss=test_loss){HERE}'),
    "a table": writing(f'pd.DataFrame([{{"epoch": 1, "val_loss": test_loss}}]).to_csv(run_dir / "final.csv"){HERE}'),
    "rows": writing("rows = []", 'rows.append({"epoch": 1, "val_loss": test_loss})', f'pd.DataFrame(rows).to_parquet(run_dir / "final.parquet"){HERE}'),
    "a writer of rows": writing(f'writer = csv.DictWriter((run_dir / "final.csv").open("w"), fieldnames=["epoch", "val_accuracy"]){HERE}', "writer.writeheader()"),
    "a helper function": writing(
        'keep({"accuracy": test_accuracy}, run_dir)', definition=f'def keep(values, folder):\n    torch.save(values, folder / "final.pt"){HERE}'
    ),
    "a curve": writing("losses = [test_loss]", f'np.save(run_dir / "curve.npy", losses){HERE}'),
}  # fmt: skip
OTHERS = {
    "weights": writing('torch.save({"model": model.state_dict(), "val_accuracy": test_accuracy}, run_dir / "last.pt")'),
    "weights alone": writing('torch.save(model.state_dict(), run_dir / "last.pt")'),
    "a checkpoint that is put together": writing('state = {"epoch": 1, "loss": test_loss}', 'state["weights"] = model.state_dict()', 'torch.save(state, run_dir / "last.pt")'),
    "found settings": writing('(run_dir / "found.json").write_text(json.dumps(found))'),
    "the config": writing('(run_dir / "used.json").write_text(json.dumps(OmegaConf.to_container(cfg)))'),
    "normalisation": writing('np.savez(run_dir / "normalisation.npz", mean=0.1, std=0.2)'),
    "nobody knows what": writing('torch.save(vars(model), run_dir / "last.pt")'),
    "nothing is written": writing('text = json.dumps({"accuracy": test_accuracy})', "print(len(text))"),
    "sent to W&B": writing('wandb.log({"scores": last})'),
    "labels": writing('torch.save({"labels": labels, "classes": 10}, run_dir / "labels.pt")'),
}  # fmt: skip


@pytest.mark.parametrize("way", METRICS)
def test_metrics_in_files_are_found(way: str, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(("WDB102", way, METRICS[way]), golden, composer)
    assert found == marked


@pytest.mark.parametrize("way", OTHERS)
def test_other_files_are_left_alone(way: str, golden: dict[str, str], composer: Composer) -> None:
    assert found_and_marked(("WDB102", way, OTHERS[way]), golden, composer)[0] == []
