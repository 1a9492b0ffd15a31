"""Grid search over learning rates, by measurement: every point is trained, the points are ranked.

`search` is the whole in one function. Below it: `axes` (pure: the grid), `trial` (one training), `queue` (each trial
once, also after a kill), `storage` and `locks` (where the study lives), `engines` (Optuna's samplers and pruners),
`table` and `picture` (what came out). Needs the extra `sweep`.
"""

from lr_callbacks.extras import require_extra

require_extra("sweep", "optuna", what="A sweep")

from lr_callbacks.sweep.search import grid_search  # noqa: E402
from lr_callbacks.sweep.table import Row, SweepTable  # noqa: E402

__all__ = ["Row", "SweepTable", "grid_search"]
