"""`python -m tests.golden.write`: writes all goldens and the page about them anew, to be read before they are committed."""

from __future__ import annotations

from .cases import FOLDER, WIRES, cases, goldens
from .matrix import PAGE, page


def write() -> None:
    """Every golden as it is now; those that no input has any more go."""
    files = {case: goldens(case) for case in cases()}
    wanted = {path for each in files.values() for path in each}
    for wire in WIRES:
        for path in (FOLDER / wire).iterdir():
            if path.name.count(".") == 2 and path not in wanted:
                path.unlink()
    for each in files.values():
        for path, text in each.items():
            path.write_bytes(text.encode())
    PAGE.write_text(page(files))


if __name__ == "__main__":
    write()
