"""The plan of the package, held by a test: floors, doors, manners. See docs/architecture.md."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "gateway"
FILES = sorted(ROOT.rglob("*.py"))

# A room may import from the rooms of its row, and from itself. `gateway` alone means the package's version.
FLOORS: dict[str, set[str]] = {
    "diagnostics": set(),
    "ir": {"failure"},
    "failure": set(),
    "regex": set(),
    "events": {"ir"},
    "config": {"diagnostics", "regex"},
    "protocols": {"ir", "failure"},
    "transport": {"failure"},
    "telemetry": {"events", "ir"},
    "providers": {"protocols", "transport", "failure", "ir"},
    "store": set(),
    "state": {"store", "events"},
    "sandbox": {"failure", "transport"},
    "cache": {"routing", "protocols", "store", "transport", "ir", "failure", "events"},
    "routing": {"protocols", "providers", "state", "transport", "ir", "failure", "events", "regex"},
    "engine": {
        "cache",
        "config", "routing", "providers", "state", "store", "protocols", "transport", "diagnostics", "events",
        "failure", "ir",
    },
    "importing": {"config", "engine", "providers", "diagnostics"},
    "server": {
        "engine", "cache", "config", "protocols", "routing", "state", "store", "transport", "sandbox", "telemetry",
        "diagnostics", "events", "failure", "ir",
    },
    "drill": {
        "server", "engine", "config", "diagnostics", "providers", "routing", "state", "store", "protocols", "transport",
        "sandbox", "failure", "ir",
    },
    "rehearsal": {
        "server", "engine", "config", "sandbox", "protocols", "routing", "state", "store", "transport", "diagnostics",
        "events", "failure", "ir",
    },
    "cli": {
        "importing", "rehearsal", "drill", "server", "engine", "config", "protocols", "failure", "diagnostics", "sandbox",
    },
}  # fmt: skip

# Each library has one door: the files that may import it.
DOORS: dict[str, tuple[str, ...]] = {
    "sanic": ("server/",),
    "pydantic": ("config/",),
    "pydantic_core": ("config/",),
    "ruamel": ("config/read.py", "config/fmt.py", "config/edit.py"),
    "jsonschema": ("config/schema.py",),
    "watchfiles": ("engine/reload.py",),
    "httptools": ("transport/", "sandbox/serve.py"),
    "httpx": ("transport/",),
    "prometheus_client": ("telemetry/metrics.py",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "diskcache": ("store/",),
    "redis": ("store/",),
    "sqlalchemy": ("store/ledger",),
    "alembic": ("store/ledger",),
    "psycopg": ("store/ledger",),
    "genai_prices": ("providers/refresh.py",),
    "re2": ("regex.py",),
    "botocore": ("providers/signing.py",),
    "google": ("providers/signing.py",),
    "azure": ("providers/signing.py",),
}

VENDORS = ("openai", "anthropic", "gemini", "bedrock", "cohere", "mistral", "ollama")
VENDOR_ROOMS = ("protocols", "providers", "sandbox")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def imports(path: Path) -> set[str]:
    """Modules that a file imports at run time or for types, fully named."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} imports relatively"
            module = node.module or ""
            found.add(module)
            if module == "gateway":
                found.update(f"gateway.{alias.name}" for alias in node.names if alias.name != "__version__")
    return found


def room(path: Path) -> str:
    return relative(path).removesuffix(".py").split("/")[0]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_only_from_floors_below(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    assert here in FLOORS, f"the room {here} is not in the plan"
    for module in imports(path):
        if module.startswith("gateway."):
            there = module.split(".")[1]
            assert there == here or there in FLOORS[here], f"{here} must not import {module}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_each_library_has_one_door(path: Path) -> None:
    name = relative(path)
    for module in imports(path):
        doors = DOORS.get(module.split(".")[0])
        assert doors is None or name.startswith(doors), f"{name} must not import {module}: its door is {doors}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "protocols"], ids=relative)
def test_protocols_do_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{relative(path)} awaits"
    assert not imports(path) & {"time", "asyncio", "socket", "os", "random", "threading"}


def test_only_their_own_rooms_name_vendors() -> None:
    for path in FILES:
        if room(path) in VENDOR_ROOMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [getattr(node, "name", None), getattr(node, "id", None), getattr(node, "attr", None)]
            for name in (n for n in names if isinstance(n, str)):
                assert not any(vendor in name.lower() for vendor in VENDORS), f"{relative(path)} names {name}"


def test_manners() -> None:
    for path in FILES:
        name, text = relative(path), path.read_text()
        assert path.stem not in ("utils", "helpers", "common", "misc", "base"), f"{name} has no subject"
        assert len(text.splitlines()) <= 500, f"{name} is over 500 lines: the design is asking for another room"
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), f"{name} has no contract in its docstring"
