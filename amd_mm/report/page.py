"""The page: one file that needs no other."""
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path

STYLE = ('body{font:15px sans-serif;margin:1em auto;max-width:1300px;padding:0 1em}'
         'svg{width:420px;max-width:100%;font-size:11px}img{max-width:100%}'
         'td,th{text-align:left;padding:2px 12px 2px 0}')


def write_page(path: str | Path, title: str, sections: Mapping[str, str]) -> None:
    """Write a page, whole or not at all: a reader never meets half of one.

    Args:
        path: The file; its folder is made.
        title: Of the page, as plain text.
        sections: HTML by heading, in this order.
    """
    body = ''.join(f'<h2>{escape(name)}</h2>{html}' for name, html in sections.items())
    page = ('<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
            f'<style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>\n')
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix('.tmp')
    unfinished.write_text(page, encoding='utf-8')
    os.replace(unfinished, path)
