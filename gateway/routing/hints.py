"""What a request asks of its targets: OpenRouter's `provider` object and `models`, and pins by header.

Hints filter and order the targets that the name and the caller's key have led to already; they never add one. A hard
one that leaves nothing is a refusal, never ignored: names of providers, `max_price` (an unknown price is no fit), what
its provider must promise (`data_collection: deny`, `zdr`, …, by tags of router.yaml). Soft ones change the order.

The fields are the gateway's: they are taken out of the body and go on to nobody, but for `provider` to a provider that
is a router itself (quirk `provider_hints`), without the names that are this gateway's own providers. There, names that
this gateway does not know are that router's affair.

Must not live here: resolving names (engine/wished.py), the order itself (ranking.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.protocols import forward
from gateway.protocols.contract import Fields, Head
from gateway.protocols.reading import Fields as Reader
from gateway.protocols.reading import Malformed, json_of, strings

if TYPE_CHECKING:
    from gateway.routing.node import Target

ROUTER: Final = "provider_hints"  # the quirk of providers that take such hints
MODELS_MOST: Final = 10
PROVIDER_HEADERS: Final = ("x-gateway-provider", "x-anyrouter-provider")
CREDENTIAL_HEADERS: Final = ("x-gateway-credential", "x-omniroute-connection")
_HEADERS: Final = frozenset((*PROVIDER_HEADERS, *CREDENTIAL_HEADERS))
_FIELDS: Final = frozenset(("models", "provider", "fallbacks"))
# Promises that only the operator can know, and the tag by which router.yaml says that they are kept.
_PROMISES: Final = {"zdr": "zdr", "enforce_distillable_text": "distillable"}
_NO_COLLECTION: Final = "no-data-collection"
_SORTS: Final = {"price": "price", "latency": "latency", "throughput": "latency", "exacto": ""}
_PRICED: Final = {"prompt": "input", "completion": "output", "audio": "audio_input"}
_UNPRICED: Final = ("request", "image")  # nothing here is priced by these


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """Names of providers are plain (`plain`). `others`: `only` or `order` also name what this gateway does not have.

    `pinned`: that provider or nothing. `fallbacks` False: what is tried first is all that is tried, but for providers
    in `order`. `sort`: price, latency, or "". `slow`: seconds of latency above which a target comes later. `most`: USD
    per million by the fields of a price. `tags` must all be there, `quantizations` one of them. `strict`: nothing of
    the request may be lost. `models` go on after the asked one. `across`: `sort` is over all models.
    """

    order: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    ignore: frozenset[str] = frozenset()
    others: bool = False
    pinned: str = ""
    credential: str = ""
    fallbacks: bool = True
    sort: str = ""
    across: bool = False
    slow: float | None = None
    most: tuple[tuple[str, float], ...] = ()
    tags: tuple[str, ...] = ()
    quantizations: frozenset[str] = frozenset()
    strict: bool = False
    models: tuple[str, ...] = ()
    onward: bytes = b""

    @property
    def orders(self) -> bool:
        """Whether the order of targets is the request's."""
        return bool(self.order or self.sort or self.slow is not None)

    def objection(self, target: Target, tried: bool) -> str | None:
        """Why a target is not what the request asks for. `tried`: another one has failed already."""
        name = plain(target.provider)
        router = self.others and ROUTER in target.dialect.quirks
        if self.pinned and name != self.pinned:
            return f"the request is pinned to the provider {self.pinned!r}"
        if self.only is not None and name not in self.only and not router:
            return f"the request asks for {_listed(self.only)} only"
        if name in self.ignore:
            return f"the request ignores the provider {name!r}"
        if not self.fallbacks:
            if self.order and name not in self.order and not router:
                return "the request allows no fallbacks beyond its `order`"
            if tried and not self.order:
                return "the request allows no fallbacks"
        if ROUTER not in target.dialect.quirks:  # a router is told, and sees to it
            for tag in self.tags:
                if tag not in target.tags:
                    return f"the request asks for a target tagged {tag!r}"
            if self.quantizations and self.quantizations.isdisjoint(target.tags):
                return f"the request asks for a target tagged {_listed(self.quantizations)}"
        return self._dear(target)

    def takes(self, target: Target, credential: str) -> bool:
        """Whether a credential may be used."""
        return not self.credential or self.credential in (credential, f"{target.provider}/{credential}")

    def told(self, target: Target) -> Target:
        """The target, told of the hints that are its affair."""
        if not self.onward or ROUTER not in target.dialect.quirks:
            return target
        edits = msgspec.structs.replace(target.edits, set=(*target.edits.set, ("provider", self.onward)))
        return msgspec.structs.replace(target, edits=edits)

    def _dear(self, target: Target) -> str | None:
        for field, most in self.most:
            price = getattr(target.price, field) if target.price is not None else None
            if price is None and field == "audio_input" and target.price is not None:
                price = target.price.input
            if price is None:
                return "its price is not known, and the request bounds it"
            if price > most:
                return (
                    f"it costs {price:g} USD per million {field} tokens, more than the {most:g} that the request allows"
                )
        return None


@lru_cache(1024)
def plain(name: str) -> str:
    """A provider's name without what people write differently: `Z.AI` and `z-ai`, `google-vertex/us-east5` its base."""
    return name.strip().lower().partition("/")[0].replace(".", "-").replace(" ", "-").replace("_", "-")


