"""Plant defects that only running shows, run each, and count what the stages trial and rehearse find.

    uv run --all-packages python -m benchmarks.planted.running [--jobs 2] [--trees tests/golden,flat_tabular] [--only TRI] [--output report.md]

Each defect is one change to a golden experiment that the static rules let pass. It counts as found if one of the rules that it names speaks, in the file that
it names, and nothing else blocks. The unchanged trees are rehearsed too: nothing may be found in them. Trees whose data can't be had are left out.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted.trees import load_goldens
from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model import plan as plans
from gonogo.model.check_options import CheckOptions
from gonogo.model.experiment import Experiment, SourceFile
from gonogo.model.finding import Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.verdict import Outcome, Verdict

TREES = ("tests/golden", "flat_tabular", "modular_digits", "packaged_text")
TRAIN, EVALUATE, PYPROJECT = "src/train.py", "src/evaluate.py", "pyproject.toml"
Change = Callable[[str], str | None]


def sub(pattern: str, new: str) -> Change:
    """Replace the first match; `\\1` is the line's indentation where the pattern says so."""

    def change(text: str) -> str | None:
        changed, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
        return changed if count else None

    return change


@dataclass(frozen=True)
class Defect:
    """A change to one file, the stage that shows it, and the rules of which one must speak in a file."""

    name: str
    file: str
    change: Change
    stage: Stage
    rules: tuple[str, ...]
    where: tuple[str, ...]


