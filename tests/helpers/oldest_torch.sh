#!/usr/bin/env bash
# Runs the tests of the callbacks on the oldest torch that pyproject.toml allows: make oldest-torch.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet -c constraints-oldest-torch.txt -e . hypothesis packaging pytest pytest-timeout pytest-xdist rich tensorboard
"$place/bin/python" -c "import torch; assert torch.__version__.startswith('2.2.'), torch.__version__"
"$place/bin/python" -m pytest -n 0 -W "ignore:You are using:FutureWarning" -m "oldest and not nightly and not crash" \
    tests/core tests/callbacks/test_plateau.py tests/schedules/test_same_values_as_torch.py \
    tests/integration/test_pytorch_lightning.py
