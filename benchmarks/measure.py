"""The measurements: each takes a candidate and returns one `Sample` of plain numbers."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import configs
from benchmarks.processes import ROOT, Running, core_time, free_port, get, running, wait_until_up

Sample = dict[str, float]
DISTURBED = 0.05  # share of the candidate's core that others may use before a measure is called disturbed


@dataclass(frozen=True)
class Candidate:
    """Something that answers chat completions on `port`. `server` is None where the upstream itself is asked."""

    name: str
    port: int
    server: Running | None

    @property
    def url(self) -> str:
        """Where the load goes."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"


class Stage:
    """The cores: `gateway` for the candidate, `load` for the upstream and the load. And a folder for files."""

    def __init__(self, place: Path, gateway: int, load: int) -> None:
        self.place = place
        self.gateway = gateway
        self.load = load
        self.disturbed: list[str] = []  # measures during which others used the candidate's core

    def start_upstream(self, stack: ExitStack) -> int:
        """Starts the upstream; returns its port."""
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.upstream", "--port", str(port)]
        server = stack.enter_context(running(command, self.place / "upstream.log", self.load))
        wait_for_line(server, "ready: ")
        return port

    def start_nginx(self, stack: ExitStack, upstream: int) -> Candidate:
        """nginx before the upstream."""
        port = free_port()
        file = self.place / "nginx.conf"
        file.write_text(configs.nginx(port, upstream, self.place))
        command = ["nginx", "-c", str(file), "-e", "stderr"]
        server = stack.enter_context(running(command, self.place / "nginx.log", self.gateway))
        wait_until_up(server, port, "/health")
        return Candidate("nginx", port, server)

    def start_litellm(self, stack: ExitStack, upstream: int) -> Candidate | None:
        """LiteLLM's proxy with one worker, where its program is on the PATH; else None."""
        program = shutil.which("litellm")
        if program is None:
            return None
        port = free_port()
        file = self.place / "litellm.yaml"
        file.write_text(configs.litellm(upstream))
        command = [program, "--config", str(file), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        server = stack.enter_context(running(command, self.place / "litellm.log", self.gateway, environ))
        wait_until_up(server, port, "/health/liveliness")
        return Candidate("litellm", port, server)

    def start_gateway(
        self, stack: ExitStack, text: str, port: int, name: str = "router.yaml"
    ) -> tuple[Candidate, float]:
        """The gateway with `text` as its router.yaml; and the seconds from its start until /health answered."""
        file = self.place / name
        file.write_text(text)
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(file)]
        environ = {"BENCH_UPSTREAM_KEY": configs.UPSTREAM_KEY}
        server = stack.enter_context(running(command, self.place / f"{name}.log", self.gateway, environ))
        seconds = wait_until_up(server, port, "/health")
        return Candidate("gateway", port, server), seconds


def wait_for_line(server: Running, text: str, patience: float = 20.0) -> None:
    """Until the process has written `text`. Raises RuntimeError."""
    began = time.perf_counter()
    while time.perf_counter() - began < patience and server.process.poll() is None:
        if text in server.log.read_text():
            return
        time.sleep(0.01)
    raise RuntimeError(f"{server.process.args!r} did not say {text!r}:\n{server.log.read_text()[-3000:]}")


