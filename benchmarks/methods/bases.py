"""Programs that are right, each of a subject of its own."""

from __future__ import annotations

from benchmarks.methods.trees import Base, Section

TABLE = Base(
    "table",
    imports="""
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, precision_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier
""",
    sections=(
        Section("read", (), ("table",), '\ntable = pd.read_csv("patients.csv")\ntable["income"] = np.log1p(table["income"])\n'),
        Section(
            "choose",
            ("table",),
            ("X", "y"),
            '\nX = table[["age", "income", "weight", "visits"]]\ny = table["sick"]\n',
        ),
        Section(
            "divide",
            ("X", "y"),
            ("X_train", "X_test", "y_train", "y_test"),
            "\nX_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)\n",
        ),
        Section(
            "prepare",
            ("X_train", "X_test"),
            ("X_train", "X_test"),
            """
imputer = SimpleImputer(strategy="median")
X_train = imputer.fit_transform(X_train)
X_test = imputer.transform(X_test)
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)
""",
        ),
        Section(
            "learn",
            ("X_train", "y_train"),
            ("model",),
            "\nmodel = RandomForestClassifier(n_estimators=200, random_state=0)\nmodel.fit(X_train, y_train)\n",
        ),
        Section(
            "report",
            ("model", "X_test", "y_test"),
            (),
            """
guess = model.predict(X_test)
print("accuracy", accuracy_score(y_test, guess))
print("F1", f1_score(y_test, guess))
print("AUC", roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]))
""",
        ),
    ),
)

SERIES = Base(
    "series",
    imports="""
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import TimeSeriesSplit, cross_val_score, train_test_split
from sklearn.preprocessing import MinMaxScaler
""",
    sections=(
        Section(
            "read",
            (),
            ("table",),
            '\ntable = pd.read_csv("sales.csv", parse_dates=["date"]).sort_values("date")\ntable["target"] = table["sales"].shift(-1)\n',
        ),
        Section(
            "add",
            ("table",),
            ("table",),
            """
table["before"] = table["sales"].shift(1)
table["week"] = table["sales"].rolling(7).mean()
table = table.dropna()
""",
        ),
        Section(
            "divide",
            ("table",),
            ("X_train", "X_test", "y_train", "y_test"),
            """
names = ["sales", "before", "week"]
X, y = table[names], table["target"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, shuffle=False)
""",
        ),
        Section(
            "prepare",
            ("X_train", "X_test"),
            ("X_train", "X_test"),
            "\nscaler = MinMaxScaler().fit(X_train)\nX_train, X_test = scaler.transform(X_train), scaler.transform(X_test)\n",
        ),
        Section(
            "learn",
            ("X_train", "y_train"),
            ("model",),
            "\nmodel = GradientBoostingRegressor(random_state=0)\nmodel.fit(X_train, y_train)\n",
        ),
        Section("report", ("model", "X_test", "y_test"), (), '\nprint("MAE", mean_absolute_error(y_test, model.predict(X_test)))\n'),
    ),
)

