"""The method, the settings, the networks and the speed of experiments/cw_tent, on networks small enough for one thread."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import save_file
from src.model import OBJECTIVES, WEIGHTS, Adapter, ModelError, Settings, adapted_parameters, build_network, entropy, fast
from torch import Tensor, nn

DATA = Path(__file__).resolve().parents[3] / "shared/data"


class Tiny(nn.Module):
    """Two convolutions, two BatchNorms, dropout: what trips adapters, at no cost."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12)
        self.dropout, self.fc = nn.Dropout(0.5), nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        return self.fc(self.dropout(x.mean((2, 3))))


@pytest.fixture
def tiny() -> Tiny:
    """A network with statistics of its own, and answers that are not all alike."""
    torch.manual_seed(0)
    network = Tiny().train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.randn(32, 3, 8, 8) * 2 + 1)
        network.fc.weight.mul_(4)
    return network


def chosen(method: str = "tent", steps: int | None = None, learning_rate: float = 0.05, **changes: Any) -> Settings:
    steps = int(method in WEIGHTS) if steps is None else steps
    return Settings(method, changes.pop("objective", OBJECTIVES.get(method, "")), steps, learning_rate, **changes)


def stream(batches: int = 4, size: int = 16) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 3, 8, 8, generator=generator) for _ in range(batches)]


# --------------------------------------------------------------------------------------------------------------------- method


