"""`python -m tests.matrix` writes docs/sdk-matrix.md."""

from __future__ import annotations

from tests.matrix.cells import rendered
from tests.matrix.test_matrix import PAGE

PAGE.write_text(rendered())
