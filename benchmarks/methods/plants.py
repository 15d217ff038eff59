"""The planted mistakes, by base. The line that ends with the mark is where the mistake is."""

from __future__ import annotations

from benchmarks.methods.trees import Edit, Plant

_SPLIT = "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)"
_CHOICE = 'X = table[["age", "income", "weight", "visits"]]'
_TARGET = 'y = table["sick"]'
_FIT = "model.fit(X_train, y_train)"
_MODEL = "model = RandomForestClassifier(n_estimators=200, random_state=0)"
_SCALER = "scaler = StandardScaler()\nX_train = scaler.fit_transform(X_train)\nX_test = scaler.transform(X_test)\n"
_AUC = 'print("AUC", roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]))'


def _table(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "table", tuple(Edit(*edit) for edit in edits))


TABLE = (
    _table("LEK101", "scaler before split", (_SPLIT, f"X = StandardScaler().fit_transform(X)  # planted\n{_SPLIT}"), (_SCALER, "")),
    _table("LEK101", "imputer before split", (_TARGET, f'{_TARGET}\nfilled = SimpleImputer()\nX = filled.fit_transform(X)  # planted')),
    _table("LEK101", "selector before split", (_SPLIT, f"X = SelectKBest(f_classif, k=3).fit_transform(X, y)  # planted\n{_SPLIT}")),
    _table("LEK101", "projection before split", (_SPLIT, f"axes = PCA(n_components=3)\naxes.fit(X)  # planted\nX = axes.transform(X)\n{_SPLIT}")),
    _table("LEK102", "scaler fitted on test", ("X_test = scaler.transform(X_test)", "X_test = scaler.fit_transform(X_test)  # planted")),
    _table("LEK102", "imputer fitted on test", ("X_test = imputer.transform(X_test)", "X_test = SimpleImputer(strategy=\"median\").fit_transform(X_test)  # planted")),
    _table("LEK103", "SMOTE before split", (_SPLIT, f"X, y = SMOTE(random_state=0).fit_resample(X, y)  # planted\n{_SPLIT}")),
    _table("LEK103", "augmented before split", (_TARGET, f"{_TARGET}\nX = pd.concat([X, X + 0.01])  # planted\ny = pd.concat([y, y[:]])")),
    _table("LEK104", "normalised by hand", (_SPLIT, f"X = (X - X.mean()) / 2  # planted\n{_SPLIT}")),
    _table("LEK104", "filled by hand", ('table["income"] = np.log1p(table["income"])', 'table["income"] = table["income"].fillna(table["income"].mean())  # planted')),
    _table("LEK105", "target not dropped", (_CHOICE, 'X = table.drop(columns=["id"])'), ("X_train = imputer.fit_transform(X_train)\nX_test = imputer.transform(X_test)", "X_train, X_test = X_train.copy(), X_test.copy()"), (_FIT, f"{_FIT}  # planted")),
    _table("LEK105", "feature made of target", (_CHOICE, 'table["cost"] = table["sick"] * 3 + 1  # planted\nX = table[["age", "income", "weight", "cost"]]')),
    _table("LEK105", "target mean of all rows", (_CHOICE, 'table["risk"] = table.groupby("town")["sick"].transform("mean")  # planted\nX = table[["age", "income", "weight", "risk"]]')),
    _table("LEK108", "fitted to all rows", (_FIT, "model.fit(X_train, y_train)\nprint(len(X_train))"), (_SPLIT, f"{_SPLIT}\nX_train, y_train = X, y"), ('guess = model.predict(X_test)', 'guess = model.predict(X_test)  # planted')),
    _table("LEK109", "early stopping on test", (_MODEL, "model = XGBClassifier(n_estimators=1000, early_stopping_rounds=20, random_state=0)"), (_FIT, "print(model)"), ("guess = model.predict(X_test)", "model.fit(X_test[:0], y_test[:0], eval_set=[(X_test, y_test)])  # planted\nguess = model.predict(X_test)")),
    _table("LEK109", "neighbours chosen on test", ("guess = model.predict(X_test)", "best, chosen = 0.0, None\nfor k in range(1, 20):\n    value = accuracy_score(y_test, KNeighborsClassifier(k).fit(X_test[:50], y_test[:50]).predict(X_test))\n    if value > best:  # planted\n        best, chosen = value, k\nguess = model.predict(X_test)")),
    _table("LEK110", "patients split apart", ('table["income"] = np.log1p(table["income"])', 'table["income"] = np.log1p(table["income"])\nprint(table.groupby("patient_id").size().max())'), (_SPLIT, f"{_SPLIT}  # planted")),
    _table("LEK101", "several columns before the split", (_SPLIT, f"X = ColumnTransformer([('scaled', StandardScaler(), ['age', 'income'])]).fit_transform(X)  # planted\n{_SPLIT}")),
    _table("LEK109", "best of a table of scores", ("guess = model.predict(X_test)", "scores = {}\nfor k in range(1, 20):\n    scores[k] = KNeighborsClassifier(k).fit(X_test[:50], y_test[:50]).score(X_test, y_test)\nprint(max(scores, key=scores.get))  # planted\nguess = model.predict(X_test)")),
    _table("LEK109", "threshold by the test part", ("guess = model.predict(X_test)", "chances = model.predict_proba(X_test)[:, 1]\nchosen = max(np.linspace(0.1, 0.9, 9), key=lambda level: f1_score(y_test, chances >= level))  # planted\nguess = model.predict(X_test)")),
    _table("REP111", "rows chosen by hash", (_CHOICE, 'table["part"] = table["town"].map(lambda town: hash(town) % 5)  # planted\nX = table[["age", "income", "weight", "part"]]')),
    _table("NUM111", "outliers cut in a copy", (_CHOICE, f'table[table["age"] > 110]["age"] = 110  # planted\n{_CHOICE}')),
    _table("NUM112", "recall for precision", ('print("F1", f1_score(y_test, guess))', 'print("F1", f1_score(y_test, guess))\nprint("precision", precision_score(model.predict(X_test), y_test))  # planted')),
    _table("TRN140", "gaps dropped for nothing", ('table["income"] = np.log1p(table["income"])', 'table.dropna()  # planted\ntable["income"] = np.log1p(table["income"])')),
    _table("REP105", "split without state", (_SPLIT, "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y)  # planted")),
    _table("LEK127", "best of the folds for the test's", (_AUC, 'search = GridSearchCV(model, {"max_depth": [3, 5]}, cv=5).fit(X_test[:50], y_test[:50])\nprint("test accuracy", search.best_score_)  # planted')),
    _table("NUM106", "area of labels", (_AUC, 'print("AUC", roc_auc_score(y_test, guess))  # planted')),
    _table("NUM106", "area of thresholded", (_AUC, 'sure = model.predict_proba(X_test)[:, 1] > 0.5\nprint("AUC", roc_auc_score(y_test, sure))  # planted')),
    _table("NUM108", "fraction against percent", ('print("F1", f1_score(y_test, guess))', 'if f1_score(y_test, guess) > 80:  # planted\n    print("good")')),
    _table("NUM110", "accuracy alone", (_MODEL, 'model = RandomForestClassifier(n_estimators=200, class_weight="balanced", random_state=0)'), ('print("accuracy", accuracy_score(y_test, guess))', 'print("accuracy", accuracy_score(y_test, guess))  # planted'), ('print("F1", f1_score(y_test, guess))\n', ""), (_AUC, 'print("done")')),
)  # fmt: skip


