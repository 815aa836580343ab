"""Medians, ratios, the table, and what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Sample

Results = dict[str, dict[str, list[Sample]]]  # scenario → candidate → one sample a round

BUSY = 0.9  # a candidate that used less of its core was not what limited the rate


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is the gateway's value over nginx's."""

    scenario: str
    measure: str
    values: Mapping[str, float]
    marked: frozenset[str] = frozenset()

    @property
    def ratio(self) -> float | None:
        nginx, gateway = self.values.get("nginx"), self.values.get("gateway")
        return gateway / nginx if nginx and gateway is not None else None


@dataclass(frozen=True)
class Promise:
    """What the gateway is held to: `reached` against `bound`."""

    what: str
    reached: float
    bound: float
    at_least: bool

    @property
    def kept(self) -> bool:
        return self.reached >= self.bound if self.at_least else self.reached <= self.bound

    def line(self) -> str:
        """For people."""
        sign = "≥" if self.at_least else "≤"
        return (
            f"{'kept  ' if self.kept else 'MISSED'}  {self.what}: {self.reached:.3g} (promised {sign} {self.bound:g})"
        )


MEASURES = {
    "rate": "per second",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "slow": "answers over 2 s",
    "first_p50_ms": "first event p50 ms",
    "first_p99_ms": "first event p99 ms",
    "cpu_us": "CPU µs each",
    "busy": "share of its core",
    "worker_idle_mb": "worker idle, PSS MB",
    "worker_idle_rss_mb": "worker idle, RSS MB",
    "all_idle_mb": "all processes idle, PSS MB",
    "processes": "processes",
    "worker_held_mb": "worker holding them, PSS MB",
    "kib_a_stream": "KiB a stream",
    "all_after_mb": "all, once they left, PSS MB",
    "start_ms": "start until /health, ms",
    "reload_ms": "file replaced until in force, ms",
    "compile_ms": "of it working, ms",
    "stall_ms": "longest /health meanwhile, ms",
    "all_pss_mb": "all processes afterwards, PSS MB",
}


def rows(results: Results) -> list[Row]:
    """The medians over the rounds, a row per scenario and measure."""
    found = []
    for scenario, by_candidate in results.items():
        middle = {
            name: {
                key: (max if key == "slow" else statistics.median)(sample[key] for sample in samples)
                for key in samples[0]
            }
            for name, samples in by_candidate.items()
            if samples
        }
        keys = list(dict.fromkeys(key for sample in middle.values() for key in sample))
        for key in keys:
            if key == "slow" and not any(sample.get(key) for sample in middle.values()):
                continue  # the usual case needs no line
            values = {
                name: sample[key] for name, sample in middle.items() if key in sample and (name, key) not in _UNKNOWN
            }
            saturating = key == "rate" and scenario not in _NOT_SATURATING
            idle = {name for name, sample in middle.items() if saturating and sample["busy"] < BUSY}
            found.append(Row(scenario, key, values, frozenset(idle - {"direct"})))
    return found


_UNKNOWN = {("direct", "cpu_us"), ("direct", "busy")}
_NOT_SATURATING = {"JSON, 1 connection", "100 streams, paced 20 ms"}


def promises(results: Results) -> list[Promise]:
    """What can be judged from these results."""
    table = {(row.scenario, row.measure): row for row in rows(results)}
    found = []

    def ratio(what: str, scenario: str, bound: float) -> None:
        row = table.get((scenario, "rate"))
        if row is not None and row.ratio is not None:
            found.append(Promise(what, row.ratio, bound, at_least=True))

    ratio("JSON at 64 connections, requests/s over nginx's", "JSON, 64 connections", 0.12)
    ratio("flooded streams, events/s over nginx's", "100 streams, flooded", 0.8)
    latency = table.get(("JSON, 1 connection", "p50_ms"))
    if latency is not None and {"direct", "gateway"} <= latency.values.keys():
        added = latency.values["gateway"] - latency.values["direct"]
        found.append(Promise("added p50 at 1 connection, ms", added, 0.4, at_least=False))
    idle = next((row for row in table.values() if row.measure == "worker_idle_mb"), None)
    if idle is not None and "gateway" in idle.values:
        found.append(Promise("one worker idle, PSS MB", idle.values["gateway"], 60, at_least=False))
    return found


def table(results: Results, candidates: Sequence[str]) -> str:
    """The table as text."""
    lines = [
        f"{'scenario':<32} {'measure':<34}" + "".join(f"{name:>12}" for name in candidates) + f"{'÷ nginx':>10}",
    ]
    last = ""
    marked = False
    for row in rows(results):
        cells = ""
        for name in candidates:
            value = row.values.get(name)
            text = "" if value is None else _number(value)
            if name in row.marked:
                text += "*"
                marked = True
            cells += f"{text:>12}"
        ratio = f"{row.ratio:>10.3f}" if row.ratio is not None else ""
        shown = row.scenario if row.scenario != last else ""
        last = row.scenario
        lines.append(f"{shown:<32} {MEASURES[row.measure]:<34}{cells}{ratio}".rstrip())
    if marked:
        lines.append(f"* it used less than {BUSY:.0%} of its core: the upstream or the load was the limit, not it")
    return "\n".join(lines)


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
