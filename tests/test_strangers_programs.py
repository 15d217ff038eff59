"""What was reported of further programs that work: each kind in several forms, and beside it the mistake that is still found."""

from __future__ import annotations

import json

import pytest
from experiments_of_texts import experiment_of, run_rules
from test_generic import errors, judged

from gonogo.compose.client import Composer
from gonogo.engine.pipeline import check
from gonogo.model.check_options import CheckOptions


def errors_found(composer: Composer, rule: str, text: str, path: str = "train.py") -> list[int | None]:
    """The lines that a rule speaks of in an error."""
    return [entry.location.line for entry in run_rules(composer, {path: text}, rule) if entry.blocks]


# -- members of an enumeration in a structured config ---------------------------------------------------------------------

ENUMERATED = """from dataclasses import dataclass, field
from enum import {base}
from typing import Dict, List, Optional

import hydra
from hydra.core.config_store import ConfigStore


class Decoder({base}):
    greedy = {greedy}
    beam = {beam}


@dataclass
class Language:
    decoder: Decoder = Decoder.greedy
    perhaps: Optional[Decoder] = None
    several: List[Decoder] = field(default_factory=lambda: [Decoder.greedy])
    width: int = 3


@dataclass
class Config:
    language: Language = {made}


ConfigStore.instance().store(name="schema", node=Config)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    print({read})


if __name__ == "__main__":
    main()
"""
BASES = [("Enum", "'greedy'", "'beam'"), ("IntEnum", "1", "2"), ("IntFlag", "1", "2")]


@pytest.mark.parametrize(("base", "greedy", "beam"), BASES)
@pytest.mark.parametrize("made", ["Language()", "field(default_factory=Language)", "field(default_factory=lambda: Language())"])
@pytest.mark.parametrize(
    "yaml", ["defaults: [schema, _self_]\n", "defaults: [schema, _self_]\nlanguage:\n  decoder: beam\n  several: [beam]\n"]
)
def test_members_of_an_enumeration_have_a_name_and_a_value(base, greedy, beam, made, yaml, composer):
    read = "cfg.language.decoder.value, cfg.language.decoder.name, cfg.language.several[0].value"
    text = ENUMERATED.format(base=base, greedy=greedy, beam=beam, made=made, read=read)
    assert errors(judged(composer, {"app.py": text, "conf/config.yaml": yaml})) == []


def test_a_number_of_a_structured_config_has_no_value(composer):
    text = ENUMERATED.format(base="Enum", greedy="1", beam="2", made="field(default_factory=Language)", read="cfg.language.width.value")
    assert errors(judged(composer, {"app.py": text, "conf/config.yaml": "defaults: [schema, _self_]\n"})) == ["HYD104 app.py:32"]


# -- a rate of zero that is only the default ------------------------------------------------------------------------------

GROUPED = """import torch
from torch import nn


def groups_of(network):
    return [{{"params": network.body.parameters(), "lr": 0.1}}, {{"params": network.head.parameters(), "lr": 1.0}}]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, inputs):
        return self.head(self.body(inputs))


def fit(network, groups, loader):
    optimizer = torch.optim.SGD({given}, {rate}, momentum=0.9)
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()


network = Network()
{before}
fit(network, {groups}, [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8)
"""
GROUPS = [
    ("groups", "", "[dict(params=network.parameters(), lr=0.1)]"),
    (
        "groups",
        "groups = [dict(params=network.head.parameters(), lr=0.1)]\ngroups.append(dict(params=network.body.parameters(), lr=1.0))",
        "groups",
    ),
    ("groups", "", "groups_of(network)"),
    ("groups", "", '[{"params": [weight], "lr": 0.1} for weight in network.parameters()]'),
    ("groups", 'settings = {"lr": 0.1}', '[{"params": network.parameters(), **settings}]'),
    ("groups", "", '[dict(params=network.parameters(), **{"lr": 0.1})]'),
    ("groups", "import json", "[dict(params=network.parameters(), **json.load(open('head.json')))]"),
    ("groups", "from layers import grouped", "grouped(network, 0.1)"),
    ("groups_of(network)", "", "None"),
    ('({"params": part.parameters(), "lr": 0.1} for part in network.children())', "", "None"),
]


@pytest.mark.parametrize("rate", ["0", "lr=0.0"])
@pytest.mark.parametrize(("given", "before", "groups"), GROUPS)
def test_groups_with_rates_of_their_own_need_none_of_the_optimizer(given, before, groups, rate, composer):
    assert errors_found(composer, "TRN116", GROUPED.format(given=given, before=before, groups=groups, rate=rate)) == []


@pytest.mark.parametrize("given", ["network.parameters()", '[{"params": network.parameters()}]', "[*network.body.parameters()]"])
def test_a_rate_of_zero_for_all_groups_is_found(given, composer):
    assert errors_found(composer, "TRN116", GROUPED.format(given=given, before="", groups="None", rate="0")) == [19]


# -- a test part of the training part -------------------------------------------------------------------------------------

TRAINED = """from datasets import load_dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, EarlyStoppingCallback, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")


def tokenize(rows):
    return tokenizer(rows["text"], truncation=True)


{parts}
options = TrainingArguments("out", eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True)
trainer = Trainer(
    model=AutoModelForSequenceClassification.from_pretrained("distilbert-base-uncased"),
    args=options,
    train_dataset={train},
    eval_dataset={held},
    callbacks=[EarlyStoppingCallback(3)],
)
trainer.train()
print({asked})
"""
FROM_TRAINING = [
    "both = load_dataset('imdb')\nparts = both['train'].train_test_split(test_size=0.2)",
    "both = load_dataset('imdb').map(tokenize, batched=True)\nparts = both['train'].train_test_split(test_size=0.2)",
    "both = load_dataset('imdb')\nboth = both.map(tokenize)\nparts = both['train'].shuffle(0).train_test_split(test_size=0.2)",
    "both = load_dataset('imdb').remove_columns('id').map(tokenize).with_format('torch')\nparts = both['train'].train_test_split(0.2, seed=1)",
    "both = load_dataset('imdb')\nparts = load_dataset('imdb', split='train').map(tokenize).train_test_split(test_size=0.2)",
    "both = load_dataset('imdb').filter(len)\ntrain = both['train'].filter(len)\nparts = train.train_test_split(test_size=0.2)",
]


