"""What is said where YAML cannot be read: not what the parser expected, but what a person wrote.

A table of slips, asked in order: each looks at where the parser stopped, at the line and at the one above it, and
gives a diagnostic at the text that has to change, or None. The parser notices most slips lines after they were made, so
the place is seldom the parser's. What no slip explains is told in the parser's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from gateway.config.lettering import odd_in_line, template_in_line
from gateway.diagnostics.diagnostic import Diagnostic, Fix, Related, diagnose
from gateway.diagnostics.source import Span
from gateway.diagnostics.suggest import closest

_CONFLICT: Final = re.compile(r"(<{7}|={7}|>{7}|\|{7})(?: .*)?$")
_GLUED: Final = re.compile(r"^\s*(?:- +)?([A-Za-z_][\w-]*):(?![/\s:])\S")
_KEY: Final = re.compile(r"^\s*(?:- +)*(?:[\w.@/*+-]+|\"[^\"]*\"|'[^']*')\s*:(?=\s|$)")
_TOKEN: Final = re.compile(r"[*&%@`!][^\s,\[\]{}]*")


class Stop:
    """Where the parser stopped: its words, and the text around. Lines and columns count from 0."""

    def __init__(self, path: str, text: str, error: Any) -> None:
        self.path = path
        self.lines = text.split("\n")
        mark = error.problem_mark or error.context_mark
        self.row: int = mark.line if mark is not None else 0
        self.column: int = mark.column if mark is not None else 0
        begun = error.context_mark
        self.begun = (begun.line, begun.column) if begun is not None else None
        self.problem = (error.problem or "it cannot be read").strip()
        self.context = (error.context or "").strip()

    @property
    def line(self) -> str:
        """The line in which it stopped."""
        return self.at(self.row)

    def at(self, row: int) -> str:
        """A line, "" where there is none."""
        return self.lines[row] if 0 <= row < len(self.lines) else ""

    def above(self, row: int) -> int:
        """The last line before one that holds more than a comment; -1 where there is none."""
        for number in range(row - 1, -1, -1):
            if self.at(number).strip() and not self.at(number).lstrip().startswith("#"):
                return number
        return -1

    def span(self, row: int, start: int, end: int | None = None) -> Span:
        """From one column of a line to another; one character, where no end is given."""
        last = start + 1 if end is None else end
        return Span(self.path, row + 1, start + 1, row + 1, max(last, start + 1) + 1 if end is None else last + 1)


def explained(path: str, text: str, error: Any) -> Diagnostic:
    """The diagnostic for a parser's error, which has `problem`, `context` and their marks."""
    stop = Stop(path, text, error)
    for slip in _SLIPS:
        found = slip(stop)
        if found is not None:
            return found
    return _parsers_words(stop)


def _parsers_words(stop: Stop) -> Diagnostic:
    context = f" ({stop.context})" if stop.context else ""
    related: tuple[Related, ...] = ()
    if stop.begun is not None and stop.begun[0] != stop.row:
        related = (Related("it began here", stop.span(*stop.begun)),)
    detail = f"{stop.problem[:1].upper()}{stop.problem[1:]}{context}."
    return diagnose("yaml-syntax", detail, stop.span(stop.row, stop.column), related=related)


def _conflict(stop: Stop) -> Diagnostic | None:
    for row in range(min(stop.row + 1, len(stop.lines))):
        if _CONFLICT.match(stop.at(row)) and not stop.at(row).startswith("=="):
            detail = "The mark of a merge conflict is left here. Keep one of the two sides, and remove the marks."
            return diagnose("yaml-syntax", detail, stop.span(row, 0, len(stop.at(row))))
    return None


def _tab(stop: Stop) -> Diagnostic | None:
    """Any line down to this one; all of them are mended, each tab by as many spaces as the file uses for a level."""
    rows = [row for row, line in enumerate(stop.lines) if "\t" in line[: len(line) - len(line.lstrip())]]
    first = next((row for row in rows if row <= stop.row), None)
    if first is None:
        return None
    indents = [len(line) - len(line.lstrip(" ")) for line in stop.lines if line.startswith(" ")]
    step = min([indent for indent in indents if indent > 1], default=2)
    fixes = []
    for row in rows:
        line = stop.at(row)
        indent = line[: len(line) - len(line.lstrip())]
        fixes.append(Fix(stop.span(row, 0, len(indent)), indent.expandtabs(step)))
    indent = stop.at(first)[: len(stop.at(first)) - len(stop.at(first).lstrip())]
    start = indent.index("\t")
    end = start + len(indent[start:]) - len(indent[start:].lstrip("\t"))
    detail = "YAML is indented with spaces only. Use two for each level."
    return diagnose("tab-indentation", detail, stop.span(first, start, end), fixes=tuple(fixes))