NETWORK = Base(
    "network",
    imports="""
import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
""",
    definitions='''
class Net(nn.Module):
    """A small network."""

    def __init__(self, width=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(width, 5)

    def forward(self, batch):
        return self.head(self.body(batch))


class Windows(Dataset):
    """Parts of long rows."""

    def __init__(self, rows, labels):
        self.rows, self.labels = rows, labels
        self.names = ["window"]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        start = int(torch.randint(5, ()))
        return self.rows[index, start : start + 20], self.labels[index]
''',
    sections=(
        Section(
            "begin", (), ("device",), '\ntorch.manual_seed(0)\nnp.random.seed(0)\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n'
        ),
        Section("load", (), ("rows", "labels"), '\nrows, labels = torch.load("rows.pt"), torch.load("labels.pt")\n'),
        Section(
            "divide",
            ("rows", "labels"),
            ("train_set", "val_set", "test_set"),
            """
data = Windows(rows, labels)
train_set, val_set, test_set = random_split(data, [0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))
""",
        ),
        Section(
            "serve",
            ("train_set", "val_set", "test_set"),
            ("train_loader", "val_loader", "test_loader"),
            """
train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2)
val_loader = DataLoader(val_set, batch_size=64)
test_loader = DataLoader(test_set, batch_size=64)
""",
        ),
        Section(
            "build",
            ("device",),
            ("model", "criterion", "optimizer", "scheduler"),
            """
model = Net().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
""",
        ),
        Section(
            "learn",
            ("model", "criterion", "optimizer", "scheduler", "train_loader", "val_loader", "device"),
            (),
            """
best = 0.0
for epoch in range(20):
    model.train()
    total = 0.0
    for batch, wanted in train_loader:
        batch, wanted = batch.to(device), wanted.to(device)
        optimizer.zero_grad()
        outputs = model(batch)
        loss = criterion(outputs, wanted)
        loss.backward()
        optimizer.step()
        total += loss.item()
    scheduler.step()
    print("epoch", epoch, "loss", total / len(train_loader))
    model.eval()
    right = seen = 0
    with torch.no_grad():
        for batch, wanted in val_loader:
            batch, wanted = batch.to(device), wanted.to(device)
            right += (model(batch).argmax(1) == wanted).sum().item()
            seen += len(wanted)
    accuracy = right / seen
    if accuracy > best:
        best = accuracy
        torch.save(model.state_dict(), "best.pt")
""",
        ),
        Section(
            "report",
            ("model", "criterion", "test_loader", "device"),
            (),
            """
model.load_state_dict(torch.load("best.pt"))
model.eval()
right = seen = 0
loss_sum = 0.0
guesses, truth = [], []
with torch.inference_mode():
    for batch, wanted in test_loader:
        batch, wanted = batch.to(device), wanted.to(device)
        outputs = model(batch)
        loss_sum += criterion(outputs, wanted).item() * len(wanted)
        guesses += outputs.argmax(1).tolist()
        truth += wanted.tolist()
        right += (outputs.argmax(1) == wanted).sum().item()
        seen += len(wanted)
accuracy = 100 * right / seen
print(f"test accuracy {accuracy:.2f}%, loss {loss_sum / seen:.4f}, F1 {f1_score(truth, guesses, average='macro'):.3f}")
if accuracy > 90:
    print("as good as published")
""",
        ),
    ),
)

MANY = Base(
    "many processes",
    imports="""
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
""",
    definitions='''
class Net(nn.Module):
    """A small network."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))

    def forward(self, batch):
        return self.layers(batch)
''',
    sections=(
        Section(
            "begin",
            (),
            ("rank",),
            '\ntorch.manual_seed(0)\ndist.init_process_group("nccl")\nrank = int(os.environ["LOCAL_RANK"])\ntorch.cuda.set_device(rank)\n',
        ),
        Section(
            "serve",
            (),
            ("train_loader", "val_loader", "sampler"),
            """
train_set, val_set = torch.load("train.pt"), torch.load("val.pt")
sampler = DistributedSampler(train_set)
train_loader = DataLoader(train_set, batch_size=64, sampler=sampler)
val_loader = DataLoader(val_set, batch_size=64, sampler=DistributedSampler(val_set, shuffle=False))
""",
        ),
        Section(
            "build",
            ("rank",),
            ("model", "criterion", "optimizer", "scaler"),
            """
model = DistributedDataParallel(Net().cuda(rank), device_ids=[rank])
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cuda")
""",
        ),
        Section(
            "learn",
            ("model", "criterion", "optimizer", "scaler", "sampler", "train_loader", "rank"),
            (),
            """
for epoch in range(20):
    sampler.set_epoch(epoch)
    model.train()
    for batch, wanted in train_loader:
        batch, wanted = batch.cuda(rank), wanted.cuda(rank)
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            loss = criterion(model(batch), wanted)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
""",
        ),
        Section(
            "report",
            ("model", "val_loader", "rank"),
            (),
            """
model.eval()
counts = torch.zeros(2).cuda(rank)
with torch.no_grad():
    for batch, wanted in val_loader:
        batch, wanted = batch.cuda(rank), wanted.cuda(rank)
        counts[0] += (model(batch).argmax(1) == wanted).sum()
        counts[1] += len(wanted)
dist.all_reduce(counts)
if rank == 0:
    print("accuracy", (counts[0] / counts[1]).item())
    torch.save(model.module.state_dict(), "model.pt")
""",
        ),
    ),
)