@pytest.mark.parametrize(
    "asked", ["trainer.evaluate(both['test'])", "trainer.evaluate(eval_dataset=both['test'])", "trainer.predict(both['test'])"]
)
@pytest.mark.parametrize("parts", FROM_TRAINING)
def test_what_is_held_out_of_the_training_part_is_for_choosing(parts, asked, composer):
    text = TRAINED.format(parts=parts, train="parts['train']", held="parts['test']", asked=asked)
    assert errors_found(composer, "LEK109", text) == []


@pytest.mark.parametrize("asked", ["trainer.evaluate(both['test'])", "trainer.evaluate()", "trainer.predict(both['test'])"])
@pytest.mark.parametrize("then", ["", ".map(tokenize)", ".shuffle(0).map(tokenize, batched=True)"])
def test_a_best_state_chosen_by_the_test_part_is_found(then, asked, composer):
    text = TRAINED.format(parts=f"both = load_dataset('imdb'){then}", train="both['train']", held="both['test']", asked=asked)
    assert errors_found(composer, "LEK109", text) == [13]


# -- a place that is to be filled in --------------------------------------------------------------------------------------

HOLES = [
    "loss = ...",
    "a = ...\nloss = a",
    "loss: torch.Tensor = ...",
    "a = b = ...\nloss = a + b",
    "def compute(x):\n    ...\nloss = compute(1)",
]


@pytest.mark.parametrize("hole", HOLES)
def test_a_place_that_is_to_be_filled_in_is_no_loss_without_gradient(hole, composer):
    assert errors_found(composer, "TRN104", f"import torch\n{hole}\nloss.backward()\n") == []


def test_a_loss_of_numbers_is_found(composer):
    assert errors_found(composer, "TRN104", "import torch\nloss = torch.ones(3).mean()\nloss.backward()\n") == [3]


# -- optimizers that a framework steps ------------------------------------------------------------------------------------

FRAMEWORK = """import lightning as L
import torch
from torch import nn


class Energy(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(4, 1)

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.network.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        return {given}

    def sample(self, inputs):
        for _ in range(60):
            self.network(inputs).sum().backward()
            inputs.data.add_(-inputs.grad)
            inputs.grad.zero_()
        return inputs

    def training_step(self, batch, index):
        inputs = torch.rand(8, 4, requires_grad=True)
        return self.network(self.sample(inputs)).mean() - self.network(batch).mean()


L.Trainer().fit(Energy(), torch.utils.data.DataLoader(torch.randn(64, 4), batch_size=8))
"""
GIVEN = [
    "optimizer",
    "[optimizer]",
    "[optimizer], [scheduler]",
    "([optimizer], [{'scheduler': scheduler, 'interval': 'step'}])",
    "{'optimizer': optimizer, 'lr_scheduler': scheduler}",
    "[{'optimizer': optimizer, 'lr_scheduler': {'scheduler': scheduler}}]",
    "dict(optimizer=optimizer)",
    "({'optimizer': optimizer, 'frequency': 2},)",
]


@pytest.mark.parametrize("given", GIVEN)
def test_an_optimizer_that_a_framework_is_given_is_stepped_by_it(given, composer):
    assert errors_found(composer, "TRN103", FRAMEWORK.format(given=given)) == []


# -- a vocabulary of the training part ------------------------------------------------------------------------------------

WORDS = """from sklearn.datasets import load_files
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

reviews = load_files("{folder}")
{name}, targets = reviews.data, reviews.target
words = CountVectorizer().fit({name})
rows = words.transform({name})
{chosen}
"""
CHOSEN = [
    "print(cross_val_score(LogisticRegression(), rows, targets).mean())",
    "GridSearchCV(LogisticRegression(), {'C': [1, 2]}).fit(rows, targets)",
]


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("name", ["text_train", "train_texts", "X_train", "training_text"])
def test_a_vocabulary_of_the_training_part_is_at_most_a_warning(name, chosen, composer):
    assert errors_found(composer, "LEK101", WORDS.format(folder="reviews", name=name, chosen=chosen)) == []


def test_a_vocabulary_of_all_that_is_cross_validated_is_found(composer):
    assert errors_found(composer, "LEK101", WORDS.format(folder="reviews", name="texts", chosen=CHOSEN[0])) == [8]


# -- tensors that are made on the device ----------------------------------------------------------------------------------

DEVICES = """import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(network, rows, targets, device):
    {made}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for inputs, labels in DataLoader(TensorDataset(x, y), batch_size=8):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()


fit(nn.Linear(4, 2).to(DEVICE), np.random.randn(64, 4), np.random.randint(0, 2, 64), device=DEVICE)
"""
MADE = [
    "x, y = torch.tensor(rows, dtype=torch.float32, device=device), torch.tensor(targets, device=device)",
    "x, y = torch.tensor(rows).to(device), torch.tensor(targets).to(device)",
    "x, y = torch.tensor(rows).float().cuda(), torch.tensor(targets).cuda()",
    "x, y = (torch.tensor(part, device=device) for part in (rows, targets))",
    "x, y = torch.tensor(rows, device=DEVICE).float(), torch.tensor(targets, device=DEVICE).long()",
    "x, y = torch.as_tensor(rows, device=device)[:32], torch.as_tensor(targets, device=device)[:32]",
    "x, y = torch.randn(64, 4).to(device).view(64, 4), torch.zeros(64).long().to(device)",
    "x = torch.randn(64, 4, device=device); y = x.argmax(1)",
    "x, y = torch.randn(64, 4, **{'device': device}), torch.zeros(64, **{'device': device}).long()",
    "from tools import tensors; x, y = tensors(rows, targets)",
]


