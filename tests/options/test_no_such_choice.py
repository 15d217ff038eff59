"""Branches for values that are no choice: what the gate says never runs, never does, whichever choice the program is started with."""

from __future__ import annotations

import pytest
from experiments_of_texts import experiment_of
from really_run import exit_codes

from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions

HEAD = "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--schedule', choices=['cosine', 'step'], default='step')\nargs = parser.parse_args()\n"
START = "import runpy\nimport sys\n\nsys.argv = ['train.py', '--schedule', '{}']\nrunpy.run_path('train.py', run_name='__main__')\n"
NEVER = {
    "if": HEAD + "if args.schedule == 'cos':\n    raise SystemExit(1)\n",
    "another case": HEAD + "if args.schedule == 'Cosine':\n    raise SystemExit(1)\nelif args.schedule == 'step':\n    print(1)\n",
    "function": HEAD + "def rate(args):\n    if args.schedule == 'cosine_annealing':\n        raise SystemExit(1)\n    return 1\n\n\nprint(rate(args))\n",
    "class": HEAD + "class Trainer:\n    def __init__(self, args):\n        self.args = args\n\n    def run(self):\n        if self.args.schedule == 'cos':\n            raise SystemExit(1)\n\n\nTrainer(args).run()\n",
    "conditional": HEAD + "print(exit(1) if args.schedule == 'cos' else 2)\n",
    "and": HEAD + "if args and args.schedule == 'cos':\n    raise SystemExit(1)\n",
    "assert": HEAD + "assert not args.schedule == 'cos'\n",
}  # fmt: skip
SILENT = {
    "handled": HEAD + "if args.schedule == 'cosine':\n    print(1)\n",
    "handled elsewhere": HEAD + "if args.schedule == 'cos':\n    print(1)\nprint({'cosine': 1, 'step': 2}[args.schedule])\n",
    "changed before": HEAD + "args.schedule = args.schedule[:3]\nif args.schedule == 'cos':\n    print(1)\n",
    "set by the program": HEAD + "if args:\n    args.schedule = 'cos'\nif args.schedule == 'cos':\n    print(1)\n",
    "nothing like it": HEAD + "if args.schedule == 'none':\n    print(1)\n",
    "a name of one's own": HEAD + "name = args.schedule\nname = name[:3]\nprint(name == 'cos')\n",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("programs", "never"), [(NEVER, True), (SILENT, False)], ids=["never", "silent"])
def test_the_gate_says_what_never_runs(programs, never, composer, tmp_path):
    for name, text in programs.items():
        verdict = check(experiment_of({"train.py": text}), CheckOptions(contract="program", select=("CLI110",)), composer)
        assert not verdict.undecided
        assert len(verdict.findings) == never, (name, verdict.findings)
        # The default is a choice, too, and named once.
        assert all(
            sorted(finding.message.partition("its choices are ")[2].split(", ")) == ["'cosine'", "'step'"] for finding in verdict.findings
        )
    for choice in ("cosine", "step"):
        files = {name: {"train.py": text, "start.py": START.format(choice)} for name, text in programs.items()}
        assert set(exit_codes(tmp_path / choice, files, "start.py").values()) == {0}


def test_code_of_two_programs_is_left_alone(composer):
    build = "def build(args):\n    if args.schedule == 'cos':\n        return 1\n    return 2\n"
    start = "from build import build\n\nprint(build(args))\n"
    files = {"build.py": build, "train.py": HEAD + start, "other.py": HEAD.replace("'cosine', 'step'", "'cos', 'step'") + start}
    verdict = check(experiment_of(files), CheckOptions(contract="program", select=("CLI110",)), composer)
    assert not verdict.findings
