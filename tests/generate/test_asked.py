"""Limits in a musician's words: what is read, and what is refused by name."""

import pytest

from pianomuse.errors import RequestError
from pianomuse.generate.asked import of_bar, read_asked
from pianomuse.generate.bar_limits import spans_of
from pianomuse.generate.harmony import CHORD_TONES, SCALES, parse_chord, parse_key, parse_pitch, parse_scale


def tones(*names):
    return {parse_pitch(f"{name}4") % 12 for name in names}


@pytest.mark.parametrize(
    ("text", "index", "notes"),
    [
        ("C", 0, "C D E F G A B"),
        ("Am", 21, "A B C D E F F# G G#"),
        ("a", 21, "A B C D E F F# G G#"),
        ("F# minor", 18, "F# G# A B C# D D# E E#"),
        ("B♭ major", 10, "Bb C D Eb F G A"),
        ("g moll", 19, "G A Bb C D Eb E F F#"),
    ],
)
def test_keys(text, index, notes):
    assert parse_key(text).key_index == index
    assert parse_key(text).tones == tones(*notes.split())


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("D dorian", "D E F G A B C"),
        ("c  Pentatonic", "C D E G A"),
        ("A harmonic minor", "A B C D E F G#"),
        ("C D E G A", "C D E G A"),
        ("Bb blues", "Bb Db Eb E F Ab"),
    ],
)
def test_scales(text, notes):
    assert parse_scale(text).tones == tones(*notes.split())


@pytest.mark.parametrize(
    ("symbol", "notes", "bass"),
    [
        ("C", "C E G", "C"),
        ("Am", "A C E", "A"),
        ("F#m7b5", "F# A C E", "F#"),
        ("Bm7♭5", "B D F A", "B"),
        ("Ebmaj7", "Eb G Bb D", "Eb"),
        ("Gsus", "G C D", "G"),
        ("C/E", "C E G", "E"),
        ("C/D", "C D E G", "D"),
        ("D9", "D F# A C E", "D"),
        ("B°7", "B D F Ab", "B"),
    ],
)
def test_chords(symbol, notes, bass):
    chord = parse_chord(symbol)
    assert chord.tones == tones(*notes.split())
    assert {chord.bass} == tones(bass)


def test_every_listed_kind_of_chord_and_scale_can_be_said():
    for kind, steps in CHORD_TONES.items():
        assert parse_chord(f"C{kind}").tones == set(steps)
    for name, steps in SCALES.items():
        assert parse_scale(f"C {name}").tones == set(steps)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chords": "Am | H7"}, ("--chords", "H7")),
        ({"chords": "Cmaj13"}, ("--chords", "Cmaj13")),
        ({"chords": "Am | | F"}, ("--chords", "bar 2", "free")),
        ({"chords": ". Am"}, ("--chords", "dot")),
        ({"chords": ""}, ("--chords", "empty")),
        ({"key": "X"}, ("--key", "X")),
        ({"key": "D dorian"}, ("--key", "D dorian")),
        ({"scale": "D jazz"}, ("--scale", "D jazz", "dorian")),
        ({"range": "C3"}, ("--range", "C3-E5")),
        ({"range": "C5-C3"}, ("--range", "C5-C3")),
        ({"range": "C0-C3"}, ("--range", "A0")),
        ({"range": "H3-C4"}, ("--range", "H3")),
        ({"notes_per_bar": "few"}, ("--notes-per-bar", "few")),
        ({"notes_per_bar": "8-4"}, ("--notes-per-bar", "8-4")),
        ({"voices": "0"}, ("--voices", "1 or more")),
        ({"chromatic": "all", "key": "C"}, ("--chromatic", "passing")),
        ({"chromatic": "passing"}, ("--chromatic", "--key")),
        ({"chords_strict": True}, ("--chords-strict", "--chords")),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_option(options, words):
    with pytest.raises(RequestError) as refusal:
        read_asked(**options)
    for word in words:
        assert word in str(refusal.value)


def test_bounds_and_ranges():
    asked = read_asked(range="C3-E5 | -C4 | 60-", notes_per_bar=6, voices="1-3")
    assert asked.pitch_range == ((48, 76), (21, 60), (60, 108))
    assert asked.notes_per_bar == ((6, 6),)
    assert asked.voices == ((1, 3),)
    assert read_asked(notes_per_bar="4-").notes_per_bar == ((4, None),)
    assert asked.said == {"range": "C3-E5 | -C4 | 60-", "notes-per-bar": "6", "voices": "1-3"}


def test_bar_lists_repeat_leave_free_and_begin_with_the_first_whole_bar():
    asked = read_asked(chords="| Am | % | free | F G |")
    assert [len(bar) if bar else None for bar in asked.chords] == [1, 1, None, 2]
    assert asked.chords[0] == asked.chords[1]
    values = (10, 20)
    assert [of_bar(values, bar, 5, finishes_bar=False) for bar in range(5)] == [10, 20, 10, 20, 10]
    assert [of_bar(values, bar, 3, finishes_bar=True) for bar in range(3)] == [None, 10, 20]
    assert [of_bar(values, bar, 2, finishes_bar=True) for bar in range(2)] == [10, 20]
    assert [of_bar((10,), bar, 3, finishes_bar=True) for bar in range(3)] == [10, 10, 10]


@pytest.mark.parametrize(
    ("text", "metre", "positions"),
    [
        ("Am", (4, 4), [0]),
        ("Am F", (4, 4), [0, 48]),
        ("Am F", (3, 4), [0, 48]),
        ("Am F C", (4, 4), [0, 48, 72]),
        ("Am . . F", (4, 4), [0, 72]),
        ("Am F", (6, 8), [0, 36]),
        ("Am F", (5, 8), [0, 36]),
        ("Am F", (2, 2), [0, 48]),
        ("Am F C", (9, 8), [0, 36, 72]),
    ],
)
def test_chords_share_the_beats_of_their_bar(text, metre, positions):
    assert [span.position for span in spans_of(read_asked(chords=text).chords[0], metre)] == positions


@pytest.mark.parametrize(("text", "metre"), [("Am F C", (2, 4)), ("Am . F", (4, 4)), ("Am F C", (6, 8))])
def test_chords_that_do_not_fit_the_bar_are_refused(text, metre):
    with pytest.raises(RequestError, match="--chords"):
        spans_of(read_asked(chords=text).chords[0], metre)