def _series(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "series", tuple(Edit(*edit) for edit in edits))


_WEEK = 'table["week"] = table["sales"].rolling(7).mean()'
_DIVIDE = "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, shuffle=False)"
SERIES = (
    _series("LEK106", "negative shift", (_WEEK, 'table["week"] = table["visitors"].shift(-7)  # planted')),
    _series("LEK106", "centred window", (_WEEK, 'table["week"] = table["sales"].rolling(7, center=True).mean()  # planted')),
    _series("LEK106", "filled from behind", (_WEEK, 'table["week"] = table["visitors"].bfill()  # planted')),
    _series("LEK107", "shuffled split", (_DIVIDE, "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)  # planted")),
    _series("LEK101", "scaler before cut by time", (_DIVIDE, "X = MinMaxScaler().fit_transform(X)  # planted\nX_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]")),
    _series("LEK108", "slices overlap", (_DIVIDE, "X_train, y_train, y_test = X[:900], y[:900], y[800:]\nX_test = X[800:]  # planted")),
)  # fmt: skip


def _network(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "network", tuple(Edit(*edit) for edit in edits))


_STEP = "        optimizer.step()\n        total += loss.item()\n"
_FORWARD = "        return self.head(self.body(batch))"
_TEST_LOADER = "test_loader = DataLoader(test_set, batch_size=64)"
_LOSS = "        loss = criterion(outputs, wanted)\n"
_BEST = "    if accuracy > best:\n        best = accuracy\n"
NETWORK = (
    _network("TRN101", "gradients never cleared", ("        optimizer.zero_grad()\n", ""), (_STEP, "        optimizer.step()  # planted\n        total += loss.item()\n")),
    _network("TRN103", "no step", (_STEP, "        total += loss.item()\n"), ("        loss.backward()\n", "        loss.backward()  # planted\n")),
    _network("TRN102", "step before backward", ("        loss.backward()\n        optimizer.step()\n", "        optimizer.step()  # planted\n        loss.backward()\n")),
    _network("TRN104", "loss is a number", ("        loss.backward()\n", "        loss = torch.tensor(loss.item(), requires_grad=True)\n        loss.backward()  # planted\n")),
    _network("TRN105", "trained in eval mode", ("    model.train()\n", "    print(epoch)\n"), ("        outputs = model(batch)\n        loss =", "        outputs = model(batch)  # planted\n        loss =")),
    _network("TRN106", "scored in train mode", ("    model.eval()\n    right = seen = 0\n    with torch.no_grad():", "    right = seen = 0\n    with torch.no_grad():"), ("            right += (model(batch).argmax(1) == wanted).sum().item()\n", "            right += (model(batch).argmax(1) == wanted).sum().item()  # planted\n")),
    _network("TRN107", "softmax before cross-entropy", (_FORWARD, "        return torch.softmax(self.head(self.body(batch)), dim=1)"), (_LOSS, "        loss = criterion(outputs, wanted)  # planted\n")),
    _network("TRN110", "graph kept", ("        total += loss.item()\n", "        total += loss  # planted\n")),
    _network("TRN113", "optimizer before the new head", ("optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)", "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)\nmodel.head = nn.Linear(64, 5).to(device)  # planted")),
    _network("TRN115", "layers in a plain list", ("        self.head = nn.Linear(width, 5)\n", "        self.head = nn.Linear(width, 5)\n        self.more = [nn.Linear(width, width) for _ in range(3)]  # planted\n"), (_FORWARD, "        batch = self.body(batch)\n        for layer in self.more:\n            batch = layer(batch)\n        return self.head(batch)")),
    _network("TRN117", "scheduler never stepped", ("    scheduler.step()\n", ""), ("scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)", "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)  # planted")),
    _network("TRN118", "epochs' scheduler in each batch", ("    scheduler.step()\n", ""), (_STEP, "        optimizer.step()\n        scheduler.step()  # planted\n        total += loss.item()\n")),
    _network("TRN119", "misfits unread", ('model.load_state_dict(torch.load("best.pt"))', 'model.load_state_dict(torch.load("best.pt"), strict=False)  # planted')),
    _network("TRN120", "evaluated with gradients", ("    with torch.no_grad():", "    if True:"), ("            right += (model(batch).argmax(1) == wanted).sum().item()\n", "            right += (model(batch).argmax(1) == wanted).sum().item()  # planted\n")),
    _network("TRN122", "batch left on the CPU", ("        batch, wanted = batch.to(device), wanted.to(device)\n        optimizer.zero_grad()\n        outputs = model(batch)\n", "        wanted = wanted.to(device)\n        optimizer.zero_grad()\n        outputs = model(batch)  # planted\n"), ("data = Windows(rows, labels)\n", "data = TensorDataset(rows, labels)\n")),
    _network("LEK108", "test loader of the training set", (_TEST_LOADER, "test_loader = DataLoader(train_set, batch_size=64)  # planted")),
    _network("LEK109", "checkpoint by the test part", ("    with torch.no_grad():\n        for batch, wanted in val_loader:", "    with torch.no_grad():\n        for batch, wanted in val_loader:"), ("train_set, val_set, test_set = random_split(data, [0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))", "train_set, test_set = random_split(data, [0.8, 0.2], generator=torch.Generator().manual_seed(0))\nval_set = test_set"), (_BEST, "    if accuracy > best:  # planted\n        best = accuracy\n")),
    _network("LEK104", "rows normalised before the split", ("data = Windows(rows, labels)\n", "rows = (rows - rows.mean(0)) / 2  # planted\ndata = Windows(rows, labels)\n")),
    _network("REP101", "never seeded", ("torch.manual_seed(0)\nnp.random.seed(0)\n", ""), ("data = Windows(rows, labels)\n", "data = Windows(rows, labels)\nrows = rows + 0.01 * np.random.randn()  # planted\n")),
    _network("REP102", "seeded after the weights", ("torch.manual_seed(0)\nnp.random.seed(0)\n", "np.random.seed(0)\n"), ("scheduler = torch", "torch.manual_seed(0)  # planted\nscheduler = torch")),
    _network("REP103", "seeded in each epoch", ("    model.train()\n    total = 0.0\n", "    torch.manual_seed(0)  # planted\n    model.train()\n    total = 0.0\n")),
    _network("REP104", "workers draw the same", ('        self.names = ["window"]\n', "        self.rng = np.random.default_rng(0)\n"), ("start = int(torch.randint(5, ()))", "start = self.rng.integers(5)"), ("train_set, val_set, test_set = random_split(data, [0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))", "train_set, val_set, test_set = data, Windows(rows[:100], labels[:100]), Windows(rows[100:200], labels[100:200])"), ("train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2)", "train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2)  # planted")),
    _network("REP105", "random split without generator", ("[0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))", "[0.8, 0.1, 0.1])  # planted"), ("torch.manual_seed(0)\n", "")),
    _network("REP109", "seed from the clock", ("torch.manual_seed(0)\n", "torch.manual_seed(int(time.time()))  # planted\n"), ("import numpy as np\n", "import time\n\nimport numpy as np\n")),
    _network("REP110", "determinism undone", ("np.random.seed(0)\n", "np.random.seed(0)\ntorch.backends.cudnn.deterministic = True\ntorch.backends.cudnn.benchmark = True  # planted\n")),
    _network("NUM101", "loss compared with ==", ("    scheduler.step()\n", "    scheduler.step()\n    if total / len(train_loader) == 0.1:  # planted\n        break\n")),
    _network("NUM102", "logarithm of a softmax", (_LOSS, "        chance = torch.softmax(outputs, dim=1)\n        loss = nn.functional.nll_loss(torch.log(chance), wanted)  # planted\n")),
    _network("NUM105", "mean of batch means", ("loss_sum += criterion(outputs, wanted).item() * len(wanted)", "loss_sum += criterion(outputs, wanted).item()"), ("loss {loss_sum / seen:.4f}, ", "loss {loss_sum / len(test_loader):.4f}, "), ("average='macro'):.3f}\")\n", "average='macro'):.3f}\")  # planted\n")),
    _network("NUM107", "F1 of each batch", ("        right += (outputs.argmax(1) == wanted).sum().item()\n        seen", "        scores.append(f1_score(wanted.cpu(), outputs.argmax(1).cpu(), average=\"macro\"))  # planted\n        right += (outputs.argmax(1) == wanted).sum().item()\n        seen"), ("guesses, truth = [], []\n", "guesses, truth, scores = [], [], []\n")),
    _network("TRN102", "nothing computes gradients", ("        loss.backward()\n        optimizer.step()\n", "        optimizer.step()  # planted\n")),
    _network("TRN110", "graph retained for nothing", ("        loss.backward()\n", "        loss.backward(retain_graph=True)  # planted\n")),
    _network("TRN135", "step not called", ("        optimizer.step()\n", "        optimizer.step  # planted\n")),
    _network("TRN135", "eval not called", ("    model.eval()\n    right = seen = 0\n", "    model.eval  # planted\n    right = seen = 0\n")),
    _network("TRN136", "layer made in each pass", (_FORWARD, "        hidden = nn.Linear(64, 64).to(batch.device)\n        print(hidden)\n        return self.head(nn.Linear(64, 64)(self.body(batch)))  # planted")),
    _network("TRN137", "dropout that knows no mode", (_FORWARD, "        return self.head(nn.functional.dropout(self.body(batch), p=0.2))  # planted")),
    _network("TRN137", "dropout made in each pass", (_FORWARD, "        drop = nn.Dropout(0.2)  # planted\n        return self.head(drop(self.body(batch)))")),
    _network("TRN138", "clipped after the step", (_STEP, "        optimizer.step()\n        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # planted\n        total += loss.item()\n")),
    _network("TRN138", "clipped before the gradients", ("        loss.backward()\n", "        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # planted\n        loss.backward()\n")),
    _network("TRN139", "optimizer made in each epoch", ("    model.train()\n    total = 0.0\n", "    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)  # planted\n    model.train()\n    total = 0.0\n"), ("    scheduler.step()\n", ""), ("scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)", "scheduler = None")),
    _network("TRN140", "batch moved for nothing", ("        batch, wanted = batch.to(device), wanted.to(device)\n        optimizer.zero_grad()\n", "        batch.to(device)  # planted\n        optimizer.zero_grad()\n")),
    _network("NUM107", "perplexity of each batch", ("        right += (outputs.argmax(1) == wanted).sum().item()\n        seen", "        scores.append(criterion(outputs, wanted).exp().item())  # planted\n        right += (outputs.argmax(1) == wanted).sum().item()\n        seen"), ("guesses, truth = [], []\n", "guesses, truth, scores = [], [], []\n")),
    _network("NUM113", "last batch scored", ("average='macro'):.3f}\")\n", "average='macro'):.3f}\")\nprint(f1_score(wanted.cpu(), outputs.argmax(1).cpu(), average=\"macro\"))  # planted\n")),
    _network("LEK111", "augmented rows scored", ("from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split\n", "from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split\nfrom torchvision import datasets, transforms\n"), ("data = Windows(rows, labels)\n", "varied = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])\ndata = datasets.ImageFolder('images', transform=varied)\n"), ("val_loader = DataLoader(val_set, batch_size=64)", "val_loader = DataLoader(val_set, batch_size=64)  # planted")),
    _network("TRN141", "never shuffled", ("from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split\n", "from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split\nfrom torchvision import datasets\n"), ("data = Windows(rows, labels)\n", "data = Windows(rows, labels)\nimages = datasets.ImageFolder('images')\n"), ("train_set, val_set, test_set = random_split(data, [0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))", "train_set, val_set, test_set = images, data, Windows(rows[:9], labels[:9])"), ("train_loader = DataLoader(train_set, batch_size=64, shuffle=True, num_workers=2)", "train_loader = DataLoader(train_set, batch_size=64)  # planted")),
    _network("NUM114", "rows dropped", (_TEST_LOADER, "test_loader = DataLoader(test_set, batch_size=64, drop_last=True)  # planted")),
    _network("TRN183", "loss with a minus", ("        loss.backward()\n", "        (-loss).backward()  # planted\n")),
    _network("TRN183", "optimizer that maximises", ("optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)", "optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, maximize=True)"), ("        loss.backward()\n", "        loss.backward()  # planted\n")),
    _network("TRN107", "one output for five classes", ("        self.head = nn.Linear(width, 5)", "        self.head = nn.Linear(width, 1)"), (_LOSS, "        loss = criterion(outputs, wanted)  # planted\n"), ("        loss_sum += criterion(outputs, wanted).item() * len(wanted)\n", "        loss_sum += nn.functional.nll_loss(outputs.log_softmax(1), wanted).item() * len(wanted)\n")),
    _network("NUM133", "log-softmax over the rows", (_LOSS, "        loss = nn.functional.nll_loss(torch.log_softmax(outputs, dim=0), wanted)  # planted\n")),
    _network("NUM134", "largest outputs for classes", ("            right += (model(batch).argmax(1) == wanted).sum().item()\n", "            guess, _ = model(batch).max(dim=1)\n            right += (guess == wanted).sum().item()  # planted\n")),
    _network("NUM135", "total of all epochs", ("    model.train()\n    total = 0.0\n", "    model.train()\n"), ("best = 0.0\n", "best = total_loss = 0.0\n"), ("        total += loss.item()\n", "        total_loss += loss.item()\n"), ("total / len(train_loader))\n", "total_loss / len(train_loader))  # planted\n")),
    _network("EVA141", "best saved, last tested", ('model.load_state_dict(torch.load("best.pt"))\n', ""), ("average='macro'):.3f}\")\n", "average='macro'):.3f}\")  # planted\n")),
    _network("LEK127", "validation score for the test's", ("    accuracy = right / seen\n", "    accuracy = right / seen\n    print(f\"test accuracy {accuracy:.3f}\")  # planted\n")),
    _network("NUM108", "percent against fraction", ("if accuracy > 90:", "if accuracy > 0.9:  # planted")),
    _network("NUM108", "percent printed as fraction", ("test accuracy {accuracy:.2f}%, ", "test accuracy {accuracy:.2%}, "), ("average='macro'):.3f}\")\n", "average='macro'):.3f}\")  # planted\n")),
)  # fmt: skip


