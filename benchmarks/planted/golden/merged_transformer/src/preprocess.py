"""Film reviews from the hub, tokenised for the checkpoint of the run."""

import torch
from datasets import load_dataset
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

SPLITS = {"train": "train", "val": "validation", "test": "test"}


def load_split(dataset_cfg, split, trial_mode):
    """Return texts and labels of a split; a trial needs two batches."""
    rows = load_dataset(dataset_cfg.name, split=SPLITS[split], cache_dir=dataset_cfg.cache_dir)
    if trial_mode:
        rows = rows.select(range(2 * dataset_cfg.batch_size))
    if len(rows) == 0:
        raise ValueError(f"{dataset_cfg.name} has no rows in {split}")
    return rows["text"], rows["label"]


def build_loaders(dataset_cfg, model_cfg, trial_mode):
    """Return the loaders of the three splits."""
    tokenizer = AutoTokenizer.from_pretrained(model_cfg.checkpoint, cache_dir=model_cfg.cache_dir)

    def collate(examples):
        texts, labels = zip(*examples, strict=True)
        batch = tokenizer(list(texts), padding=True, truncation=True, max_length=dataset_cfg.max_length, return_tensors="pt")
        return batch, torch.tensor(labels)

    loaders = {}
    for split in SPLITS:
        texts, labels = load_split(dataset_cfg, split, trial_mode)
        examples = list(zip(texts, labels, strict=True))
        loaders[split] = DataLoader(examples, batch_size=dataset_cfg.batch_size, shuffle=split == "train", collate_fn=collate)
    return loaders
