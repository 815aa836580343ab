"""The soak: reloads without end while clients call and stream without pause. `make soak`.

    python -m benchmarks.soak_reload                                  1,000 reloads with 1 worker, then with 2
    python -m benchmarks.soak_reload --reloads 100 --clients 16 --workers 2
    python -m benchmarks.soak_reload --reloads 100 --canary 30%            every version serves some sessions first

Every other version of the file is invalid, each in one of several ways. Every valid version has other model names,
other upstream ids and the other of two providers, so that a reply shows which version it came from: three response
headers and the `id` in every event of the body must all tell of the same one, and a revision must always stand for
the same version. Each client is one session; with one worker, none may see an older version after a newer one.

It ends with status 1 where any request failed, was cut short or mixed two versions, where a reload did not come into
force or an invalid file did, where a worker was replaced, or where memory grew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import uvloop

from benchmarks.configs import KEY, UPSTREAM_KEY
from benchmarks.measure import wait_for_line
from benchmarks.processes import Running, free_port, running, wait_until_up
from benchmarks.soak_client import Caller, Verdicts, exchange

PATIENCE = 60.0  # seconds for one reload to come into force, or to be refused
BAKE = "500ms"  # of a canary
PROVIDERS = ("north", "south")
BROKEN = (
    ("a name that does not exist", "  call: [c{n}]", "  call: [nowhere]"),
    ("a key that does not exist", "version: 1", "version: 1\nproviderz: {{}}"),
    ("not YAML", "models:", "models: [}}"),
    ("half of the file", "combos:", ""),
    ("a number without its unit", "  listen:", "  drain: 30\n  listen:"),
)


def valid(number: int, port: int, upstream: int, workers: int, canary: str | None = None) -> str:
    """Version `number` of the file."""
    provider = PROVIDERS[number % 2]
    return "\n".join(
        (
            f"# version {number}",
            "version: 1",
            "gateway:",
            f"  listen: 127.0.0.1:{port}",
            f"  workers: {workers}",
            "  auth: keys",
            *([f"  reload: {{canary: {canary}, bake: {BAKE}}}"] if canary else []),
            "providers:",
            f'  {provider}: {{protocol: openai-chat, base_url: "http://127.0.0.1:{upstream}/v1", '
            "api_key: {env: BENCH_UPSTREAM_KEY}}",
            "models:",
            f"  c{number}: {{provider: {provider}, id: json-{number}-{provider}}}",
            f"  s{number}: {{provider: {provider}, id: brisk-{number}-{provider}}}",
            "combos:",
            f"  call: [c{number}]",
            f"  stream: [s{number}]",
            "keys:",
            f'  soak: {{hash: "sha256:{sha256(KEY.encode()).hexdigest()}"}}',
            "",
        )
    )


def invalid(
    number: int, attempt: int, port: int, upstream: int, workers: int, canary: str | None = None
) -> tuple[str, str]:
    """A version that must be refused, and what is wrong with it."""
    what, found, instead = BROKEN[attempt % len(BROKEN)]
    text = valid(number, port, upstream, workers, canary)
    found, instead = found.format(n=number), instead.format()
    if found not in text:
        raise RuntimeError(f"{found!r} is not in the file")
    if what == "half of the file":
        return f"# broken {attempt}\n" + text[: text.index(found) + 4], what
    return f"# broken {attempt}\n" + text.replace(found, instead, 1), what


class Soak:
    """One run with a number of workers."""

    def __init__(self, place: Path, workers: int, clients: int, reloads: int, canary: str | None = None) -> None:
        self.file = place / "router.yaml"
        self.place = place
        self.workers = workers
        self.clients = clients
        self.reloads = reloads
        self.canary = canary
        self.verdicts = Verdicts(forward=workers == 1)
        self.complaints: list[str] = []
        self.took: list[float] = []
        self.memory: list[float] = []

    async def run(self) -> bool:
        """Whether every promise was kept; prints what happened."""
        with ExitStack() as stack:
            self.upstream = free_port()
            command = [sys.executable, "-m", "benchmarks.upstream", "--port", str(self.upstream)]
            wait_for_line(stack.enter_context(running(command, self.place / "upstream.log")), "ready: ")
            self.port = free_port()
            self.file.write_text(valid(0, self.port, self.upstream, self.workers, self.canary))
            command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.file)]
            environ = {"BENCH_UPSTREAM_KEY": UPSTREAM_KEY}
            server = stack.enter_context(running(command, self.place / "gateway.log", environ=environ))
            wait_until_up(server, self.port, "/health")
            return await self._run(server)

    async def _run(self, server: Running) -> bool:
        processes = server.tree()
        idle = sum(server.pss().values()) / 1e6
        callers = [Caller(self.port, KEY, number, self.verdicts) for number in range(self.clients)]
        tasks = [asyncio.create_task(caller.run()) for caller in callers]
        began = time.monotonic()
        try:
            await self._reload_all(server)
        except RuntimeError as error:
            self.complaints.append(str(error))
        for caller in callers:
            caller.stopping = True
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        seconds = time.monotonic() - began
        await asyncio.sleep(2)
        after = sum(server.pss().values()) / 1e6
        if server.tree() != processes:
            self.complaints.append(f"the processes were {processes} and are {server.tree()}: a worker was replaced")
        self._judge_memory()
        self._tell(seconds, idle, after)
        return not self.complaints and self.verdicts.clean

    async def _reload_all(self, server: Running) -> None:
        """Valid and invalid in turn. Raises RuntimeError where one is not taken as it should be."""
        version = 0
        step = max(1, self.reloads // 20)
        for number in range(self.reloads):
            before = await self._health()
            began = time.monotonic()
            if number % 2 == 0:
                version += 1
                self._replace(valid(version, self.port, self.upstream, self.workers, self.canary))
                await self._until(lambda now, old=before: now["revision"] != old["revision"], f"version {version}")
                self.took.append(time.monotonic() - began)
            else:
                text, what = invalid(version, number, self.port, self.upstream, self.workers, self.canary)
                self._replace(text)
                now = await self._until(
                    lambda now, old=before: now["last_rejection"] not in (None, old["last_rejection"]), what
                )
                if now["revision"] != before["revision"]:
                    raise RuntimeError(f"an invalid file came into force: {what}")
            if number % step == step - 1:
                self.memory.append(sum(server.pss().values()) / 1e6)
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{number + 1} reloads, {self.verdicts.whole} requests ")
                    sys.stderr.flush()

    def _replace(self, text: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.file)

    async def _health(self) -> dict[str, object]:
        request = b"GET /health HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n\r\n"
        answer = await exchange(self.port, request)
        if answer.status != 200:
            raise RuntimeError(f"/health answered {answer.status}: {answer.body[:300]!r}")
        health: dict[str, object] = json.loads(answer.body)
        return health

    async def _until(self, reached: object, what: str) -> dict[str, object]:
        """Asks /health until as many answers in a row as could come from all workers say so."""
        assert callable(reached)
        deadline = time.monotonic() + PATIENCE
        agreed = 0
        while time.monotonic() < deadline:
            health = await self._health()
            agreed = agreed + 1 if reached(health) else 0
            if agreed >= (1 if self.workers == 1 else 4 * self.workers):
                return health
            if not agreed:
                await asyncio.sleep(0.02)
        raise RuntimeError(f"{what}: nothing happened in {PATIENCE:g} s; /health says {health}")

    def _judge_memory(self) -> None:
        """Flat: the last fifth is not above the second fifth by more than 5 % and 2 MB a process."""
        fifth = len(self.memory) // 5
        if fifth:
            early = statistics.mean(self.memory[fifth : 2 * fifth])
            late = statistics.mean(self.memory[-fifth:])
            if late > early * 1.05 + 2 * (self.workers + 1):
                self.complaints.append(f"memory grew from {early:.1f} to {late:.1f} MB")

    def _tell(self, seconds: float, idle: float, after: float) -> None:
        verdicts = self.verdicts
        print(f"\n{self.workers} worker(s), {self.clients} clients, {self.reloads} reloads in {seconds:.0f} s")
        print(
            f"  requests   {verdicts.whole:,} whole ({verdicts.streams:,} streams), {len(verdicts.versions)} revisions"
        )
        print(f"  failed     {verdicts.failed}\n  truncated  {verdicts.truncated}\n  mixed      {verdicts.mixed}")
        if self.took:
            middle, worst = statistics.median(self.took), max(self.took)
            print(f"  in force   after {middle * 1000:.0f} ms (median), {worst * 1000:.0f} ms (worst)")
        if self.memory:
            samples = " ".join(f"{value:.0f}" for value in self.memory)
            print(f"  memory     PSS of all processes, MB: idle {idle:.1f} | under load {samples} | idle {after:.1f}")
        for reason, count in Counter(verdicts.reasons).most_common(10):
            print(f"  {count} × {reason}")
        for complaint in self.complaints:
            print(f"  NOT KEPT: {complaint}")
        print("  kept" if verdicts.clean and not self.complaints else "  NOT KEPT", flush=True)
        if self.complaints or not verdicts.clean:
            log = (self.place / "gateway.log").read_text()
            print("  the end of its log:\n" + re.sub("^", "    ", log[-2000:], flags=re.MULTILINE))


def main() -> int:
    """Runs the soak for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--workers", type=int, action="append", help="may be repeated (default: 1 and 2)")
    parser.add_argument("--canary", help="the share of sessions that each version serves first, such as 30%%")
    options = parser.parse_args()
    kept = True
    for workers in options.workers or [1, 2]:
        with tempfile.TemporaryDirectory(prefix="gateway-soak-") as place:
            kept &= uvloop.run(Soak(Path(place), workers, options.clients, options.reloads, options.canary).run())
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
