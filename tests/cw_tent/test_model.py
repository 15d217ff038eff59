"""The networks, checkpoints, objectives and adapters of experiments/cw_tent, on networks small enough for one thread."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from src.model import ModelError
from torch import nn

from src import model as m

DATA = Path(__file__).resolve().parents[3] / "shared/data"
NORMS = ("BatchNorm.weight", "BatchNorm.bias")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Tiny(nn.Module):
    """Two convolutions, two BatchNorms, dropout: what trips adapters, at no cost."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12)
        self.dropout, self.fc = nn.Dropout(0.5), nn.Linear(12, classes)

    def forward(self, x):
        x = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        return self.fc(self.dropout(x.mean((2, 3))))


def tiny_network():
    """A Tiny with statistics of its own, and answers that are not all alike."""
    torch.manual_seed(0)
    network = Tiny().train()
    with torch.no_grad():
        for _ in range(5):
            network(torch.randn(32, 3, 8, 8) * 2 + 1)
        network.fc.weight.mul_(4)
    return network


@pytest.fixture
def tiny():
    return tiny_network()


def chosen(method="tent", **changes):
    objective = m.METHODS.get(method, "entropy")
    base = m.Settings(
        method=method,
        objective=objective,
        adaptation=method != "source",
        inner_steps=0 if objective == "none" else 1,
        optimizer="sgd",
        learning_rate=0.05,
        momentum=0.9,
        weight_decay=0.0,
        scheduler="none",
        gradient_clip=None,
        freeze_except=NORMS,
        predict="before",
        precision="fp32",
    )
    return replace(base, **changes)


def stream(batches=4, size=16, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 3, 8, 8, generator=generator) for _ in range(batches)]


def network_config(**changes):
    return OmegaConf.create({"name": "resnet18", "num_parameters_m": 11.7, "num_classes": 10, **changes})


# ------------------------------------------------------------------------------------------------------------------------- networks


def test_resnet18_is_the_one_for_small_images():
    network = m.build_network(network_config())
    assert network.conv1.kernel_size == (3, 3) and network.conv1.stride == (1, 1)
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_173_962
    adapted = m.adapted_parameters(network, NORMS)
    assert len(adapted) == 40 and sum(parameter.numel() for parameter in adapted.values()) == 9_600
    with torch.no_grad():
        assert network.forward_features(torch.zeros(1, 3, 32, 32)).shape == (1, 512, 4, 4)


def test_the_narrow_network():
    network = m.build_network(network_config(name="resnet18-narrow", num_parameters_m=0.7))
    assert sum(parameter.numel() for parameter in network.parameters()) == 701_466
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "resnet1800"}, "unknown; known: resnet18, resnet18-narrow"),
        ({"num_parameters_m": 25.6}, "11.17 million"),
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": "ten"}, "at least 2"),
    ],
)
def test_wrong_networks(changes, told):
    with pytest.raises(ModelError, match=told):
        m.build_network(network_config(**changes))


# ---------------------------------------------------------------------------------------------------------------------- checkpoints


def test_checkpoint_round_trip(tiny, tmp_path):
    save_file(tiny.state_dict(), tmp_path / "a.safetensors")
    other = Tiny()
    m.load_weights(other, m.read_checkpoint(str(tmp_path / "a.safetensors"), tmp_path), "a")
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), tiny.parameters(), strict=True))
    assert torch.equal(other.bn1.running_var, tiny.bn1.running_var)


def test_what_does_not_fit_is_told_and_never_loaded_in_part(tiny):
    weights = tiny.state_dict()
    fit = m.fit(Tiny(7), weights)
    assert not fit.complete and fit.body and fit.mismatched[0] == "fc.weight (5, 12) for (7, 12)"
    with pytest.raises(ModelError, match=r"does not fit.*fc\.weight \(5, 12\) for \(7, 12\)"):
        m.load_weights(Tiny(7), weights, "a")
    del weights["bn2.weight"]
    assert not m.fit(Tiny(), weights).body
    for load in (m.load_weights, m.load_body):
        with pytest.raises(ModelError, match=r"missing: bn2\.weight"):
            load(Tiny(), weights, "a")


