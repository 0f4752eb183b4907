"""MIDI files and symusic Scores; the only room that knows ticks."""
