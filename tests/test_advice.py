"""What findings say is to be done: following it must not lead to the next finding, or to a crash."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

FOLDER = "    run_dir.mkdir(parents=True, exist_ok=True)"
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
        "HYD105", PROPOSED, "method: label-smoothing", "method: label-smoothing\nwarmup: 3", "take it out of the run configs", "the contract asks",
    ),
    "a data set of Hugging Face": ("REP105", "src/rows.py", None, TABLE, "a `seed`", "random_state"),
    "a table": ("REP105", "src/rows.py", None, TABLE.replace("load_dataset('imdb')['train'].train_test_split(", "train_test_split(load_dataset('imdb')['train'], ").replace("from datasets", "from sklearn.model_selection import train_test_split\nfrom datasets"), "a `random_state`", "`seed`"),
    "a test that the contract asks for": ("SCI105", "src/rows.py", None, SCIPY, "paired observations", "leave the test out"),
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