@pytest.mark.parametrize("made", MADE)
def test_tensors_on_the_device_need_not_be_moved(made, composer):
    assert errors_found(composer, "TRN122", DEVICES.format(made=made)) == []


@pytest.mark.parametrize(
    "made",
    [
        "x, y = torch.tensor(rows).float(), torch.tensor(targets)",
        "x, y = torch.from_numpy(rows).float(), torch.from_numpy(targets)",
        "x, y = torch.randn(64, 4), torch.zeros(64).long()",
    ],
)
def test_tensors_on_the_cpu_are_found(made, composer):
    assert errors_found(composer, "TRN122", DEVICES.format(made=made)) == [14]


# -- a network that switches its mode itself ------------------------------------------------------------------------------

SWITCHED = """import torch
from torch import nn


class Base(nn.Module):
    def clear(self):
        self.cache = None

{override}


class Network(Base):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, inputs):
        return self.layers(inputs)


def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        return sum((model(inputs).argmax(1) == labels).sum().item() for inputs, labels in loader)


def fit(model, loader, held_out):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    {before}
    for epoch in range(10):
        {each}
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        print(epoch, evaluate(model, held_out))


batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
fit(Network(), batches, batches[:2])
"""
OVERRIDES = [
    "def train(self, mode=True):\n    self.clear()\n    return super().train(mode)",
    "def train(self, mode=True):\n    if mode:\n        self.clear()\n    return super().train(mode=mode)",
    "def train(self, mode: bool = True):\n    return super(Base, self).train(mode)",
    "def train(self, mode=True):\n    nn.Module.train(self, mode)\n    return self",
    "def train(self, mode=True):\n    torch.nn.Module.train(self, mode=mode)\n    self.clear()\n    return self",
    "def train(self, mode=True):\n    self.training = mode\n    for child in self.children():\n        child.train(mode)\n    return self",
    "def train(self, *given):\n    result = super().train(*given)\n    self.clear()\n    return result",
    "def train(self):\n    super().train()\n    self.clear()",
    "def eval(self):\n    self.clear()\n    return super().eval()",
    "def eval(self):\n    return super().train(False)",
]


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_network_with_a_train_method_of_its_own_is_switched_by_it(override, composer):
    lines = "\n".join("    " + line for line in override.splitlines())
    text = SWITCHED.format(override=lines, before="print(len(loader))", each="model.train()")
    assert errors_found(composer, "TRN105", text) == []
    assert errors_found(composer, "TRN106", text) == []


@pytest.mark.parametrize("override", [OVERRIDES[0], OVERRIDES[2], OVERRIDES[3], OVERRIDES[8], OVERRIDES[9]])
def test_a_network_with_a_train_method_of_its_own_that_is_called_once_is_found(override, composer):
    lines = "\n".join("    " + line for line in override.splitlines())
    text = SWITCHED.format(override=lines, before="model.train()", each="print(epoch)")
    line = text.splitlines().index("            nn.functional.cross_entropy(model(inputs), labels).backward()") + 1
    assert errors_found(composer, "TRN105", text) == [line]


# -- encoded classes of the test part -------------------------------------------------------------------------------------

CLASSES = """from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer, LabelEncoder, OneHotEncoder, OrdinalEncoder
import pandas as pd

table = pd.read_csv("table.csv")
features, {target} = table[["colour", "size"]], table["kind"]
X_train, X_test, {target}_train, {target}_test = train_test_split(features, {target})
{lines}
print(X_train, X_test)
"""
ENCODED = [
    "{t}_train, {t}_test = OneHotEncoder().fit_transform({t}_train), OneHotEncoder().fit_transform({t}_test)",
    "encoder = OneHotEncoder()\n{t}_train = encoder.fit_transform({t}_train)\n{t}_test = encoder.fit_transform({t}_test)",
    "{t}_train = OrdinalEncoder().fit_transform({t}_train.values.reshape(-1, 1))\n{t}_test = OrdinalEncoder().fit_transform({t}_test.values.reshape(-1, 1))",
]


@pytest.mark.parametrize("target", ["y", "labels", "target"])
@pytest.mark.parametrize("lines", ENCODED)
def test_classes_that_are_encoded_apart_are_no_error(lines, target, composer):
    assert errors_found(composer, "LEK102", CLASSES.format(target=target, lines=lines.format(t=target))) == []


def test_features_that_are_encoded_apart_are_found(composer):
    lines = "encoder = OneHotEncoder()\nX_train = encoder.fit_transform(X_train)\nX_test = encoder.fit_transform(X_test)"
    assert errors_found(composer, "LEK102", CLASSES.format(target="y", lines=lines)) == [11]


# -- one fault, one finding -----------------------------------------------------------------------------------------------


def test_columns_that_are_normalised_one_by_one_are_one_fault(composer):
    text = """import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.linear_model import LinearRegression

table = pd.read_csv("wells.csv")
low, high = table["depth"].min(), table["depth"].max()
table["norm_depth"] = (table["depth"] - low) / (high - low)
table["norm_size"] = (table["size"] - table["size"].mean()) / table["size"].std()
table["norm_width"] = (table["width"] - table["width"].mean()) / table["width"].std()
X_train, X_test, y_train, y_test = train_test_split(table[["norm_depth", "norm_size", "norm_width"]], table["y"])
print(LinearRegression().fit(X_train, y_train).score(X_test, y_test))
"""
    assert len(errors_found(composer, "LEK104", text)) == 1


