"""The plan: what changes between two compiled configurations, each change with its place, its risk and its reason.

`plan` compares pictures, then what follows from them: which names and targets each key reaches, and the worst that one
request can come to by route. Changes that are the same in several entries are told once, with all their names. Where
the pictures are equal the compiled nodes are compared as well, so that nothing can change in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, Final

import msgspec

from gateway.config.model import Config
from gateway.engine.engine import Engine
from gateway.engine.planning.differ import ORDER, Difference, Kind, differences
from gateway.engine.planning.grades import grade
from gateway.engine.planning.judging import RISKS, Context, Risk
from gateway.engine.planning.picture import SINGLE, Path, Picture, Side, nodes, picture
from gateway.engine.planning.reach import Reach, reaches
from gateway.engine.planning.renames import renamed
from gateway.engine.planning.wording import seconds
from gateway.engine.worst import Worst, as_dict, worst
from gateway.routing.node import targets

_NAMED: Final = ("models", "combos", "aliases", "providers")

# Fields that an entry has from whoever is nearest: the entry, its provider, the defaults.
_INHERITED: Final = ("timeouts", "retries", "breaker", "on_lossy", "tags")

KINDS: Final[dict[Kind, str]] = {"add": "added", "change": "changed", "remove": "removed", "rename": "renamed"}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`path` begins with the section. `names`: all entries for which just this changes. `at`: `file:line:column` in the
    new configuration, of what is gone in the old one."""

    path: tuple[str, ...]
    kind: Kind
    before: Any = None
    after: Any = None
    at: str | None = None
    risk: Risk = "low"
    reason: str = ""
    names: tuple[str, ...] = ()

    @property
    def entire(self) -> bool:
        """Whether it is of an entry as a whole."""
        return self.kind == "rename" or (len(self.path) == 2 and self.path[0] not in SINGLE and self.path[1] != ORDER)

    @property
    def field(self) -> tuple[str, ...]:
        """What of the entry it is about."""
        if self.path[0] in SINGLE:
            return self.path[1:]
        return self.path[4:] if _of_place(self.path) else self.path[2:]


class Stand(msgspec.Struct, frozen=True):
    """One of the two sides, as it is shown."""

    label: str
    revision: str
    digest: str


class Plan(msgspec.Struct, frozen=True):
    """`changes` are what the file says differently; `reach` and `worst` follow from them."""

    old: Stand
    new: Stand
    changes: tuple[Change, ...] = ()
    reach: tuple[Change, ...] = ()
    worst: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.changes or self.reach or self.worst)

    @property
    def risk(self) -> Risk:
        """The highest risk of all."""
        every = (*self.changes, *self.reach, *self.worst)
        return max((change.risk for change in every), key=RISKS.index, default="none")

    def count(self, kind: Kind) -> int:
        """How many entries are added, changed, removed or renamed; whatever differs inside an entry changes it."""
        whole = {"add", "remove", "rename"}
        found = {
            (change.path[0], name)
            for change in self.changes
            for name in change.names or ("",)
            if kind == (change.kind if change.entire and change.kind in whole else "change")
        }
        return len(found)

    def summary(self) -> str:
        """One line, as the log has it."""
        if not self.changes:
            return "no changes"
        told = ", ".join(f"{self.count(kind)} {word}" for kind, word in KINDS.items() if self.count(kind))
        return f"{told}; risk {self.risk}"


def _of_place(path: tuple[str, ...]) -> bool:
    """Whether it is about one place of a model that is in several, which has a name of its own."""
    return path[0] == "models" and len(path) > 4 and path[2] == "targets" and path[4] not in ("weight", "when")


def plan(old: Side, new: Side) -> Plan:
    """What changes from `old` to `new`."""
    was, names = renamed(picture(old), picture(new))
    now = picture(new)
    context = Context(old, new, was, now)
    found = [*names, *differences(was, now)]
    if not found and (hidden := _hidden(old.engine, new.engine)):
        found = [Difference(("program", name), "change") for name in hidden]
    return Plan(
        old=_stand(old),
        new=_stand(new),
        changes=tuple(_merged([_change(each, context) for each in _ordered(found, now)])),
        reach=tuple(_merged(_graded(_reach(old, new, names), context))),
        worst=tuple(_merged(_graded(_worst(old, new, names), context))),
    )


