"""What a test expects, against what happened: one function for each word of `expect`.

A word's function gives what was there instead, as people read it, or None where all is as it should be. Names of models
stand for any of their deployments, and aliases for what they mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from gateway.config.model_tests import Expect, TestRequest
from gateway.config.read import Path
from gateway.events import Finished
from gateway.ir.cost import usd
from gateway.rehearsal.reading import at_path, code_of, text_of
from gateway.rehearsal.world import Happened, World

_NANO: Final = 10**9
_NEAR: Final = 1000  # nano-dollars: a millionth of a dollar


class Missed(NamedTuple):
    """An expectation that was not met: where it stands, what it says, and what was there."""

    path: Path
    expected: str
    actual: str


class _Case(NamedTuple):
    """What the functions look at."""

    world: World
    request: TestRequest
    happened: Happened


def missed(
    world: World, request: TestRequest, happened: Happened, expect: Expect, path: Path, which: str
) -> list[Missed]:
    """What one request misses; `which` says in words which request it was."""
    case = _Case(world, request, happened)
    found = []
    for word, judge in _EACH.items():
        wanted = getattr(expect, word)
        if wanted is None:
            continue
        for inner, said, actual in judge(case, wanted):
            found.append(Missed((*path, word, *inner), said, actual + which))
    return found


async def missed_after(world: World, finished: Sequence[Finished | None], expect: Expect, path: Path) -> list[Missed]:
    """What is missed once all requests of a step, or of a test, were answered."""
    found = []
    for name, share in (expect.shares or {}).items():
        answered = Counter(each.model for each in finished if each is not None and each.status < 400)
        part = answered[world.meaning(name)] / max(1, len(finished))
        if not share.low - 1e-9 <= part <= share.high + 1e-9:
            said = f"{share.low:.4%}..{share.high:.4%}".replace(".0000%", "%")
            all_ = ", ".join(f"{model} {count}" for model, count in answered.most_common())
            actual = f"{part:.1%} of {len(finished)} ({all_})"
            found.append(Missed((*path, "shares", name), said, actual))
    for name, shares in (expect.budget or {}).items():
        for whose, money in shares.items():
            used = await world.spent(name, whose)
            if abs(used - round(money.amount * _NANO)) > _NEAR:
                at = (*path, "budget", name, whose) if whose else (*path, "budget", name)
                found.append(Missed(at, f"{money.amount:g} USD", f"{usd(used)} USD"))
    for name, state in (expect.breaker or {}).items():
        stands = world.breaker(name)
        if stands != state:
            found.append(Missed((*path, "breaker", name), state, stands))
    return found


Judged = Sequence[tuple[Path, str, str]]


def _simple(read: Callable[[_Case], Any]) -> Callable[[_Case, Any], Judged]:
    """A word that is met by the very value."""

    def judge(case: _Case, wanted: Any) -> Judged:
        actual = read(case)
        return () if actual == wanted else (((), _shown(wanted), _shown(actual)),)

    return judge


def _status(case: _Case) -> Any:
    return case.happened.reply.status if case.happened.reply is not None else "no answer within a day"


def _finished(field: str) -> Callable[[_Case], Any]:
    return lambda case: getattr(case.happened.finished, field) if case.happened.finished is not None else None


def _path(case: _Case, wanted: list[str]) -> Judged:
    actual = path_of(case.happened)
    same = len(actual) == len(wanted) and all(
        case.world.named(name, target) for name, target in zip(wanted, actual, strict=True)
    )
    return () if same else (((), _shown(wanted), _shown(actual)),)


def path_of(happened: Happened) -> list[str]:
    """The targets that were asked, in order; retries of one are one."""
    found: list[str] = []
    for trial in trials_of(happened):
        if not found or found[-1] != trial.target:
            found.append(trial.target)
    return found


def trials_of(happened: Happened) -> Sequence[Any]:
    """The sends of a request, and what came of each."""
    finished = happened.finished
    return finished.record.trials if finished is not None and finished.record is not None else ()


def _credentials(case: _Case) -> list[str]:
    return [trial.credential for trial in trials_of(case.happened)]


def _model(case: _Case, wanted: str) -> Judged:
    actual = _finished("model")(case)
    return () if actual is not None and case.world.named(wanted, actual) else (((), wanted, _shown(actual)),)


def _failure(case: _Case) -> str:
    return str(_finished("kind")(case) or "none")


def _code(case: _Case, wanted: str) -> Judged:
    codes = code_of(case.happened.reply.body) if case.happened.reply is not None else []
    return () if wanted in codes else (((), wanted, " or ".join(codes) or "no error"),)


def _skipped(case: _Case, wanted: Mapping[str, str]) -> Judged:
    finished = case.happened.finished
    skipped = finished.record.skipped if finished is not None and finished.record is not None else ()
    found = []
    for name, words in wanted.items():
        reasons = [each.why for each in skipped if case.world.named(name, each.target)]
        if not any(words.lower() in why.lower() for why in reasons):
            found.append(((name,), words or "passed over", " / ".join(reasons) or "not passed over"))
    return found


def _body(case: _Case, wanted: str | dict[str, Any]) -> Judged:
    reply = case.happened.reply
    body = reply.body if reply is not None else b""
    text = text_of(case.request.protocol, bool(case.request.stream), body)
    if isinstance(wanted, str):
        return () if wanted in text or wanted in body.decode("utf-8", "replace") else (((), repr(wanted), _clip(text)),)
    return _values(body, wanted)


def _sent(case: _Case, wanted: dict[str, Any]) -> Judged:
    sent = case.happened.sent
    return _values(sent[-1].body, wanted) if sent else (((), _shown(wanted), "nothing was sent"),)


def _values(body: bytes, wanted: dict[str, Any]) -> Judged:
    try:
        value = msgspec.json.decode(body) if body else None
    except ValueError:
        return (((), "JSON", _clip(body.decode("utf-8", "replace"))),)
    found = []
    for path, each in wanted.items():
        actual = at_path(value, path)
        if actual != each:
            found.append(((path,), _shown(each), _shown(actual)))
    return found


def _headers(case: _Case, wanted: dict[str, str | None]) -> Judged:
    reply = case.happened.reply
    actual = {name: reply.header(name.lower()) if reply is not None else None for name in wanted}
    return [((name,), _shown(wanted[name]), _shown(actual[name])) for name in wanted if actual[name] != wanted[name]]


def _lossy(case: _Case) -> list[str]:
    reply = case.happened.reply
    said = reply.header("x-gateway-lossy") if reply is not None else None
    return sorted(said.split(", ")) if said else []


def _losses(case: _Case, wanted: list[str]) -> Judged:
    actual = _lossy(case)
    return () if actual == sorted(wanted) else (((), _shown(sorted(wanted)), _shown(actual)),)


def _cost(case: _Case, wanted: Any) -> Judged:
    actual = _finished("cost")(case)
    if actual is not None and abs(actual - round(wanted.amount * _NANO)) <= _NEAR:
        return ()
    return (((), f"{wanted.amount:g} USD", f"{usd(actual)} USD" if actual is not None else "nobody knows"),)


def _cache(case: _Case, wanted: list[str]) -> Judged:
    actual = _finished("cache")(case)
    return () if actual in wanted else (((), " or ".join(wanted), _shown(actual)),)


def _time(case: _Case, wanted: Any) -> Judged:
    took = case.happened.seconds
    if wanted.low - 1e-6 <= took <= wanted.high + 1e-6:
        return ()
    said = f"at most {wanted.high:g}s" if not wanted.low else f"{wanted.low:g}s..{wanted.high:g}s"
    return (((), said, f"{took:.3f}s"),)


# In the order in which what failed is told: what says most comes first.
_EACH: Final[dict[str, Callable[[_Case, Any], Judged]]] = {
    "path": _path,
    "status": _simple(_status),
    "code": _code,
    "failure": _simple(_failure),
    "attempts": _simple(lambda case: len(trials_of(case.happened))),
    "credentials": _simple(_credentials),
    "model": _model,
    "provider": _simple(_finished("provider")),
    "skipped": _skipped,
    "body": _body,
    "headers": _headers,
    "sent": _sent,
    "lossy": _losses,
    "cost": _cost,
    "cache": _cache,
    "time": _time,
}


def _shown(value: Any) -> str:
    """A value as it would be written."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return f"[{', '.join(value)}]"
    return _clip(msgspec.json.encode(value).decode())


def _clip(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "…"