def test_a_network_that_one_function_scores_in_several_loops_is_one_fault(composer):
    text = """import torch
from torch import nn


def train(model, batches):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs, labels in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()


@torch.no_grad()
def test(model, parts):
    right = 0
    for inputs, labels in parts[0]:
        right += (model(inputs).argmax(1) == labels).sum().item()
    for inputs, labels in parts[1]:
        right += (model(inputs).argmax(1) == labels).sum().item()
    return right


batches = [(torch.randn(8, 4), torch.randint(2, (8,)))] * 8
model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
for epoch in range(3):
    train(model, batches)
    print(test(model, (batches[:2], batches[2:])))
"""
    assert errors_found(composer, "TRN106", text) == [18]


def test_files_of_python_2_are_one_fault(composer):
    files = {f"tools/{name}.py": f"import sys\nprint 'usage: {name}'\n" for name in ("a", "b", "c")}
    found = run_rules(composer, {**files, "train.py": "print(1)\n", "broken.py": "print(1\n"}, "IMP103", "IMP108")
    assert sorted(entry.location.path for entry in found) == ["broken.py", "tools/a.py"]


def test_cells_that_do_not_parse_are_one_fault_of_a_notebook(composer):
    cells = [
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in ("x = <YOUR CODE>", "y = 1", "z = <HERE>")
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    found = run_rules(composer, {"homework.ipynb": text}, "NTB103")
    assert len(found) == 1
    assert [entry.location.line for entry in found[0].related]


# -- copies of a file -----------------------------------------------------------------------------------------------------

COPIED = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return jsn.load(file)\n"


def test_a_fault_in_copies_of_a_file_is_one(composer):
    files = {f"{folder}/tools.py": f"{'# ' + folder}\n{COPIED}" for folder in ("asr", "emotion", "speakers", "old/asr", "older")}
    (found,) = run_rules(composer, {**files, "train.py": "import asr.tools\n"}, "IMP104")
    assert [entry.location.path for entry in found.related] == [
        "emotion/tools.py",
        "old/asr/tools.py",
        "older/tools.py",
        "speakers/tools.py",
    ]


def test_a_fault_that_a_file_has_twice_is_one_for_each_place_in_its_copies(composer):
    twice = "import torch\n\n\ndef move(batch):\n    batch = torch.zeros(3)\n    batch.cuda()\n    return batch\n\n\n"
    text = twice + twice.replace("move", "shift") + "move(1)\nshift(1)\n"
    assert len(run_rules(composer, {"one/a.py": text, "two/a.py": text}, "TRN140")) == 2
    assert len(run_rules(composer, {"one/a.py": text, "two/b.py": text}, "TRN140")) == 4


# -- a call that is wanted for itself -------------------------------------------------------------------------------------

WARM = [
    'torch.ones((1, 1)).to("cuda")',
    "torch.zeros(1).cuda()",
    "torch.tensor([1.0]).float().cuda()",
    'torch.randn(1).to(torch.device("cuda"))',
    'pd.read_csv("rows.csv").astype({"label": int})',
    'pd.read_csv("rows.csv").drop(columns="id").astype(float)',
]


@pytest.mark.parametrize("line", WARM)
def test_what_nobody_holds_is_not_thrown_away(line, composer):
    assert errors_found(composer, "TRN140", f"import pandas as pd\nimport torch\n\n{line}\nprint(torch.cuda.memory_allocated())\n") == []


# -- places that another program fills in ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["data = {data}", "data: dict = {data}", "data = other = {data}"])
def test_a_place_of_a_template_is_no_name(line, composer):
    assert errors_found(composer, "IMP104", f"{line}\nfor path in data:\n    print(path)\n") == []


@pytest.mark.parametrize("line", ["data = {datum}", "data = [data]", "data = {data: 1}", "print({data})"])
def test_a_name_that_is_nowhere_is_found(line, composer):
    assert errors_found(composer, "IMP104", f"{line}\n") == [1]


# -- a network that is moved later on -------------------------------------------------------------------------------------

TOURED = """import torch
from torch import nn
from torchvision.datasets import CIFAR10
from torchvision.transforms import ToTensor

loader = torch.utils.data.DataLoader(CIFAR10("data", transform=ToTensor()), batch_size=8)
net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
{before}
for images, labels in loader:
    print(net(images))
{after}
for images, labels in loader:
    print(net(images.to("cuda")))
"""
LATER = ['device = torch.device("cuda")\nnet.to(device)', "net.cuda()", "net = net.cuda()", 'net = net.to("cuda:0")']


@pytest.mark.parametrize("after", LATER)
def test_a_network_is_on_the_cpu_until_it_is_moved(after, composer):
    assert errors_found(composer, "TRN122", TOURED.format(before="print(net)", after=after)) == []


@pytest.mark.parametrize("before", LATER)
def test_a_network_that_was_moved_wants_its_batches_there(before, composer):
    text = TOURED.format(before=before, after="print(net)")
    assert errors_found(composer, "TRN122", text) == [text.splitlines().index("    print(net(images))") + 1]


# -- names that others give -----------------------------------------------------------------------------------------------


def _notebook(*sources: str) -> str:
    cells = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in sources]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


BODIES = [
    "def ascend(image):\n    return image",
    "ascend = lambda image: image",
    "class ascend:\n    pass",
    "from keras import ascend",
    "import ascend",
    "import keras as ascend",
    "for ascend in range(3):\n    pass",
    "with open('x') as ascend:\n    pass",
    "other, ascend = 1, 2",
    "if (ascend := 3):\n    pass",
]


