"""What answering by noisy votes costs in privacy, from one query's Rényi divergence to one ε.

Neighbours are two sets of private data that differ in what one teacher was trained on, so that one vote of
each query may move from one class to another. Two kinds of ε must never be taken for each other:

- a **data-independent** ε holds whatever the votes are, and may be published (`gaussian`, and the functions
  of `rdp` that ask for no votes);
- a **data-dependent** ε is smaller because teachers agree, and is itself computed from private votes:
  *before sanitising* it may not be published; *after sanitising* (`smooth_sensitivity`) it may.

Source of formulas and theorem numbers: Papernot, Song, Mironov, Raghunathan, Talwar and Erlingsson 2018,
"Scalable Private Learning with PATE", arXiv 1802.08908. What a mechanism does is an event, and `events` adds
them up for a ledger. Leaves out drawing the noise: see `course_lib.pate.noise`.
"""

from course_lib.pate.accounting.analysis import Analysis, analyse
from course_lib.pate.accounting.orders import ORDERS, PAPER_ORDERS

__all__ = ["ORDERS", "PAPER_ORDERS", "Analysis", "analyse"]