def _stand(side: Side) -> Stand:
    return Stand(side.label, side.engine.revision, side.engine.digest)


def _ordered(found: Iterable[Difference], now: Picture) -> list[Difference]:
    sections = list(now)
    return sorted(found, key=lambda each: sections.index(each.path[0]) if each.path[0] in sections else len(sections))


def _hidden(old: Engine, new: Engine) -> list[str]:
    """Names that lead to other nodes although nothing that has words differs."""
    before, after = nodes(old), nodes(new)
    return [
        name
        for name, node in after.items()
        if name not in before or (before[name] != node and _plain(before[name]) != _plain(node))
    ]


def _plain(node: Any) -> Any:
    """A node without the order of what has none, and without who said a price."""
    value = node if isinstance(node, list | dict) else msgspec.to_builtins(node)
    if isinstance(value, dict):
        return {
            name: sorted(map(repr, inner)) if inner and name in _UNORDERED else _plain(inner)
            for name, inner in value.items()
            if name != "source"
        }
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


_UNORDERED: Final = ("tags", "drop", "default", "set", "supports", "on", "exact", "globs", "not_tags", "quirks")


def _graded(found: Iterable[Difference], context: Context) -> list[Change]:
    return [_change(each, context) for each in found]


def _change(found: Difference, context: Context) -> Change:
    risk, reason = grade(found, context)
    gone = found.kind == "remove" and len(found.path) <= 2
    return Change(
        path=found.path,
        kind=found.kind,
        before=found.before,
        after=found.after,
        at=_at(found, context.old if gone else context.new),
        risk=risk,
        reason=reason,
        names=_names(found.path),
    )


def _names(path: tuple[str, ...]) -> tuple[str, ...]:
    if path[0] in SINGLE or path[1] == ORDER:
        return ()
    return (path[3],) if _of_place(path) else (path[1],)


def _merged(changes: list[Change]) -> Iterator[Change]:
    """Changes that differ only in the name of their entry, as one."""
    alike: dict[str, list[Change]] = {}
    for change in changes:
        same = (change.path[0], change.field, change.kind, change.before, change.after, change.risk, change.reason)
        key = repr(change.path if change.entire and change.path[0] not in ("reach", "worst") else same)
        alike.setdefault(key, []).append(change)
    for group in alike.values():
        names = tuple(name for change in group for name in change.names)
        yield msgspec.structs.replace(group[0], names=names)


def _reach(old: Side, new: Side, renames: Iterable[Difference]) -> Iterator[Difference]:
    """What keys reach more or less of what there is. Names and targets that only have another name are the same."""
    routes = {each.path[1]: str(each.after) for each in renames if each.path[0] in _NAMED}
    keys = {each.path[1]: str(each.after) for each in renames if each.path[0] == "keys"}
    before = {keys.get(name, name): reach for name, reach in reaches(old).items()}
    standing = nodes(new.engine)
    there = {target.name for node in standing.values() for target in targets(node)}
    for name, reach in reaches(new).items():
        if name not in before:
            continue
        was = _under(before[name], routes, standing)
        more = _beyond(reach, was)
        if more:
            yield Difference(("reach", name), "add", None, {**more, **({"listed": True} if reach.listed else {})})
        less = _beyond(Reach(was.names & standing.keys(), was.targets & there, was.listed), reach)
        if less:
            yield Difference(("reach", name), "remove", less)


def _under(reach: Reach, routes: dict[str, str], standing: Container[str]) -> Reach:
    """With the names of the new configuration; a name that still leads somewhere stays."""

    def now(name: str) -> str:
        base, at, place = name.rpartition("@")
        return routes.get(name) or (f"{routes.get(base, base)}@{routes.get(place, place)}" if at else name)

    names = frozenset(name if name in standing else now(name) for name in reach.names)
    return Reach(names, frozenset(map(now, reach.targets)), reach.listed)


