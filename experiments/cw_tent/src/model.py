"""CW-TENT, the methods that it is compared with, and the network that all of them adapt.

Test-time adaptation has a network trained on clean images (the source model) and a stream of corrupted images without labels, which come
in batches x_1 … x_N. With p_i = softmax(f(x_i)) over C classes, a method that learns makes gradient steps on each batch:

    H_i = −Σ_c p_ic log p_ic               entropy of a prediction, 0 to log C                                    (1)
    L   = Σ_i w_i H_i / Σ_i w_i            weighted mean; the gradient takes the weights w_i for constants        (2)
    v  ← μ v + ∂L/∂θ,   θ ← θ − η v        SGD with momentum μ and learning rate η                                (3)

on θ, the scales and shifts of BatchNorm (9,600 numbers of ResNet-18). All else is frozen, and BatchNorm takes mean and variance from the
batch itself. The methods differ in the weights, and in the number of steps for each batch:

    source     none: no adaptation, BatchNorm has the statistics of the training images
    bn         none: the statistics of the batch, and no step (Schneider et al., NeurIPS 2020; Nado et al., 2020)
    tent       w_i = 1                                      (Wang et al., ICLR 2021)
    cw-tent    w_i = 1 − H_i / log C                        confidence: 0 for a uniform prediction, 1 for a certain one
    eata       w_i = exp(E − H_i) if H_i < E, else 0        E = 0.4 log C; weights of Niu et al., ICML 2022, nothing else of EATA
    sar        w_i = 1 if H_i < E, else 0                   filter of Niu et al., ICLR 2023, nothing else of SAR

The logits that are scored are those from before the update by their own batch, unless stream.predict says otherwise.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import timm
import torch
from omegaconf import DictConfig
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def entropy(logits: Tensor) -> Tensor:
    """Entropies (N,), in nats, of the predictions of logits (N, C): equation (1)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


# Weights (N,) of images with entropies h (N,) among c classes.
WEIGHTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "tent": lambda h, c: torch.ones_like(h),
    "cw-tent": lambda h, c: (1 - h / math.log(c)).clamp_min(0),
    "eata": lambda h, c: torch.exp(0.4 * math.log(c) - h) * (h < 0.4 * math.log(c)),
    "sar": lambda h, c: (h < 0.4 * math.log(c)).to(h.dtype),
}


class Adapter:
    """A copy of the source model that learns from each batch of a stream as `settings` say."""

    def __init__(self, source: nn.Module, settings: Settings) -> None:
        self.source, self.settings = source, settings
        self.network = copy.deepcopy(source).eval().requires_grad_(False)
        self.adapted = adapted_parameters(self.network, settings.adapted)
        if settings.method != "source":
            use_batch_statistics(self.network)
        self.source_state = copy.deepcopy(self.network.state_dict())
        self.forwards = self.backwards = self.updates = 0  # of batches, in all: a reset does not touch them
        self.measured: dict[str, float] = {}  # loss, sum of weights and mean entropy of the first step on the last batch
        self.reset()

    def reset(self) -> None:
        """Go back to the source model, as at the start of each corruption."""
        self.network.load_state_dict(self.source_state)
        if self.settings.steps:
            self.optimizer = self.settings.make_optimizer([parameter.requires_grad_() for parameter in self.adapted.values()])

    def predict(self, images: Tensor, update: bool = True) -> Tensor:
        """Logits (N, C) of normalised images (N, 3, H, W); learns from them unless `update` is false."""
        if not update or self.settings.steps == 0:
            with torch.inference_mode():
                logits = self.forward(images)
                self.measured = {"entropy": float(entropy(logits).mean())}
                return logits
        logits = [self.step(images, first=number == 0) for number in range(self.settings.steps)]
        if self.settings.predict == "after":
            with torch.inference_mode():
                return self.forward(images)
        return logits[0] if self.settings.predict == "before" else logits[-1]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C) of a batch, as the network stands."""
        self.forwards += 1
        return self.network(images)

    def step(self, images: Tensor, first: bool = True) -> Tensor:
        """One gradient step on a batch; the logits from before it."""
        logits = self.forward(images)
        entropies = entropy(logits)  # (1)
        weights = WEIGHTS[self.settings.method](entropies.detach(), logits.shape[1])
        loss = (weights * entropies).sum() / weights.sum().clamp_min(LEAST_WEIGHT)  # (2)
        self.optimizer.zero_grad()
        loss.backward()
        self.backwards += 1
        norm = nn.utils.clip_grad_norm_(self.adapted.values(), self.settings.gradient_clip or math.inf)
        if weights.sum() >= LEAST_WEIGHT and torch.isfinite(norm):  # else there is nothing to learn from this batch
            self.optimizer.step()  # (3)
            self.updates += 1
        if first:
            self.measured = {"loss": loss.item(), "weight_sum": weights.sum().item(), "entropy": entropies.mean().item()}
        return logits.detach()

    @property
    def drift(self) -> float:
        """How far the adapted parameters have gone from the source model's: ||Δθ|| / ||θ||."""
        if not self.adapted:
            return 0.0
        now, before = self.adapted.values(), [self.source_state[name] for name in self.adapted]
        moved = sum(float((new.detach() - old).square().sum()) for new, old in zip(now, before, strict=True))
        return math.sqrt(moved / sum(float(old.square().sum()) for old in before))


