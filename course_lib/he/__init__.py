"""Inference on encrypted values: CKKS on TenSEAL's bindings of Microsoft SEAL.

The secret key lives in `client` alone. See `parameters` for what is promised, `packing` for the idea.
"""

from course_lib.he.client import EILinearRegressionClient
from course_lib.he.server import EIServer

__all__ = ["EILinearRegressionClient", "EIServer"]
