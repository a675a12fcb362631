"""What the steps of a training are, before the first of them: for a forecast of time and memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Steps of one kind; each takes about as long as the others, for the same amount.

    Parameters
    ----------
    kind : str
        Its name within the method.
    n_steps : int
        How many there are.
    amount : float
        Of what a step takes longer by, such as the images in it; more than 0.
    """

    kind: str
    n_steps: int
    amount: float = 1.0


@dataclass(frozen=True)
class Plan:
    """All steps of a training.

    Parameters
    ----------
    works : tuple of Work
        Of each kind once, in any order.
    settling : float
        Amount of what is done before the score is looked at, such as the images that k-means sees.
    is_late : bool
        Nothing is learned before the last step, so the score is looked at once.
    """

    works: tuple[Work, ...]
    settling: float = 1.0
    is_late: bool = False

    @property
    def total(self) -> int:
        """Steps of all kinds."""
        return sum(work.n_steps for work in self.works)

    def work(self, kind: str) -> Work:
        """The steps of a kind."""
        return next(work for work in self.works if work.kind == kind)
