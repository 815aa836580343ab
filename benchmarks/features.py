"""What the rules of router.yaml cost: CPU microseconds per answer with each of them on, against a file without any.

Every variant is a gateway of its own with one worker. A machine has phases of a second or less in which everything
costs half as much again, so a variant and the plain one are asked at the same time, on the same core, and share
whatever comes: what they cost in one round differs by a fiftieth then, where it differed by a tenth in turn. All CPU
time of all their processes counts. Of the rounds, the one in the middle does.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
CONNECTIONS: Final = 32  # to each of the two

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
    ledgers = [f"sqlite:///{place}/ledger-{number}.db" for number in range(3)]  # one that is stopped may hold a lock
    found = [
        Variant("plain"),
        Variant("limits and budgets, memory", counted),
        Variant("limits and budgets, disk", counted, f"{{disk: {place}/state}}"),
        Variant("policies", POLICIES),
        Variant("ledger", ledger=ledgers[0]),
        Variant("everything, memory", everything, ledger=ledgers[1]),
    ]
    if redis is not None:
        state = "{redis: {url: {env: BENCH_REDIS_URL}}}"
        found.append(Variant("limits and budgets, Redis", counted, state))
        found.append(Variant("everything, Redis", everything, state, ledgers[2]))
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
    """Of each variant: `cpu_us` an answer, `plain_us` of the plain one beside it, and `of_plain`, the answers that it
    gives in the time of one: the medians of the rounds."""
    taken: dict[str, list[tuple[float, float]]] = {}
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
        plain, *others = candidates
        for number in range(ROUNDS):
            for candidate in others:
                note(f"features, round {number + 1}: {candidate.name}")
                _run_only(candidates, (plain, candidate))
                taken.setdefault(candidate.name, []).append(_side_by_side(stage, plain, candidate, seconds))
                _run_only(candidates, ())  # what they have left to do comes in the next round, not between two
    return {
        name: {
            "plain_us": statistics.median(base for base, _ in pairs),
            "cpu_us": statistics.median(cost for _, cost in pairs),
            "of_plain": statistics.median(base / cost for base, cost in pairs),
        }
        for name, pairs in taken.items()
    }


def _run_only(candidates: Sequence[Candidate], some: Collection[Candidate]) -> None:
    for each in candidates:
        if each.server is not None:
            each.server.resume() if each in some else each.server.pause()


def _side_by_side(stage: Stage, plain: Candidate, other: Candidate, seconds: float) -> tuple[float, float]:
    """CPU microseconds of an answer of each."""
    with ThreadPoolExecutor(1) as beside:
        base = beside.submit(json_load, stage, plain, CONNECTIONS, seconds, other)
        sample = json_load(stage, other, CONNECTIONS, seconds, plain)
        return base.result()["cpu_us"], sample["cpu_us"]


def text(found: dict[str, Sample]) -> str:
    """For people."""
    lines = [f"{'rules of router.yaml':<34}{'CPU µs an answer':>18}{'plain beside it':>18}{'answers ÷ plain':>18}"]
    for name, sample in found.items():
        lines.append(f"  {name:<32}{sample['cpu_us']:>18.1f}{sample['plain_us']:>18.1f}{sample['of_plain']:>18.2f}")
    return "\n".join(lines)


def promises(found: dict[str, Sample]) -> list[Promise]:
    """Everything on is at least `LEAST` of plain."""
    return [
        Promise(f"answers ÷ plain, {name}", sample["of_plain"], LEAST, at_least=True)
        for name, sample in found.items()
        if name.startswith("everything")
    ]