@pytest.mark.parametrize("magic", ["%%backend jax", "%%with_timing", "%%skip if False", "%%px --local"])
@pytest.mark.parametrize("body", BODIES)
def test_a_cell_of_anothers_magic_may_bind_its_names(body, magic, composer):
    text = _notebook("import keras", f"{magic}\n{body}", "print(ascend)")
    assert [entry for entry in run_rules(composer, {"a.ipynb": text}, "IMP104", "IMP105") if entry.blocks] == []


@pytest.mark.parametrize(
    "cell", ["%%writefile a.py\nascend = 1", "%%bash\nascend=1", "%%backend jax\ndef other():\n    pass", "%%html\n<b>ascend</b>"]
)
def test_a_name_that_no_cell_binds_is_found(cell, composer):
    text = _notebook("import keras", cell, "print(ascend)")
    assert len([entry for entry in run_rules(composer, {"a.ipynb": text}, "IMP104") if entry.blocks]) == 1


@pytest.mark.parametrize("name", ["sc", "spark", "sqlContext"])
def test_the_shell_of_pyspark_gives_names(name, composer):
    line = f"print({name}.parallelize([1]))\n"
    assert errors_found(composer, "IMP104", f"from pyspark.mllib.recommendation import ALS\n{line}") == []
    assert errors_found(composer, "IMP104", f"import math\n{line}") == [2]


# -- another series, a number higher --------------------------------------------------------------------------------------

PANEL = """import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

series = np.loadtxt("passengers.csv")
noise = np.random.default_rng(0).normal(size=series.shape)
rows = np.concatenate([series, {other}])
train, test = train_test_split(rows)
print(LinearRegression().fit(train, train).score(test, test))
"""


@pytest.mark.parametrize("other", ["series + 300", "series * 2", "300 + series", "series - 1.5", "series / 10"])
def test_a_series_that_is_shifted_is_another(other, composer):
    assert errors_found(composer, "LEK103", PANEL.format(other=other)) == []


@pytest.mark.parametrize("other", ["series", "series + noise", "series[:]", "series.copy()"])
def test_a_series_that_is_joined_with_its_copy_is_found(other, composer):
    assert errors_found(composer, "LEK103", PANEL.format(other=other)) == [7]


def test_files_of_python_2_leave_nothing_undecided(composer):
    files = {f"tools/{name}.py": f"import sys\nprint 'usage: {name}'\n" for name in "abcdefgh"}
    verdict = check(experiment_of({**files, "train.py": "print(1)\n"}), CheckOptions(), composer)
    assert [entry.rule for entry in verdict.findings if entry.blocks] == ["IMP103"]
    assert verdict.undecided == []


# -- names and gradients that are put somewhere ---------------------------------------------------------------------------

FILLING = [
    "for name in ('Normal', 'Gamma'):\n    locals()[name] = getattr(torch.distributions, name)",
    "locals().update({'Normal': 1, 'Gamma': 2})",
    "names = locals()\nnames['Normal'] = names['Gamma'] = 1",
    "globals()['Normal'] = 1",
]


@pytest.mark.parametrize("lines", FILLING)
def test_a_module_that_fills_its_own_names_has_them(lines, composer):
    files = {
        "lib/__init__.py": "",
        "lib/dist.py": f"import torch.distributions\n\n{lines}\n",
        "train.py": "from lib.dist import Gamma, Normal\n",
    }
    assert [entry for entry in run_rules(composer, files, "IMP105", "IMP104") if entry.blocks] == []


def test_a_function_that_fills_its_own_names_gives_none(composer):
    lines = "def fill():\n    locals()['Normal'] = 1\n"
    found = run_rules(composer, {"lib/__init__.py": "", "lib/dist.py": lines, "train.py": "from lib.dist import Normal\n"}, "IMP105")
    assert [entry.location.path for entry in found] == ["train.py"]


@pytest.mark.parametrize(
    ("path", "blocks"), [("docs/source/conf.py", False), ("doc/conf.py", False), ("docs/api/v2/conf.py", False), ("app/conf.py", True)]
)
def test_sphinx_gives_its_settings_names(path, blocks, composer):
    assert bool(errors_found(composer, "IMP104", "project = 'x'\ntags.add('prerelease')\n", path)) is blocks


LEAF = """import torch
from torch import autograd


def improve(function, start):
    x = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([x])

    def closure():
        optimizer.zero_grad()
        y = function(x)
        {put}
        return y

    optimizer.step(closure)
    return x.detach()


print(improve(lambda x: (x**2).sum(), torch.ones(3)))
"""
PUTS = [
    "autograd.backward(x, autograd.grad(y, x))",
    "autograd.backward(x, grad_tensors=autograd.grad(y, x))",
    "torch.autograd.backward([x], torch.autograd.grad(y, x, retain_graph=True))",
    "x.backward(autograd.grad(y, x)[0])",
    "x.backward(gradient=autograd.grad(y, x)[0])",
]


@pytest.mark.parametrize("put", PUTS)
def test_gradients_that_were_computed_elsewhere_may_be_put_into_a_leaf(put, composer):
    assert errors_found(composer, "TRN104", LEAF.format(put=put)) == []
    assert errors_found(composer, "TRN101", LEAF.format(put=put)) == []


# -- class 0 of a label map -----------------------------------------------------------------------------------------------

LABELS = "import cv2\nimport numpy as np\n\nlabels = cv2.imread('labels.png')\nlabels = {change}\ncv2.imwrite('out.png', labels)\n"


