"""Inference on encrypted values, by a linear model or a network: CKKS on TenSEAL's bindings of SEAL.

The secret key lives in `client` alone. See `parameters` for what is promised, `packing` for the idea.
"""

from course_lib.he.client import EILinearRegressionClient, EINetworkClient
from course_lib.he.server import EINetworkServer, EIServer

__all__ = ["EILinearRegressionClient", "EINetworkClient", "EINetworkServer", "EIServer"]
