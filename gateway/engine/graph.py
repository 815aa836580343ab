"""The compiled routes as a picture: names, strategies, fallbacks and targets as boxes, and what leads where as arrows.

It is drawn from the very nodes that serve. `mermaid` is for Markdown that renders it (a pull request, docs), `svg` for
everything else; both are deterministic, so that a picture in Git changes where the routes do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

import msgspec

from gateway.engine.engine import Engine, Route
from gateway.failure import RULES, Falls
from gateway.routing.node import Chain, Node, Split, Target

_FALLING: Final = frozenset(kind for kind, rule in RULES.items() if rule.falls is Falls.YES)


class Box(msgspec.Struct, frozen=True):
    """`kind`: route, strategy or target. `lines` are its words; the first names it."""

    id: str
    kind: str
    lines: tuple[str, ...]


class Arrow(msgspec.Struct, frozen=True):
    """From one box to another; a fallback's is dashed, and its label names the kinds of failure."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


class Graph(msgspec.Struct, frozen=True):
    """Boxes and arrows in the order of the file."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def graph_of(engine: Engine, names: Iterable[str] = ()) -> Graph:
    """What these names lead to; without names, every public name that is more than one model by itself.

    Raises KeyError for a name that leads nowhere.
    """
    wanted = list(names)
    routes = (
        [_route(engine, name) for name in wanted]
        if wanted
        else [
            route for route in _public(engine) if not isinstance(route.node, Target) or route.label != route.node.name
        ]
    )
    drawing = _Drawing(frozenset(route.label for route in routes))
    for route in routes:
        drawing.route(route.label, route.node)
    return Graph(tuple(drawing.boxes.values()), tuple(dict.fromkeys(drawing.arrows)))


def _public(engine: Engine) -> list[Route]:
    named = [route for name, route in engine.routes.items() if route.public and "@" not in name]
    return [*named, *(pattern.route for pattern in engine.patterns)]


def _route(engine: Engine, name: str) -> Route:
    found = engine.route(name) or next((p.route for p in engine.patterns if p.text == name), None)
    if found is None:
        raise KeyError(name)
    return found


class _Drawing:
    """`names` are the routes that are drawn: whatever leads to one of them leads to its box."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.boxes: dict[str, Box] = {}
        self.arrows: list[Arrow] = []
        self.drawn: set[str] = set()

    def box(self, kind: str, name: str, *more: str) -> str:
        lines = more if kind == "strategy" and "[" in name else (name, *more)  # a group has no name of its own
        key = f"{'target' if kind == 'target' else 'route'} {name}"
        if key not in self.boxes:
            self.boxes[key] = Box(f"n{len(self.boxes)}", kind, lines)
        return self.boxes[key].id

    def route(self, label: str, node: Node) -> None:
        if isinstance(node, Target) or node.name != label:
            self.arrow(self.box("route", label), self.node(node))
        else:
            self.node(node)

    def arrow(self, start: str, end: str, label: str = "", dashed: bool = False) -> None:
        self.arrows.append(Arrow(start, end, label, dashed))

    def node(self, node: Node) -> str:
        """The box that stands for a node, drawn with all below it the first time."""
        if isinstance(node, Target):
            return self.box("target", node.name, node.provider)
        split = node.primary if isinstance(node, Chain) else node
        own = isinstance(split, Split) and split.name == node.name
        more = (split.strategy,) if isinstance(split, Split) and own else ()
        box = self.box("route" if node.name in self.names else "strategy", node.name, *more)
        if node.name in self.drawn:
            return box
        self.drawn.add(node.name)
        if isinstance(split, Split) and own:
            self.branches(box, split)
        else:
            self.arrow(box, self.node(split))
        for rule in node.rules if isinstance(node, Chain) else ():
            label = "any failure" if rule.on == _FALLING else ", ".join(sorted(rule.on))
            for to in rule.to:
                self.arrow(box, self.node(to), label, dashed=True)
        return box

    def branches(self, start: str, split: Split) -> None:
        total = sum(branch.weight for branch in split.branches)
        for index, branch in enumerate(split.branches, 1):
            label = f"{index}" if split.strategy == "priority" and len(split.branches) > 1 else ""
            if split.strategy == "weighted" and total:
                label = f"{branch.weight / total:.0%}"
            self.arrow(start, self.node(branch.node), label)


