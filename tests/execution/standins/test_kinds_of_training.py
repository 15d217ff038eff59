"""Usual ways to train, tried without network: right programs are GO, and a mistake is told in the words of the library that it stopped.

LoRA with PEFT, the loop of `accelerate`, a chat template, and data of the shapes of Alpaca and CoNLL. Weights and data are stand-ins, of
the smallest models that a name can ask for.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cli import GONOGO, TRACEBACK
from laboratory import environment

from gonogo.model.errors import StageError

pytestmark = pytest.mark.slow

LORA = """\
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

NAME = "Qwen/Qwen2.5-1.5B-Instruct"


def adapted(targets):
    model = AutoModelForCausalLM.from_pretrained(NAME)
    return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type=TaskType.CAUSAL_LM))


def main():
    tokenizer = AutoTokenizer.from_pretrained(NAME)
    model = adapted(["q_proj", "v_proj"])
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-3)
    model.train()
    for text in ("the story of the old city", "a film about it"):
        batch = tokenizer(text, return_tensors="pt")
        loss = model(**batch, labels=batch["input_ids"]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(loss.item())
    model.save_pretrained("adapter")


if __name__ == "__main__":
    main()
"""
ACCELERATE = """\
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset


def main():
    accelerator = Accelerator()
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(64, 5), torch.randint(0, 3, (64,)))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=10)
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    for epoch in range(5):
        for x, y in loader:
            with accelerator.accumulate(model):
                loss = torch.nn.functional.cross_entropy(model(x), y)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
        accelerator.print(epoch, accelerator.gather_for_metrics(loss.detach()).mean().item())
    torch.save(accelerator.unwrap_model(model).state_dict(), "model.pt")


if __name__ == "__main__":
    main()
"""
CHAT = """\
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NAME = "Qwen/Qwen2.5-1.5B-Instruct"
TALKS = [("what is a city", "a city is a place"), ("what is a film", "a film is a story")]


