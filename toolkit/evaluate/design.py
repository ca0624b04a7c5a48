"""How many independent values are as much as these, of which some belong together.

The design effect is how much more the mean of clustered values varies than that of as many
independent ones (Kish 1965); their number over it is what they are worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from toolkit.evaluate.intervals import Floats, Ints


def worth(values: Floats, cluster: Ints) -> float:
    """How many independent values would spread the mean of ``values`` (r,) as these do.

    ``cluster`` (r,) says which belong together. Equal values show no spread, so that nothing can be
    said of how alike those of a cluster are: they then count as one (their effective number where
    clusters differ in size), which errs on the safe side.
    """
    n = len(values)
    if not n:
        return 0.0
    if cluster.max() > 8 * n:
        cluster = np.unique(cluster, return_inverse=True)[1]
    size = np.bincount(cluster)
    clusters = int(np.count_nonzero(size))
    around = values - values.mean()
    spread = float(around @ around)
    if clusters < 2 or spread <= 1e-12 * n:
        return n * n / float(size @ size)
    of_cluster = np.bincount(cluster, around)
    design = float(of_cluster @ of_cluster) / spread * clusters / (clusters - 1)
    return n / max(design, 1.0)
