"""What the prose of lesson 10_private_prediction_query states: each number and each comparison."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("spu", reason="the engine of the three parties has no build for this machine")

import course_lib.mpc as sy
from claims.lesson_text import LessonText
from course_lib.mpc import digits, recordings, wire
from course_lib.mpc.spec import PARTIES
from tools.layout import HERE
from tools.lessons import read_lesson

LESSON = "10_private_prediction_query"
stated = LessonText(LESSON).stated
IMAGES = np.random.default_rng(1).random((64, 28, 28, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def cluster():
    """The lessons' network, untrained: that changes no cost."""
    with sy.TFECluster(sy.TFEWorker(), sy.TFEWorker(), sy.TFEWorker()) as cluster:
        sy.share(digits.build_network(), cluster).serve()
        yield cluster


def costs_of(cluster, images: int) -> list:
    """What a question about so many images cost alice, bob and carol."""
    client = sy.TFEWorker()
    client.connect_to_model((images, 28, 28, 1), (images, 10), cluster)
    client.query_model(IMAGES[:images])
    return [client.costs[party] for party in PARTIES]


def total(costs, what: str) -> int:
    return sum(getattr(cost, what) for cost in costs)


def test_the_sums_over_the_parties_are_the_same_each_time(cluster):
    stated("Their sums don't: 1.1 MB and 143 messages for one image.")
    asked = [costs_of(cluster, 1) for _question in range(4)]
    assert {round(total(costs, "sent_bytes") / 1e6, 1) for costs in asked} == {1.1}
    assert {total(costs, "messages") for costs in asked} == {143}
    assert len({total(costs, "sent_bytes") for costs in asked}) == 1
    stated("the numbers by party change a little from question to question")
    assert len({tuple(cost.sent_bytes for cost in costs) for costs in asked}) > 1
    stated("1.1 MB, in about 50 messages each")
    assert all(41 <= cost.messages <= 51 for costs in asked for cost in costs)


def test_comparing_takes_half_of_the_messages_and_convolutions_half_of_the_bytes(cluster):
    messages, sent = Counter(), Counter()
    costs = costs_of(cluster, 1)
    for cost in costs:
        for operation in cost.operations:
            messages[operation.name] += operation.messages
            sent[operation.name] += operation.sent_bytes
    stated("Comparing alone takes half of all messages")
    assert abs(messages["less"] / messages.total() - 0.5) < 0.02
    stated("the convolutions send about half of the bytes")
    assert abs(sent["convolution"] / sent.total() - 0.5) < 0.05
    stated("Pooling sends nothing for its sums.")
    assert sent["add"] == messages["add"] == 0 and "reduce_window" not in sent
    stated("eight messages from each party to compare")
    less = [op for cost in costs for op in cost.operations if op.name == "less"]
    assert [(op.times, op.messages) for op in less] == [(3, 3 * 8)] * 3


def test_bytes_grow_with_the_images_and_messages_do_not(cluster):
    stated("Bytes grow with the number of images. The number of messages **does not**")
    one, many = costs_of(cluster, 1), costs_of(cluster, 64)
    assert total(many, "sent_bytes") == pytest.approx(64 * total(one, "sent_bytes"), rel=0.01)
    assert total(many, "messages") == total(one, "messages")
    stated("one image took a second longer, as the estimate says")
    assert abs(max(cost.messages for cost in one) * 0.020 - 1) < 0.15


def test_what_the_client_sends():
    stated("The client sends a frame to each party, 37,728 bytes in all, for an image of 784 bytes.")
    assert 3 * wire.share_frame_bytes((1, 28, 28, 1)) == 37_728 and 28 * 28 == 784
    stated("| the client sends | 44 kB, and keys of 0.7 MB once | 38 kB in all |")
    assert round(37_728 / 1000) == 38
    linear = LessonText("05_encrypted_inference").stated  # its claims are tested beside it
    linear("to ask about an image of 0.8 kB, we send 44 kB")
    linear("the keys shrink from 35 MB to 0.7 MB")


def test_this_notebook_never_loads_tensorflow():
    stated("**this notebook never has the model**, and does not even load TensorFlow")
    cells = read_lesson(HERE.root / "lessons" / f"{LESSON}.py").cells
    (imports,) = [cell.source for cell in cells if "imports" in cell.tags]
    code = f"{imports}\nimport sys\nassert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    later = "\n".join(cell.source for cell in cells)
    assert "tensorflow()" not in later and "_network()" not in later


def test_an_image_of_another_scale_is_not_noticed(cluster):
    stated("An image that is scaled wrongly but has the right form")
    client = sy.TFEWorker()
    client.connect_to_model((1, 28, 28, 1), (1, 10), cluster)
    assert np.isfinite(client.query_model(IMAGES[:1] * 255)).all()


def test_up_to_64_images_at_once(cluster):
    stated("A question may hold many images, up to 64 here")
    with pytest.raises(ValueError, match="Between 1 and 64 examples"):
        sy.TFEWorker().connect_to_model((65, 28, 28, 1), (65, 10), cluster)


def test_the_uniformity_test_is_as_strict_as_the_prose_says():
    stated("lets uniform bytes fail once in a million times")
    assert recordings._CHANCE == 1e-6
    stated("beyond $2^{26}$ inside the network")
