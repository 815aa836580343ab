"""Where relative paths begin: at the file that says them, wherever the gateway is started."""

from __future__ import annotations

import os
from os.path import normpath, relpath
from pathlib import Path

import certifi
import pytest

from gateway.config.handoff import here, restore
from gateway.config.load import Loaded, load
from gateway.config.model import Config, Disk
from gateway.engine.build import build
from gateway.engine.known import KNOWN
from gateway.routing.node import targets
from gateway.store import folders
from gateway.transport import authorities

BASE = """
version: 1
include: [more/*.yaml]
gateway: {auth: open, state: {disk: ./state}}
providers: {house: {protocol: openai-chat, base_url: "https://house.example/v1", tls: {ca: certs/ca.pem}}}
models: {m: {provider: house, id: x}}
"""
MORE = """
gateway: {ledger: %s}
providers: {other: {protocol: openai-chat, base_url: "https://other.example/v1", tls: {ca: ca.pem}}}
models: {n: {provider: other, id: x}}
"""


def written(tmp_path: Path, ledger: str = "sqlite:///ledger.db") -> Path:
    (tmp_path / "git" / "more").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "git" / "certs").mkdir()
    for name in ("certs/ca.pem", "more/ca.pem"):
        (tmp_path / "git" / name).write_text(certifi.contents())
    (tmp_path / "git" / "more" / "b.yaml").write_text(MORE % ledger)
    file = tmp_path / "git" / "router.yaml"
    file.write_text(BASE)
    return file


def loaded(*files: Path, **environ: str) -> Loaded:
    found = load(files, known=KNOWN, environ=environ)
    assert not found.diagnostics.has_errors, list(found.diagnostics)
    return found


def served(found: Loaded) -> Config:
    config, secrets = restore(found.payload())
    return here(found.payload(), config, secrets)


def places(config: Config) -> tuple[str, str, dict[str, str | None]]:
    assert isinstance(config.gateway.state, Disk)
    assert config.gateway.ledger is not None and isinstance(config.gateway.ledger.url, str)
    authorities = {name: provider.tls.ca if provider.tls else None for name, provider in config.providers.items()}
    return config.gateway.state.disk, config.gateway.ledger.url, authorities


@pytest.mark.parametrize("start", ["git", "elsewhere", "."])
def test_each_begins_at_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    file = written(tmp_path)
    monkeypatch.chdir(tmp_path / start)
    for given in (file, Path(relpath(file))):
        found = loaded(given)
        assert found.config is not None
        disk, ledger, authorities = places(served(found))
        assert normpath(disk) == f"{tmp_path}/git/state"
        assert ledger.startswith("sqlite:////")
        assert normpath(ledger.removeprefix("sqlite:///")) == f"{tmp_path}/git/more/ledger.db"
        assert {name: normpath(str(ca)) for name, ca in authorities.items()} == {
            "house": f"{tmp_path}/git/certs/ca.pem",
            "other": f"{tmp_path}/git/more/ca.pem",
        }
        as_written = places(found.config)
        assert as_written == ("./state", "sqlite:///ledger.db", {"house": "certs/ca.pem", "other": "ca.pem"})
        engine = build(served(found), found.secrets, revision=found.revision)
        (target,) = targets(engine.routes["n"].node)
        assert target.origin.ca == authorities["other"]


def test_absolute_paths_are_left_alone(tmp_path: Path) -> None:
    file = written(tmp_path, f"sqlite:///{tmp_path}/ledger.db")
    (tmp_path / "git" / "certs" / "ca.pem").rename(tmp_path / "ca.pem")
    file.write_text(BASE.replace("./state", f"{tmp_path}/srv/state").replace("certs/", f"{tmp_path}/"))
    disk, ledger, authorities = places(served(loaded(file)))
    assert (disk, ledger) == (f"{tmp_path}/srv/state", f"sqlite:///{tmp_path}/ledger.db")
    assert authorities["house"] == f"{tmp_path}/ca.pem"


def test_a_later_file_says_it_from_where_that_is(tmp_path: Path) -> None:
    file = written(tmp_path)
    second = tmp_path / "elsewhere" / "prod.yaml"
    second.write_text("gateway: {state: {disk: ./prod, override: true}}\n")
    assert places(served(loaded(file, second)))[0] == f"{tmp_path}/elsewhere/prod"


def test_words_of_the_environment_begin_there_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "{env: LEDGER}")
    file.write_text(BASE.replace("./state", "{env: STATE}"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    disk, ledger, _ = places(served(loaded(file, STATE="./x", LEDGER="sqlite:///y.db")))
    assert (disk, ledger) == (f"{tmp_path}/git/x", f"sqlite:///{tmp_path}/git/more/y.db")
    found = loaded(file, STATE="./x", LEDGER="postgresql://u:hidden@db/ledger")
    config = served(found)
    assert config.gateway.ledger is not None and not isinstance(config.gateway.ledger.url, str)
    assert "hidden" not in config.model_dump_json()


def test_the_folder_of_a_ledger_is_looked_for_where_it_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path, "sqlite:///no/such/ledger.db")
    (tmp_path / "elsewhere" / "no" / "such").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    (found,) = load([file], known=KNOWN, environ={}).diagnostics
    assert found.code == "unusable-ledger"
    assert f"{tmp_path}/git/more/no/such" in found.detail
    (tmp_path / "git" / "more" / "no" / "such").mkdir(parents=True)
    loaded(file)


def test_what_is_needed_to_serve_is_looked_for_where_it_will_be(tmp_path: Path) -> None:
    file = written(tmp_path, "sqlite:///no/such/ledger.db")
    (tmp_path / "git" / "certs" / "ca.pem").write_text("no certificate")
    (tmp_path / "git" / "more" / "ca.pem").unlink()
    (tmp_path / "git" / "state").write_text("no folder")
    told = {found.code: found.detail for found in load([file], known=KNOWN, environ={}).diagnostics}
    assert told.keys() == {"unusable-ledger", "unusable-authorities", "unusable-state"}
    assert told["unusable-state"] == f"{tmp_path}/git/state is no folder."
    found = [each.detail for each in load([file], known=KNOWN, environ={}).diagnostics]
    assert (
        f"{tmp_path}/git/certs/ca.pem holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----." in found
    )
    assert f"{tmp_path}/git/more/ca.pem cannot be read: No such file or directory." in found
    assert not load([file], known=KNOWN, environ={}, stand_ins=True).diagnostics, "it is served elsewhere"


def test_a_folder_that_may_not_be_written_in_is_no_place_for_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    assert (
        folders.problem(tmp_path / "state" / "here")
        == f"{tmp_path} cannot be written by the user who runs the gateway."
    )
    assert folders.problem(Path("a\0b")) == "'a\\x00b' is no path: it has a NUL character."
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert folders.problem(tmp_path / "gone") == f"{tmp_path}/gone is no folder."
    os.mkfifo(tmp_path / "pipe")
    assert authorities.problem(tmp_path / "pipe") == f"{tmp_path}/pipe is no file.", "and is not waited for"
    (tmp_path / "inner").mkdir()
    assert folders.problem(tmp_path / "inner") is None
