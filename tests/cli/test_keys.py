"""`gateway keys`: what the file says afterwards, who gets in with which secret, and what is refused."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app, keys
from gateway.config.load import load
from gateway.engine.access import Caller, Keyring
from gateway.engine.build import build
from gateway.engine.known import KNOWN

FILE = """\
# Who may call what.
version: 1
providers: {sandbox: {}}
models: {m: {provider: sandbox}, n: {provider: sandbox}}

keys:
  ci:   {from: {env: CI_KEY}, team: platform}   # the pipeline
  old:  {hash: "sha256:%s", expires: 2020-01-31}

# the end
"""
OLD = "an-old-secret-of-some-length"
TODAY = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def _a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_today", lambda: TODAY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "router.yaml"
    path.write_text(FILE % sha256(OLD.encode()).hexdigest())
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["keys", *map(str, arguments)])


def ring(file: Path) -> Keyring:
    loaded = load([file], known=KNOWN, environ={"CI_KEY": "x" * 20})
    assert loaded.config is not None and not loaded.diagnostics.has_errors
    return build(loaded.config, loaded.secrets, revision=loaded.revision).keyring


def named(found: Caller | str) -> str:
    return found.name if isinstance(found, Caller) else found


def test_a_minted_key_gets_in_and_nothing_else_of_the_file_changed(file: Path) -> None:
    before = file.read_text()
    found = run("mint", "anna", "-c", file, "--team", "finance", "--allow", "m", "--tag", "batch", "--expires", "90d")
    assert found.exit_code == 0 and re.fullmatch(r"gw-[\w-]{43}\n", found.stdout)
    secret = found.stdout.strip()
    assert secret not in found.stderr and secret not in file.read_text()
    added = file.read_text().replace(before[before.index("\n\n# the end") :], "").splitlines()[-1]
    assert file.read_text() == before.replace("\n\n# the end", f"\n{added}\n\n# the end")
    assert added.startswith('  anna: {hash: "sha256:') and added.endswith(
        f"team: finance, allow: [m], tags: [batch], expires: {TODAY + timedelta(days=90)}}}"
    )
    caller = ring(file).find(secret, TODAY)
    assert isinstance(caller, Caller) and (caller.name, caller.team, caller.tags) == ("anna", "finance", ("batch",))
    assert caller.may("m", ("m",)) and not caller.may("n", ("n",))
    assert run("mint", "anna", "-c", file).exit_code == 2


def test_a_rotated_key_gets_in_with_both_secrets_until_the_overlap_is_over(file: Path) -> None:
    first = run("mint", "anna", "-c", file).stdout.strip()
    second = run("rotate", "anna", "-c", file, "--overlap", "1w").stdout.strip()
    last = TODAY + timedelta(days=7)
    for secret in (first, second):
        assert named(ring(file).find(secret, last)) == "anna"
    assert named(ring(file).find(second, last + timedelta(days=1))) == "anna"
    assert named(ring(file).find(first, last + timedelta(days=1))) == f"This API key expired on {last}."
    third = run("rotate", "anna", "-c", file, "--overlap", "0d").stdout.strip()
    assert [named(ring(file).find(each, TODAY)) for each in (first, second, third)] == ["Incorrect API key."] * 2 + [
        "anna"
    ]
    assert "former" not in file.read_text()


def test_the_former_secret_is_no_longer_lived_than_the_key(file: Path) -> None:
    first = run("mint", "anna", "-c", file, "--expires", "2d").stdout.strip()
    run("rotate", "anna", "-c", file, "--overlap", "30d")
    assert named(ring(file).find(first, TODAY + timedelta(days=2))) == "anna"
    assert "expired" in named(ring(file).find(first, TODAY + timedelta(days=3)))


def test_revoking(file: Path) -> None:
    before = file.read_text()
    secret = run("mint", "anna", "-c", file).stdout.strip()
    run("rotate", "anna", "-c", file)
    assert run("revoke", "anna", "-c", file, "--disable").exit_code == 0
    assert named(ring(file).find(secret, TODAY)) == "This API key is disabled."
    assert run("revoke", "anna", "-c", file).exit_code == 0
    assert named(ring(file).find(secret, TODAY)) == "Incorrect API key."
    assert file.read_text() == before


def test_listing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256(OLD.encode()).hexdigest()
    assert run("list", "-c", file).stdout == (
        "name  team      allow  expires     state    fingerprint\n"
        "ci    platform  –      –           active   –\n"
        f"old   –         –      2020-01-31  expired  {digest[:12]}\n"
    )
    monkeypatch.setenv("CI_KEY", "a-secret-of-twenty-letters")
    rows = json.loads(run("list", "-c", file, "--format", "json").stdout)["keys"]
    assert rows[0]["fingerprint"] == sha256(b"a-secret-of-twenty-letters").hexdigest()[:12]
    assert rows[0]["source"] == "env:CI_KEY" and rows[1]["source"] == "hash"


def test_print_writes_a_patch_and_not_the_file(file: Path) -> None:
    before = file.read_text()
    found = run("mint", "anna", "-c", file, "--print")
    assert found.exit_code == 0 and file.read_text() == before
    secret = found.stderr.splitlines()[-1]
    assert secret.startswith("gw-") and sha256(secret.encode()).hexdigest() in found.stdout
    assert found.stdout.startswith(f"--- {file}\n+++ {file}\n@@ ")


def test_what_would_not_be_served_is_not_written(file: Path) -> None:
    before = file.read_text()
    for arguments, code, words in (
        (("mint", "anna", "--allow", "mm"), 1, "error[unknown-model]"),
        (("mint", "anna", "--expires", "soon"), 2, "neither a day"),
        (("rotate", "ci"), 1, "it stands in env:CI_KEY"),
        (("revoke", "cii"), 2, "there is no key 'cii'; did you mean 'ci'?"),
    ):
        found = run(*arguments, "-c", file)
        assert (found.exit_code, found.stdout) == (code, "") and words in found.stderr, found.stderr
    assert file.read_text() == before
    file.write_text(before.replace("providers: {sandbox: {}}", "providers: {sandbx: {}}"))
    assert run("mint", "anna", "-c", file).exit_code == 1, "it has errors already"


def test_the_first_key_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "router.yaml"
    file.write_text("version: 1\nproviders: {sandbox: {}}\nmodels: {m: {provider: sandbox}}\n")
    secret = run("mint", "me", "-c", file).stdout.strip()
    assert file.read_text().splitlines()[3] == "keys:"
    assert named(ring(file).find(secret, date(2030, 1, 1))) == "me"
    refused = run("revoke", "me", "-c", file)
    assert refused.exit_code == 1 and "no-keys" in refused.stderr, "nobody could call any more"
