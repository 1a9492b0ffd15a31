"""Settings and fixtures that several test files use."""

import os
import sys
from importlib.metadata import version

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests run in parallel, each on networks too small for threads

import pytest
from packaging.version import Version


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to run the command line in, as if from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lr-callbacks"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def pytest_collection_modifyitems(items):
    """Skip what needs a newer version of a package than is installed: ``@pytest.mark.needs(lightning="2.5")``."""
    for item in items:
        for mark in item.iter_markers("needs"):
            for package, least in mark.kwargs.items():
                if Version(version(package)) < Version(least):
                    item.add_marker(pytest.mark.skip(reason=f"{package} before {least} cannot, or does it wrong"))
