"""The store cannot be had: the one exception that leaves it."""


class StoreDown(Exception):
    """It could not be asked, or did not do as asked. The sentence is for operators, and has no secret in it.

    Whether what was asked has been done nobody knows.
    """

    def __init__(self, sentence: str, *, responded: bool = False) -> None:
        """`responded`: it is there, and said no."""
        super().__init__(sentence)
        self.responded = responded