def _template(stop: Stop) -> Diagnostic | None:
    for row in (stop.row, stop.above(stop.row), stop.begun[0] if stop.begun is not None else -1):
        found = template_in_line(stop.at(row)) if row >= 0 else None
        if found is not None:
            detail = "This is a template: the file is read as it is, nothing is filled in."
            help_ = "render it first, and give the gateway the result; single values may be `{env: NAME}`"
            return diagnose("template-left", detail, stop.span(row, *found), "", help_)
    return None


def _fence(stop: Stop) -> Diagnostic | None:
    if not stop.line.lstrip().startswith("```"):
        return None
    detail = "This is the fence of a Markdown page. Copy what stands between the fences, not the fences."
    return diagnose("yaml-syntax", detail, stop.span(stop.row, 0, len(stop.line.rstrip())))


def _odd(stop: Stop) -> Diagnostic | None:
    for row in (stop.above(stop.row), stop.row):
        found = odd_in_line(stop.at(row)) if row >= 0 else None
        if found is not None:
            start, end, what, new = found
            span = stop.span(row, start, end)
            fixes = (Fix(span, new),) if new is not None else ()
            return diagnose("odd-character", what, span, fixes=fixes)
    return None


def _comment(stop: Stop) -> Diagnostic | None:
    for row in (stop.row, stop.above(stop.row)):
        match = re.match(r"\s*(//|/\*)", stop.at(row)) if row >= 0 else None
        if match is not None:
            detail = f"`{match[1]}` begins no comment in YAML; `#` does."
            return diagnose("yaml-syntax", detail, stop.span(row, match.start(1), match.end(1)))
    return None


def _quote(stop: Stop) -> Diagnostic | None:
    ended = stop.problem in ("found unexpected end of stream", "found unexpected document separator")
    if not ended or stop.begun is None or "quoted scalar" not in stop.context:
        return None
    row, column = stop.begun
    mark = stop.at(row)[column : column + 1]
    detail = (
        f"The quote that begins here is never closed: everything after it is read as one text. Close it with {mark}."
    )
    return diagnose("yaml-syntax", detail, stop.span(row, column))


def _after_quote(stop: Stop) -> Diagnostic | None:
    """`"the "fast" lane"`, and `'it's'`."""
    before = stop.line[: stop.column].rstrip()
    if "found '<scalar>'" not in stop.problem or not before.endswith(('"', "'")):
        return None
    mark = before[-1]
    start = re.search(rf"(?:^|[\s\[{{,:-])({mark})", stop.line)
    if start is None:
        return None
    first = start.start(1)
    value = stop.line[first:].rstrip()
    other = '"' if mark == "'" else "'"
    detail = (
        f"The quote that is opened in column {first + 1} is closed before this, so the text goes on behind its end."
    )
    inside = value[1:-1] if value.endswith(mark) and len(value) > 1 else value[1:]
    fixes: tuple[Fix, ...] = ()
    if other not in inside and "\\" not in inside and " #" not in inside:
        fixes = (Fix(stop.span(stop.row, first, first + len(value)), f"{other}{inside}{other}"),)
    help_ = f"put the whole into {'double' if other == chr(34) else 'single'} quotes"
    return diagnose(
        "yaml-syntax", detail, stop.span(stop.row, stop.column, len(stop.line.rstrip())), "", help_, fixes=fixes
    )


def _escape(stop: Stop) -> Diagnostic | None:
    if "escape" not in stop.problem or "double-quoted" not in stop.context or stop.begun is None:
        return None
    column = max(0, stop.line.rfind("\\", 0, stop.column + 1))
    row, first = stop.begun
    fixes: tuple[Fix, ...] = ()
    closing = stop.line.find('"', first + 1)
    inside = stop.line[first + 1 : closing]
    if row == stop.row and closing > 0 and "'" not in inside and "\\\\" not in inside:
        fixes = (Fix(stop.span(row, first, closing + 1), f"'{inside}'"),)
    shown = stop.line[column : column + 2]
    detail = f"In double quotes a backslash begins an escape, and `{shown}` is none."
    help_ = "put the text into single quotes, where a backslash is a backslash, or write `\\\\`"
    return diagnose("yaml-syntax", detail, stop.span(stop.row, column, column + 2), "", help_, fixes=fixes)


