"""Programs that the examples of several rules begin with."""

from __future__ import annotations

#: Three parts of some rows, a function that scores one of them, and epochs of training; what is done with the scores follows.
EPOCHS = """import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
train_set, val_set, test_set = random_split(TensorDataset(*torch.load("rows.pt")), [0.8, 0.1, 0.1])
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=32)
test_loader = DataLoader(test_set, batch_size=32)
network = nn.Linear(4, 3)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)


@torch.no_grad()
def score(loader):
    network.eval()
    right = rows = 0
    for inputs, labels in loader:
        right += (network(inputs).argmax(1) == labels).sum().item()
        rows += len(labels)
    return right / rows


best = 0.0
for epoch in range(10):
    network.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
"""
