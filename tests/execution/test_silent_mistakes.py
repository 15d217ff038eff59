"""Training that is right and looks strange, and mistakes that nothing says: each as a small program under the probe, in processes of its own.

The programs of one test run one after the other in one process, so that torch is imported once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: `uv sync --all-packages` installs it")

pytestmark = pytest.mark.slow
PROBE = Path(__file__).parents[2] / "src" / "gonogo" / "execution" / "probe"
RUNNER = """\
import json, os, sys
sys.path.insert(0, sys.argv[1])
import gonogo_probe
gonogo_probe.start()
from gonogo_probe import channel, events
import torch
torch.set_num_threads(1)
found = {}
said = lambda event: found.__setitem__((event.what, event.name), event) if isinstance(event, events.Odd) else None
channel.emit = said
for name in sorted(os.listdir("programs")):
    if os.fork() == 0:
        code = compile(open(f"programs/{name}").read(), f"{os.getcwd()}/programs/{name}", "exec")
        exec(code, {"__name__": "__main__"})
        channel.flush()
        wrong = sorted({odd.what for odd in found.values() if odd.wrong})
        open(f"{name}.json", "w").write(json.dumps(wrong))
        os._exit(0)
    os.wait()
"""
HEAD = """\
import copy
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(24, 6), torch.arange(24) % 3


def trains(network, parameters, loss, steps=3, after=lambda: None):
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        after()


class Two(nn.Module):
    def __init__(self, cut=False):
        super().__init__()
        self.body, self.head, self.cut = nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, 3), cut

    def forward(self, x):
        if self.cut:
            with torch.no_grad():
                hidden = self.body(x)
        else:
            hidden = self.body(x)
        return self.head(hidden)


words = torch.arange(1, 41).reshape(4, 10) * (torch.arange(10) < 6)
"""
RIGHT = {
    "functional": """
from torch.func import functional_call, grad, grad_and_value, jacrev, vmap
n = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
loss = lambda p, x, y: F.cross_entropy(functional_call(n, p, (x,)), y)
held = {name: p.detach() for name, p in n.named_parameters()}
for _ in range(3):
    found, _ = grad_and_value(loss)(held, x, y)
    held = {name: p - 0.1 * found[name] for name, p in held.items()}
each = vmap(grad(loss), in_dims=(None, 0, 0))(held, x[:, None], y[:, None])
assert each["0.weight"].shape == (24, 8, 6) and vmap(jacrev(n))(x).shape == (24, 3, 6)
start = dict(n.named_parameters())
def outer():
    moved = grad(loss)(start, x[:12], y[:12])
    return loss({name: p - 0.1 * moved[name] for name, p in start.items()}, x[12:], y[12:])
trains(n, n.parameters(), outer)
""",
    "no_numbers": """
n = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
assert copy.deepcopy(n).to("meta")(x.to("meta")).is_meta
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode(allow_non_fake_inputs=True):
    assert n(torch.randn(5, 6)).shape == (5, 3)
assert torch.jit.trace(n.eval(), x)(x).shape == (24, 3)
trains(n.train(), n.parameters(), lambda: F.cross_entropy(n(x), y))
""",
    "compiled": """
n = Two()
fast = torch.compile(n, backend="eager", fullgraph=True)
trains(n, n.parameters(), lambda: F.cross_entropy(fast(x), y))
whole = torch.compile(lambda: F.cross_entropy(n(x), y), backend="eager", fullgraph=True)
trains(n, n.parameters(), whole)
n.compile(backend="eager")
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))
torch.compiler.set_stance("default")
trains(n, n.parameters(), torch.compile(lambda: F.cross_entropy(n(x), y), backend="eager", fullgraph=True))
""",
    "frozen": "n = Two(True); n.body.requires_grad_(False); trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))",
    "frozen_in_eval": "n = Two(True); n.body.eval(); trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))",
    "head_alone": "n = Two(True); trains(n, n.head.parameters(), lambda: F.cross_entropy(n(x), y))",
    "loaded_body": """
n = Two(); n.load_state_dict(Two().state_dict())
trains(n, n.head.parameters(), lambda: F.cross_entropy(n(x), y))
""",
    "lora": """
