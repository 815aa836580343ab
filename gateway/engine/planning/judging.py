"""How differences are judged that no constant can grade: by what was, what is, and what both Engines answer.

Each function takes a difference and the two sides and gives a risk with its reason; those that take words first make
such a function for one row of the table in `grades.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway.config.units import duration
from gateway.engine.engine import Route
from gateway.engine.planning.differ import Difference
from gateway.engine.planning.picture import Picture, Side
from gateway.engine.planning.wording import percent
from gateway.routing.node import targets

Risk: TypeAlias = Literal["none", "low", "medium", "high"]
Grade: TypeAlias = tuple[Risk, str]
RISKS: Final[tuple[Risk, ...]] = ("none", "low", "medium", "high")


class Context(msgspec.Struct, frozen=True):
    """Both sides, and both pictures in the new one's names."""

    old: Side
    new: Side
    was: Picture
    now: Picture


Judge: TypeAlias = Callable[[Difference, Context], Grade]


def answered(found: Difference, context: Context) -> Grade:
    """A name that callers used is gone."""
    name = str(found.before if found.kind == "rename" else found.path[1])
    old, new = context.old.engine, context.new.engine
    asked = name.replace("*", "x")
    was = old.route(asked)
    if was is None or not was.public:
        return "low", "no caller could ask for it by name"
    now = new.route(asked)
    if now is None or not now.public:
        return "high", f"callers that ask for {name} get 404"
    if _upstreams(was) == _upstreams(now):
        return "low", f"{name} is still answered, by the same models"
    return "medium", f"{name} is still answered, by {', '.join(now.models[:3])}"


def _upstreams(route: Route) -> set[tuple[str, str]]:
    """Who can answer, whatever they are called."""
    return {(target.provider, target.upstream) for target in targets(route.node)}


def new_name(found: Difference, context: Context) -> Grade:
    asked = found.path[1].replace("*", "x")
    was = context.old.engine.route(asked)
    now = context.new.engine.route(asked)
    if was is not None and was.public and now is not None and _upstreams(was) == _upstreams(now):
        return "low", f"{found.path[1]} is answered by the same models as before"
    if was is not None and was.public:
        return "medium", f"{found.path[1]} was answered by {', '.join(was.models[:3])} until now"
    entry = found.after
    if isinstance(entry, dict) and entry.get("visibility") == "internal":
        return "none", "it is reached only by what names it"
    return "low", "a new name; nobody asked for it yet"


def share(found: Difference, context: Context) -> Grade:
    """Weights, as shares of the draw."""
    was, now = _shares(found, context.was), _shares(found, context.now)
    if was is None or now is None:
        return "low", "its strategy does not draw by weight"
    moved = sum(max(0.0, now.get(name, 0.0) - was.get(name, 0.0)) for name in now)
    name = found.path[found.path.index("targets") + 1]
    here = f"its share goes from {percent(was.get(name, 0.0))} to {percent(now.get(name, 0.0))}"
    return (
        ("medium", f"{here}; {percent(moved)} of requests move") if moved else ("none", "all shares stay as they are")
    )


def _shares(found: Difference, of: Picture) -> dict[str, float] | None:
    """Shares of a weighted split's targets; None for another strategy."""
    at = found.path.index("targets")
    entry: Any = of[found.path[0]]
    for word in found.path[1:at]:
        entry = (
            next((each for each in entry if each["to"] == word), None) if isinstance(entry, list) else entry.get(word)
        )
        if entry is None:
            return None
    if entry.get("strategy") != "weighted":
        return None
    weights = {each["to"]: float(each.get("weight", 1)) for each in entry["targets"]}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total else None


