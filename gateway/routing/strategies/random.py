"""`random`: a new shuffle for every request. With `deck: true` the first comes from a shuffled deck: nobody comes first
again until everybody did, and a new deck never begins with who came last. Who follows the first is shuffled.

A deck belongs to the split's name, so it goes on over a reload; a target that comes or goes begins a new one.
"""

from __future__ import annotations

from random import Random

from gateway.routing.moment import Moment
from gateway.routing.node import Node, Split
from gateway.state.pool import Cursor


def order(split: Split, moment: Moment) -> list[Node]:
    """A shuffle, the first perhaps from the deck."""
    children = [branch.node for branch in split.branches]
    moment.random.shuffle(children)
    if split.ordering.deck:
        names = [branch.node.name for branch in split.branches]
        first = _dealt(moment.runtime.cursors[split.name], names, moment.random)
        children.sort(key=lambda child: child.name != first)
    return children


def _dealt(cursor: Cursor, names: list[str], random: Random) -> str:
    """The next of the deck. `credit` remembers whose deck it is."""
    if set(cursor.credit) != set(names):
        cursor.credit = dict.fromkeys(names, 0.0)
        cursor.dealt = []
    if not cursor.dealt:
        deck = list(names)
        random.shuffle(deck)
        if len(deck) > 1 and deck[-1] == cursor.last:
            other = random.randrange(len(deck) - 1)
            deck[-1], deck[other] = deck[other], deck[-1]
        cursor.dealt = deck
    cursor.last = cursor.dealt.pop()
    return cursor.last