class Lora(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base, self.a, self.b = base.requires_grad_(False), nn.Linear(6, 2, bias=False), nn.Linear(2, 3, bias=False)
        nn.init.zeros_(self.b.weight)
    def forward(self, x):
        return self.base(x) + self.b(self.a(x))
n = Lora(nn.Linear(6, 3))
trains(n, [p for p in n.parameters() if p.requires_grad], lambda: F.cross_entropy(n(x), y))
""",
    "average_inside": """
class Momentum(nn.Module):
    def __init__(self):
        super().__init__()
        self.online = nn.Linear(6, 4); self.target = copy.deepcopy(self.online)
    def forward(self, x):
        with torch.no_grad():
            goal = self.target(x)
        return F.mse_loss(self.online(x + 0.1), goal)
n = Momentum()
trains(n, n.parameters(), lambda: n(x))
""",
    "codebook_by_average": """
class Quantised(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.codes = nn.Linear(6, 4), nn.Embedding(5, 4)
    def forward(self, x):
        z = self.encode(x)
        index = torch.cdist(z, self.codes.weight.detach()).argmin(1)
        q = self.codes(index).detach()
        self.codes.weight.data.mul_(0.9)
        return F.mse_loss(z, q)
n = Quantised()
trains(n, n.parameters(), lambda: n(x))
""",
    "gan": """
g, d = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 6)), nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 1))
og, od = torch.optim.Adam(g.parameters()), torch.optim.Adam(d.parameters())
for _ in range(4):
    fake = g(torch.randn(24, 2))
    od.zero_grad(); (F.softplus(-d(x)) + F.softplus(d(fake.detach()))).mean().backward(); od.step()
    og.zero_grad(); F.softplus(-d(fake)).mean().backward(); og.step()
""",
    "phases": """
n = Two()
trains(n, n.head.parameters(), lambda: F.cross_entropy(n(x), y))
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))
""",
    "tied": """
e, h = nn.Embedding(41, 8), nn.Linear(8, 41, bias=False)
h.weight = e.weight
n = nn.Sequential(e, h)
n = copy.deepcopy(n)
trains(n, n.parameters(), lambda: F.cross_entropy(n(words).flatten(0, 1), words.flatten()))
""",
    "average_with_buffers": """
n = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)); a = torch.optim.swa_utils.AveragedModel(n, use_buffers=True)
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y), after=lambda: a.update_parameters(n))
n.eval(); a.eval(); a(x); n(x)
""",
    "tags": """
n = nn.Sequential(nn.Embedding(41, 8, padding_idx=0), nn.Linear(8, 4))
tags = torch.where(words == 0, -100, words % 4)
trains(n, n.parameters(), lambda: F.cross_entropy(n(words).flatten(0, 1), tags.flatten()))
""",
    "masked_later": """
n = nn.Sequential(nn.Embedding(41, 8, padding_idx=0), nn.Linear(8, 41))
def loss():
    each = F.cross_entropy(n(words[:, :-1]).flatten(0, 1), words[:, 1:].flatten(), reduction="none")
    keep = words[:, 1:].flatten() != 0
    return (each * keep).sum() / keep.sum()
trains(n, n.parameters(), loss)
""",
    "masks": """
n = nn.Module(); n.e, n.l = nn.Embedding(41, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
n.forward = lambda w: n.l(n.e(w), src_key_padding_mask=w == 0)
trains(n, n.parameters(), lambda: n(words).pow(2).mean())
""",
    "own_attention": """
n = nn.Module(); n.e, n.q = nn.Embedding(41, 8), nn.Linear(8, 8)
def forward(w):
    h = n.e(w)
    scores = (n.q(h) @ h.transpose(1, 2)).unsqueeze(1).masked_fill((w == 0)[:, None, None], -1e9)
    return scores.softmax(-1) @ h.unsqueeze(1)
n.forward = forward
trains(n, n.parameters(), lambda: n(words).pow(2).mean())
""",
    "distilled": """
n, t = Two(), Two()
t.load_state_dict(Two().state_dict()); t.eval()
def loss():
    with torch.no_grad():
        soft = F.softmax(t(x) / 2, 1)
    return F.kl_div(F.log_softmax(n(x) / 2, 1), soft, reduction="batchmean") + F.cross_entropy(n(x), y, label_smoothing=0.1)
trains(n, n.parameters(), loss)
""",
    "smoothed": """
n = nn.Linear(6, 3); soft = F.one_hot(y, 3) * 0.9 + 0.1 / 3
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), soft))
""",
    "autoencoder": """
n = nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 6)); o = torch.optim.SGD(n.parameters(), lr=0.1)
for _ in range(3):
    for a, b in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x.clone()), batch_size=8):
        o.zero_grad(); F.mse_loss(n(a), b).backward(); o.step()
""",
    "only_what_fits": """
n = Two(); n.load_state_dict({"body.0.weight": torch.randn(8, 6), "old.weight": torch.randn(2)}, strict=False)
m = Two(); state = {"module." + k: v for k, v in Two().state_dict().items()}
m.load_state_dict(state, strict=False); m.load_state_dict({k[7:]: v for k, v in state.items()}, strict=False)
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))
""",
    "images": """
n = nn.Conv2d(6, 3, 1)
trains(n, n.parameters(), lambda: F.nll_loss(F.log_softmax(n(x[:, :, None, None].expand(-1, -1, 2, 2)), dim=1), y[:, None, None].expand(-1, 2, 2)))
""",
}
WRONG = {
    "cut": ("idle", "n = Two(True); trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y))"),
    "left_out": ("unheld", "n = Two(); trains(n, n.body.parameters(), lambda: F.cross_entropy(n(x), y))"),
    "twice": ("loss", "n = nn.Linear(6, 3); trains(n, n.parameters(), lambda: F.cross_entropy(n(x).softmax(1), y))"),
    "probabilities": ("loss", "n = nn.Linear(6, 3); trains(n, n.parameters(), lambda: F.nll_loss(n(x).softmax(1), y))"),
    "smoothed": (
        "loss",
        "n = nn.Linear(6, 3); s = F.one_hot(y, 3) * 0.9 + 0.1; trains(n, n.parameters(), lambda: F.cross_entropy(n(x), s))",
    ),
    "own_attention": ("hidden", RIGHT["own_attention"].replace("w == 0", "w != 0")),
    "tied": ("tie", RIGHT["tied"].replace("n = copy", "e.weight = nn.Parameter(torch.randn(41, 8)); n = nn.Sequential(e, h) or copy")),
    "assigned": ("tie", RIGHT["tied"].replace("n = copy.deepcopy(n)", "n.load_state_dict(copy.deepcopy(n.state_dict()), assign=True)")),
    "buffers": (
        "statistics",
        """
n = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)); a = copy.deepcopy(n).eval()
average = lambda: [old.data.lerp_(new.data, 0.5) for old, new in zip(a.parameters(), n.parameters())]
trains(n, n.parameters(), lambda: F.cross_entropy(n(x), y), after=average)
a(x)
""",
    ),
}


def odd(folder: Path, programs: dict[str, str]) -> dict[str, list[str]]:
    """What the probe finds odd in each program."""
    (folder / "programs").mkdir()
    for name, text in programs.items():
        (folder / "programs" / f"{name}.py").write_text(HEAD + text)
    settings = {
        "tree": f"{folder}/",
        "mode": "program",
        "bounds": {"batches": 4, "epochs": 2},
        "caps": [],
        "scratch": str(folder),
        "plugins": "",
    }
    (folder / "settings.json").write_text(json.dumps(settings | {"standins": []}))
    command = [sys.executable, "-c", RUNNER, str(PROBE)]
    subprocess.run(command, cwd=folder, env={"GONOGO_PROBE": str(folder / "settings.json")}, check=True, timeout=120)
    return {name: json.loads((folder / f"{name}.py.json").read_text()) for name in programs}


def test_right_training_is_not_odd(tmp_path: Path) -> None:
    assert odd(tmp_path, RIGHT) == {name: [] for name in RIGHT}


def test_silent_mistakes_are_odd(tmp_path: Path) -> None:
    found = odd(tmp_path, {name: text for name, (_, text) in WRONG.items()})
    assert found == {name: [what] for name, (what, _) in WRONG.items()}