def read(head: Head, headers: Mapping[str, str], providers: frozenset[str]) -> tuple[Head, Hints | None]:
    """The hints of a request, and its head without them. `providers`: those of this gateway.

    Raises `Refused` (400) naming a hint that cannot be read.
    """
    fields = head.fields
    if _FIELDS.isdisjoint(fields) and _HEADERS.isdisjoint(headers):
        return head, None
    pinned = _header(headers, PROVIDER_HEADERS)
    credential = _header(headers, CREDENTIAL_HEADERS)
    hinted = sorted(name for name in _FIELDS if name in fields and _is_hint(name, fields[name]))
    if not (pinned or credential or hinted):
        return head, None
    try:
        said = _said(Reader(json_of(bytes(fields["provider"])), "provider"), providers) if "provider" in hinted else {}
        models = _models(fields, hinted)
    except Malformed as malformed:
        raise malformed.refused() from None
    if pinned or credential:
        said["fallbacks"] = False
    hints = Hints(pinned=plain(pinned), credential=credential, models=models, **said)
    if hinted:
        left = {name: value for name, value in fields.items() if name not in hinted}
        head = Head(head.model, head.stream, left, forward.body_of(left))
    return head, hints


def _header(headers: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((_text(headers[name]) for name in names if name in headers), "")


def _text(value: str) -> str:
    """A header's value; bytes that are no text are question marks."""
    return value.encode("utf-8", "replace").decode()


def _is_hint(name: str, raw: msgspec.Raw) -> bool:
    """Whether it has the shape of one; anything else is a field that the gateway knows nothing of."""
    return bytes(memoryview(raw)[:1]) == (b"{" if name == "provider" else b"[")


def _models(fields: Fields, hinted: Sequence[str]) -> tuple[str, ...]:
    """The models to go on with: `models`, or what others call `fallbacks`: names, or `{model}`."""
    if "models" in hinted and "fallbacks" in hinted:
        raise Malformed("models", "and 'fallbacks' say the same; send one of them")
    found: tuple[str, ...] = ()
    if "models" in hinted:
        found = strings(json_of(bytes(fields["models"])), "models")
    elif "fallbacks" in hinted:
        items = json_of(bytes(fields["fallbacks"]))
        found = tuple(_model_of(item, f"fallbacks[{at}]") for at, item in enumerate(items))
    if len(found) > MODELS_MOST:
        raise Malformed("models", f"must not be more than {MODELS_MOST}")
    return tuple(dict.fromkeys(found))


def _model_of(item: Any, at: str) -> str:
    if isinstance(item, str):
        return item
    if not isinstance(item, dict) or not isinstance(item.get("model"), str):
        raise Malformed(at, "must be a name, or an object with a 'model'")
    return str(item["model"])


def _said(reader: Reader, providers: frozenset[str]) -> dict[str, Any]:
    """The `provider` object as fields of `Hints`."""
    written = dict(reader.left)
    ours = {plain(name) for name in providers}
    said: dict[str, Any] = {}
    foreign = False
    for name in ("order", "only", "ignore"):
        if written.get(name) is None:
            continue
        names = strings(written[name], f"provider.{name}")
        own = tuple(dict.fromkeys(plain(each) for each in names))
        theirs = [each for each in names if plain(each) not in ours]
        foreign = foreign or (bool(theirs) and name != "ignore")
        said[name] = own if name == "order" else frozenset(own)
        written[name] = theirs
        if not theirs:
            del written[name]
    said["others"] = foreign
    said["fallbacks"] = reader.flag("allow_fallbacks") is not False
    said["strict"] = reader.flag("require_parameters") is True
    said |= _sorted(written.get("sort"))
    said["slow"] = _seconds(written.get("preferred_max_latency"))
    said["most"] = _most(written.get("max_price"))
    tags = [tag for name, tag in _PROMISES.items() if reader.flag(name) is True]
    collection = written.get("data_collection")
    if collection not in (None, "allow", "deny"):
        raise Malformed("provider.data_collection", "must be 'allow' or 'deny'")
    said["tags"] = (*tags, _NO_COLLECTION) if collection == "deny" else tuple(tags)
    if written.get("quantizations") is not None:
        said["quantizations"] = frozenset(strings(written["quantizations"], "provider.quantizations"))
    said["onward"] = msgspec.json.encode(written) if written else b""
    return said


def _sorted(value: Any) -> dict[str, Any]:
    across = False
    if isinstance(value, dict):
        value, across = value.get("by"), value.get("partition") == "none"
    if value is None:
        return {}
    if not isinstance(value, str) or value not in _SORTS:
        raise Malformed("provider.sort", f"must be one of {', '.join(_SORTS)}")
    return {"sort": _SORTS[value], "across": across}


def _seconds(value: Any) -> float | None:
    """A bound on latency: seconds, or an object of percentiles, of which the least is taken as the median's."""
    if isinstance(value, dict):
        value = value.get("p50", min((each for each in value.values() if _is_number(each)), default=None))
    if value is not None and not _is_number(value):
        raise Malformed("provider.preferred_max_latency", "must be a number of seconds")
    return None if value is None else float(value)


def _most(value: Any) -> tuple[tuple[str, float], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise Malformed("provider.max_price", "must be an object")
    found: dict[str, float] = {}
    for name, bound in value.items():
        if name not in _PRICED and name not in _UNPRICED:
            raise Malformed(f"provider.max_price.{name}", f"is not one of {', '.join((*_PRICED, *_UNPRICED))}")
        try:
            most = float(bound) if isinstance(bound, str) or _is_number(bound) else -1.0
        except ValueError:
            most = -1.0
        if not 0 <= most < float("inf"):
            raise Malformed(f"provider.max_price.{name}", "must be USD per million tokens, 0 or more")
        if name in _PRICED:
            found[_PRICED[name]] = most
    return tuple(found.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
