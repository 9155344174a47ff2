"""The Rényi orders to search, each above 1; RDP in this package is always given per order.

Leaves out the order infinity, which is pure differential privacy.
"""

import numpy as np

#: The grid of the analysis published with the paper: 298 orders, none below 2.
PAPER_ORDERS = np.concatenate([np.arange(2, 101, 0.5), np.logspace(2, np.log10(500), num=100)])

#: The default: the same, and 100 more between 1.01 and 2, where the best order of a costly analysis lies.
ORDERS = np.concatenate([1 + np.logspace(-2, 0, num=100, endpoint=False), PAPER_ORDERS])
ORDERS.flags.writeable = PAPER_ORDERS.flags.writeable = False
