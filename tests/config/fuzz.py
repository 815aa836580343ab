"""Fuzzing of the loader: `python -m tests.config.fuzz --files N --seed S`.

A file is a seed and a number, and nothing else: whoever has both has the bytes. It begins as one of the cases or of the
corpus, and is broken a few times over: in its bytes, its words, its lines, its numbers, its YAML, or with a piece of
another file. It is loaded, and built where nothing is wrong with it, as serving does. What must hold:

- nothing raises, and nothing takes longer than its share of processor time;
- a file that has no configuration has an error, and every finding stands inside of the text;
- loading it again says the same, word for word;
- a good file is the same configuration after it was handed on to a worker.

Prints each failure with what it takes to see it again, and exits with 1 where there was one.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

import msgspec

from gateway.config.handoff import restore
from gateway.config.load import Loaded, load
from gateway.diagnostics import github, jsonout, junit, sarif, text
from gateway.diagnostics.diagnostic import Diagnostics
from gateway.engine.build import build
from gateway.engine.known import KNOWN

HERE: Final = Path(__file__).parent
SECONDS: Final = 2.0  # processor time for one file
ENVIRON: Final = {
    "CASE_KEY": "a-secret-of-twenty-letters",
    "CASE_SHORT": "short",
    "CASE_URL": "http://127.0.0.1:9/v1",
    "CASE_LEDGER": "postgresql://gateway:hunter2@db/ledger",
    "CASE_REDIS": "rediss://gateway:hunter2@state:6380/2",
}

BYTES: Final = (
    b"\x00", b"\xff", b"\xfe", b"\xef\xbb\xbf", b"\xc3", b"\xa9", b"\x80", b"\r", b"\r\n", b"\t", b"\x1b[31m", b"\x85",
    b"\x0b", b"\x0c", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x7f",
)  # fmt: skip
WORDS: Final = (
    "~", "null", "true", "yes", "on", "-1", "0", "1e9", "1e999", "-0.0", ".inf", ".nan", "0o777", "0777", "0x1F", "1_000",
    "12:30:45", "2026-02-30", "2026-01-01T00:00:00Z", "30s", "1ms", "99999999999w", "5 USD", "0.00000001 USD", "101%", "60/minute",
    "0/day", "1e5/hour", "128k", "5s..1s", "1s..", "..", "*", "**", "a*b*c", "@", "m@", "@m", "m@sandbox", "<<", "!!int", "!x",
    "!!binary aGk=", "!!set", "!!python/object:os.system", "&a", "*a", "|", ">", "|2", ">-", "?", "? ", ":", "- ", "--- ", "...",
    "%YAML 1.1", "#", "'", '"', "\\", "\\x", "{", "}", "[", "]", ",", "{}", "[]", "{env: CASE_KEY}", "{env: NOPE}", "{file: nope}",
    "{env: [x]}", "{file: ''}", "{file: \"a\\0b\"}", "{env: \"\"}", "none", "all", "auto", "\u00e9", "\u200b", "\u202e", "\u00a0",
    "\U0001f600", "\u2028", "\u201cfast\u201d", "a" * 300, "9" * 50, "version", "include", "override", "models", "combos", "targets", "group",
    "when", "any", "not", "all", "strategy", "weight", "fallbacks", "aliases", "provider", "policies", "each", "scope",
)  # fmt: skip
PLACES: Final = ("include: ['*']", "include: ['**/*.yaml', '']", "include: ['/']", "include: [../../*, '~', \"\\0\"]")


class Slow(Exception):  # noqa: N818 - it says what the file is
    """A file took more than its share of processor time."""


def material() -> list[bytes]:
    """The files that mutation begins with, in a stable order."""
    files = sorted({*HERE.glob("cases/*/*.yaml"), *HERE.glob("corpus/**/*.yaml")})
    return [file.read_bytes() for file in files]


def mutated(seed: int, number: int, seeds: Sequence[bytes]) -> bytes:
    """The file of this number."""
    dice = random.Random(f"{seed}/{number}")
    data = dice.choice(seeds)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        data = dice.choice(MUTATIONS)(dice, data, seeds)
    return data[:60_000]


def _bytes(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at = dice.randint(0, len(data))
    cut = dice.choice((0, 0, 1, 1, 2, 8))
    new = dice.choice((*BYTES, bytes((dice.randrange(256),)), b""))
    return data[:at] + new + data[at + cut :]


def _word(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """One word for another, or for nothing."""
    start, end = _a_word(dice, data)
    return data[:start] + dice.choice((*WORDS, "")).encode() + data[end:]


def _own_word(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """A word for another one of some file: names in wrong places, keys as values."""
    other = data if dice.random() < 0.6 else dice.choice(seeds)
    (start, end), (first, last) = _a_word(dice, data), _a_word(dice, other)
    return data[:start] + other[first:last] + data[end:]


def _typo(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start, end = _a_word(dice, data)
    word = bytearray(data[start:end])
    if len(word) > 1:
        at = dice.randrange(len(word) - 1)
        if dice.random() < 0.5:
            word[at], word[at + 1] = word[at + 1], word[at]
        else:
            del word[at]
    return data[:start] + bytes(word) + data[end:]


def _a_word(dice: random.Random, data: bytes) -> tuple[int, int]:
    at = dice.randint(0, len(data))
    stops = b" \n\t,:[]{}\"'#"
    start = end = at
    while start > 0 and data[start - 1] not in stops:
        start -= 1
    while end < len(data) and data[end] not in stops:
        end += 1
    return start, end


def _number(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """A run of digits becomes another number."""
    places = [index for index, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return data
    start = end = dice.choice(places)
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    new = dice.choice(
        (b"0", b"-1", b"1.5", b"1e400", b"9" * 30, b"9" * 5000, b"0x10", b"00", b"1_0", b".", b"0.1e-9", b"\xd9\xa3")
    )
    return data[:start] + new + data[end:]


def _lines(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Lines moved, doubled, dropped, or indented otherwise."""
    lines = data.split(b"\n")
    at = dice.randrange(len(lines))
    kind = dice.randrange(6)
    if kind == 0:
        lines.insert(dice.randrange(len(lines)), lines[at])
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at] = dice.choice((b" ", b"  ", b"\t", b"- ", b"    ", b"? ")) + lines[at]
    elif kind == 3:
        lines[at] = lines[at].lstrip()
    elif kind == 4:
        lines[at:] = [b"  " + line for line in lines[at:]]
    else:
        other = dice.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    return b"\n".join(lines)


