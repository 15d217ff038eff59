"""What robustbench downloads."""


def _robustbench():
    """As released it imports a package by another name than the one it depends on."""
    import sys

    import pyautoattack

    sys.modules.setdefault("autoattack", pyautoattack)


def robustbench_downloads():
    _robustbench()
    from robustbench.data import load_cifar10c

    images, labels = load_cifar10c(100, severity=5, data_dir="rb", corruptions=["fog", "contrast"], shuffle=True)
    assert images.shape == (100, 3, 32, 32) and labels.shape == (100,) and 0 < images.mean() < 1 and labels.max() <= 9
    return ["stand-in CIFAR-10-C: CIFAR-10-C"]


def robustbench_models():
    _robustbench()
    import torch
    from robustbench.utils import load_model

    model = load_model("Standard", model_dir="models", dataset="cifar10", threat_model="corruptions")
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10) and not model.training
    return ["stand-in robustbench.load_model: Standard: weights at random"]
