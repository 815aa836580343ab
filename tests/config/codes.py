"""Generates the page about every code: `python -m tests.config.codes` writes gateway/diagnostics/codes.md and docs/codes.md.

The example of a code is the smallest case that yields it; what is written instead is what `--fix` makes of it, or the
edits of `INSTEAD`. A test holds the files equal to what is generated here, and every example to what is said of it: the
first yields the code, the second does not, and is good where nothing else was wrong with the first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.load import Loaded, load
from gateway.config.mending import mended
from gateway.diagnostics.codes import CODES
from gateway.diagnostics.diagnostic import Diagnostic, Diagnostics
from gateway.diagnostics.grading import DEMOTABLE
from gateway.diagnostics.text import render
from gateway.engine.known import KNOWN
from tests.config.fuzz import ENVIRON

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
PAGES: Final = ROOT / "gateway" / "diagnostics" / "codes.md"
INDEX: Final = ROOT / "docs" / "codes.md"
ENV: Final = {**ENVIRON, "TEAM_KEY": "another-secret-of-letters", "OPENAI_API_KEY": "a-key-of-twenty-letters"}
MARK: Final = re.compile(r"(?:[ \t]*# ?(?:[^#\n]*[ .])?(?:ERROR|WARN|INFO): [a-z0-9@, -]+)+$", re.MULTILINE)

# Codes of which no example can be printed, and what is to be done.
IN_WORDS: Final = {
    "unreadable-file": "A file that is not there, that may not be read, or that is a directory. Check the path, and the rights of the "
    "user that the gateway runs as.",
    "not-utf8": "The file was saved in another encoding, or is no text at all. The first bytes tell UTF-16, UTF-32 and common binary "
    "formats apart; of others the first byte that is not UTF-8 is shown, with what it would be in Windows-1252. Save the file as UTF-8.",
    "empty-file": "Nothing is in it but comments. The smallest configuration is `version: 1` with a provider and a model.",
    "not-supported-yet": "The words are known and nothing is done with them in this version. Remove the part, or use a version that has it.",
    "too-large": "The file has more than 4 MB, or a line more than 262,144 characters; or an `include` names more than 1,000 files. No "
    "configuration has that; most often it is another file.",
    "too-deep": "More than 60 levels are nested in each other.",
    "declared-twice": "Two files of one configuration declare one name. Keep one; or, where the second is a later `--config`, say "
    "`override: true` in its entry.",
    "test-failed": "Found by `gateway test`, not by validating: what a test expects did not come of it. The finding shows what came "
    "instead, and the explanation of the request.",
    "needs-restart": "Found by a reload, not by validating: what changed is read once, when the gateway starts. Restart it.",
}
# The case that shows a code best, where the smallest does not.
SHOWN: Final = {
    "yaml-syntax": "corpus/syntax/brace-not-closed.yaml",
    "missing-space": "corpus/syntax/missing-space-after-colon.yaml",
    "odd-character": "corpus/unicode/smart-quotes.yaml",
    "foreign-file": "corpus/foreign/litellm.yaml",
    "tab-indentation": "corpus/syntax/tab-indentation.yaml",
    "shadowed-alias": "cases/warn/shadowed-alias.yaml",
    "dead-policy": "corpus/policies/dead-by-contradiction.yaml",
    "duplicate-key": "corpus/syntax/duplicate-key.yaml",
    "several-documents": "corpus/syntax/document-after-its-end.yaml",
    "unknown-in-test": "corpus/tests/names-what-is-not.yaml",
    "impossible-test": "corpus/tests/expects-what-cannot-be.yaml",
    "inert-test": "corpus/tests/expects-nothing.yaml",
    "unknown-tag": "corpus/syntax/unknown-tag.yaml",
    "wrong-type": "corpus/types/yes-for-true.yaml",
    "bad-unit": "corpus/units/seconds-in-words.yaml",
    "unknown-key": "corpus/names/typo-in-a-section.yaml",
    "too-many-aliases": "corpus/syntax/anchor-in-itself.yaml",
    "cycle": "corpus/routes/cycle-of-combos.yaml",
    "repeated-target": "corpus/routes/repeated-target.yaml",
    "inert-weight": "corpus/routes/weights-without-weighted.yaml",
    "inert-option": "corpus/routes/option-of-another-strategy.yaml",
    "unknown-in-condition": "corpus/policies/condition-of-what-is-not.yaml",
    "unknown-parameter": "corpus/policies/parameter.yaml",
    "missing-setting": "corpus/routes/setting-is-missing.yaml",
    "unknown-model": "corpus/names/unknown-target.yaml",
}
# What is written instead: (old, new) in the example.
INSTEAD: Final[dict[str, Sequence[tuple[str, str]]]] = {
    "yaml-syntax": [("open\n", "open}\n")],
    "template-left": [("{{ .Values.listen }}", "{env: LISTEN, default: 127.0.0.1:8080}")],
    "duplicate-key": [("  m: {provider: sandbox, id: other}", "  o: {provider: sandbox, id: other}")],
    "not-a-mapping": [("- version: 1", "version: 1\ngateway: {auth: open}")],
    "non-string-key": [("? [a, b]\n: {}\n", "")],
    "too-many-aliases": [("&loop [m, {group: *loop}]", "[m]")],
    "several-documents": [("...\n", "")],
    "missing-key": [("gateway:", "version: 1\ngateway:")],
    "out-of-range": [("workers: 0", "workers: 1")],
    "bad-value": [("{env: A, file: b}", "{env: CASE_KEY}")],
    "unset-variable": [("{env: NOT_THERE}", "{env: NOT_THERE, default: 127.0.0.1:8080}")],
    "unreadable-secret": [("{file: nowhere/key.txt}", "{env: CASE_KEY}")],
    "secret-literal": [("sk-0123456789abcdefghij0123456789", "{env: CASE_KEY}")],
    "include-not-found": [("include: [nowhere/*.yaml]\n", "")],
    "name-collision": [("aliases: {m: n}", "aliases: {other: n}")],
    "bad-name": [('"a b"', "a-b")],
    "cycle": [("best: [fast]", "best: [m]")],
    "allow-matches-nothing": [('"gpt-*", ', "")],
    "no-targets": [("a: []", "a: [m]")],
    "repeated-target": [("    - n\n    - m", "    - n")],
    "unreachable-target": [("weight: 0", "weight: 1")],
    "inert-weight": [("    targets:", "    strategy: weighted\n    targets:")],
    "bad-weight": [("weight: 0", "weight: 1")],
    "inert-option": [("round_robin, window: 1h", "least_used, window: 1h"), ("{targets: [m, n], deck: true, by: user}", "{strategy: random, targets: [m, n], deck: true}")],
    "too-few-targets": [("{strategy: race, targets: [m]}", "[m]")],
    "cannot-resume": [("defaults: {after_commit: resume}\n", "")],
    "missing-judge": [("panel, ", "panel, judge: m, ")],
    "self-fallback": [("[m, n]", "[n]")],
    "smaller-window": [("[{on: [context_window], to: [small]}]", "[small]")],
    "bad-pattern": [('"a*"', "a")],
    "odd-price": [("cached_input: 5", "cached_input: 0.5"), ("cached_input: 2", "cached_input: 0.2")],
    "odd-window": [("max_output: 200k", "max_output: 16k"), ("max_output: 9k", "max_output: 4k")],
    "contradiction": [("{at_least: 10k, at_most: 1k}", "{at_least: 1k, at_most: 10k}")],
    "bad-network": [("[10.0.0.0/33, 192.168.1]", "[10.0.0.0/8, 192.168.1.0/24]")],
    "bad-regex": [("'(\\d{16}'", "'\\d{16}'"), ("'(?<=x)y'", "'xy'")],
    "inert-policy": [("when: {key: anna}", "when: {key: anna}, do: {deny: {}}")],
    "dead-policy": [("{not: {key: anna}}", "{not: {protocol: anthropic}}")],
    "missing-base-url": [("api_key: none", 'base_url: "http://10.0.0.5:8000/v1", api_key: none')],
    "bad-base-url": [('"10.0.0.5', '"http://10.0.0.5')],
    "missing-setting": [("azure: {", "azure: {resource: my-resource, ")],
    "missing-api-key": [("openai: {}", "openai: {api_key: {env: CASE_KEY}}")],
    "open-to-network": [("auth: open", "auth: open, open_to_network: true")],
    "bad-listen": [("listen: localhost", 'listen: "localhost:8080"')],
    "unusable-ledger": [("sqlite:///no/such/folder/ledger.db", "sqlite:///./ledger.db")],
    "unusable-state": [('" "', "./state")],
    "impossible-limit": [("0/minute", "60/minute")],
    "repeated-limit": [("100/minute", "1k/hour")],
    "inert-queue": [("limits: {", "limits: {concurrent: 8, ")],
    "no-users": [("each_user", "trust: [user], each_user")],
    "unknown-scope": [("{key: ben}", "{key: anna}")],
    "bad-accept": [("# accept: inert-provider", "# accept: inert-provider (its models come next week)")],
    "unknown-auth": [("x-api-keys", "x-api-key")],
    "bad-key": [("{admin: true}", "{from: {env: CASE_KEY}, admin: true}")],
    "two-credentials": [("    api_key: {env: CASE_KEY}\n", "")],
    "unverified-tls": [(", tls: {verify: false}", "")],
    "unusable-authorities": [(", tls: {ca: ./authority.pem}", "")],
    "no-keys": [("version: 1\n", "version: 1\nkeys: {me: {from: {env: CASE_KEY}}}\n")],
    "shadowed-alias": [('"gpt-*": m', "gpt-3.5-turbo: m"), ('"g*": m', "g: m")],
    "inert-provider": [("  sandbox: {}", "  sandbox: {}\nmodels: {m: {provider: sandbox}}")],
    "inert-model": [("visibility: internal}", "visibility: internal}\ncombos: {fast: [m, n]}")],
    "fallback-cannot-carry": [("[claude, mini]", "[claude, gpt]"), ("{group: [house, mini], strategy: weighted}", "gpt"), ("  both: [house]\n", "")],
    "no-fallback-carries": [("  gpt: [house]", "  gpt: [claude]"), ("mixed: [house, other]", "mixed: [gpt]")],
    "fallback-carries-less": [("  passed-over: [claude, mini, gpt]\n", ""), ("  both: [house]\n", ""), ("    - {on: [rate_limit], to: [seeing-last]}\n", "")],
    "unknown-upstream": [("claude-sonet-4-5}", "claude-sonnet-4-5}"), ("gpt-4.11:", "gpt-4.1:"), ("gpt-4-1", "gpt-4.1")],
    "price-unknown": [("counted: {provider: house}", "counted: {provider: house, price: {input: 1, output: 2}}"), ("by-name: {provider: other}", "by-name: {provider: other, price: {input: 1, output: 2}}"), ("{deployments: [{provider: sandbox}, {provider: house}]}", "{deployments: [{provider: sandbox}, {provider: house}], price: {input: 1, output: 2}}")],
    "price-required": [("unpriced: {provider: house}", "unpriced: {provider: house, price: {input: 1, output: 2}}"), ("above: 200k, input: 3", "above: 400k, input: 3")],
    "unknown-in-condition": [("openai-chatt", "openai-chat"), ("chats", "chat"), ("model: nn, team: x", "model: m")],
    "bad-timezone": [("Berlin", "Europe/Berlin"), ("CEST", "Europe/Paris")],
    "require-unsatisfiable": [("require: {tags: [eu]}", "require: {tags: [us]}"), ("provider: house}", "provider: sandbox}")],
    "require-narrows": [("both: [fast, slow]", "both: [slow]"), ("  fast: {provider: sandbox, visibility: internal}\n", "")],
    "unusable-credential": [("only-one-part", "ID:SECRET")],
    "bad-header": [('"x team": a', "x-team: a"), ('x-split: "a\\r\\nx-admin: 1"', 'x-split: "a; x-admin: 1"'), ('      Content-Length: "5"\n', "")],
    "cannot-embed": [("{deployments: [{provider: sandbox}, {provider: claude}]}", "{provider: sandbox}"), ("  claude: {protocol: anthropic, base_url: \"http://127.0.0.1:9/v1\", api_key: none}\n", "")],
    "same-key": [("b: {from: {env: CASE_KEY}}", "b: {from: {env: TEAM_KEY}}")],
    "inert-resets": [('    resets: {at: "06:00"}\n', ""), ("    resets: {timezone: Europe/Berlin}\n", ""), ("Berln", "Berlin"), ("    resets: {on: mon}\n", ""), ("on: 1}", "on: mon}"), ("on: fri}", "on: 1}"), ("EUR", "USD")],
    "same-budget": [("chaep", "free"), ("{route: both}", "{route: free}")],
    "inert-accept": [("inert-provider, inert-model (used by the includes of others (two of them))", "inert-provider (used by the includes of others)")],
    "unusable-canary": [("100%", "5%"), ("0s", "10m")],
    "hasty-canary": [("bake: 30s", "bake: 10m")],
    "unknown-in-test": [("smal:", "small:"), ("larg]", "large]")],
    "impossible-test": [("attempts: 1", "attempts: 2")],
    "inert-test": [("expect: {}", "expect: {status: 200}")],
    "unbounded-output": [("price: {input: 1, output: 2}}", "price: {input: 1, output: 2}, max_output: 8k}")],
}  # fmt: skip


class Example(msgspec.Struct, frozen=True):
    """A file that yields a code, its findings, and what is written instead, where that can be shown."""

    file: str
    text: str
    loaded: Loaded
    instead: str | None


def loaded(file: Path, text: str) -> Loaded:
    """An example, loaded as if it stood in a file of its name."""
    return load([file], known=KNOWN, environ=ENV, texts={file: text.encode()})


@contextmanager
def within(directory: Path) -> Iterator[None]:
    """The examples name files by relative paths."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@cache
