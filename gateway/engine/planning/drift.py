"""Whether nodes run what a file, or a revision of git, says: rows for a table, and the same for programs.

A node that tells its configuration (`GET /-/config`, to an administrator's key) is compared by what it means; what the
files cannot know, such as secrets of another environment, is left out. One that only tells its revision is compared by
that: equal revisions are the same files with the same secrets, others may differ in either.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from gateway.engine.planning.picture import Side
from gateway.engine.planning.plan import Plan, plan
from gateway.engine.planning.text import line

Verdict: TypeAlias = Literal["same", "drift", "error"]
_HEAD: Final = ("node", "running", "verdict", "why")
FORMAT: Final = 1


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node. `revision` is the running one. `why` is a line for people; `plan` is from what runs to what is wanted.

    `refused`: the last file that it was given was rejected, so it still runs an older one.
    """

    url: str
    verdict: Verdict
    revision: str = ""
    why: str = ""
    refused: bool = False
    plan: Plan | None = None


def node(wanted: Side, url: str, health: dict[str, Any], running: Side | None) -> Node:
    """What a node's answers come to. `running`: what it said that it runs, None where it was not to be had."""
    revision = str(health.get("revision", ""))
    refused = health.get("last_rejection") is not None
    also = "; it rejected the last file that it was given" if refused else ""
    if running is not None:
        found = plan(running, wanted)
        verdict: Verdict = "same" if found.empty else "drift"
        why = f"{line(found)}{also}" if not found.empty else also.removeprefix("; ")
        return Node(url=url, verdict=verdict, revision=revision, why=why, refused=refused, plan=found)
    if revision == wanted.engine.revision:
        return Node(url=url, verdict="same", revision=revision, why=also.removeprefix("; "), refused=refused)
    why = f"another revision: other files, or other secrets{also}"
    return Node(url=url, verdict="drift", revision=revision, why=why, refused=refused)


def table(wanted: Side, nodes: list[Node]) -> str:
    """A table with a line on what was wanted above it."""
    rows = [_HEAD, *((each.url, each.revision[:12] or "–", each.verdict, each.why) for each in nodes)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"wanted: {wanted.label} ({wanted.engine.revision[:12]})"]
    lines += ["  ".join((*(f"{row[at]:<{widths[at]}}" for at in range(3)), row[3])).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def document(wanted: Side, nodes: list[Node]) -> dict[str, Any]:
    """The same for programs; `format` as that of plans."""
    return {
        "format": FORMAT,
        "wanted": {"label": wanted.label, "revision": wanted.engine.revision, "digest": wanted.engine.digest},
        "nodes": [
            {
                "url": each.url,
                "verdict": each.verdict,
                "revision": each.revision,
                "why": each.why,
                "refused": each.refused,
                "risk": each.plan.risk if each.plan is not None else None,
            }
            for each in nodes
        ],
    }