def load(
    what: str, command: Sequence[str], stage: Stage, candidate: Candidate, beside: Candidate | None = None
) -> tuple[dict[str, Any], float, float]:
    """Runs a load program on its core: its result, the candidate's CPU seconds meanwhile, the wall seconds. `beside`
    is measured on the same core at the same time, and disturbs nothing."""

    def cpu(of: Candidate | None) -> float:
        return of.server.cpu() if of is not None and of.server is not None else 0.0

    before, before_beside = cpu(candidate), cpu(beside)
    core = core_time(stage.gateway)
    began = time.perf_counter()
    done = subprocess.run(
        ["taskset", "-c", str(stage.load), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wall = time.perf_counter() - began
    used = cpu(candidate) - before
    others = (core_time(stage.gateway) - core - used - (cpu(beside) - before_beside)) / wall
    if others > DISTURBED:
        stage.disturbed.append(f"{candidate.name}, {what}: {others:.0%}")
    line = next((line for line in done.stdout.splitlines() if line.startswith("result ")), None)
    if line is None:
        raise RuntimeError(f"{command[0]} gave no result against {candidate.name}:\n{done.stdout}\n{done.stderr}")
    result: dict[str, Any] = json.loads(line.removeprefix("result "))
    if result["failed"]:
        raise RuntimeError(f"{candidate.name}: {result['failed']} requests failed ({result['complaint']})")
    return result, used, wall


def json_load(
    stage: Stage, candidate: Candidate, connections: int, seconds: float, beside: Candidate | None = None
) -> Sample:
    """wrk: requests per second, p50 and p99 in ms, CPU µs per request, share of its core that the candidate used.
    `beside` as in `load`."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
    command += ["-s", str(ROOT / "benchmarks/wrk.lua"), candidate.url, "--", configs.KEY, "json"]
    result, used, wall = load(f"{connections} connections", command, stage, candidate, beside)
    return {
        "rate": result["requests"] / result["microseconds"] * 1e6,
        "p50_ms": result["p50"] / 1000,
        "p99_ms": result["p99"] / 1000,
        "slow": result["slow"],
        "cpu_us": used / result["requests"] * 1e6,
        "busy": used / wall,
    }


def stream_load(stage: Stage, candidate: Candidate, model: str, streams: int, seconds: float) -> Sample:
    """Events per second over `streams` open streams, time to the first event in ms, CPU µs per event."""
    command = [sys.executable, "-m", "benchmarks.streams", candidate.url, "--key", configs.KEY, "--model", model]
    command += ["--clients", str(streams), "--seconds", f"{seconds:g}"]
    result, used, _ = load(f"{model} streams", command, stage, candidate)
    return {
        "rate": result["events"] / result["seconds"],
        "first_p50_ms": result["first_p50"] * 1000,
        "first_p99_ms": result["first_p99"] * 1000,
        "cpu_us": used / max(1, result["events"] + result["events_opening"]) * 1e6,
        "busy": used / (result["seconds"] + result["seconds_opening"]),
    }


def memory(stage: Stage, candidate: Candidate, streams: int) -> Sample:
    """Memory in MB: idle, with `streams` open streams, and after they have left. The largest process is the worker."""
    server = candidate.server
    assert server is not None
    idle, idle_rss = server.pss(), server.rss()
    command = ["taskset", "-c", str(stage.load), sys.executable, "-m", "benchmarks.streams", candidate.url]
    command += ["--key", configs.KEY, "--model", "hold", "--clients", str(streams), "--hold"]
    load = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert load.stdout is not None and load.stdin is not None
    try:
        line = load.stdout.readline()
        if not line.startswith("result ") or json.loads(line.removeprefix("result "))["failed"]:
            raise RuntimeError(f"{candidate.name} did not hold {streams} streams: {line}")
        held = server.pss()
    finally:
        load.stdin.close()
        load.wait()
    time.sleep(1.0)
    after = server.pss()
    worker = max(idle, key=lambda pid: held.get(pid, 0))
    return {
        "worker_idle_mb": idle[worker] / 1e6,
        "worker_idle_rss_mb": idle_rss[worker] / 1e6,
        "all_idle_mb": sum(idle.values()) / 1e6,
        "processes": len(idle),
        "worker_held_mb": held[worker] / 1e6,
        "kib_a_stream": (sum(held.values()) - sum(idle.values())) / streams / 1024,
        "all_after_mb": sum(after.values()) / 1e6,
    }


def reloads(stage: Stage, upstream: int, models: int, times: int) -> Sample:
    """Starts a gateway with `models` models, replaces the file `times` times, and waits for each to be in force.

    `reload_ms`: from the rename of the file until /health names another revision: the watcher's wait until the file
    has settled is in it. `compile_ms`: the part that the gateway says it worked on it. `stall_ms`: the longest that
    /health took to answer meanwhile, which is how long the worker attended to nothing else.
    """
    port = free_port()
    name = f"router-{models}.yaml"

    def text(note: int) -> str:
        return configs.router(port, upstream, extra_models=max(0, models - 2 * len(configs.MODELS)), note=note)

    with ExitStack() as stack:
        candidate, start = stage.start_gateway(stack, text(0), port, name)
        assert candidate.server is not None
        took, compiled, stall = [], [], 0.0
        for note in range(1, times + 1):
            time.sleep(0.5)
            before = json.loads(get(port, "/health")[1])["revision"]
            fresh = stage.place / f"{name}.new"
            fresh.write_text(text(note))
            began = time.perf_counter()
            fresh.replace(stage.place / name)
            while True:
                asked = time.perf_counter()
                health = json.loads(get(port, "/health")[1])
                now = time.perf_counter()
                stall = max(stall, now - asked)
                if health["revision"] != before:
                    took.append(now - began)
                    break
                if now - began > 120:
                    raise RuntimeError(f"the reload of {models} models never came into force: {health}")
                time.sleep(0.001)
            time.sleep(0.2)
            compiled.append(json.loads(get(port, "/health")[1])["last_reload"]["seconds"])
        memory_now = candidate.server.pss()
    return {
        "start_ms": start * 1000,
        "reload_ms": statistics.median(took) * 1000,
        "compile_ms": statistics.median(compiled) * 1000,
        "stall_ms": stall * 1000,
        "all_pss_mb": sum(memory_now.values()) / 1e6,
    }