def examples() -> dict[str, Example]:
    """The example of each code that has one."""
    best: dict[str, tuple[tuple[bool, bool, bool, int, str], str]] = {}
    with within(HERE):
        for file in sorted((*Path("cases").rglob("*.yaml"), *Path("corpus").rglob("*.yaml"))):
            text = MARK.sub("", file.read_text())
            codes = [each.code for each in loaded(file, text).diagnostics if each.accepted is None]
            for code in set(codes):
                size = (len(set(codes)) > 1, len(codes) > 1, file.parts[0] != "cases", len(text), file.as_posix())
                if file.as_posix() == SHOWN.get(code):
                    size = (False, False, False, 0, "")
                if code not in best or size < best[code][0]:
                    best[code] = (size, file.as_posix())
        return {code: _example(code, Path(best[code][1])) for code in CODES if code in best and code not in IN_WORDS}


def _example(code: str, file: Path) -> Example:
    text = MARK.sub("", file.read_text())
    found = loaded(file, text)
    instead: str | None = text
    if code in INSTEAD:
        for old, new in INSTEAD[code]:
            assert old in text, f"{code}: {file} has no {old!r} any more"
            instead = (instead or "").replace(old, new, 1)
    else:
        new_texts = mended([file], known=KNOWN, environ=ENV, texts={file: text.encode()})
        instead = new_texts[file].decode() if file in new_texts else None
        if instead is not None and code in {each.code for each in loaded(file, instead).diagnostics}:
            instead = None
    return Example(file.as_posix(), text, found, instead)