_BACKWARD = r"^( +)loss\.backward\(\)$"
_MAIN = r"^(    )run_dir = (.*)$"
_TEST = r'^( +)wandb\.log\(\{"test_accuracy"'
TRIAL, REHEARSE = Stage.TRIAL, Stage.REHEARSAL
DEFECTS = [
    Defect(
        "the gradient never reaches the optimizer",
        TRAIN,
        sub(_BACKWARD, r"\1torch.autograd.grad(loss, list(model.parameters()))"),
        TRIAL,
        ("MOD103",),
        (TRAIN, "src/model.py"),
    ),
    Defect(
        "the loss is not a number", TRAIN, sub(_BACKWARD, r"\1loss = loss * float('nan')\n\1loss.backward()"), TRIAL, ("SCI103",), (TRAIN,)
    ),
    Defect(
        "the loss is infinite",
        TRAIN,
        sub(_BACKWARD, r"\1loss = loss / (loss.detach() * 0)\n\1loss.backward()"),
        TRIAL,
        ("SCI103",),
        (TRAIN,),
    ),
    Defect(
        "a shape is wrong inside a library call",
        TRAIN,
        sub(_BACKWARD, r"\1loss = loss.reshape(3, -1).mean()\n\1loss.backward()"),
        TRIAL,
        ("TRI101",),
        (TRAIN,),
    ),
    Defect(
        "a trial ends by itself with an error code",
        TRAIN,
        sub(_MAIN, r"\1if cfg.trial_mode:\n\1    raise SystemExit(3)\n\1run_dir = \2"),
        TRIAL,
        ("TRI101",),
        (TRAIN, "src/main.py"),
    ),
    Defect("a trial does nothing", TRAIN, sub(_MAIN, r"\1if cfg.trial_mode:\n\1    return\n\1run_dir = \2"), TRIAL, ("TRI108",), (TRAIN,)),
    Defect("a trial runs three epochs", TRAIN, sub(r"1 if cfg\.trial_mode else", "3 if cfg.trial_mode else"), TRIAL, ("TRI102",), (TRAIN,)),
    Defect(
        "the search runs in a trial", TRAIN, sub(r"optuna\.enabled and not cfg\.trial_mode", "optuna.enabled"), TRIAL, ("TRI103",), (TRAIN,)
    ),
    Defect(
        "a file is left in the experiment's folder",
        TRAIN,
        sub(_MAIN, r"\1run_dir = \2\n\1Path('left_behind.txt').write_text('x')"),
        TRIAL,
        ("TRI105",),
        (TRAIN,),
    ),
    Defect(
        "W&B is offline, not disabled, in a trial",
        TRAIN,
        sub(r'"disabled" if cfg\.trial_mode', '"offline" if cfg.trial_mode'),
        TRIAL,
        ("WDB103",),
        (TRAIN,),
    ),
    Defect(
        "a step goes back",
        TRAIN,
        sub(_TEST, r'\1wandb.log({"late": 1.0}, step=900)\n\1wandb.log({"early": 1.0}, step=3)\n\1wandb.log({"test_accuracy"'),
        TRIAL,
        ("WDB109",),
        (TRAIN,),
    ),
    Defect(
        "the dependencies contradict each other",
        PYPROJECT,
        sub(r'^( +)"torch', r'\1"packaging>=24",\n\1"packaging<20",\n\1"torch'),
        TRIAL,
        ("ENV105",),
        (PYPROJECT,),
    ),
    Defect(
        "the full run fails where the trial does not",
        TRAIN,
        sub(_MAIN, r"\1run_dir = \2\n\1if not cfg.trial_mode:\n\1    torch.zeros(2) @ torch.zeros(3)"),
        REHEARSE,
        ("TRI106",),
        (TRAIN,),
    ),
    Defect(
        "the search hands Optuna what it does not take",
        TRAIN,
        sub(r"(trial\.suggest_float\([^)]*?), log=", r"\1, step='x', log="),
        REHEARSE,
        ("TRI106",),
        (TRAIN,),
    ),
    Defect(
        "the search asks for nothing",
        TRAIN,
        sub(r"trial\.suggest_float\(\"learning_rate\", space[.\w]*low, space[.\w]*high, log=[^)]*\)", "space.low"),
        REHEARSE,
        ("OPT106", "TRI106"),
        (TRAIN,),
    ),
    Defect(
        "a row is logged after the run is over",
        TRAIN,
        sub(r"^( +)run\.finish\(\)$", r"\1run.finish()\n\1run.log({'late': 1.0})"),
        REHEARSE,
        ("TRI106", "WDB107"),
        (TRAIN,),
    ),
    Defect(
        "a row that waits takes the place of the summary's value",
        TRAIN,
        sub(_TEST, r'\1wandb.log({"mean": 1.0}, step=900)\n\1wandb.run.summary["mean"] = 0.5\n\1wandb.log({"test_accuracy"'),
        REHEARSE,
        ("WDB111",),
        (TRAIN,),
    ),
    Defect(
        "the evaluation asks for a key that nobody logs",
        EVALUATE,
        sub(r'summary\["test_correct"\]', 'summary["test_right"]'),
        REHEARSE,
        ("TRI107", "EVA109"),
        (EVALUATE,),
    ),
    Defect(
        "the evaluation writes NaN",
        EVALUATE,
        sub(r"json\.dumps\(content, indent=2, allow_nan=False\)", "json.dumps({**content, 'p': float('nan')}, indent=2)"),
        REHEARSE,
        ("EVA110",),
        (EVALUATE,),
    ),
    Defect(
        "the evaluation writes no metrics.json",
        EVALUATE,
        sub(r'run_dir / "metrics\.json"', 'run_dir / "metrics.txt"'),
        REHEARSE,
        ("EVA114", "EVA104"),
        (EVALUATE,),
    ),
    Defect(
        "the evaluation reads a file that no run wrote",
        EVALUATE,
        sub(r"^(    )api = wandb\.Api\(\)$", r"\1api = wandb.Api()\n\1(results_dir / 'settings.yaml').read_text()"),
        REHEARSE,
        ("EVA111",),
        (EVALUATE,),
    ),
    Defect("a figure is a picture only", EVALUATE, sub(r'\.pdf"', '.png"'), REHEARSE, ("EVA106",), (EVALUATE,)),
]


