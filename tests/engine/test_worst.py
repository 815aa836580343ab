"""The worst case of a route is never exceeded by what the loop does, and is what its bounds make of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.load import load
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.engine.worst import Worst, as_dict, worst, worst_of
from gateway.failure import Kind
from gateway.ir.cost import Price
from gateway.routing.constraints import Caps
from gateway.routing.node import Branch, Chain, Fallback, Node, Retries, Split
from tests.routing.bench import Bench, Reply, down, error, target

TEXT = """
version: 1
gateway: {auth: open}
defaults: {retries: {attempts: 1}, timeouts: {total: 2m}}
providers:
  sandbox: {}
  anthropic: {api_keys: {a: {env: ONE}, b: {env: ONE}}, timeouts: {total: 5m}}
  house: {protocol: openai-chat, base_url: "http://127.0.0.1:9/v1", api_key: none}
models:
  claude: {provider: anthropic, id: claude-haiku-4-5}
  small: {provider: house, context: 1k, price: {input: 1, output: 2}, retries: {attempts: 5}}
  mute: {provider: house, context: 1k, max_output: 10, price: {input: 1, output: 2}, retries: {attempts: 0}}
  free: {provider: sandbox}
  odd: {provider: house}
  hidden: {provider: sandbox, visibility: internal}
aliases: {other: claude}
combos:
  pair: [small, mute]
  many: [claude, small, mute, free, hidden, odd]
fallbacks: {mute: [free]}
CAP
"""


def worsts(tmp_path: Path, cap: str = "", text: str = TEXT) -> dict[str, Worst]:
    file = tmp_path / "router.yaml"
    file.write_text(text.replace("CAP\n", "").replace("defaults: {", f"defaults: {{{cap}"))
    loaded = load([file], known=KNOWN, environ={"ONE": "a-secret-of-some-length"})
    assert loaded.config is not None
    assert not loaded.diagnostics.has_errors
    rows = worst(build(loaded.config, loaded.secrets, revision="r"), loaded.config)
    return {row.route: row for row in rows}


def test_sends_seconds_and_dollars(tmp_path: Path) -> None:
    rows = worsts(tmp_path)
    assert list(rows) == ["claude", "small", "mute", "free", "odd", "pair", "many"], "public, and no alias"
    claude = rows["claude"]
    assert (claude.attempts, claude.seconds) == (4, 300), "two credentials, one retry each"
    assert claude.cost == 4 * (200_000 * 2000 + 64_000 * 5000), "every token written to the cache for an hour"
    small = rows["small"]
    assert (small.attempts, small.cost) == (3, 3 * (1000 * 1000 + 1000 * 2000)), "no kind is retried more than twice"
    mute = rows["mute"]
    assert (mute.attempts, mute.cost) == (3, 1000 * 1000 + 10 * 2000), "its fallback is free"
    assert rows["pair"].sends == 3 + 3
    assert (rows["free"].cost, rows["odd"].cost, rows["odd"].unknown) == (0, None, ("odd",))
    assert (rows["many"].sends, rows["many"].attempts, rows["many"].cost) == (4 + 3 + 1 + 2 + 2 + 2, 12, None)


@pytest.mark.parametrize(
    ("cap", "attempts", "seconds", "cost"),
    [
        ("cap: {attempts: 2}, ", 2, 360, 2 * 3_000_000),
        ("cap: {time: 10s}, ", 6, 10, 3 * 3_000_000 + 1_020_000),
        ("cap: {cost: 0.001 USD}, ", 6, 360, 1_000_000),
        ("cap: {attempts: 50, time: 1h, cost: 5 USD}, ", 6, 360, 3 * 3_000_000 + 1_020_000),
    ],
)
def test_caps_over_every_request(tmp_path: Path, cap: str, attempts: int, seconds: float, cost: int) -> None:
    pair = worsts(tmp_path, cap)["pair"]
    assert (pair.attempts, pair.seconds, pair.cost) == (attempts, seconds, cost)


def test_who_is_asked_again_counts_again(tmp_path: Path) -> None:
    """A judge that is on its own panel, and a fallback that two heats of a race may come to."""
    more = (
        "combos:\n"
        "  panel: {strategy: panel, targets: [small, mute], judge: small}\n"
        "  race: {strategy: race, targets: [small, mute]}\n"
        "  plain: [small, mute]\n"
        "fallbacks: {small: [free], mute: [free]}\n"
    )
    rows = worsts(tmp_path, text=TEXT[: TEXT.index("combos:")] + more)
    small, mute, free = 3, 1, 2
    assert rows["plain"].sends == small + mute + free
    assert rows["race"].sends == small + mute + 2 * free
    assert rows["panel"].sends == 2 * small + mute + 3 * free


def test_as_text() -> None:
    row = Worst(route="r", attempts=1, sends=2, seconds=None, cost=1500, unknown=())
    assert as_dict(row) == {
        "route": "r", "attempts": 1, "sends": 2, "seconds": None, "usd": "0.0000015", "unknown": [],
    }  # fmt: skip


kinds = st.sampled_from([kind for kind in Kind if kind is not Kind.CANCELLED])
scripts = st.lists(
    st.one_of(kinds.map(down), st.sampled_from([error(429), error(500), error(429, retry_after="1"), Reply()])),
    min_size=1,
    max_size=6,
)


@given(
    st.lists(scripts, min_size=3, max_size=3),
    st.integers(0, 5),
    st.sampled_from([("a",), ("a", "b"), ("a", "b", "c", "d")]),
)
async def test_the_loop_never_sends_more(script: list[Any], retries: int, credentials: tuple[str, ...]) -> None:
    price = Price(input=1, output=1)
    a, b, c = (
        target(name, retries=Retries(retries, 0.2, 5.0), context=10, price=price, total=60.0)
        for name in ("a", "b", "c")
    )
    node: Node = Chain("r", Split("s", "priority", (Branch(a), Branch(b))), (Fallback(frozenset(Kind), (c, a)),))
    bench = Bench(node, credentials)
    bench.scripts = dict(zip(("a", "b", "c"), map(list, script), strict=True))
    route: Any = SimpleNamespace(name="r", node=node, budget=60.0)
    row = worst_of(route, SimpleNamespace(runtime=bench.runtime), Caps())  # type: ignore[arg-type]
    began = bench.now
    await bench.ask()
    assert len(bench.course.trials) <= row.attempts <= row.sends
    assert row.seconds is not None
    assert bench.now - began <= row.seconds
