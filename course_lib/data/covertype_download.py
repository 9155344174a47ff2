"""What `course_lib.data.covertype.download` runs in a process of its own: scikit-learn's download.

Promises: the file lies in the folder, whole and with the SHA-256 that was named, or the exit status is 1
and the last line of stderr says why. Leaves out any limit on the whole time: who starts the process sets
it.
"""

import socket
import sys
from http.client import HTTPException

from sklearn.datasets import fetch_file

_SILENCE_SECONDS = 20


def main(url: str, sha256: str, folder: str, name: str) -> None:
    """Fetch `url` as ``folder/name``."""
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    try:
        fetch_file(url, folder=folder, local_filename=name, sha256=sha256, n_retries=1)
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
