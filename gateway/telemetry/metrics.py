"""Counters and histograms of one worker, and their exposition for all of them.

Counting happens on the hot path, so it is a dictionary update and nothing else; prometheus-client is only asked to
write the text. Each worker gives a snapshot, `expose` adds them up: a scrape of any worker shows the whole server.
Names follow Prometheus' conventions (base units, `_total`); labels come from the configuration, never from clients.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from gateway.events import Aside, Attempted, BudgetReached, Event, Finished, Mirrored, Reloaded, Tripped

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

AT_ONCE: Final = 64  # events that are counted together

# name → (help, label names); counters end in _total.
COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "gateway_requests_total": ("Client requests that ended.", ("route", "provider", "model", "status", "kind")),
    "gateway_attempts_total": ("Sends to providers that ended.", ("provider", "model", "credential", "outcome")),
    "gateway_tokens_total": ("Tokens reported by providers.", ("provider", "model", "type")),
    "gateway_mirrored_total": (
        "Copies of requests that ended: same or different from what was served, unknown, dropped, or why they failed.",
        ("served", "model", "outcome"),
    ),
    "gateway_cost_usd_total": ("What answers cost, where the price is known.", ("provider", "model", "key")),
    "gateway_cache_total": ("Requests that ended, by where a cache let their answers come from.", ("outcome",)),
    "gateway_budget_reached_total": ("Times that a stated part of a budget was used.", ("budget", "share")),
    "gateway_breaker_opened_total": ("Times a breaker opened.", ("provider", "model", "credential", "kind")),
    "gateway_ledger_rows_total": ("Rows of the ledger that were written, or given up.", ("outcome",)),
    "gateway_changes_total": ("Wishes to change the configuration, by what came of them.", ("outcome",)),
    "gateway_config_swaps_total": ("Configurations put in force.", ()),
}
HISTOGRAMS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "gateway_request_duration_seconds": ("From the request's head to the answer's last byte.", ("route",)),
    "gateway_first_content_seconds": ("From the request's head to the first content of a stream.", ("route",)),
}
GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "gateway_requests_in_flight": ("Requests that hold a configuration.", ("revision",)),
    "gateway_upstream_connections": ("Connections to providers.", ("state",)),
    "gateway_breaker_open": ("Workers in which a breaker is open.", ("provider", "model", "credential")),
    "gateway_target_in_flight": ("Requests that are at a provider, by target.", ("target",)),
    "gateway_ledger_waiting": ("Rows of the ledger that are not written yet.", ()),
    "gateway_store_up": ("Workers that reach the store of shared state.", ()),
    "gateway_config_info": ("1 for the revision in force, by worker.", ("revision",)),
    "gateway_canary_share": ("The share of sessions that a revision on trial serves.", ("revision",)),
    "gateway_config_not_the_file": ("1 while what runs is not what the file says, by why; else 0.", ("why",)),
    "gateway_workers": ("Workers that answered this scrape.", ()),
}


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One series: for a histogram, `values` are its buckets (not cumulative), then its sum."""

    name: str
    labels: tuple[str, ...]
    values: list[float]