def test_the_body_of_another_head_and_stem(tiny):
    weights = {**tiny.state_dict(), "conv1.weight": torch.zeros(8, 3, 7, 7)}
    network = Tiny(7)
    stem, norm, head = network.conv1.weight.clone(), network.bn1.running_var.clone(), network.fc.weight.clone()
    m.load_body(network, weights, "a")
    assert torch.equal(network.conv2.weight, tiny.conv2.weight)
    assert torch.equal(network.conv1.weight, stem) and torch.equal(network.fc.weight, head)
    assert torch.equal(network.bn1.running_var, norm), "statistics of another stem's features"


def test_imagenet_weights_fit_but_for_stem_and_head():
    fit = m.fit(m.build_network(network_config()), timm.create_model("resnet18").state_dict())
    assert fit.body and {entry.split(" ")[0] for entry in fit.mismatched} == {"conv1.weight", "fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("key", "value", "told"), [("fc.weight", math.nan, "NaN"), ("bn1.bias", math.inf, "NaN"), ("bn1.running_var", -1, "negative")]
)
def test_broken_weights(tiny, tmp_path, key, value, told):
    weights = tiny.state_dict()
    weights[key].view(-1)[0] = value
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=told):
        m.read_checkpoint(str(tmp_path / "a.safetensors"), tmp_path)
    with pytest.raises(ModelError, match=told):
        m.load_weights(Tiny(), weights, "a")


