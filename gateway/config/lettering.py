"""Letters that are not what they look like, encodings that are not UTF-8, and templates that nobody filled in.

They come from word processors, chat windows, PDFs and pipelines. To a person the file looks right, so what is said
names the character, and where it can be done without a doubt a fix writes the one that was meant.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SPACES: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN: Final = "\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u0085"
_QUOTES: Final = {
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
}
_WIDE: Final = {
    "\uff1a": ":", "\uff0c": ",", "\uff1b": ";", "\uff5b": "{", "\uff5d": "}", "\u3010": "[", "\u3011": "]", "\uff3b": "[",
    "\uff3d": "]", "\uff0d": "-", "\uff03": "#",
}  # fmt: skip
_ODD: Final = re.compile(f"[{_SPACES}]+|[{_UNSEEN}]+|[{''.join(_WIDE)}]")
_TEMPLATE: Final = re.compile(r"\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)|<%.*?(?:%>|$)")
_LEFT: Final = re.compile(
    r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|\$\{[^}]*\}|\bos\.environ[/.]\w+|^\$[A-Z_][A-Z0-9_]*$", re.DOTALL
)

_VARIABLES: Final = (
    re.compile(r"\$\{?(?:env:)?([A-Za-z_]\w*)\}?"),
    re.compile(r"os\.environ[/.]([A-Za-z_]\w*)"),
    re.compile(r"env[.:/]\s*([A-Za-z_]\w*)"),
    re.compile(r"\{\{\s*(?:env\s*[.(]?\s*)?['\"]?([A-Z_][A-Z0-9_]*)['\"]?\)?\s*\}\}"),
    re.compile(r"process\.env\.([A-Za-z_]\w*)"),
    re.compile(r"%([A-Z_][A-Z0-9_]*)%"),
)
_MAGIC: Final = (
    (b"\x1f\x8b", "gzip: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"SQLite format 3", "a database of SQLite"),
    (b"\x89PNG", "a picture"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"Salted__", "encrypted by openssl: decrypt it first"),
    (b"age-encryption.org", "encrypted by age: decrypt it first"),
)


def encoding(data: bytes) -> str | None:
    """What a file is whose bytes are no text in UTF-8, where its beginning tells; None where it does not."""
    for magic, what in _MAGIC:
        if data.startswith(magic):
            return what
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        return "UTF-32"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16, as some Windows programs write it"
    head = data[:64]
    if len(head) >= 8 and (head[1::2].count(0) > len(head) // 3 or head[::2].count(0) > len(head) // 3):
        return "UTF-32" if head.count(0) > len(head) * 2 // 3 else "UTF-16 without its mark"
    return None


def single_byte(data: bytes, at: int) -> str:
    """How a byte that is not UTF-8 reads in the old encoding of western Windows."""
    try:
        char = data[at : at + 1].decode("cp1252")
    except UnicodeDecodeError:
        return ""
    return f" In Windows-1252 it is {char!r}." if char.isprintable() else ""


def named(char: str) -> str:
    """`U+00A0 (NO-BREAK SPACE)`."""
    name = unicodedata.name(char, "")
    return f"U+{ord(char):04X}" + (f" ({name})" if name else "")


def odd_in_line(line: str) -> tuple[int, int, str, str | None] | None:
    """The first character of a line, comments left out, that is not what it looks like: from, to, what, what instead."""
    code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0]
    match = _ODD.search(code)
    quote = next((index for index, char in enumerate(code) if char in _QUOTES), None)
    if match is not None and (quote is None or match.start() < quote):
        what, new = described(match[0])
        return match.start(), match.end(), what, new
    if quote is not None:
        return quote, quote + 1, described(code[quote])[0], _QUOTES[code[quote]]
    dash = re.match(r"\s*([\u2013\u2014\u2212\u2022])\s", code)
    if dash is not None:
        what, new = described(dash[1])
        return dash.start(1), dash.end(1), what, new
    return None


def described(odd: str) -> tuple[str, str | None]:
    """What is wrong with a run of characters, and what was meant in its place."""
    char = odd[0]
    if re.match(f"[{_SPACES}]", char):
        return f"This looks like a space and is {named(char)}, which YAML takes as a letter.", " " * len(odd)
    if char in _WIDE:
        return f"This looks like `{_WIDE[char]}` and is {named(char)}, which YAML takes as a letter.", _WIDE[char]
    if char in _QUOTES:
        return f"This is {named(char)}, no quote of YAML: it is taken as a letter.", _QUOTES[char]
    if char in "\u2013\u2014\u2212\u2022":
        return f"This looks like the `-` of an item and is {named(char)}, which YAML takes as a letter.", "-"
    return f"Here stands a character that cannot be seen: {named(char)}.", ""


def odd_scalar(text: str) -> tuple[int, int, str, str] | None:
    """What is odd in a word that stands in no quotes: from, to, what, and the whole word as it was meant."""
    match = _ODD.search(text)
    if match is not None:
        what, _ = described(match[0])
        meant = _ODD.sub(lambda each: described(each[0])[1] or "", text)
        return match.start(), match.end(), what, meant
    if len(text) > 1 and text[0] in _QUOTES:
        inside = text[1:-1] if text[-1] in _QUOTES else text[1:]
        mark = "'" if '"' in inside else '"'
        return 0, 1, described(text[0])[0], f"{mark}{inside}{mark}"
    dash = re.match(r"([\u2013\u2014\u2212\u2022])\s", text)
    if dash is not None:
        return 0, 1, described(text[0])[0], "-" + text[1:]
    return None


def foreign_letters(word: str) -> str:
    """Which letters of a word are of another alphabet than they look; "" where none is."""
    odd = [char for char in dict.fromkeys(word) if not char.isascii() and char.isalpha()]
    if not odd or not any(char.isascii() and char.isalpha() for char in word):
        return ""
    return f" Its {', '.join(f'{char!r} is {named(char)}' for char in odd[:3])}."


def template_in_line(line: str) -> tuple[int, int] | None:
    """Where a line, comments left out, has the marks of a template."""
    match = _TEMPLATE.search(re.split(r"(?:^|\s)#", line, maxsplit=1)[0])
    return (match.start(), match.end()) if match is not None else None


def template_in(text: str) -> tuple[int, int] | None:
    """Where a value has what other programs would have filled in."""
    match = _LEFT.search(text)
    return (match.start(), match.end()) if match is not None else None


def variable(text: str) -> str | None:
    """The environment variable that a text names in the manner of a shell or of another program."""
    for pattern in _VARIABLES:
        match = pattern.fullmatch(text.strip())
        if match is not None:
            return match[1]
    return None
