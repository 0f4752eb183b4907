import itertools

import numpy as np
import pytest

from pianomuse.generate.playable import HandSearch, count_unplayable
from pianomuse.midi.read import read_midi

QUARTER = 24


def chord(*pitches, at=0, length=QUARTER):
    return [(at, at + length, pitch) for pitch in pitches]


@pytest.mark.parametrize(
    ("notes", "bad"),
    [
        (chord(36, 48, 52, 60, 64, 67, 76), 0),
        (chord(48, 64), 0),
        (chord(36, 53, 70), 1),  # each pair is wider than a tenth
        (chord(60, 62, 64, 65, 67, 69, 71, 72, 74, 76), 0),
        (chord(*range(60, 71)), 1),  # eleven notes
        (chord(36, length=4 * QUARTER) + chord(52, 60, at=24) + chord(84, at=48), 0),
        (chord(36, 84, length=4 * QUARTER) + chord(60, at=24), 1),  # both hands hold, the middle is out of reach
    ],
)
def test_a_hand_holds_five_notes_within_a_tenth(notes, bad):
    assert count_unplayable(notes) == bad


def test_one_hand_alone_has_half_of_that():
    assert count_unplayable(chord(60, 76), n_hands=1) == 0
    assert count_unplayable(chord(60, 77), n_hands=1) == 1
    assert count_unplayable(chord(60, 62, 64, 65, 67, 69), n_hands=1) == 1


def test_a_leap_takes_time_beyond_a_tenth():
    def stride(beat_units):
        return [(i * beat_units, i * beat_units + 6, pitch) for i, pitch in enumerate([24, 60, 24, 60])]

    # 20 semitones beyond the tenth need 0.25 s: a quarter at 240, an eighth at 120.
    assert count_unplayable(stride(12), n_hands=1, tempo_bpm=120) == 0
    assert count_unplayable(stride(11), n_hands=1, tempo_bpm=120) > 0
    assert count_unplayable(stride(24), n_hands=1, tempo_bpm=240) == 0
    assert count_unplayable(stride(24), n_hands=1, tempo_bpm=250) > 0
    assert count_unplayable(stride(6), n_hands=2, tempo_bpm=120) == 0  # two hands need no leap


def test_a_key_is_repeated_no_faster_than_fingers_can():
    def repeat(units):
        return [(i * units, i * units + 1, 60) for i in range(5)]

    assert count_unplayable(repeat(4)) == 0  # 83 ms at 120
    assert count_unplayable(repeat(3)) == 4
    assert count_unplayable(repeat(2), tempo_bpm=60) == 0


def test_after_a_place_that_cannot_be_played_the_count_goes_on_with_free_hands():
    assert count_unplayable(chord(36, 60, 84) + chord(40, 64, at=48) + chord(36, 60, 84, at=96)) == 2


def partitions_exist(pitches):
    """Whether any two sets, crossing or not, share these pitches by five and a tenth: exhaustive."""
    for hands in itertools.product((0, 1), repeat=len(pitches)):
        sets = [[p for p, h in zip(pitches, hands, strict=True) if h == which] for which in (0, 1)]
        if all(len(s) <= 5 and (not s or max(s) - min(s) <= 16) for s in sets):
            return True
    return False


def test_a_chord_is_playable_exactly_if_some_way_to_share_it_between_the_hands_exists():
    rng = np.random.default_rng(5)
    answers = []
    for _ in range(600):
        n = int(rng.integers(2, 9))
        low = int(rng.integers(21, 70))
        high = min(low + int(rng.integers(15, 75)), 109)
        pitches = sorted(rng.choice(np.arange(low, high), n, replace=False).tolist())
        answers.append(partitions_exist(pitches))
        assert (count_unplayable(chord(*pitches)) == 0) == answers[-1], pitches
    assert 100 < sum(answers) < 500


def test_what_may_be_struck_only_grows_while_nothing_is_struck():
    rng = np.random.default_rng(6)
    for _ in range(50):
        search, time, ends = HandSearch(2, float(rng.choice([60, 120, 200]))), 0, {}
        for _ in range(30):
            pitch = int(rng.integers(21, 109))
            if ends.get(pitch, 0) <= time and search.strike(pitch, time):
                ends[pitch] = time + int(rng.integers(1, 40))
                search.release_at(pitch, ends[pitch])
            before = [covered(search, time + wait) for wait in range(0, 40, 5)]
            assert all((late | early == late).all() for early, late in itertools.pairwise(before))
            time += int(rng.integers(0, 12))


def covered(search, time):
    mask = np.zeros(128, dtype=bool)
    for low, high in search.ranges(time):
        mask[low : high + 1] = True
    return mask


def test_two_hands_can_play_nearly_every_note_of_real_scores(corpus):
    n_pieces = 0
    for path in sorted(corpus.rglob("*.mid")):
        piece = read_midi(path)
        staves = np.isin([piece.tracks[i].role for i in piece.track_of_note], ["right", "left", "piano"])
        notes = piece.score.tracks[0].notes.numpy()
        scale = 24 / piece.grid.ticks_per_quarter
        onset = np.round(notes["time"] * scale).astype(int)[staves]
        end = np.round((notes["time"] + notes["duration"]) * scale).astype(int)[staves]
        rows = list(zip(onset.tolist(), end.tolist(), notes["pitch"][staves].tolist(), strict=True))
        n_pieces += 1
        assert count_unplayable(rows, tempo_bpm=piece.score.tempos[0].qpm) <= 0.02 * len(rows), path.name
    assert n_pieces > 10
