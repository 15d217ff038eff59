"""What generated experiments that nobody had seen were told wrongly, or not at all: each kind in several forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rule_cases import COMPARATIVE, EVALUATE, HERE, MAIN, PROPOSED, TRAIN, Case, findings_of, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, source_file
from gonogo.model.finding import Severity
from gonogo.rules.base import Edit, Tree
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
            (PLAIN, 'kind = options.pop("type")', 'return getattr(trial, f"suggest_{dict(loguniform=\'float\')[kind]}")(name, **options)'),
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
KEPT = Edit(
    "    run.finish()\n", '    (run_dir / "results.json").write_text(json.dumps({"test": test_accuracy}))\n    run.finish()\n'
)


@pytest.mark.parametrize("contract", SANITY)
def test_only_what_a_contract_asks_for_blocks(contract: str, golden: dict[str, str], composer: Composer) -> None:
    untested = EVA105.apply(golden)
    kept = Tree({TRAIN: (Edit("from pathlib import Path\n", "import json\nfrom pathlib import Path\n"), KEPT)}).apply(golden)
    read = '    if (results_dir / "results.json").exists():\n        print((results_dir / "results.json").read_text())\n'
    kept[EVALUATE] = kept[EVALUATE].replace("    for run in runs:\n        write_run(", f"{read}    for run in runs:\n        write_run(", 1)
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
