"""From an RDP curve to one (ε, δ): the classic conversion, and the tight one.

The ε that comes out is of the kind of the curve that goes in: a data-dependent curve gives an ε *before
sanitising*. Leaves out conversions to other notions than (ε, δ).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from course_lib.i18n import _
from course_lib.pate.accounting.checks import checked_delta, checked_orders


class Converted(NamedTuple):
    """The least ε over the orders, and the order that gives it."""

    epsilon: float
    rdp_order: float


def _checked_curve(rdp_orders: ArrayLike, rdp: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    orders, curve = checked_orders(rdp_orders), np.atleast_1d(np.asarray(rdp, dtype=float))
    if curve.shape != orders.shape or not (curve >= 0).all():
        message = _(
            "An RDP curve must have one cost from 0 up for each of {orders} orders, but {curve} came."
        )
        raise ValueError(message.format(orders=orders.size, curve=curve))
    return orders, curve


def classic_epsilon(rdp_orders: ArrayLike, rdp: ArrayLike, *, delta: float) -> Converted:
    """The least rdp + log(1/delta) / (order - 1) (Mironov 2017, "Rényi differential privacy", Proposition 3).

    Both arrays (orders,). Raises ValueError for a bad delta, order or curve.

    >>> classic_epsilon([2, 4], [0.1, 0.2], delta=np.exp(-9))
    Converted(epsilon=3.2, rdp_order=4.0)
    """
    orders, curve = _checked_curve(rdp_orders, rdp)
    epsilons = curve - math.log(checked_delta(delta)) / (orders - 1)
    best = epsilons.argmin()
    return Converted(float(epsilons[best]), float(orders[best]))


def tight_epsilon(rdp_orders: ArrayLike, rdp: ArrayLike, *, delta: float) -> Converted:
    """The least epsilon by dp-accounting's conversion (Canonne, Kamath and Steinke 2020, Proposition 12).

    Orders up to 1.01 do not count there: the formula is not stable so near 1.

    >>> tight_epsilon([2, 4], [0.1, 0.2], delta=np.exp(-9)).epsilon.__round__(3)
    2.45
    """
    from dp_accounting.rdp import compute_epsilon  # it takes a second to import

    orders, curve = _checked_curve(rdp_orders, rdp)
    epsilon, order = compute_epsilon(orders, curve, checked_delta(delta))
    return Converted(float(epsilon), float(order))
