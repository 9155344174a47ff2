"""Covertype: 581,012 patches of forest in Colorado, 54 features each, and which of seven covers grows there.

Promises: the rows in UCI's order, from the first of these that is there: the file that the environment
variable ``COURSE_COVERTYPE`` names (UCI's ``covtype.data.gz``, or unpacked); what scikit-learn's
``fetch_covtype`` has kept; a download by scikit-learn, whose SHA-256 is compared. A download that breaks,
hangs or is altered ends within `DOWNLOAD_SECONDS` in a `DataError` of one sentence and leaves no file.
Nothing that was downloaded is unpickled; what ``fetch_covtype`` has kept is pickles in the user's own
folder, as safe as that folder. Leaves out: ``fetch_covtype``'s own way from the download to arrays, which
takes over 2 GB of memory; reading takes 0.2 GB here. The data does not travel with the course because of
its size.

Source: Blackard (1998), Covertype, UCI Machine Learning Repository, https://doi.org/10.24432/C50K5N.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_covtype, get_data_home

from course_lib.data.integrity import DataError
from course_lib.i18n import _

ROWS = 581_012

_NUMBERS = (
    "Elevation",
    "Aspect",
    "Slope",
    "Horizontal_Distance_To_Hydrology",
    "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways",
    "Hillshade_9am",
    "Hillshade_Noon",
    "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points",
)

#: Under scikit-learn's names; the last 44 are 0 or 1.
FEATURE_NAMES: tuple[str, ...] = (
    *_NUMBERS,
    *(f"Wilderness_Area_{place}" for place in range(4)),
    *(f"Soil_Type_{place}" for place in range(40)),
)

#: The covers that the file numbers from 1 to 7.
CLASS_NAMES: tuple[str, ...] = (
    "Spruce/Fir",
    "Lodgepole Pine",
    "Ponderosa Pine",
    "Cottonwood/Willow",
    "Aspen",
    "Douglas-fir",
    "Krummholz",
)

#: The environment variable with the path of a file that one already has.
VARIABLE = "COURSE_COVERTYPE"

#: UCI's file where scikit-learn fetches it, and what it must be.
ARCHIVE_URL = "https://ndownloader.figshare.com/files/5976039"
ARCHIVE_SHA256 = "614360d0257557dd1792834a85a1cdebfadc3c4f30b011d56afee7ffb5b15771"

DOWNLOAD_SECONDS = 120

_FILE = "covtype.data.gz"
_COLUMNS = len(FEATURE_NAMES) + 1
_CHUNK = 50_000  # rows; the whole table as text would take more memory than as numbers


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """Return the features, float32, (581012, 54), and the covers, int32, (581012,), from 1 to 7.

    Units: metres, degrees, and 0 to 254 for hillshade. The arrays are the caller's own.

    Raises `course_lib.data.DataError` when the file named by `VARIABLE` is missing or is not Covertype, or
    when there is none and it cannot be downloaded.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return read_file(Path(named).expanduser())
    kept = _kept_by_scikit_learn()
    if kept is not None:
        return kept
    folder = Path(get_data_home()) / "covertype"
    if not _is_archive(folder / _FILE):
        download(folder)
    return read_file(folder / _FILE)


def read_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return features and covers, as `load_data` does, from a file in UCI's format, packed by gzip or not.

    Raises `course_lib.data.DataError` when it cannot be read, or is not 581,012 rows of 55 such numbers.
    """
    features = np.empty((ROWS, len(FEATURE_NAMES)), np.float32)
    covers = np.empty(ROWS, np.int32)
    row = 0
    kinds = dict.fromkeys(range(_COLUMNS), "int32")
    try:
        with path.open("rb") as raw, _unpacked(raw) as lines:
            for chunk in pd.read_csv(
                lines, header=None, dtype=kinds, chunksize=_CHUNK, nrows=ROWS + 1, encoding="ascii"
            ):
                end = row + len(chunk)
                if chunk.shape[1] != _COLUMNS or end > ROWS:
                    raise ValueError(f"{chunk.shape[1]} columns, {end} rows or more")
                features[row:end] = chunk.iloc[:, :-1].to_numpy()
                covers[row:end] = chunk.iloc[:, -1].to_numpy()
                row = end
    # What pandas and gzip raise for a file that is cut off, damaged, or another table.
    except (OSError, ValueError, EOFError, OverflowError, zlib.error) as error:
        raise DataError(_not_covertype(path, error)) from error
    if row != ROWS:
        raise DataError(_not_covertype(path, f"{row} rows"))
    _require_ranges(features, covers, path)
    return features, covers


def download(
    folder: Path,
    *,
    url: str = ARCHIVE_URL,
    sha256: str = ARCHIVE_SHA256,
    seconds: float = DOWNLOAD_SECONDS,
) -> Path:
    """Let scikit-learn fetch the archive into `folder`, in a process of its own that ends after `seconds`.

    In that process alone a socket that falls silent gives up: in this one, other servers' sockets live.

    Raises `course_lib.data.DataError` for whatever goes wrong; what had been fetched is removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="download-") as scratch:
            command = [
                sys.executable,
                "-m",
                "course_lib.data.covertype_download",
                url,
                sha256,
                scratch,
                _FILE,
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]
                raise DataError(_not_downloaded(last))
            return Path(scratch, _FILE).replace(folder / _FILE)
    except subprocess.TimeoutExpired as error:
        reason = _("not done after {seconds} seconds").format(seconds=round(seconds))
        raise DataError(_not_downloaded(reason)) from error
    except DataError:
        raise
    except OSError as error:
        raise DataError(_not_downloaded(error)) from error


def _kept_by_scikit_learn() -> tuple[np.ndarray, np.ndarray] | None:
    """What ``fetch_covtype`` kept when somebody called it on this machine, or None."""
    try:
        features, covers = fetch_covtype(return_X_y=True, download_if_missing=False)
    except OSError:  # not there; a download follows
        return None
    except Exception as error:  # damaged pickles raise whatever they like
        raise DataError(_not_covertype(Path(get_data_home()) / "covertype", error)) from error
    if features.shape != (ROWS, len(FEATURE_NAMES)):
        raise DataError(_not_covertype(Path(get_data_home()) / "covertype", features.shape))
    return features.astype(np.float32), covers.astype(np.int32)


def _is_archive(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == ARCHIVE_SHA256


def _unpacked(raw):
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if packed else raw


def _require_ranges(features: np.ndarray, covers: np.ndarray, path: Path) -> None:
    flags = features[:, len(_NUMBERS) :]
    if not ((flags == 0) | (flags == 1)).all():
        raise DataError(_not_covertype(path, "0, 1"))
    if np.unique(covers).tolist() != list(range(1, len(CLASS_NAMES) + 1)):
        raise DataError(_not_covertype(path, f"{len(np.unique(covers))} classes"))


def _not_covertype(path: Path, reason: object) -> str:
    message = _(
        "Covertype's {rows} rows of {columns} whole numbers, the last from 1 to 7, were expected in {path} "
        "({reason})."
    )
    reason = " ".join(str(reason).split())[:200]
    return message.format(rows=ROWS, columns=_COLUMNS, path=path, reason=reason)


def _not_downloaded(reason: object) -> str:
    message = _(
        "Covertype could not be downloaded ({reason}); the other data sets work, and where you have the file "
        "{file} from UCI, the environment variable {variable} can name its path."
    )
    reason = " ".join(str(reason).split())[:200]
    return message.format(reason=reason, file=_FILE, variable=VARIABLE)