class Bomb:
    def __reduce__(self):
        return (Path("exploded").touch, ())


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.bin"])
def test_pickles_are_not_opened(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    torch.save(Bomb(), name)
    with pytest.raises(ModelError, match="pickle"):
        m.read_checkpoint(name, tmp_path)
    Path(name).rename("renamed.safetensors")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        m.read_checkpoint("renamed.safetensors", tmp_path)
    assert not Path("exploded").exists()


def test_checkpoints_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("timm/resnet18.a1_in1k", "resnet18.a1_in1k", "hf_hub:timm/resnet18.a1_in1k"):
        with pytest.raises(ModelError, match=r"cannot be reached.*local \.safetensors"):
            m.read_checkpoint(name, tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        m.read_checkpoint(str(tmp_path / "no.safetensors"), tmp_path)
    with pytest.raises(ModelError, match="neither"):
        m.read_checkpoint("resnet18000", tmp_path)
    with pytest.raises(ModelError, match="could not be downloaded"):
        m.read_checkpoint("a b/c d", tmp_path)


def test_a_random_head_is_recognised():
    assert m.looks_random(0.12, 2.30, 10)
    assert not m.looks_random(0.87, 0.4, 10)


# ----------------------------------------------------------------------------------------------------------------------- objectives


def test_entropy_is_exact_at_the_extremes():
    logits = torch.tensor([[200.0, -200.0, 0.0], [0.0, 0.0, 0.0], [-200.0, -200.0, -200.0]], requires_grad=True)
    entropies = m.entropy(logits)
    assert torch.allclose(entropies, torch.tensor([0.0, math.log(3), math.log(3)]), atol=1e-6)
    entropies.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert m.entropy(torch.zeros(2, 3, dtype=torch.bfloat16)).dtype == torch.float32


def test_confidence_takes_the_classes_from_the_head_and_is_never_negative():
    weights = m.confidence(torch.tensor([0.0, math.log(7) / 2, math.log(7) + 1e-3]), 7)
    assert torch.allclose(weights, torch.tensor([1.0, 0.5, 0.0]))


def by_hand(logits, detach):
    """dL/dlogits by central differences in fp64; the weights held at their place where they are detached."""
    logits = logits.double()

    def entropies(z):
        log_p = z.log_softmax(1)
        return -(log_p.exp() * log_p).sum(1)

    fixed = 1 - entropies(logits) / math.log(logits.shape[1])

    def loss(z):
        h = entropies(z)
        w = fixed if detach else 1 - h / math.log(z.shape[1])
        return (w * h).sum() / w.sum()

    gradient, step = torch.zeros_like(logits), 1e-5
    for index in range(logits.numel()):
        shift = torch.zeros_like(logits)
        shift.view(-1)[index] = step
        gradient.view(-1)[index] = (loss(logits + shift) - loss(logits - shift)) / (2 * step)
    return gradient


@pytest.mark.parametrize("detach", [True, False])
def test_both_weighted_gradients_by_finite_differences(detach):
    torch.manual_seed(3)
    logits = (torch.randn(6, 5) * 2).requires_grad_()
    name = "confidence_weighted_entropy" + ("" if detach else "_undetached")
    m.OBJECTIVES[name](logits).loss.backward()
    assert torch.allclose(logits.grad.double(), by_hand(logits.detach(), detach), atol=2e-6)
    assert not torch.allclose(logits.grad.double(), by_hand(logits.detach(), not detach), atol=1e-4)


@pytest.mark.parametrize("detach", [True, False])
def test_gradient_for_each_entropy_is_the_papers(detach, monkeypatch):
    entropies = torch.tensor([0.1, 0.8, 1.5, 2.2], requires_grad=True)
    monkeypatch.setattr(m, "entropy", lambda _: entropies)
    found = m._weighted(torch.zeros(4, 10), detach=detach)
    (gradient,) = torch.autograd.grad(found.loss, entropies)
    top, loss = math.log(10), found.loss.item()
    one = (1 - entropies / top) if detach else (1 - 2 * entropies / top + loss / top)
    assert torch.allclose(gradient, (one / found.weight_sum).detach(), atol=1e-6)
    assert bool((gradient >= 0).all()) == detach


def test_an_unsure_batch_has_a_finite_loss():
    for name in m.OBJECTIVES:
        logits = torch.zeros(4, 10, requires_grad=True)
        found = m.OBJECTIVES[name](logits)
        found.loss.backward()
        assert torch.isfinite(found.loss) and torch.isfinite(logits.grad).all()


# ------------------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "eata"}, "method 'eata' is unknown"),
        ({"objective": "energy"}, "objective 'energy' is unknown"),
        ({"objective": "confidence_weighted_entropy"}, "'tent' and training.objective 'confidence_weighted_entropy' contradict"),
        ({"adaptation": False}, "'tent' and training.adaptation False contradict"),
        ({"inner_steps": 0}, "at least 1"),
        ({"inner_steps": 1.5}, "whole number"),
        ({"optimizer": "lion"}, "optimizer 'lion' is unknown; known: sgd, adam, adamw"),
        ({"scheduler": "step"}, "scheduler 'step' is unknown"),
        ({"predict": "during"}, "before, last, after"),
        ({"precision": "fp16"}, "fp32, bf16"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate": math.nan}, "must be a number"),
        ({"momentum": 1.0}, "below 1"),
        ({"weight_decay": -1}, "at least 0"),
        ({"gradient_clip": 0.0}, "above 0"),
    ],
)
def test_wrong_settings(changes, told):
    with pytest.raises(ModelError, match=told):
        chosen(**changes)


def test_settings_of_a_config_with_a_trials_parameters():
    run = Path(__file__).resolve().parents[2] / "experiments/cw_tent/config/run/digits-cw-tent.yaml"
    cfg = OmegaConf.create({"run": OmegaConf.load(run), "stream": {"predict": "after"}})
    found = m.settings(cfg, {"learning_rate": 0.01, "inner_steps": 3}, "fp32")
    assert (found.method, found.learning_rate, found.inner_steps, found.predict) == ("cw-tent", 0.01, 3, "after")
    assert found.freeze_except == NORMS
    assert isinstance(m.make_adapter(cfg, Tiny(), {}, precision="fp32"), m.EntropyMinimisation)
    with pytest.raises(ModelError, match="varies batch_size"):
        m.settings(cfg, {"batch_size": 3}, "fp32")


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (NORMS, ["bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias"]),
        (("BatchNorm2d.bias",), ["bn1.bias", "bn2.bias"]),
        (("bn2.*",), ["bn2.weight", "bn2.bias"]),
        (("Conv2d.weight", "fc.bias"), ["conv1.weight", "conv2.weight", "fc.bias"]),
    ],
)
def test_freeze_except(tiny, patterns, names):
    assert list(m.adapted_parameters(tiny, patterns)) == names
    adapter = m.adapter(tiny, chosen(freeze_except=patterns))
    before = {name: parameter.clone() for name, parameter in adapter.network.named_parameters()}
    adapter.predict(stream()[0])
    changed = [name for name, parameter in adapter.network.named_parameters() if not torch.equal(parameter, before[name])]
    assert changed == names


