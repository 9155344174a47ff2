"""What the prose of lesson 07_secret_sharing states: each number and each comparison.

The lesson's own cells are run here. What it says of the engine is asked of the engine, where it has a build.
"""

import ast
import contextlib
import io

import numpy as np
import pytest
from scipy.stats import kstest

from claims.lesson_text import LessonText
from course_lib.mpc.comparison import both, is_negative, to_integers
from course_lib.mpc.sharing import Link, add_up, decode, encode, from_seed, from_system
from tools.layout import HERE
from tools.lessons import read_lesson

stated = LessonText("07_secret_sharing").stated
SOURCE = HERE.root / "lessons" / "07_secret_sharing.py"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """The names that the lesson's cells leave behind, and under "printed" what they printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_HOME", str(tmp_path_factory.mktemp("home")))
        names, text = {"__name__": "__main__"}, io.StringIO()
        with contextlib.redirect_stdout(text):
            for cell in read_lesson(SOURCE).cells:
                if cell.kind in ("code", "solution"):
                    exec(compile(cell.source, "<lesson 07>", "exec"), names)
        yield names | {"printed": text.getvalue()}


def functions(path):
    """The functions at the top of a file, by name: arguments' names, defaults and what they do."""
    found = {}
    for node in ast.parse((HERE.root / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            arguments = [argument.arg for argument in node.args.args]
            defaults = [ast.dump(default) for default in node.args.defaults]
            found[node.name] = (arguments, defaults, [ast.dump(statement) for statement in body])
    return found


@pytest.mark.parametrize(
    ("name", "module"),
    [
        *((name, "sharing") for name in ("split", "add_up", "replicate", "share", "open_shares", "add")),
        *((name, "sharing") for name in ("scale", "zeros", "multiply", "divide", "truncate")),
        ("multiply_numbers", "sharing"),
        ("relu", "comparison"),
    ],
)
def test_lesson_and_library_hold_the_same_function(name, module):
    assert functions(SOURCE)[name] == functions(f"course_lib/mpc/{module}.py")[name]


def test_the_clock_with_a_hundred_hours():
    stated("78, since 71 + 93 + 78 = 242")
    assert 71 + 93 + 78 == 242 and 242 % 100 == 42
    stated("Then 71 and 93 would go with 53.")
    assert (71 + 93 + 53) % 100 == 17
    stated("each of the 100 values is equally likely for it")
    third = [(42 - first - second) % 100 for first in range(100) for second in range(100)]
    assert (np.bincount(third) == 100).all() and len(np.bincount(third)) == 100


def test_a_part_passes_the_test_and_pixels_do_not(lesson):
    stated("784 pixels, each on its own")
    assert lesson["digit"].size == 784 and lesson["y_test"][0] == 7
    stated("Among the pixels one byte, 0, is the paper, and occurs most of the time.")
    assert (lesson["x_test"][:100] == 0).mean() > 0.7
    stated("For good shares any p-value between 0 and 1 is equally likely.")
    zero = np.zeros(2000, dtype=np.uint64)
    found = [lesson["p_value"](part) for _time in range(100) for part in lesson["split"](zero, from_system)]
    assert kstest(found, "uniform").pvalue > 1e-6
    assert lesson["p_value"](lesson["digits"]) == 0.0
    stated("parts that were drawn from a seed pass the same test")
    assert lesson["p_value"](lesson["split"](lesson["digits"], from_seed(7))[2]) > 0.001
    stated("Yet whoever guesses the seed draws the same numbers and reads the secret: the last line.")
    assert "(guessed == digits).all()=True" in lesson["printed"]


def test_fixed_point():
    stated("one **unit** is $2^{-18}$, about 0.000004")
    assert decode(np.array([1], dtype=np.uint64))[0] == 2.0**-18 == pytest.approx(4e-6, rel=0.05)
    stated("-1 unit is $2^{64} - 1$, the hour before 0")
    assert int(encode([-(2.0**-18)])[0]) == 2**64 - 1


def test_nine_products_three_for_each(lesson):
    stated("A grid of nine products of parts. Alice, bob and carol make three each.")
    from course_lib.mpc.sharing_pictures import draw_products

    makers = [text.get_text().split("\n") for text in draw_products().axes[0].texts]
    holds = {"alice": (0, 1), "bob": (1, 2), "carol": (2, 0)}
    assert sorted(name for _product, name in makers) == sorted(3 * list(holds))
    for product, name in makers:
        x_part, y_part = (int(product.split(f"{factor}_")[1][0]) for factor in "xy")
        assert x_part in holds[name] and y_part in holds[name]
    stated("alice 0 and 1, bob 1 and 2, carol 2 and 0")
    parts = [np.array([part], dtype=np.uint64) for part in range(3)]
    assert [held[0].tolist() for held in lesson["replicate"](parts)] == [
        list(pair) for pair in holds.values()
    ]
    stated("three random numbers that add up to 0")
    assert (add_up(lesson["zeros"]((5,), from_system)) == 0).all()


def test_a_dot_product_costs_as_much_as_a_product(lesson):
    stated("For a whole dot product it is *the same*")
    link = Link(from_system)
    row, column = (lesson["share"](np.ones(shape), from_system) for shape in ((1, 784), (784, 1)))
    lesson["multiply"](row, column, link, np.matmul)
    stated("This takes one round, and one number of 8 bytes from each party.")
    assert (link.rounds, link.sent_bytes) == (1, [8, 8, 8])


def test_truncation(lesson):
    stated("off by less than one unit, up or down by chance; the figure shows how far, for 100,000 numbers")
    errors = lesson["errors"]
    assert len(errors) == 100_000 and errors.min() < -0.9 and errors.max() > 0.9 and abs(errors).max() < 1
    stated("On average the errors cancel.")
    assert abs(errors.mean()) < 0.01
    stated("A histogram like a tent: most errors near 0, none beyond one unit up or down.")
    counts, _edges = np.histogram(abs(errors), bins=4, range=(0, 1))
    assert (np.diff(counts) < 0).all()


def test_carries_in_six_steps_and_a_comparison_in_ten_rounds(lesson):
    stated("In 71 + 93 + 78 = 242 you can't tell the tens without adding up the ones first")
    assert (71 // 10 + 93 // 10 + 78 // 10) % 10 != 242 // 10 % 10
    stated("Waiting place by place would take 64 steps. Doubling the distance takes six")
    assert 2**6 == 64
    x, y = from_seed(3)((2, 1000))
    assert (x ^ y ^ (lesson["carries"](x, y) << np.uint64(1)) == x + y).all()
    stated(
        "One turns the sum of three parts into a sum of two numbers, one makes the first carries, six double"
    )
    stated("and two turn the bit that comes out into a number: ten in all")
    shares, link = lesson["share"]([1.0], from_system), Link(from_system)
    both(shares, shares, link)
    assert link.rounds == 1
    to_integers(shares, link)
    assert link.rounds - 1 == 2 and 1 + 1 + 6 + 2 == 10
    assert lesson["price"](is_negative) == (10, 128)
    stated("`course_lib.mpc.comparison`, does just this, in a hundred lines")
    lines = (HERE.root / "course_lib/mpc/comparison.py").read_text(encoding="utf-8").splitlines()
    assert 80 < len(lines) < 130


def test_prices(lesson):
    price, share = lesson["price"], lesson["share"]
    stated("A sum costs nothing, a product one round and 8 bytes from each party.")
    assert price(lambda x, link: lesson["add"](x, x)) == (0, 0)
    assert price(lambda x, link: lesson["multiply"](x, x, link)) == (1, 8)
    stated(
        "A ReLU takes eleven rounds and 136 bytes, of which the comparison takes ten rounds and 128 bytes."
    )
    assert price(lesson["relu"]) == (11, 136)
    stated("**17 times as many bytes** as a product, and above all eleven times as long to wait")
    assert 136 / 8 == 17 and 11 / 1 == 11
    stated("one more product, which needs no truncation")
    assert decode(lesson["open_shares"](lesson["relu"](share([2.5], from_system), Link(from_system)))) == [
        2.5
    ]


def test_the_small_network(lesson):
    stated("leaves 49 numbers; a linear layer makes 32 of them; ReLU; a second linear layer makes ten scores")
    assert [values.shape for values in lesson["weights"]] == [(49, 32), (32,), (32, 10), (10,)]
    stated("right for about 94% of the test images")
    pooled = lesson["pool"](lesson["x_test"]) / 255
    assert lesson["model"].score(pooled, lesson["y_test"]) == pytest.approx(0.94, abs=0.015)
    stated("The same decision for all 1,000 images, and no score is off by 0.001 or more.")
    assert len(lesson["scores"]) == 1000
    assert (lesson["scores"].argmax(axis=1) == lesson["expected"].argmax(axis=1)).all()
    assert abs(lesson["scores"] - lesson["expected"]).max() < 1e-3
    in_the_open = lesson["model"].predict(pooled[:1000])
    assert (lesson["expected"].argmax(axis=1) == in_the_open).all()


def test_rounds_do_not_grow_with_the_number_of_images(lesson):
    stated("The rounds are the same for one image and for a thousand")
    rounds = []
    for count in (1, 50):
        link, question = Link(from_system), lesson["share"](lesson["x_test"][:count] / 255, from_system)
        lesson["network"](question, lesson["shared_model"], link)
        rounds.append(link.rounds)
    assert rounds == [16, 16]


def test_the_network_of_lesson_08_by_our_count(lesson):
    stated("three times convolution, average pooling over 2 x 2 and ReLU, then a linear layer")
    side, before, after = 28, 0, 0
    for channels in (10, 32, 64):
        side -= 2  # a convolution of 3 x 3
        before += side * side * channels
        side //= 2
        after += side * side * channels
    assert (before, after) == (lesson["convolved"], lesson["pooled"]) == (11_208, 2_554)
    stated("Of 44 rounds, 33 are for ReLU, and of 547 kB that alice sends, 347.")
    rounds, sent = lesson["rounds"], lesson["sent"]
    assert sum(rounds.values()) == 44 and rounds["ReLU"] == 33
    assert round(sum(sent.values()) / 1000) == 547 and round(sent["ReLU"] / 1000) == 347
    stated("Of the three she sends the most, because of the truncations.")
    link = Link(from_system)
    lesson["truncate"](lesson["share"]([1.0], from_system), link)
    assert link.sent_bytes == [8, 0, 0]
    stated("ReLU before pooling means 4.4 times as many ReLUs")
    assert round(before / after, 1) == 4.4
    stated("The last lines add the waiting for 44 messages")
    stated("over a line of one gigabit per second")
    assert sum(sent.values()) * 8 / 1e9 == pytest.approx(0.0044, rel=0.01)
    assert (
        "9 ms\n" in lesson["printed"] and "48 ms\n" in lesson["printed"] and "884 ms\n" in lesson["printed"]
    )
    stated("At 20 ms almost all of it is waiting.")
    assert 44 * 20 / 884 > 0.95


def test_the_engines_own_count():
    """The network of lesson 08 on the engine: what each party sends, and what a comparison costs there."""
    mpc_parts = pytest.importorskip("mpc_parts")
    keras = pytest.importorskip("keras")
    from course_lib.mpc import SharedModel, TFEWorker
    from course_lib.mpc.compilation import compile_model

    network = [keras.Input((28, 28, 1), batch_size=1)]
    for channels in (10, 32, 64):
        network += [keras.layers.Conv2D(channels, 3), keras.layers.AveragePooling2D(2), keras.layers.ReLU()]
    model = keras.Sequential([*network, keras.layers.Flatten(), keras.layers.Dense(10)])
    with mpc_parts.new_cluster() as cluster:
        SharedModel(compile_model(model), cluster).serve()
        client = TFEWorker()
        client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
        client.query_model(np.zeros((1, 28, 28, 1), np.float32))
        costs = client.costs.values()
    stated("about 50 messages from each party, and less than 450 kB")
    # The engine draws which party does what: of one party's bytes a quarter, of the sum nothing changes.
    assert all(40 <= cost.messages <= 60 and 250_000 < cost.sent_bytes < 450_000 for cost in costs)
    assert sum(cost.sent_bytes for cost in costs) == 1_094_136
    stated("It compares with 36 bytes for each number in place of our 128")
    compared = [part for cost in costs for part in cost.operations if part.name == "less"]
    assert len(compared) == 3 and all(part.sent_bytes == 36 * 2554 for part in compared)


def test_what_each_party_sees_is_noise(lesson):
    stated("draws the first 576 numbers that came in messages")
    stated("Carol gets three messages more, from alice: one for each truncation.")
    messages = [len(received) for received in lesson["received"]]
    assert messages[2] == messages[0] + 3 == messages[1] + 3
    for rank, received in enumerate(lesson["received"]):
        assert sum(len(message) for message in received) >= 576
        stored = [values[rank].ravel() for values in (lesson["question"], *lesson["shared_model"])]
        assert lesson["p_value"](np.concatenate([*stored, *received])) > 1e-6


def test_two_parties_see_the_digit_and_the_weights(lesson):
    stated("Alice has parts 0 and 1, bob has 1 and 2.")
    stated("In the same way the two read the weights, and every number in between.")
    for shares, secret in (
        (lesson["question"], lesson["digit"] / 255),
        (lesson["shared_model"][0], lesson["weights"][0]),
    ):
        alice, bob, carol = shares
        for together in (
            alice[..., 0] + alice[..., 1] + bob[..., 1],
            bob[..., 0] + bob[..., 1] + carol[..., 1],
            carol[..., 0] + carol[..., 1] + alice[..., 1],
        ):
            assert abs(decode(together) - secret).max() < 1e-5


def test_overflow(lesson):
    stated("20,000 times 20,000 is 400 million")
    stated("a product has room only up to $2^{27}$, about 134 million")
    assert 20_000**2 == 400_000_000 and round(2**27 / 1e6) == 134 and 2 ** (63 - 36) == 2**27
    assert "131564544.0\n" in lesson["printed"] and 131_564_544 == 400_000_000 - 2**28


def test_truncation_that_fails(lesson):
    stated("the result is off by $2^{28}$, about 268 million")
    stated("The chance of that is $|v| / 2^{28}$ for a product $v$: one in 268 million for 1, but one in 256")
    assert round(2**28 / 1e6) == 268 and 2**28 / 1024**2 == 256
    stated("We try this 10,000 times")
    assert len(lesson["products"]) == 10_000 and 20 < lesson["far_off"].sum() < 60
    off = abs(lesson["products"][lesson["far_off"]] - 1024**2)
    np.testing.assert_allclose(off, 2**28, atol=1)
    stated("make 42,000 products, small ones: one run in about 3,000 would be far off somewhere")
    (first, _first_intercept, _second, intercept) = lesson["weights"]
    layers = [lesson["pool"](lesson["x_test"][:1000]) / 255 @ first, lesson["expected"] - intercept]
    assert sum(values.size for values in layers) == 42_000
    assert 2000 < 2**28 / sum(abs(values).sum() for values in layers) < 4500
    share, link = lesson["share"], Link(from_seed(3))
    values = share(np.full(200_000, 1024.0), from_seed(4))
    many = decode(lesson["open_shares"](lesson["multiply_numbers"](values, values, link)))
    assert (abs(many - 1024**2) > 1).mean() == pytest.approx(1 / 256, rel=0.15)


def test_the_engines_truncation_does_not_fail_below_2_to_the_26():
    stated("that does not fail as long as products stay below $2^{26}$")
    mpc_parts = pytest.importorskip("mpc_parts")
    from course_lib.mpc import engine

    program = mpc_parts.program(lambda a, b: a * b, (20_000,), (20_000,))
    far_off = {}
    for factor in (1024.0, 8000.0, 9000.0):
        values = np.full(20_000, factor, np.float32)
        product = engine.run_in_threads(program, [values, values], values.shape)
        far_off[factor] = (abs(product - factor**2) > 100).sum()
    assert 8000**2 < 2**26 < 9000**2
    assert far_off[1024.0] == far_off[8000.0] == 0 < far_off[9000.0]


def test_a_party_that_cheats(lesson):
    stated("In the last product he adds 100 to the number that he passes on, in the place of the three.")
    stated("All shares still fit together, each part is the same at both of its holders, and the answer is")
    assert lesson["printed"].endswith("7 fits=True\n3 fits=True\n")
