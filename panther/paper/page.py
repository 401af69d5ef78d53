"""What a figure of the paper leaves: tables, pictures, numbers, and a page that needs nothing else.

A ``Part`` is what one command computes. ``page`` puts any number of parts on one page with their
contents; ``files`` are what a single one leaves in its folder.
"""

import base64
import csv
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from panther.study.report import table as html_table

Cells = Sequence[str]

TEXT_WIDTH = 100
STYLE = """
:root { --ink: #1c2330; --soft: #667085; --line: #e3e7ee; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #303846;
  --paper: #12161d; } img { background: #fff; } }
body { margin: 0 auto; max-width: 84rem; padding: 2rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; } nav ol { padding-left: 1.25rem; }
section { margin-top: 3rem; } section h2 { font-size: 1.3rem; } a { color: inherit; }
p { max-width: 60rem; color: var(--soft); margin: .25rem 0 .75rem; } img { max-width: 100%; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th { text-align: right; color: var(--soft); font-weight: 600; font-size: .8rem; }
td { text-align: right; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .9rem .2rem 0; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
.bad { color: #b3261e; font-weight: 600; }
.prose td:last-child, .prose th:last-child { white-space: normal; text-align: left;
  min-width: 18rem; }
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Some lines under a heading."""

    title: str
    text: str
    """What has to be known to read it."""
    head: Cells
    rows: Sequence[Cells]
    prose: bool = False
    """Whether the last column holds sentences."""

    def as_text(self) -> str:
        """Aligned columns, all but the first, and a last one with sentences, to the right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.head))]
        left = {0, len(self.head) - 1} if self.prose else {0}
        body = "\n".join(
            "  ".join(
                cell.ljust(width) if n in left else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )
        return f"{self.title}\n{textwrap.fill(self.text, TEXT_WIDTH)}\n\n{body}\n"

    def as_html(self, heading: str = "h2") -> str:
        """The same for a page."""
        said = f"<{heading}>{escape(self.title)}</{heading}><p>{escape(self.text)}</p>"
        shown = html_table(self.head, self.rows)
        return said + (f'<div class="prose">{shown}</div>' if self.prose else shown)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A figure or a table of the paper, computed again."""

    name: str
    """Of the command, and of its files."""
    title: str
    text: str
    tables: Sequence[Table]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG by title."""
    records: Sequence[Mapping[str, Any]] = ()
    """Everything that was computed, a flat row each; names end in their unit."""

    def as_text(self) -> str:
        """All tables."""
        return "\n".join(shown.as_text() for shown in self.tables)

    def as_csv(self) -> str:
        """The records; of a list its parts with a blank between."""
        names = list(dict.fromkeys(name for record in self.records for name in record))
        out = io.StringIO()
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.records)
        return out.getvalue()

    def as_json(self) -> str:
        """The records, and the tables as they are printed."""
        shown = [{"title": t.title, "text": t.text, "head": t.head, "rows": t.rows}
                 for t in self.tables]  # fmt: skip
        data = {"name": self.name, "title": self.title, "records": self.records, "tables": shown}
        return json.dumps(data, indent=1) + "\n"

    def as_html(self, heading: str = "h2") -> str:
        """Pictures with their titles, then tables; without the part's own title."""
        shown = [f"<p>{escape(self.text)}</p>"]
        for title, content in self.pictures.items():
            data = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            name = escape(title)
            shown.append(f'<{heading}>{name}</{heading}><img alt="{name}" src="{data}">')
        return "".join([*shown, *(table.as_html(heading) for table in self.tables)])

    def files(self) -> dict[str, bytes]:
        """What it leaves, by file name."""
        found = {
            f"{self.name}.txt": self.as_text().encode(),
            f"{self.name}.csv": self.as_csv().encode(),
            f"{self.name}.json": self.as_json().encode(),
            f"{self.name}.html": page(self.title, self.as_html()).encode(),
        }
        for n, content in enumerate(self.pictures.values()):
            found[f"{self.name}{f'-{n + 1}' if n else ''}.png"] = content
        return found


def page(title: str, body: str) -> str:
    """One HTML page that needs no other file."""
    name = escape(title)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head><body><h1>{name}</h1>{body}</body>"
        "</html>\n"
    )


def together(title: str, text: str, parts: Sequence[Part]) -> str:
    """One page of several parts, with contents."""
    contents = "".join(
        f'<li><a href="#{part.name}">{escape(part.title)}</a></li>' for part in parts
    )
    sections = "".join(
        f'<section id="{part.name}"><h2>{escape(part.title)}</h2>{part.as_html("h3")}</section>'
        for part in parts
    )
    return page(title, f"<p>{escape(text)}</p><nav><ol>{contents}</ol></nav>{sections}")


def pyplot() -> Any:
    """Matplotlib's pyplot, drawing into memory."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as found

    return found


def png(drawn: Any) -> bytes:
    """A drawing's file; it is closed."""
    out = io.BytesIO()
    # nothing of the day or of the version
    drawn.savefig(out, format="png", dpi=110, metadata={"Software": None})
    pyplot().close(drawn)
    return out.getvalue()
