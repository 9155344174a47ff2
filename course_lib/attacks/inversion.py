"""Model inversion: what a class looks like, rebuilt from a model's confidences.

Promises: `invert_class` is for an attacker who has the model (white box), `invert_from_confidences` for one
who may only ask it (black box); questions are counted. Leaves out: single training images. What comes out is
what the model takes for typical of a class; where a class is one person, as in recognising faces, that is a
portrait.

Source: Fredrikson, Jha and Ristenpart 2015, "Model Inversion Attacks that Exploit Confidence Information and
Basic Countermeasures", CCS 2015, algorithm 1; also for the black box and for rounding.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.i18n import _

#: From inputs, float32 of shape (n, features), to the scores before the softmax, float32 (n, classes).
Model = Callable[[Tensor], Tensor]
#: From inputs likewise to confidences between 0 and 1, float32 of shape (n, classes).
Confidences = Callable[[Tensor], Tensor]


class AnsweringModel:
    """A model behind a service: it answers with confidences, and counts the inputs that it was asked about.

    With `decimals` the answers are rounded first, a defence that the paper tries.

    >>> model = AnsweringModel(lambda inputs: inputs @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), decimals=1)
    >>> model(torch.tensor([[1.0, 0.0], [0.0, 0.0]])), model.questions
    (tensor([[0.9000, 0.1000],
            [0.5000, 0.5000]]), 2)
    """

    def __init__(self, model: Model, *, decimals: int | None = None):
        self._model, self._decimals = model, decimals
        self.questions = 0

    def __call__(self, inputs: Tensor) -> Tensor:
        """The confidences of `inputs` (n, features), float32 of shape (n, classes)."""
        self.questions += len(inputs)
        with torch.no_grad():
            confidences = self._model(inputs).softmax(dim=1)
        return confidences if self._decimals is None else confidences.round(decimals=self._decimals)


def invert_class(
    model: Model, label: int, *, features: int, steps: int = 10, step_size: float = 5.0
) -> Tensor:
    """Begin with zeros and climb along the gradient of the confidence of `label`, inside [0, 1].

    Returns the input it comes to, float32 of shape (features,). Raises ValueError when steps are fewer than
    one or the step size is not above 0.

    >>> model = lambda inputs: inputs @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> invert_class(model, 1, features=2)
    tensor([0., 1.])
    """

    def slope(image: Tensor) -> Tensor:
        image = image.requires_grad_(True)
        confidence = model(image[None]).softmax(dim=1)[0, label]
        return torch.autograd.grad(confidence, image)[0]

    return _climb(slope, features, steps, step_size)


def invert_from_confidences(
    ask: Confidences,
    label: int,
    *,
    features: int,
    steps: int = 10,
    step_size: float = 5.0,
    difference: float = 0.01,
) -> Tensor:
    """The same from answers alone: each step asks about the input, and about it with one feature changed.

    That makes (features + 1) * steps questions. Each feature is moved by `difference`, inside [0, 1]: it
    should be so large that the answers show it. Raises ValueError as `invert_class` does, and for a
    difference that is not above 0.

    >>> model = lambda inputs: inputs @ torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    >>> asked = AnsweringModel(model)
    >>> invert_from_confidences(asked, 1, features=2), asked.questions
    (tensor([0., 1.]), 30)
    """
    if not difference > 0:
        raise ValueError(
            _("A difference above 0 was expected, but {difference} came.").format(difference=difference)
        )

    def slope(image: Tensor) -> Tensor:
        # Towards the farther end of [0, 1], so that no question is out of range.
        moved = torch.where(
            image <= 0.5, (image + difference).clamp(max=1), (image - difference).clamp(min=0)
        )
        change = moved - image
        answers = ask(torch.cat([image[None], image + torch.diag(change)]))[:, label]
        return (answers[1:] - answers[0]) / change

    return _climb(slope, features, steps, step_size)


def _climb(slope: Callable[[Tensor], Tensor], features: int, steps: int, step_size: float) -> Tensor:
    """Algorithm 1 of the paper, but for its early stops: follow `slope`, and stay in [0, 1]."""
    if steps < 1 or not step_size > 0:
        message = _("At least one step, of a size above 0, was expected, but {steps} of {size} came.")
        raise ValueError(message.format(steps=steps, size=step_size))
    image = torch.zeros(features)
    for _step in range(steps):
        image = (image + step_size * slope(image)).detach().clamp(0, 1)
    return image
