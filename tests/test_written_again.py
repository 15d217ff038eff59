"""What a program writes again while it runs decides no branch: attributes, entries, names of modules, in functions that may return before.

Each right program clears the gradients behind a flag that some other place sets; the wrong twin never clears them.
"""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer

HEAD = """import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
"""
LOOP = """
for step in range(100):
    loss = model(torch.randn(8, 4)).pow(2).mean()
    loss.backward()
    optimizer.step()
    {call}
    if {flag}:
        break
    {clear}
"""
FUNCTION = """{before}


def save(step):
    {outer}
    {guard}
    {after}


"""
METHOD = """class State:
    {before}

    def save(self, step):
        {guard}
        self.stop = True


state = State()
"""
GUARDS = {
    "if": "if step < 50:\n        return",
    "raise": 'if step > 98:\n        raise ValueError("late")\n    if step < 50:\n        return',
    "try": 'try:\n        open(f"file{step}")\n    except OSError:\n        return',
    "loop": "for late in (3, 5):\n        if late == step:\n            return",
    "match": "match step:\n        case 1:\n            return",
    "with": 'with open("log") as log:\n        if log.read():\n            return',
    "nested": "if step > 3:\n        if step < 50:\n            return\n        print(step)",
    "value": "if step < 50:\n        return None",
}
IN_BRANCH = "if step > 50:\n        stop = True"


def programs() -> dict[str, tuple[str, str, str]]:
    """What stands before the loop, what is called in it, and the flag; by kind."""
    found = {}
    for name, guard in GUARDS.items():
        own = {"guard": guard, "before": "stop = False", "outer": "global stop", "after": "stop = True"}
        found[f"global, {name}"] = FUNCTION.format(**own), "save(step)", "stop"
        entry = {**own, "before": 'state = {"stop": False}', "outer": "print(step)", "after": 'state["stop"] = True'}
        found[f"entry, {name}"] = FUNCTION.format(**entry), "save(step)", 'state["stop"]'
        inner = guard.replace("\n", "\n    ")
        found[f"attribute of the class, {name}"] = METHOD.format(before="stop = False", guard=inner), "state.save(step)", "state.stop"
        made = "def __init__(self):\n        self.stop = False"
        found[f"attribute, {name}"] = METHOD.format(before=made, guard=inner), "state.save(step)", "state.stop"
        asked = f"{made}\n\n    @property\n    def is_over(self):\n        return self.stop is True"
        found[f"property, {name}"] = METHOD.format(before=asked, guard=inner), "state.save(step)", "state.is_over"
    branch = FUNCTION.format(before="stop = False", outer="global stop", guard=IN_BRANCH, after="print(stop)")
    found["global in a branch"] = branch, "save(step)", "stop"
    found["entry of a list"] = (
        FUNCTION.format(before="state = [False]", outer="", guard=GUARDS["if"], after="state[0] = True"),
        "save(step)",
        "state[0]",
    )
    found["setattr"] = (
        METHOD.format(before="stop = False", guard="if step < 50:\n            return").replace(
            "self.stop = True", 'setattr(self, "stop", True)'
        ),
        "state.save(step)",
        "state.stop",
    )
    return found


@pytest.mark.parametrize("kind", programs())
def test_a_flag_that_is_set_elsewhere_decides_nothing(composer: Composer, kind: str) -> None:
    before, call, flag = programs()[kind]
    right, wrong = (HEAD + before + LOOP.format(call=call, flag=flag, clear=clear) for clear in ("model.zero_grad()", "print(step)"))
    compile(right, "right.py", "exec")
    assert run_rules(composer, {"train.py": right}, "TRN", "NUM", "LEK", "IMP") == []
    assert [entry.rule for entry in run_rules(composer, {"train.py": wrong}, "TRN101")] == ["TRN101"]


COUNTED = """class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.steps = 0
        self.best = None

    def train(self):
        for _ in range(100):
            loss = self.model(torch.randn(8, 4)).pow(2).mean() / 4
            loss.backward()
            self.steps += 1
            if {test}:
                self.optimizer.step()
                {clear}


Trainer(model).train()
"""


@pytest.mark.parametrize("test", ["self.steps % 4 == 0", "self.steps == 4 or self.steps > 8", "self.steps >= 4", "not self.steps % 4"])
def test_a_counter_has_other_values_in_later_turns(composer: Composer, test: str) -> None:
    for clear, rules in (("self.optimizer.zero_grad()", []), ("self.best = float(loss)", ["TRN101"])):
        text = HEAD.partition("optimizer =")[0] + COUNTED.format(test=test, clear=clear)
        assert [entry.rule for entry in run_rules(composer, {"train.py": text}, "TRN101", "TRN103", "IMP")] == rules


def test_what_is_written_once_decides(composer: Composer) -> None:
    setting = "class Settings:\n    def __init__(self):\n        self.clear = False\n\n\nsettings = Settings()\n"
    text = HEAD + setting + LOOP.format(call="print(step)", flag="step == 99", clear="if settings.clear:\n        model.zero_grad()")
    assert [entry.rule for entry in run_rules(composer, {"train.py": text}, "TRN101")] == ["TRN101"]