def _page(code: str, shown: dict[str, Example]) -> str:
    summary, severity = CODES[code]
    means = {
        "error": "An error: a file with it is not served.",
        "warning": f"A warning: the file is served. Refuse it with `--strict` or `-E {code}`, or accept it where it stands with "
        f"`# accept: {code} (why it is all right)`.",
        "info": "Good to know; nothing has to be done.",
    }[severity]
    if code in DEMOTABLE:
        means += f" With `-W {code}` it is a warning, and `# accept: {code} (why it is all right)` accepts it where it stands."
    lines = [f"## {code}", "", f"{summary}. {means}", ""]
    if code in IN_WORDS:  # of these no file is an example
        return "\n".join([*lines, IN_WORDS[code], ""])
    example = shown.get(code)
    if example is None:
        return "\n".join(lines)
    mine = [each for each in example.loaded.diagnostics if each.code == code]
    said = render(Diagnostics(mine[:1]), example.loaded.sources, colour=False).replace(example.file, "router.yaml")
    said = said.replace(f"{Path(example.file).parent}/", "")  # of paths that begin beside it
    said = said.rsplit("\n\n", 1)[0]
    lines += ["```yaml", example.text.rstrip(), "```", "", "```text", said.rstrip(), "```", ""]
    if any(each.fixes for each in mine):
        lines += ["`gateway validate --fix` mends it.", ""]
    if example.instead is not None:
        lines += ["Instead:", "", "```yaml", _changed(example.text, example.instead), "```", ""]
    return "\n".join(lines)


