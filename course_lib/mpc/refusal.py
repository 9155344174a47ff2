"""Why a party refuses: one sentence, and the HTTP status that goes with it."""


class Refusal(Exception):
    """A request that can't be met; `status` is an HTTP status, the text one sentence for the caller."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status
