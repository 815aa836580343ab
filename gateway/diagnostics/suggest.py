"""Did you mean."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_MOST = 2000


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, None where none is; bounded work for long lists."""
    words = list(known)
    if len(words) > _MOST:  # a list that long is searched among words that begin alike
        words = [each for each in words if each[:2].lower() == word[:2].lower()][:_MOST]
    lowered = {each.lower(): each for each in words}
    found = get_close_matches(word.lower()[:200], lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def only(word: str, known: Iterable[str]) -> str | None:
    """The one known word that `word` must be a slip of, None where there is none, or more than one."""
    if len(word) < 3:
        return None
    lowered = {each.lower(): each for each in known}
    plain = word.lower().replace("-", "_")
    if plain in lowered:
        return lowered[plain]
    found = get_close_matches(plain[:200], list(lowered)[:_MOST], n=2, cutoff=0.75)
    return lowered[found[0]] if len(found) == 1 else None
