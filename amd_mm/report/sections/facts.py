"""What was trained."""
from typing import Any

from amd_mm.report.html import facts, paragraph, short, table
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves

# What is said of the part `losses` of a step, where operations are counted.
_NAMES = {'losses': 'heads and losses'}


def show(record: Record, curves: Curves) -> str:
    """The run in lines, its networks, and how much they have seen."""
    known = record.read('facts')
    if not known:
        return ''
    progress = record.read('progress')
    return (facts(known['header']) + _networks(known) + _seen(known, progress)
            + _bad(progress.get('bad', {})))


def _networks(known: dict[str, Any]) -> str:
    flops = known['flops']
    # Of one teacher of several, nothing is known.
    rows = [(name, f'{every:,}', f'{trained:,}', _giga(flops.get(name)))
            for name, (every, trained) in known['parameters'].items()]
    rows += [(_NAMES.get(name, name), '', '', _giga(count)) for name, count in flops.items()
             if count and not any(name == part.partition(' ')[0] for part in known['parameters'])]
    if flops:
        rows.append(('in all', '', '', _giga(sum(flops.values()))))
    text = '<h3>Networks</h3>' + table(
        rows, ('part', 'parameters', 'trained', 'GFLOP an input' if flops else ''))
    if any(name.startswith('teacher ') for name in known['parameters']):
        text += paragraph('The operations of all teachers are counted together.')
    return text


def _giga(count: float | None) -> str:
    return '' if count is None else f'{count / 1e9:,.3g}'


def _seen(known: dict[str, Any], progress: dict[str, Any]) -> str:
    updates = progress.get('update', 0)
    inputs = updates * known['inputs']
    share = updates / known['max_updates'] if known['max_updates'] else 0
    rows = [('updates', f'{known["max_updates"]:,}', f'{updates:,} ({share:.0%})'),
            ('inputs', f'{known["inputs"]:,} an update', f'{inputs:,}')]
    rows += [(f'tokens {name}', f'{count:,} an input', short(count * inputs))
             for name, count in known['tokens'].items()]
    return '<h3>Seen</h3>' + table(rows, ('', 'planned', 'so far'))


def _bad(bad: dict[str, Any]) -> str:
    if not bad:
        return ''
    text = f'{bad["replaced"]:,} of {bad["seen"]:,} samples since the start were bad'
    if kinds := bad.get('kinds'):
        text += ': ' + ', '.join(f'{count} {kind}' for kind, count in kinds.items())
        text += '; bad_samples.txt lists them'
    return paragraph(f'{text}.')
