"""Every fault of a real generated experiment, planted one at a time in the golden one: exactly that finding, and no other."""

from __future__ import annotations

import pytest
from experiments_of_texts import GOLDEN_PLAN, experiment_of

from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.finding import Severity
from gonogo.model.plan import Plan
from gonogo.model.verdict import Outcome, Verdict
from gonogo.rules.base import Edit, Tree

PROPOSED = "config/run/proposed-mlp-digits.yaml"
COMPARATIVE = "config/run/comparative-1-mlp-digits.yaml"
OLD_ID, NEW_ID = "proposed-mlp-digits", "proposed-MLP (64 units)-digits (8x8)"
IN_TRIAL = '        overrides.append("wandb.mode=disabled")'

FAULTS: dict[str, tuple[str, str, Tree]] = {
    "method read at the root": (
        "HYD104",
        "src/train.py",
        Tree({"src/train.py": Edit("build_criterion(cfg.run.method,", "build_criterion(cfg.method,")}),
    ),
    "training settings read from an empty placeholder": (
        "HYD104",
        "src/train.py",
        Tree(
            {
                "src/train.py": Edit("cfg.run.training.weight_decay", "cfg.training.weight_decay"),
                "config/config.yaml": Edit("wandb:\n", "training: {}\n\nwandb:\n"),
            }
        ),
    ),
    "dataset settings read from an empty placeholder": (
        "HYD104",
        "src/preprocess.py",
        Tree(
            {
                "src/train.py": Edit(
                    'build_loaders(cfg.run.dataset, cfg.trial_mode)["test"]', 'build_loaders(cfg.dataset, cfg.trial_mode)["test"]'
                ),
                "config/config.yaml": Edit(
                    "wandb:\n",
                    "dataset:\n  name: digits\n  cache_dir: .cache\n  normalisation: {mean: 1, std: 2}\n  validation_fraction: 0.2\n  test_fraction: 0.2\n  split_seed: 7\n  num_workers: 0\n\nwandb:\n",
                ),
            }
        ),
    ),
    "epochs overridden where they are not": (
        "HYD106",
        "src/main.py",
        Tree({"src/main.py": Edit(IN_TRIAL, IN_TRIAL + '\n        overrides.append("training.epochs=1")')}),
    ),
    "batch size overridden where it is not": (
        "HYD106",
        "src/main.py",
        Tree({"src/main.py": Edit(IN_TRIAL, IN_TRIAL + '\n        overrides.append("dataset.batch_size=8")')}),
    ),
    "search switched off where it is not": (
        "HYD106",
        "src/main.py",
        Tree({"src/main.py": Edit(IN_TRIAL, IN_TRIAL + '\n        overrides.append("optuna.n_trials=0")')}),
    ),
    "checkpoint never read": (
        "HYD105",
        PROPOSED,
        Tree({PROPOSED: Edit("  name: mlp\n", "  name: mlp\n  pretrained_checkpoint: mlp/digits\n")}),
    ),
    "cache folder ignored": (
        "DAT101",
        "src/preprocess.py",
        Tree(
            {
                "src/preprocess.py": Edit(
                    "def build_loaders(dataset_cfg: DictConfig, trial_mode: bool)",
                    "def build_loaders(dataset_cfg: DictConfig, trial_mode: bool, cache_dir: Path)",
                ),
                "src/train.py": (
                    Edit(
                        "    loaders = build_loaders(cfg.run.dataset, cfg.trial_mode)",
                        '    loaders = build_loaders(cfg.run.dataset, cfg.trial_mode, cache_dir=Path(".cache"))',
                    ),
                    Edit(
                        'build_loaders(cfg.run.dataset, cfg.trial_mode)["test"]',
                        'build_loaders(cfg.run.dataset, cfg.trial_mode, cache_dir=Path(".cache"))["test"]',
                    ),
                ),
            }
        ),
    ),
    "evaluation reads a file of the run": (
        "EVA102",
        "src/evaluate.py",
        Tree(
            {
                "src/evaluate.py": (
                    Edit("import matplotlib.pyplot as plt\n", "import matplotlib.pyplot as plt\nimport numpy as np\n"),
                    Edit(
                        '    write_json(run_dir / "metrics.json", run)',
                        '    run["confusion_matrix"] = np.load(run_dir / "confusion_matrix.npy").tolist()\n    write_json(run_dir / "metrics.json", run)',
                    ),
                )
            }
        ),
    ),
    "trial flag not handed on": (
        "TRI109",
        "src/main.py",
        Tree({"src/main.py": Edit('    overrides.append(f"trial_mode={cfg.trial_mode}")\n', "")}),
    ),
    "left over from another version": (
        "IMP102",
        "src/evaluate.py",
        Tree(
            {"src/evaluate.py": Edit("import json\n", "# (Same as provided by the previous iteration – retained verbatim)\nimport json\n")}
        ),
    ),
}


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plans.load(GOLDEN_PLAN)


