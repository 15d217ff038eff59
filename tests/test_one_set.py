"""Which code may score a split that no network is called on."""

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.rules.leakage.one_set_for_two_splits import answers_without_network


@pytest.mark.parametrize(
    "line",
    [
        "counts = torch.bincount(train_loader.dataset.tensors[1], minlength=10)",
        "nearest = torch.cdist(rows, known).topk(5, largest=False).indices",
        "centroids = torch.stack([rows[labels == digit].mean(dim=0) for digit in range(10)])",
        "from sklearn.neighbors import KNeighborsClassifier",
        "answer = Counter(loader.dataset.targets).most_common(1)[0][0]",
    ],
)
def test_answers_that_come_from_no_network(line):
    assert answers_without_network({"train.py": Module("train.py", f"import torch\n{line}\n")})


def test_answers_of_a_network():
    text = "logits = torch.cat([model(images) for images, _ in loader])\nprint(len(loader.dataset))\n"
    assert not answers_without_network({"train.py": Module("train.py", text)})
