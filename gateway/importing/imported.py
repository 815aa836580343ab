"""What comes of an import: the document, and one finding for every leaf of the source.

A leaf is a scalar, an empty mapping or an empty list. Systems speak of any path; a leaf's finding is what was said of
the longest part of its path, so a whole section is told in one sentence and one value of it in another. Where two
things are said of the same path the worse verdict stands. What nobody spoke of is unsupported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

Path: TypeAlias = tuple[str | int, ...]

UNSPOKEN: Final = "This importer does not know it."


class Verdict(StrEnum):
    """How true the import is to one value of the source, the best first."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    MANUAL = "manual"
    UNSUPPORTED = "unsupported"


_RANK: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}


class Refused(Exception):  # noqa: N818 - it reads as what happened
    """A source that cannot be imported at all; the message says why and what to do, and shows no value of it."""


class Finding(msgspec.Struct, frozen=True):
    """One row. `path` is where it stands in the source, `place` where it went in router.yaml, () where nowhere."""

    path: Path
    verdict: Verdict
    reason: str
    place: Path = ()


class Difference(msgspec.Struct, frozen=True):
    """What the source leaves unsaid and the two gateways do differently: their default, and what happens here."""

    subject: str
    theirs: str
    ours: str


class Imported(msgspec.Struct, frozen=True):
    """The result of one import. `document` is a router.yaml as plain values; `system` one of `systems.SYSTEMS`."""

    system: str
    document: dict[str, Any]
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many leaves have a verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all leaves of a plain tree, in the order in which they are written."""
    todo: list[tuple[Path, Any]] = [(path, value)]
    while todo:
        at, inner = todo.pop()
        if isinstance(inner, dict) and inner:
            todo.extend((((*at, key), each) for key, each in reversed(inner.items())))
        elif isinstance(inner, list) and inner:
            todo.extend(((*at, index), inner[index]) for index in reversed(range(len(inner))))
        else:
            yield at


class Account:
    """Collects what is said of paths of one source."""

    def __init__(self) -> None:
        self._said: dict[Path, Finding] = {}
        self._differences: dict[str, Difference] = {}

    def say(self, path: Path, verdict: Verdict, reason: str, place: Sequence[str | int] = ()) -> None:
        """A finding for everything at and below a path that nothing more exact is said of."""
        before = self._said.get(path)
        if before is None or _RANK[verdict] > _RANK[before.verdict]:
            self._said[path] = Finding(path, verdict, reason, tuple(place))

    def exact(self, path: Path, place: Sequence[str | int], reason: str = "") -> None:
        """The same behaviour."""
        self.say(path, Verdict.EXACT, reason, place)

    def approximate(self, path: Path, place: Sequence[str | int], reason: str) -> None:
        """Nearly: the reason says what differs."""
        self.say(path, Verdict.APPROXIMATE, reason, place)

    def manual(self, path: Path, place: Sequence[str | int], reason: str) -> None:
        """The reason says what somebody has to do."""
        self.say(path, Verdict.MANUAL, reason, place)

    def unsupported(self, path: Path, reason: str) -> None:
        """Nothing was written; the reason says why."""
        self.say(path, Verdict.UNSUPPORTED, reason)

    def differs(self, subject: str, theirs: str, ours: str) -> None:
        """A default that the source leaves unsaid; said once for each subject."""
        self._differences.setdefault(subject, Difference(subject, theirs, ours))

    def adopt(self, other: Account, wish: Path, place: Path) -> None:
        """Takes over what was said before it was known where things go: places that begin with `wish` now begin with
        `place`."""
        for finding in other._said.values():
            at = finding.place
            if wish and at[: len(wish)] == wish:
                at = (*place, *at[len(wish) :])
            self.say(finding.path, finding.verdict, finding.reason, at)
        for difference in other.differences:
            self.differs(difference.subject, difference.theirs, difference.ours)

    def said(self, path: Path) -> bool:
        """Whether anything was said of exactly this path."""
        return path in self._said

    def findings(self, tree: Any) -> tuple[Finding, ...]:
        """One finding for each leaf of the source, in its order."""
        return tuple(self._of(path) for path in leaves(tree))

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs by default, in the order in which it was said."""
        return tuple(self._differences.values())

    def _of(self, path: Path) -> Finding:
        for length in range(len(path), -1, -1):
            found = self._said.get(path[:length])
            if found is not None:
                return found if length == len(path) else msgspec.structs.replace(found, path=path)
        return Finding(path, Verdict.UNSUPPORTED, UNSPOKEN)


def written_path(path: Path) -> str:
    """A path as people read it: `models."gpt-4.1".provider`, `model_list[0].model_name`."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif step and all(char.isalnum() or char in "_-$/@*:+" for char in step):
            out += f".{step}" if out else step
        else:
            quoted = '"' + step.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
            out += f".{quoted}" if out else quoted
    return out or "(the whole file)"
