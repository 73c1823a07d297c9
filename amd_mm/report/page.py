"""The page: one file that needs no other."""
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

from amd_mm.report.record import write_whole

STYLE = '''
body{font:16px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1320px;padding:0 16px 4em;
color:#222;background:#fff;overflow-wrap:anywhere}
h1{font-size:1.5em}h2{border-top:1px solid #ccc;padding-top:.6em;margin-top:1.6em}
nav a{margin-right:1em;white-space:nowrap}
.charts{display:flex;flex-wrap:wrap;gap:8px 16px}figure{margin:0;width:420px;max-width:100%}
svg{width:100%;font-size:12px;fill:#333}svg .title{font-size:13px;font-weight:600}
polyline{fill:none;stroke-width:1.5}.grid{stroke:#ddd;fill:none}
figcaption{font-size:13px}img{max-width:100%;image-rendering:auto}
.wide{overflow-x:auto}table{border-collapse:collapse}
td,th{text-align:left;padding:3px 14px 3px 0;vertical-align:top;overflow-wrap:normal}
th{font-weight:600}tr+tr td,tr+tr th{border-top:1px solid #eee}
td{min-width:4em}pre{background:#f4f4f4;padding:8px;white-space:pre-wrap}
.trap{background:#fff3d6;border-left:4px solid #d1622b;padding:8px 12px}
table.facts td{overflow-wrap:anywhere}
.beside{display:flex;flex-wrap:wrap;gap:0 20px}.beside>div{flex:1 1 400px;max-width:100%}
.mistakes{display:flex;flex-wrap:wrap;gap:12px}.mistakes figure{width:180px}
.matrix td,.matrix th{text-align:right;padding:3px 8px;border:1px solid #eee}
'''.replace('\n', '')


def write_page(path: str | Path, title: str, sections: Mapping[str, str]) -> None:
    """Write a page, whole or not at all: a reader never meets half of one.

    Args:
        path: The file; its folder is made.
        title: Of the page, as plain text.
        sections: HTML by heading, in this order.
    """
    places = {name: re.sub(r'\W+', '-', name.lower()) for name in sections}
    links = ''.join(f'<a href="#{place}">{escape(name)}</a> ' for name, place in places.items())
    body = ''.join(f'<h2 id="{places[name]}">{escape(name)}</h2>{html}'
                   for name, html in sections.items())
    page = ('<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{escape(title)}</title>'
            f'<style>{STYLE}</style><h1>{escape(title)}</h1><nav>{links}</nav>{body}</html>\n')
    write_whole(Path(path), page.encode())
