"""What the probe costs a training loop: the same loop with and without it, in turn, as a ratio.

    uv run --all-packages python -m benchmarks.probe_overhead [--rounds N]

Two loops: a small network, for which every call of Python counts, and a ResNet-18, which computes. Each goes through a `DataLoader`,
logs to a disabled W&B run and reads its config at every step, as experiments do. Importing is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

INJECTED = Path(__file__).resolve().parents[1] / "src" / "gonogo" / "execution" / "probe"
LOOPS = {"small network": ("small", 400), "ResNet-18, 16 images": ("resnet", 12)}
SCRIPT = """
import sys, time
import torch, wandb
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
kind, steps = sys.argv[1], int(sys.argv[2])
cfg = OmegaConf.create({"training": {"learning_rate": 0.01, "log": True}})
if kind == "small":
    model, shape, batch = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)), (64,), 64
else:
    from torchvision.models import resnet18
    model, shape, batch = resnet18(num_classes=10), (3, 32, 32), 16
optimizer = torch.optim.SGD(model.parameters(), lr=cfg.training.learning_rate)
loader = DataLoader(TensorDataset(torch.randn(steps * batch, *shape), torch.randint(0, 10, (steps * batch,))), batch_size=batch)
run = wandb.init(mode="disabled")


def epoch():
    for images, labels in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if cfg.training.log:
            wandb.log({"loss": loss.item()})


epoch()
started = time.perf_counter()
epoch()
print(time.perf_counter() - started)
"""


def seconds(folder: Path, kind: str, steps: int, probed: bool) -> float:
    environment = {**os.environ, "WANDB_SILENT": "true"}
    if probed:
        environment |= {
            "PYTHONPATH": str(INJECTED),
            "GONOGO_PROBE": str(folder / "probe.json"),
            "GONOGO_PROBE_KEY": "k",
            "GONOGO_EVENTS": os.devnull,
        }
    command = [sys.executable, "-m", "loop", kind, str(steps)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "loop.py").write_text(SCRIPT)
        settings = {
            "tree": f"{folder}/",
            "mode": "trial",
            "bounds": {"rows": 64},
            "caps": {},
            "scratch": name,
            "standins": [],
            "plugins": "",
        }
        (folder / "probe.json").write_text(json.dumps(settings))
        print("| loop | without (s) | with (s) | ratio (median of rounds) |\n|---|---|---|---|")
        for title, (kind, steps) in LOOPS.items():
            pairs = [(seconds(folder, kind, steps, False), seconds(folder, kind, steps, True)) for _ in range(rounds)]
            without, probed = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratio = statistics.median(there / bare for bare, there in pairs)
            print(f"| {title} | {without:.3f} | {probed:.3f} | {ratio:.3f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