def _many(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "many processes", tuple(Edit(*edit) for edit in edits))


MANY = (
    _many("TRN123", "clipped while scaled", ("        scaler.unscale_(optimizer)\n        nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n", "        nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # planted\n")),
    _many("TRN123", "stepped while scaled", ("        scaler.unscale_(optimizer)\n        nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n        scaler.step(optimizer)\n", "        optimizer.step()  # planted\n")),
    _many("TRN123", "never updated", ("        scaler.step(optimizer)\n        scaler.update()\n", "        scaler.step(optimizer)  # planted\n")),
    _many("TRN124", "epoch not set", ("    sampler.set_epoch(epoch)\n", ""), ("sampler = DistributedSampler(train_set)\n", "sampler = DistributedSampler(train_set)  # planted\n")),
    _many("TRN125", "saved on every rank", ('    torch.save(model.module.state_dict(), "model.pt")\n', '    print("done")\ntorch.save(model.module.state_dict(), "model.pt")  # planted\n')),
    _many("TRN126", "counts not reduced", ("dist.all_reduce(counts)\n", ""), ("    for batch, wanted in val_loader:\n", "    for batch, wanted in val_loader:  # planted\n")),
)  # fmt: skip


def _study(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "study", tuple(Edit(*edit) for edit in edits))