@pytest.mark.parametrize("change", ["labels - 1", "labels[..., 0] - 1", "np.asarray(labels) - 1"])
def test_a_label_less_is_no_error(change, composer):
    assert errors_found(composer, "NUM104", LABELS.format(change=change)) == []


@pytest.mark.parametrize("change", ["labels - 128", "labels + 1", "labels * 2", "labels - labels[::-1]"])
def test_bytes_that_wrap_around_are_found(change, composer):
    assert errors_found(composer, "NUM104", LABELS.format(change=change)) == [5]


# -- a line through predictions, and parts that are not what they seem ----------------------------------------------------

LINE = """import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split

table = pd.read_csv("steel.csv")
X, y = table.drop(columns="strength"), table["strength"]
X_train, X_test, y_train, y_test = train_test_split(X, y)
forest = RandomForestRegressor().fit(X_train, y_train)
y_pred = forest.predict(X_test)
{lines}
print(forest.score(X_test, y_test))
"""
LINES = [
    "line = LinearRegression()\nline.fit(y_test.values.reshape(-1, 1), y_pred)\nprint(line.score(y_test.values.reshape(-1, 1), y_pred))",
    "line = LinearRegression().fit(y_test.to_numpy()[:, None], y_pred)\nprint(line.score(y_test.to_numpy()[:, None], y_pred))",
    "line = LinearRegression().fit(np.array(y_test).reshape(-1, 1), np.log(y_pred))\nprint(line.score(np.array(y_test).reshape(-1, 1), y_pred))",
]


@pytest.mark.parametrize("lines", LINES)
def test_a_line_through_predictions_is_no_model(lines, composer):
    assert errors_found(composer, "LEK102", LINE.format(lines=lines)) == []


def test_a_model_of_the_test_part_is_found(composer):
    assert errors_found(composer, "LEK102", LINE.format(lines="forest.fit(X_test, y_test)")) == [12]


TOGETHER = """import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

table = pd.read_csv("houses.csv")
first, second, y, y_test = train_test_split(table.drop(columns="price"), table["price"])


def features_of(rows, others):
    joined = pd.concat([rows, others])
    joined["rooms"] = joined["rooms"].fillna(0)
    return joined.loc[rows.index], joined.loc[others.index]


X_train, X_test = features_of(first, second)
model = Ridge().fit({given})
print(model.score(X_test, y_test))
"""


def test_what_the_code_calls_the_training_part_is_not_taken_for_another(composer):
    assert errors_found(composer, "LEK102", TOGETHER.format(given="X_train, y")) == []


@pytest.mark.parametrize(
    "lines",
    [
        "print('a against itself', ks_2samp(a, a))",
        "perfect = a  # pretend we reached perfection\nprint(ks_2samp(a, a))",
        "perfect = a  # pretend we reached perfection\nks_2samp(a, perfect)",
    ],
)
def test_what_is_meant_to_be_compared_with_itself_is_no_error(lines, composer):
    head = "import numpy as np\nfrom scipy.stats import ks_2samp\n\na = np.load('a.npy')\n"
    assert errors_found(composer, "SCI122", f"{head}{lines}\n") == []
    assert errors_found(composer, "SCI122", f"{head}print(ks_2samp(a, a))\n") == [5]
    assert errors_found(composer, "SCI122", f"{head}import wandb\nwandb.log({{'p': ks_2samp(a, a)}})  # a sanity check\n") == [6]
    assert errors_found(composer, "SCI122", f"{head}score = ks_2samp(a, a)  # a sanity check\nprint(score)\n") == [5]


# -- a column of another copy ---------------------------------------------------------------------------------------------

COPY = """import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

table = pd.read_csv("houses.csv")
X = table.copy()
y = X.pop("price")
{shown}
print(cross_val_score(Ridge(), {features}, y).mean())
"""
SHOWN = [
    "shown = X.copy()\nshown['price'] = y",
    "shown = X.copy()\nshown.loc[:, 'price'] = y",
    "shown = X[X.columns]\nshown['price'] = y",
    "shown = X.reset_index()\nshown['price'] = y\nshown['twice'] = y * 2",
    "shown = pd.DataFrame(X)\nshown = shown.copy()\nshown['price'] = y",
]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_column_of_another_copy_is_no_feature(shown, composer):
    assert errors_found(composer, "LEK105", COPY.format(shown=shown, features="X")) == []


@pytest.mark.parametrize(
    "lines",
    ["X = table.copy()\ny = table['price']", "X = table.copy()\nX['twice'] = X['price'] * 2\ny = X['price']\nX = X.drop(columns='price')"],
)
def test_a_column_of_the_features_is_found(lines, composer):
    head = "import pandas as pd\nfrom sklearn.linear_model import Ridge\n\ntable = pd.read_csv('houses.csv')\n"
    assert len(errors_found(composer, "LEK105", f"{head}{lines}\nmodel = Ridge().fit(X, y)\nprint(model.coef_)\n")) == 1


# -- functions that seed in a loop ----------------------------------------------------------------------------------------


def test_a_decorated_function_that_seeds_does_not_stop_the_rule(composer):
    text = "import random\nimport atexit\n\nfor turn in range(3):\n    @atexit.register\n    def seed(*given):\n        random.seed(0)\n    seed()\n"
    assert run_rules(composer, {"train.py": text}, "REP103") is not None


# -- a config folder under a root that the environment names --------------------------------------------------------------

