"""What generated experiments that nobody had seen were told wrongly, or not at all: each kind in several forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rule_cases import COMPARATIVE, CONFIG, EVALUATE, HERE, MAIN, PREPROCESS, PROPOSED, TRAIN, Case, findings_of, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.finding import Severity
from gonogo.rules.base import Edit, Tree, program
from gonogo.rules.evaluation.no_derived_metric_or_test import BAD as EVA105

GOLDEN = Path(__file__).parent / "golden"
OPTUNA = re.compile(r"^optuna:\n(?:[ ]+.*\n)+", re.MULTILINE)
SEARCH = re.compile(r"^def suggest\(.*?(?=^@hydra)", re.MULTILINE | re.DOTALL)
IF_LOG = '    if space.type == "loguniform":\n'
RUN = "    subprocess.run(command, check=True)\n"
DONE = '    print(f"finished the training of {cfg.run.run_id}")\n'


def suggested(*lines: str, surely: bool = True) -> Tree:
    """The golden experiment where an entry of the search space becomes the arguments of a suggest call thus."""
    body = "".join(f"    {line}\n" for line in lines)
    whether = "torch.cuda.is_available() and not cfg.trial_mode"
    edits = (Edit(IF_LOG, body + IF_LOG), Edit("cfg.run.optuna.enabled and not cfg.trial_mode", whether))
    return Tree({TRAIN: edits[:1] if surely else edits})


def started(*lines: str) -> Tree:
    """The golden experiment whose main process starts the training, and ends, thus."""
    return Tree({MAIN: Edit(RUN + DONE, "".join(f"    {line}\n" for line in lines))})


PLAIN = "options = OmegaConf.to_container(space)"
GIVE = "return trial.suggest_float(name, **options)"
CASES: list[Case] = [
    *(
        ("OPT103", lines[-2] if len(lines) > 1 else lines[0], suggested(*lines))
        for lines in (
            (PLAIN, 'options.pop("type")', GIVE),
            (PLAIN, 'kind = options.pop("type")', "return getattr(trial, f\"suggest_{dict(loguniform='float')[kind]}\")(name, **options)"),
            (PLAIN, 'if options.pop("type", "uniform") == "loguniform":', "    return trial.suggest_float(name, log=True, **options)"),
            ("options = dict(space)", 'options.pop("type", None)', GIVE),
            ("options = {**space}", 'del options["type"]', GIVE),
            ("options = dict(space)", 'for key in ("type", "scale"):', "    options.pop(key, None)", GIVE),
            ("options = dict(space)", 'if "type" in options:', '    del options["type"]', GIVE),
            ("options = dict(space.items())", '_ = options.pop("type")', GIVE),
            ('options = {key: value for key, value in space.items() if key != "type"}', GIVE),
            ('options = {key: space[key] for key in ("low", "high")}', GIVE),
        )
    ),
    *(
        ("RUN105", lines[-1], started(*lines))
        for lines in (
            ("raise SystemExit(subprocess.call(command))",),
            ("code = subprocess.call(command)", "raise SystemExit(code)"),
            ("raise SystemExit(subprocess.run(command).returncode)",),
            ("done = subprocess.run(command)", "if done.returncode == 0:", "    raise SystemExit", "sys.exit(done.returncode)"),
            (RUN.strip(), "raise SystemExit"),
            (RUN.strip(), "raise SystemExit()"),
            (RUN.strip(), "raise SystemExit(0)"),
            (RUN.strip(), "raise SystemExit(None)"),
            (RUN.strip(), "raise SystemExit(int(False))"),
            ("process = subprocess.Popen(command)", "raise SystemExit(process.wait())"),
        )
    ),
    *(
        ("OPT103", f"a search that may not be made: {lines[-2]}", suggested(*lines, surely=False))
        for lines in (
            (PLAIN, 'options.pop("type")', GIVE),
            ("options = dict(space)", 'del options["type"]', GIVE),
            ("options = {**space}", 'kind = options.pop("type", "loguniform")', 'return getattr(trial, "suggest_float")(name, **options)'),
        )
    ),
    ("RUN105", "the whole program", Tree({MAIN: Edit("    main()\n", "    raise SystemExit(main())\n")})),
]
FOUND: list[Case] = [
    ("OPT103", "nothing is taken out", suggested(PLAIN, f"{GIVE}{HERE}")),
    ("OPT103", "something else is taken out", suggested("options = dict(space)", 'options.pop("step", None)', f"{GIVE}{HERE}")),
    *(
        ("RUN105", text, started(f"raise SystemExit({text}){HERE}"))
        for text in ("1", '"no GPU here"', 'f"no run {cfg.run.run_id}"', '"no" + " GPU"')
    ),
]


OFF = (
    "optuna: {enabled: false, n_trials: 0}\n",
    "optuna: {enabled: false, n_trials: 20, direction: maximize}\n",
    "optuna: {n_trials: 0, search_space: {}}\n",
    "optuna: {n_trials: 3, search_space: []}\n",
)
ON = ("optuna: {enabled: true, n_trials: 4}\n", "optuna: {n_trials: 4, direction: maximize}\n", "optuna: {enabled: null, n_trials: 4}\n")


def unsearched(section: str) -> Tree:
    """The golden experiment that never searches, with another section in both run configs."""
    changes = {path: OPTUNA.sub(section, (GOLDEN / path).read_text()) for path in (PROPOSED, COMPARATIVE)}
    text = SEARCH.sub("", (GOLDEN / TRAIN).read_text())
    return Tree({**changes, TRAIN: text.replace("search(cfg) if cfg.run.optuna.enabled and not cfg.trial_mode else {}", "{}")})


@pytest.mark.parametrize(("sections", "severity"), [(OFF, Severity.WARNING), (ON, Severity.ERROR)], ids=("off", "on"))
def test_a_search_that_is_switched_off_blocks_nothing(
    sections: tuple[str, ...], severity: Severity, golden: dict[str, str], composer: Composer
) -> None:
    for section in sections:
        found = findings_of(unsearched(section).apply(golden), "HYD105", composer)
        assert [finding.severity for finding in found if "the section `optuna`" in finding.message] == [severity], section


SANITY = {"mode-sanity": Severity.WARNING, "trial-mode": Severity.ERROR}
KEPT = Edit("    run.finish()\n", '    (run_dir / "results.json").write_text(json.dumps({"test": test_accuracy}))\n    run.finish()\n')


@pytest.mark.parametrize("contract", SANITY)
def test_only_what_a_contract_asks_for_blocks(contract: str, golden: dict[str, str], composer: Composer) -> None:
    untested = EVA105.apply(golden)
    kept = Tree({TRAIN: (Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"), KEPT)}).apply(golden)
    read = '    if (results_dir / "results.json").exists():\n        print((results_dir / "results.json").read_text())\n'
    kept[EVALUATE] = kept[EVALUATE].replace(
        "    for run in runs:\n        write_run(", f"{read}    for run in runs:\n        write_run(", 1
    )
    for rule, files in (("EVA105", untested), ("WDB102", kept), ("EVA102", kept)):
        experiment = Experiment("test", {path: source_file(path, text) for path, text in files.items()}, None)
        found = check(experiment, CheckOptions(select=(rule,), contract=contract), composer).findings
        assert [finding.severity for finding in found] == [SANITY[contract]], rule


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_it_is_right(case: Case, golden: dict[str, str], composer: Composer) -> None:
    rule, _, tree = case
    assert findings_of(tree.apply(golden), rule, composer) == []


@pytest.mark.parametrize("case", FOUND, ids=name_of)
def test_it_is_found_where_it_is(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked


FETCH = """import json
import sys

