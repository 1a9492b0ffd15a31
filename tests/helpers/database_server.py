"""What the database servers of the tests have in common: a folder, a port, a restart."""

import shutil
import tempfile
import time
from pathlib import Path

from two_ranks import free_port


class DatabaseServer:
    """A server in a temporary folder, which a subclass starts and stops."""

    def __init__(self, name):
        self.folder, self.port = Path(tempfile.mkdtemp(prefix=f"lr_callbacks_{name}")), free_port()

    def restart(self, down=1.0):
        self.stop()
        time.sleep(down)
        self.start()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
