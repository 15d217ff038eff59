"""What the runs build, which data a call loads, and whether code may see a failure that a clause has swallowed."""

from __future__ import annotations

import ast

import pytest

from gonogo.analysis.interpreter.base import UNKNOWN, Value
from gonogo.analysis.interpreter.trace import Call, Site, Trace
from gonogo.analysis.interpreter.values.scalar import Scalar
from gonogo.analysis.python.handlers import may_be_made_good
from gonogo.analysis.python.modules import Module
from gonogo.analysis.training.datasets import loads, plain, reads_otherwise
from gonogo.analysis.training.pretrained import built_networks, learns_from_labels, loads_weights


def module_of(text: str) -> Module:
    module = Module("src/model.py", text)
    assert module.fault is None
    return module


def call_of(site: Site, name: str, arguments: tuple[object, ...], keywords: dict[str, object], doubtful: bool) -> Call:
    """A call with these plain arguments, and with some that are not known."""

    def value(plain: object) -> Value:
        return plain if isinstance(plain, Value) else Scalar(plain)

    return Call(site, name, tuple(map(value, arguments)), {key: value(each) for key, each in keywords.items()}, False, (), doubtful)


def new_head(name: str, arguments: tuple[object, ...], *, doubtful: bool = False, **keywords: object) -> bool:
    """Whether a run that makes one such call has a network with a new head."""
    module = module_of("f()")
    call = call_of(Site(module, module.of(ast.Call)[0]), name, arguments, keywords, doubtful)
    (network,) = built_networks([Trace("run", "full", events=[call])])
    return network.has_new_head


@pytest.mark.parametrize(
    ("name", "arguments", "keywords", "expected"),
    [
        ("timm.create_model", ("resnet18.a1_in1k",), {"pretrained": True, "num_classes": 10}, True),
        ("timm.create_model", ("resnet18", True), {"num_classes": 10}, True),
        ("timm.create_model", ("resnet18.a1_in1k",), {"pretrained": True, "num_classes": 1000}, False),
        ("timm.create_model", ("resnet18.a1_in1k",), {"pretrained": True}, False),
        ("timm.create_model", ("resnet18.a1_in1k",), {"pretrained": False, "num_classes": 10}, False),
        ("timm.create_model", ("resnet18.a1_in1k",), {"pretrained": UNKNOWN, "num_classes": 10}, False),
        ("timm.create_model", (UNKNOWN,), {"pretrained": True, "num_classes": 10}, False),
        ("timm.create_model", ("hf_hub:a/resnet18_cifar10",), {"pretrained": True, "num_classes": 10}, False),
        ("torchvision.models.resnet18", (), {"weights": "DEFAULT"}, False),
        ("transformers.AutoModelForSequenceClassification.from_pretrained", ("bert-base-uncased",), {"num_labels": 4}, True),
        (
            "transformers.AutoModelForSequenceClassification.from_pretrained",
            ("textattack/bert-base-uncased-SST-2",),
            {"num_labels": 2},
            False,
        ),
    ],
)
def test_new_head(name: str, arguments: tuple[object, ...], keywords: dict[str, object], expected: bool) -> None:
    assert new_head(name, arguments, **keywords) is expected


def test_doubtful_places_count_only_if_all_are_alike() -> None:
    module = module_of("f()\ng()")
    first, second = (Site(module, node) for node in module.of(ast.Call))
    ten = call_of(first, "timm.create_model", ("resnet18",), {"pretrained": True, "num_classes": 10}, True)
    thousand = call_of(second, "timm.create_model", ("resnet18",), {"pretrained": True, "num_classes": 1000}, True)
    assert [network.has_new_head for network in built_networks([Trace("run", "full", events=[ten])])] == [True]
    assert built_networks([Trace("run", "full", events=[ten, thousand])]) == []


@pytest.mark.parametrize(
    ("text", "learns", "loaded"),
    [
        ("loss = F.cross_entropy(x, y)", True, False),
        ("loss = model(x, labels=y).loss", True, False),
        ("kind = cfg.training.loss", False, False),
        ("loss = entropy(model(x)).mean()", False, False),
        ("model.load_state_dict(state)", False, True),
        ("model.fc.weight = other", False, True),
    ],
)
def test_what_may_train_or_load_a_head(text: str, learns: bool, loaded: bool) -> None:
    module = module_of(text)
    assert (learns_from_labels([module]), loads_weights([module])) == (learns, loaded)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from datasets import load_dataset\nload_dataset('uoft-cs/cifar10')", ["cifar10"]),
        ("from datasets import load_dataset\nload_dataset('glue', 'sst2')", ["sst2"]),
        ("from datasets import load_dataset\nload_dataset(name)", [None]),
        ("import torchvision\ntorchvision.datasets.FashionMNIST('x')", ["fashionmnist"]),
        ("import torchvision\ntorchvision.datasets.ImageFolder('x')", [None]),
        ("from robustbench.data import load_cifar10c\nload_cifar10c(9, 5)", ["cifar10c"]),
        ("from sklearn.datasets import load_digits\nload_digits()", ["digits"]),
    ],
)
def test_which_dataset_a_call_loads(text: str, names: list[str | None]) -> None:
    assert [name for _, name in loads(module_of(text))] == names


def test_one_dataset_has_one_name() -> None:
    assert plain("CIFAR-10-C") == plain("cifar10_c") == "cifar10c"


def test_an_image_read_from_memory_is_no_file() -> None:
    compress = "import io\nfrom PIL import Image\nbuffer = io.BytesIO()\nimage.save(buffer)\nImage.open(buffer)"
    assert not reads_otherwise(module_of(compress))
    assert reads_otherwise(module_of(compress.replace("Image.open(buffer)", "Image.open(path)")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f():\n    try:\n        x = load()\n    except Exception:\n        x = []\n    return x", False),
        ("def f():\n    try:\n        x = load()\n    except Exception:\n        x = []\n    assert len(x) != len(y)\n    return x", False),
        (
            "def f():\n    try:\n        x = load()\n    except Exception:\n        x = None\n    if x is None:\n        x = make()\n    return x",
            True,
        ),
        ("def f():\n    try:\n        return load()\n    except Exception:\n        pass\n    return make()", True),
        ("def f():\n    try:\n        return load()\n    except Exception:\n        return None\nx = f()\nuse(x)", False),
        (
            "def f():\n    try:\n        return load()\n    except Exception:\n        return None\nx = f()\nif not x:\n    raise OSError",
            True,
        ),
        ("for url in urls:\n    try:\n        x = load(url)\n        break\n    except Exception:\n        continue", True),
        ("for path in paths:\n    try:\n        all_rows += load(path)\n    except Exception:\n        continue", False),
    ],
)
def test_code_that_may_see_a_swallowed_failure(text: str, expected: bool) -> None:
    module = module_of(text)
    (handler,) = module.of(ast.ExceptHandler)
    assert may_be_made_good(module, handler, [module]) is expected
