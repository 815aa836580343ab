"""`validate --fix`: what it writes, what it leaves, and that it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.config.load import load
from gateway.config.mending import mended
from gateway.diagnostics.diagnostic import Fix
from gateway.diagnostics.fixing import applied
from gateway.diagnostics.source import Span
from gateway.engine.known import KNOWN
from tests.config.test_corpus import CORPUS, ENV, FILES

HEAD = "version: 1\ngateway: {auth: open}\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}, n: {provider: sandbox}}\n"


def mend(text: str) -> str:
    file = Path("router.yaml")
    new = mended([file], known=KNOWN, environ=ENV, texts={file: text.encode()})
    return new.get(file, text.encode()).decode()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("broken", "good"),
    [
        ("combos: {fast: [m, mm@sandbox, n]}", None),
        ("fallbacks: {m: [n]}  # why\nallases: {x: m}", "fallbacks: {m: [n]}  # why\naliases: {x: m}"),
        ("defaults: {timeouts: {connect: 5}} # five", "defaults: {timeouts: {connect: 5s}} # five"),
        ("defaults:\n\ttimeouts:\n\t\tconnect: 5s # c", "defaults:\n  timeouts:\n    connect: 5s # c"),
        ("defaults: {retries: {attempts: '2'}}", "defaults: {retries: {attempts: 2}}"),
        ("combos: {fast: [m, @sandbox]}", 'combos: {fast: [m, "@sandbox"]}'),
        ("combos:\n  fast: [m]\n  # kept\n  slow: [n]\n  fast: [m]\n", "combos:\n  fast: [m]\n  # kept\n  slow: [n]\n"),
        ("combos:\n  fast: [m]\n  fast: [n]\n", None),
        ("combos:\n  fast: [m]\n  fast: [m]  # a comment is never removed\n", None),
        ("combos: {fast: m}", "combos: {fast: [m]}"),
        ("defaults: {timeouts: {connect: 5 sec, total: 10 min}}", "defaults: {timeouts: {connect: 5s, total: 10m}}"),
        ("aliases: {“x”: m}", 'aliases: {"x": m}'),
        ("aliases:\n  x:m", "aliases:\n  x: m"),
        ("budgets: {b: {limit: $5, per: daily, warn_at: [%80]}}", "budgets: {b: {limit: 5 USD, per: day, warn_at: [80%]}}"),
        ("guardrails: {g: {pattern: \"\\d+\", do: flag}}", "guardrails: {g: {pattern: '\\d+', do: flag}}"),
        ("combos: {s: {strategy: weighted, targets: [m, n]}}\ndefaults: {log: 1}", None),
    ],
)  # fmt: skip
def test_what_is_mended(broken: str, good: str | None) -> None:
    assert mend(HEAD + broken) == HEAD + (good or broken)


def test_a_file_is_mended_to_its_end_through_several_rounds() -> None:
    broken = (
        "version:1\ngateway:\n\tauth:open\n\tdrain: 5 sec\nproviders: {sandbox: {}}\nmodles: {m: {provider: sandbx}}\n"
    )
    assert mend(broken) == (
        "version: 1\ngateway:\n  auth: open\n  drain: 5s\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CORPUS).as_posix())
def test_mending_ends_and_keeps_every_comment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CORPUS)
    file = file.relative_to(CORPUS)
    new = mended([file], known=KNOWN, environ=ENV)
    for path, data in new.items():
        before = path.read_text()
        after = data.decode()
        assert [line.partition("  # ")[2] for line in before.splitlines() if "  # " in line] == [
            line.partition("  # ")[2] for line in after.splitlines() if "  # " in line
        ]
        loaded = load([file], known=KNOWN, environ=ENV, texts=new)
        assert not [each for each in loaded.diagnostics if each.fixes and each.accepted is None]


def test_windows_lines_and_the_mark_of_the_encoding_stay(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    data = b"\xef\xbb\xbf" + HEAD.replace("open", "opne").replace("\n", "\r\n").encode()
    file.write_bytes(data)
    result = run(file, "--fix")
    assert result.exit_code == 0, result.stdout
    assert file.read_bytes() == data.replace(b"opne", b"open")
    assert "1 line mended" in result.stdout


def test_diff_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(HEAD.replace("open", "opne"))
    result = run(file, "--fix", "--diff")
    assert result.exit_code == 1
    assert "-gateway: {auth: opne}\n+gateway: {auth: open}\n" in result.stdout
    assert file.read_text() == HEAD.replace("open", "opne")
    assert run(file, "--diff").exit_code == 2
    file.write_text(HEAD)
    assert run(file, "--fix", "--diff").exit_code == 0


def test_what_cannot_be_mended_is_said_after_it(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text(HEAD.replace("open", "opne") + "combos: {fast: [nothing]}\n")
    before = run(file)
    assert "mends 1 of these" in before.stdout
    result = run(file, "--fix")
    assert result.exit_code == 1
    assert "unknown-model" in result.stdout
    assert "opne" not in file.read_text()


def test_included_files_are_mended_too(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text("include: [more.yaml]\n" + HEAD)
    (tmp_path / "more.yaml").write_text("combos: {fast: [m], slow: n}\n")
    assert run(tmp_path / "router.yaml", "--fix").exit_code == 0
    assert (tmp_path / "more.yaml").read_text() == "combos: {fast: [m], slow: [n]}\n"


def test_a_page_is_mended_in_its_fences(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    broken = HEAD.replace("open", "opne")
    page.write_text(
        f"# Title\n\n```yaml\n{broken}combos:\n  a: [m]\n  a: [m]\n```\n\ntext\n\n```yaml\n{broken}```\nend\n"
    )
    assert run(page, "--fix").exit_code == 0
    assert page.read_text() == f"# Title\n\n```yaml\n{HEAD}combos:\n  a: [m]\n```\n\ntext\n\n```yaml\n{HEAD}```\nend\n"


def test_a_page_about_a_code() -> None:
    result = run("--explain", "unknown-provider")
    assert result.exit_code == 0
    assert result.stdout.startswith("## unknown-provider\n")
    assert "Instead:" in result.stdout
    missing = run("--explain", "unknown-providr")
    assert missing.exit_code == 2
    assert "did you mean 'unknown-provider'?" in missing.stderr


def fix(line: int, column: int, end: int, text: str) -> Fix:
    return Fix(Span("f", line, column, line, end), text)


def test_fixes_that_touch_are_left_for_the_next_round() -> None:
    text = "ab\r\ncd\n"
    assert applied(text, [[fix(1, 1, 2, "X")], [fix(1, 1, 3, "Y")], [fix(2, 3, 3, "!")]]) == "Xb\r\ncd!\n"
    assert applied(text, [[fix(1, 1, 2, "X"), fix(9, 1, 1, "out")]]) == text


@given(
    st.text(),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9), st.text(max_size=3)), max_size=6),
)
def test_no_fix_raises(text: str, fixes: list[tuple[int, int, int, str]]) -> None:
    applied(text, [[fix(line, column, end, new)] for line, column, end, new in fixes])
