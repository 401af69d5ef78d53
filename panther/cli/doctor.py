"""``panther doctor``: is everything there?"""

import typer

from panther import tools


def doctor() -> None:
    """List the tools found, their versions, and what to install. Status 1 if one is missing."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("tool", "found", "needs", "for", "state"):
        table.add_column(column, overflow="fold")
    statuses = tools.survey()
    for status in statuses:
        need, colour = status.requirement, "green"
        state = "ok"
        if status.problem:
            colour = "red" if need.required else "yellow"
            kind = "" if need.required else " (optional: its tests will be NOT RUN)"
            state = f"{status.problem}{kind}; {need.install}"
        table.add_row(
            need.name,
            status.tool.version if status.tool is not None else "-",
            f">= {need.minimum}",
            need.purpose,
            f"[{colour}]{state}[/]",
        )
    console = Console()
    console.print(table)
    if any(status.problem and status.requirement.required for status in statuses):
        console.print("\n[red]Something required is missing.[/]")
        raise typer.Exit(1)