def _splice(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The beginning of one file and the end of another, or lines of another put in."""
    other = dice.choice(seeds).split(b"\n")
    lines = data.split(b"\n")
    first = dice.randrange(len(other))
    piece = other[first : first + dice.randint(1, 6)]
    at = dice.randint(0, len(lines))
    return b"\n".join(lines[:at] + piece + (lines[at:] if dice.random() < 0.8 else []))


def _structure(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """What stands after a colon becomes something of another shape, or is wrapped into one."""
    places = [index for index in range(len(data) - 1) if data[index : index + 2] in (b": ", b":\n")]
    if not places:
        return data
    at = dice.choice(places) + 1
    end = data.find(b"\n", at)
    end = len(data) if end < 0 else end
    value = data[at:end].strip()
    new = dice.choice(
        (b"[" + value + b"]", b"{x: " + value + b"}", b"[[" + value + b"]]", b"{" + value + b"}", b'"' + value + b'"', b"",
         b"{env: CASE_KEY}", b"{env: CASE_URL, default: 1}", b"{<<: " + value + b"}", b"&z " + value, b"*z", b"- " + value,
         b"!!str " + value, b"[" * dice.choice((2, 70)) + value, b"{a: {a: {a: " + value + b"}}}", b"|\n  " + value,
         b"[" + b", ".join([value] * 3) + b"]")
    )  # fmt: skip
    return data[:at] + b" " + new + data[end:]


def _cut(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Half-written: the end is missing, or a piece in the middle."""
    at = dice.randint(0, len(data))
    return data[:at] if dice.random() < 0.5 else data[:at] + data[at + dice.randint(1, 40) :]


def _encoding(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    words = data.decode("utf-8", "replace")
    name = dice.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "cp037", "utf-7", "utf-8-sig"))
    return words.encode(name, "replace")


def _place(dice: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """An `include` that leads somewhere odd."""
    return data + b"\n" + dice.choice(PLACES).encode() + b"\n"


MUTATIONS: Final[tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...]] = (
    _bytes, _bytes, _word, _word, _word, _own_word, _own_word, _own_word, _typo, _typo, _number, _number, _lines, _lines, _splice,
    _splice, _structure, _structure, _structure, _cut, _encoding, _place,
)  # fmt: skip