STUDY = (
    _study("REP107", "files as they are listed", ('names = sorted(os.listdir("images"))', 'names = os.listdir("images")  # planted')),
    _study("REP107", "files of a glob", ('names = sorted(os.listdir("images"))', 'names = [path.name for path in Path("images").glob("*.png")]  # planted')),
    _study("REP108", "classes in the order of a set", ("classes = sorted(set(labels))\nnumbers = {name: place for place, name in enumerate(classes)}", "classes = list(set(labels))\nnumbers = {name: place for place, name in enumerate(classes)}  # planted")),
    _study("NUM104", "images subtracted as bytes", ("    errors.append(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2))", "    errors.append(np.mean((first - second) ** 2))  # planted")),
    _study("NUM104", "counts in bytes", ("counts = np.zeros(10, dtype=np.int64)", "counts = np.zeros(10, dtype=np.uint8)"), ("    counts[guess] += 1\n", "    counts[guess] += 1  # planted\n")),
    _study("NUM103", "axis lost", ("shares = scores / scores.sum(axis=1, keepdims=True)", "shares = scores / scores.sum(axis=1)  # planted")),
    _study("NUM109", "deviation for error", ("half = 1.96 * results.std(ddof=1) / np.sqrt(len(results))", "half = 1.96 * results.std(ddof=1)  # planted")),
    _study("NUM109", "divided by n", ("half = 1.96 * results.std(ddof=1) / np.sqrt(len(results))", "half = results.std(ddof=1) / len(results)  # planted")),
    _study("SCI108", "folds tested", ("print(first, second)\n", "print(stats.ttest_rel(first, second))  # planted\n")),
    _study("SCI106", "best seed", ('print(f"accuracy {results.mean():.3f} ± {half:.3f}")', 'print("accuracy", half)'), ("half = 1.96 * results.std(ddof=1) / np.sqrt(len(results))", "half = 0"), ("folds = KFold(5, shuffle=True, random_state=0)\n", "folds = KFold(5, shuffle=True, random_state=0)\nprint(max(results))  # planted\n"), ("ttest_rel(np.load(f\"{name}.npy\"), results)", "ttest_1samp(np.load(f\"{name}.npy\"), 0.5)")),
    _study("SCI107", "tests uncorrected", ("    test = stats.ttest_rel(np.load(f\"{name}.npy\"), results)\n    values.append(test.pvalue)\nprint(stats.false_discovery_control(values) < 0.05)", "    test = stats.ttest_rel(np.load(f\"{name}.npy\"), results)  # planted\n    if test.pvalue < 0.05:\n        values.append(name)\nprint(values)")),
    _study("REP112", "repetitions with equal seeds", ("for seed in range(10):", "for seed in [0, 1, 1]:  # planted")),
    _study("REP106", "one generator for both", ("folds = KFold(5, shuffle=True, random_state=0)", "folds = KFold(5, shuffle=True, random_state=np.random.RandomState(0))"), ("second = cross_val_score(MLPClassifier(random_state=0), X, y, cv=folds)", "second = cross_val_score(MLPClassifier(random_state=0), X, y, cv=folds)  # planted")),
)  # fmt: skip


