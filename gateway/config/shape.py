"""What is said where a file does not have the shape of router.yaml: the model's findings as diagnostics.

Each is said once, at the tightest place, in the words of the file: what stands there, what can stand there, and what
was perhaps meant. What only follows from something else is left out: a key that is missing because it is misspelt, an
empty section whose content lost its indentation. Where the mend is certain it is a `Fix`. How values are judged:
`shape_values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError

from gateway.config.compose import NAMED, Composed
from gateway.config.fields import RENAMED, SAID_OTHERWISE, elsewhere, fields, keys_of, models_at
from gateway.config.lettering import foreign_letters
from gateway.config.read import Path
from gateway.config.refs import Resolver, Unresolved, is_reference
from gateway.config.shape_values import Place, value_at, wrong_value
from gateway.diagnostics.diagnostic import Diagnostic, Fix, diagnose
from gateway.diagnostics.source import Span
from gateway.diagnostics.suggest import closest, only

_SHAPES: Final = ("model_type", "model_attributes_type", "dict_type", "list_type")
_GLUED: Final = re.compile(r"([A-Za-z_][\w-]*):\S")


def shape_errors(error: ValidationError, composed: Composed, resolver: Resolver) -> Iterator[Diagnostic]:
    """What the model found, each once, at the tightest place."""
    seen: set[Path] = set()
    errors = error.errors(include_url=False, include_input=False)
    paths = [_written(composed.value, found["loc"], found["type"]) for found in errors]
    strange = [path for found, (path, _) in zip(errors, paths, strict=True) if found["type"] == "extra_forbidden"]
    every = [path for path, _ in paths]
    dedented = _dedented(composed, [found["type"] for found in errors], every)
    for found, (path, union) in zip(errors, paths, strict=True):
        if path in seen or path in dedented.silent:
            continue
        if path in dedented.said:
            seen.add(path)
            yield dedented.said[path]
            continue
        if _follows(found["type"], path, union, every, strange, composed.value):
            continue
        written = value_at(composed.value, path)
        if is_reference(written):
            unresolved = resolver.written(written)
            if isinstance(unresolved, Unresolved):
                seen.add(path)
                dotted = ".".join(map(str, path))
                yield diagnose(unresolved.code, unresolved.detail, composed.span(path), dotted, unresolved.suggestion)
                continue
        if union:
            seen.add(path)
        kind, message, context = found["type"], found["msg"], found.get("ctx", {})
        if kind == "extra_forbidden":
            yield _unknown(path, composed)
        elif kind == "missing":
            yield _missing(path, composed)
        elif kind in _SHAPES and (glued := _glued(path, written)) is not None:
            yield missing_space(glued, written, Place(path, composed), composed.span(path))
        else:
            yield wrong_value(kind, message, context, Place(path, composed), written, resolver)


def _glued(path: Path, written: Any) -> str | None:
    """The key of `key:value`, where a section stands that knows the key."""
    match = _GLUED.match(written) if isinstance(written, str) else None
    if match is None:
        return None
    named = len(path) == 1 and path[0] in NAMED  # entries of any name
    return match[1] if named or match[1] in fields(path) else None


def _follows(kind: str, path: Path, union: bool, paths: list[Path], strange: list[Path], value: Any) -> bool:
    """Whether a finding only follows from another: a mapping is none of the words that could stand there instead, a
    list with a wrong item is no single value either, and a key is missing because it is written otherwise."""
    if (union or kind == "literal_error") and isinstance(value_at(value, path), dict | list):
        return any(len(other) > len(path) and other[: len(path)] == path for other in paths)
    if kind == "missing":
        return any(other[:-1] == path[:-1] and _meant(other) == path[-1] for other in strange)
    return False


def _meant(path: Path) -> str | None:
    """The key that an unknown key was perhaps meant to be."""
    key = str(path[-1])
    for model in models_at(path[:-1]):
        if key in RENAMED.get(model.__name__, {}):
            return RENAMED[model.__name__][key]
    glued = _GLUED.match(key)
    return closest(glued[1] if glued is not None else key, fields(path[:-1]))


def _written(value: Any, loc: tuple[str | int, ...], kind: str) -> tuple[Path, bool]:
    """The path as it is written: without the names of union branches that pydantic puts in."""
    path: list[str | int] = []
    union = False
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        keys = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        if step in keys:
            value = value[step]
        elif not (last and kind == "missing"):
            union = True
            continue
        path.append(step)
    return tuple(path), union


class _Dedented:
    """What lost its indentation: what is said at a path, and the paths of which nothing more is."""

    def __init__(self) -> None:
        self.said: dict[Path, Diagnostic] = {}
        self.silent: set[Path] = set()


def _dedented(composed: Composed, kinds: list[str], paths: list[Path]) -> _Dedented:
    """Empty sections whose content stands beside them: at its first key it is said, once for all."""
    out = _Dedented()
    wrong = dict(zip(paths, kinds, strict=True))
    for path, kind in wrong.items():
        if kind not in _SHAPES or value_at(composed.value, path) is not None or path in (out.silent | out.said.keys()):
            continue
        beside = value_at(composed.value, path[:-1])
        if not isinstance(beside, dict):
            continue
        names = list(beside)
        inside = _entries(path)
        lost: list[Path] = []
        for name in names[names.index(str(path[-1])) + 1 :] if str(path[-1]) in names else ():
            other = (*path[:-1], name)
            if other not in wrong or not (name in inside if inside else isinstance(beside[name], dict)):
                break
            lost.append(other)
        if lost:
            listed = " and ".join(f"`{other[-1]}`" for other in lost[:3]) + (" and others" if len(lost) > 3 else "")
            stands = "stands" if len(lost) == 1 else "stand"
            detail = f"{listed} {stands} at the level of `{path[-1]}:`, which is empty, and not below it."
            help_ = f"indent {'this line' if len(lost) == 1 else 'these lines'} by two spaces more than `{path[-1]}:`"
            dotted = ".".join(map(str, lost[0]))
            out.said[lost[0]] = diagnose("unknown-key", detail, composed.span(lost[0], key=True), dotted, help_)
            out.silent |= {path, *lost[1:]}
    return out


def _entries(path: Path) -> list[str]:
    """The keys that a section knows; none for one that holds entries by any name."""
    return [] if len(path) == 1 and models_at(path) == models_at((*path, "x")) else fields(path)


def _unknown(path: Path, composed: Composed) -> Diagnostic:
    last, dotted, span = str(path[-1]), ".".join(map(str, path)), composed.span(path, key=True)
    models = models_at(path[:-1])
    known = [key for model in models for key in keys_of(model)]
    where = f"`{'.'.join(map(str, path[:-1]))}`" if path[:-1] else "the top level"
    glued = _GLUED.match(last)
    if glued is not None and glued[1] in known:
        return missing_space(glued[1], last, Place(path, composed), span)
    for model in models:
        other = SAID_OTHERWISE.get(model.__name__, {}).get(last)
        if other is not None:
            return diagnose("unknown-key", f"{last!r} is not known at {where}.", span, dotted, f"write {other}")
        name = RENAMED.get(model.__name__, {}).get(last)
        if name is not None:
            detail = f"{last!r} is not known at {where}; it is called `{name}`."
            fixes = _renaming(last, name, path, composed, span)
            return diagnose("unknown-key", detail, span, dotted, f"write `{name}`", fixes=fixes)
    places = elsewhere(last)
    if places:
        shown = ", ".join(f"`{place}`" if place else "the top level" for place in places[:4])
        more = f" and {len(places) - 4} more" if len(places) > 4 else ""
        help_ = f"it is known at {shown}{more}; is it indented as it is meant?"
        detail = f"{last!r} is not known at {where}. Known are: {', '.join(known)}."
        return diagnose("unknown-key", detail, span, dotted, help_)
    near = only(last, known)
    if near is not None:
        fixes = _renaming(last, near, path, composed, span)
        return diagnose(
            "unknown-key",
            f"{last!r} is not known at {where}.{foreign_letters(last)}",
            span,
            dotted,
            f"did you mean {near!r}?",
            fixes=fixes,
        )
    near = closest(last, known)
    detail = f"{last!r} is not known at {where}.{foreign_letters(last)} Known are: {', '.join(known)}."
    return diagnose("unknown-key", detail, span, dotted, f"did you mean {near!r}?" if near else None)


def _renaming(old: str, new: str, path: Path, composed: Composed, span: Span | None) -> tuple[Fix, ...]:
    """Another key in the place of one, where there is none of that name yet and it is written plainly."""
    beside = value_at(composed.value, path[:-1])
    place = Place(path, composed)
    if span is None or (isinstance(beside, dict) and new in beside):
        return ()
    raw = place.raw(span)
    return (Fix(span, raw.replace(old, new)),) if raw in (old, f'"{old}"', f"'{old}'") else ()


def missing_space(key: str, text: str, place: Place, span: Span | None) -> Diagnostic:
    """`key:value` where `key: value` was meant."""
    shown = text if len(text) <= 40 else text[:40] + "…"
    detail = f"YAML reads `{shown}` as one word: after the colon of a key stands a space."
    fixes: tuple[Fix, ...] = ()
    if span is not None and span.line == span.end_line and place.raw(span).startswith(f"{key}:"):
        column = span.column + len(key) + 1
        fixes = (Fix(Span(span.path, span.line, column, span.line, column), " "),)
    dotted = ".".join(map(str, place.path))
    fixed = text.replace(":", ": ", 1)
    return diagnose("missing-space", detail, span, dotted, f"write `{fixed[:60]}`", fixes=fixes)


def _missing(path: Path, composed: Composed) -> Diagnostic:
    last, dotted = str(path[-1]), ".".join(map(str, path))
    where = f"`{'.'.join(map(str, path[:-1]))}`" if path[:-1] else "The file"
    example = "version: 1" if path == ("version",) else f"{last}: {_example(path)}"
    return diagnose(
        "missing-key", f"{where} needs `{last}`.", composed.span(path[:-1], key=True), dotted, f"add `{example}`"
    )


def _example(path: Path) -> str:
    for model in models_at(path[:-1]):
        for name, field in model.model_fields.items():
            if path[-1] in (name, field.alias) and field.examples and isinstance(field.examples[0], str):
                return field.examples[0]
    return "…"