class Metrics:
    """The counters of one process. `gauges` is asked at each snapshot."""

    def __init__(self, gauges: Callable[[], Iterable[Sample]] = tuple) -> None:
        self._counts: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
        self._timings: dict[tuple[str, tuple[str, ...]], list[float]] = {}
        self._gauges = gauges
        self._waiting: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Takes one event in. They are counted some at a time: that takes half as long for each."""
        waiting = self._waiting
        waiting.append(event)
        if len(waiting) >= AT_ONCE:
            self._take_in()

    def _take_in(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._take(event)

    def _take(self, event: Event) -> None:
        counts = self._counts
        if isinstance(event, Attempted):
            labels = (event.provider, event.model, event.credential, event.kind or "ok")
            counts["gateway_attempts_total", labels] += 1.0
        elif isinstance(event, Finished):
            self._finished(event)
        elif isinstance(event, Aside):
            self._tokens(event)
        elif isinstance(event, Mirrored):
            counts["gateway_mirrored_total", (event.served, event.model or "", _outcome(event))] += 1.0
        elif isinstance(event, Tripped):
            labels = (event.provider, event.model, event.credential, event.kind)
            counts["gateway_breaker_opened_total", labels] += 1.0
        elif isinstance(event, BudgetReached):
            counts["gateway_budget_reached_total", (event.budget, f"{event.share:g}")] += 1.0
        elif isinstance(event, Reloaded):
            counts["gateway_config_swaps_total", ()] += 1.0

    def _finished(self, event: Finished) -> None:
        counts, provider, model = self._counts, event.provider or "", event.model or ""
        labels = (event.route, provider, model, str(event.status), event.kind or "ok")
        counts["gateway_requests_total", labels] += 1.0
        self._time("gateway_request_duration_seconds", event.seconds, event.route)
        if event.first_content is not None:
            self._time("gateway_first_content_seconds", event.first_content, event.route)
        if event.cost:
            counts["gateway_cost_usd_total", (provider, model, event.key or "")] += event.cost / 1e9
        if event.cache is not None:
            counts["gateway_cache_total", (event.cache,)] += 1.0
        self._tokens(event)

    def _tokens(self, event: Finished | Aside) -> None:
        usage = event.usage
        if usage is None or usage.estimated:
            return
        for type_, count in (
            ("input", usage.input),
            ("output", usage.output),
            ("cached", usage.cached),
            ("reasoning", usage.reasoning),
        ):
            if count:
                self._counts["gateway_tokens_total", (event.provider or "", event.model or "", type_)] += count

    def _time(self, name: str, seconds: float, *labels: str) -> None:
        key = (name, labels)
        cells = self._timings.get(key)
        if cells is None:
            cells = self._timings[key] = [0.0] * (len(_SECONDS) + 2)
        cells[bisect_left(_SECONDS, seconds)] += 1.0
        cells[-1] += seconds

    def snapshot(self) -> bytes:
        """Every series of this process, as msgpack."""
        self._take_in()
        samples = [Sample(name, labels, [value]) for (name, labels), value in self._counts.items()]
        samples += [Sample(name, labels, cells) for (name, labels), cells in self._timings.items()]
        samples += self._gauges()
        samples.append(Sample("gateway_workers", (), [1.0]))
        return msgspec.msgpack.encode(samples)


def _outcome(event: Mirrored) -> str:
    if event.kind is not None:
        return event.kind
    if event.same_finish is None:
        return "unknown"
    return "same" if event.same_finish and event.same_calls else "different"


_SAMPLES: Final = msgspec.msgpack.Decoder(list[Sample])


def summed(snapshots: Sequence[bytes], name: str) -> dict[tuple[str, ...], float]:
    """The first values of one name in the snapshots, added up by labels."""
    sums: dict[tuple[str, ...], float] = {}
    for snapshot in snapshots:
        for sample in _SAMPLES.decode(snapshot):
            if sample.name == name:
                sums[sample.labels] = sums.get(sample.labels, 0.0) + sample.values[0]
    return sums


def expose(snapshots: Sequence[bytes]) -> bytes:
    """The sum of the snapshots in Prometheus' text format (version 0.0.4)."""
    from prometheus_client import CollectorRegistry, generate_latest  # 2 MB and 30 ms that only a scrape needs
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector

    sums: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for snapshot in snapshots:
        for sample in _SAMPLES.decode(snapshot):
            cells = sums.setdefault((sample.name, sample.labels), [0.0] * len(sample.values))
            for index, value in enumerate(sample.values):
                cells[index] += value

    class Totals(Collector):
        def collect(self) -> Iterator[Metric]:
            for name, (help_, labels) in COUNTERS.items():
                counter = CounterMetricFamily(name, help_, labels=labels)
                for (_, values), cells in _of(name):
                    counter.add_metric(values, cells[0])
                yield counter
            for name, (help_, labels) in GAUGES.items():
                gauge = GaugeMetricFamily(name, help_, labels=labels)
                for (_, values), cells in _of(name):
                    gauge.add_metric(values, cells[0])
                yield gauge
            for name, (help_, labels) in HISTOGRAMS.items():
                histogram = HistogramMetricFamily(name, help_, labels=labels)
                for (_, values), cells in _of(name):
                    histogram.add_metric(values, _cumulative(cells), cells[-1])
                yield histogram

    def _of(name: str) -> list[tuple[tuple[str, tuple[str, ...]], list[float]]]:
        return sorted(item for item in sums.items() if item[0][0] == name)

    registry = CollectorRegistry()
    registry.register(Totals())
    return generate_latest(registry)


def _cumulative(cells: list[float]) -> list[tuple[str, float]]:
    bounds = [str(bound) for bound in _SECONDS] + ["+Inf"]
    total, buckets = 0.0, []
    for bound, count in zip(bounds, cells[:-1], strict=True):
        total += count
        buckets.append((bound, total))
    return buckets
