"""What an import states holds on what it wrote: the tests of every case pass, played by the server in process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app

STATED = sorted((Path(__file__).parent / "cases").glob("*/router.tests.yaml"))


@pytest.mark.parametrize("stated", STATED, ids=lambda path: path.parent.name)
def test_what_is_stated_holds(stated: Path) -> None:
    result = CliRunner().invoke(app, ["test", str(stated), "--config", str(stated.with_name("router.yaml"))])
    assert result.exit_code == 0, result.output


def test_what_is_stated_fails_where_it_no_longer_holds(tmp_path: Path) -> None:
    case = STATED[0].parent.parent / "litellm-fallbacks"
    for name in ("router.yaml", "router.tests.yaml"):
        shutil.copy(case / name, tmp_path)
    config = tmp_path / "router.yaml"
    config.write_text(config.read_text().replace("{to: [long, safe]}", "{to: [safe, long]}"))
    result = CliRunner().invoke(app, ["test", str(tmp_path / "router.tests.yaml"), "--config", str(config)])
    assert result.exit_code == 1
    assert "fast falls back after overloaded" in result.output
