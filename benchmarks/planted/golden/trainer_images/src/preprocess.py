"""torchvision's FashionMNIST, normalised, with a validation part cut off the training images."""

import torch
from torch.utils.data import DataLoader, Subset, random_split
from torchvision import datasets, transforms


def build_loaders(cfg, seed, max_batches):
    """Return the loaders of the three splits; `max_batches` bounds each of them where it is given."""
    if cfg.name != "FashionMNIST":
        raise ValueError(f"unknown dataset {cfg.name!r}")
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((cfg.mean,), (cfg.std,))])
    images = datasets.FashionMNIST(cfg.root, train=True, download=True, transform=transform)
    test = datasets.FashionMNIST(cfg.root, train=False, download=True, transform=transform)
    lengths = [len(images) - cfg.val_images, cfg.val_images]
    train, val = random_split(images, lengths, generator=torch.Generator().manual_seed(seed))
    loaders = {}
    for split, part in (("train", train), ("val", val), ("test", test)):
        if max_batches is not None:
            part = Subset(part, range(min(len(part), max_batches * cfg.batch_size)))
        loaders[split] = DataLoader(part, batch_size=cfg.batch_size, shuffle=split == "train", num_workers=cfg.num_workers)
    return loaders
