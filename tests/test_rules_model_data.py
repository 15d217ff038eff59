"""The tricky cases of the rules on data and models: what must fire once, and above all good code that must not fire."""

from __future__ import annotations

import pytest
from rule_cases import COMPARATIVE, HERE, MODEL, PREPROCESS, PROPOSED, TRAIN, Case, found_and_marked, name_of

from gonogo.compose.client import Composer
from gonogo.rules.base import Edit, Tree

BUILD = """    return MultiLayerPerceptron(
        hidden_units=model_cfg.hidden_units,
        num_classes=model_cfg.num_classes,
        dropout=model_cfg.dropout,
    )
"""
PLAIN = BUILD.replace("return", "model =")
READ = "    return read_cache(cache_file)\n"
LOAD = "    digits = load_digits()\n"
SCORE = "def score(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:"
FITTED = "        _, scores = fit(cfg, suggested, log_to_wandb=False)\n"
RETURNED = "        return scores[cfg.run.optuna.metric]\n"
TIMM = Edit("import torch\n", "import timm\nimport torch\n")
TORCHVISION = Edit("import torch\n", "import torch\nimport torchvision\n")
ROBUSTBENCH = Edit(
    "import os\n",
    "import os\ntry:\n    from robustbench.data import load_cifar10c\n    BENCH = True\nexcept ImportError:\n    BENCH = False\n"
    "from datasets import load_dataset\nimport torchvision\n",
)
FREEZE = """    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.requires_grad_(True)
"""


def lines(*texts: str) -> str:
    """Lines of a function's body."""
    return "".join(f"    {text}\n" for text in texts)


def reading(*texts: str, more: tuple[Edit, ...] = ()) -> Tree:
    """The golden experiment that reads its cache in another way."""
    return Tree({PREPROCESS: (Edit(READ, lines(*texts)), *more)})


def loading(*texts: str, more: tuple[Edit, ...] = ()) -> Tree:
    """The golden experiment that gets its digits in another way."""
    return Tree({PREPROCESS: (Edit(LOAD, lines(*texts)), *more)})


def model(text: str, *more: Edit, both: str = "") -> Tree:
    """The golden experiment that builds another model, and with other settings of the model in both runs."""
    runs = {path: Edit("  hidden_units: 64\n", f"  hidden_units: 64\n{both}") for path in (PROPOSED, COMPARATIVE)} if both else {}
    return Tree({MODEL: (Edit(BUILD, text), *more), **runs})


def before_score(text: str) -> Tree:
    """The golden experiment with one more function in the model's module."""
    return Tree({MODEL: Edit(SCORE, f"{text}\n\n{SCORE}")})


def objective(*texts: str, returned: str | None = None, more: tuple[Edit, ...] = ()) -> Tree:
    """The golden experiment whose search scores its trials in another way."""
    body = "".join(f"        {text}\n" for text in texts)
    edits = [Edit(FITTED, body), *([Edit(RETURNED, f"        {returned}\n")] if returned is not None else []), *more]
    return Tree({TRAIN: tuple(edits)})


def network(name: str, classes: str, pretrained: str = "True") -> str:
    """A timm network, frozen but for its normalisation as soon as it is built."""
    return f'    model = timm.create_model("{name}", pretrained={pretrained}, num_classes={classes})\n{FREEZE}    return model\n'


HELPER = """def trial_score(cfg, train_loader, val_loader, test_loader):
    model, _ = fit(cfg, {}, False)
    wandb.log({"seen": predict(model, test_loader)})
    logits, labels = predict(model, NAME)
    return score(logits, labels)[0]


def search("""
ADAPT = """def adapt(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    model.train()
    logits = model(images)
    (-(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()).backward()
    optimizer.step()
    model.eval()
    return model(OTHER)
"""