@given(st.lists(st.lists(st.floats(-300, 300), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(deadline=None)
def test_entropy_is_that_of_torch_and_finite_at_the_extremes(rows: list[list[float]]) -> None:
    logits = torch.tensor(rows, requires_grad=True)
    found = entropy(logits)
    assert torch.allclose(found, torch.special.entr(logits.detach().double().softmax(1)).sum(1).float(), atol=1e-4)
    found.sum().backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_the_weights_are_the_equations() -> None:
    classes, edge = 10, 0.4 * math.log(10)
    h = torch.tensor([0.0, 0.5, edge - 1e-3, edge + 1e-3, math.log(10), math.log(10) + 1e-3])
    assert WEIGHTS["tent"](h, classes).tolist() == [1] * 6
    assert torch.allclose(WEIGHTS["cw-tent"](h, classes), torch.tensor([1, 1 - 0.5 / math.log(10), 0.6, 0.6, 0, 0]), atol=1e-3)
    assert WEIGHTS["sar"](h, classes).tolist() == [1, 1, 1, 0, 0, 0]
    assert torch.allclose(WEIGHTS["eata"](h, classes), torch.tensor([math.exp(edge), math.exp(edge - 0.5), 1, 0, 0, 0]), atol=2e-3)


@pytest.mark.parametrize("method", list(WEIGHTS))
def test_one_step_is_that_of_finite_differences_with_constant_weights(method: str, tiny: Tiny) -> None:
    network = tiny.double()
    with torch.no_grad():
        network.fc.weight.mul_(5)  # predictions that are confident, some more, some less
    images = stream(1)[0].double()
    adapter = Adapter(network, chosen(method, momentum=0.0))
    before = {name: parameter.detach().clone() for name, parameter in adapter.adapted.items()}
    with torch.no_grad():
        fixed = WEIGHTS[method](entropy(adapter.network(images)), 5)

    def loss() -> float:
        with torch.no_grad():
            return float((fixed * entropy(adapter.network(images))).sum() / fixed.sum())

    gradients, shift = {}, 1e-5
    for name, parameter in adapter.adapted.items():
        flat, gradient = parameter.detach().view(-1), torch.zeros_like(parameter).view(-1)
        for place in range(len(flat)):
            flat[place] += shift
            above = loss()
            flat[place] -= 2 * shift
            gradient[place] = (above - loss()) / (2 * shift)
            flat[place] += shift
        gradients[name] = gradient.view_as(parameter)
    adapter.predict(images)
    for name, parameter in adapter.adapted.items():
        assert torch.allclose(parameter, before[name] - 0.05 * gradients[name], atol=1e-8), name


@pytest.mark.parametrize("steps", [1, 3])
def test_tent_is_the_published_loop(steps: int, tiny: Tiny) -> None:
    """Train mode, statistics of the batch, mean entropy, torch.optim.SGD: as the paper's authors have it, but for dropout."""
    plain = copy.deepcopy(tiny).train().requires_grad_(False)
    plain.dropout.eval()
    for norm in (plain.bn1, plain.bn2):
        norm.requires_grad_(True)
        norm.track_running_stats, norm.running_mean, norm.running_var = False, None, None
    optimizer = torch.optim.SGD([parameter for parameter in plain.parameters() if parameter.requires_grad], 0.05, 0.9)
    adapter = Adapter(tiny, chosen(steps=steps, predict="last"))
    for images in stream():
        for _ in range(steps):
            logits = plain(images)
            loss = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert torch.allclose(adapter.predict(images), logits, atol=1e-5)
    assert adapter.drift > 1e-3


def test_which_logits_are_scored(tiny: Tiny) -> None:
    images = stream(1)[0]
    answers = {predict: Adapter(tiny, chosen(steps=3, predict=predict)) for predict in ("before", "last", "after")}
    logits = {predict: adapter.predict(images) for predict, adapter in answers.items()}
    one_by_one = Adapter(tiny, chosen(steps=1))
    wanted = [one_by_one.predict(images) for _ in range(3)]
    assert torch.equal(logits["before"], wanted[0]) and torch.equal(logits["last"], wanted[2])
    assert torch.equal(logits["after"], one_by_one.predict(images, update=False))
    assert [adapter.forwards for adapter in answers.values()] == [3, 3, 4]
    assert {(adapter.backwards, adapter.updates) for adapter in answers.values()} == {(3, 3)}


def test_controls_learn_nothing(tiny: Tiny) -> None:
    source, bn = Adapter(tiny, chosen("source")), Adapter(tiny, chosen("bn"))
    first, second = stream(2)
    for adapter in (source, bn):
        answer = adapter.predict(first)
        adapter.predict(second)
        assert torch.equal(adapter.predict(first), answer) and adapter.drift == 0 and adapter.backwards == 0
    with torch.no_grad():
        assert torch.allclose(source.predict(first), tiny.eval()(first), atol=1e-6)
    assert torch.allclose(bn.predict(first * 3), bn.predict(first), atol=1e-3), "statistics of the batch undo a scale"
    assert not torch.allclose(source.predict(first * 3), source.predict(first), atol=0.1)


def test_only_scales_and_shifts_of_batchnorm_change_and_a_reset_undoes_it(tiny: Tiny) -> None:
    kept = copy.deepcopy(tiny.state_dict())
    adapter = Adapter(tiny, chosen("cw-tent", learning_rate=0.5))
    first = [adapter.predict(images) for images in stream()]
    changed = {name for name, tensor in adapter.network.state_dict().items() if not torch.equal(tensor, kept[name])}
    assert changed == {"bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias"}
    assert all(torch.equal(tensor, kept[name]) for name, tensor in tiny.state_dict().items()), "the source model is never touched"
    adapter.reset()
    assert adapter.drift == 0
    assert all(torch.equal(one, other) for one, other in zip(first, [adapter.predict(images) for images in stream()], strict=True))


@pytest.mark.parametrize("method", list(WEIGHTS))
def test_a_batch_without_weight_or_with_nonsense_changes_nothing(method: str, tiny: Tiny) -> None:
    with torch.no_grad():
        tiny.fc.weight.zero_()
        tiny.fc.bias.zero_()
    adapter = Adapter(tiny, chosen(method))
    adapter.predict(stream(1)[0])  # uniform predictions: no confidence at all
    adapter.predict(torch.full((4, 3, 8, 8), math.nan))
    assert adapter.drift == 0 and adapter.updates == (1 if method == "tent" else 0) and adapter.backwards == 2


def test_gradients_are_clipped(tiny: Tiny) -> None:
    images = stream(1)[0]
    adapter = Adapter(tiny, chosen(learning_rate=1.0, momentum=0.0, gradient_clip=1e-3))
    before = torch.cat([parameter.detach().clone() for parameter in adapter.adapted.values()])
    adapter.predict(images)
    after = torch.cat([parameter.detach() for parameter in adapter.adapted.values()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_adam(tiny: Tiny) -> None:
    adapter = Adapter(tiny, chosen(optimizer="adam", learning_rate=1e-3))
    before = adapter.adapted["bn1.bias"].detach().clone()
    adapter.predict(stream(1)[0])
    assert torch.allclose((adapter.adapted["bn1.bias"] - before).abs(), torch.full_like(before, 1e-3), rtol=1e-2)  # its first step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "tend", "objective": "entropy"}, "method is 'tend'; it must be one of source, bn, tent"),
        ({"objective": "none"}, "objective is 'none', but that of tent is 'entropy'"),
        ({"steps": 0}, "for tent it must be 1 or more"),
        ({"steps": True}, "inner_steps is True"),
        ({"steps": 1.5}, "inner_steps is 1.5"),
        ({"method": "bn", "steps": 1}, "for bn it must be 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"momentum": 1.0}, "momentum is 1"),
        ({"weight_decay": math.inf}, "weight_decay is inf"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; it must be one of sgd, adam"),
        ({"predict": "never"}, "predict is 'never'"),
    ],
)
def test_settings_that_can_not_be(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        chosen(**changes)


def test_what_is_adapted_is_named_by_kind_and_name(tiny: Tiny) -> None:
    assert list(adapted_parameters(tiny, ["BatchNorm.bias", "Linear.weight"])) == ["bn1.bias", "bn2.bias", "fc.weight"]
    for pattern in ("BatchNorm.scale", "LayerNorm.weight", "weight"):
        with pytest.raises(ModelError, match="has no such parameters"):
            adapted_parameters(tiny, [pattern])
    with pytest.raises(ModelError, match="no BatchNorm"):
        Adapter(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), chosen("bn", adapted=("Linear.weight",)))


# ------------------------------------------------------------------------------------------------------------------- networks


def network_config(checkpoint: str | Path | None = None, name: str = "resnet18-narrow", cache: Path = Path(".cache")) -> DictConfig:
    model = {"name": name, "num_classes": 10, "pretrained_checkpoint": None if checkpoint is None else str(checkpoint)}
    return OmegaConf.create({"run": {"model": model}, "cache_dir": str(cache)})


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_173_962), ("resnet18-half", 2_797_610), ("resnet18-narrow", 701_466)])
def test_networks_are_those_for_small_images(name: str, parameters: int) -> None:
    network, complete = build_network(network_config(name=name))
    assert not complete and not network.training
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    adapted = adapted_parameters(network, ["BatchNorm.weight", "BatchNorm.bias"])
    if name == "resnet18":
        assert len(adapted) == 40 and sum(parameter.numel() for parameter in adapted.values()) == 9_600


@pytest.mark.slow
def test_a_checkpoint_is_loaded_whole_or_not_at_all(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, _ = build_network(network_config())
    weights = network.state_dict()
    save_file(weights, tmp_path / "3.safetensors")
    loaded, complete = build_network(network_config(tmp_path / "{seed}.safetensors"), seed=3)
    assert complete and all(torch.equal(tensor, weights[name]) for name, tensor in loaded.state_dict().items())
    for change, says in (
        ({"fc.weight": torch.zeros(10, 3)}, r"does not fit .*fc\.weight"),
        ({"extra": torch.zeros(1)}, r"does not fit .*extra"),
        ({"bn1.bias": torch.full((16,), math.nan)}, r"NaN or infinite values in bn1\.bias"),
    ):
        save_file(weights | change, tmp_path / "other.safetensors")
        with pytest.raises(ModelError, match=says):
            build_network(network_config(tmp_path / "other.safetensors"))
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "3.safetensors").read_bytes()[:1000])
    for name, says in (("cut", "can't be read"), ("none", "does not exist")):
        with pytest.raises(ModelError, match=says):
            build_network(network_config(tmp_path / f"{name}.safetensors"))


class Bomb:
    """A pickle that leaves a file behind when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("exploded").touch, ())


@pytest.mark.parametrize("name", ["a.pt", "a.bin", "a.safetensors"])
def test_pickles_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Bomb(), name)
    with pytest.raises(ModelError, match="can't be read" if name.endswith("safetensors") else "Pickles .* are not read"):
        build_network(network_config(name))
    assert not Path("exploded").exists()


def test_what_can_not_be_downloaded_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"timm/resnet18\.a1_in1k can't be had .*or to null to train from scratch"):
        build_network(network_config("timm/resnet18.a1_in1k", "resnet18", tmp_path))
    with pytest.raises(ModelError, match="timm id of a resnet18-narrow"):
        build_network(network_config("timm/resnet18.a1_in1k", "resnet18-narrow", tmp_path))
    with pytest.raises(ModelError, match="it must be one of resnet18, resnet18-half"):
        build_network(network_config(name="resnet50"))


# ---------------------------------------------------------------------------------------------------------------------- speed


@pytest.mark.parametrize(("precision", "slack"), [("fp32", 1e-4), ("bf16", 0.1)])
@pytest.mark.parametrize("method", ["source", "bn", "cw-tent"])
def test_fast_is_the_same_network(method: str, precision: str, slack: float, tiny: Tiny) -> None:
    kept = copy.deepcopy(tiny.state_dict())
    quick, slow = Adapter(fast(tiny, precision), chosen(method)), Adapter(tiny, chosen(method))
    for images in stream():
        found, wanted = quick.predict(images), slow.predict(images)
        assert found.dtype == torch.float32 and (found - wanted).abs().max() < slack * wanted.abs().max()
    assert all(parameter.dtype == torch.float32 for parameter in quick.adapted.values())
    assert quick.drift == pytest.approx(slow.drift, rel=10 * slack, abs=1e-9)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in tiny.state_dict().items())
    with pytest.raises(ModelError, match="precision is 'fp8'"):
        fast(tiny, "fp8")


# ------------------------------------------------------------------------------------------------------------------ real data


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "resnet18_cifar10.safetensors").is_file(), reason="the material beside the project, ../shared/data, is not here"
)
def test_the_real_model_gives_the_real_numbers() -> None:
    """BatchNorm statistics take away a quarter of the source model's error under noise, and `fast` changes no prediction."""
    import numpy as np
    from src.preprocess import normalise

    network, complete = build_network(network_config(DATA / "resnet18_cifar10.safetensors", "resnet18"))
    images = torch.from_numpy(np.load(DATA / "cifar10c/gaussian_noise.npy")[:400]).permute(0, 3, 1, 2)
    labels = torch.from_numpy(np.load(DATA / "cifar10c/labels.npy")[:400]).long()
    inputs = normalise(images, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    accuracy = {
        method: float(
            np.mean([(adapter.predict(inputs[part]).argmax(1) == labels[part]).float().mean() for part in (slice(200), slice(200, 400))])
        )
        for method, adapter in ((method, Adapter(fast(network), chosen(method))) for method in ("source", "bn"))
    }
    with torch.no_grad():
        plain = (network.eval()(inputs).argmax(1) == labels).float().mean().item()
    assert complete and accuracy["source"] == pytest.approx(plain, abs=0.006) and 0.55 < plain < 0.7
    assert 1 - accuracy["bn"] < 0.75 * (1 - accuracy["source"])
