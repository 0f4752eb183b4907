"""PianoTokenizer: a piano Score to token ids and back, through MidiTok's REMI.

What the model reads of a piece is ``TimeSig Tempo`` (the head: metre and tempo in force), then for every bar
``Bar TimeSig`` and its events. A bar is closed by the next Bar or by the end token, so M bars are M Bar tokens,
empty ones included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from symusic import Score, Track

from pianomuse.errors import VocabularyError
from pianomuse.tokens.quantise import QuantiseReport, bar_lines, quantise
from pianomuse.tokens.remi import PianoREMI
from pianomuse.tokens.snap import is_played, snap
from pianomuse.tokens.vocabulary import Vocabulary, dump_json, piano_vocabulary, require_same, tempo_name

_STRUCTURAL = {"PAD", "BOS", "EOS", "Fill", "Bar", "TimeSig", "Tempo"}


class PianoTokenizer:
    """Tokenise piano music as REMI on a grid of 24 positions per quarter note.

    >>> tokenizer = PianoTokenizer()
    >>> tokenizer.get_vocab_size()
    761
    """

    def __init__(self) -> None:
        self.vocabulary: Vocabulary = piano_vocabulary()
        self._bar = self.vocabulary.id("Bar_None")
        self._structural = np.isin(self.vocabulary.kinds, sorted(_STRUCTURAL))

    @cached_property
    def _remi(self) -> PianoREMI:
        return PianoREMI()

    def get_vocab_size(self) -> int:
        """Return the number of tokens."""
        return len(self.vocabulary)

    def encode(self, score: Score, *, n_bars: int | None = None) -> NDArray[np.int32]:
        """Return the ids of a Score: int32 [T], ``TimeSig Tempo Bar TimeSig …``.

        Args:
            score: one piano part at any ticks per quarter; several tracks are read as one part.
            n_bars: write exactly this many bars: empty ones are added, notes that start later are left out.
                Default: up to the bar in which the last note ends.

        Raises:
            MidiError: a metre the tokens cannot say.

        """
        return self.encode_with_report(score, n_bars=n_bars)[0]

    def encode_with_report(
        self, score: Score, *, n_bars: int | None = None
    ) -> tuple[NDArray[np.int32], QuantiseReport]:
        """Return the ids as `encode` does, and what the grid changed."""
        on_grid, report = quantise(score, n_bars)
        notes = on_grid.tracks[0].notes
        lines = bar_lines(on_grid, max((n.time + n.duration for n in notes), default=1), n_bars)
        _keep_before(on_grid, int(lines[-1]))
        first_metre, first_tempo = on_grid.time_signatures[0], on_grid.tempos[0]
        on_grid.tempos = on_grid.tempos[1:]
        encoded = self._remi.encode(on_grid, no_preprocess_score=True)
        body = list((encoded[0] if isinstance(encoded, list) else encoded).ids)
        head = [
            self.vocabulary.id(f"TimeSig_{first_metre.numerator}/{first_metre.denominator}"),
            self.vocabulary.id(tempo_name(first_tempo.qpm)),
        ]
        ids = np.array(head + body, dtype=np.int32)
        return np.concatenate([ids, self._empty_bars(on_grid, ids, lines)]), report

    def _empty_bars(self, score: Score, ids: NDArray[np.int32], lines: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return ``Bar TimeSig`` for every bar that no event reached: int32 [2 n]."""
        extra: list[int] = []
        for line in lines[int((ids == self._bar).sum()) : -1]:
            metre = [s for s in score.time_signatures if s.time <= line][-1]
            extra += [self._bar, self.vocabulary.id(f"TimeSig_{metre.numerator}/{metre.denominator}")]
        return np.array(extra, dtype=np.int32)

    def decode(self, ids: ArrayLike) -> Score:
        """Return the Score that ids say, at 24 ticks per quarter, one piano track; control tokens are passed over.

        Raises:
            VocabularyError: an id outside the vocabulary.

        """
        array = np.asarray(ids, dtype=np.int64).reshape(-1)
        if len(array) and not (array.min() >= 0 and array.max() < len(self.vocabulary)):
            raise VocabularyError(
                f"token ids must be 0 … {len(self.vocabulary) - 1}; found {array.min()} … {array.max()}"
            )
        score = self._remi.decode([array.tolist()])
        if not score.tracks:
            score.tracks = [Track(name="Piano")]
        return score

    def tokenize_midi(self, path: str | Path) -> NDArray[np.int32]:
        """Return the ids of a MIDI file, played notes read at their musical position: int32 [T].

        Raises:
            MidiError: the file is not readable as piano MIDI.

        """
        from pianomuse.midi.read import read_midi

        return self.encode(self.musical(read_midi(path).score))

    def musical(self, score: Score) -> Score:
        """Return the Score with played notes at their musical position, written ones as they are."""
        return snap(score) if is_played(score) else score

    def detokenize(self, ids: ArrayLike, path: str | Path) -> Path:
        """Write the music that ids say as a MIDI file; return its path."""
        from pianomuse.midi.write import score_bytes, write_atomically

        return write_atomically(Path(path), score_bytes(self.decode(ids)))

    def find_bar_indices(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Return where the bars begin: the indices of all Bar tokens, int64 [n_bars]."""
        return np.flatnonzero(np.asarray(ids) == self._bar)

    def extract_metadata_tokens(self, ids: ArrayLike, up_to_index: int) -> list[int]:
        """Return the time signature and tempo in force before a position: ``[TimeSig, Tempo]``, those that exist."""
        before = np.asarray(ids)[: max(up_to_index, 0)]
        kinds = self.vocabulary.kinds[before]
        found = []
        for kind in ("TimeSig", "Tempo"):
            places = np.flatnonzero(kinds == kind)
            if len(places):
                found.append(int(before[places[-1]]))
        return found

    def is_structural_token(self, id: int) -> bool:
        """Tell whether a token is no part of a note or pedal event: markers, Bar, TimeSig, Tempo."""
        return bool(self._structural[id])

    def save(self, path: str | Path) -> None:
        """Write the vocabulary and its fingerprint as JSON."""
        from pianomuse.midi.write import write_atomically

        write_atomically(Path(path), dump_json(self.vocabulary).encode())

    @classmethod
    def load(cls, path: str | Path) -> PianoTokenizer:
        """Read a saved tokenizer; raise VocabularyError when it is damaged or another version's."""
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise VocabularyError(f"{path}: cannot be read as a saved vocabulary ({error})") from None
        tokenizer = cls()
        require_same(Vocabulary.from_json(document).fingerprint, tokenizer.vocabulary.fingerprint, str(path))
        return tokenizer

    def names(self, ids: Sequence[int] | NDArray[np.int32]) -> list[str]:
        """Return the names of tokens, for people."""
        return [self.vocabulary.token(int(index)) for index in ids]


def _keep_before(score: Score, end: int) -> None:
    track = score.tracks[0]
    track.notes = [note for note in track.notes if note.time < end]
    track.pedals = [pedal for pedal in track.pedals if pedal.time + pedal.duration < end]
    score.tempos = [tempo for tempo in score.tempos if tempo.time < end]
    score.time_signatures = [metre for metre in score.time_signatures if metre.time < end]
