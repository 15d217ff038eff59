"""What findings say is to be done: following it must not lead to the next finding, or to a crash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from experiments_of_texts import experiment_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.causes import by_cause
from gonogo.model.check_options import CheckOptions
from gonogo.model.finding import Finding
from gonogo.model.options import ExecutionOptions
from gonogo.model.plan import Plan, PlannedRun

FOLDER = "    run_dir.mkdir(parents=True, exist_ok=True)"
HANDED_ON = '    overrides.append(f"trial_mode={cfg.trial_mode}")\n'
PROPOSED = "config/run/proposed-mlp-digits.yaml"
TABLE = "from datasets import load_dataset\n\nrows = load_dataset('imdb')['train'].train_test_split(test_size=0.2)\nprint(rows['test'])\n"
SCIPY = "from scipy import stats\n\nprint(stats.ttest_rel([0.5], [0.6]))\n"
# The rule; a file, what is added to its start or stands in the place of a text; what the advice says; what it does not say.
CASES = {
    "a key assigned at the top that the run has": (
        "HYD107", "src/train.py", FOLDER, f"    cfg.epochs = 1\n{FOLDER}", "assign `run.training.epochs`, ", None,
    ),
    "a key that is nowhere": ("HYD107", "src/train.py", FOLDER, f"    cfg.run.training.max_batches = 2\n{FOLDER}", "declare the key", "assign"),
    "a mandatory key that nothing reads": (
        "HYD105", PROPOSED, "  dropout: 0.1", "  dropout: 0.1\n  pretrained_checkpoint: mlp.pt", "the contract asks", "take it out",
    ),
    "a key of its own that nothing reads": (
        "HYD105", PROPOSED, "method: label-smoothing", "method: label-smoothing\nwarmup: 3", "makes these runs differ", "take it out",
    ),
    "a name that no version has": (
        "ENV106", "src/main.py", None, "from hydra.utils import get_original_cli_args\n", "HydraConfig.get().overrides.task", "a name that is there",
    ),
    "a name much like one that is there": ("ENV106", "src/main.py", None, "from hydra.utils import get_original_cwds\n", "such as `get_original_cwd`", None),
    "a defaults list that asks for a value": (
        "HYD102", "config/config.yaml", "  - run: ???", "  - run: ???\n  - data: ${results_dir}", "Name what `${results_dir}` should be", "make the config compose",
    ),
    "a value that the code refuses": (
        "RUN105", PROPOSED, "  optimizer: sgd", "  optimizer: SGD", "agree on `run.training.optimizer`: it knows `sgd`", None,
    ),
    "a child that gets a longer run id": (
        "WDB108", "src/main.py", HANDED_ON, f'{HANDED_ON}    overrides.append(f"run.run_id={{cfg.run.run_id}}-seed{{cfg.run.training.seed}}")\n', "start the training with `run.run_id` as it is", "begin it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_to_be_done(name: str, golden: dict[str, str], composer: Composer) -> None:
    rule, path, old, new, said, unsaid = CASES[name]
    files = dict(golden)
    if old is not None:
        assert old in files[path]
    files[path] = new if old is None else files[path].replace(old, new)
    found = check(experiment_of(files), CheckOptions(select=(rule,)), composer).findings
    assert found and all(said in finding.action for finding in found), [finding.action for finding in found]
    assert unsaid is None or not [finding for finding in found if unsaid in finding.action]


def found_in(files: dict[str, str], composer: Composer, *rules: str, **options: object) -> list[Finding]:
    return check(experiment_of(files), CheckOptions(select=rules, **options), composer).findings


def test_what_says_nothing_about_the_method_may_go(golden: dict[str, str], composer: Composer) -> None:
    files = {
        path: text.replace("run_id: ", "comment: words\nrun_id: ", 1) if path.startswith("config/run/") else text
        for path, text in golden.items()
    }
    (found,) = found_in(files, composer, "HYD105")
    assert "take it out of the run configs if it says nothing about the method" in found.action


def test_what_the_plan_gives_may_not_go(golden: dict[str, str], composer: Composer) -> None:
    paths = [path for path in golden if path.startswith("config/run/")]
    files = {path: text.replace("run_id: ", "comment: words\nrun_id: ", 1) if path in paths else text for path, text in golden.items()}
    runs = [PlannedRun(run_id=path.rpartition("/")[2].removesuffix(".yaml"), config_yaml=files[path]) for path in paths]
    experiment = replace(experiment_of(files), plan=Plan(runs=runs))
    (found,) = check(experiment, CheckOptions(select=("HYD105",)), composer).findings
    assert "the plan gives it to the run" in found.action and "take it out" not in found.action


@pytest.mark.parametrize("where", [("src/train.py",), ("src/main.py", "src/train.py")])
def test_a_config_that_is_not_named_is_one_cause(where: tuple[str, ...], golden: dict[str, str], composer: Composer) -> None:
    files = {path: text.replace(', config_name="config"', "") if path in where else text for path, text in golden.items()}
    found = found_in(files, composer, "HYD101", "HYD104", "HYD107")
    (shared,) = by_cause(found)
    assert shared.first.rule == "HYD101" and shared.action == 'give it `config_name="config"`'
    if len(where) > 1:  # otherwise Hydra refuses the overrides that the child is given, and nothing behind it is followed
        assert "HYD104" in shared.rules and "`cfg.run" in shared.seen_at


def test_a_defaults_list_that_asks_for_the_run(golden: dict[str, str], composer: Composer) -> None:
    files = {path.replace("config/run/", "config/runs/"): text.replace("- run: ???", "- runs: ${run}") for path, text in golden.items()}
    files["config/config.yaml"] = files["config/config.yaml"].replace("trial_mode:", "run: null\nmode: full\ntrial_mode:", 1)
    (found,) = found_in(files, composer, "HYD102", contract="mode-trial")
    assert "Write `- run: ???`, move the run configs from `config/runs` to `config/run`, and take the key `run` out" in found.action
    assert found.location.line == files["config/config.yaml"].splitlines().index("  - runs: ${run}") + 1


URL = "    run.finish()"
CALLS = "    print(run.get_url())\n    link = run.get_url()\n    try:\n        print(run.get_url())\n    except Exception:\n        pass\n    run.finish()"


def test_calls_that_an_except_hides_are_mended_with_the_others(golden: dict[str, str], composer: Composer) -> None:
    found, second = found_in({**golden, "src/train.py": golden["src/train.py"].replace(URL, CALLS, 1)}, composer, "ENV107")
    assert second.location.line == (found.location.line or 0) + 1
    assert [other.label for other in found.related] == ["here, too, where an `except` hides it"]
    assert found.fix is not None and len(found.fix.changes) == 2


@pytest.mark.parametrize(("version", "expected"), [("0.18.7", 0), ("0.31.0", 2)])
def test_the_environment_that_is_given_settles_the_version(
    version: str, expected: int, golden: dict[str, str], composer: Composer, tmp_path: Path
) -> None:
    library = tmp_path / "lib" / "python3.11" / "site-packages"
    (library / f"wandb-{version}.dist-info").mkdir(parents=True)
    files = {**golden, "src/train.py": golden["src/train.py"].replace(URL, CALLS, 1)}
    for python in (tmp_path, tmp_path / "bin" / "python"):
        given = ExecutionOptions(python=str(python))
        assert len(found_in(files, composer, "ENV107", execution=given)) == expected


# How the value that is refused gets to where it is refused.
REFUSALS = {
    "a parameter": "def check(name):\n    if name == 'adam':\n        return\n    if name != 'sgdm':\n        raise ValueError(name)\n\n\n",
    "a chain": "def check(name):\n    if name == 'adam':\n        return\n    elif name == 'sgdm':\n        return\n    else:\n        raise ValueError(name)\n\n\n",
    "a name": "def check(name):\n    low = name.lower()\n    if low not in ('adam', 'sgdm'):\n        raise ValueError(name)\n\n\n",
    "an assertion": "def check(name):\n    assert name in ['adam', 'sgdm'], name\n\n\n",
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize(
    "call",
    ["check(cfg.run.training.optimizer)", "check(name=cfg.run.training.optimizer)", "kind = cfg.run.training.optimizer\n    check(kind)"],
)
def test_a_refused_value_is_named(name: str, call: str, golden: dict[str, str], composer: Composer) -> None:
    text = golden["src/train.py"].replace("@hydra.main", f"{REFUSALS[name]}@hydra.main", 1).replace(FOLDER, f"    {call}\n{FOLDER}", 1)
    (found,) = found_in({**golden, "src/train.py": text}, composer, "RUN105")
    assert found.message.endswith("`run.training.optimizer` is 'sgd'"), found.message
    assert "it knows" in found.action and "`sgdm`" in found.action
    assert next(other.location.path for other in found.related).startswith("config/run/")