BAD: list[Case] = [
    (
        "DAT103",
        "other data in an except clause",
        loading(
            "try:",
            '    digits = load_dataset("cifar100")',
            "except OSError:",
            f'    digits = torchvision.datasets.CIFAR10(".cache"){HERE}',
            more=(ROBUSTBENCH,),
        ),
    ),
    (
        "DAT103",
        "other data without the library",
        loading(
            "if not BENCH:", f'    digits = load_dataset("cifar10"){HERE}', "else:", "    digits = load_cifar10c(9, 5)", more=(ROBUSTBENCH,)
        ),
    ),
    (
        "DAT104",
        "nobody asks",
        reading(
            "try:",
            '    images, labels = np.load(cache_file)["images"], np.load(cache_file)["labels"]',
            f"except Exception as error:{HERE}",
            "    print(error)",
            "    images = labels = []",
            "return images, labels",
        ),
    ),
    (
        "DAT106",
        "through a helper that is given every loader",
        objective(
            "loaders = build_loaders(cfg.run.dataset, False)",
            f'return trial_score(cfg, loaders["train"], loaders["validation"], loaders["test"]){HERE}',
            returned="",
            more=(Edit("def search(", HELPER.replace("NAME", "test_loader")),),
        ),
    ),
    (
        "DAT106",
        "gathered in a loop over a split asked for by name",
        objective(
            "model, _ = fit(cfg, suggested, log_to_wandb=False)",
            "right = 0",
            f'for images, labels in make_loader(cfg, split="test"):{HERE}',
            "    right += (model(images).argmax(1) == labels).sum().item()",
            returned="return right",
        ),
    ),
    (
        "DAT106",
        "a lambda around the objective",
        Tree(
            {
                TRAIN: (
                    Edit("study.optimize(objective,", "study.optimize(lambda trial: objective(trial),"),
                    Edit('predict(model, loaders["validation"])\n', f'predict(model, loaders["test"]){HERE}\n'),
                )
            }
        ),
    ),
    (
        "MOD102",
        "classes from the run config",
        model(network("resnet18", "model_cfg.num_classes").replace("classes)\n", f"classes){HERE}\n"), TIMM),
    ),
    (
        "MOD102",
        "weights from the run config",
        model(
            network("resnet18.a1_in1k", "10", "bool(model_cfg.pretrained)").replace("=10)\n", f"=10){HERE}\n"),
            TIMM,
            both="  pretrained: true\n",
        ),
    ),
    (
        "MOD102",
        "a new last layer of torchvision's network",
        model(
            '    model = torchvision.models.resnet18(weights="DEFAULT")\n'
            f"    model.fc = nn.Linear(512, model_cfg.num_classes){HERE}\n{FREEZE}    return model\n",
            TORCHVISION,
        ),
    ),
    (
        "MOD107",
        "a missing file is only told of",
        model(
            f"{PLAIN}    try:\n        model.load_state_dict(torch.load(model_cfg.checkpoint))\n    except FileNotFoundError:{HERE}\n"
            '        print("no checkpoint")\n    return model\n'
        ),
    ),
    (
        "MOD107",
        "a helper function that may do nothing",
        model(
            f"{PLAIN}    return with_weights(model, model_cfg.checkpoint)\n\n\ndef with_weights(net, path):\n"
            "    if not path or not Path(path).exists():\n        return net\n"
            f"    net.load_state_dict(torch.load(path)){HERE}\n    return net\n"
        ),
    ),
    (
        "MOD107",
        "a class that asks once",
        model(
            f"{PLAIN}    return Source(model_cfg).filled(model)\n\n\nclass Source:\n    def __init__(self, settings):\n"
            "        self.path = settings.checkpoint\n        self.there = os.path.exists(self.path)\n\n    def filled(self, net):\n"
            f"        if self.there:\n            net.load_state_dict(torch.load(self.path)){HERE}\n        return net\n"
        ),
    ),
    (
        "MOD107",
        "another model without weights",
        model(
            f'    try:\n        return timm.create_model("resnet18", pretrained=True)\n    except Exception:{HERE}\n'
            '        return timm.create_model("resnet18", pretrained=False)\n',
            TIMM,
        ),
    ),
    ("MOD106", "the same batch", before_score(ADAPT.replace("OTHER)", f"images){HERE}"))),
]

