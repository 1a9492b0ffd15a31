"""Fixtures that several test files use."""

import sys

import pytest


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to run the command line in, as if from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lr-callbacks"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path