def loaded(data: bytes, directory: Path) -> Loaded:
    """What the loader makes of it, as a file of an otherwise empty directory."""
    file = directory / "router.yaml"
    return load([file], known=KNOWN, environ=ENVIRON, texts={file: data})


def said(found: Loaded) -> str:
    """Everything that is said of a file, in all forms."""
    each = found.diagnostics
    plain = text.render(each, found.sources, colour=True)
    return "\0".join(
        (plain, jsonout.render(each), github.render(each), sarif.render(each, "1"), junit.render(each, found.names))
    )


def examine(data: bytes, directory: Path, *, again: bool) -> str:
    """Loads a file and checks what must hold; what was said of it. Raises AssertionError, or what the loader raised."""
    found = loaded(data, directory)
    words = said(found)
    if found.config is None:
        assert found.diagnostics.has_errors, "no configuration, and nothing is said of it"
    _places_are_in_the_text(found.diagnostics, data)
    if found.config is not None and not found.diagnostics.has_errors:
        build(found.config, found.secrets, revision=found.revision)
        config, _ = restore(found.payload())
        assert config == found.config, "a worker would be given another configuration"
    if again:
        assert said(loaded(data, directory)) == words, "the second time something else is said"
    return words


def _places_are_in_the_text(found: Diagnostics, data: bytes) -> None:
    lines = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for each in found:
        if each.span is None:
            assert each.code == "too-large", f"{each.code} stands nowhere"
        elif not each.span.path.endswith("router.yaml") or each.code == "not-utf8":
            continue
        else:
            span = each.span
            assert 1 <= span.line <= span.end_line <= len(lines), (
                f"{each.code} stands at {span.at} of {len(lines)} lines"
            )
            assert 1 <= span.column <= len(lines[span.line - 1]) + 1, (
                f"{each.code} stands at {span.at}, beyond its line"
            )
            assert (span.line, span.column) <= (span.end_line, span.end_column), f"{each.code} ends before it begins"


def failures(
    seed: int, numbers: Sequence[int], *, seconds: float = SECONDS, every: int = 10
) -> Iterator[tuple[int, bytes, str]]:
    """Each file of these numbers that breaks a promise: its number, its bytes, and how. Uses the virtual timer of the
    process, so it runs in the main thread; `every`: how many files lead to one that is loaded twice."""
    seeds = material()

    def too_slow(signum: int, frame: FrameType | None) -> None:
        raise Slow

    before = signal.signal(signal.SIGVTALRM, too_slow)
    try:
        with TemporaryDirectory() as name:
            for number in numbers:
                data = mutated(seed, number, seeds)
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
                try:
                    examine(data, Path(name), again=number % every == 0)
                except Slow:
                    yield number, data, f"took longer than {seconds} s of processor time\n{traceback.format_exc()}"
                except Exception:
                    yield number, data, traceback.format_exc()
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)


def digest(seed: int, numbers: Sequence[int]) -> str:
    """A hash over everything that is said of these files; the same in every process."""
    seeds = material()
    total = sha256()
    with TemporaryDirectory() as name:
        for number in numbers:
            words = said(loaded(mutated(seed, number, seeds), Path(name)))
            total.update(words.replace(name, "").encode("utf-8", "surrogatepass"))
    return total.hexdigest()


class _Arguments(msgspec.Struct):
    files: int
    seed: int
    first: int
    keep: Path | None
    digest: bool


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=20_000, help="how many files")
    parser.add_argument("--seed", type=int, default=1, help="the seed")
    parser.add_argument("--first", type=int, default=0, help="the number of the first file")
    parser.add_argument("--keep", type=Path, help="a directory for the files that fail")
    parser.add_argument("--digest", action="store_true", help="print a hash over what is said of the files, no more")
    chosen = _Arguments(**vars(parser.parse_args()))
    numbers = range(chosen.first, chosen.first + chosen.files)
    if chosen.digest:
        print(digest(chosen.seed, numbers))
        return
    began, failed = time.monotonic(), 0
    for number, data, how in failures(chosen.seed, numbers):
        failed += 1
        print(f"--seed {chosen.seed} --first {number} --files 1\n{how}", flush=True)
        if chosen.keep is not None:
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / f"{chosen.seed}-{number}.yaml").write_bytes(data)
    print(f"{chosen.files:,} files of seed {chosen.seed}, {failed} failed, {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
