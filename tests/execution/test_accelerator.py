"""The pretended accelerator: what fails only where there is a GPU fails on it, and what does not, does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.execution.session_plan import PROBE

pytestmark = pytest.mark.slow
RUNNER = Path(__file__).with_name("pretended_device.py")

BETWEEN = "on the same device"
ARRAY = "can't convert cuda:0 device type tensor to numpy"
INDEX = "indices should be either on cpu"
WRONG = {
    "inputs left behind": ("network(x)", BETWEEN),
    "labels left behind": ("F.cross_entropy(network(xd), y)", BETWEEN),
    "weights of classes": ("F.cross_entropy(network(xd), yd, weight=torch.ones(3))", BETWEEN),
    "weights in the criterion": ("nn.BCEWithLogitsLoss(pos_weight=torch.ones(3))(network(xd), torch.zeros(16, 3, device='cuda'))", BETWEEN),
    "constant that is no buffer": ("Constant().to('cuda')(xd)", BETWEEN),
    "layers in a list": ("Listed().cuda()(xd)", BETWEEN),
    "noise": ("xd + torch.randn(xd.shape)", BETWEEN),
    "noise, converted": ("xd + torch.randn(16, 4).float() * 0.1", BETWEEN),
    "mask": ("xd.masked_fill(torch.ones(16, 4).tril() > 0, 0.0)", BETWEEN),
    "prototypes": ("torch.cdist(network(xd), torch.zeros(3, 3))", BETWEEN),
    "matrix": ("xd @ torch.randn(4, 2)", BETWEEN),
    "concatenated": ("torch.cat([xd, x])", BETWEEN),
    "chosen": ("torch.where(xd > 0, x, xd)", BETWEEN),
    "moving average": ("torch.zeros(8, 4).mul_(0.9).add_(network[0].weight.data)", BETWEEN),
    "schedule": ("torch.linspace(0, 1, 10).gather(0, yd)", BETWEEN),
    "scattered": ("torch.zeros(16, 3).scatter_(1, yd[:, None], 1.0)", BETWEEN),
    "from an array": ("torch.from_numpy(np.ones((16, 4), 'float32')) * xd", BETWEEN),
    "positions": ("network(xd)[:, 0] * torch.arange(16)", BETWEEN),
    "kind of tensor": ("F.cross_entropy(network(xd), yd.type(torch.LongTensor))", BETWEEN),
    "old type of the CPU": ("F.cross_entropy(network(xd), torch.LongTensor(16).fill_(1))", BETWEEN),
    "old type of CUDA": ("x + torch.cuda.FloatTensor(16, 4).fill_(1)", BETWEEN),
    "list of what is on the device": ("xd + torch.tensor([xd.mean(), xd.sum(), xd.min(), xd.max()])", BETWEEN),
    "string of a type": ("x + x.type('torch.cuda.FloatTensor')", BETWEEN),
    "state of a recurrent network": (
        "nn.LSTM(4, 4).cuda()(xd[None], (torch.zeros(1, 16, 4), torch.zeros(1, 16, 4)))",
        "hidden tensor at cpu",
    ),
    "state of another": ("nn.GRU(4, 4).cuda()(xd[None], torch.zeros(1, 16, 4))", "hidden tensor at cpu"),
    "lengths": (
        "nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 3, 4, device='cuda'), torch.tensor([3, 2], device='cuda'), batch_first=True)",
        "should be a 1D CPU int64 tensor",
    ),
    "array": ("network(xd).detach().numpy()", ARRAY),
    "array of another library": ("np.asarray(yd)", ARRAY),
    "list of tensors": ("np.concatenate([yd])", ARRAY),
    "score of scikit-learn": ("__import__('sklearn.metrics').metrics.accuracy_score(yd, network(xd).argmax(1))", ARRAY),
    "order on the device": ("y[torch.randperm(16, device='cuda')]", INDEX),
    "rows of a matrix": ("torch.eye(3)[yd]", INDEX),
    "counts": ("torch.zeros(3, 3).index_put_((yd, yd), torch.ones(16), accumulate=True)", INDEX),
    "pinned": ("xd.pin_memory()", "cannot pin"),
}
RIGHT = [
    "steps()",
    "steps(num_workers=1, pin_memory=True)",
    "average()",
    "default_device()",
    "Buffered().cuda()(xd)",
    "xd[torch.ones(16) > 0]",
    "xd[torch.LongTensor([0, 1])] + torch.cuda.FloatTensor([1.0, 2.0, 3.0, 4.0]) + torch.autograd.Variable(x.type(torch.cuda.FloatTensor))[:2]",
    "1 / (isinstance(xd, torch.cuda.FloatTensor) and isinstance(x, torch.FloatTensor) and not isinstance(xd, torch.FloatTensor))",
    "default_type()",
    "xd.type(torch.double) + xd + torch.cuda.LongTensor([1]) + xd.type_as(torch.cuda.FloatTensor([0.0]))",
    "yd.type(torch.LongTensor).numpy(), torch.FloatTensor(np.ones((2, 4), 'float32')) + x[:2]",
    "xd[torch.randperm(16)]",
    "xd * torch.tensor(2.0) + torch.tensor(1)",
    "torch.empty_like(xd).copy_(x)",
    "torch.zeros_like(xd).__setitem__(slice(0, 2), x[:2])",
    "y[yd[0]]",
    "float(xd.sum()), yd.tolist(), yd[0].item(), xd.cpu().numpy(), network(xd).detach().to('cpu').numpy()",
    "torch.multinomial(xd.softmax(1), 1) + yd[:, None]",
    "F.one_hot(yd, 3).float() @ torch.eye(3, device='cuda')",
    "torch.equal(xd.cpu(), x)",
    "F.kl_div(xd.log_softmax(1), xd.softmax(1), reduction='batchmean')",
    "torch.distributions.Categorical(logits=xd).sample() + yd",
    "torch.distributions.Normal(torch.zeros(4, device='cuda'), 1.0).rsample() + xd",
    "torch.func.vmap(lambda row: row * 2)(xd) + xd",
    "torch.func.grad(lambda t: (t * xd).sum())(xd) + xd",
    "torch.func.functional_call(network, dict(network.named_parameters()), (xd,)) + xd[:, :3]",
    "torch.autograd.grad(network(xd).sum(), list(network.parameters()))[0] + network[0].weight",
    "torch.randn(4, generator=torch.Generator(device='cuda').manual_seed(0), device='cuda') + xd",
    "xd.new_zeros(4) + xd.new_tensor([1.0, 2.0, 3.0, 4.0]) + torch.full_like(xd, 2.0)",
    "nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1).cuda().eval()(xd[None]) + xd",
    "nn.Transformer(4, 2, 1, 1, 8).cuda()(xd[:, None], xd[:, None]) + xd[:, None]",
    "nn.LSTM(4, 4).cuda()(xd[None], (torch.zeros(1, 16, 4).cuda(), torch.zeros(1, 16, 4, device=xd.device)))[0] + xd",
    "nn.LSTM(4, 4).cuda()(nn.utils.rnn.pack_padded_sequence(torch.zeros(3, 2, 4, device='cuda'), torch.tensor([3, 2])))[0].data + xd[:1]",
    "F.ctc_loss(xd.new_zeros(5, 2, 4).log_softmax(2), torch.ones(2, 3, device='cuda').long(), torch.tensor([5, 5]), torch.tensor([3, 3]))",
    "torch.as_tensor(x, device='cuda') + torch.asarray(x, device='cuda') + torch.tensor(x, device='cuda') + xd",
    "torch.as_tensor(xd, device='cpu') + torch.as_tensor(x) + torch.tensor(x) + torch.tensor([xd.mean(), xd.sum(), xd.min(), xd.max()])",
    "torch.tensor(xd) + torch.as_tensor(xd) + torch.as_tensor(np.ones((16, 4)), device='cuda') + xd.new(16, 4)",
    "torch.stack([xd.mean(), xd.sum(), xd.min(), xd.max()]) + xd, torch.tensor([xd.mean(), xd.sum()]).numpy()",
    "nn.DataParallel(network)(x) + xd[:, :3]",
    "torch.optim.LBFGS(network.parameters()).step(lambda: (network(xd) ** 2).mean())",
    "torch.utils.checkpoint.checkpoint(network, xd, use_reentrant=False) + xd[:, :3]",
    "F.scaled_dot_product_attention(xd, xd, xd) + torch.triu(torch.ones(4, 4, device='cuda'))[:1]",
    "torch.cuda.synchronize(), torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory",
    "torch.unique(yd) == yd[:1], torch.bincount(yd, minlength=3) + yd[:3], torch.isin(yd, torch.tensor(3))",
]


@pytest.fixture(scope="module")
def answered() -> dict[str, object]:
    """What each expression raises on the pretended device."""
    asked = {name: expression for name, (expression, _) in WRONG.items()} | {expression: expression for expression in RIGHT}
    environment = {**os.environ, "PYTHONPATH": str(PROBE)}
    done = subprocess.run(
        [sys.executable, str(RUNNER)], input=json.dumps(asked), capture_output=True, text=True, check=False, env=environment
    )
    assert not done.returncode, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("name", WRONG)
def test_what_fails_on_a_gpu_fails(answered: dict[str, dict[str, str]], name: str) -> None:
    assert WRONG[name][1] in answered["said"][name]


@pytest.mark.parametrize("expression", RIGHT)
def test_what_does_not_fail_on_a_gpu_does_not(answered: dict[str, dict[str, str]], expression: str) -> None:
    assert answered["said"][expression] == ""


def test_it_knows_where_all_of_these_are(answered: dict[str, object]) -> None:
    assert answered["unsure"] is False
