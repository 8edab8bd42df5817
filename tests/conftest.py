"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tiny import tiny_library, train_tiny
from zeeman.probes import Library
from zeeman.subjects import Series

# A busy machine is no fault of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "run"
    train_tiny(folder)
    return folder


@pytest.fixture
def tiny_series(tiny_folder: Path) -> Series:
    return Series.from_folder(tiny_folder)


@pytest.fixture(scope="session")
def library() -> Library:
    return tiny_library()
