"""The command `gateway`: one thin file per verb, over the functions that the server uses.

Only the verb that is asked for is imported: `validate` in CI and in editors must not wait for the server. Exit codes: 0
good, 1 errors, 2 wrong usage, 3 warnings where `--strict` was asked for.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

import typer

# Verb → where it is: a command, or a Typer of commands. In the order of `gateway --help`.
VERBS: Final[dict[str, str]] = {
    "serve": "gateway.cli.serve:serve",
    "validate": "gateway.cli.validate:validate",
    "plan": "gateway.cli.plan:plan",
    "explain": "gateway.cli.explain:explain",
    "test": "gateway.cli.test:test",
    "drill": "gateway.cli.drill:drill",
    "import": "gateway.cli.import_:import_",
    "fmt": "gateway.cli.fmt:fmt",
    "graph": "gateway.cli.graph:graph",
    "schema": "gateway.cli.schema:schema",
    "keys": "gateway.cli.keys:keys",
    "translate": "gateway.cli.translate:translate",
    "sandbox": "gateway.cli.sandbox:sandbox",
    "blame": "gateway.cli.blame:blame",
    "drift": "gateway.cli.drift:drift",
    "rollback": "gateway.cli.rollback:rollback",
}


def app_of(verbs: Iterable[str]) -> typer.Typer:
    """The command with these verbs."""
    app = typer.Typer(
        name="gateway",
        help="An LLM gateway whose whole configuration is one reviewed file: router.yaml.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_gateway)
    for verb in verbs:
        module, _, name = VERBS[verb].partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def _gateway() -> None:
    """An LLM gateway whose whole configuration is one reviewed file: router.yaml."""


def __getattr__(name: str) -> Any:
    if name == "app":  # all of it, for whoever looks at all of it
        return app_of(VERBS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """The entry point."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    gc.disable()  # nothing of what is imported is garbage: to look for it takes a sixth of a short verb's time
    app = app_of([verb] if verb in VERBS else VERBS)
    gc.freeze()
    gc.enable()
    app()
