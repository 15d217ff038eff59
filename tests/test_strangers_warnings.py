"""What was reported of further strangers' programs as a warning and is right: each kind in several forms, and the mistake beside it."""

from __future__ import annotations

import pytest
from experiments_of_texts import run_rules

from gonogo.compose.client import Composer


def lines(composer: Composer, rule: str, text: str) -> list[int | None]:
    return [entry.location.line for entry in run_rules(composer, {"train.py": text}, rule)]


# -- libraries that seed ---------------------------------------------------------------------------------------------------

UNSEEDED = """import torch
from torch import nn
import library
from library import control, tools

{seeding}
network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for inputs, labels in torch.load("batches.pt"):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network(inputs), labels).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "seeding",
    [
        "library.set_randomness(7)",
        "library.fix_random(7)",
        "tools.setup_randomness(seed=7)",
        "library.init_rng(7)",
        "tools.set_random_state(7)",
        "control.fix_all_random(7)",
        "library.make_reproducible(7)",
        "library.utils.setSeed(7)",
        "tools.random.seed_all(7)",
        "library.ensure_determinism()",
    ],
)
def test_a_function_of_a_library_that_seems_to_seed_may_seed(seeding: str, composer: Composer) -> None:
    assert not lines(composer, "REP101", UNSEEDED.format(seeding=seeding))


@pytest.mark.parametrize("seeding", ["library.start(7)", "library.init_random_weights(7)", "tools.random_crop(7)", "print(7)"])
def test_another_function_of_a_library_seeds_nothing(seeding: str, composer: Composer) -> None:
    assert lines(composer, "REP101", UNSEEDED.format(seeding=seeding)) == [7]


# -- an evaluation that is seeded alike ------------------------------------------------------------------------------------

SEEDED = """import random

import numpy as np
import torch
from torch import nn

network = nn.Linear(4, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
inputs, labels = torch.load("data.pt")
for epoch in range(10):
    {before}
    for index in np.random.permutation(len(inputs)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[index]), labels[index]).backward()
        optimizer.step()
    {after}
    for index in np.random.permutation(100):
        print(network(inputs[index]))
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("np.random.seed(epoch)", "np.random.seed(0)"),
        ("np.random.seed(epoch + 1)", "np.random.seed(seed=0)"),
        ("np.random.seed(1000 * epoch)", "np.random.seed(42)"),
        ("np.random.seed(hash((0, epoch)) % 2**32)", "np.random.seed(0)"),
        ("np.random.seed(None)", "np.random.seed(0)"),
        ("np.random.seed()", "np.random.seed(0)"),
    ],
)
def test_a_fixed_seed_beside_one_of_the_turn_is_for_the_evaluation(before: str, after: str, composer: Composer) -> None:
    assert not lines(composer, "REP103", SEEDED.format(before=before, after=after))


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("np.random.seed(0)", "pass", [11]),
        ("pass", "np.random.seed(0)", [16]),
        ("random.seed(epoch)", "np.random.seed(0)", [16]),
        ("torch.manual_seed(epoch)", "np.random.seed(0)", [16]),
    ],
)
def test_a_fixed_seed_alone_is_found(before: str, after: str, found: list[int], composer: Composer) -> None:
    assert lines(composer, "REP103", SEEDED.format(before=before, after=after)) == found


# -- correlations that are no tests ----------------------------------------------------------------------------------------

CORRELATED = """import numpy as np
from scipy import stats

truth = np.load("truth.npy")
for name in ("a", "b", "c", "d"):
    {correlated}
    if {judged}:
        print(name)
"""


@pytest.mark.parametrize(
    ("correlated", "judged"),
    [
        ("rho = stats.spearmanr(np.load(name), truth).correlation", "rho < 0.1"),
        ("rho = stats.pearsonr(np.load(name), truth).statistic", "rho > 0.01"),
        ("rho = stats.pearsonr(np.load(name), truth)[0]", "rho > 0.1"),
        ("rho, _ = stats.pearsonr(np.load(name), truth)", "rho > 0.1"),
        ("result = stats.spearmanr(np.load(name), truth)", "result.correlation > 0.1"),
        ("result = stats.spearmanr(np.load(name), truth)", "abs(result.statistic) / 4 > 0.05"),
        ("result = stats.ttest_ind(np.load(name), truth)", "result.statistic > 0.1"),
        ("result = stats.ks_2samp(np.load(name), truth)", "result[0] > 0.1"),
    ],
)
def test_a_correlation_is_no_test(correlated: str, judged: str, composer: Composer) -> None:
    assert not lines(composer, "SCI107", CORRELATED.format(correlated=correlated, judged=judged))


@pytest.mark.parametrize(
    ("correlated", "judged"),
    [
        ("result = stats.spearmanr(np.load(name), truth)", "result.pvalue < 0.05"),
        ("_, p = stats.pearsonr(np.load(name), truth)", "p < 0.05"),
        ("p = stats.pearsonr(np.load(name), truth)[1]", "p < 0.05"),
        ("p = stats.ttest_ind(np.load(name), truth).pvalue", "p < 0.01"),
    ],
)
def test_a_p_value_is_a_test(correlated: str, judged: str, composer: Composer) -> None:
    assert lines(composer, "SCI107", CORRELATED.format(correlated=correlated, judged=judged)) == [6]


# -- predictions that are gathered -----------------------------------------------------------------------------------------