def _lightning(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "lightning", tuple(Edit(*edit) for edit in edits))


LIGHTNING = (
    _lightning("TRN107", "softmax before cross-entropy", ("        return self.layers(batch)", "        return torch.softmax(self.layers(batch), dim=1)"), ("        loss = self.criterion(self(inputs), wanted)", "        loss = self.criterion(self(inputs), wanted)  # planted")),
    _lightning("TRN115", "layers in a plain list", ("        self.criterion = nn.CrossEntropyLoss()\n", "        self.criterion = nn.CrossEntropyLoss()\n        self.more = [nn.Linear(5, 5) for _ in range(2)]  # planted\n"), ("        return self.layers(batch)", "        batch = self.layers(batch)\n        for layer in self.more:\n            batch = layer(batch)\n        return batch")),
    _lightning("LEK104", "rows normalised before the split", ("        data = TensorDataset(rows, labels)\n", "        rows = (rows - rows.mean(0)) / 2  # planted\n        data = TensorDataset(rows, labels)\n")),
    _lightning("LEK108", "validation on the training set", ("        return DataLoader(self.val_set, batch_size=self.batch_size)", "        return DataLoader(self.train_set, batch_size=self.batch_size)  # planted")),
    _lightning("LEK109", "stopped by the test part", ("        return DataLoader(self.val_set, batch_size=self.batch_size)", "        return DataLoader(self.test_set, batch_size=self.batch_size)  # planted")),
    _lightning("REP105", "random split without generator", ("[0.8, 0.1, 0.1], generator=torch.Generator().manual_seed(0))", "[0.8, 0.1, 0.1])  # planted"), ("    L.seed_everything(0)\n", "")),
    _lightning("NUM102", "logarithm of a softmax", ("        loss = self.criterion(self(inputs), wanted)", "        loss = nn.functional.nll_loss(torch.log(torch.softmax(self(inputs), dim=1)), wanted)  # planted")),
)  # fmt: skip


