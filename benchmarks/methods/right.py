"""Changes of the bases that look strange and are right: nothing may be found in them."""

from __future__ import annotations

from benchmarks.methods.trees import Edit, Variant

_SPLIT = "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)"
_SCALER = "scaler = StandardScaler()\nX_train = scaler.fit_transform(X_train)\nX_test = scaler.transform(X_test)\n"
_MODEL = "model = RandomForestClassifier(n_estimators=200, random_state=0)"
_AUC = 'print("AUC", roc_auc_score(y_test, model.predict_proba(X_test)[:, 1]))'


def _variant(name: str, base: str, *edits: tuple[str, str]) -> Variant:
    return Variant(name, base, tuple(Edit(*edit) for edit in edits))


RIGHT = (
    _variant("pipeline in cross-validation", "table", (_MODEL, f"print(cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), X_train, y_train, cv=KFold(5)))\n{_MODEL}")),
    _variant("scaler by constants", "table", (_SPLIT, f"X = X / 100.0\n{_SPLIT}")),
    _variant("each row by itself", "table", (_SPLIT, f"X = X.div(X.sum(axis=1), axis=0)\n{_SPLIT}")),
    _variant("scaler only for a picture", "table", (_SPLIT, f"picture = PCA(2).fit_transform(X)\nprint(picture[:3])\n{_SPLIT}")),
    _variant("refitted at the end", "table", (_AUC, f"{_AUC}\nmodel.fit(X_test, y_test)")),
    _variant("search on the training part", "table", ("model.fit(X_train, y_train)", 'search = GridSearchCV(model, {"max_depth": [3, 9]})\nsearch.fit(X_train, y_train)\nmodel = search.best_estimator_')),
    _variant("SMOTE on the training part", "table", ("model.fit(X_train, y_train)", "X_more, y_more = SMOTE(random_state=0).fit_resample(X_train, y_train)\nmodel.fit(X_more, y_more)")),
    _variant("filled with a constant", "table", ('table["income"] = np.log1p(table["income"])', 'table["income"] = np.log1p(table["income"].fillna(0))')),
    _variant("statistics of the training part", "table", (_SCALER, "mean, spread = X_train.mean(axis=0), X_train.std(axis=0)\nX_train, X_test = (X_train - mean) / spread, (X_test - mean) / spread\n")),
    _variant("written by loc", "table", ('table["income"] = np.log1p(table["income"])', 'table.loc[table["income"] < 0, "income"] = 0\ntable["income"] = np.log1p(table["income"])')),
    _variant("hash of a number", "table", ('table["income"] = np.log1p(table["income"])', 'table["part"] = [hash(int(number)) % 5 for number in table["id"]]\ntable["income"] = np.log1p(table["income"])')),
    _variant("inner split", "table", (_MODEL, f"X_fit, X_val, y_fit, y_val = train_test_split(X_train, y_train, random_state=1)\nbest = 0.0\nfor k in (1, 5, 9):\n    value = KNeighborsClassifier(k).fit(X_fit, y_fit).score(X_val, y_val)\n    if value > best:\n        best = value\nprint(best)\n{_MODEL}")),
    _variant("early stopping on a validation part", "table", (_MODEL, "X_fit, X_val, y_fit, y_val = train_test_split(X_train, y_train, random_state=1)\nmodel = XGBClassifier(n_estimators=1000, early_stopping_rounds=20, random_state=0)"), ("model.fit(X_train, y_train)", "model.fit(X_fit, y_fit, eval_set=[(X_val, y_val)])")),
    _variant("dropped in place", "table", ('X = table[["age", "income", "weight", "visits"]]\ny = table["sick"]', 'y = table.pop("sick")\nX = table')),
    _variant("difference of columns", "table", ('X = table[["age", "income", "weight", "visits"]]', 'table["index"] = table["weight"] / table["height"] ** 2\nX = table[["age", "income", "index", "visits"]]')),
    _variant("score on the training part, too", "table", ("guess = model.predict(X_test)", "guess = model.predict(X_test)\nprint(model.score(X_test, y_test))")),
    _variant("target of later rows", "series", ('table["target"] = table["sales"].shift(-1)', 'table["target"] = (table["sales"].shift(-7) > table["sales"]).astype(int)')),
    _variant("gaps filled from before", "series", ('table["week"] = table["sales"].rolling(7).mean()', 'table["week"] = table["visitors"].ffill().rolling(7).mean()')),
    _variant("expanding mean", "series", ('table["week"] = table["sales"].rolling(7).mean()', 'table["week"] = table["sales"].expanding().mean().shift(1)')),
    _variant("cut by time", "series", ("X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, shuffle=False)", "X_train, X_test, y_train, y_test = X[:800], X[800:], y[:800], y[800:]")),
    _variant("cross-validated in time", "series", ("model.fit(X_train, y_train)", "print(cross_val_score(model, X_train, y_train, cv=TimeSeriesSplit(4)).mean())\nmodel.fit(X_train, y_train)")),
    _variant("gradients accumulated", "network", ("        optimizer.zero_grad()\n        outputs", "        outputs"), ("        loss.backward()\n        optimizer.step()\n        total += loss.item()\n", "        (loss / 4).backward()\n        number += 1\n        if number % 4 == 0:\n            optimizer.step()\n            optimizer.zero_grad()\n        total += loss.item()\n"), ("    total = 0.0\n", "    total, number = 0.0, 0\n")),
    _variant("dropout with the mode", "network", ("        return self.head(self.body(batch))", "        return self.head(nn.functional.dropout(self.body(batch), 0.2, self.training))")),
    _variant("clipped now and then", "network", ("        loss.backward()\n", "        loss.backward()\n        if epoch > 3:\n            nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n")),
    _variant("optimizer of a second phase", "network", ("    scheduler.step()\n", "    scheduler.step()\n    if epoch == 10:\n        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)\n")),
    _variant("two passes", "network", ("        loss.backward()\n", "        loss.backward(retain_graph=True)\n        (1e-4 * sum(p.square().sum() for p in model.parameters())).backward()\n")),
    _variant("log-softmax and NLL", "network", ("        loss = criterion(outputs, wanted)\n", "        loss = nn.functional.nll_loss(outputs.log_softmax(1), wanted)\n")),
    _variant("batches of one row", "network", ("test_loader = DataLoader(test_set, batch_size=64)", "test_loader = DataLoader(test_set, batch_size=1)"), ("loss_sum += criterion(outputs, wanted).item() * len(wanted)", "loss_sum += criterion(outputs, wanted).item()"), ("{loss_sum / seen:.4f}", "{loss_sum / len(test_loader):.4f}")),
    _variant("seed of the epoch", "network", ("    model.train()\n    total = 0.0\n", "    torch.manual_seed(epoch)\n    model.train()\n    total = 0.0\n")),
    _variant("drawn with torch in workers", "network", ("start = int(torch.randint(5, ()))", "start = int(5 * torch.rand(()))")),
    _variant("gradient of the input", "network", ("model.load_state_dict(torch.load(\"best.pt\"))\nmodel.eval()\n", "model.load_state_dict(torch.load(\"best.pt\"))\nmodel.eval()\nprobe = torch.randn(2, 20, device=device, requires_grad=True)\nmodel(probe).sum().backward()\nprint(probe.grad)\n")),
    _variant("compared with zero", "network", ("    scheduler.step()\n", "    scheduler.step()\n    if total == 0:\n        break\n")),
    _variant("tolerance", "network", ("    scheduler.step()\n", "    scheduler.step()\n    if abs(total / len(train_loader) - 0.1) < 1e-6:\n        break\n")),
    _variant("brain floats without scaler", "many processes", ("torch.float16", "torch.bfloat16"), ("        scaler.scale(loss).backward()\n        scaler.unscale_(optimizer)\n", "        loss.backward()\n"), ("        scaler.step(optimizer)\n        scaler.update()\n", "        optimizer.step()\n")),
    _variant("a file for each rank", "many processes", ('    torch.save(model.module.state_dict(), "model.pt")\n', '    print("done")\ntorch.save(model.module.state_dict(), f"model-{rank}.pt")\n')),
    _variant("sorted later", "study", ('names = sorted(os.listdir("images"))', 'names = os.listdir("images")\nnames.sort()')),
    _variant("inverted image", "study", ("    errors.append(np.mean(", "    second = 255 - (255 - second)\n    errors.append(np.mean(")),
    _variant("axis put back", "study", ("shares = scores / scores.sum(axis=1, keepdims=True)", "shares = scores / scores.sum(axis=1)[:, None]")),
    _variant("first axis", "study", ("shares = scores / scores.sum(axis=1, keepdims=True)", "shares = scores / scores.sum(axis=0)")),
    _variant("spread alone", "study", ("half = 1.96 * results.std(ddof=1) / np.sqrt(len(results))", "half = results.std(ddof=1)")),
    _variant("time that is only shown", "study", ("results = []\n", "results = []\nprint(time.time())\n")),
    _variant("manual optimisation", "lightning", ("        self.lr = lr\n", "        self.lr = lr\n        self.automatic_optimization = False\n"), ('        self.log("train_loss", loss)\n        return loss\n', '        optimizer = self.optimizers()\n        optimizer.zero_grad()\n        self.manual_backward(loss)\n        optimizer.step()\n        self.log("train_loss", loss)\n')),
    _variant("no early stopping", "hf trainer", ("load_best_model_at_end=True, ", "")),
    _variant("rows made anew", "study", ("counts = np.zeros(10, dtype=np.int64)\n", "table = [[0] * 10 for _ in range(10)]\nfor guess in shares.argmax(axis=1):\n    table[guess][0] += 1\nprint(table)\ncounts = np.zeros(10, dtype=np.int64)\n")),
    _variant("empty, and filled", "study", ("counts = np.zeros(10, dtype=np.int64)\n", "counts = np.empty(10)\ncounts[:] = 0\n")),
    _variant("rounded into integers", "study", ("    counts[guess] += 1\n", "    counts[guess] = round((counts[guess] + 1) / 2)\n")),
    _variant("table sorted", "table", ('table["income"] = np.log1p(table["income"])', 'table = table.sort_values("income")\ntable["income"] = np.log1p(table["income"])')),
    _variant("macro under its name", "table", ('print("F1", f1_score(y_test, guess))', 'print("F1 (macro)", f1_score(y_test, guess, average="macro"))')),
    _variant("one order for both", "study", ("X, y = load_digits(return_X_y=True)\n", "X, y = load_digits(return_X_y=True)\norder = np.random.default_rng(0).permutation(len(X))\nX, y = X[order], y[order]\n")),
    _variant("generator before the loop", "study", ("values = []\n", "means, rng = [], np.random.default_rng(0)\nfor b in range(100):\n    means.append(rng.choice(results))\nprint(means)\nvalues = []\n")),
    _variant("separate generators", "study", ("results = []\n", "print([rng.normal() for rng in np.random.default_rng(0).spawn(9)])\nresults = []\n")),
    _variant("default that is None", "study", ("results = []\n", "def gather(value, kept=None):\n    kept = [] if kept is None else kept\n    kept.append(value)\n    return np.mean(kept)\n\n\nprint([gather(value) for value in range(5)])\nresults = []\n")),
    _variant("a file for each seed", "study", ("    results.append(model.score(X_test, y_test))\n", '    score = model.score(X_test, y_test)\n    results.append(score)\n    Path(f"score{seed}.json").write_text(json.dumps({"seed": seed, "score": score}))\n')),
)  # fmt: skip
