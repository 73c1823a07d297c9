"""What the parts of a training step cost, in whatever unit."""
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class Parts:
    """Adds up what the named parts of a step take, by wrapping their calls.

    Args:
        measure: Called without arguments before and after a call; the difference is added.
    """

    def __init__(self, measure: Callable[[], float]) -> None:
        self.measure = measure
        self.totals: dict[str, float] = defaultdict(float)

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Count the calls of the model's parts, named as in the papers.

        Args:
            model: One for pre-training; of any other only the whole forward pass can be told.
                Several teachers are one part, and so is what aligns the student with them.
        """
        named = dict(mask='mask_generator', student='backbone', decoder='decoder')
        owners = [(name, getattr(model, part, None)) for name, part in named.items()]
        for lesson in getattr(model, 'lessons', ()):
            owners += [('teacher', lesson.teacher), ('generator', lesson.neck)]
        undo = []
        for name, owner in owners:
            method = 'encode' if name == 'student' else 'forward'
            # A host's backbone has no encode.
            if hasattr(owner, method) and hasattr(model, 'mask_generator'):
                # Compiled methods stand there as well.
                undo.append((vars(owner), method, vars(owner).get(method)))
                vars(owner)[method] = self._counted(name, getattr(owner, method))
        try:
            yield
        finally:
            for attributes, method, before in undo:
                del attributes[method]
                if before is not None:
                    attributes[method] = before

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as part ``name``."""
        before = self.measure()
        yield
        self.totals[name] += self.measure() - before

    def forward(self, losses: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Call ``losses``; what no watched part of it takes is the part ``losses``."""
        before, inside = self.measure(), sum(self.totals.values())
        result = losses()
        whole = self.measure() - before
        self.totals['losses'] += whole - (sum(self.totals.values()) - inside)
        return result

    def _counted(self, name: str, call: Callable) -> Callable:
        def counted(*args: object, **kwargs: object) -> object:
            with self.part(name):
                return call(*args, **kwargs)
        return counted