SCORED = """import numpy as np
import torch
from sklearn.metrics import f1_score
from tools import join


def test(network, loader):
    guesses, truth = None, None
    for inputs, labels in loader:
        guess = network(inputs).argmax(1)
        {guesses}
        {truth}
    return f1_score(truth, guesses)
"""
GATHERED = [
    "{0} = np.append({0}, {1})",
    "{0} = np.append({0}, {1}.cpu().numpy(), axis=0)",
    "{0} = {1} if {0} is None else np.append({0}, {1}, axis=0)",
    "{0} = join({0}, {1}, padding_index=-100)",
    "{0} = join(old={0}, new={1})",
    "{0} = torch.cat(({0}, {1}))",
    "{0} = np.concatenate([{0}, {1}])",
    "{0} = np.union1d({1}, {0})",
    "{0} = {0} + {1}.tolist()",
    "{0} = {1}.tolist() if {0} is None else [*{0}, *{1}.tolist()]",
]


@pytest.mark.parametrize("gathered", GATHERED)
def test_what_is_put_to_what_there_was_is_all(gathered: str, composer: Composer) -> None:
    given = {"guesses": gathered.format("guesses", "guess"), "truth": gathered.format("truth", "labels")}
    assert not lines(composer, "NUM113", SCORED.format(**given))


@pytest.mark.parametrize(
    "guesses",
    ["guesses = guess.cpu()", "guesses = np.asarray(guess)", "guesses = guess; guesses = np.round(guesses, 2)", "guesses = guess[:]"],
)
def test_what_the_last_turn_set_is_found(guesses: str, composer: Composer) -> None:
    assert lines(composer, "NUM113", SCORED.format(guesses=guesses, truth="truth = labels")) == [13]


# -- loops that train or evaluate ------------------------------------------------------------------------------------------

PHASES = """from enum import Enum

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST


class Phase(Enum):
    TRAIN, TEST = 0, 1


network = torch.nn.Linear(784, 10)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
train_loader = DataLoader(MNIST("data", train=True), batch_size=8, shuffle=True)
test_loader = DataLoader(MNIST("data", train=False), batch_size=8)


def run({given}):
    for images, labels in loader:
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        {condition}
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


for epoch in range(int(input())):
    run({train})
run({test})
"""


@pytest.mark.parametrize(
    ("given", "condition", "train", "test"),
    [
        ("phase, loader", "if phase == Phase.TRAIN:", "Phase.TRAIN, train_loader", "Phase.TEST, test_loader"),
        ("phase, loader", "if phase is Phase.TRAIN:", "Phase.TRAIN, train_loader", "Phase.TEST, test_loader"),
        ("phase, loader", "if not phase == Phase.TEST:", "Phase.TRAIN, train_loader", "Phase.TEST, test_loader"),
        ("loader, phase", "if phase.name == 'TRAIN':", "train_loader, Phase.TRAIN", "test_loader, Phase.TEST"),
        ("loader, phase", "if phase in (Phase.TRAIN,):", "train_loader, Phase.TRAIN", "test_loader, Phase.TEST"),
        ("loader, phase=None", "if phase:", "train_loader, phase=input()", "test_loader, phase=input()"),
        ("loader, *, train", "if train:", "train_loader, train=True", "test_loader, train=False"),
        ("loader, optimizer=None", "if optimizer is not None:", "train_loader, optimizer", "test_loader"),
        ("loader, mode", "if mode.startswith('train'):", "train_loader, 'training'", "test_loader, input()"),
        ("loader, options", "if options['train']:", "train_loader, {'train': True}", "test_loader, dict(train=False)"),
    ],
)
def test_a_loop_that_is_told_whether_it_trains(given: str, condition: str, train: str, test: str, composer: Composer) -> None:
    assert not lines(composer, "LEK120", PHASES.format(given=given, condition=condition, train=train, test=test))


@pytest.mark.parametrize("condition", ["if True:", "if not torch.isnan(loss):", "if len(images) > 1:", "for _ in range(2):"])
def test_a_loop_that_trains_on_whatever_it_is_given_is_found(condition: str, composer: Composer) -> None:
    text = PHASES.format(given="loader", condition=condition, train="train_loader", test="test_loader")
    assert lines(composer, "LEK120", text) == [19 if "for _" not in condition else 21]


# -- schedulers that a method steps which the program does not come by ------------------------------------------------------

STEPPED = """import torch
from torch import nn


class Learner:
    def __init__(self, network):
        self.network = network
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        {made}

    def train(self, batches):
        for inputs, labels in batches:
            self.update(inputs, labels)
            {stepped}

    def update(self, inputs, labels):
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.network(inputs), labels).backward()
        self.optimizer.step()


class Adapter(Learner):
    def train(self, batches):
        for inputs, _ in batches:
            self.update(inputs, self.network(inputs).argmax(1))


adapter = Adapter(nn.Linear(4, 2))
adapter.train(torch.load("batches.pt"))
"""
MADE = "self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)"


@pytest.mark.parametrize(
    ("made", "stepped"),
    [
        (MADE, "self.scheduler.step()"),
        (MADE, "self.scheduler.step(epoch=1)"),
        (MADE, "if labels is not None:\n                self.scheduler.step()"),
        ("self.decay = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 9)", "self.decay.step()"),
        ("self.decay: object = torch.optim.lr_scheduler.StepLR(self.optimizer, 9)", "decay = self.decay; decay.step()"),
        ("self.a = self.b = torch.optim.lr_scheduler.StepLR(self.optimizer, 9)", "self.b.step()"),
    ],
)
def test_a_scheduler_that_another_class_steps(made: str, stepped: str, composer: Composer) -> None:
    assert not lines(composer, "TRN117", STEPPED.format(made=made, stepped=stepped))


@pytest.mark.parametrize("stepped", ["pass", "self.optimizer.step()", "print(self.scheduler.get_last_lr())"])
def test_a_scheduler_that_nobody_steps_is_found(stepped: str, composer: Composer) -> None:
    assert lines(composer, "TRN117", STEPPED.format(made=MADE, stepped=stepped)) == [9]
