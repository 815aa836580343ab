"""What a walk is to assume, in words: `claude=429,ok`, `openai=timeout`, `vllm=auth:2m` → faults and rests.

Targets are named by themselves, by their model, or by their provider. A status means what it means on the target's
wire, so it is read by the function that reads answers of providers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.diagnostics.suggest import closest
from gateway.engine.engine import Engine
from gateway.engine.shadow import Fault, Rest
from gateway.failure import Kind
from gateway.protocols import PROTOCOLS
from gateway.routing.node import Target, targets


class Unmeant(ValueError):  # noqa: N818 - it says what the words are
    """Words that say nothing that can be assumed; its text says why."""


def nameable(engine: Engine) -> dict[str, Target]:
    """A target for every name that targets go by."""
    found: dict[str, Target] = {}
    every = [route.node for route in engine.routes.values()] + [each.route.node for each in engine.patterns]
    reached = [target for node in every for target in targets(node)]
    for field in ("name", "model", "provider"):
        for target in reached:
            found.setdefault(getattr(target, field), target)
    return found


def faults_of(said: Iterable[str], known: Mapping[str, Target], wall: float) -> dict[str, tuple[Fault, ...]]:
    """By `TARGET=WORD[,WORD…]`, one word for each send, the last again and again. Words are kinds of failure, statuses,
    and `ok`. `wall`: seconds since the epoch. Raises `Unmeant`."""
    found: dict[str, tuple[Fault, ...]] = {}
    for each in said:
        name, _, words = each.rpartition("=")
        target = _known(name, known)
        found[name] = tuple(_fault(word.strip(), target, wall) for word in words.split(","))
    return found


def rests_of(said: Iterable[tuple[str, float]], known: Mapping[str, Target]) -> dict[str, Rest]:
    """By `TARGET` or `TARGET=KIND`, with the seconds for which it rests. Raises `Unmeant`."""
    found: dict[str, Rest] = {}
    for each, seconds in said:
        name, mark, word = each.partition("=")
        _known(name, known)
        found[name] = Rest(_kind(word) if mark else Kind.OVERLOADED, seconds)
    return found


def _known(name: str, known: Mapping[str, Target]) -> Target:
    target = known.get(name)
    if target is None:
        near = closest(name, known)
        raise Unmeant(f"there is no target {name!r}{f'; did you mean {near!r}?' if near else ''}")
    return target


def _fault(word: str, target: Target, wall: float) -> Fault:
    if word == "ok":
        return Fault()
    if word.isdecimal():
        status = int(word)
        if not 400 <= status <= 599:
            raise Unmeant(f"{word} is no status of a failure; those are 400 to 599")
        failure = PROTOCOLS[target.protocol].decode_error(status, {}, b"", wall)
        return Fault(kind=failure.kind, status=status, message=f"assumed {status}")
    return Fault(kind=_kind(word))


def _kind(word: str) -> Kind:
    try:
        kind = Kind(word)
    except ValueError:
        near = closest(word, [*Kind, "ok"])
        raise Unmeant(f"{word!r} is no kind of failure{f'; did you mean {near!r}?' if near else ''}") from None
    if kind in (Kind.CANCELLED, Kind.INTERRUPTED, Kind.BUDGET):
        raise Unmeant(f"{word!r} cannot be what a send comes to before its answer begins")
    return kind
