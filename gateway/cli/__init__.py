"""The command `gateway`: one thin file per verb, over the functions that the server uses.

Exit codes: 0 good, 1 errors, 2 wrong usage, 3 warnings where `--strict` was asked for.
"""

from __future__ import annotations

import typer

from gateway.cli.drill import drill
from gateway.cli.explain import explain
from gateway.cli.fmt import fmt
from gateway.cli.graph import graph
from gateway.cli.keys import keys
from gateway.cli.plan import plan
from gateway.cli.sandbox import sandbox
from gateway.cli.schema import schema
from gateway.cli.serve import serve
from gateway.cli.test import test
from gateway.cli.translate import translate
from gateway.cli.validate import validate

app = typer.Typer(
    name="gateway",
    help="An LLM gateway whose whole configuration is one reviewed file: router.yaml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(validate)
app.command()(drill)
app.command()(test)
app.command()(explain)
app.command()(translate)
app.command()(sandbox)
app.command()(fmt)
app.command()(graph)
app.command()(plan)
app.command()(schema)
app.add_typer(keys)


def main() -> None:
    """The entry point."""
    app()
