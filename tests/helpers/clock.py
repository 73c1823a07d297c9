"""A clock that no busy machine can put out of step."""


class Clock:
    """Seconds that pass in :meth:`sleep`, and ``tick`` of them at every look.

    Its methods stand in for those of the module ``time``.
    """

    def __init__(self, tick: float = 0.) -> None:
        self.seconds = 1000.
        self.tick = tick

    def time(self) -> float:
        self.seconds += self.tick
        return self.seconds

    perf_counter = time

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