import numpy as np
import pandas as pd
import wandb
from scipy import stats

api = wandb.Api()


def fetch(path):
    run = api.run(path)
    return {returned}


def main():
    ids = json.loads(sys.argv[1])
    {lines}


main()
"""
ROWS = 'pd.DataFrame(list(run.scan_history(keys=["val_accuracy"])))'
CURVES = [
    ("run.history()", "a, b = fetch(ids[0]), fetch(ids[1])", "stats.ttest_rel(a['val_accuracy'], b['val_accuracy'])"),
    (ROWS, 'a = fetch(ids[0])["val_accuracy"].to_numpy()', 'b = fetch(ids[1])["val_accuracy"].to_numpy()', "stats.wilcoxon(a[:9], b[:9])"),
    (
        f'{{"history": {ROWS}, "summary": dict(run.summary)}}',
        "data = {}",
        "for each in ids:",
        "    data[each] = fetch(each)",
        'a = data[ids[0]]["history"]["val_accuracy"].values',
        'b = data[ids[1]]["history"]["val_accuracy"].values',
        "n = min(len(a), len(b))",
        "stats.ttest_rel(a[:n], b[:n])",
    ),
    (
        'dict(run.summary), run.history(keys=["val/loss"])["val/loss"].to_numpy()',
        "scores, curves = {}, {}",
        "for each in ids:",
        "    scores[each], curves[each] = fetch(each)",
        "stats.wilcoxon(curves[ids[0]][:5], curves[ids[1]][:5])",
    ),
    (
        "run",
        "losses = {}",
        "for each in ids:",
        "    run = api.run(each)",
        '    losses[each] = [row["loss"] for row in run.scan_history(keys=["loss"])]',
        "stats.mannwhitneyu(losses[ids[0]], losses[ids[1]])",
    ),
    ("run.history().dropna()", 'stats.ttest_ind(fetch(ids[0])["train_loss"], fetch(ids[1])["train_loss"])'),
    (ROWS, 'a, b = (np.array(fetch(ids[0])["val_accuracy"]), np.array(fetch(ids[1])["val_accuracy"]))', "stats.ttest_ind(a, b)"),
    (
        'run.history(samples=9)["eval_loss"].tolist()',
        "found = {each: fetch(each) for each in ids}",
        "stats.ttest_ind(found[ids[0]], found[ids[1]])",
    ),
]
SEPARATE = [
    ("run.history()", 'stats.ttest_rel(fetch(ids[0])["correct"], fetch(ids[1])["correct"])'),
    ("run.history()", 'stats.ttest_rel(fetch(ids[0])["fold_accuracy"], fetch(ids[1])["fold_accuracy"])'),
    ("run.history()['val_accuracy'].max()", "stats.ttest_rel([fetch(each) for each in ids[:5]], [fetch(each) for each in ids[5:]])"),
    ("run.history()['val_accuracy'].iloc[-1]", "a = [fetch(each) for each in ids[::2]]", "stats.ttest_1samp(a, 0.5)"),
    ("run.summary['val_accuracy']", "a, b = fetch(ids[0]), fetch(ids[1])", "stats.ttest_rel(a, b)"),
    ("pd.read_csv(path)", "stats.ttest_rel(fetch(ids[0])['val_accuracy'], fetch(ids[1])['val_accuracy'])"),
    ("run.history()['val_accuracy']", "a = [max(fetch(each)) for each in ids]", "stats.ttest_1samp(a, 0.1)"),
    ("run.history()", "a = {}", "for each in ids:", "    a[each] = fetch(each)['test_accuracy']", "stats.ttest_rel(a[ids[0]], a[ids[1]])"),
]


def evaluation(lines: tuple[str, ...]) -> Tree:
    """An evaluation whose function `fetch` returns the first of these."""
    return program(FETCH.format(returned=lines[0], lines="\n    ".join(lines[1:])))


@pytest.mark.parametrize("lines", CURVES, ids=range(len(CURVES)))
def test_curves_of_one_run_are_no_sample(lines: tuple[str, ...], composer: Composer) -> None:
    assert len(findings_of(evaluation(lines).apply({}), "SCI142", composer, plan=None)) == 1


@pytest.mark.parametrize("lines", SEPARATE, ids=range(len(SEPARATE)))
def test_what_may_be_independent_is_a_sample(lines: tuple[str, ...], composer: Composer) -> None:
    assert findings_of(evaluation(lines).apply({}), "SCI142", composer, plan=None) == []


@pytest.mark.parametrize("entry", ["runs@run: ???", "runs@run: null", "run: ???"])
def test_the_advice_names_the_folder_of_the_run_configs(entry: str, golden: dict[str, str], composer: Composer) -> None:
    files = Tree({CONFIG: Edit("- run: ???", f"- {entry}")}).apply(golden)
    files = {path.replace("config/run/", "config/runs/"): text for path, text in files.items()}
    experiment = Experiment("test", {path: source_file(path, text) for path, text in files.items()}, None)
    found = check(experiment, CheckOptions(select=("HYD102",), contract="mode-trial"), composer).findings
    assert found
    assert all("`config/runs`" in finding.action and "`- run: ???`" in finding.action for finding in found)


IMPORT = Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n")
DIGITS = "    digits = load_digits()\n"
UNLABELLED = [
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'print(raw["test"])'),
    (
        'raw = load_dataset("nyu-mll/glue", name="cola", cache_dir=".cache")',
        'encoded = raw.map(len).rename_column("a", "b")',
        'print(encoded["test"])',
    ),
    ('raw = load_dataset("stanfordnlp/sst2", cache_dir=".cache")', 'train, test = raw["train"], raw["test"]'),
    ('raw = load_dataset("glue", "mnli", cache_dir=".cache")', 'print(raw["test_matched"])'),
    ('task = "qnli"', 'raw = load_dataset("glue", task, cache_dir=".cache")', 'print(DataLoader(raw["test"], batch_size=4))'),
    ('raw = load_dataset(*("super_glue", "cb"), cache_dir=".cache")', 'print(raw["test"])'),
    ('print(load_dataset("glue", "rte", split="test", cache_dir=".cache"))',),
    ('print(load_dataset("glue", "wnli", split="test[:50%]", cache_dir=".cache"))',),
    ('raw = load_dataset(path="glue", name="qqp", cache_dir=".cache")', 'for row in raw["test"]:', "    print(row)"),
    ('settings = {"path": "glue", "name": "stsb"}', 'raw = load_dataset(**settings, cache_dir=".cache")', 'print(len(raw["test"]))'),
]
LABELLED = [
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'print(raw["validation"])'),
    ('raw = load_dataset("glue", "mrpc", cache_dir=".cache")', 'print(raw["test"])'),
    ('raw = load_dataset("ag_news", cache_dir=".cache")', 'print(raw["test"])'),
    ('raw = load_dataset("someone/else", cache_dir=".cache")', 'print(raw["test"])'),
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'raw = raw["train"].train_test_split(0.1)', 'print(raw["test"])'),
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'raw["test"] = raw["validation"]', 'print(raw["test"])'),
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'parts = dict(test=raw["validation"])', 'print(parts["test"])'),
    (
        'raw = load_dataset("glue", "sst2", cache_dir=".cache")',
        'parts = {name: raw["train"] for name in ("train", "test")}',
        'print(parts["test"])',
    ),
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'print(raw["test"].filter(lambda row: row["label"] >= 0))'),
    (
        'raw = load_dataset("glue", "sst2", cache_dir=".cache")',
        'other = load_dataset("imdb", cache_dir=".cache")',
        'print(raw["train"], other["test"])',
    ),
    ('raw = load_dataset("glue", "sst2", cache_dir=".cache")', 'key = "test" if raw["train"] is None else "validation"', "print(raw[key])"),
    ('raw = load_dataset("glue", "sst2", split="train", cache_dir=".cache")', "print(raw)"),
]


def loading(lines: tuple[str, ...]) -> Tree:
    """The golden experiment whose data also come so."""
    return Tree({PREPROCESS: (IMPORT, Edit(DIGITS, "".join(f"    {line}\n" for line in lines) + DIGITS))})


@pytest.mark.parametrize("lines", UNLABELLED, ids=range(len(UNLABELLED)))
def test_a_test_split_without_labels_is_found(lines: tuple[str, ...], golden: dict[str, str], composer: Composer) -> None:
    assert len(findings_of(loading(lines).apply(golden), "SCI147", composer)) == 1


@pytest.mark.parametrize("lines", LABELLED, ids=range(len(LABELLED)))
def test_a_split_with_labels_is_not(lines: tuple[str, ...], golden: dict[str, str], composer: Composer) -> None:
    assert findings_of(loading(lines).apply(golden), "SCI147", composer) == []


@pytest.mark.parametrize(("subset", "found"), [("sst2", 1), ("mrpc", 0)])
def test_the_config_says_which_data_set_it_is(subset: str, found: int, golden: dict[str, str], composer: Composer) -> None:
    tree = loading(("raw = load_dataset(dataset_cfg.name, dataset_cfg.subset, cache_dir='.cache')", 'print(raw["test"])'))
    files = tree.apply(golden)
    files[PREPROCESS] = (
        files[PREPROCESS]
        .replace("def write_cache(", "def write_cache(dataset_cfg, ")
        .replace("write_cache(cache", "write_cache(dataset_cfg, cache")
    )
    files[PREPROCESS] = files[PREPROCESS].replace('!= "digits"', '== ""')
    for path in (PROPOSED, COMPARATIVE):
        files[path] = files[path].replace("  name: digits\n", f"  name: glue\n  subset: {subset}\n")
    assert len(findings_of(files, "SCI147", composer)) == found


HELPERS = """def load():
    raw = load_dataset("glue", "rte", cache_dir=".cache")
    raw = raw.map(len).remove_columns(["idx"])
    return raw, len(raw)


def loaders({parameter}):
    return DataLoader({parameter}["test"])


def write_cache("""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("encoded, size = load()", "print(loaders(encoded), size)"), 1),
        (("print(loaders(load()[0]))",), 0),  # not followed
        (("encoded, _ = load()", "print(loaders(encoded), loaders({'test': 1}))"), 0),
        (("encoded, _ = load()", "print(loaders(sets=encoded))"), 1),
    ],
)
def test_a_data_set_that_is_handed_on(lines: tuple[str, ...], found: int, golden: dict[str, str], composer: Composer) -> None:
    files = loading(lines).apply(golden)
    files[PREPROCESS] = files[PREPROCESS].replace("def write_cache(", HELPERS.format(parameter="sets"), 1)
    assert len(findings_of(files, "SCI147", composer)) == found