_SHAPES: Final = {"route": ('(["', '"])'), "strategy": ('{{"', '"}}'), "target": ('["', '"]')}


def mermaid(graph: Graph) -> str:
    """A Mermaid flowchart (mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart LR"]
    for box in graph.boxes:
        left, right = _SHAPES[box.kind]
        lines.append(f"  {box.id}{left}{'<br/>'.join(_quoted(line) for line in box.lines)}{right}")
    for arrow in graph.arrows:
        line = "-.->" if arrow.dashed else "-->"
        label = f'|"{_quoted(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  {arrow.start} {line}{label} {arrow.end}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text inside double quotes; Mermaid reads HTML entities with a `#`."""
    return text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")


_WIDTH, _LINE, _GAP_X, _GAP_Y, _LETTER = 40, 18, 90, 18, 7.2
_FILLS: Final = {"route": "#e8f0fe", "strategy": "#fff4e0", "target": "#e9f7ec"}


def svg(graph: Graph) -> str:
    """A picture by itself: columns by distance from the names, rows in the order of the file."""
    depth = _depths(graph)
    columns: dict[int, list[Box]] = {}
    for box in graph.boxes:
        columns.setdefault(depth[box.id], []).append(box)
    places: dict[str, tuple[float, float, float, float]] = {}
    x, bottom = 20.0, 0.0
    for at in sorted(columns):
        width = max(_WIDTH + _LETTER * max(map(len, box.lines)) for box in columns[at])
        y = 20.0
        for box in columns[at]:
            height = 14.0 + _LINE * len(box.lines)
            places[box.id] = (x, y, width, height)
            y += height + _GAP_Y
        bottom = max(bottom, y)
        x += (
            width
            + _GAP_X
            + _LETTER * max((len(arrow.label) for arrow in graph.arrows if depth[arrow.start] == at), default=0)
        )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{x - _GAP_X + 20:.0f}" height="{bottom:.0f}" '
        'font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">',
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        *(_arrow(arrow, places) for arrow in graph.arrows),
        *(_box(box, places[box.id]) for box in graph.boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _depths(graph: Graph) -> dict[str, int]:
    """The longest way to each box; routes of a checked file have no circles."""
    depth = {box.id: 0 for box in graph.boxes}
    for _ in graph.boxes:
        changed = False
        for arrow in graph.arrows:
            if depth[arrow.end] <= depth[arrow.start]:
                depth[arrow.end] = depth[arrow.start] + 1
                changed = True
        if not changed:
            break
    return depth


def _box(box: Box, place: tuple[float, float, float, float]) -> str:
    x, y, width, height = place
    radius = {"route": height / 2, "strategy": 8.0, "target": 2.0}[box.kind]
    lines = "".join(
        f'<text x="{x + width / 2:.0f}" y="{y + 20 + _LINE * index:.0f}" text-anchor="middle" '
        f'fill="{"#111" if index == 0 else "#666"}">{escape(line)}</text>'
        for index, line in enumerate(box.lines)
    )
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="{radius:.0f}" '
        f'fill="{_FILLS[box.kind]}" stroke="#999"/>{lines}'
    )


def _arrow(arrow: Arrow, places: dict[str, tuple[float, float, float, float]]) -> str:
    x, y, width, height = places[arrow.start]
    to_x, to_y, _, to_height = places[arrow.end]
    x, y, to_y = x + width, y + height / 2, to_y + to_height / 2
    bend = (to_x - x) / 2
    dash = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    line = f'<path d="M{x:.0f} {y:.0f} C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}" '
    line += f'fill="none" stroke="#555"{dash} marker-end="url(#end)"/>'
    if not arrow.label:
        return line
    return (
        f'{line}<text x="{(x + to_x) / 2:.0f}" y="{(y + to_y) / 2 - 4:.0f}" text-anchor="middle" font-size="11" '
        f'fill="#555">{escape(arrow.label)}</text>'
    )