@dataclass
class Outcomes:
    """What came of one tree: found, missed (with what was found instead) or clean."""

    tree: str
    defect: Defect | None
    verdict: Verdict
    seconds: float

    @property
    def found(self) -> bool:
        """Whether a rule that should speak does, in a file where it should."""
        assert self.defect is not None
        return any(each.rule in self.defect.rules and each.location.path in self.defect.where for each in self.verdict.findings)

    def beside(self) -> list[str]:
        """Blocking findings that the defect does not explain."""
        rules = self.defect.rules if self.defect else ()
        return [f"{each.location} {each.rule}: {each.message}" for each in self.verdict.findings if each.blocks and each.rule not in rules]


def run(tree: str, files: dict[str, str], plan: str, defect: Defect | None) -> Outcomes:
    """Run one tree as far as its defect needs."""
    started = time.perf_counter()
    texts = dict(files)
    if defect is not None:
        texts[defect.file] = defect.change(files[defect.file]) or ""
    experiment = Experiment(tree, {path: SourceFile(path, text) for path, text in texts.items()}, plans.parse(plan, "plan.yaml"))
    stage = defect.stage if defect else REHEARSE
    first = next(run.run_id for run in experiment.plan.runs) if experiment.plan else ""
    runs = (first,) if defect is not None and stage is TRIAL else ()
    select = () if defect is None else tuple(dict.fromkeys(("TRI", "MOD", "SCI", "WDB", "EVA", "OPT", "ENV", "DAT", *defect.rules)))
    with Composer() as composer:
        options = CheckOptions(select=select, to=stage, execution=ExecutionOptions(runs=runs, keep_going=True, run_timeout=150))
        verdict = check(experiment, options, composer)
    return Outcomes(tree, defect, verdict, time.perf_counter() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trees", default=",".join(TREES))
    parser.add_argument("--only", default="", help="defects of rules that begin so")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    goldens = {golden.name: golden for golden in load_goldens() if golden.name in given.trees.split(",")}
    started = time.perf_counter()
    todo: list[tuple[str, Defect | None]] = [(name, None) for name in goldens]
    for name, golden in goldens.items():
        fitting = [defect for defect in DEFECTS if defect.rules[0].startswith(given.only)]
        todo += [(name, defect) for defect in fitting if defect.change(golden.files[defect.file]) not in (None, golden.files[defect.file])]
    with ThreadPoolExecutor(given.jobs) as pool:
        seen = list(pool.map(lambda entry: run(entry[0], goldens[entry[0]].files, goldens[entry[0]].plan, entry[1]), todo))
    lines = _report(seen, time.perf_counter() - started)
    print("\n".join(lines))
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


def _report(seen: list[Outcomes], seconds: float) -> list[str]:
    lines = ["| defect | rules | planted | found |", "|---|---|---|---|"]
    planted = [one for one in seen if one.defect is not None]
    for defect in DEFECTS:
        own = [one for one in planted if one.defect is defect]
        if own:
            lines.append(f"| {defect.name} | {', '.join(defect.rules)} | {len(own)} | {sum(one.found for one in own)} |")
    found = sum(one.found for one in planted)
    share = f" ({100 * found / len(planted):.1f} %)" if planted else ""
    lines.append(f"| **all** | | {len(planted)} | {found}{share} |")
    clean = [one for one in seen if one.defect is None]
    false = [
        text for one in clean for text in [*(str(each.location) + " " + each.rule for each in one.verdict.findings), *one.verdict.undecided]
    ]
    ready = sum(one.verdict.outcome is Outcome.GO for one in clean)
    lines += ["", f"Trees without a defect: {len(clean)}, of which {ready} GO; found in them: {len(false)}. {seconds:.0f} s."]
    lines += [f"- false: {text}" for text in false]
    for one in planted:
        name = one.defect.name if one.defect else ""
        if not one.found:
            instead = [f"{each.location} {each.rule}" for each in one.verdict.findings] + one.verdict.undecided
            lines.append(f"- missed in {one.tree}: {name}; instead: {'; '.join(instead)[:400] or 'nothing'}")
        lines += [f"- beside it in {one.tree}: {name}: {text[:300]}" for text in one.beside()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