def _trainer(rule: str, name: str, *edits: tuple[str, str]) -> Plant:
    return Plant(rule, name, "hf trainer", tuple(Edit(*edit) for edit in edits))


TRAINER = (
    _trainer("LEK109", "best checkpoint by the test part", ("        eval_dataset=val_set,", "        eval_dataset=test_set,"), ("    trainer = Trainer(\n", "    trainer = Trainer(  # planted\n")),
    _trainer("NUM106", "area of labels", ('    return {"accuracy": accuracy_score(labels, guess), "f1": f1_score(labels, guess), "auc": roc_auc_score(labels, chance[:, 1])}', '    return {"accuracy": accuracy_score(labels, guess), "auc": roc_auc_score(labels, guess)}  # planted')),
    _trainer("NUM103", "axis lost", ("    chance = chance / chance.sum(axis=-1, keepdims=True)", "    chance = chance / chance.sum(axis=1)  # planted")),
    _trainer("NUM102", "softmax overflows", ("    chance = np.exp(logits - logits.max(axis=-1, keepdims=True))\n    chance = chance / chance.sum(axis=-1, keepdims=True)", "    chance = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)  # planted")),
    _trainer("REP105", "split without seed", ('.train_test_split(test_size=0.1, seed=0)', ".train_test_split(test_size=0.1)  # planted"), ("    set_seed(0)\n", "")),
)  # fmt: skip