ROOTED = """import os
from pathlib import Path

import hydra
from dotenv import load_dotenv

load_dotenv()
ROOT = Path(os.environ["PROJECT_ROOT"])


@hydra.main(version_base="1.3", config_path={path}, config_name="default")
def main(cfg):
    print(cfg.train.rate, cfg.train.{key})


if __name__ == "__main__":
    main()
"""
ROOTS = [
    'str(ROOT / "conf")',
    'os.path.join(ROOT, "conf")',
    'f"{ROOT}/conf"',
    'str(ROOT.joinpath("conf"))',
    'os.path.join(os.getenv("PROJECT_ROOT"), "conf")'.replace('os.getenv("PROJECT_ROOT")', "str(ROOT)"),
    'os.environ_root() / "conf"'.replace("os.environ_root()", "ROOT"),
]


@pytest.mark.parametrize("path", ROOTS)
def test_a_config_folder_is_known_by_its_end(path, composer):
    files = {"src/run.py": ROOTED.format(path=path, key="size"), "conf/default.yaml": "train:\n  rate: 0.1\n  size: 2\n"}
    verdict = judged(composer, files)
    assert errors(verdict) == []
    assert verdict.undecided == []
    files["src/run.py"] = ROOTED.format(path=path, key="seize")
    assert errors(judged(composer, files)) == ["HYD104 src/run.py:13"]


def test_a_config_folder_that_may_be_one_of_two_is_undecided(composer):
    text = ROOTED.format(path=ROOTS[0], key="size")
    config = "train:\n  rate: 0.1\n  size: 2\n"
    assert judged(composer, {"src/run.py": text, "a/conf/default.yaml": config, "b/conf/default.yaml": config}).undecided
    assert judged(composer, {"src/run.py": text, "config/default.yaml": config}).undecided


# -- optimizers that are made anew, later on, or take their state from a file ---------------------------------------------

PROPERTY = """import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, inputs):
        return self.layer(inputs)

    {property}
    def optimizer(self):
        return torch.optim.Adam(self.parameters(), lr=0.001)


model = Network()
for _ in range(10):
    loss = model(torch.randn(8, 4)).square().mean()
    loss.backward()
    model.optimizer{call}.step()
    {clear}
"""


@pytest.mark.parametrize(("property", "call"), [("@property", ""), ("# made anew", "()")])
def test_gradients_are_cleared_by_another_optimizer_of_the_same_network(property, call, composer):
    clears = PROPERTY.format(property=property, call=call, clear=f"model.optimizer{call}.zero_grad()")
    assert errors_found(composer, "TRN101", clears) == []
    assert errors_found(composer, "TRN102", clears) == []
    assert errors_found(composer, "TRN101", PROPERTY.format(property=property, call=call, clear="print(loss.item())")) == [22]


SHOWN_LATER = """import torch
from torch import nn

model = nn.Linear(4, 1)
optim = torch.optim.SGD(model.parameters(), lr=0.1)
{before}
for _ in range(10):
    optim.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    {step}
{after}
"""
OTHERS = [
    "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)",
    "optimizer = torch.optim.RMSprop(model.parameters())\noptimizer = torch.optim.Adam(model.parameters())",
    "for make in (torch.optim.SGD, torch.optim.Adam):\n    print(make(model.parameters(), lr=0.1))",
]


@pytest.mark.parametrize("after", OTHERS)
def test_an_optimizer_that_is_made_later_is_not_for_what_came_before(after, composer):
    assert errors_found(composer, "TRN103", SHOWN_LATER.format(before="", step="optim.step()", after=after)) == []


def test_an_optimizer_that_is_made_before_and_never_stepped_is_found(composer):
    assert errors_found(composer, "TRN103", SHOWN_LATER.format(before="", step="print(optim)", after=OTHERS[0])) == [9]


SAVED = """import torch
from torch import nn

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0)
saved = torch.load("saved.pt")
{state}
for _ in range(10):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
"""
STATES = [
    "optimizer.load_state_dict(saved)",
    "optimizer.load_state_dict(saved['optim_state'])",
    "if saved:\n    optimizer.load_state_dict(saved)",
    "for entry, state in zip([optimizer], saved):\n    entry.load_state_dict(state)",
    "def restore(optimizer):\n    optimizer.load_state_dict(saved)\nrestore(optimizer)",
]


@pytest.mark.parametrize("state", STATES)
def test_a_rate_of_zero_until_a_state_is_loaded_is_right(state, composer):
    assert errors_found(composer, "TRN116", SAVED.format(state=state)) == []


def test_a_rate_of_zero_beside_a_state_of_the_network_is_found(composer):
    assert errors_found(composer, "TRN116", SAVED.format(state="model.load_state_dict(saved)")) == [5]


# -- searches on what is held out of the training part --------------------------------------------------------------------

SEARCH = """import numpy as np
import optuna
import torch
import torchvision
from hyperopt import fmin, hp, rand
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torchvision.transforms import ToTensor


def folds_score(params, x, y):
    scores = []
    for train_index, test_index in KFold(5).split(x):
        X_train, X_valid, y_train, y_valid = x[train_index], x[test_index], y[train_index], y[test_index]
        scores.append(KNeighborsClassifier(**params).fit(X_train, y_train).score(X_valid, y_valid))
    return -np.mean(scores)


def loaders():
    train = torch.utils.data.DataLoader(torchvision.datasets.MNIST("d", train=True, transform=ToTensor()), batch_size=8)
    {name} = torch.utils.data.DataLoader(torchvision.datasets.MNIST("d", train=False, transform=ToTensor()), batch_size=8)
    return train, {name}


def objective(trial):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    train, {name} = loaders()
    right = 0
    for inputs, labels in {name}:
        right += (model(inputs * trial.suggest_float("x", 0, 1)).argmax(1) == labels).sum().item()
    return right


{search}
"""
OPTUNA = "optuna.create_study().optimize(objective, n_trials=3)"


