"""`gateway rollback` against a gateway that runs."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from tests.conftest import ADMIN, KEY, refused_port

CONFIG = """
version: 1
gateway: {listen: "127.0.0.1:0", workers: 1}
providers: {sandbox: {}}
models: {m: {provider: sandbox}}
keys:
  caller: {from: {env: CALLER_KEY}}
  admin: {from: {env: ADMIN_KEY}, admin: true}
"""


def said(*arguments: str, key: str = ADMIN) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rollback", *arguments], env={"GATEWAY_KEY": key, "OTHER_KEY": ADMIN})
    return result.exit_code, result.output


def test_there_and_back(launch: Any) -> None:
    gateway = launch(CONFIG)
    first = gateway.health()["revision"]
    assert said(gateway.url) == (
        1,
        "gateway: no rollback: Nothing was in force before: there is nothing to go back to.\n",
    )
    code, text = said(gateway.url, key=KEY)
    assert code == 1
    assert "needs a key that has 'admin: true'" in text
    assert text.endswith("Put an administrator's key into GATEWAY_KEY.\n")
    gateway.write(CONFIG + "aliases: {n: m}\n")
    second = gateway.wait(lambda health: health["revision"] != first)["revision"]
    code, text = said(gateway.url, "--to", "0123456789", "--key-env", "OTHER_KEY", key="")
    assert code == 1
    assert f"none of those that are kept: {first[:12]}, {second[:12]}." in text
    assert said(gateway.url + "/", "--key-env", "OTHER_KEY", key="") == (
        0,
        f"{first[:12]} is in force again, instead of {second[:12]}. The file is as it was: mend it, or put it back.\n",
    )
    assert gateway.health()["revision"] == first
    assert said(gateway.url, "--to", first[:8]) == (0, f"{first[:12]} is in force already.\n")
    gateway.write(CONFIG.replace("workers: 1", "workers: 1, reload: {canary: 50%, bake: 1m}") + "aliases: {o: m}\n")
    gateway.wait(lambda health: health["canary"])
    code, text = said(gateway.url)
    assert (code, text) == (
        0,
        f"The canary was taken back; {first[:12]} serves all. The file is as it was: mend it, or put it back.\n",
    )


@pytest.mark.parametrize("url", ["ftp://host", "127.0.0.1:8080", "http://[::1", "no url"])
def test_what_is_no_url(url: str) -> None:
    code, text = said(url)
    assert code == 1
    assert text.startswith("gateway: no rollback: ")
    assert "Traceback" not in text


def test_nobody_there() -> None:
    code, text = said(f"http://127.0.0.1:{refused_port()}")
    assert code == 1
    assert "cannot be asked: [Errno 111] Connection refused" in text
