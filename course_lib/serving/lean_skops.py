"""skops, imported without PyTorch: import this module before anything that imports skops.

To know scikit-learn's estimators, skops looks through all of scikit-learn, and one corner of it imports
PyTorch where that is installed: two seconds, and 200 MB in every process that serves a model. scikit-learn
takes it for not installed here, and so does nobody afterwards. Leaves out processes that have imported
PyTorch already.
"""

import importlib.abc
import sys

from sklearn import utils as _utils  # noqa: F401  its own imports happen before, undisturbed


class _WithoutPyTorch(importlib.abc.MetaPathFinder):
    """While it is in `sys.meta_path`, PyTorch is not installed."""

    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def _import_skops():
    finder = _WithoutPyTorch()
    sys.meta_path.insert(0, finder)
    try:
        import skops.io
    finally:
        sys.meta_path.remove(finder)
    return skops.io


skops_io = _import_skops()
UntrustedTypesFoundException = skops_io.exceptions.UntrustedTypesFoundException
