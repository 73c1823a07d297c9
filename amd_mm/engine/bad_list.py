"""The list of bad samples in a work dir: a line of path, tab and reason each."""
from collections.abc import Mapping
from logging import Logger
from pathlib import Path

NAME = 'bad_samples.txt'


def listed_in(path: Path) -> set[str]:
    """Paths of the samples that are in a list, if it is there."""
    if not path.exists():
        return set()
    return {line.partition('\t')[0] for line in path.read_text(encoding='utf-8').splitlines()}


def add_to(path: Path, reasons: Mapping[str, str], fate: str, logger: Logger) -> None:
    """Add samples to a list, and warn of each.

    Args:
        path: The list.
        reasons: Why each one is bad, by its path; of printable characters.
        fate: What was done, for the log.
        logger: Warns.
    """
    with path.open('a', encoding='utf-8') as stream:
        for sample, reason in reasons.items():
            logger.warning(f'Bad sample, {fate}: {sample} ({reason}). Listed in {path}.')
            stream.write(f'{sample}\t{reason}\n')
