"""The engine: SecretFlow's SPU with the ABY3 protocol, on integers modulo 2^64.

A number v is the integer v * 2^18, rounded. A tensor is split into three integers for each element, which
add up to it and are drawn by a cryptographic generator; the party of rank r holds parts r and r + 1 (after
the third comes the first). So a party's share is an array of uint64 with the tensor's shape and 2 at the
end.

Promises, by ABY3's own proof: each of the three parties sees random numbers, as long as all three follow the
protocol and no two put together what they see. Leaves out parties that deviate from the protocol, and numbers
that leave the fixed-point range inside a network: they wrap around, and the answer is wrong without a word.

Source: P. Mohassel, P. Rindal: ABY3, A Mixed Protocol Framework for Machine Learning, CCS 2018; SPU 0.9.5.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import spu
from spu import libspu

from course_lib.i18n import _

FRACTION_BITS = 18
#: Products and sums inside a network must stay below 2^26; what is shared has to leave room for them.
LARGEST_VALUE = 2.0**20
_PARTIES = 3
_INPUT, _OUTPUT = "input", "output"  # what a program calls its tensors; weights are weight-0, weight-1, ...
_STORAGE = "aby3.AShr<FM64>"


def runtime_config() -> libspu.RuntimeConfig:
    """The settings that all three parties, the model's owner and every client share."""
    return libspu.RuntimeConfig(
        protocol=libspu.ProtocolKind.ABY3, field=libspu.FieldType.FM64, fxp_fraction_bits=FRACTION_BITS
    )


def log_to(path: str, level: libspu.logging.LogLevel) -> None:
    """Let the engine write its log to this file, and nothing onto this process's output."""
    options = libspu.logging.LogOptions()
    options.enable_console_logger, options.log_level = False, level
    options.system_log_path, options.max_log_file_size = path, 1 << 62
    libspu.logging.setup_logging(options)


def make_shares(values: np.ndarray) -> list[np.ndarray]:
    """Split `values`, float32 of any shape, into three shares in the parties' order: uint64, (*shape, 2).

    Raises ValueError for NaN, infinity, and values beyond ±`LARGEST_VALUE`.

    >>> shares = make_shares(np.array([[0.5, -1.0]], dtype=np.float32))
    >>> [share.shape for share in shares]
    [(1, 2, 2), (1, 2, 2), (1, 2, 2)]
    >>> reconstruct(shares)
    array([[ 0.5, -1. ]], dtype=float32)
    """
    check_range(values)
    whole = np.ascontiguousarray(values)  # of one axis where `values` have none, as the engine wants it
    shares = _io().make_shares(whole, libspu.Visibility.VIS_SECRET)
    return [from_engine(share, whole.shape).reshape(*values.shape, 2) for share in shares]


def reconstruct(shares: list[np.ndarray]) -> np.ndarray:
    """The float32 tensor that three shares, in the parties' order, add up to."""
    return _io().reconstruct([to_engine(share) for share in shares])


class Machine:
    """One party's engine on a link to the other two: it holds shares, and runs programs on them together."""

    def __init__(self, link: libspu.link.Context, config: libspu.RuntimeConfig):
        self._runtime = spu.Runtime(link, config)
        self._names = [_INPUT]

    def hold_weights(self, shares: list[np.ndarray]) -> None:
        """Hold these shares of a model's weights, and no longer those that were held."""
        self.clear()
        for index, share in enumerate(shares):
            self._names.append(f"weight-{index}")
            self._runtime.set_var(self._names[-1], to_engine(share))

    def run(self, program: bytes, share: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
        """This party's share of the answer; all three must run the same program at the same time.

        Raises RuntimeError where the engine fails; nothing can be run on its link after that.
        """
        self._runtime.set_var(_INPUT, to_engine(share))
        self._runtime.run(
            libspu.Executable(name="model", input_names=self._names, output_names=[_OUTPUT], code=program)
        )
        answer = from_engine(self._runtime.get_var(_OUTPUT), output_shape)
        self._runtime.del_var(_INPUT)
        self._runtime.del_var(_OUTPUT)
        return answer

    def clear(self) -> None:
        """Hold nothing any longer."""
        for name in self._names[1:]:
            self._runtime.del_var(name)
        del self._names[1:]


def run_in_threads(program: bytes, arguments: list[np.ndarray], output_shape: tuple[int, ...]) -> np.ndarray:
    """The answer of a program to an input and weights, computed by three threads of this process.

    Raises RuntimeError where the engine fails.
    """
    question, *weights = (make_shares(argument) for argument in arguments)
    link = libspu.link.Desc()
    for rank in range(_PARTIES):
        link.add_party(str(rank), str(rank))

    def run_as(rank: int) -> np.ndarray:
        machine = Machine(libspu.link.create_mem(link, rank), runtime_config())
        machine.hold_weights([shares[rank] for shares in weights])
        return machine.run(program, question[rank], output_shape)

    with ThreadPoolExecutor(_PARTIES) as threads:
        return reconstruct(list(threads.map(run_as, range(_PARTIES))))


def check_range(values: np.ndarray) -> None:
    """Raise ValueError where `values` hold a number that the fixed-point range does not.

    >>> check_range(np.array([1e9], dtype=np.float32))
    Traceback (most recent call last):
    ValueError: Values up to ±1048576 were expected, but 1e+09 came.
    """
    if not np.isfinite(values).all():
        raise ValueError(_("Finite values were expected, but NaN or infinity came."))
    largest = float(np.abs(values).max(initial=0))
    if largest > LARGEST_VALUE:
        raise ValueError(
            _("Values up to ±{most:.0f} were expected, but {largest:.6g} came.").format(
                most=LARGEST_VALUE, largest=largest
            )
        )


def from_engine(share: libspu.Share, shape: tuple[int, ...]) -> np.ndarray:
    """A share out of the engine's own wrapping; ValueError where it is not of a float32 tensor of `shape`."""
    if share.meta != _meta(shape):
        raise ValueError(
            _(
                "A share of a float32 tensor of shape {shape} was expected, but the engine made another."
            ).format(shape=tuple(shape))
        )
    content = bytearray()
    for chunk in share.share_chunks:
        parsed = libspu.ValueChunk()
        parsed.ParseFromString(chunk)
        content += parsed.content
    return np.frombuffer(content, "<u8").reshape(*shape, 2)


def to_engine(share: np.ndarray) -> libspu.Share:
    """A share in the engine's own wrapping, which is made here: nothing that came from outside is parsed."""
    chunk, wrapped = libspu.ValueChunk(), libspu.Share()
    chunk.total_bytes, chunk.chunk_offset, chunk.content = share.nbytes, 0, share.tobytes()
    wrapped.meta, wrapped.share_chunks = _meta(share.shape[:-1]), [chunk.SerializeToString()]
    return wrapped


def _meta(shape: tuple[int, ...]) -> bytes:
    """How the engine describes a secret float32 tensor of this shape."""
    meta = libspu.ValueMeta()
    meta.data_type, meta.visibility = libspu.DataType.DT_F32, libspu.Visibility.VIS_SECRET
    meta.shape, meta.storage_type = list(shape), _STORAGE
    return meta.SerializeToString()


def _io() -> spu.Io:
    return spu.Io(_PARTIES, runtime_config())


log_to(os.devnull, libspu.logging.LogLevel.ERROR)  # a notebook shows its own output alone
