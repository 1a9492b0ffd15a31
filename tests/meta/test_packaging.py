"""What a user installs: the wheel and the sdist, built here and tried where nothing but the dependencies is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import lr_callbacks

pytestmark = pytest.mark.packaging
ROOT = Path(__file__).parents[2]
VERSION = lr_callbacks.__version__
FIT = """
import sys
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset
import lr_callbacks as lrc

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

net = Net()
trainer = Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                  callbacks=[lrc.Warmup(2), lrc.CosineAnnealing(), lrc.LRMonitor()])
trainer.fit(net, DataLoader(TensorDataset(torch.ones(8, 4)), batch_size=2))
assert lrc.__file__.startswith(sys.prefix), lrc.__file__
lr = trainer.optimizers[0].param_groups[0]["lr"]
print("LR", lr, lrc.preview(trainer.callbacks, 0.1, total_steps=8)[2, 0].item())
"""
LACKING = """
import lr_callbacks as lrc

for use in (lambda: lrc.grid_search, lrc.RangeTestResult([0.1], [1.0], [1.0], None, {}, "none").plot):
    try:
        use()
    except ModuleNotFoundError as error:
        print(error)
"""


def call(*command: object, folder: Path, fails: bool = False) -> str:
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=plain, capture_output=True, text=True, timeout=240)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel, its dependencies and theirs: no extra."""
    folder = tmp_path_factory.mktemp("minimal")
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for distribution in needed("torch", "lightning"):
        for name in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(Path(str(distribution.locate_file(name))))
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=folder)
    return python


@pytest.fixture(scope="module")
def full(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has the wheel and all extras."""
    folder = tmp_path_factory.mktemp("full")
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "extras.pth").write_text(sysconfig.get_path("purelib"))
    (wheel,) = built.glob("*.whl")
    options = ("--no-deps", "--no-index", "--ignore-installed")
    call(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", *options, wheel, folder=folder)
    return folder / "bin"


def needed(*names: str) -> list[metadata.Distribution]:
    """Distributions, those that they need, and so on."""
    found: dict[str, metadata.Distribution] = {}
    left = list(names)
    while left:
        distribution = metadata.distribution(left.pop())
        if found.setdefault(distribution.name, distribution) is distribution:
            requirements = [Requirement(text) for text in distribution.requires or []]
            left += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return list(found.values())


def about(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"lr_callbacks-{VERSION}.dist-info/METADATA"))


def test_the_wheel_has_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == f"lr_callbacks-{VERSION}-py3-none-any.whl"
    assert {name.split("/")[0] for name in names} == {"lr_callbacks", f"lr_callbacks-{VERSION}.dist-info"}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "lr_callbacks").rglob("*.py")}
    shipped = {name for name in names if name.startswith("lr_callbacks/")}
    configs = {f"lr_callbacks/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    assert len(configs) > 30
    assert shipped == modules | configs | {"lr_callbacks/py.typed"}


def test_the_sdist_has_what_is_needed_to_work_on_the_project(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    apart = {name for name in listed if name.startswith((".git",))}
    assert set(listed) - apart <= names
    assert {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "Makefile", "constraints.txt"} <= names
    assert {"docs/conf.py", "configs/one_cycle.yaml", "examples/gan.py", "tests/conftest.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("site", "runs", "dist"))]


def test_the_metadata_says_what_it_is_and_what_it_needs(built):
    (wheel,) = built.glob("*.whl")
    found = about(wheel)
    assert (found["Name"], found["Version"]) == ("lr-callbacks", VERSION)
    assert (found["License-Expression"], found["License-File"]) == ("Apache-2.0", "LICENSE")
    assert found["Requires-Python"] == ">=3.10"
    assert "Typing :: Typed" in (found.get_all("Classifier") or [])
    plain = [text for text in found.get_all("Requires-Dist") or [] if "extra ==" not in text]
    assert plain == ["lightning>=2.2", "numpy>=1.24", "torch>=2.2"]
    assert set(found.get_all("Provides-Extra") or []) == {"all", "cli", "dev", "docs", "plot", "sweep"}


def test_the_metadata_has_the_readme_with_absolute_links_once_there_is_an_address(built):
    (wheel,) = built.glob("*.whl")
    found = about(wheel)
    assert found["Description-Content-Type"] == "text/markdown"
    assert "](docs/pictures/schedules.png)" in str(found.get_payload())
    sys.path.insert(0, str(ROOT))
    from hatch_build import with_absolute_links

    text = with_absolute_links((ROOT / "README.md").read_text(), "https://example.org/a/b")
    assert "](https://example.org/a/b/raw/main/docs/pictures/schedules.png)" in text
    assert "[CHANGELOG.md](https://example.org/a/b/blob/main/CHANGELOG.md)" in text
    assert not re.search(r"\]\((?!https://|#)", text)


def test_the_citation_has_the_version_and_the_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (VERSION, "Apache-2.0")


def test_the_version_stands_in_one_place():
    texts = [path.read_text() for path in (ROOT / "pyproject.toml", ROOT / "docs" / "conf.py")]
    assert [VERSION in text for text in texts] == [False, False]
    assert re.search(rf"^## \[?({re.escape(VERSION)}|Unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_without_extras_it_is_imported_and_trains(python, tmp_path):
    (tmp_path / "fit.py").write_text(FIT)
    printed = call(python, "fit.py", folder=tmp_path)
    assert "CosineAnnealing 2-8" in printed
    assert "LR 0.0 0.1\n" in printed


def test_without_extras_the_command_says_which_one_to_install(python, tmp_path):
    printed = call(python.parent / "lr-callbacks", "fit", "--help", folder=tmp_path, fails=True)
    assert "Traceback" not in printed
    assert printed.startswith("lr-callbacks: The command line needs jsonargparse, ")
    assert printed.strip().endswith('install them with: pip install "lr-callbacks[cli]"')


def test_without_extras_what_needs_one_says_which(python, tmp_path):
    (tmp_path / "lacking.py").write_text(LACKING)
    printed = call(python, "lacking.py", folder=tmp_path)
    assert 'A sweep needs optuna; install it with: pip install "lr-callbacks[sweep]"' in printed
    assert 'needs matplotlib; install it with: pip install "lr-callbacks[plot]"' in printed


def test_with_the_extras_the_config_of_the_readme_trains_far_from_the_sources(full, tmp_path):
    (tmp_path / "my_run.yaml").write_text(re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[0])
    where = call(full / "python", "-c", "import lr_callbacks; print(lr_callbacks.__file__)", folder=tmp_path)
    assert where.startswith(str(full.parent))
    printed = call(full / "lr-callbacks", "fit", "--config=my_run.yaml", "--trainer.max_epochs=1", folder=tmp_path)
    assert "40 optimizer steps" in printed
