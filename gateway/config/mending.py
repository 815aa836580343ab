"""Files with everything mended that a program can mend: `gateway validate --fix`.

A finding carries fixes only where it is certain what was meant. They are applied, the result is loaded again, and so on,
since a file that could not be read has findings only once it can be: what is mended in the end has been checked as
every file is. A file of which nothing is known to be wrong is not touched, and a fix after which the same is said of the
same place is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.config.known import Known
from gateway.config.load import load
from gateway.diagnostics.diagnostic import Diagnostic
from gateway.diagnostics.fixing import applied
from gateway.diagnostics.source import Span

ROUNDS_MOST: Final = 200
_MARK: Final = b"\xef\xbb\xbf"


def mended(
    paths: Sequence[Path],
    *,
    known: Known,
    environ: Mapping[str, str],
    texts: Mapping[Path, bytes] | None = None,
) -> dict[Path, bytes]:
    """The new bytes of each file of a configuration that changes; `texts` as for `load`."""
    new: dict[Path, bytes] = {}
    before: dict[Path, bytes | None] = {}
    tried: set[tuple[str, str, Span]] = set()
    for _ in range(ROUNDS_MOST):
        loaded = load(paths, known=known, environ=environ, texts={**(texts or {}), **new})
        by_file: dict[str, list[Diagnostic]] = {}
        for each in loaded.diagnostics:
            if each.fixes and each.accepted is None:
                by_file.setdefault(each.fixes[0].span.path, []).append(each)
        marks = {_mark(each) for found in by_file.values() for each in found}
        vain = {each[2].path for each in marks & tried}
        for name in vain & {str(path) for path in before}:  # mending did not mend it
            was = before[Path(name)]
            if was is None:
                new.pop(Path(name))
            else:
                new[Path(name)] = was
        before = {}
        for name, data in loaded.bytes:
            after = _with_fixes(data, by_file.get(name, ())) if name not in vain else data
            if after != data:
                before[Path(name)] = new.get(Path(name))
                new[Path(name)] = after
        tried |= marks
        if not before:
            break
    return new


def _mark(each: Diagnostic) -> tuple[str, str, Span]:
    """What makes a finding the same one as before its text was changed."""
    return (each.code, each.detail, each.fixes[0].span)


def _with_fixes(data: bytes, findings: Sequence[Diagnostic]) -> bytes:
    if not findings:
        return data
    try:
        text = data.removeprefix(_MARK).decode()
    except UnicodeDecodeError:
        return data
    after = applied(text, (each.fixes for each in findings)).encode()
    return _MARK + after if data.startswith(_MARK) else after