def test_freeze_except_that_names_nothing(tiny):
    for method in m.METHODS:
        with pytest.raises(ModelError, match=r"'LayerNorm\.weight'"):
            m.adapter(tiny, chosen(method, freeze_except=(*NORMS, "LayerNorm.weight")))
    with pytest.raises(ModelError, match="nothing to adapt"):
        m.adapter(tiny, chosen(freeze_except=()))
    with pytest.raises(ModelError, match="bf16 has too few digits"):
        m.adapter(tiny, chosen(freeze_except=("Conv2d.weight",), precision="bf16"))


# ------------------------------------------------------------------------------------------------------------------------- adapters


def plain(network, settings, batches):
    """TENT as anyone would write it, with torch's own optimisers: logits from before each update."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    parameters = []
    for layer in (network.bn1, network.bn2):
        layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
        parameters += [layer.weight.requires_grad_(), layer.bias.requires_grad_()]
    common = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    optimizer = {
        "sgd": lambda: torch.optim.SGD(parameters, momentum=settings.momentum, **common),
        "adam": lambda: torch.optim.Adam(parameters, betas=(settings.momentum, 0.999), **common),
        "adamw": lambda: torch.optim.AdamW(parameters, betas=(settings.momentum, 0.999), **common),
    }[settings.optimizer]()
    answers = []
    for batch in batches:
        for step in range(settings.inner_steps):
            logits = network(batch)
            if not step:
                answers.append(logits.detach())
            log_p = logits.log_softmax(1)
            entropies = -(log_p.exp() * log_p).sum(1)
            weights = torch.ones_like(entropies) if settings.method == "tent" else (1 - entropies / math.log(logits.shape[1])).detach()
            optimizer.zero_grad()
            ((weights * entropies).sum() / weights.sum()).backward()
            if settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(parameters, settings.gradient_clip)
            optimizer.step()
    return answers


@pytest.mark.parametrize("method", ["tent", "cw-tent"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"momentum": 0.0, "weight_decay": 0.1},
        {"inner_steps": 3, "gradient_clip": 0.05},
        {"optimizer": "adam", "weight_decay": 0.1, "inner_steps": 2},
        {"optimizer": "adamw", "weight_decay": 0.1},
    ],
)
def test_adapters_equal_the_plain_loop(tiny, method, changes):
    settings, batches = chosen(method, **changes), stream()
    adapter = m.adapter(tiny, settings)
    for batch, expected in zip(batches, plain(tiny, settings, batches), strict=True):
        assert torch.allclose(adapter.predict(batch).logits, expected, atol=1e-4)
    assert adapter.drift > 1e-3


@pytest.mark.parametrize("method", ["tent", "cw-tent", "cw-tent-undetached"])
@pytest.mark.parametrize("changes", [{}, {"inner_steps": 3, "gradient_clip": 0.05}, {"inner_steps": 2, "predict": "after"}])
def test_a_recorded_step_is_the_step(tiny, method, changes):
    plain_one, recording = (m.adapter(tiny, chosen(method, **changes)) for _ in range(2))
    recording.records = True
    batches = [*stream(batches=3), *stream(size=5, batches=1), *stream(batches=1)]  # the tail has another shape; then the first again
    for _ in range(2):
        for number, batch in enumerate(batches):
            one, other = (adapter.predict(batch, update=number != 1) for adapter in (plain_one, recording))
            assert torch.equal(one.logits, other.logits), "the same operations on the same numbers"
            assert (one.loss, one.weight_sum, one.entropy, one.updated) == (other.loss, other.weight_sum, other.entropy, other.updated)
        assert torch.equal(plain_one.parameters.values, recording.parameters.values) and plain_one.counts == recording.counts
        for adapter in (plain_one, recording):
            adapter.reset()


def test_a_recording_keeps_no_answer_of_the_call_before():
    recorded = m.Recorded(lambda images: (images * 2,), torch.ones(2, 3))
    (first,), (second,) = recorded(torch.full((2, 3), 2.0)), recorded(torch.full((2, 3), 3.0))
    assert first.eq(4).all() and second.eq(6).all()
    assert recorded.takes(torch.zeros(2, 3)) and not recorded.takes(torch.zeros(1, 3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_cuda_graph_is_the_step(tiny):
    plain_one, recording = (m.adapter(tiny, chosen("cw-tent", inner_steps=2), device="cuda") for _ in range(2))
    recording.records = True
    for batch in [*stream(batches=3), stream(size=5, batches=1)[0]]:
        one, other = (adapter.predict(batch) for adapter in (plain_one, recording))
        assert torch.allclose(one.logits, other.logits, atol=1e-4)
    assert torch.allclose(plain_one.parameters.values, recording.parameters.values, atol=1e-4)


@pytest.mark.parametrize(("channels", "outputs", "bias"), [(128, 160, True), (160, 128, False)])
def test_winograds_convolution_is_the_convolution(channels, outputs, bias):
    plain_one = nn.Conv2d(channels, outputs, 3, padding=1, bias=bias).double().requires_grad_(False)
    fast = m.WinogradConv2d(plain_one)
    for height, width in ((4, 4), (8, 4), (16, 12), (6, 8), (4, 7)):
        images = torch.randn(m.LEAST_IMAGES, channels, height, width, dtype=torch.float64, requires_grad=True)
        with torch.inference_mode():
            fast(images)  # what is kept from it must do for gradients too
        expected, found = plain_one(images), fast(images)
        assert torch.allclose(found, expected, atol=1e-11)
        gradient = torch.randn_like(expected)
        for answer in (found, found.contiguous()):
            (one,), (other,) = (torch.autograd.grad(each, images, gradient, retain_graph=True) for each in (expected, answer))
            assert torch.allclose(one, other, atol=1e-11)
    assert found.isfinite().all() and set(fast.state_dict()) == set(plain_one.state_dict())
    few = torch.randn(m.LEAST_IMAGES - 1, channels, 4, 4, dtype=torch.float64)
    assert torch.equal(fast(few), plain_one(few))


def test_which_convolutions_are_winograds():
    torch.manual_seed(0)
    network = m.build_network(network_config(num_parameters_m=11.17))

    def fast(adapter):
        return {name for name, layer in adapter.network.named_modules() if isinstance(layer, m.WinogradConv2d)}

    expected = {f"layer{stage}.{block}.conv{place}" for stage in (2, 3, 4) for block in (0, 1) for place in (1, 2)}
    expected -= {f"layer{stage}.0.conv1" for stage in (2, 3, 4)}  # these have a stride
    tent = m.adapter(network, chosen("tent"))
    assert fast(tent) == fast(m.adapter(network, chosen("source"))) == expected
    assert fast(m.adapter(network, chosen("tent", precision="fp64"))) == fast(m.adapter(network, chosen("tent", precision="bf16"))) == set()
    assert fast(m.adapter(network, chosen("tent", freeze_except=(*NORMS, "layer4.*.conv2.weight")))) == {
        name for name in expected if not re.fullmatch(r"layer4\.\d\.conv2", name)
    }
    second = m.adapter(network, chosen("cw-tent"))
    one, other = (adapter.network.get_submodule("layer4.1.conv2")._kernels for adapter in (tent, second))
    assert one is other is m.Together([tent, second]).network.get_submodule("layer4.1.conv2")._kernels, "four times as large: shared"
    with torch.no_grad():
        network.layer4[1].conv2.weight.mul_(2)
    assert m.adapter(network, chosen("tent")).network.get_submodule("layer4.1.conv2")._kernels is not one, "other weights"


@pytest.mark.parametrize("method", ["source", "bn", pytest.param("tent", marks=pytest.mark.slow), "cw-tent"])
def test_resnet18_in_fp32_agrees_with_fp64(method):
    torch.manual_seed(0)
    network = m.build_network(network_config(num_parameters_m=11.17))
    exact, quick = (m.adapter(network, chosen(method, learning_rate=1e-3, precision=precision)) for precision in ("fp64", "fp32"))
    for batch in (torch.randn(m.LEAST_IMAGES, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(3)):
        one, other = exact.predict(batch).logits, quick.predict(batch).logits
        assert torch.allclose(one, other.double(), atol=1e-3 * float(one.abs().max())), float((one - other).abs().max())
    if method.endswith("tent"):
        change = exact.parameters.values - exact.parameters._source
        apart = torch.linalg.vector_norm(exact.parameters.values - quick.parameters.values.double()) / torch.linalg.vector_norm(change)
        assert float(apart) < 0.01


def test_source_and_batch_statistics(tiny):
    before = copy.deepcopy(tiny.state_dict())
    batch = stream()[0]
    source, statistics = m.adapter(tiny, chosen("source")), m.adapter(tiny, chosen("bn"))
    with torch.no_grad():
        network = copy.deepcopy(tiny).eval()
        assert torch.allclose(source.predict(batch).logits, network(batch), atol=1e-5), "folded"
        network.train().dropout.eval()
        assert torch.allclose(statistics.predict(batch).logits, network(batch), atol=1e-5)
    step = statistics.predict(batch)
    assert step.loss is None and not step.updated and step.entropy > 0 and statistics.drift == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.state_dict().items()), "the model given is left alone"


def test_folding_resnet18():
    torch.manual_seed(0)
    network = m.build_network(network_config(name="resnet18-narrow", num_parameters_m=None))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    images = torch.randn(2, 3, 32, 32)
    source = m.adapter(network, chosen("source"))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in source.network.modules())
    with torch.no_grad():
        assert torch.allclose(source.predict(images).logits, network(images), rtol=1e-3, atol=1e-3)


SETTINGS = [
    chosen("source"),
    chosen("bn"),
    chosen(),
    chosen("cw-tent", optimizer="adam", inner_steps=2, weight_decay=0.01),
    chosen("cw-tent-undetached", optimizer="adamw", weight_decay=0.01),
    chosen(scheduler="cosine", gradient_clip=0.1, predict="after"),
    chosen(precision="bf16"),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.method}-{s.optimizer}-{s.scheduler}-{s.precision}")
def test_after_a_reset_all_is_as_new(tiny, settings):
    batches = stream()
    adapter = m.adapter(tiny, settings, updates=8)
    new = [adapter.predict(batch).logits for batch in batches]
    adapter.reset()
    assert adapter.drift == 0
    again = [adapter.predict(batch).logits for batch in batches]
    assert all(torch.equal(a, b) for a, b in zip(new, again, strict=True))
    assert adapter.counts.images == 2 * 4 * 16, "the bill goes on"


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: f"{s.method}-{s.optimizer}-{s.scheduler}-{s.precision}")
def test_an_interrupted_stream_goes_on(tiny, settings):
    batches = stream()
    adapter, other = m.adapter(tiny, settings, updates=8), m.adapter(tiny, settings, updates=8)
    for batch in batches[:2]:
        adapter.predict(batch)
    other.restore(adapter.state())
    for batch in batches[2:]:
        assert torch.equal(adapter.predict(batch).logits, other.predict(batch).logits)
    assert adapter.counts == other.counts


def test_which_logits_are_scored_and_what_they_cost(tiny):
    batch = stream()[0]
    answers, counts = {}, {}
    for predict in ("before", "last", "after"):
        adapter = m.adapter(tiny, chosen(inner_steps=3, predict=predict))
        answers[predict] = adapter.predict(batch).logits
        counts[predict] = (adapter.counts.forwards, adapter.counts.backwards, adapter.counts.updates)
    assert counts == {"before": (3, 3, 3), "last": (3, 3, 3), "after": (4, 3, 3)}
    entropies = [float(m.entropy(answers[predict]).mean()) for predict in ("before", "last", "after")]
    assert entropies == sorted(entropies, reverse=True) and len(set(entropies)) == 3
    assert torch.equal(answers["before"], m.adapter(tiny, chosen("bn")).predict(batch).logits)


def test_a_batch_that_is_not_adapted_to(tiny):
    adapter = m.adapter(tiny, chosen(inner_steps=2))
    step = adapter.predict(stream()[0], update=False)
    assert not step.updated and adapter.drift == 0 and step.loss is not None
    assert vars(adapter.counts) == {"forwards": 1, "backwards": 0, "updates": 0, "skipped": 2, "images": 16}


def test_a_batch_with_nothing_to_learn_changes_nothing(tiny):
    nn.init.zeros_(tiny.fc.weight)
    nn.init.zeros_(tiny.fc.bias)
    adapter = m.adapter(tiny, chosen("cw-tent", inner_steps=3))
    assert not adapter.predict(stream()[0]).updated and adapter.drift == 0
    assert adapter.counts.skipped == 3 and adapter.counts.backwards == 0


def test_nan_images_do_not_poison_the_model(tiny):
    batches = stream()
    adapter = m.adapter(tiny, chosen())
    assert not adapter.predict(batches[0] * math.nan).updated
    assert adapter.drift == 0 and torch.isfinite(adapter.predict(batches[0]).logits).all()


def test_a_batch_of_one(tiny):
    for method in m.METHODS:
        assert torch.isfinite(m.adapter(tiny, chosen(method)).predict(stream(size=1)[0]).logits).all()
    with pytest.raises(ModelError, match="one value per channel"):
        m.adapter(tiny, chosen()).predict(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ModelError, match=r"\(N, 3, H, W\)"):
        m.adapter(tiny, chosen()).predict(torch.zeros(3, 8, 8))


def test_cosine(tiny):
    settings = chosen(scheduler="cosine")
    assert m.learning_rate(settings, 1, 4) == settings.learning_rate
    assert m.learning_rate(settings, 3, 4) == pytest.approx(settings.learning_rate / 2)
    with pytest.raises(ModelError, match="number of updates"):
        m.adapter(tiny, settings)


def test_bf16_touches_the_convolutions_alone(tiny):
    adapter = m.adapter(tiny, chosen(precision="bf16", learning_rate=1e-3))
    kinds = {name: parameter.dtype for name, parameter in adapter.network.named_parameters()}
    assert {name for name, kind in kinds.items() if kind == torch.bfloat16} == {"conv1.weight", "conv2.weight"}
    exact = m.adapter(tiny, chosen(learning_rate=1e-3))
    for batch in stream():
        step, wanted = adapter.predict(batch), exact.predict(batch)
        assert step.logits.dtype == torch.float32 and torch.allclose(step.logits, wanted.logits, atol=0.15)
    assert adapter.parameters.values.dtype == torch.float32 and adapter.drift == pytest.approx(exact.drift, rel=0.1)


def test_a_network_without_batchnorm():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())
    with pytest.raises(ModelError, match="no BatchNorm"):
        m.adapter(network, chosen("bn", freeze_except=("Conv2d.weight",)))


def test_keeping_memory_is_harmless():
    assert m.keep_memory() in (True, False)


# -------------------------------------------------------------------------------------------------------------------------- real data


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data beside the project")
def test_batch_statistics_and_tent_on_real_images():
    """Gaussian noise: the table of the data's README, of which this is one corruption, and bf16 against fp32."""
    import numpy as np

    torch.set_num_threads(2)
    network = m.build_network(network_config())
    m.load_weights(network, m.read_checkpoint(str(DATA / "resnet18_cifar10.safetensors"), "/nowhere"), "shared/data")
    images = torch.from_numpy(np.load(DATA / "cifar10c/gaussian_noise.npy")[:1000]).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(np.load(DATA / "cifar10c/labels.npy")[:1000])
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])
    images = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)

    def error(method, precision):
        adapter = m.adapter(network, chosen(method, learning_rate=1e-3, precision=precision))
        wrong = sum(
            int((adapter.predict(batch).logits.argmax(1) != label).sum())
            for batch, label in zip(images.split(200), labels.split(200), strict=True)
        )
        return 100 * wrong / len(images)

    source, statistics, tent = (error(method, "fp32") for method in ("source", "bn", "tent"))
    assert statistics < source - 5 and tent == pytest.approx(statistics, abs=0.5)
    assert error("tent", "bf16") == pytest.approx(tent, abs=0.3)  # 3 of 1,000 images
