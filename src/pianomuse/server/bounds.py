"""How much one client may ask for; `GET /api/v1/info` tells all of it, and every bound has its own refusal."""

from __future__ import annotations

from pianomuse.generate.compose import MAX_CANDIDATES
from pianomuse.midi.events import MAX_FILE_BYTES
from pianomuse.tokens.vocabulary import MAX_BARS_TO_WRITE

BARS = MAX_BARS_TO_WRITE
CANDIDATES = MAX_CANDIDATES
NOTES = 50_000
PEDALS = 50_000
TEMPOS = 50_000  # a tempo curve of a sequencer has one every few ticks
METRES = 10_000
TRACKS = 256
TICK = 2**29  # and as much for a duration; together what `midi.events` allows
PPQ = (1, 32_767)
TEXT = 200  # characters of a title or a name
WORDS = 2_000  # characters of a limit, such as chords bar by bar
SOURCE_CHARS = -(-MAX_FILE_BYTES // 3) * 4  # base64
REQUEST_BYTES = 20 * 2**20  # a source of the greatest size, and notes
STREAMS = 4  # requests for ideas at once, over all tabs
CONVERSIONS = 2  # imports and exports at once
REQUEST_SECONDS = 180
WAV_SECONDS = 20 * 60
SESSIONS = 4  # pieces whose reading is remembered
SESSION_MB = 64.0
CONNECTIONS = 64
STYLE_FILES = 100
STYLE_MINUTES = 10
SHEET_BARS = 64  # of sheet music at once
AMONG = 64  # ideas of which one is preferred


def as_told() -> dict[str, int]:
    """Return the bounds by the names that `info` uses."""
    return {
        "bars": BARS,
        "candidates": CANDIDATES,
        "notes": NOTES,
        "pedals": PEDALS,
        "tempos": TEMPOS,
        "metres": METRES,
        "tracks": TRACKS,
        "request_bytes": REQUEST_BYTES,
        "streams": STREAMS,
        "conversions": CONVERSIONS,
        "request_seconds": REQUEST_SECONDS,
        "wav_seconds": WAV_SECONDS,
        "sheet_bars": SHEET_BARS,
        "style_files": STYLE_FILES,
        "style_minutes": STYLE_MINUTES,
    }
