"""Recorded requests through both Engines: how many go elsewhere, from where to where, what it costs, what is lost.

Each request is walked dry (engine/dry.py) through the old and the new Engine with one seed and, where it is known how
its targets failed, with the same failures. A share that moves is exact for these requests; a strategy that draws draws
alike on both sides, so weights move as many as their shares do. State is as at a start: nothing rests, nothing is
spent. Tokens are those that were recorded, else estimated from the prompt, with no answer.

A request of a ledger has no words, only a size: what it carried (images, tools) is not known, so nothing of it is
skipped for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gateway.engine.access import ANYONE, Caller
from gateway.engine.clients import Received
from gateway.engine.dry import Dry, Walked
from gateway.engine.engine import Engine
from gateway.engine.planning.picture import Side
from gateway.engine.planning.wording import percent
from gateway.engine.shadow import Fault, Given
from gateway.failure import Kind
from gateway.ir.cost import cost, usd
from gateway.ir.estimate import prompt_tokens
from gateway.ir.usage import Usage
from gateway.protocols import PROTOCOLS
from gateway.routing.node import Target

_WORD: Final = "word "  # one token, as prompts are estimated
_TOKENS_MOST: Final = 2_000_000
_SHOWN: Final = 20
_KINDS: Final = frozenset(kind.value for kind in Kind)
_COUNTED: Final = (
    "input", "output", "cached", "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output",
)  # fmt: skip


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was made. `key`: its key's name, None for nobody's. `usage` None is to be estimated.

    `failed`: what each send to a target came to, by its name; None is an answer, the last holds for all further ones.
    `answered`: whether it had an answer then, None where nobody says.
    """

    received: Received
    key: str | None = None
    usage: Usage | None = None
    failed: Mapping[str, tuple[Kind | None, ...]] = {}
    answered: bool | None = None


