"""What generated experiments that nobody had seen were told wrongly, or not at all: each kind in several forms."""

from __future__ import annotations

import pytest
from rule_cases import HERE, MAIN, TRAIN, Case, findings_of, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

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


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_it_is_right(case: Case, golden: dict[str, str], composer: Composer) -> None:
    rule, _, tree = case
    assert findings_of(tree.apply(golden), rule, composer) == []


@pytest.mark.parametrize("case", FOUND, ids=name_of)
def test_it_is_found_where_it_is(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert found == marked
