"""Take the README's pictures of TensorBoard: real runs, a real TensorBoard, a real headless Chromium.

    apt-get install -y chromium chromium-driver && pip install -e ".[dev]"
    python docs/screenshots.py

trains the configurations below, which takes half a minute, and writes ``docs/pictures/tensorboard_*.png``.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--force-color-profile=srgb",
    *("--no-first-run", "--disable-quic", "--disable-sync"),  # it talks to this machine only
    *("--disable-background-networking", "--disable-component-update"),
)
SETTINGS = {"timeSeriesSettingsPaneOpened": False, "stepSelectorEnabled": False, "sideBarWidthInPercent": 25}
"""What somebody who wants to see the charts switches off at the right of TensorBoard's page."""


def missing_programs() -> list[str]:
    """Programs that must be installed and are not."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def ask(url: str) -> Any:
    """What TensorBoard answers, as JSON; None while it is not there yet."""
    try:
        with urlopen(url, timeout=10) as answer:
            return json.load(answer)
    except (URLError, ConnectionError):
        return None


@contextmanager
def tensorboard(logdir: Path, seconds: float = 60.0) -> Iterator[str]:
    """Run a TensorBoard on a folder of finished runs.

    Yields:
        Its address, once it has read the runs.

    Raises:
        TimeoutError: If it has no scalars after so many seconds.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logdir}", "--host=127.0.0.1", f"--port={port}"]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + seconds
            while not any((ask(f"{address}/data/plugin/scalars/tags") or {}).values()):
                if server.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    raise TimeoutError(f"TensorBoard shows no scalars of {logdir}: {said.read().decode()[-500:]}")
                time.sleep(0.1)
            yield address
        finally:
            server.terminate()
            server.wait()


@contextmanager
def chromium(width: int, height: int) -> Iterator[Chrome]:
    """Run a headless Chromium with a profile of its own and a window of this size."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            yield browser
        finally:
            browser.quit()


def charts(browser: Chrome, address: str, tags: str, number: int, seconds: float = 60.0) -> dict[str, WebElement]:
    """Open TensorBoard's time series and wait until each chart has drawn its curve.

    Args:
        browser: A headless browser.
        address: Where TensorBoard is.
        tags: Regular expression of the series to show.
        number: How many of them there must be.
        seconds: How long to wait.

    Returns:
        Tag -> the chart's card.
    """
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(f"{address}/data/logdir")  # a light page of the same origin, for the settings to be there at the start
    browser.execute_script("localStorage.setItem('_tb_global_settings', arguments[0])", json.dumps(SETTINGS))
    browser.get(f"{address}/?tagFilter={quote(tags)}&smoothing=0#timeseries")

    def drawn(browser: Chrome) -> dict[str, WebElement]:
        cards = browser.find_elements(By.TAG_NAME, "scalar-card")
        ready = {card.find_element(By.CLASS_NAME, "tag").get_attribute("title"): card for card in cards if curve(card)}
        return ready if len(ready) == number else {}

    return WebDriverWait(browser, seconds).until(drawn)


def curve(card: WebElement) -> int:
    """How many pixels of a chart are coloured: its axes and its grid are grey."""
    from PIL import Image
    from selenium.webdriver.common.by import By

    plots = card.find_elements(By.CSS_SELECTOR, "line-chart canvas")
    if not plots:
        return 0
    picture = Image.open(io.BytesIO(plots[0].screenshot_as_png)).convert("HSV")
    saturation = picture.getchannel("S").histogram()
    return sum(saturation[50:])


def save(element: WebElement, file: Path) -> None:
    """Write an element of the page as a small PNG."""
    from PIL import Image

    picture = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}  {picture.width} x {picture.height}, {file.stat().st_size / 1024:.0f} kB")


def train(folder: Path, *configs: str) -> None:
    """Run `lr-callbacks fit` for each configuration, as the README says."""
    quiet = [f"--trainer.{flag}=false" for flag in ("enable_progress_bar", "enable_model_summary")]
    for config in configs:
        command = [sys.executable, "-m", "lr_callbacks", "fit", "--config", str(ROOT / "configs" / f"{config}.yaml")]
        search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": search}
        subprocess.run([*command, *quiet], cwd=folder, env=environment, check=True, capture_output=True)


def main() -> None:
    """One run in four charts, then three runs in two."""
    if missing_programs():
        sys.exit(f"not installed: {', '.join(missing_programs())}; apt-get install -y chromium chromium-driver")
    from selenium.webdriver.common.by import By

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        train(folder, "one_cycle", "sgdr", "warmup_plateau")
        with tensorboard(folder / "runs" / "one_cycle") as address, chromium(1180, 1010) as browser:
            charts(browser, address, "^(lr/SGD|momentum/SGD|train_loss|val_loss)$", 4)
            save(browser.find_element(By.CLASS_NAME, "card-grid"), PICTURES / "tensorboard_one_run.png")
        with tensorboard(folder / "runs") as address, chromium(1180, 690) as browser:
            charts(browser, address, "^(lr/SGD|val_loss)$", 2)
            save(browser.find_element(By.TAG_NAME, "body"), PICTURES / "tensorboard_three_runs.png")


if __name__ == "__main__":
    main()