def messages(question, answer):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def main():
    tokenizer = AutoTokenizer.from_pretrained(NAME)
    model = AutoModelForCausalLM.from_pretrained(NAME)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for question, answer in TALKS:
        text = tokenizer.apply_chat_template(messages(question, answer), tokenize=False)
        batch = tokenizer(text, return_tensors="pt", add_special_tokens=False)
        loss = model(**batch, labels=batch["input_ids"]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    asked = tokenizer.apply_chat_template([messages(*TALKS[0])[0]], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(asked, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        told = model.generate(**ids, max_new_tokens=4, do_sample=False)
    print(tokenizer.decode(told[0, ids["input_ids"].shape[1] :]))


if __name__ == "__main__":
    main()
"""
ALPACA = """\
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer

NAME = "Qwen/Qwen2.5-1.5B-Instruct"
tokenizer = AutoTokenizer.from_pretrained(NAME)


def prompt(row):
    given = f"### Input:\\n{row['input']}\\n" if row["input"] else ""
    return f"### Instruction:\\n{row['instruction']}\\n{given}### Response:\\n"


def encode(row):
    asked = tokenizer(prompt(row))["input_ids"]
    told = tokenizer(row["output"] + tokenizer.eos_token)["input_ids"]
    ids = (asked + told)[:256]
    return {"input_ids": ids, "labels": ([-100] * len(asked) + told)[:256]}


def collate(rows):
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(key, value):
        return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows])

    ids = padded("input_ids", tokenizer.pad_token_id)
    return {"input_ids": ids, "attention_mask": (ids != tokenizer.pad_token_id).long(), "labels": padded("labels", -100)}


def main():
    rows = load_dataset("tatsu-lab/alpaca", split="train").select(range(32))
    rows = rows.map(encode, remove_columns=rows.column_names)
    loader = DataLoader(rows, batch_size=8, shuffle=True, collate_fn=collate)
    model = AutoModelForCausalLM.from_pretrained(NAME)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for batch in loader:
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(loss.item())


if __name__ == "__main__":
    main()
"""
CONLL = """\
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader
from transformers import AutoModelForTokenClassification, AutoTokenizer, DataCollatorForTokenClassification

NAME = "prajjwal1/bert-tiny"
tokenizer = AutoTokenizer.from_pretrained(NAME)


def encode(rows):
    made = tokenizer(rows["tokens"], is_split_into_words=True, truncation=True, max_length=64)
    made["labels"] = []
    for row, tags in enumerate(rows["ner_tags"]):
        before, aligned = None, []
        for word in made.word_ids(batch_index=row):
            aligned.append(-100 if word is None or word == before else tags[word])
            before = word
        made["labels"].append(aligned)
    return made


def main():
    rows = load_dataset("conll2003", split="train").select(range(64))
    names = rows.features["ner_tags"].feature.names
    rows = rows.map(encode, batched=True, remove_columns=rows.column_names)
    loader = DataLoader(rows, batch_size=8, shuffle=True, collate_fn=DataCollatorForTokenClassification(tokenizer))
    model = AutoModelForTokenClassification.from_pretrained(NAME, num_labels=len(names))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for batch in loader:
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(loss.item())


if __name__ == "__main__":
    main()
"""
RIGHT = {"lora": LORA, "accelerate": ACCELERATE, "chat": CHAT, "alpaca": ALPACA, "conll": CONLL}
# A change of one of these, and how the library puts it.
WRONG = {
    "lora-of-another-family": ("lora", '["q_proj", "v_proj"]', '["c_attn"]', "Target modules"),
    "accelerate-leaves-one-out": (
        "accelerate",
        "prepare(model, optimizer, loader, schedule)",
        "prepare(model, optimizer, loader)",
        "unpack",
    ),
    "chat-of-a-model-that-does-not": ("chat", "Qwen/Qwen2.5-1.5B-Instruct", "gpt2", "chat_template"),
    "alpaca-with-a-prompt": ("alpaca", "row['instruction']", "row['prompt']", "KeyError: 'prompt'"),
    "conll-tags-of-words": ("conll", 'made["labels"].append(aligned)', 'made["labels"].append(tags)', "ValueError"),
    "conll-too-few-classes": ("conll", "num_labels=len(names)", "num_labels=len(names) - 4", "out of bounds"),
}


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python of an environment with the libraries, as released."""
    try:
        return environment().python
    except StageError as error:
        pytest.skip(f"the environment can't be made here: {error}")


def tried(folder: Path, python: Path, text: str) -> dict[str, Any]:
    """The verdict on a program."""
    (folder / "train.py").write_text(text, "utf-8")
    command = [*GONOGO, "trial", "--format", "json", "--python", str(python), "--", "python", "train.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert TRACEBACK not in done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout)
    if any("no sandbox holds" in reason for reason in verdict["undecided"]):
        pytest.skip("no sandbox holds here")
    return verdict


@pytest.mark.parametrize("name", RIGHT)
def test_right_program_is_go(tmp_path: Path, python: Path, name: str) -> None:
    verdict = tried(tmp_path, python, RIGHT[name])
    assert verdict["outcome"] == "GO", verdict["code_issue"]
    assert [finding for finding in verdict["findings"] if finding["severity"] == "error"] == []
    assert sum(each["steps"] for each in verdict["program"]["optimizers"]) >= 2


@pytest.mark.parametrize("name", WRONG)
def test_mistake_is_told_in_the_words_of_the_library(tmp_path: Path, python: Path, name: str) -> None:
    kind, right, wrong, words = WRONG[name]
    assert right in RIGHT[kind]
    verdict = tried(tmp_path, python, RIGHT[kind].replace(right, wrong))
    (finding,) = [each for each in verdict["findings"] if each["rule"] == "TRI101"]
    assert words in finding["message"], finding["message"]
    assert finding["location"]["path"] == "train.py"
