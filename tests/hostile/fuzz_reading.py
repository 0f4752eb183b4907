"""Search for files that reading, tokenising or writing as sheet music answers with anything but a result or a sentence.

    python tests/hostile/fuzz_reading.py [-max_total_time=600] [FOLDER_OF_FILES_FOUND_SO_FAR]

Guided by coverage (atheris, libFuzzer's options). It begins with the files of corpus.py, and with those of the folder.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["pianomuse"]):
    from pianomuse.errors import MidiError
    from pianomuse.midi.read import read_midi
    from pianomuse.notation.musicxml import musicxml
    from pianomuse.render.sheet import sheet_of
    from pianomuse.tokens.tokenizer import PianoTokenizer

TOKENIZER = PianoTokenizer()


def take(data: bytes) -> None:
    """Read a file as every verb does."""
    try:
        piece = read_midi(data)
        ids = TOKENIZER.encode(TOKENIZER.musical(piece.score))
        TOKENIZER.find_bar_indices(ids)
        musicxml(sheet_of(piece, "x"))
    except MidiError as error:
        text = str(error)
        assert "\n" not in text


if __name__ == "__main__":
    atheris.Setup(sys.argv, take)
    atheris.Fuzz()
