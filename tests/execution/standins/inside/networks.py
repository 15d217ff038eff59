"""Pretrained networks and files of the hub, of which none is here."""

import json
import os

import torch


def timm_models():
    import timm
    from timm import create_model

    model = create_model("resnet18.a1_in1k", pretrained=True, num_classes=10)
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10) and model.pretrained_cfg["mean"]
    again = timm.create_model("resnet18.a1_in1k", pretrained=True, num_classes=10)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    assert create_model("hf_hub:timm/resnet18.a1_in1k", pretrained=True, num_classes=7).fc.out_features == 7
    assert create_model("hf-hub:timm/mobilenetv3_small_050.lamb_in1k", pretrained=False).num_classes == 1000
    features = timm.models.create_model("resnet34", pretrained=True, features_only=True)
    assert len(features(torch.rand(1, 3, 64, 64))) == 5
    assert timm.data.resolve_data_config(model=model)["input_size"] == (3, 224, 224)
    return ["stand-in timm.create_model: resnet18.a1_in1k: weights at random", "stand-in timm.create_model: hf_hub:timm/resnet18.a1_in1k"]


def timm_names_that_are_none():
    import timm

    for name in ("resnet18.nothing", "nothing18"):
        try:
            timm.create_model(name, pretrained=True)
        except RuntimeError:
            continue
        raise AssertionError(name)
    try:
        timm.create_model("hf_hub:nobody/nothing", pretrained=True)
    except Exception as error:
        assert type(error).__name__ in ("LocalEntryNotFoundError", "OfflineModeIsEnabled"), repr(error)
    return ["unreachable timm.create_model: hf_hub:nobody/nothing"]


def torchvision_models():
    from torchvision import models

    model = models.resnet18(weights=models.ResNet18_Weights.IMAGENET1K_V1)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 1000)
    model = models.resnet50(pretrained=True)
    weights = models.MobileNet_V3_Small_Weights.DEFAULT.get_state_dict(progress=False)
    weights.pop("classifier.3.weight"), weights.pop("classifier.3.bias")
    small = models.mobilenet_v3_small(num_classes=3)
    missing = small.load_state_dict(weights, strict=False).missing_keys
    assert missing == ["classifier.3.weight", "classifier.3.bias"]
    assert models.get_model("vit_b_16", weights="DEFAULT").heads.head.out_features == 1000
    assert models.segmentation.fcn_resnet50(weights="DEFAULT", progress=False).eval()(torch.rand(1, 3, 32, 32))["out"].shape[1] == 21
    return ["stand-in torchvision.models: ResNet18_Weights.IMAGENET1K_V1", "stand-in torchvision.models: ViT_B_16_Weights.IMAGENET1K_V1"]


def torch_hub():
    from torchvision import models

    weights = torch.hub.load_state_dict_from_url("https://download.pytorch.org/models/resnet18-f37072fd.pth", progress=False)
    models.resnet18().load_state_dict(weights)
    weights = torch.hub.load_state_dict_from_url("https://download.pytorch.org/models/resnet34-333f7ec4.pth")
    models.resnet34().load_state_dict(weights)
    model = torch.hub.load("pytorch/vision:v0.10.0", "resnet18", pretrained=True, trust_repo=True)
    assert model.fc.out_features == 1000
    for call in (
        lambda: torch.hub.load("chenyaofo/pytorch-cifar-models", "cifar10_resnet20", pretrained=True),
        lambda: torch.hub.load_state_dict_from_url("https://example.org/weights.pth"),
    ):
        try:
            call()
        except (OSError, RuntimeError):
            continue
        raise AssertionError("it was made")
    return [
        "stand-in torch.hub: resnet18-f37072fd.pth",
        "unreachable torch.hub: chenyaofo/pytorch-cifar-models cifar10_resnet20",
        "unreachable torch.hub: https://example.org/weights.pth",
    ]


def hub_files():
    import timm
    from huggingface_hub import hf_hub_download, snapshot_download
    from safetensors.torch import load_file

    path = hf_hub_download(repo_id="timm/resnet18.a1_in1k", filename="model.safetensors", cache_dir=".cache")
    timm.create_model("resnet18", num_classes=1000).load_state_dict(load_file(path))
    path = hf_hub_download("timm/resnet26.bt_in1k", "pytorch_model.bin")
    timm.create_model("resnet26").load_state_dict(torch.load(path, weights_only=True))
    with open(hf_hub_download("timm/resnet18.a1_in1k", "config.json")) as file:
        assert json.load(file)["architecture"] == "resnet18"
    folder = snapshot_download("timm/resnet10t.c3_in1k")
    assert {"config.json", "model.safetensors"} <= set(os.listdir(folder))
    return ["stand-in huggingface_hub: timm/resnet18.a1_in1k/model.safetensors", "stand-in huggingface_hub: timm/resnet10t.c3_in1k"]


def hub_files_that_nothing_stands_in_for():
    import time

    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.utils import LocalEntryNotFoundError

    started = time.monotonic()
    for call in (
        lambda: hf_hub_download("nobody/nothing", "model.safetensors"),
        lambda: hf_hub_download("timm/resnet18.a1_in1k", "other.txt"),
        lambda: hf_hub_download("timm/resnet18.a1_in1k", "config.json", repo_type="dataset"),
        lambda: snapshot_download("nobody/nothing"),
    ):
        try:
            call()
        except LocalEntryNotFoundError:
            continue
        raise AssertionError("it was made")
    assert time.monotonic() - started < 2
    return ["unreachable huggingface_hub: nobody/nothing/model.safetensors", "unreachable huggingface_hub: timm/resnet18.a1_in1k/other.txt"]