_DRAW = (
    "from sklearn.neural_network import MLPClassifier\n",
    "from sklearn.neural_network import MLPClassifier\nimport jax\nfrom concurrent.futures import ProcessPoolExecutor, as_completed\nfrom joblib import Parallel, delayed\n\n\ndef draw(rng):\n    return rng.normal()\n",
)
_COUNTS = "counts = np.zeros(10, dtype=np.int64)\n"
_READ = 'table["income"] = np.log1p(table["income"])'
_LOADED = "X, y = load_digits(return_X_y=True)\n"


def _before(place: str, lines: str) -> tuple[str, str]:
    """Lines before a place."""
    return place, f"{lines}\n{place}"


# Silent mistakes that nobody tuned the rules on: pandas, NumPy, workers, files.
SILENT = (
    _study("NUM121", "rows that are one list", _before(_COUNTS, "table = [[0] * 10] * 10  # planted\nfor guess in shares.argmax(axis=1):\n    table[guess][0] += 1\nprint(table)")),
    _study("NUM122", "added to what was in memory", (_COUNTS, "counts = np.empty(10)  # planted\n")),
    _study("NUM123", "share in an array of integers", ("    counts[guess] += 1\n", "    counts[guess] = (counts[guess] + 1) / 2  # planted\n")),
    _table("NUM124", "column sorted by itself", (_READ, f'{_READ}\ntable["income"] = table["income"].sort_values()  # planted')),
    _table("NUM124", "labels shuffled by label", (_READ, f'{_READ}\ntable["sick"] = table["sick"].sample(frac=1, random_state=0)  # planted')),
    _table("NUM125", "micro for macro", ('print("F1", f1_score(y_test, guess))', 'print("F1 (macro)", f1_score(y_test, guess, average="micro"))  # planted')),
    _table("NUM111", "selection changed in place", (_CHOICE, f'table[table["age"] > 110].drop(columns=["age"], inplace=True)  # planted\n{_CHOICE}')),
    _table("LEK110", "groups that folds ignore", (_FIT, f"{_FIT}\nprint(cross_val_score(model, X_train, y_train, groups=X_train[:, 0], cv=KFold(5)))  # planted")),
    _study("NUM126", "examples shuffled without labels", (_LOADED, f"{_LOADED}np.random.shuffle(X)  # planted\n")),
    _study("REP103", "each sample from one seed", _before("values = []\n", "means = []\nfor b in range(100):\n    rng = np.random.default_rng(0)  # planted\n    means.append(rng.choice(results))\nprint(means)")),
    _study("REP121", "one generator for all processes", _DRAW, _before("results = []\n", "shared = np.random.default_rng(0)\nprint(Parallel(n_jobs=4)(delayed(draw)(shared) for _ in range(9)))  # planted")),
    _study("REP122", "one key for two draws", _DRAW, _before("results = []\n", "key = jax.random.key(0)\nprint(jax.random.normal(key, (3,)))\nprint(jax.random.normal(key, (3,)))  # planted")),
    _study("REP123", "results as they end", _DRAW, _before("results = []\n", "rates = [0.1, 0.01]\nwith ProcessPoolExecutor() as pool:\n    futures = [pool.submit(draw, rate) for rate in rates]\n    found = [entry.result() for entry in as_completed(futures)]  # planted\nprint(rates[int(np.argmax(found))])")),
    _study("REP124", "default that remembers", _before("results = []\n", "def gather(value, kept=[]):  # planted\n    kept.append(value)\n    return np.mean(kept)\n\n\nprint([gather(value) for value in range(5)])")),
    _study("EVA132", "methods by the beginning of their names", ("rng.shuffle(names)\n", 'rng.shuffle(names)\nprint([[name for name in names if name.startswith(kind)] for kind in ("bn", "bn_adapt")])  # planted\n')),
    _study("EVA133", "one file for all seeds", ("    results.append(model.score(X_test, y_test))\n", '    score = model.score(X_test, y_test)\n    results.append(score)\n    Path("score.json").write_text(json.dumps({"seed": seed, "score": score}))  # planted\n')),
    _study("SCI142", "epochs tested", _before("values = []\n", "history = []\nfor epoch in range(9):\n    history.append(np.log(epoch + 1))\nprint(stats.ttest_ind(history, results))  # planted")),
)  # fmt: skip

PLANTS = (*TABLE, *SERIES, *NETWORK, *MANY, *STUDY, *LIGHTNING, *TRAINER, *SILENT)
