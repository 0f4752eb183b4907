"""`pianomuse serve`: the studio's server without its page, for other programs."""

from __future__ import annotations

import typer

from pianomuse.cli import options as o
from pianomuse.cli import studio as s
from pianomuse.cli.choices import Device


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("serve", epilog="Example: pianomuse serve --port 8642")(serve)


def serve(
    host: s.HostOption = "127.0.0.1",
    port: s.PortOption = None,
    token: s.TokenOption = None,
    watch: s.WatchOption = None,
    model: o.Model = None,
    style: o.Style = None,
    style_strength: o.StyleStrength = 1.0,
    device: o.DeviceOption = Device.AUTO,
) -> None:
    """Answer other programs over HTTP (docs/reference/http.md), without the page."""
    voice = s.Voice(model, style, style_strength, device.value)
    s.run(host, port, token, watch, voice, has_page=False, opens_browser=False)