def _greedy_tag(stop: Stop) -> Diagnostic | None:
    """`!tag}` and `!tag,`: the sign is a part of the tag."""
    for row in dict.fromkeys((stop.row, stop.begun[0] if stop.begun is not None else stop.row)):
        match = re.search(r"(?:^|[\s\[{,])(![^\s#]*[,\]}]+)", stop.at(row).split(" #")[0])
        if match is not None:
            detail = f"A tag goes on to the next space, so `{match[1]}` is one. Tags have no meaning here: remove it."
            return diagnose("yaml-syntax", detail, stop.span(row, match.start(1), match.end(1)))
    return None


def _flow(stop: Stop) -> Diagnostic | None:
    """Braces and brackets: one that is not closed, one closed by the other, a comma that is missing."""
    if not stop.problem.startswith("expected ',' or") or stop.begun is None:
        return None
    row, column = stop.begun
    opened = stop.at(row)[column : column + 1]
    closing = {"[": "]", "{": "}"}.get(opened, "]")
    at = stop.line[stop.column : stop.column + 1]
    here = stop.span(stop.row, stop.column)
    if at in "]}" and at and at != closing and "<stream end>" not in stop.problem:
        detail = f"`{opened}` is closed by `{at}`; what closes it is `{closing}`."
        first = (Related("opened here", stop.span(row, column)),)
        return diagnose("yaml-syntax", detail, here, "", f"write `{closing}`", first, (Fix(here, closing),))
    before = stop.above(stop.row)
    if row == stop.row and "<stream end>" not in stop.problem:
        return _comma_within(stop)
    own_line = not stop.at(row)[column + 1 :].strip()
    if own_line and before > row and at and "<stream end>" not in stop.problem:
        end = len(stop.at(before).rstrip())
        if stop.at(before).rstrip()[-1:] not in ",{[:":
            span = stop.span(before, end - 1, end)
            after = Span(stop.path, before + 1, end + 1, before + 1, end + 1)
            detail = (
                "Between this and the next line a comma is missing: inside of braces every entry but the last has one."
            )
            return diagnose("yaml-syntax", detail, span, "", "write `,` at the end of the line", (), (Fix(after, ","),))
    detail = (
        f"This `{opened}` is never closed: what follows is read as if it stood inside of it. Close it with `{closing}`."
    )
    related: tuple[Related, ...] = () if "<stream end>" in stop.problem else (Related("noticed here", here),)
    return diagnose("yaml-syntax", detail, stop.span(row, column), related=related)


def _comma_within(stop: Stop) -> Diagnostic:
    before = stop.line[: stop.column]
    word = re.search(r"(\s+)([\w.@/*+-]+)\s*$", before)
    if stop.line[stop.column : stop.column + 1] == ":" and word is not None:
        span = stop.span(stop.row, word.start(2), word.end(2))
        gap = stop.span(stop.row, word.start(1), word.end(1))
        detail = f"Before `{word[2]}` a comma is missing: inside of braces entries are parted by commas."
        return diagnose("yaml-syntax", detail, span, "", f"write `, {word[2]}`", (), (Fix(gap, ", "),))
    detail = "Here a comma or the closing brace or bracket is missing."
    return diagnose("yaml-syntax", detail, stop.span(stop.row, stop.column))


def _too_many(stop: Stop) -> Diagnostic | None:
    at = stop.line[stop.column : stop.column + 1]
    if at not in ("]", "}") or "found '" not in stop.problem:
        return None
    span = stop.span(stop.row, stop.column)
    return diagnose("yaml-syntax", f"This `{at}` closes nothing.", span, "", "remove it", (), (Fix(span, ""),))


