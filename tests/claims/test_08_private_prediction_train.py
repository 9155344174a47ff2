"""What the prose of lesson 08_private_prediction_train states: each number and each comparison.

The lesson's own cells are run here, so that its training is found where the notebooks left it, and what it
trained is held within tolerances: processors differ in the last digits.
"""

import ast
import contextlib
import inspect
import io
import math

import numpy as np
import pytest

from claims.lesson_text import LessonText
from course_lib.data import mnist
from course_lib.mpc import digits, engine
from course_lib.mpc.comparison import relu
from course_lib.mpc.sharing import FRACTION_BITS, Link, from_system, multiply_numbers, share
from tools.layout import HERE
from tools.lessons import read_lesson

SOURCE = HERE.root / "lessons" / "08_private_prediction_train.py"
stated = LessonText("08_private_prediction_train").stated


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells leave behind, and under "printed" what each of them printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        names, printed = {"__name__": "__main__"}, []
        for cell in read_lesson(SOURCE).cells:
            if cell.kind in ("code", "solution"):
                text = io.StringIO()
                with contextlib.redirect_stdout(text):
                    exec(compile(cell.source, "<lesson 08>", "exec"), names)
                printed.append(text.getvalue())
        yield names | {"printed": "\n".join(printed)}


def definition(code: str, name: str) -> str:
    """A function's code as it is, without docstring, type hints and the line that looks Keras up."""
    (found,) = (node for node in ast.parse(code).body if getattr(node, "name", None) == name)
    lines = [line for line in found.body if "tensorflow()" not in ast.unparse(line)]
    if isinstance(getattr(lines[0], "value", None), ast.Constant):
        lines = lines[1:]
    arguments = [argument.arg for argument in found.args.args]
    text = ast.unparse(lines)
    return f"{list(map(ast.unparse, found.decorator_list))} {arguments} {text}"


@pytest.mark.parametrize("name", ["build_network", "train_digits"])
def test_the_library_holds_the_lessons_functions(lesson, name):
    library = inspect.getsource(digits)
    assert definition(SOURCE.read_text(encoding="utf-8"), name) == definition(library, name)
    assert "train_digits(seed=1)" in SOURCE.read_text(encoding="utf-8") and digits.SEED == 1


def test_by_hand(lesson):
    stated("Each row of the image is 0, 3, 4, 0, and each row of the kernel -1, 0, 1.")
    stated("gives 4 - 0, together 12")
    stated("three times 0 - 3, so -9")
    assert lesson["convolve"](lesson["image"], lesson["kernel"]).tolist() == [[12, -9], [12, -9]]
    stated("The average of 12, -9, 12, -9 is 1.5.")
    stated("ReLU turns the -9 into 0, and the average is 6.")
    assert "[[1.5]] [[6.]]" in lesson["printed"]
    stated("With the maximum in place of the average it would not")
    numbers = np.random.default_rng(0).normal(size=(1000, 4))
    assert (np.maximum(numbers.max(axis=1), 0) == np.maximum(numbers, 0).max(axis=1)).all()


def test_the_lessons_steps_are_the_layers(lesson):
    network, images = lesson["network"], lesson["images"]
    kernels, biases = network.layers[0].get_weights()
    convolved = lesson["convolve"](images[0, :, :, 0], kernels[:, :, 0, 3]) + biases[3]
    by_hand = lesson["positive_part"](lesson["average_pool"](convolved))
    values = images[:1]
    for layer in network.layers[:3]:
        values = layer(values)
    np.testing.assert_allclose(by_hand, np.asarray(values)[0, :, :, 3], atol=1e-5)