def joins(found: Difference, context: Context) -> Grade:
    """A target more, or less."""
    now, was = _shares(found, context.now), _shares(found, context.was)
    name = found.path[-1]
    if found.kind == "add":
        if now is not None:
            share = now.get(name, 0.0)
            return ("medium" if share else "low"), f"it gets {percent(share)} of the requests"
        place = str(found.after.get("place", ""))
        if _strategy(found, context.now) == "priority":
            first = place.startswith("1 of")
            return ("medium", "it is asked first") if first else ("low", "it is asked only when those before it fail")
        return "medium", "it takes part in answering"
    if was is not None:
        return "medium", f"its {percent(was.get(name, 0.0))} of the requests go to the others"
    if _strategy(found, context.was) == "priority" and not str(found.before.get("place", "")).startswith("1 of"):
        return "medium", "one way less where those before it fail"
    return "medium", "its requests go to the others"


def _strategy(found: Difference, of: Picture) -> str:
    entry: Any = of[found.path[0]].get(found.path[1], {})
    return str(entry.get("strategy", "")) if found.path[2] == "targets" else "priority"


def ordered(found: Difference, context: Context) -> Grade:
    strategy = _strategy(found, context.now)
    if strategy == "priority":
        if found.before[0] != found.after[0]:
            return "medium", f"{found.after[0]} is asked first instead of {found.before[0]}"
        return "low", "other targets are asked after a failure"
    if strategy in ("when", "mirror", "pipeline", "race", "panel"):
        return "medium", f"{strategy} goes by the order"
    return "low", f"{strategy} has its own order; this one breaks ties"


def shorter(tighter: str, looser: str) -> Judge:
    """Durations, by whether they shrink."""

    def judge(found: Difference, context: Context) -> Grade:
        before, after = _seconds(found.before), _seconds(found.after)
        return "low", tighter if after < before else looser

    return judge


def _seconds(value: Any) -> float:
    if value is None:
        return float("inf")
    return duration(str(value).split("..")[0])


def number(down: Grade, up: Grade, unknown: float = float("inf")) -> Judge:
    """Numbers, and what is no longer or newly said."""

    def judge(found: Difference, context: Context) -> Grade:
        before = _amount(found.before, unknown)
        return down if _amount(found.after, unknown) < before else up

    return judge


def _amount(value: Any, unknown: float) -> float:
    """The number in a value; a duration's is its seconds."""
    if isinstance(value, int | float):
        return float(value)
    readers: tuple[Callable[[Any], float], ...] = (float, duration)
    for read in readers:
        try:
            return read(str(value).split(" ")[0])
        except ValueError:
            continue
    return unknown


def price(found: Difference, context: Context) -> Grade:
    """What tokens cost, by their kinds."""
    before, after = found.before or {}, found.after or {}
    told = []
    dearer = False
    for kind in ("input", "output"):
        was, now = before.get(kind), after.get(kind)
        dearer = dearer or (now or 0) > (was or 0)
        if was and now and was != now:
            told.append(f"{kind} {(now - was) / was * 100:+.0f} %".replace("-", "−"))
    words = f"{', '.join(told)}; budgets and reports count so" if told else "budgets and reports count differently"
    return ("medium" if dearer or not after else "low"), f"{words} from now on"


def allowed(found: Difference, context: Context) -> Grade:
    if found.before is None:
        return "medium", "what is not on the list is refused with 403"
    if found.after is None:
        return "high", "it may use everything from now on"
    more = set(found.after) - set(found.before)
    return (
        ("high", f"{', '.join(sorted(more))} may be used from now on")
        if more
        else ("medium", "some is refused with 403")
    )


def listed(more: Grade, less: Grade) -> Judge:
    """Lists: whether something came, else that something went."""

    def judge(found: Difference, context: Context) -> Grade:
        before, after = (
            set(map(str, each)) if isinstance(each, list) else set() for each in (found.before, found.after)
        )
        return more if after - before else less

    return judge


def policy_gone(found: Difference, context: Context) -> Grade:
    entry = found.before if isinstance(found.before, dict) else {}
    if "require" in entry:
        return "high", "targets that it ruled out can be reached again"
    if "deny" in entry.get("do", {}):
        return "high", "what it refused is let in"
    return "medium", "requests are no longer changed by it"