def _unquoted(stop: Stop) -> Diagnostic | None:
    """Text that begins with a sign that YAML has a use for."""
    alias = "undefined alias" in stop.problem
    if not alias and "cannot start any token" not in stop.problem and not re.search("an (alias|anchor)", stop.context):
        return None
    column = stop.begun[1] if "scanning an" in stop.context and stop.begun is not None else stop.column
    match = _TOKEN.match(stop.line, column)
    if match is None:
        return None
    bare = match[0].rstrip(":")
    anchors = re.findall(r"(?:^|[\s\[{,])&([^\s,\[\]{}]+)", "\n".join(stop.lines))
    near = closest(bare[1:], anchors) if alias else None
    span = stop.span(stop.row, column, column + len(bare))
    if near == bare[1:]:
        detail = (
            f"`{bare}` stands for what is marked `&{near}`, which comes later: the mark stands before its first use."
        )
        return diagnose("yaml-syntax", detail, span)
    if near is not None:
        detail = f"`{bare}` stands for what was marked `&{bare[1:]}`, and nothing was."
        return diagnose("yaml-syntax", detail, span, "", f"did you mean `*{near}`?", (), (Fix(span, f"*{near}"),))
    if bare[0] == "`":
        detail = "A backtick is no quote: YAML keeps it for itself. Text is put into \" or ', or stands as it is."
        inside = bare.strip("`")
        fixes = (Fix(span, inside),) if bare == f"`{inside}`" and re.fullmatch(r"[\w./-]+", inside) else ()
        return diagnose("yaml-syntax", detail, span, "", f"write {inside}", (), fixes)
    uses = {"*": "stands for what was marked with `&` before", "&": "marks what follows", "%": "begins a directive"}
    use = uses.get(bare[0], "is kept for YAML itself")
    detail = f"`{bare[0]}` at the beginning {use}. Text that begins so is put into quotes."
    fixes = () if '"' in bare or "\\" in bare else (Fix(span, f'"{bare}"'),)
    return diagnose("yaml-syntax", detail, span, "", f'write "{bare}"', (), fixes)


def _glued(stop: Stop) -> Diagnostic | None:
    """`key:value` without a space, in this line or above it."""
    if "mapping values" not in stop.problem and "expected ':'" not in stop.problem:
        return None
    rows = [stop.begun[0] if stop.begun is not None else -1, stop.above(stop.row), stop.row]
    for row in rows:
        match = _GLUED.match(stop.at(row)) if row >= 0 else None
        if match is not None:
            start, colon = match.start(1), match.end(1)
            end = len(stop.at(row).split(" #")[0].rstrip())
            word = stop.at(row)[start:end]
            detail = f"YAML reads `{word[:40]}` as one word: after the colon of a key stands a space."
            gap = Span(stop.path, row + 1, colon + 2, row + 1, colon + 2)
            help_ = f"write `{word[:60].replace(':', ': ', 1)}`"
            return diagnose("missing-space", detail, stop.span(row, start, end), "", help_, (), (Fix(gap, " "),))
    return None


def _second_colon(stop: Stop) -> Diagnostic | None:
    """`message: Not allowed: ask`."""
    if "mapping values are not allowed" not in stop.problem:
        return None
    first = _KEY.match(stop.line)
    if first is None or first.end() > stop.column:
        return None
    start = first.end() + len(stop.line[first.end() :]) - len(stop.line[first.end() :].lstrip())
    value = stop.line[start:].split(" #")[0].rstrip()
    span = stop.span(stop.row, start, start + len(value))
    detail = "This value holds a colon and a space, which make it a key again."
    help_ = "put it into quotes; or, if it is meant as a key, onto a line of its own that is indented"
    words = " " in value.split(": ", 1)[0] and '"' not in value and "\\" not in value
    return diagnose("yaml-syntax", detail, span, "", help_, (), (Fix(span, f'"{value}"'),) if words else ())


def _deeper(stop: Stop) -> Diagnostic | None:
    """A key that is indented below one that has its value already, or below a line that is none."""
    if "mapping values are not allowed" not in stop.problem:
        return None
    row = stop.above(stop.row)
    if row < 0:
        return None
    start = len(stop.line) - len(stop.line.lstrip())
    over = len(stop.at(row)) - len(stop.at(row).lstrip())
    key = _KEY.match(stop.at(row))
    if key is not None and start > over:
        detail = "This line is indented more than the one above it, which has its value already."
        help_ = f"indent it by {over} spaces, as the one above it" if over else "begin it in the first column"
        return diagnose("yaml-syntax", detail, stop.span(stop.row, start, stop.column), "", help_)
    return _no_colon(stop, row) if key is None else None