STUDY = Base(
    "study",
    imports="""
import json
import os
import random
import time
from pathlib import Path

import cv2
import numpy as np
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
""",
    sections=(
        Section(
            "list_files",
            (),
            ("train_names", "test_names"),
            """
rng = random.Random(0)
names = sorted(os.listdir("images"))
rng.shuffle(names)
train_names, test_names = names[:800], names[800:]
""",
        ),
        Section(
            "number",
            (),
            ("numbers",),
            """
labels = json.loads(Path("labels.json").read_text())
classes = sorted(set(labels))
numbers = {name: place for place, name in enumerate(classes)}
""",
        ),
        Section(
            "compare_images",
            ("train_names",),
            ("errors",),
            """
errors = []
for name in train_names:
    first, second = cv2.imread(f"images/{name}"), cv2.imread(f"decoded/{name}")
    errors.append(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2))
""",
        ),
        Section(
            "share",
            (),
            ("shares",),
            """
scores = np.load("scores.npy")
shares = scores / scores.sum(axis=1, keepdims=True)
counts = np.zeros(10, dtype=np.int64)
for guess in shares.argmax(axis=1):
    counts[guess] += 1
print(counts)
""",
        ),
        Section(
            "repeat",
            (),
            ("results",),
            """
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
results = []
for seed in range(10):
    model = MLPClassifier(random_state=seed).fit(X_train, y_train)
    results.append(model.score(X_test, y_test))
folds = KFold(5, shuffle=True, random_state=0)
first = cross_val_score(LogisticRegression(), X, y, cv=folds)
second = cross_val_score(MLPClassifier(random_state=0), X, y, cv=folds)
print(first, second)
""",
        ),
        Section(
            "conclude",
            ("results",),
            (),
            """
results = np.array(results)
half = 1.96 * results.std(ddof=1) / np.sqrt(len(results))
print(f"accuracy {results.mean():.3f} ± {half:.3f}")
values = []
for name in ("a", "b", "c", "d", "e"):
    test = stats.ttest_rel(np.load(f"{name}.npy"), results)
    values.append(test.pvalue)
print(stats.false_discovery_control(values) < 0.05)
""",
        ),
    ),
)

LIGHTNING = Base(
    "lightning",
    shape="lightning",
    whole="""
import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Data(L.LightningDataModule):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        rows, labels = torch.load("rows.pt"), torch.load("labels.pt")
        data = TensorDataset(rows, labels)
        self.train_set, self.val_set, self.test_set = random_split(data, [0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=self.batch_size)


class Net(L.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.lr = lr
        self.layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 5))
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, batch):
        return self.layers(batch)

    def training_step(self, batch, index):
        inputs, wanted = batch
        loss = self.criterion(self(inputs), wanted)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        inputs, wanted = batch
        outputs = self(inputs)
        self.log("val_loss", self.criterion(outputs, wanted))
        self.log("val_accuracy", (outputs.argmax(1) == wanted).float().mean())

    def test_step(self, batch, index):
        inputs, wanted = batch
        self.log("test_accuracy", (self(inputs).argmax(1) == wanted).float().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.lr)


def main():
    L.seed_everything(0)
    data, model = Data(), Net()
    trainer = L.Trainer(max_epochs=20, callbacks=[EarlyStopping("val_loss"), ModelCheckpoint(monitor="val_loss")])
    trainer.fit(model, datamodule=data)
    trainer.test(model, datamodule=data)


if __name__ == "__main__":
    main()
""",
)

TRAINER = Base(
    "hf trainer",
    shape="hf trainer",
    whole="""
import numpy as np
from datasets import load_dataset
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)


def score(prediction):
    logits, labels = prediction
    guess = np.argmax(logits, axis=-1)
    chance = np.exp(logits - logits.max(axis=-1, keepdims=True))
    chance = chance / chance.sum(axis=-1, keepdims=True)
    return {"accuracy": accuracy_score(labels, guess), "f1": f1_score(labels, guess), "auc": roc_auc_score(labels, chance[:, 1])}


def main():
    set_seed(0)
    data = load_dataset("imdb")
    parts = data["train"].train_test_split(test_size=0.1, seed=0)
    train_set, val_set, test_set = parts["train"], parts["test"], data["test"]
    tokenizer = AutoTokenizer.from_pretrained("distilbert-base-uncased")

    def encode(rows):
        return tokenizer(rows["text"], truncation=True, max_length=256)

    train_set, val_set, test_set = (part.map(encode, batched=True) for part in (train_set, val_set, test_set))
    model = AutoModelForSequenceClassification.from_pretrained("distilbert-base-uncased", num_labels=2)
    arguments = TrainingArguments(
        "out", num_train_epochs=3, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="f1"
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=train_set,
        eval_dataset=val_set,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=score,
        callbacks=[EarlyStoppingCallback(2)],
    )
    trainer.train()
    print(trainer.evaluate(test_set))


if __name__ == "__main__":
    main()
""",
)

BASES = {base.name: base for base in (TABLE, SERIES, NETWORK, MANY, STUDY, LIGHTNING, TRAINER)}