LEAST_WEIGHT = 1e-3  # of a whole batch, in images: with less, there is nothing to learn from it


def use_batch_statistics(network: nn.Module) -> None:
    """Let BatchNorm take mean and variance from the batch, in eval mode too.

    This cannot be undone: an adapter has a copy of its own.
    """
    layers = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not layers:
        raise ModelError("The network has no BatchNorm, so there is nothing to adapt.")
    for layer in layers:
        layer.track_running_stats = False
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None


def adapted_parameters(network: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Parameter]:
    """The parameters that `model.freeze_except` names by kind of module and name.

    `BatchNorm.weight` names those of BatchNorm1d, 2d and 3d.
    """
    found: dict[str, nn.Parameter] = {}
    for kind, _, leaf in (pattern.rpartition(".") for pattern in patterns):
        names = [f"{name}.{leaf}" for name, module in network.named_modules() if kind and type(module).__name__.startswith(kind)]
        chosen = {name: parameter for name, parameter in network.named_parameters() if name in names}
        if not chosen:
            raise ModelError(f"model.freeze_except names {kind}.{leaf}, but the network has no such parameters.")
        found |= chosen
    return found


# ------------------------------------------------------------------------------------------------------------------------ settings


class ModelError(Exception):
    """A model, a checkpoint or a setting that can't be used; the text says what, where, and what to do."""


# What training.objective is to be for each method: a run's config names both, so that neither can be wrong unseen.
OBJECTIVES = {
    "source": "none",
    "bn": "none",
    "tent": "entropy",
    "cw-tent": "confidence_weighted_entropy",
    "eata": "eata_weighted_entropy",
    "sar": "sar_filtered_entropy",
}
OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class Settings:
    """What makes an adapter out of a source model. Raises ModelError for settings that can't be."""

    method: str
    objective: str
    steps: int  # gradient steps for each batch
    learning_rate: float
    momentum: float = 0.9  # of SGD; the first beta of Adam
    weight_decay: float = 0.0
    optimizer: str = "sgd"
    gradient_clip: float | None = None  # largest norm of the gradient
    adapted: tuple[str, ...] = ("BatchNorm.weight", "BatchNorm.bias")
    predict: str = "before"  # before the updates of a batch | last: before the last of them, as in official TENT | after them

    def __post_init__(self) -> None:
        one_of("method", self.method, OBJECTIVES)
        one_of("training.optimizer", self.optimizer, OPTIMIZERS)
        one_of("stream.predict", self.predict, ("before", "last", "after"))
        if self.objective != OBJECTIVES[self.method]:
            raise ModelError(f"training.objective is {self.objective!r}, but that of {self.method} is {OBJECTIVES[self.method]!r}.")
        learns = self.method in WEIGHTS
        if not isinstance(self.steps, int) or isinstance(self.steps, bool) or (self.steps < 1 if learns else self.steps != 0):
            raise ModelError(f"training.inner_steps is {self.steps!r}; for {self.method} it must be {'1 or more' if learns else '0'}.")
        for name, value, least, below in (
            ("learning_rate", self.learning_rate, 0, math.inf),
            ("momentum", self.momentum, 0, 1),
            ("weight_decay", self.weight_decay, 0, math.inf),
        ):
            if not least <= value < below:
                raise ModelError(f"training.{name} is {value}; it must be at least {least} and below {below}.")

    def make_optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """A new optimizer without any memory."""
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, self.learning_rate, (self.momentum, 0.999), weight_decay=self.weight_decay)
        return torch.optim.SGD(parameters, self.learning_rate, self.momentum, weight_decay=self.weight_decay)


def one_of(what: str, value: object, known: Sequence[str] | dict[str, str]) -> None:
    """Raise ModelError for a value that is not known."""
    if value not in known:
        raise ModelError(f"{what} is {value!r}; it must be one of {', '.join(known)}.")


# ------------------------------------------------------------------------------------------------------------------- source network

# model.name: channels of the first stage (the others have 2, 4 and 8 times as many), and the stride of the stem.
NETWORKS = {"resnet18": (64, 1), "resnet18-half": (32, 1), "resnet18-narrow": (16, 2)}


