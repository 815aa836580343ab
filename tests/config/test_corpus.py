"""Files as people break them: each yields the findings that it states, at the line and the column that it states, no more.

`# ERROR: code@column` (WARN, INFO) stands on the guilty line; where a comment would change what is broken, and for files
that are made here since they are large or no text, the places stand in a table below. Beside them, in __snapshots__, is
what a person sees: it says where, what, why and how to mend it. Read it by eye when it changes. No file may take longer
than two seconds of processor time, and none of what they hold may raise.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from syrupy.assertion import SnapshotAssertion

from gateway.config.load import Loaded, load
from gateway.diagnostics.diagnostic import Severity
from gateway.diagnostics.text import render
from gateway.engine.known import KNOWN
from tests.config.fuzz import ENVIRON

CORPUS = Path(__file__).parent / "corpus"
ENV: Final = {**ENVIRON, "TEAM_KEY": "another-secret-of-letters"}
SECONDS: Final = 2.0
KINDS: Final = {Severity.ERROR: "ERROR", Severity.WARNING: "WARN", Severity.INFO: "INFO"}
MARK: Final = re.compile(r"\b(ERROR|WARN|INFO): ((?:[a-z0-9-]+@\d+(?:, )?)+)")
FILES = sorted(CORPUS.rglob("*.yaml"))

# files in which a comment would change what is broken, and those whose findings are in a file that they include
ASIDE: Final = {
    "include/broken-inside.yaml": {"ERROR yaml-syntax include/parts/broken.part:2:6"},
    "include/declared-twice.yaml": {"ERROR declared-twice include/parts/models.part:1:10"},
    "include/that-includes.yaml": {"ERROR bad-value include/parts/nested.part:1:1"},
    "indent/list-item-too-far-right.yaml": {"ERROR unknown-model 7:7"},
    "syntax/a-dot-env-file.yaml": {"ERROR not-a-mapping 1:1"},
    "syntax/equals-instead-of-colon.yaml": {"ERROR wrong-type 3:3"},
    "syntax/missing-colon-inside.yaml": {"ERROR yaml-syntax 3:3"},
    "syntax/missing-comma-between-lines.yaml": {"ERROR yaml-syntax 3:29"},
    "syntax/missing-dash-space.yaml": {"ERROR wrong-type 7:5"},
    "syntax/missing-space-at-top.yaml": {"ERROR missing-space 1:1"},
    "syntax/missing-space-everywhere.yaml": {"ERROR missing-space 1:1"},
    "syntax/missing-space-then-more.yaml": {"ERROR missing-space 3:3"},
    "syntax/shell-script.yaml": {"ERROR not-a-mapping 2:1"},
    "syntax/toml.yaml": {"ERROR not-a-mapping 1:1"},
}

GOOD: Final = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"
UMLAUT: Final = GOOD + "# für alle\n"


def _bomb(depth: int, breadth: int) -> bytes:
    lines = ["version: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * breadth)}]" for i in range(1, depth)]
    return "\n".join(lines).encode()


def _merges(number: int) -> bytes:
    lines = ["version: 1", "m0: &m0 {k: v}"]
    lines += [f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: v}}" for i in range(1, number)]
    return "\n".join(lines).encode()


# name: (the bytes, the findings)
MADE: Final[dict[str, tuple[Callable[[], bytes], set[str]]]] = {
    "empty": (lambda: b"", {"ERROR empty-file 1:1"}),
    "only spaces and lines": (lambda: b"  \n\n   \n", {"ERROR empty-file 1:1"}),
    "only a comment": (lambda: b"# router.yaml\n", {"ERROR empty-file 1:1"}),
    "only the marks of a document": (lambda: b"---\n...\n", {"ERROR empty-file 1:1"}),
    "an empty mapping": (lambda: b"{}\n", {"ERROR missing-key 1:1"}),
    "latin-1": (lambda: UMLAUT.encode("latin-1"), {"ERROR not-utf8 5:4"}),
    "windows-1252 quotes": (lambda: GOOD.replace("open", "\u201copen\u201d").encode("cp1252"), {"ERROR not-utf8 2:17"}),
    "utf-8 cut within a letter": (lambda: UMLAUT.encode().replace(b"\xc3\xbc", b"\xc3"), {"ERROR not-utf8 5:4"}),
    "latin-1 after utf-8": (lambda: "# ü ".encode() + "für".encode("latin-1"), {"ERROR not-utf8 1:6"}),
    "a surrogate": (lambda: b"version: 1\nname: \xed\xa0\x80\n", {"ERROR not-utf8 2:7"}),
    "utf-16 with a mark": (lambda: GOOD.encode("utf-16"), {"ERROR not-utf8 1:1"}),
    "utf-16 big-endian with a mark": (lambda: b"\xfe\xff" + GOOD.encode("utf-16-be"), {"ERROR not-utf8 1:1"}),
    "utf-16 without a mark": (lambda: GOOD.encode("utf-16-le"), {"ERROR not-utf8 1:1"}),
    "utf-32": (lambda: GOOD.encode("utf-32"), {"ERROR not-utf8 1:1"}),
    "ebcdic": (lambda: GOOD.encode("cp037"), {"ERROR not-utf8 1:1"}),
    "shift-jis": (lambda: (GOOD + "# 日本\n").encode("shift-jis"), {"ERROR not-utf8 5:3"}),
    "gzip": (lambda: b"\x1f\x8b\x08\x00" + bytes(range(40)), {"ERROR not-utf8 1:1"}),
    "zip": (lambda: b"PK\x03\x04" + bytes(range(40)), {"ERROR not-utf8 1:1"}),
    "a database": (lambda: b"SQLite format 3\x00" + bytes(40), {"ERROR not-utf8 1:1"}),
    "a NUL byte": (lambda: GOOD.encode().replace(b"open", b"op\x00en"), {"ERROR yaml-syntax 2:19"}),
    "NUL bytes at the end": (lambda: GOOD.encode() + bytes(20), {"ERROR yaml-syntax 5:1"}),
    "an escape of a terminal": (lambda: GOOD.encode().replace(b"open", b"\x1b[1mopen"), {"ERROR yaml-syntax 2:17"}),
    "a form feed": (lambda: GOOD.encode().replace(b"models", b"\x0cmodels"), {"ERROR yaml-syntax 4:1"}),
    "a second byte order mark": (lambda: b"\xef\xbb\xbf\xef\xbb\xbf" + GOOD.encode(), set()),
    "windows lines with a typo": (lambda: GOOD.replace("sandbox}}", "sndbox}}").replace("\n", "\r\n").encode(), {"ERROR unknown-provider 4:24"}),
    "old mac lines with a typo": (lambda: GOOD.replace("sandbox}}", "sndbox}}").replace("\n", "\r").encode(), {"ERROR unknown-provider 4:24"}),
    "a typo after letters of two columns": (lambda: GOOD.replace("{m:", "{m: {provider: sandbox, id: 日本}, n:").replace("sandbox}}", "sndbox}}").encode(), {"ERROR unknown-provider 4:56"}),
    "a typo after a face": (lambda: GOOD.replace("{m:", '{m: {provider: sandbox, id: "\U0001f600"}, n:').replace("sandbox}}", "sndbox}}").encode(), {"ERROR unknown-provider 4:57"}),
    "a line of 10 MB": (lambda: GOOD.encode() + b"# " + b"x" * 10_000_000, {"ERROR too-large 1:1"}),
    "a list of 10 MB in a line": (lambda: b"version: 1\nx: [" + b"a, " * 3_400_000 + b"]", {"ERROR too-large 1:1"}),
    "a line of 1 MB": (lambda: GOOD.encode() + b"# " + b"x" * 1_000_000, {"ERROR too-large 5:1"}),
    "100 MB": (lambda: b"x" * 100_000_000, {"ERROR too-large 1:1"}),
    "brackets without end": (lambda: b"version: 1\nx: " + b"[" * 100_000, {"ERROR too-deep 2:4"}),
    "nested too deeply": (lambda: b"version: 1\nx: " + b"[" * 80 + b"]" * 80, {"ERROR too-deep 2:64"}),
    "mappings nested too deeply": (lambda: b"version: 1\n" + b"".join(b" " * i + b"a:\n" for i in range(200)), {"ERROR too-deep 63:62"}),
    "dashes without end": (lambda: b"- " * 50_000, {"ERROR too-deep 1:1"}),
    "an alias bomb": (lambda: _bomb(12, 9), {"ERROR too-many-aliases 6:1"}),
    "an alias bomb of mappings": (lambda: _bomb(9, 40), {"ERROR too-many-aliases 5:1"}),
    "merges of merges": (lambda: _merges(500), {"ERROR too-deep 62:1"}),
    "many merges of one mapping": (lambda: b"version: 1\na: &a {k: v}\nb: {<<: [" + b"*a, " * 20_000 + b"]}", {"ERROR unknown-key 2:1", "ERROR unknown-key 3:1"}),
    "a quote that is never closed": (lambda: b'version: 1\ngateway: {auth: "open}\n' + b"# more\n" * 20_000, {"ERROR yaml-syntax 2:17"}),
    "a thousand typos": (lambda: GOOD.encode() + b"aliases:\n" + b"".join(b"  a%d: n\n" % i for i in range(1000)), {f"ERROR unknown-model {i + 6}:{len(str(i)) + 6}" for i in range(1000)}),
    "a number of 5,000 digits": (lambda: GOOD.encode().replace(b"sandbox}}", b"sandbox, context: " + b"9" * 5000 + b"}}"), {"ERROR bad-unit 4:42"}),
    "every letter of latin-1": (lambda: bytes(range(1, 256)), {"ERROR not-utf8 2:118"}),
}  # fmt: skip


def findings(loaded: Loaded, file: str) -> set[str]:
    """`KIND code line:column`, with the file before the line where it is another one; 0:0 for no place."""
    out = set()
    for each in loaded.diagnostics:
        span = each.span
        where = "0:0" if span is None else f"{span.line}:{span.column}"
        path = "" if span is None or span.path == file else f"{span.path}:"
        out.add(f"{KINDS[each.severity]} {each.code} {path}{where}")
    return out


def stated(file: Path) -> set[str]:
    """What a file says of itself."""
    return {
        f"{kind} {code.split('@')[0]} {number}:{code.split('@')[1]}"
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for kind, codes in MARK.findall(line)
        for code in codes.split(", ")
    }


def timed(file: Path, texts: dict[Path, bytes] | None = None) -> Loaded:
    began = time.process_time()
    loaded = load([file], known=KNOWN, environ=ENV, texts=texts)
    assert time.process_time() - began < SECONDS
    return loaded


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CORPUS).as_posix())
def test_a_broken_file_yields_what_it_states(
    file: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CORPUS)
    file = file.relative_to(CORPUS)
    expected = ASIDE.get(file.as_posix()) or stated(file)
    assert expected, "a broken file says what is wrong with it"
    loaded = timed(file)
    assert findings(loaded, str(file)) == expected
    text = render(loaded.diagnostics, loaded.sources, colour=False)
    assert render(loaded.diagnostics, loaded.sources, colour=True)
    assert text == snapshot


@pytest.mark.parametrize("name", MADE)
def test_a_made_file_yields_what_is_stated(
    name: str, snapshot: SnapshotAssertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, expected = MADE[name][0](), MADE[name][1]
    file = Path("router.yaml")
    loaded = timed(file, {file: data})
    assert findings(loaded, "router.yaml") == expected
    text = render(loaded.diagnostics, loaded.sources, colour=False)
    if len(text) < 3_000:
        assert text == snapshot


def test_the_corpus_is_large() -> None:
    assert len(FILES) + len(MADE) >= 150


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.chdir(tmp_path)
    Path("router.yml").write_text(GOOD)
    Path("directory.yaml").mkdir()
    Path("loop.yaml").symlink_to("loop.yaml")
    said = []
    for name in ("router.yaml", "directory.yaml", "loop.yaml", "/dev/zero", "none/router.yaml", "a" * 300 + ".yaml"):
        loaded = timed(Path(name))
        assert loaded.diagnostics.has_errors
        assert loaded.config is None
        said.append(render(loaded.diagnostics, loaded.sources, colour=False))
    assert "\n".join(said) == snapshot


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    loaded = load([tmp_path / "router.yaml"], known=KNOWN, environ={})
    assert findings(loaded, str(tmp_path / "router.yaml")) == {"ERROR unreadable-file 1:1"}
