"""What ended, as rows of the ledger: events become bytes where requests are served, and rows where they are written.

Of the values of a row most are those of many other rows: the key, the model, the status. They are packed as one piece,
so that rows are sorted by them without looking into it, and become columns once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import asdict, astuple

from gateway.events import Aside, Finished, Record, Skipped, Trial, new_id
from gateway.ir.usage import Usage

# The columns of the ledger in the order in which they are written: those that each row has for itself, and those that
# many have alike. `path`, `tags` and `lossy` are JSON text; what is true or false is 1 or 0.
OWN: Final = (
    "id", "request_id", "at", "seconds", "first_content", "cost", "answer_id", "end_user", "path",
    *Usage.__struct_fields__[:-1],
)  # fmt: skip
ALIKE: Final = (
    "line", "operation", "protocol", "asked", "route", "provider", "model", "upstream", "credential", "key", "team",
    "revision", "status", "kind", "finish", "attempts", "stream", "estimated", "cache", "tags",
    "lossy", "node",
)  # fmt: skip
Values: TypeAlias = tuple[Any, ...]
Group: TypeAlias = tuple[Values, list[Values]]  # the values of ALIKE, and those of OWN for each row that has them

_TEXT_MOST: Final = 200  # characters of what a client wrote
_NO_TOKENS: Final = (None,) * (len(Usage.__struct_fields__) - 1)
_LARGEST: Final = (1 << 63) - 1
_PACK: Final = msgspec.msgpack.Encoder().encode
_UNPACK_ALIKE: Final = msgspec.msgpack.Decoder().decode
_UNPACK: Final = msgspec.msgpack.Decoder(list[tuple[(msgspec.Raw, *[Any] * len(OWN))]]).decode  # type: ignore[misc]
_ENCODE: Final = msgspec.json.Encoder().encode


class Chunks:
    """Rows that are bytes of events until they are looked at. `packed`: how many, and they; `node` is the machine."""

    def __init__(self, packed: Sequence[tuple[int, bytes]], node: str) -> None:
        self.packed = packed
        self.node = node

    @property
    def rows(self) -> int:
        """How many they are."""
        return sum(count for count, _ in self.packed)

    def __iter__(self) -> Iterator[Group]:
        """Rows that have values alike, together. Raises msgspec.DecodeError."""
        groups: dict[bytes, list[Values]] = {}
        for _, events in self.packed:
            for event in _UNPACK(events):
                groups.setdefault(bytes(event[0]), []).append(event[1:])
        for packed, own in groups.items():
            *alike, tags, lossy = _UNPACK_ALIKE(packed)
            yield (*alike, _text(tuple(tags)), _text(tuple(lossy)), self.node), own


class _Path(msgspec.Struct, gc=False, omit_defaults=True):
    """The way of a request: what was tried, in order, what was not, and why; and the policies that held."""

    tried: Sequence[Trial]
    skipped: Sequence[Skipped]
    policies: Sequence[str] = ()


def packed(events: Sequence[Finished]) -> bytes:
    """The bytes of events that have a record, for `Chunks`."""
    try:
        return _packed(events)
    except (UnicodeError, OverflowError):
        return _packed(_tamed(events))


def _packed(events: Sequence[Finished]) -> bytes:
    return _PACK([_values(event, event.record) for event in events if event.record is not None])


def _values(event: Finished, record: Record) -> Values:
    """First what is alike, as one value."""
    usage = event.usage
    return (
        (
            record.line,
            event.operation,
            record.protocol,
            record.asked[:_TEXT_MOST],
            event.route,
            event.provider,
            event.model,
            record.upstream,
            record.credential,
            event.key,
            record.team,
            event.revision,
            event.status,
            event.kind,
            record.finish,
            event.attempts,
            +event.stream,
            None if usage is None else +usage.estimated,
            event.cache,
            event.tags,
            event.lossy,
        ),
        event.request_id if record.id is None else record.id,
        event.request_id,
        record.at,
        event.seconds,
        event.first_content,
        event.cost,
        record.answer_id,
        record.end_user,
        _ENCODE(_Path(record.trials, record.skipped, record.policies)).decode(),
        *(_NO_TOKENS if usage is None else astuple(usage)[:-1]),
    )


def _tamed(value: Any) -> Any:
    """The value as bytes can hold it: half characters are marked, and numbers have 64 bits."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool) or not isinstance(value, int | list | tuple | msgspec.Struct):
        return value
    if isinstance(value, int):
        return max(-_LARGEST, min(_LARGEST, value))
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: _tamed(field) for name, field in asdict(value).items()})
    return [_tamed(each) for each in value]


def as_request(event: Aside, now: float) -> Finished:
    """A send beside a request, as if it had been one. `now`: seconds since the epoch."""
    trial = Trial(event.model, event.credential, event.kind, event.status, event.seconds)
    record = Record(
        at=now - event.seconds,
        id=new_id(),
        line=event.line,
        asked=event.route,
        team=event.team,
        end_user=event.user,
        upstream=event.upstream,
        credential=event.credential,
        trials=(trial,),
    )
    return Finished(
        request_id=event.request_id,
        operation=event.operation,
        route=event.route[:_TEXT_MOST],
        provider=event.provider,
        model=event.model,
        key=event.key,
        revision="",
        status=event.status,
        kind=event.kind,
        attempts=1,
        seconds=event.seconds,
        first_content=None,
        cost=event.cost,
        stream=event.stream,
        usage=event.usage,
        tags=event.tags,
        record=record,
    )


@lru_cache(1024)  # the same tags come again and again
def _text(values: tuple[str, ...]) -> str:
    return _ENCODE(values).decode()
