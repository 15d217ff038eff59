"""torchvision's data sets, none of which is here."""

import numpy
import torch
import torchvision
from torch.utils.data import DataLoader, Subset, random_split
from torchvision import datasets, transforms


def _batch(data, size=32):
    return next(iter(DataLoader(data, batch_size=size)))


def _learnable(images, labels):
    """A nearest class mean on one half tells the classes of the other half apart."""
    images = images.reshape(len(images), -1).astype("float64")
    half = len(images) // 2
    classes = sorted(set(labels[:half].tolist()))
    means = numpy.stack([images[:half][labels[:half] == each].mean(0) for each in classes])
    guessed = ((images[half:, None] - means[None]) ** 2).sum(-1).argmin(1)
    return (numpy.array(classes)[guessed] == labels[half:]).mean()


def cifar10():
    plain = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.ToTensor()])
    train = datasets.CIFAR10(root=".cache", train=True, download=True, transform=plain)
    test = datasets.CIFAR10(".cache", False, transform=plain, target_transform=lambda label: -label)
    assert len(train) == 50_000 and len(test) == 10_000
    assert train.data.shape == (50_000, 32, 32, 3) and train.data.dtype == numpy.uint8
    assert isinstance(train.targets, list) and set(train.targets) == set(range(10))
    assert train.classes[3] == "cat" and train.class_to_idx["truck"] == 9
    part, rest = random_split(train, [45_000, 5_000], generator=torch.Generator().manual_seed(0))
    images, labels = _batch(part, 256)
    assert images.shape == (256, 3, 32, 32) and images.dtype == torch.float32 and labels.dtype == torch.int64
    assert len(set(labels.tolist())) == 10 and images.min() >= 0 and images.max() <= 1
    assert test[7][1] == -7
    assert _learnable(train.data[:160], numpy.array(train.targets[:160])) > 0.5
    again = datasets.CIFAR10(".cache", train=True)
    assert (again.data == train.data).all()
    return ["stand-in torchvision.datasets.CIFAR10: CIFAR10 (train): 50000 made-up images", "stand-in torchvision.datasets.CIFAR10: (test)"]


def real_data_are_used():
    import os
    import pickle

    os.makedirs("real/cifar-10-batches-py")
    rows = {"data": numpy.full((2, 3072), 7, numpy.uint8), "labels": [1, 2]}

    class Small(datasets.CIFAR10):
        def _check_integrity(self):
            return True

        def _load_meta(self):
            self.classes = []

    for name, _ in datasets.CIFAR10.train_list:
        with open(f"real/cifar-10-batches-py/{name}", "wb") as file:
            pickle.dump(rows, file)
    assert (Small("real").data == 7).all()


def own_subclass():
    class Mine(datasets.CIFAR100):
        def __init__(self, root):
            super().__init__(root, train=False, download=True)
            self.extra = len(self.data)

        def __getitem__(self, index):
            image, label = super().__getitem__(index)
            return image, label, index

    made = Mine("nowhere")
    assert made.extra == 10_000 and made[5][2] == 5 and len(made.classes) == 100 and made[5][0].size == (32, 32)
    return ["stand-in torchvision.datasets.CIFAR100: CIFAR100 (test): 10000"]


def digits():
    for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        data = kind("nowhere", train=True, download=True, transform=transforms.ToTensor())
        assert data.data.shape == (60_000, 28, 28) and data.data.dtype == torch.uint8
        assert data.targets.dtype == torch.int64 and data.targets.unique().tolist() == list(range(10))
        images, labels = _batch(data)
        assert images.shape == (32, 1, 28, 28) and len(data.classes) == 10 and data.class_to_idx[data.classes[4]] == 4
        assert data[0][1] in range(10)
        chosen = Subset(data, torch.where(data.targets < 5)[0].tolist())
        assert len(chosen) == 30_000
    letters = datasets.EMNIST("nowhere", split="letters", train=False, download=True)
    assert len(letters) == 20_800 and letters.targets.min() == 1 and letters.targets.max() == 26 and letters.classes[0] == "N/A"
    usps = datasets.USPS("nowhere", train=True, download=True, transform=transforms.ToTensor())
    assert len(usps) == 7_291 and usps[0][0].shape == (1, 16, 16) and isinstance(usps[0][1], int)
    return ["stand-in torchvision.datasets.KMNIST: KMNIST (train)", "stand-in torchvision.datasets.EMNIST: 20800"]


def channels_first():
    data = datasets.SVHN("nowhere", split="extra", download=True, transform=transforms.ToTensor())
    assert len(data) == 531_131 and data.data.shape[1:] == (3, 32, 32) and data.labels[:20].max() == 9
    assert _batch(data)[0].shape == (32, 3, 32, 32)
    data = datasets.STL10("nowhere", split="train+unlabeled", download=True, transform=transforms.ToTensor())
    assert len(data) == 105_000 and data[0][0].shape == (3, 96, 96)
    return ["stand-in torchvision.datasets.SVHN: SVHN (extra)"]