def build_network(cfg: DictConfig, seed: int = 0) -> tuple[nn.Module, bool]:
    """The network of `cfg.run.model` in eval mode, and whether its weights are complete.

    timm's ResNet-18 with the stem for 32x32 images: 3x3 convolution and no max-pool (ImageNet's stem would leave 1x1 maps to the last
    stage, over which BatchNorm has nothing to average). `model.pretrained_checkpoint` is the .safetensors of a complete source model; or
    the timm id of an ImageNet model, whose stem and head are replaced, so it must be trained before anything is adapted; or null. {seed} in
    the name of a file is replaced by the seed.

    Raises:
        ModelError: The name is unknown, or the checkpoint can't be read or does not fit.
    """
    name, checkpoint = cfg.run.model.name, cfg.run.model.pretrained_checkpoint
    one_of("model.name", name, tuple(NETWORKS))
    width, stride = NETWORKS[name]
    channels = tuple(width * factor for factor in (1, 2, 4, 8))
    if checkpoint is None or str(checkpoint).endswith(".safetensors"):
        network = timm.create_model("resnet18", num_classes=cfg.run.model.num_classes, channels=channels)
    else:
        network = pretrained(checkpoint, name, cfg.run.model.num_classes, cfg.cache_dir)
    network.conv1 = convolution(3, width, stride)
    network.maxpool = nn.Identity()
    if width != 64:  # timm's stem always has 64 channels; here it has as many as the first stage, which then needs no projection
        network.bn1 = nn.BatchNorm2d(width)
        network.layer1[0].conv1 = convolution(width, width)
        network.layer1[0].downsample = None
    complete = str(checkpoint).endswith(".safetensors")
    if complete:
        load_checkpoint(network, Path(str(checkpoint).replace("{seed}", str(seed))))
    return network.eval(), complete


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution with random weights, as ResNets have them."""
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def pretrained(checkpoint: str, name: str, classes: int, cache_dir: str) -> nn.Module:
    """A model of timm's with ImageNet weights and a new head.

    It is downloaded to `cache_dir` if it is not there.
    """
    if Path(checkpoint).name.partition(".")[0] != name:
        raise ModelError(
            f"model.pretrained_checkpoint is {checkpoint!r}: it must be a .safetensors file, or the timm id of a {name}, such as "
            f"timm/resnet18.a1_in1k. Pickles (.pt, .bin) are not read, since they can run code: convert them (safetensors.torch.save_file)."
        )
    try:
        # Without the owner: timm 1.0.31 no longer takes an id of the hub for one of its own names.
        return timm.create_model(checkpoint.removeprefix("timm/"), pretrained=True, num_classes=classes, cache_dir=cache_dir)
    except Exception as error:  # of timm, the hub's client and the network: of many kinds
        raise ModelError(
            f"The checkpoint {checkpoint} can't be had ({type(error).__name__}: {str(error).splitlines()[0][:200]}): connect once, or set "
            f"run.model.pretrained_checkpoint to a .safetensors file, or to null to train from scratch."
        ) from error


def load_checkpoint(network: nn.Module, path: Path) -> None:
    """Give the network the weights of a .safetensors file, all of them and nothing else."""
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except FileNotFoundError as error:
        raise ModelError(f"The checkpoint {path} does not exist: correct run.model.pretrained_checkpoint.") from error
    except SafetensorError as error:
        raise ModelError(f"The checkpoint {path} can't be read ({error}); it may be cut short: get it anew.") from error
    except RuntimeError as error:  # of load_state_dict
        raise ModelError(f"The checkpoint {path} does not fit the network: {' '.join(str(error).split())[:400]}.") from error
    bad = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise ModelError(f"The checkpoint {path} holds NaN or infinite values in {bad[0]}.")


# ---------------------------------------------------------------------------------------------------------------------------- speed


def fast(network: nn.Module, precision: str = "fp32") -> nn.Module:
    """A faster copy of a network: fp32 images in, fp32 logits out, as before.

    Images, activations and frozen weights lie channels last. With bf16, convolutions and activations are bf16; the statistics and the
    parameters of BatchNorm, the head and with it the loss, and so all that is learned, stay fp32. benchmarks/tta_speed.py measures it.
    """
    one_of("the precision", precision, ("fp32", "bf16"))
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = copy.deepcopy(network).to(memory_format=torch.channels_last)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
        elif isinstance(module, nn.Linear):
            module.register_forward_pre_hook(to_fp32)
    network.register_forward_pre_hook(partial(to_channels_last, dtype=dtype))
    return network


def to_fp32(module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
    """Hook of the head."""
    return (arguments[0].float(),)


def to_channels_last(module: nn.Module, arguments: tuple[Tensor], dtype: torch.dtype) -> tuple[Tensor]:
    """Hook of the network."""
    return (arguments[0].to(dtype, memory_format=torch.channels_last),)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 itself; elsewhere it is emulated, and slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:  # not Linux: it can't be told
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
