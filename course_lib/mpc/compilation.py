"""From a Keras model to programs for the engine: the architecture becomes public, the weights stay arguments.

A program is for one batch size: Keras, then StableHLO (TensorFlow's compiler writes it), then the engine's
own language. Promises that a program was run once on random values, by the parties' protocol between three
threads of this process, before anybody else sees it; and that you are warned where its answer was not
Keras's. Leaves out models with several inputs or outputs, and inputs that are not floating-point numbers.

The parties and the clients take the owner's programs on trust: a program written by hand could open a secret
to the parties. Programs are text, and their SHA-256 stands in the model's description.
"""

import secrets
import warnings
from dataclasses import dataclass

import numpy as np

from course_lib.i18n import N_, _
from course_lib.mpc.refusal import first_line
from course_lib.mpc.spec import ModelSpec, digest_of

#: For a model that leaves its batch size open.
BATCH_SIZES = (1, 16, 64)
_WORTH_A_WARNING = 0.01  # of the largest output


@dataclass(frozen=True)
class CompiledModel:
    """A model's description, its programs by batch size, and its weights in the clear."""

    spec: ModelSpec
    programs: dict[int, bytes]
    weights: list[np.ndarray]


def compile_model(model, batch_sizes: tuple[int, ...] | None = None) -> CompiledModel:
    """Compile a Keras 3 model of one input and one output for the engine.

    `batch_sizes` are those that can be asked at once; without them the model's own, or `BATCH_SIZES`.
    Raises ValueError where the model can't be compiled or run; warns where the engine's answer is off.
    """
    from course_lib.mpc import engine

    input_shape = _one_shape(getattr(model, "inputs", None), N_("input"))
    output_shape = _one_shape(getattr(model, "outputs", None), N_("output"))
    sizes = _chosen_sizes(input_shape[0], batch_sizes)
    programs = {}
    for size in sizes:
        programs[size], constants = _program(model, size)
    weights = [np.asarray(weight, dtype=np.float32) for weight in (*model.weights, *constants)]
    for weight in weights:
        engine.check_range(weight)
    spec = ModelSpec(
        model_id=secrets.token_hex(16),
        input_shape=tuple(input_shape[1:]),
        output_shape=tuple(output_shape[1:]),
        batch_sizes=sizes,
        weight_shapes=tuple(weight.shape for weight in weights),
        program_digests=tuple(map(digest_of, programs.values())),
    )
    _rehearse(model, programs[sizes[0]], spec, weights)
    return CompiledModel(spec, programs, weights)


def _one_shape(tensors, side: str) -> tuple[int | None, ...]:
    count = len(tensors or [])
    if count != 1:
        raise ValueError(
            _("A built Keras model with one {side} was expected, but {count} came.").format(
                side=_(side), count=count
            )
        )
    (tensor,) = tensors
    if "float" not in str(tensor.dtype):
        raise ValueError(
            _("Floating-point numbers were expected as {side}, but the model has {dtype}.").format(
                side=_(side), dtype=tensor.dtype
            )
        )
    if any(length is None for length in tensor.shape[1:]):
        raise ValueError(
            _(
                "All lengths but the batch's should be known, but the model's {side} has the shape {shape}."
            ).format(side=_(side), shape=tuple(tensor.shape))
        )
    return tuple(tensor.shape)


def _chosen_sizes(own: int | None, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    sizes = tuple(sorted(set(wanted or ((own,) if own else BATCH_SIZES))))
    if own and sizes != (own,):
        raise ValueError(
            _("The model is for batches of {own} alone, but {wanted} were asked for.").format(
                own=own, wanted=", ".join(map(str, sizes))
            )
        )
    return sizes


def _program(model, batch_size: int) -> tuple[bytes, list[np.ndarray]]:
    """The engine's program for one batch size; all of its arguments and its result are secret.

    With it come the arrays that layers keep besides the model's weights: the last of the arguments.
    """
    import keras
    import spu
    import tensorflow as tf

    from course_lib.mpc.pooling import summed_pooling

    variables = model.weights

    def answer(values, *weights):
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return model(values, training=False)

    (tensor,) = model.inputs
    arguments = [
        tf.TensorSpec((batch_size, *tensor.shape[1:]), "float32"),
        *(tf.TensorSpec(variable.shape, "float32") for variable in variables),
    ]
    try:
        traced = tf.function(answer, jit_compile=True, autograph=False)
        with summed_pooling(model):
            constants = [each.numpy() for each in traced.get_concrete_function(*arguments).captured_inputs]
            stablehlo = traced.experimental_get_compiler_ir(*arguments)(stage="stablehlo")
        secret = [spu.Visibility.VIS_SECRET] * (len(arguments) + len(constants))
        source = spu.CompilationSource(spu.SourceIRType.STABLEHLO, stablehlo.encode(), secret)
        return spu.compile(source, spu.CompilerOptions()), constants
    except Exception as error:  # TensorFlow, its compiler and the engine's each fail in their own ways
        raise ValueError(
            _("The model can't be compiled for the engine: {reason}").format(reason=first_line(error))
        ) from error


def _rehearse(model, program: bytes, spec: ModelSpec, weights: list[np.ndarray]) -> None:
    """Run the program on random values by the parties' own protocol, and compare it with Keras."""
    from course_lib.mpc import engine

    shape = (spec.batch_sizes[0], *spec.input_shape)
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = np.asarray(model(values, training=False), dtype=np.float32)
    try:
        found = engine.run_in_threads(program, [values, *weights], (shape[0], *spec.output_shape))
    except RuntimeError as error:
        raise ValueError(
            _("The engine can't run the model: {reason}").format(reason=first_line(error))
        ) from error
    error = float(np.abs(found - expected).max())
    if not error <= _WORTH_A_WARNING * max(1.0, float(np.abs(expected).max())):
        warnings.warn(
            _(
                "On fixed-point numbers the model's answer is off by {error:.3g}: a layer leaves the range of"
                " ±2^26, or is one that the engine only approximates."
            ).format(error=error),
            stacklevel=4,
        )
