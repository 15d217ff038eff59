"""Programs that train and programs that never come to it, each started for real: the gate may only speak of those that do not."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from rule_cases import findings_of

from gonogo.compose.client import Composer

RULES = ("IMP124", "IMP125")
MODEL = """class Model:
    def fit(self, rows):
        print("trained")


"""
# How the code that trains is laid out; `{first}` stands before it in `main`, `{turn}` in its loop.
LAYOUTS = {
    "function": "def main():\n    {first}\n    for epoch in range(2):\n        {turn}\n        Model().fit([epoch])\n",
    "helper": (
        "def train(model):\n    for epoch in range(2):\n        {turn}\n        model.fit([epoch])\n\n\n"
        "def main():\n    {first}\n    train(Model())\n"
    ),
    "class": (
        "class Trainer:\n    def __init__(self):\n        self.model = Model()\n\n    def run(self):\n        for epoch in range(2):\n"
        "            {turn}\n            self.model.fit([epoch])\n\n\ndef main():\n    {first}\n    Trainer().run()\n"
    ),
    "by a name": (
        "def ours(model):\n    model.fit([1])\n\n\nMETHODS = {{'ours': ours}}\n\n\ndef main():\n    {first}\n"
        "    for name in METHODS:\n        {turn}\n        METHODS[name](Model())\n"
    ),
}
FIRST = ("pass", "return", "raise SystemExit('no')", "sys.exit(0)", "assert False", "if len(sys.argv) > 9:\n        return")
TURN = ("pass", "break", "continue", "if epoch_of() > 5:\n            break")
STARTS = (
    "if __name__ == '__main__':\n    main()",
    "main()",
    "if __name__ == 'main':\n    main()",
    "if __name__ == '__main__':\n    main",
    "for step in [main]:\n    step()",
    "functools.partial(main)()",
    "functools.partial(main)",
    "list(map(lambda _: main(), [1]))",
    "map(lambda _: main(), [1])",
    "thread = threading.Thread(target=main)\nthread.start()\nthread.join()",
    "threading.Thread(target=main)",
    "lambda: main()",
    "globals()['main']()",
    "TRAIN = False\nif TRAIN:\n    main()",
    "",
)
# Somebody chose these, so that the gate is silent although nothing is trained.
CHOSEN = {"TRAIN = False\nif TRAIN:\n    main()"}
USUAL = STARTS[0]
BY_TABLES = {"by a name"}


def _cases() -> list[tuple[str, str, str, str]]:
    begins = [(layout, first, turn, USUAL) for layout, first, turn in itertools.product(LAYOUTS, FIRST, TURN) if "pass" in (first, turn)]
    return [*begins, *((layout, "pass", "pass", start) for layout in LAYOUTS for start in STARTS if start != USUAL)]


@pytest.mark.parametrize(("layout", "first", "turn", "start"), _cases())
def test_the_gate_speaks_where_nothing_is_trained_and_nowhere_else(
    layout: str, first: str, turn: str, start: str, tmp_path: Path, composer: Composer
) -> None:
    text = LAYOUTS[layout].format(first=first, turn=turn)
    if layout == "class":
        text = text.replace("            break", "                break") if turn.startswith("if") else text
    head = "import functools\nimport sys\nimport threading\n\n\ndef epoch_of():\n    return len(sys.argv)\n\n\n"
    (tmp_path / "train.py").write_text(f"{head}{MODEL}{text}\n\n{start}\n", "utf-8")
    done = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "SyntaxError" not in done.stderr and "NameError" not in done.stderr, done.stderr
    trains = "trained" in done.stdout
    program = {"train.py": (tmp_path / "train.py").read_text("utf-8")}
    found = [finding for rule in RULES for finding in findings_of(program, rule, composer, None)]
    if layout in BY_TABLES and not trains:
        return  # whatever stands in a table may be called by anything
    assert len(found) == (not trains and start not in CHOSEN)