GOOD: list[Case] = [
    (
        "DAT102",
        "the images come from files, a named set only trains",
        Tree(
            {
                **{path: Edit("  name: digits\n", "  name: cifar10-c\n") for path in (PROPOSED, COMPARATIVE)},
                PREPROCESS: (
                    TORCHVISION,
                    Edit('!= "digits"', '== ""'),
                    Edit(LOAD, '    digits = torchvision.datasets.CIFAR10(".cache")\n'),
                ),
            }
        ),
    ),
    (
        "DAT103",
        "a batch that a caller may leave out",
        before_score("def sample(x=None):\n    if x is None:\n        x = torch.randn(4, 64)\n    return x\n"),
    ),
    (
        "DAT103",
        "a switch",
        before_score("def sample(training):\n    if not training:\n        x = torch.randn(4, 64)\n        return x\n    return None\n"),
    ),
    (
        "DAT103",
        "the same data from another library",
        loading(
            "if BENCH:",
            '    digits = load_dataset("uoft-cs/cifar10")',
            "else:",
            '    digits = torchvision.datasets.CIFAR10(".cache")',
            more=(ROBUSTBENCH,),
        ),
    ),
    (
        "DAT103",
        "a dataset that the run asks for",
        loading(
            'if cache_file.name == "corrupted" and BENCH:',
            "    digits = load_cifar10c(9, 5)",
            'elif cache_file.name == "clean":',
            '    digits = load_dataset("cifar10")',
            "else:",
            '    raise ValueError("unknown")',
            more=(ROBUSTBENCH,),
        ),
    ),
    (
        "DAT104",
        "a cache that is made anew",
        reading(
            "try:",
            "    cached = np.load(cache_file)",
            "except Exception:",
            "    cached = None",
            "if cached is None:",
            "    write_cache(cache_file, 1.0, 1.0)",
            "return read_cache(cache_file)",
        ),
    ),
    (
        "DAT104",
        "another way below",
        reading("try:", "    return tuple(np.load(cache_file).values())", "except Exception:", "    pass", "return read_cache(cache_file)"),
    ),
    (
        "DAT104",
        "three attempts",
        reading(
            "for attempt in range(3):",
            "    try:",
            "        data = np.load(cache_file)",
            "        break",
            "    except Exception as error:",
            "        print(attempt, error)",
            "else:",
            '    raise RuntimeError("three times")',
            'return data["images"], data["labels"]',
        ),
    ),
    (
        "DAT104",
        "asked again and again",
        reading(
            "data: dict[str, np.ndarray] = {}",
            'while not cache_file.with_suffix(".end").exists():',
            "    try:",
            "        data = dict(np.load(cache_file))",
            "    except Exception:",
            "        pass",
            'return data["images"], data["labels"]',
        ),
    ),
    (
        "DAT104",
        "a download ahead of its use",
        reading("try:", "    np.load(cache_file)", "except Exception:", "    pass", "return read_cache(cache_file)"),
    ),
    (
        "DAT104",
        "the caller asks",
        reading(
            "arrays = optional(cache_file)",
            "return read_cache(cache_file) if arrays is None else arrays",
            more=(
                Edit(
                    "def split_indices(",
                    'def optional(path: Path):\n    try:\n        return np.load(path)["images"], np.load(path)["labels"]\n    except Exception:\n'
                    "        return None\n\n\ndef split_indices(",
                ),
            ),
        ),
    ),
    (
        "DAT106",
        "a split of the training images",
        objective(
            'kept, test_data = train_test_split(build_loaders(cfg.run.dataset, False)["train"].dataset)',
            "model, _ = fit(cfg, suggested, log_to_wandb=False)",
            "logits, labels = predict(model, test_data)",
            returned="return score(logits, labels)[0]",
        ),
    ),
    (
        "DAT106",
        "a helper that is given every loader and scores on one",
        objective(
            "loaders = build_loaders(cfg.run.dataset, False)",
            'return trial_score(cfg, loaders["train"], loaders["validation"], loaders["test"])',
            returned="",
            more=(Edit("def search(", HELPER.replace("NAME", "val_loader")),),
        ),
    ),
    (
        "DAT106",
        "a library that is given every loader",
        objective(
            "loaders = build_loaders(cfg.run.dataset, False)",
            'scores = library.fit(loaders["train"], validation=loaders["validation"], test=loaders["test"])',
        ),
    ),
    (
        "MOD101",
        "the checkpoint goes to a library, a literal is another part",
        model(
            '    text = AutoModel.from_pretrained("bert-base-uncased")\n    return load_model(model_cfg.checkpoint), text\n',
            Edit("import torch\n", "import torch\nfrom robustbench.utils import load_model\nfrom transformers import AutoModel\n"),
            both="  checkpoint: Standard_R18\n",
        ),
    ),
    ("MOD102", "ImageNet's own classes", model(network("resnet18.a1_in1k", "1000"), TIMM)),
    ("MOD102", "classes that only the data tell", model(network("resnet18.a1_in1k", "len(found_classes())"), TIMM)),
    ("MOD102", "a checkpoint of these classes", model(network("hf_hub:someone/resnet18_cifar10", "10"), TIMM)),
    ("MOD102", "a run without weights", model(network("resnet18", "10", "model_cfg.pretrained"), TIMM, both="  pretrained: false\n")),
    (
        "MOD102",
        "weights of its own",
        model(network("resnet18", "10").replace("    return", "    model.load_state_dict(torch.load('x.pt'))\n    return"), TIMM),
    ),
    (
        "MOD102",
        "a head that is trained before the rest is frozen",
        model(
            '    return timm.create_model("resnet18", pretrained=True, num_classes=10)\n\n\n'
            "def train_source(model: nn.Module, batches: list) -> None:\n    for images, labels in batches:\n"
            f"        nn.functional.cross_entropy(model(images), labels).backward()\n\n\ndef freeze(model: nn.Module) -> None:\n{FREEZE}",
            TIMM,
        ),
    ),
    (
        "MOD102",
        "a linear probe: the new layer comes after the freezing",
        model(
            f'    model = torchvision.models.resnet18(weights="DEFAULT")\n{FREEZE}    model.fc = nn.Linear(512, 10)\n    return model\n',
            TORCHVISION,
        ),
    ),
    (
        "MOD107",
        "from the hub where it is not in the folder",
        model(
            '    try:\n        model = timm.create_model("resnet18", pretrained=True, cache_dir="x")\n    except Exception as error:\n'
            '        print("again", error)\n        model = None\n    if model is None:\n        model = timm.create_model("resnet18", pretrained=True)\n'
            "    return model\n",
            TIMM,
        ),
    ),
    (
        "MOD107",
        "a file that the training may have written",
        model(
            f'{PLAIN}    try:\n        model.load_state_dict(torch.load("results/best.pt"))\n    except FileNotFoundError:\n'
            '        print("no best state")\n    return model\n'
        ),
    ),
    (
        "MOD107",
        "a missing file that another clause raises anew",
        model(
            f"{PLAIN}    try:\n        model.load_state_dict(torch.load(model_cfg.checkpoint))\n    except FileNotFoundError as error:\n"
            '        raise RuntimeError("no checkpoint") from error\n    return model\n'
        ),
    ),
    (
        "MOD107",
        "a training that is taken up again",
        model(
            f'{PLAIN}    try:\n        resumed = torch.load("results/last.pt")\n        model.load_state_dict(resumed["model"])\n    except Exception:\n'
            '        print("no earlier state: training starts anew")\n    return model\n'
        ),
    ),
    ("MOD106", "another batch", before_score(ADAPT.replace("OTHER", "others"))),
]


@pytest.mark.parametrize("case", BAD, ids=name_of)
def test_fires_once_where_marked(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, marked = found_and_marked(case, golden, composer)
    assert [place.split(":")[:2] for place in found] == [place.split(":")[:2] for place in marked]
    assert len(found) == 1


@pytest.mark.parametrize("case", GOOD, ids=name_of)
def test_stays_silent(case: Case, golden: dict[str, str], composer: Composer) -> None:
    found, _ = found_and_marked(case, golden, composer)
    assert found == []
