"""The parts of a page, a file each: from a run's record to HTML, empty where nothing is known."""
from collections.abc import Callable

from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves
from amd_mm.report.sections import (
    batches,
    facts,
    health,
    losses,
    next_steps,
    pictures,
    predictions,
    times,
)

# By heading, in the order of the page.
SECTIONS: dict[str, Callable[[Record, Curves], str]] = {
    'What was trained': facts.show,
    'Batches': batches.show,
    'Losses': losses.show,
    'Reconstructions': pictures.show_reconstructions,
    'Features as colours': pictures.show_colours,
    'Health': health.show,
    'Predictions': predictions.show,
    'Time and cost': times.show,
    'What comes next': next_steps.show,
}