@pytest.mark.parametrize("name", ["valid_loader", "val_dl", "validation", "dev_loader"])
def test_a_loader_that_is_called_validation_is_taken_at_its_word(name, composer):
    assert errors_found(composer, "LEK109", SEARCH.format(name=name, search=OPTUNA)) == []


def test_folds_are_no_test_part(composer):
    search = "x, y = np.load('x.npy'), np.load('y.npy')\nfmin(fn=lambda p: folds_score(p, x, y), space={'n_neighbors': hp.choice('n', [1, 3])}, algo=rand.suggest)"
    assert errors_found(composer, "LEK109", SEARCH.format(name="valid_loader", search=search)) == []


BESIDE = """import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.preprocessing import StandardScaler


def prepare(x, test_x):
    scaler = StandardScaler()
    scaler.fit(x)
    return scaler.transform(x), scaler.transform({other})


x, y, test_x, test_y = (np.load(f"{{name}}.npy") for name in ("x", "y", "test_x", "test_y"))
x, test_x = prepare(x, test_x)
{choose}
print(LogisticRegression().fit(x, y).score(test_x, test_y))
"""
CHOOSE = [
    "print(cross_val_score(LogisticRegression(), x, y).mean())",
    "fit_x, valid_x, fit_y, valid_y = train_test_split(x, y)\nprint(LogisticRegression().fit(fit_x, fit_y).score(valid_x, valid_y))",
    "for inner, outer in KFold(5).split(x):\n    print(LogisticRegression().fit(x[inner], y[inner]).score(x[outer], y[outer]))",
]


@pytest.mark.parametrize("choose", CHOOSE)
def test_a_training_part_that_is_parted_for_choosing_is_at_most_a_warning(choose, composer):
    assert errors_found(composer, "LEK101", BESIDE.format(other="test_x", choose=choose)) == []


def test_rows_that_are_split_after_a_scaler_are_found(composer):
    assert errors_found(composer, "LEK101", BESIDE.format(other="x[:3]", choose=CHOOSE[0])) == [9]


# -- layers that are registered by name, leaves in a list, windows of rows ------------------------------------------------

BY_NAME = """import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.points = {{}}
        point = "a"
        self.points[point] = nn.Conv2d(3, 4, 3)
        point = "b"
        self.points[point] = nn.Conv2d(4, 4, 3)
        self.build()

    def build(self):
        {build}

    def forward(self, inputs):
        for point in ("a", "b"):
            if point in self.points:
                inputs = self._modules[point](inputs)
        return inputs


print(Network()(torch.randn(1, 3, 8, 8)))
"""
BUILDS = [
    "for key in self.points.keys():\n            self.add_module(key, self.points[key])",
    "for key in self.points:\n            self.add_module(key, self.points[key])",
    "for key, layer in self.points.items():\n            setattr(self, key, layer)",
    "[self.add_module(key, layer) for key, layer in self.points.items()]",
    "for key in list(self.points):\n            self.register_module(key, self.points[key])",
]


@pytest.mark.parametrize("build", BUILDS)
def test_layers_that_are_registered_by_name_are_part_of_the_network(build, composer):
    assert errors_found(composer, "TRN115", BY_NAME.format(build=build)) == []


def test_layers_that_nothing_registers_are_found(composer):
    assert errors_found(composer, "TRN115", BY_NAME.format(build="print(self.points)")) == [8]


BY_HAND = """import torch

rows, wanted = torch.randn(64, 4), torch.randn(64, 1)


def make():
    layers = [(torch.rand(4, 8) - 0.3) / 8, torch.rand(8, 1) - 0.5]
    constants = [(torch.rand(1)[0] - 0.5) * 0.1 for _ in range(2)]
    {mark}
    return layers, constants


layers, constants = make()
for _ in range(10):
    guess = rows
    for layer, constant in zip(layers, constants):
        guess = guess @ layer + constant
    loss = (guess - wanted).abs().mean()
    loss.backward()
    with torch.no_grad():
        for layer in layers + constants:
            layer.sub_(layer.grad * 0.1)
            layer.grad.zero_()
"""
MARKS = [
    "for entry in layers + constants:\n        entry.requires_grad_()",
    "for entry in (*layers, *constants):\n        entry.requires_grad_(True)",
    "[entry.requires_grad_() for entry in layers + constants]",
    "for listed in (layers, constants):\n        for entry in listed:\n            entry.requires_grad_()",
    "for entry in layers:\n        entry.requires_grad = True",
]


@pytest.mark.parametrize("mark", MARKS)
def test_tensors_in_a_list_that_are_made_leaves_have_gradients(mark, composer):
    assert errors_found(composer, "TRN104", BY_HAND.format(mark=mark)) == []


WINDOW = """import pandas as pd
from sklearn.linear_model import Ridge

table = pd.read_csv("prices.csv")
table["ratio"] = {ratio}
X, y = table[["ratio"]], table["next"]
X_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]
print(Ridge().fit(X_train, y_train).score(X_test, y_test))
"""


@pytest.mark.parametrize(
    "ratio",
    [
        "table['close'] / table['close'].rolling(50).mean() - 1",
        "(table['close'] - table['close'].rolling(20).mean()) / table['close'].rolling(20).std()",
        "table['close'] / table['close'].expanding().max()",
        "table['close'] - table['close'].ewm(span=10).mean()",
        "table['close'] / table['close'].rolling(window=5, min_periods=1).median()",
    ],
)
def test_a_window_of_earlier_rows_is_no_statistic_of_all(ratio, composer):
    assert errors_found(composer, "LEK104", WINDOW.format(ratio=ratio)) == []


def test_a_mean_of_all_rows_is_found(composer):
    assert errors_found(composer, "LEK104", WINDOW.format(ratio="table['close'] / table['close'].mean()")) == [5]
