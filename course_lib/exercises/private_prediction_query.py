"""The exercises of the lesson 10_private_prediction_query."""

import numpy as np

from course_lib.exercises.registry import exercise
from course_lib.i18n import N_, _


@exercise(
    "private_prediction_query.copies_agree",
    title=N_("Compare the two copies of each part"),
    hint=N_("The second part of party `r` is the first part of the party after it."),
)
def copies_agree(answer):
    """The answer takes three shares; it returns whether each part is the same at both of its holders."""
    from course_lib.mpc.sharing import from_system, replicate

    honest = replicate([from_system((1, 10)) for _part in range(3)])
    if not answer([share.copy() for share in honest]):
        return _("Nobody has changed anything in the first three shares, but your function says so.")
    for rank, name in enumerate(("alice", "bob", "carol")):
        for part in (0, 1):
            shares = [share.copy() for share in honest]
            shares[rank][0, 3, part] += np.uint64(1)
            if answer(shares):
                return _("{name} has changed part {part} of one number, and that went unnoticed.").format(
                    name=name, part=part
                )
    return None


@exercise(
    "private_prediction_query.seconds_on_network",
    title=N_("Estimate a question's time on a slower network"),
    hint=N_("Add up three things: computing, waiting for each message, and sending each byte."),
)
def seconds_on_network(answer):
    """The answer takes a cost, milliseconds a message and megabits a second; it returns seconds."""
    from course_lib.mpc.costs import Cost

    cost = Cost(seconds=0.25, sent_bytes=500_000, received_bytes=400_000, messages=50, operations=())
    hints = {
        0.25 + 50 * 20 + 0.5e6 * 8 / 1e7: _(
            "The wait for a message is in milliseconds; the result in seconds."
        ),
        0.25 + 50 * 0.02 + 0.5e6 / 1e7: _("A byte has eight bits."),
        0.25 + 50 * 0.02 + 0.5e6 * 8 / 10: _("A megabit is a million bits."),
        50 * 0.02 + 0.5e6 * 8 / 1e7: _("Waiting and sending come on top of `cost.seconds`."),
        0.25 + 0.02 + 0.5e6 * 8 / 1e7: _("Each of the messages waits, not only one."),
        0.25 + 50 * 0.02 + 0.4e6 * 8 / 1e7: _("Count the bytes that the party sends, `cost.sent_bytes`."),
        0.25 + 50 * 0.02: _("The bytes take time, too."),
    }
    for milliseconds, megabits in ((20, 10), (0, 1000)):
        right = 0.25 + 50 * milliseconds / 1000 + 0.5e6 * 8 / (megabits * 1e6)
        found = float(answer(cost, milliseconds, megabits))
        if abs(found - right) < 1e-6:
            continue
        for wrong, hint in hints.items():
            if abs(found - wrong) < 1e-6:
                return hint
        return _(
            "At {milliseconds} ms and {megabits} megabits in a second {right:g} seconds were expected, but"
            " {found:g} came."
        ).format(milliseconds=milliseconds, megabits=megabits, right=right, found=found)
    return None


@exercise(
    "private_prediction_query.ask_all",
    title=N_("Ask about any number of images"),
    hint=N_(
        "Take `size` images at a time, and fill up the last ones with zeros; cut their answers off again."
    ),
)
def ask_all(answer):
    """The answer takes images, `ask` for exactly `size` images, and `size`; it returns all logits."""
    random = np.random.default_rng(3)
    asked = []

    def ask(batch):
        batch = np.asarray(batch)
        if batch.shape != (4, 28, 28, 1):
            raise ValueError(f"(4, 28, 28, 1) was expected, but {batch.shape} came")
        asked.append(batch.dtype)
        return batch.reshape(4, -1)[:, :10].copy()

    for count in (4, 8, 10, 3, 1):
        images = random.random((count, 28, 28, 1)).astype(np.float32)
        asked.clear()
        found = np.asarray(answer(images, ask, 4))
        if found.shape != (count, 10):
            return _("For {count} images the shape {expected} was expected, but {shape} came.").format(
                count=count, expected=(count, 10), shape=found.shape
            )
        if not np.array_equal(found, images.reshape(count, -1)[:, :10]):
            return _("For {count} images the answers are not those of the images, in their order.").format(
                count=count
            )
        fewest = -(-count // 4)
        if len(asked) > fewest:
            return _("For {count} images, 4 at a time, ask {fewest} times; you asked {asked} times.").format(
                count=count, fewest=fewest, asked=len(asked)
            )
    return None
