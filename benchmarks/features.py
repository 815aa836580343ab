"""What the rules of router.yaml cost: CPU microseconds per answer with each of them on, against a file without any.

Every variant is a gateway of its own with one worker, asked for the same answers in turn; only one of them runs at a
time. A machine has phases in which everything costs half as much again, so each round is compared with the plain one of
the same round, and the median of the rounds counts.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import configs
from benchmarks.measure import Candidate, Sample, Stage, json_load, wait_for_line
from benchmarks.processes import free_port, running
from benchmarks.report import Promise

LEAST: Final = 0.7  # of the plain rate, with everything on
ROUNDS: Final = 9
CONNECTIONS: Final = 64

LIMITS: Final = """
teams: {platform: {limits: {requests: 90M/minute, tokens: 900000M/day}}}
defaults: {limits: {requests: 90M/minute, tokens: 900000M/day, concurrent: 10000}}
"""
MONEY: Final = """
budgets:
  month: {limit: 900000 USD, per: month, scope: {team: platform}, warn_at: [80%]}
  day: {limit: 90000 USD, per: day, each: key}
"""
POLICIES: Final = """
policies:
  - {name: never, when: {key: other}, do: {deny: {message: "No."}}}
  - {name: the team's traffic, when: {team: platform, not: {client_ip: [10.0.0.0/8]}}, do: {tag: [platform]}}
  - {name: business hours, when: {hours: {days: [mon, tue, wed, thu, fri, sat, sun]}}, do: {tag: [hours]}}
  - {name: only these, require: {providers: [first, second]}}
"""
CACHE: Final = """
cache: {exact: {ttl: 10m, only_when: {temperature: 0}}, scope: key}
"""


@dataclass(frozen=True)
class Variant:
    """A gateway with some rules. `state` and `ledger` are values of `gateway:` in router.yaml."""

    name: str
    rules: str = ""
    state: str = "memory"
    ledger: str | None = None


def variants(place: Path, redis: str | None) -> list[Variant]:
    """What is measured; what needs Redis only where there is one."""
    counted = LIMITS + MONEY
    everything = counted + POLICIES + CACHE
    ledger = f"sqlite:///{place}/ledger.db"
    found = [
        Variant("plain"),
        Variant("limits and budgets, memory", counted),
        Variant("limits and budgets, disk", counted, f"{{disk: {place}/state}}"),
        Variant("policies", POLICIES),
        Variant("ledger", ledger=ledger),
        Variant("everything, memory", everything, ledger=ledger),
    ]
    if redis is not None:
        state = "{redis: {url: {env: BENCH_REDIS_URL}}}"
        found.append(Variant("limits and budgets, Redis", counted, state))
        found.append(Variant("everything, Redis", everything, state, ledger))
    return found


def router(port: int, upstream: int, variant: Variant) -> str:
    """The plain benchmark's router.yaml with the variant's rules."""
    text = configs.router(port, upstream)
    gateway = f"  state: {variant.state}\n"
    if variant.ledger is not None:
        gateway += f"  ledger: {variant.ledger}\n"
    text = text.replace("  auth: keys\n", "  auth: keys\n" + gateway)
    if variant.rules:
        text = text.replace("allow: [", "team: platform, tags: [bench], allow: [")
        for provider in ("first", "second"):
            priced = f"{{provider: {provider}, max_output: 4k, price: {{input: 1, output: 2}}, id: "
            text = text.replace(f"{{provider: {provider}, id: ", priced)
        text = text.replace("targets: [", "sticky: {by: key, for: 15m}, targets: [")
        text = text.replace("keys:\n", f'keys:\n  other: {{hash: "sha256:{"0" * 64}"}}\n')
        if "teams:" not in variant.rules:
            text += "teams: {platform: {}}\n"
    return text + variant.rules


@contextmanager
def redis_server(stage: Stage) -> Iterator[str | None]:
    """A Redis of its own that keeps nothing, where the program is; gives its URL."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with running(command, stage.place / "redis.log", stage.load) as server:
        wait_for_line(server, "Ready to accept connections")
        yield f"redis://127.0.0.1:{port}/0"


def measured(stage: Stage, seconds: float, note: Callable[[str], None]) -> dict[str, Sample]:
    """Each variant's median sample by CPU, and in it `of_plain`: the median of what it gets of plain in one round."""
    taken: dict[str, list[Sample]] = {}
    with ExitStack() as stack:
        upstream = stage.start_upstream(stack)
        redis = stack.enter_context(redis_server(stage))
        if redis is not None:
            os.environ["BENCH_REDIS_URL"] = redis
        candidates: list[Candidate] = []
        for at, variant in enumerate(variants(stage.place, redis)):
            port = free_port()
            candidate, _ = stage.start_gateway(stack, router(port, upstream, variant), port, f"features-{at}.yaml")
            candidates.append(Candidate(variant.name, port, candidate.server))
        for number in range(ROUNDS):
            for candidate in candidates:
                for other in candidates:
                    if other.server is not None:
                        other.server.resume() if other is candidate else other.server.pause()
                note(f"features, round {number + 1}: {candidate.name}")
                sample = json_load(stage, candidate, CONNECTIONS, seconds)
                taken.setdefault(candidate.name, []).append(sample)
    plain = [sample["cpu_us"] for sample in taken["plain"]]
    found: dict[str, Sample] = {}
    for name, samples in taken.items():
        shares = [base / sample["cpu_us"] for base, sample in zip(plain, samples, strict=True)]
        middle = sorted(samples, key=lambda sample: sample["cpu_us"])[len(samples) // 2]
        found[name] = {**middle, "of_plain": statistics.median(shares)}
    return found


def text(found: dict[str, Sample]) -> str:
    """For people."""
    plain = found["plain"]["cpu_us"]
    lines = [f"{'rules of router.yaml':<34}{'answers/s':>12}{'CPU µs each':>14}{'more than plain':>18}{'÷ plain':>10}"]
    for name, sample in found.items():
        cost = sample["cpu_us"]
        more = cost - plain
        lines.append(f"  {name:<32}{sample['rate']:>12,.0f}{cost:>14.1f}{more:>18.1f}{sample['of_plain']:>10.2f}")
    return "\n".join(lines)


def promises(found: dict[str, Sample]) -> list[Promise]:
    """Everything on is at least `LEAST` of plain."""
    return [
        Promise(f"answers/s ÷ plain, {name}", sample["of_plain"], LEAST, at_least=True)
        for name, sample in found.items()
        if name.startswith("everything")
    ]