@pytest.fixture
def verdict_on(composer, planned):
    """All rules over files held in memory."""

    def run(files: dict[str, str], plan: Plan = planned) -> Verdict:
        experiment = experiment_of(files)
        experiment.plan = plan
        return check(experiment, CheckOptions(), composer)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "path", "tree"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_is_the_only_finding(verdict_on, golden, rule, path, tree):
    verdict = verdict_on(tree.apply(golden))
    found = [(finding.rule, finding.location.path) for finding in verdict.findings if finding.severity is not Severity.INFO]
    assert found == [(rule, path)], verdict.code_issue
    assert verdict.undecided == []


@pytest.mark.slow
def test_a_run_id_with_blanks_and_parentheses(verdict_on, golden, planned):
    files = dict(golden)
    files[f"config/run/{NEW_ID}.yaml"] = files.pop(PROPOSED).replace(OLD_ID, f"'{NEW_ID}'")
    runs = [run.model_copy(update={"run_id": NEW_ID}) if run.run_id == OLD_ID else run for run in planned.runs]
    verdict = verdict_on(files, planned.model_copy(update={"runs": runs}))
    assert [finding.rule for finding in verdict.findings if finding.severity is not Severity.INFO] == ["HYD103"]
    assert verdict.findings[0].runs == [NEW_ID]


def test_a_search_that_is_enabled_but_not_implemented(verdict_on, golden):
    files = dict(golden)
    before, _, rest = files["src/train.py"].partition("def search(cfg: DictConfig)")
    rest = rest.partition("@hydra.main")[2]
    stub = 'def search(cfg: DictConfig) -> dict[str, float]:\n    """Return the settings of the search as they are."""\n    print(cfg.run.optuna)\n    return {}\n\n\n@hydra.main'
    text = before.partition("def suggest(")[0] + stub + rest
    files["src/train.py"] = text.replace("import optuna\n", "")
    files["pyproject.toml"] = files["pyproject.toml"].replace('    "optuna>=4.0",\n', "")
    verdict = verdict_on(files)
    assert "OPT101" in [finding.rule for finding in verdict.findings]
    assert {finding.rule for finding in verdict.findings if finding.severity is not Severity.INFO} <= {"OPT101", "HYD105"}


def test_the_golden_experiment_is_go_without_a_word(verdict_on, golden):
    verdict = verdict_on(golden)
    assert verdict.outcome is Outcome.GO
    assert [finding for finding in verdict.findings if finding.severity is not Severity.INFO] == []


def test_without_any_run_there_is_no_go(verdict_on, golden):
    files = {path: text for path, text in golden.items() if not path.startswith("config/run/")}
    verdict = verdict_on(files, None)
    assert verdict.outcome is not Outcome.GO
    assert "no run to compose" in " ".join(verdict.undecided)


def test_a_config_that_no_one_can_name_is_not_taken_for_a_good_one(verdict_on, golden):
    unreadable = 'import os\n\n@hydra.main(version_base="1.3", config_path=os.environ["CONFIG"], config_name="config")'
    files = {
        path: text.replace('@hydra.main(version_base="1.3", config_path="../config", config_name="config")', unreadable)
        for path, text in golden.items()
    }
    verdict = verdict_on(files)
    assert verdict.outcome is Outcome.UNDECIDED
    assert not verdict.is_code_ready
