"""The page docs/worked.md: all that it prints is what its code gives."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_the_worked_page() -> None:
    page = Path(__file__).parents[2] / "docs" / "worked.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 30
    assert found.failed == 0