def _beyond(more: Reach, less: Reach) -> dict[str, list[str]]:
    """What the one reaches and the other does not."""
    names, reached = sorted(more.names - less.names), sorted(more.targets - less.targets)
    return {**({"names": names} if names else {}), **({"targets": reached} if reached else {})}


def _worst(old: Side, new: Side, renames: Iterable[Difference]) -> Iterator[Difference]:
    """Worst cases of routes that were there and are."""
    routes = {each.path[1]: str(each.after) for each in renames if each.path[0] in ("models", "combos")}
    known = {routes.get(row.route, row.route): row for row in worst(old.engine, old.config)}
    for row in worst(new.engine, new.config):
        was = known.get(row.route)
        if was is None:
            continue
        ours, theirs = _bounds(was), _bounds(row)
        changed = [field for field, value in theirs.items() if ours[field] != value]
        if changed:
            before, after = ({field: side[field] for field in changed} for side in (ours, theirs))
            yield Difference(("worst", row.route), "change", before, after)


def _bounds(row: Worst) -> dict[str, Any]:
    said = as_dict(row)
    return {
        "attempts": said["attempts"],
        "seconds": "no bound" if row.seconds is None else seconds(row.seconds),
        "usd": "unknown" if said["usd"] is None else said["usd"],
    }


def _at(found: Difference, side: Side) -> str | None:
    """Where it is written: the entry itself, or who it has it from."""
    for path in _places(found, side.config):
        at = side.at(path)
        if at is not None:
            return at
    return None


def _places(found: Difference, config: Config) -> Iterator[Path]:
    section, *rest = found.path
    if section in ("reach", "worst", "program"):
        return
    name = str(found.after) if found.kind == "rename" else (rest[0] if rest else "")
    if section == "policies":
        index = next((at for at, policy in enumerate(config.policies) if policy.name == name), None)
        yield (section,) if index is None else (section, index, *rest[1:])
        return
    if len(rest) > 1 and rest[1] in _INHERITED and section == "models":
        yield from _nearest(name, rest[1:], config)
    if len(rest) > 1 and rest[1] == "targets":
        yield (section, name, *_in_targets(rest[1:], section, name, config))
        return
    if len(rest) > 1 and rest[1] in _PLACES:
        yield (section, name, *_PLACES[rest[1]], *rest[2:])
        return
    yield tuple(found.path) if found.kind != "rename" else (section, name)


# Where a field of a picture stands in the file, if it has another name there.
_PLACES: Final[dict[str, Path]] = {
    "endpoint": ("base_url",),
    "proxy": ("egress_proxy",),
    "credentials": ("api_keys",),
    "secret": ("from",),
    "rules": (),
}


def _nearest(name: str, field: list[str], config: Config) -> Iterator[Path]:
    model = config.models.get(name)
    if model is None:
        return
    places: list[tuple[Any, Path]] = [(model, ("models", name)), (config.defaults, ("defaults",))]
    if model.provider is not None:
        places.insert(1, (config.providers.get(model.provider), ("providers", model.provider)))
    for said, path in places:
        inner = getattr(said, field[0], None)
        if inner and (len(field) < 2 or not hasattr(inner, field[1]) or getattr(inner, field[1]) is not None):
            yield (*path, *field)
            return


def _in_targets(rest: list[str], section: str, name: str, config: Config) -> Path:
    """The path of a target by its place in the list; of one that is gone, the list's."""
    where = "targets" if section == "combos" else "deployments"
    if len(rest) < 2 or rest[1] == ORDER:
        return (where,)
    wanted = rest[1]
    if section == "models":
        provider = wanted.rpartition("@")[2]
        deployments = config.models[name].deployments
        index = next((at for at, each in enumerate(deployments) if each.provider == provider), None)
        return (where,) if index is None else (where, index, *rest[2:])
    meaning: Callable[[str], str] = lambda said: config.aliases.get(said, said)  # noqa: E731 - one line, one use
    targets = config.combos[name].targets
    index = next((at for at, each in enumerate(targets) if each.model and meaning(each.model) == wanted), None)
    return (where,) if index is None else (where, index, *rest[2:])
