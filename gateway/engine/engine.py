"""The Engine: what a request is resolved against. Frozen; a request keeps the one it began with to its last byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import quote

import msgspec

from gateway.cache.rules import Caching
from gateway.config.patterns import part
from gateway.engine.access import Caller, Keyring
from gateway.engine.facts import filled
from gateway.engine.policies import Rules
from gateway.failure import Refusal, Refused
from gateway.routing.conditions import Network
from gateway.routing.limiting import Limits
from gateway.routing.node import Chain, Node, Target
from gateway.routing.run import ATTEMPTS_MOST
from gateway.routing.runtime import Runtime
from gateway.transport.contract import Origin


class Route(msgspec.Struct, frozen=True):
    """What a name leads to. `budget`: seconds for the whole request; `models` and `protocols`: all that it can reach.

    `label` stands for the name where names must be few (metrics): for a pattern it is the pattern's text.
    """

    name: str
    label: str
    node: Node
    budget: float | None
    models: tuple[str, ...]
    protocols: frozenset[str]
    public: bool
    owner: str


def time_for(reached: Iterable[Target]) -> float | None:
    """Seconds in which each of some targets, as many as a request may ask, can come to its `total`; None where one has
    none. So whoever hangs until then leaves the next one its time."""
    totals = [target.total for target in reached]
    bound = sorted((total for total in totals if total is not None), reverse=True)
    return sum(bound[:ATTEMPTS_MOST]) if len(bound) == len(totals) else None


class Pattern(msgspec.Struct, frozen=True):
    """A name with one `*`: an alias leads to `route` as it is, a pattern model `fills` the star's part into its id."""

    text: str
    route: Route
    fills: bool


_PART: Final = re.compile(r"[A-Za-z0-9._:/@+=-]{1,200}")
_SUGGEST_MOST: Final = 2000  # names that a suggestion is searched among: a 404 must stay cheap


class Engine(msgspec.Struct, frozen=True):
    """`routes` by exact name; `patterns` with the most specific first; `runtime` is credentials and state.

    `caching` is None where the file has no cache; `idempotency` is the seconds for which an answer is given to a
    repeated request.
    `rules` by caller, where there are any; `proxies` are whose word on a client's address is believed.
    `digest` names the compiled program: equal digests route equally. `revision` names the file it came from. `limits`:
    None where nothing is limited.
    """

    revision: str
    digest: str
    routes: Mapping[str, Route]
    patterns: tuple[Pattern, ...]
    runtime: Runtime
    keyring: Keyring
    origins: frozenset[Origin]
    max_body: int
    drain: float
    providers: frozenset[str] = frozenset()
    limits: Limits | None = None
    caching: Caching | None = None
    idempotency: float = 5.0
    rules: Mapping[str, Rules] = {}
    proxies: tuple[Network, ...] = ()

    def route(self, name: str) -> Route | None:
        """What a name leads to, whoever asks; internal models too."""
        return self.routes.get(name) or self._by_pattern(name)

    def resolve(self, name: str, caller: Caller) -> Route:
        """What `name` means for this caller. Raises `Refused`: 404 for an unknown name, 403 for one not allowed."""
        route = self.routes.get(name)
        if route is None or not route.public:
            route = self._by_pattern(name)
        if route is None:
            raise Refused(
                Refusal(
                    status=404,
                    type="not_found_error",
                    code="model_not_found",
                    message=f"The model {_shown(name)} does not exist.{self._suggestion(name, caller)}",
                    param="model",
                    should_retry=False,
                )
            )
        if not caller.may(name, route.models):
            raise Refused(
                Refusal(
                    status=403,
                    type="permission_error",
                    code="model_not_allowed",
                    message=f"This API key may not use the model {_shown(name)}.",
                    param="model",
                    should_retry=False,
                )
            )
        return route

    def visible(self, caller: Caller) -> list[Route]:
        """The names that a caller may use, in the order of the file."""
        return [route for route in self.routes.values() if route.public and caller.may(route.name, route.models)]

    def _by_pattern(self, name: str) -> Route | None:
        for pattern in self.patterns:
            star = part(pattern.text, name)
            if star is None:
                continue
            if not pattern.fills:
                return pattern.route
            if _PART.fullmatch(star):
                return msgspec.structs.replace(pattern.route, name=name, node=fill(pattern.route.node, name, star))
        return None

    def _suggestion(self, name: str, caller: Caller) -> str:
        names = [route.name for route in self.visible(caller)] if len(self.routes) <= _SUGGEST_MOST else []
        near = get_close_matches(name[:100], names, n=1, cutoff=0.6)
        return f" Did you mean {_shown(near[0])}?" if near else " GET /v1/models lists the models there are."


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else name[:100] + "…")


def fill(node: Node, name: str, star: str) -> Node:
    """A pattern model's node with the star's part in its upstream ids; credentials and health stay the pattern's."""
    if isinstance(node, Target):
        named = msgspec.structs.replace(
            node,
            name=name,
            upstream=node.upstream.replace("*", star),
            path=_filled(node.path, star),
            stream_path=_filled(node.stream_path, star),
            count_path=_filled(node.count_path, star) if node.count_path is not None else None,
            dialect=msgspec.structs.replace(node.dialect, model=node.dialect.model.replace("*", star)),
        )
        return filled(named)
    if isinstance(node, Chain):
        return msgspec.structs.replace(node, primary=fill(node.primary, name, star))
    branches = tuple(msgspec.structs.replace(branch, node=fill(branch.node, name, star)) for branch in node.branches)
    return msgspec.structs.replace(node, branches=branches)


def _filled(path: str, star: str) -> str:
    """A path whose upstream id is a pattern, with what the star stands for; a wire may have quoted the star."""
    return path.replace("%2A", "*").replace("*", quote(star, safe=""))