def _no_colon(stop: Stop, row: int) -> Diagnostic:
    line = stop.at(row).split(" #")[0].rstrip()
    start = len(line) - len(line.lstrip())
    word = re.match(r"(?:- +)?([\w.@/*+-]+)(\s*=?\s*)(.*)", line[start:])
    span = stop.span(row, start, len(line))
    if word is None:
        return diagnose("yaml-syntax", "This line has no key: a key is followed by a colon and a space.", span)
    detail = f"After `{word[1]}` the colon is missing."
    more = word[3] if word[3] else "…"
    return diagnose("yaml-syntax", detail, span, "", f"write `{word[1]}: {more}`" if word[3] else f"write `{word[1]}:`")


def _no_key(stop: Stop) -> Diagnostic | None:
    if "could not find expected ':'" not in stop.problem or stop.begun is None:
        return None
    row = stop.begun[0]
    above = stop.above(row)
    line, over = stop.at(row), stop.at(above) if above >= 0 else ""
    start, begins = len(line) - len(line.lstrip()), len(over) - len(over.lstrip())
    text = line.split(" #")[0].rstrip()
    span = stop.span(row, start, len(text))
    if re.search(r":\s*[|>][+-]?\d?\s*$", over) and start <= begins + 1:
        detail = f"This text belongs to the `{over.strip().split(':')[0]}:` above it, and is indented less than it."
        return diagnose("yaml-syntax", detail, span, "", f"indent it by {begins + 2} spaces")
    if over.rstrip().endswith(":") and start <= begins and not _KEY.match(line):
        detail = f"This is meant as the value of the `{over.strip()}` above it, and is not indented more than it."
        return diagnose("yaml-syntax", detail, span, "", f"write it on one line: `{over.strip()} {text.strip()}`")
    return _no_colon(stop, row)


def _item(stop: Stop) -> Diagnostic | None:
    if "sequence entries are not allowed" not in stop.problem:
        return None
    detail = "An item of a list begins on a line of its own, below the key that it belongs to."
    return diagnose("yaml-syntax", detail, stop.span(stop.row, stop.column), "", "or write the list as `[a, b]`")


def _level(stop: Stop) -> Diagnostic | None:
    """A line at a level where nothing of its kind stands."""
    if "expected <block end>" not in stop.problem:
        return None
    start = len(stop.line) - len(stop.line.lstrip())
    span = stop.span(stop.row, start, max(len(stop.line.split(" #")[0].rstrip()), start + 1))
    if "found '?'" in stop.problem and stop.begun is not None:
        item = stop.begun[1]
        detail = "This is a key, at a level where the items of a list stand (`- …`)."
        help_ = f"as a field of the item above it, it is indented by {item + 2} spaces; as a key beside the list's own, by less than {item}"
        if item == 0:
            help_ = "as a field of the item above it, it is indented by 2 spaces"
        return diagnose(
            "yaml-syntax", detail, span, "", help_, (Related("the list begins here", stop.span(*stop.begun)),)
        )
    levels = _levels(stop, start)
    if not levels:
        return None
    listed = " or ".join(f"{level} (as `{words}`)" for level, words in levels)
    detail = (
        f"This line is indented by {start} space{'' if start == 1 else 's'}, which is the level of nothing above it."
    )
    return diagnose("yaml-syntax", detail, span, "", f"indent it by {listed}")


def _levels(stop: Stop, start: int) -> list[tuple[int, str]]:
    """The levels that are open above a line, the nearest first, each with the line that opened it."""
    found: list[tuple[int, str]] = []
    least = 1 << 20
    for row in range(stop.row - 1, -1, -1):
        line = stop.at(row)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if indent < least:
            least = indent
            found.append((indent, line.strip()[:30]))
    return [each for each in found if each[0] != start][:2]


_SLIPS: Final[tuple[Callable[[Stop], Diagnostic | None], ...]] = (
    _conflict, _tab, _fence, _template, _odd, _comment, _quote, _after_quote, _escape, _unquoted, _greedy_tag, _flow, _too_many, _glued,
    _second_colon, _deeper, _no_key, _item, _level,
)  # fmt: skip