class Way(msgspec.Struct, frozen=True, order=True):
    """Requests that moved from one end to another; an end is who answers, or how it ends."""

    before: str
    after: str


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all. Money is nano-dollars of the requests that are answered on both sides at known prices;
    `unpriced` are answered and not among them.

    `refused` were answered and no longer are, `let_in` the reverse. `unlike` had an answer when they were recorded and
    have none on the old side. `lost` and `gained`: by capability, requests whose target is no longer, or newly, able.
    """

    requests: int = 0
    moved: int = 0
    ways: tuple[tuple[Way, int], ...] = ()
    refused: int = 0
    let_in: int = 0
    unlike: int = 0
    before: int = 0
    after: int = 0
    unpriced: int = 0
    lost: Mapping[str, int] = {}
    gained: Mapping[str, int] = {}

    def text(self) -> str:
        """For people."""
        if not self.requests:
            return "replay: no requests\n"
        stays = self.requests - self.moved
        lines = [
            f"replay: {self.requests:,} requests",
            f"  {stays:,} ({percent(stays / self.requests)}) go where they went",
            f"  {self.moved:,} ({percent(self.moved / self.requests)}) move",
        ]
        lines += [f"    {count:>7,}  {way.before} → {way.after}" for way, count in self.ways[:_SHOWN]]
        if len(self.ways) > _SHOWN:
            lines.append(f"             and {len(self.ways) - _SHOWN} other ways")
        if self.refused or self.let_in:
            lines.append(f"  {self.refused:,} are no longer answered, {self.let_in:,} newly are")
        if self.unlike:
            lines.append(
                f"  {self.unlike:,} had an answer when they were recorded and have none here: what decides over"
            )
            lines.append("    them is not in the record (addresses, headers, contents, state)")
        change = f" ({(self.after - self.before) / self.before * 100:+.1f} %)" if self.before else ""
        lines.append(f"  cost {usd(self.before)} → {usd(self.after)} USD{change.replace('-', '−')}")
        if self.unpriced:
            lines.append(f"    without {self.unpriced:,} for which nobody knows a price")
        for word, counts in (("can no longer", self.lost), ("newly can", self.gained)):
            lines += [f"  {count:,} go to a target that {word} do {name}" for name, count in counts.items()]
        return "\n".join(lines) + "\n"

    def told(self) -> dict[str, Any]:
        """For programs; dollars are decimal numbers as text."""
        return {
            "requests": self.requests,
            "moved": self.moved,
            "ways": [{"before": way.before, "after": way.after, "requests": count} for way, count in self.ways],
            "refused": self.refused,
            "let_in": self.let_in,
            "unlike": self.unlike,
            "usd": {"before": usd(self.before), "after": usd(self.after), "unpriced": self.unpriced},
            "lost": dict(self.lost),
            "gained": dict(self.gained),
        }


def replay(old: Side, new: Side, recorded: Iterable[Recorded]) -> Replay:
    """All requests through both."""
    ways: Counter[Way] = Counter()
    lost: Counter[str] = Counter()
    gained: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    callers = [{caller.name: caller for caller in side.engine.keyring.callers.values()} for side in (old, new)]
    with Dry() as dry:
        for number, each in enumerate(recorded):
            before, after = (
                _walked(dry, side.engine, who, each, number) for side, who in zip((old, new), callers, strict=True)
            )
            counts["requests"] += 1
            was, now = _end(before), _end(after)
            if was != now:
                ways[Way(was, now)] += 1
            first, second = before.served, after.served
            counts["refused"] += first is not None and second is None
            counts["unlike"] += bool(each.answered) and first is None
            counts["let_in"] += first is None and second is not None
            if first is None or second is None:
                continue
            usage = each.usage or _usage(before)
            costs = _cost(first, usage), _cost(second, usage)
            if None in costs:
                counts["unpriced"] += 1
            else:
                counts["before"] += costs[0] or 0
                counts["after"] += costs[1] or 0
            if first.supports is not None and second.supports is not None:
                lost.update(first.supports - second.supports)
                gained.update(second.supports - first.supports)
    return Replay(
        moved=sum(ways.values()),
        ways=tuple(sorted(ways.items(), key=lambda item: (-item[1], item[0]))),
        lost=dict(sorted(lost.items())),
        gained=dict(sorted(gained.items())),
        **counts,
    )


def _walked(dry: Dry, engine: Engine, callers: Mapping[str, Caller], each: Recorded, seed: int) -> Walked:
    caller = callers.get(each.key or "")
    if caller is None and each.key not in (None, ANYONE.name) and not engine.keyring.open:
        caller = Caller(name=each.key or "", allow=frozenset(), disabled=True)  # its key is gone: it may use nothing
    given = Given(faults={name: tuple(Fault(kind=kind) for kind in kinds) for name, kinds in each.failed.items()})
    return dry.walk(engine, caller or ANYONE, each.received, given, seed=seed)


def _end(walked: Walked) -> str:
    if walked.served is not None:
        target = walked.served
        return f"{target.upstream} at {target.provider}"
    refusal = walked.refusal
    return f"{refusal.status} {refusal.code}" if refusal is not None else "nobody"


def _usage(walked: Walked) -> Usage:
    """The prompt as it is estimated, where nobody counted."""
    if walked.job is None:
        return Usage()
    return Usage(input=prompt_tokens(walked.job.request()), estimated=True)


def _cost(target: Target, usage: Usage) -> int | None:
    return None if target.price is None else cost(usage, target.price)


def of_row(row: Mapping[str, Any]) -> Recorded | None:
    """A request of a row of the ledger; None for what was not a conversation."""
    if row["operation"] != "chat":
        return None
    wire = PROTOCOLS["openai-chat"]
    tokens = min(int(row["input"] or 1), _TOKENS_MOST)
    body = {
        "model": row["asked"],
        "stream": bool(row["stream"]),
        "messages": [{"role": "user", "content": _WORD * tokens}],
    }
    tokens_of = {name: int(row[name] or 0) for name in _COUNTED}
    return Recorded(
        received=Received(
            protocol=wire, head=wire.decode_head(msgspec.json.encode(body), None, None), wall=float(row["at"])
        ),
        key=row["key"],
        usage=msgspec.convert(tokens_of, Usage) if row["input"] is not None else None,
        failed=_failed(row["path"]),
        answered=200 <= int(row["status"]) < 300,
    )


def _failed(path: Any) -> dict[str, tuple[Kind | None, ...]]:
    """What sends to each target came to, by what the ledger says of the way."""
    way = msgspec.json.decode(path) if isinstance(path, str | bytes) else path
    found: dict[str, tuple[Kind | None, ...]] = {}
    for step in way.get("tried", ()) if isinstance(way, dict) else ():
        kind = step.get("kind")
        if step.get("target") and (kind is None or kind in _KINDS):
            found[step["target"]] = (*found.get(step["target"], ()), None if kind is None else Kind(kind))
    return {name: kinds for name, kinds in found.items() if any(kind is not None for kind in kinds)}


def of_lines(data: bytes, wall: float) -> Iterator[Recorded]:
    """Requests of a file with one JSON object a line: a body, or `{"body": …, "key": …, "protocol": …, "headers": …,
    "from": address, "at": …, "usage": …, "failed": {target: kind}}`. Raises ValueError with the line's number."""
    for number, text in enumerate(data.splitlines(), 1):
        if not text.strip():
            continue
        try:
            said = msgspec.json.decode(text)
            whole = said if "body" in said else {"body": said}
            wire = PROTOCOLS[whole.get("protocol", "openai-chat")]
            headers = {str(name).lower(): str(value) for name, value in whole.get("headers", {}).items()}
            head = wire.decode_head(msgspec.json.encode(whole["body"]), None, None)
            usage = msgspec.convert(whole["usage"], Usage) if "usage" in whole else None
            failed = {str(name): (Kind(kind),) for name, kind in whole.get("failed", {}).items()}
            received = Received(
                protocol=wire,
                head=head,
                headers=headers,
                peer=str(whole.get("from", "127.0.0.1")),
                wall=float(whole.get("at", wall)),
            )
        except Exception as error:
            raise ValueError(f"line {number} is no request: {type(error).__name__}: {error}") from None
        yield Recorded(received=received, key=whole.get("key"), usage=usage, failed=failed)
