"""A bag of embeddings with optional word dropout."""

import torch
from torch import nn


class BagOfEmbeddings(nn.Module):
    """The mean of the word vectors, and a linear layer."""

    def __init__(self, buckets, width, num_classes, word_dropout):
        super().__init__()
        self.word_dropout = word_dropout
        self.bag = nn.EmbeddingBag(buckets, width, mode="mean")
        self.output = nn.Linear(width, num_classes)

    def forward(self, words, offsets):
        """Return one logit per class; in training some words become bucket 0."""
        if self.training and self.word_dropout > 0:
            words = words.masked_fill(torch.rand(words.shape, device=words.device) < self.word_dropout, 0)
        return self.output(self.bag(words, offsets))


def build_model(method, model_cfg):
    """Return the model of a method; refuse settings that contradict it."""
    if model_cfg.name != "bag-of-embeddings":
        raise ValueError(f"unknown model {model_cfg.name!r}")
    if method == "plain":
        if model_cfg.word_dropout > 0:
            raise ValueError("the plain method drops no words")
    elif method != "word-dropout":
        raise ValueError(f"unknown method {method!r}")
    return BagOfEmbeddings(model_cfg.buckets, model_cfg.width, model_cfg.num_classes, model_cfg.word_dropout)