def test_the_counts(lesson):
    stated("The last column above is the number of weights: 22,158 in all.")
    assert lesson["network"].count_params() == 22_158
    stated("**575,848 multiplications cost half as much as 2,554 comparisons.**")
    stated("three choices that leave 2,554 comparisons")
    multiplications = 6760 * 9 + 3872 * 90 + 576 * 288 + 10 * 64
    assert sum(lesson["multiplications"].values()) == multiplications == 575_848
    assert sum(lesson["comparisons"].values()) == 2554
    sent = {kind: sum(values.values()) for kind, values in lesson["sent"].items()}
    assert sent["products"] / sent["ReLU"] == pytest.approx(0.5, abs=0.03)
    stated("ReLU sends the most in block 1")
    assert lesson["sent"]["ReLU"]["block 1"] == max(max(v.values()) for v in lesson["sent"].values())
    stated("pooling leaves a quarter of the numbers, or less")
    for side in (26, 11, 3):
        assert (side // 2) ** 2 <= side**2 / 4


def test_the_prices_are_those_of_lesson_07(lesson):
    x = share(np.ones((5, 9)), from_system)
    one, many = Link(from_system), Link(from_system)
    multiply_numbers(share(np.ones(5), from_system), share(np.ones(5), from_system), one)
    multiply_numbers(x, share(np.ones((9, 1)), from_system), many, lambda a, b: (a @ b)[:, 0])
    stated("costs by the numbers that come *out* of it")
    assert one.sent_bytes == many.sent_bytes and one.sent_bytes[0] == 5 * lesson["prices"][0]
    link = Link(from_system)
    relu(share(np.ones(5), from_system), link)
    assert link.sent_bytes[0] == 5 * lesson["prices"][2]


def test_softmax_does_not_change_the_answer(lesson):
    stated("it never changes which one is largest")
    probabilities = lesson["softmax"](lesson["logits"].astype(float), axis=1)
    assert (probabilities.argmax(axis=1) == lesson["answers"]).all()


def test_the_network_reads_98_of_100_digits(lesson):
    stated("reads at least 98 of 100 digits correctly")
    stated("At least 98% are right.")
    stated("Two epochs are enough for 98%.")
    assert len(lesson["test_labels"]) == 10_000 and lesson["accuracy"] >= 0.98
    stated("60,000 images, each seen twice (two **epochs**), in steps of 64.")
    images = mnist.load_data()[0][0]
    assert len(images) == 60_000
    stated("those take 188 MB each time that they are copied")
    assert round(images.size * 4 / 1e6) == 188


def test_what_leaves_each_layer_is_in_range(lesson):
    stated("what is smaller than half a unit becomes 0")
    stated("in units of $2^{-18}$")
    assert FRACTION_BITS == engine.FRACTION_BITS == 18
    stated("below $2^{26}$, about 67 million")
    assert round(2**26 / 1e6) == 67
    stated("Nearly everything lies between $2^{-12}$ and $2^6$")
    for values in lesson["activations"].values():
        sizes = np.abs(values[values != 0])
        assert ((sizes > 2**-12) & (sizes < 2**6)).mean() > 0.99 and sizes.max() < 2**7
    stated("all would lie eight powers of two further to the right: still in range")
    assert round(math.log2(255)) == 8
    assert 255 * max(np.abs(values).max() for values in lesson["activations"].values()) < 2**20


def test_rounding(lesson):
    accuracies, exact = lesson["accuracies"], lesson["accuracy"]
    stated("With 18 bits after the point, as in the engine, at most one answer in 1,000 changes")
    assert list(accuracies)[-1] == 18 and (lesson["rounded_answers"] != lesson["answers"]).sum() <= 10
    stated("With six bits and more one sees no difference; with whole numbers alone")
    assert all(abs(accuracies[bits] - exact) < 0.003 for bits in (6, 8, 12, 18))
    stated("low for whole numbers, and flat from four bits on")
    assert accuracies[0] < 0.9 and accuracies[4] > exact - 0.01
    stated("$2 \\cdot 18 + 26$ bits, and the sign")
    assert 2 * 18 + 26 + 1 <= 64


def test_the_division_goes_into_the_next_layer(lesson):
    stated("the same logits, up to the last digits of a floating-point number")
    assert np.abs(lesson["logits_with_sums"] - lesson["logits"][:100]).max() < 1e-3


def test_what_is_saved(lesson):
    stated("A `.weights.h5` file holds arrays, by name.")
    assert sorted(lesson["arrays"]) == sorted(array.shape for array in lesson["network"].get_weights())
    with lesson["h5py"].File(lesson["path"]) as file:
        kinds = set()
        file.visititems(lambda name, item: kinds.add(item.dtype.kind) if hasattr(item, "dtype") else None)
    assert kinds == {"f"}  # no object, which might be a pickle
    stated("Keras refuses such files by default (`safe_mode=True`), as the end of the cell shows.")
    assert "Refused: the file wants to run code." in lesson["printed"]


def test_other_designs(lesson):
    designs = lesson["designs"]
    assert designs["ours"] == 2554 and designs["ReLU before pooling"] == 6760 + 3872 + 576
    assert designs["max pooling"] == 2554 + 3 * 2554  # one for ReLU, three for the largest of four
    stated("The largest of four numbers takes three comparisons.")
    stated("ReLU before pooling and max pooling need about four times our comparisons.")
    assert {round(designs[name] / 2554) for name in ("ReLU before pooling", "max pooling")} == {4}
    stated("it has 13.6 million ReLUs, 5,308 times ours. Alice would send 1.8 GB for one photograph.")
    sides = {224: 2 * [64], 112: 2 * [128], 56: 3 * [256], 28: 3 * [512], 14: 3 * [512]}
    relus = sum(side**2 * sum(filters) for side, filters in sides.items()) + 2 * 4096
    assert round(relus / 1e6, 1) == 13.6 and round(relus / 2554) == 5308
    assert round(relus * lesson["prices"][2] / 1e9, 1) == 1.8


def test_swapped_images_are_answered_with_confidence(lesson):
    stated("wrong in most cases, and gives its answer a probability of more than one half on average")
    assert (lesson["swapped_answers"] == lesson["test_labels"]).mean() < 0.5
    assert lesson["confidence"].mean() > 0.5
