"""`gateway schema`: the JSON Schema of router.yaml, for editors and other tools."""

from __future__ import annotations

import json
import sys

from gateway.config.schema import published


def schema() -> None:
    """Print the JSON Schema of router.yaml."""
    sys.stdout.write(json.dumps(published(), indent=2, ensure_ascii=False) + "\n")
