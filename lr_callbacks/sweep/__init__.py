"""Grid search over learning rates, by measurement: every point is trained, the points are ranked.

`search` is the whole in one function; Optuna keeps the study, hands out the trials and sees which workers live. Ours
are `axes` (pure: the grid), `trial` (one training), `work` (what a worker does), `ledger` (what is finished), `storage`
(where the study is kept) and `table` (what came out, and its picture). Needs the extra `sweep`.
"""

from lr_callbacks.extras import require_extra

require_extra("sweep", "optuna", what="A sweep")

from lr_callbacks.sweep.search import grid_search  # noqa: E402
from lr_callbacks.sweep.table import Row, SweepTable  # noqa: E402
from lr_callbacks.sweep.trial import Outcome, run_trial  # noqa: E402

__all__ = ["Outcome", "Row", "SweepTable", "grid_search", "run_trial"]
