"""Writes docs/api.md: what each package and module of amd_mm names in its ``__all__``."""
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import amd_mm

LONGEST_DEFAULT = 40  # characters; longer ones are not of interest to a caller
PAGE = Path(__file__).with_name('api.md')
HEAD = """# API

Made by `python docs/make_api.py` from the names in `__all__`, each in the shortest package that has
it. What is not here may change without a word. Types and arguments are in the docstrings:
`python -c "import amd_mm.models; help(amd_mm.models.AMD)"`. A registered part is written
`amd_mm.Name` in a config.
"""


def public_modules() -> list[ModuleType]:
    """Modules with ``__all__``, shorter names first."""
    found = pkgutil.walk_packages(amd_mm.__path__, 'amd_mm.', onerror=raise_it)
    names = ['amd_mm'] + [module.name for module in found if names_its_api(module)]
    return [importlib.import_module(name)
            for name in sorted(names, key=lambda name: (name.count('.'), name))]


def names_its_api(module: pkgutil.ModuleInfo) -> bool:
    """Whether a module has ``__all__``."""
    # Not imported to find out: some modules need packages that only extras install.
    return '\n__all__ = ' in Path(module.module_finder.find_spec(module.name).origin).read_text()


def raise_it(name: str) -> None:
    """What ``pkgutil`` is to do about a package that cannot be imported."""
    raise


def summary(thing: object) -> str:
    """The first sentences of a docstring, up to the first blank line, as Markdown."""
    text = ' '.join((inspect.getdoc(thing) or '').partition('\n\n')[0].split())
    text = re.sub(r':\w+:`~?(?:amd_mm\.[\w.]*\.)?([^`]+)`', r'`\1`', text)
    return text.replace('``', '`')


def signature(thing: object) -> str:
    """Names and defaults of the arguments; empty where a host's class decides them."""
    if inspect.isclass(thing):
        # Python's own have no module.
        decides = getattr(thing.__init__, '__module__', 'amd_mm')
        if not decides.startswith('amd_mm'):
            return ''
    parameters = [p.replace(annotation=p.empty, default=short(p.default))
                  for p in inspect.signature(thing).parameters.values()]
    return str(inspect.Signature(parameters)).replace('Ellipsis', '...')


def short(default: object) -> object:
    """The default, or an ellipsis instead of a long one."""
    return Ellipsis if len(repr(default)) > LONGEST_DEFAULT else default


def entry(name: str, thing: object) -> str:
    """The line of a name."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return f'- `{name}`: {type(thing).__name__}'
    return f'- `{name}{signature(thing)}`: {summary(thing)}'


def page() -> str:
    """The whole page."""
    sections, listed = [HEAD], set()
    for module in public_modules():
        named = {name: getattr(module, name) for name in sorted(module.__all__)}
        entries = [entry(name, thing) for name, thing in named.items() if id(thing) not in listed]
        listed |= set(map(id, named.values()))
        if entries:
            sections.append('\n\n'.join(
                [f'## {module.__name__}', summary(module), '\n'.join(entries)]) + '\n')
    return '\n'.join(sections)


if __name__ == '__main__':
    PAGE.write_text(page())
