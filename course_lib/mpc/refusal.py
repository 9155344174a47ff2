"""Why a party refuses or an engine fails: one sentence, and for HTTP the status that goes with it."""


class Refusal(Exception):
    """A request that can't be met; `status` is an HTTP status, the text one sentence for the caller."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def first_line(error: Exception) -> str:
    """What the engine says of a failure, without its stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() not in ("", "what:")]
    return lines[0] if lines else type(error).__name__
