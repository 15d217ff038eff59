"""News texts from the hub, as buckets of hashed words."""

import zlib

import torch
from datasets import load_dataset
from torch.utils.data import DataLoader


def to_buckets(text, buckets, max_words):
    """Hash each word into one of the buckets; 0 is kept for a word that is dropped."""
    return [1 + zlib.crc32(word.encode()) % (buckets - 1) for word in text.lower().split()[:max_words]] or [0]


def collate(examples):
    """Join texts of different lengths into one tensor with offsets."""
    words = torch.tensor([word for words, _ in examples for word in words])
    lengths = torch.tensor([len(words) for words, _ in examples])
    offsets = torch.cumsum(lengths, 0) - lengths
    return words, offsets, torch.tensor([label for _, label in examples])


def build_loaders(dataset_cfg, buckets, seed, trial_mode):
    """Return the loaders of the three splits; a trial gets two batches of each."""
    train = load_dataset(dataset_cfg.name, split="train", cache_dir=dataset_cfg.cache_dir).shuffle(seed=seed)
    test = load_dataset(dataset_cfg.name, split="test", cache_dir=dataset_cfg.cache_dir).shuffle(seed=seed)
    if len(train) < dataset_cfg.train_texts + dataset_cfg.val_texts:
        raise ValueError(f"{dataset_cfg.name} has only {len(train)} texts to train with")
    parts = {
        "train": train.select(range(dataset_cfg.train_texts)),
        "val": train.select(range(dataset_cfg.train_texts, dataset_cfg.train_texts + dataset_cfg.val_texts)),
        "test": test.select(range(dataset_cfg.test_texts)),
    }
    loaders = {}
    for split, part in parts.items():
        if trial_mode:
            part = part.select(range(2 * dataset_cfg.batch_size))
        examples = [(to_buckets(row["text"], buckets, dataset_cfg.max_words), row["label"]) for row in part]
        loaders[split] = DataLoader(examples, batch_size=dataset_cfg.batch_size, shuffle=split == "train", collate_fn=collate)
    return loaders