def _changed(before: str, after: str) -> str:
    """The lines that are new, or the whole where there are few."""
    old, new = before.rstrip().split("\n"), after.rstrip().split("\n")
    if len(new) <= 12:
        return "\n".join(new)
    return "\n".join(line for line in new if line not in old) or "\n".join(new)


def generated() -> tuple[str, str]:
    """The pages, and the index to them."""
    shown = examples()
    head = (
        "# What `gateway validate` finds\n\n"
        "Generated by `python -m tests.config.codes` from the codes and the cases that hold the checks. A code, once\n"
        "published, keeps its meaning. `gateway validate --explain CODE` prints its page.\n"
    )
    rows = [
        f"| [`{code}`](../gateway/diagnostics/codes.md#{code}) | {severity} | {summary} |"
        for code, (summary, severity) in CODES.items()
    ]
    index = "\n".join([head, "| Code | Severity | What |", "| --- | --- | --- |", *rows, ""])
    return "\n".join([head, *(_page(code, shown) for code in CODES)]), index


def wrong(code: str, example: Example) -> list[Diagnostic]:
    """What is still said of that code where something else is written."""
    assert example.instead is not None
    with within(HERE):
        return [each for each in loaded(Path(example.file), example.instead).diagnostics if each.code == code]


def main() -> None:
    """The command."""
    pages, index = generated()
    PAGES.write_text(pages)
    INDEX.write_text(index)


if __name__ == "__main__":
    main()