def policy_came(found: Difference, context: Context) -> Grade:
    entry = found.after
    if "deny" in entry.get("do", {}):
        return "medium", "requests for which it holds are refused"
    if "require" in entry:
        return "medium", "routes lose targets that it rules out"
    return "medium", "requests for which it holds are changed"


def covers(found: Difference, context: Context) -> Grade:
    entry = context.now["policies"].get(found.path[1], {})
    if "require" in entry or "deny" in entry.get("do", {}):
        return "high", "it protects other requests than before"
    return "medium", "it holds for other requests than before"


def weaker(order: tuple[str, ...], weak: str, strong: str) -> Judge:
    def judge(found: Difference, context: Context) -> Grade:
        def rank(value: Any) -> int:
            word = str(value).split(" ")[0]
            return order.index(word) if word in order else len(order)

        return ("high", weak) if rank(found.after) < rank(found.before) else ("low", strong)

    return judge


def switch(on: Grade, off: Grade) -> Judge:
    return lambda found, context: on if found.after else off


def supported(found: Difference, context: Context) -> Grade:
    if found.after is not None and (found.before is None or set(found.before) - set(found.after)):
        return "medium", "requests that need more go elsewhere or are refused"
    return "low", "requests are sent to it that were not"


def reached(found: Difference, context: Context) -> Grade:
    """What a key reaches."""
    if found.kind == "remove":
        refused = ", ".join(found.before.get("names", ()))
        return ("high", f"it gets 403 for {refused}") if refused else ("medium", "less can answer it")
    if found.after.get("listed"):
        return "high", "a bounded key reaches more"
    return "low", "it may use everything there is"


def worse(found: Difference, context: Context) -> Grade:
    """Bounds over one request."""
    words = {"usd": "dollars"}
    up = [
        words.get(name, name)
        for name, value in found.after.items()
        if _amount(value, inf) > _amount(found.before[name], inf)
    ]
    if found.after.get("usd") == "unknown":
        return "medium", "nobody knows any more what one request may cost"
    return ("low", f"more {' and '.join(up)} at worst") if up else ("none", "less at worst")


def became(word: object, then: Grade, otherwise: Grade) -> Judge:
    """One of several values."""
    return lambda found, context: then if found.after == word else otherwise


def tls(found: Difference, context: Context) -> Grade:
    """How a certificate is checked."""
    if (found.after or {}).get("verify") is False:
        return "high", "any certificate is accepted"
    return "medium", "its certificate is checked differently"


def new_key(found: Difference, context: Context) -> Grade:
    """One key more."""
    admin = found.after.get("admin")
    return ("high", "a new caller that administers the gateway") if admin else ("medium", "a new caller")


def expires(found: Difference, context: Context) -> Grade:
    """The last day of a key; none is later than any."""
    sooner = str(found.after or "9") < str(found.before or "9")
    return ("medium", "it works for less long") if sooner else ("low", "it works for longer")


def rotated(found: Difference, context: Context) -> Grade:
    """A key's secret; the one before may work for a while yet."""
    former = str(context.now["keys"][found.path[1]].get("former", ""))
    if former.startswith(f"{found.before} until "):
        return "low", f"the old secret works too, {former.removeprefix(f'{found.before} ')}"
    return "high", "callers with the old secret get 401"


def former(found: Difference, _context: Context) -> Grade:
    """The secret that a key had before: a hash and a day."""
    was, _, until = str(found.before or "").partition(" until ")
    now, _, then = str(found.after or "").partition(" until ")
    if was not in ("", now):
        return "medium", "callers with the former secret get 401"
    if was == now and then < until:
        return "medium", "the former secret works for less long"
    return "low", "the former secret works for longer" if was else "the former secret works too"
