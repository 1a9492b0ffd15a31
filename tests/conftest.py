"""Settings and fixtures that several test files use."""

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run in parallel, each on networks too small for threads

import pytest


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to run the command line in, as if from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lr-callbacks"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path
