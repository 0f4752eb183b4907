"""`pianomuse studio`: compose in the browser; `pianomuse serve` is in `cli/serve.py`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianomuse.cli import options as o
from pianomuse.cli.choices import Device

if TYPE_CHECKING:
    from pianomuse.api import Muse

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; any but 127.0.0.1 needs an access token.")
]
PortOption = Annotated[
    int | None, typer.Option("--port", metavar="P", min=0, max=65535, help="Default: 8642, or a free one.")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="PIANOMUSE_TOKEN",
        metavar="WORD",
        help="Access token; default: a new one if needed.",
    ),
]
WatchOption = Annotated[
    Path | None, typer.Option("--watch", metavar="FILE.mid", help="A file that a DAW writes: the page offers it anew.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("studio", epilog="Example: pianomuse studio")(studio)


def studio(
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    token: TokenOption = None,
    watch: WatchOption = None,
    model: o.Model = None,
    style: o.Style = None,
    style_strength: o.StyleStrength = 1.0,
    device: o.DeviceOption = Device.AUTO,
) -> None:
    """Compose in the browser: a piano roll, a piano, sheet music, and ideas as ghost notes. No network is needed."""
    voice = Voice(model, style, style_strength, device.value)
    run(host, port, token, watch, voice, has_page=True, opens_browser=not no_browser)


@dataclass(frozen=True)
class Voice:
    """What writes: a model, where it runs, and a style."""

    model: str | None
    style: Path | None
    style_strength: float
    device: str

    def load(self) -> Muse:
        """Load it."""
        from pianomuse.api import load
        from pianomuse.errors import RequestError

        if self.style is None and self.style_strength != 1:
            raise RequestError(f"--style-strength {self.style_strength:g}: name the style too, with --style FILE")
        muse = load(self.model, self.device)
        return muse if self.style is None else muse.with_style(self.style, self.style_strength)


def run(
    host: str,
    port: int | None,
    token: str | None,
    watch: Path | None,
    voice: Voice,
    *,
    has_page: bool,
    opens_browser: bool,
) -> None:
    """Load the model and serve until interrupted."""
    from pianomuse.errors import RequestError

    try:
        from pianomuse.server.run import listen, open_browser, serve, warm_up
        from pianomuse.server.state import State
    except ModuleNotFoundError as error:
        raise RequestError(
            f"{error.name} is missing, it comes with the studio: pip install 'pianomuse[studio]'"
        ) from error
    if watch is not None and watch.suffix.lower() not in (".mid", ".midi"):
        raise RequestError(f"--watch {watch}: name a MIDI file (.mid)")
    state = State(voice.load(), watch)
    address = listen(host, port, token)
    if address.notice:
        typer.echo(address.notice, err=True)
    typer.echo(address.url)
    typer.echo(f"{'The studio is' if has_page else 'Serving'} at this address; Ctrl+C stops it.", err=True)

    def when_ready() -> None:
        if opens_browser and not open_browser(address.url):
            typer.echo("No browser was found: open the address yourself.", err=True)
        warm_up(state)

    with suppress(KeyboardInterrupt):  # comes where the shell lets it through; the server has stopped either way
        serve(state, address, has_page=has_page, when_ready=when_ready)
    typer.echo("Stopped.", err=True)
