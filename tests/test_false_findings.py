"""What was once reported and is right: each kind in several forms, in the golden experiment."""

from __future__ import annotations

import pytest
from rule_cases import COMPARATIVE, CONFIG, EVALUATE, MAIN, MODEL, PREPROCESS, PROPOSED, PYPROJECT, TRAIN, Case, findings_of, name_of

from gonogo.compose.client import Composer
from gonogo.model.finding import Severity
from gonogo.rules.base import Edit, Tree

BEST = "    return study.best_params\n"
INIT = "    run = wandb.init(\n"
SUMMARY = 'float(run.summary["test_accuracy"])'
IMPORT = "from src.preprocess import build_loaders\n"
DOCSTRING = '    """Create the optimiser over all parameters of the model."""\n'
CRITERION = '    """Return the training loss of a method; refuse a run whose method and objective contradict each other."""\n'
MEAN = "    mean = dataset_cfg.normalisation.mean\n"


def train(new: str, old: str) -> Tree:
    """The golden experiment with another text in training, which imports `json`."""
    return Tree({TRAIN: (Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"), Edit(old, new))})


def titles(objective: tuple[str, str], returned: str) -> Tree:
    """The golden experiment where `method` is a title, and the objective is told by another key, with its value in either run."""
    first, second = objective
    return Tree(
        {
            COMPARATIVE: Edit("  objective: cross_entropy\n", f"  {first}\n"),
            PROPOSED: Edit("  objective: smoothed_cross_entropy\n", f"  {second}\n"),
            MODEL: Edit(
                CRITERION, f"{CRITERION}    return {returned}\n\n\ndef unused(method: str, training_cfg: DictConfig) -> nn.Module:\n"
            ),
            EVALUATE: (
                Edit('        "method": run.config["run"]["method"],\n', ""),
                Edit('[["run_id", "method", "test_accuracy", "test_loss"]]', '[["run_id", "test_accuracy", "test_loss"]]'),
            ),
            TRAIN: Edit("build_criterion(cfg.run.method, cfg.run.training)", 'build_criterion("", cfg.run.training)'),
        }
    )


CASES: list[Case] = [
    *(
        ("WDB102", text, train(f"{text}{BEST}", BEST))
        for text in (
            "    print(json.dumps(study.best_params))\n",
            "    best = dict(study.best_params)\n    print('the best:', json.dumps(best, indent=2))\n",
            "    print(json.dumps({name: value for name, value in study.best_params.items()}))\n",
            "    print(json.dumps(OmegaConf.to_container(cfg.run.training)))\n",
            "    settings = OmegaConf.to_container(cfg)\n    print(f'{1}', json.dumps(settings))\n",
            "    print(json.dumps(vars(study.best_trial.params)))\n",
        )
    ),
    *(
        ("WDB101", text, train(f"{text}{INIT.strip()}\n", INIT))
        for text in (
            '    run = wandb.init(mode="disabled") if cfg.trial_mode else ',
            '    off = "disabled"\n    run = wandb.init(mode=off) if cfg.trial_mode else ',
            '    run = wandb.init(mode="disabled" if cfg.results_dir else "disabled") if cfg.trial_mode else ',
        )
    ),
    *(
        ("EVA109", text, Tree({EVALUATE: Edit(SUMMARY, text)}))
        for text in (
            'float(run.summary.get("test_accuracy", run.summary.get("best_accuracy", 0.0)))',
            'float(run.summary.get("test_accuracy") or run.summary.get("best_accuracy", 0.0))',
            'run.summary.get("test_accuracy", float(run.summary.get("top1", run.summary.get("acc", 0.0))))',
            'run.summary["test_accuracy"] if "test_accuracy" in run.summary else run.summary["top1"]',
        )
    ),
    *(
        ("HYD110", text, Tree({PREPROCESS: Edit(MEAN, text)}))
        for text in (
            '    mean = dataset_cfg["normalisation"]["mean"] if isinstance(dataset_cfg, dict) else dataset_cfg.normalisation.mean\n',
            "    if isinstance(dataset_cfg, dict):\n        mean = dataset_cfg['normalisation']['mean']\n"
            "    else:\n        mean = dataset_cfg.normalisation.mean\n",
            "    if not isinstance(dataset_cfg, dict):\n        mean = dataset_cfg.normalisation.mean\n",
        )
    ),
    *(
        ("IMP102", text, Tree({MODEL: Edit(DOCSTRING, f'    """{text}"""\n')}))
        for text in (
            "Create the optimiser (fine for demo).",
            "Create the optimiser: small enough for demonstration purposes.",
            "Create the optimiser. Suitable for demo only.",
        )
    ),
    ("IMP105", "declared where uv looks", Tree({TRAIN: Edit(IMPORT, f"import evaluate\n{IMPORT}"), "requirements.txt": "evaluate\n"})),
    (
        "IMP105",
        "declared in a table that uv refuses",
        Tree(
            {
                TRAIN: Edit(IMPORT, f"import evaluate\n{IMPORT}"),
                PYPROJECT: Edit("# The code runs", '[project.optional]\nevaluate = ">=0.4"\n\n# The code runs'),
            }
        ),
    ),
    *(
        (
            "HYD112",
            text,
            Tree({MAIN: Edit('    overrides = [f"run={cfg.run.run_id}"]\n', text), CONFIG: Edit("  - run: ???", "  - run: " + own)}),
        )
        for own, text in (
            ("???", '    overrides = [f"run={cfg.run.run_id}"]\n'),
            ("proposed-mlp-digits", '    chosen = cfg.run.run_id\n    overrides = ["=".join(("run", chosen))]\n'),
        )
    ),
]
LABELS = [
    titles(("smooth: false", "smooth: true"), "nn.CrossEntropyLoss(label_smoothing=0.1 if training_cfg.smooth else 0.0)"),
    titles(
        ("smoothing: null", "smoothing: {by: 0.1}"),
        "nn.CrossEntropyLoss(label_smoothing=training_cfg.smoothing.by if training_cfg.smoothing else 0)",
    ),
    titles(("amount: 0.0", "amount: 0.1"), "nn.CrossEntropyLoss(label_smoothing=training_cfg.amount)"),
    titles(("loss: plain", "loss: smooth"), 'nn.CrossEntropyLoss(label_smoothing=0.1 if training_cfg.loss == "smooth" else 0.0)'),
]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_it_is_right(case: Case, golden: dict[str, str], composer: Composer) -> None:
    rule, _, tree = case
    assert findings_of(tree.apply(golden), rule, composer) == []


@pytest.mark.parametrize("tree", LABELS, ids=range(len(LABELS)))
def test_a_title_blocks_nothing(tree: Tree, golden: dict[str, str], composer: Composer) -> None:
    found = findings_of(tree.apply(golden), "HYD105", composer)
    assert [finding.severity for finding in found if "`method`" in finding.message] == [Severity.INFO]


def test_what_nothing_tells_apart_blocks(golden: dict[str, str], composer: Composer) -> None:
    tree = titles(("epochs_more: 3", "epochs_more: 4"), "nn.CrossEntropyLoss(label_smoothing=training_cfg.epochs_more / 100)")
    found = findings_of(tree.apply(golden), "HYD105", composer)
    assert [finding.severity for finding in found if "`method`" in finding.message] == [Severity.ERROR]
