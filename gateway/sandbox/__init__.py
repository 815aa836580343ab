"""A make-believe upstream: deterministic, without key or network, and able to fail in every way that real ones do.

`script.py` is what it is told to do, `content.py` what it says, a file per wire how it says it; `local.py` is it in
process, `serve.py` on a socket. The same request always gets the same answer.
"""

from __future__ import annotations

from typing import Final

WIRES: Final = ("openai-chat",)