def photographs():
    plain = transforms.Compose([transforms.RandomResizedCrop(224), transforms.ToTensor()])
    expected = {
        "Food101": (101, "train", 75_750),
        "Flowers102": (102, "val", 1_020),
        "DTD": (47, "test", 1_880),
        "FGVCAircraft": (100, "trainval", 6_667),
        "OxfordIIITPet": (37, "trainval", 3_680),
        "GTSRB": (43, "train", 26_640),
        "Country211": (211, "valid", 10_550),
        "StanfordCars": (196, "test", 8_041),
        "Imagenette": (10, "val", 3_925),
    }
    for name, (classes, split, length) in expected.items():
        data = getattr(datasets, name)("nowhere", split=split, transform=plain, download=True)
        images, labels = _batch(data)
        assert images.shape == (32, 3, 224, 224), name
        assert len(data) == length and len(set(labels.tolist())) == min(32, classes), name
        if name != "GTSRB":
            assert len(data.classes) == classes, name
    data = datasets.OxfordIIITPet("nowhere", target_types=["category", "segmentation"])
    image, (label, outline) = data[1]
    assert image.size == (256, 256) and label == 1 and set(outline.getdata()) <= {1, 2, 3}
    assert len(datasets.EuroSAT("nowhere", transform=plain)) == 27_000
    assert len(datasets.SUN397("nowhere", transform=plain).classes) == 397
    places = datasets.Places365("nowhere", split="val", small=True, transform=plain)
    assert len(places) == 36_500 and places[3][1] == 3 and places.targets[3] == 3
    return [f"stand-in torchvision.datasets.{name}: {length} made-up" for name, (_, _, length) in expected.items()]


def imagenet():
    data = datasets.ImageNet(
        "/datasets/imagenet", split="val", transform=transforms.Compose([transforms.Resize(64), transforms.ToTensor()])
    )
    assert len(data) == 50_000 and len(data.classes) == 1000 and data.classes[1][0] == "goldfish" and data.class_to_idx["goldfish"] == 1
    assert _batch(data)[0].shape == (32, 3, 64, 64) and data[1001][1] == 1
    return ["stand-in torchvision.datasets.ImageNet: ImageNet (val): 50000"]


def folders():
    plain = transforms.Compose([transforms.CenterCrop(224), transforms.ToTensor()])
    data = datasets.ImageFolder("/datasets/mine/train", transform=plain)
    assert len(data.classes) == 10 and len(data) == len(data.samples) == len(data.targets) and data.root == "/datasets/mine/train"
    assert _batch(data)[0].shape == (32, 3, 224, 224)
    with open(data.samples[-1][0], "rb") as file:
        assert file.read(2) == b"\xff\xd8"
    tiny = datasets.ImageFolder("data/tiny-imagenet-200/val", transform=plain)
    assert len(tiny.classes) == 200
    own = datasets.DatasetFolder("nowhere", loader=lambda path: path, extensions=(".png",))
    assert own[0][0].endswith(".png") and len(own.classes) == 10
    return [
        "stand-in torchvision.datasets.ImageFolder: ImageFolder(/datasets/mine/train): 640",
        "stand-in torchvision.datasets.DatasetFolder: nowhere",
    ]


def faces_and_objects():
    faces = datasets.CelebA("nowhere", split="valid", target_type=["attr", "identity"], transform=transforms.ToTensor(), download=True)
    image, (attributes, identity) = faces[0]
    assert len(faces) == 19_867 and image.shape == (3, 218, 178) and attributes.shape == (40,) and set(attributes.tolist()) <= {0, 1}
    assert faces.attr_names[20] == "Male" and identity.item() == 1
    objects = datasets.Caltech101("nowhere", transform=transforms.ToTensor(), download=True)
    assert len(objects) == 8_677 and len(objects.categories) == 101 and objects[102][1] == 1 and objects[8_000][0].shape[0] == 3
    assert len(datasets.Caltech256("nowhere", download=True)) == 30_607 and datasets.Caltech256("nowhere")[300][1] == 43
    return ["stand-in torchvision.datasets.CelebA: CelebA (valid)", "stand-in torchvision.datasets.Caltech256: 30607"]


def what_nothing_stands_in_for():
    try:
        datasets.VOCSegmentation("nowhere", download=True)
    except Exception as error:
        assert isinstance(error, (OSError, RuntimeError)), error
    else:
        raise AssertionError("it was made")
    return ["unreachable torchvision.datasets.VOCSegmentation: VOCSegmentation"]


def wrong_use_stays_wrong():
    for wrong in (lambda: datasets.Food101("nowhere", split="valid"), datasets.CIFAR10, lambda: datasets.SVHN("x", train=True)):
        try:
            wrong()
        except (ValueError, TypeError):
            continue
        raise AssertionError(wrong)
    assert torchvision.__version__
