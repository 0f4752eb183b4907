"""A second reading of the words for limits, for those who count whether they hold; see `limits`."""

from __future__ import annotations

_STEPS = {
    "": "2212221", "major": "2212221", "natural minor": "2122122", "harmonic minor": "2122131",
    "melodic minor": "2122221", "dorian": "2122212", "phrygian": "1222122", "lydian": "2221221",
    "mixolydian": "2212212", "locrian": "1221222", "pentatonic": "22323", "minor pentatonic": "32232",
    "blues": "321132", "whole tone": "222222", "m": "212211111", "minor": "212211111",
}  # fmt: skip
_CHORDS = {
    "": "0 4 7", "m": "0 3 7", "7": "0 4 7 10", "maj7": "0 4 7 11", "m7": "0 3 7 10", "dim": "0 3 6", "aug": "0 4 8",
    "m7b5": "0 3 6 10", "dim7": "0 3 6 9", "sus4": "0 5 7", "sus2": "0 2 7", "6": "0 4 7 9", "9": "0 2 4 7 10",
}  # fmt: skip
NO_CHORDS = ("free", "NC", "N.C.")
_LETTERS = "C D EF G A B"


def by_bar(text: str, n_bars: int, *, has_half: bool) -> list[str]:
    """Return one text per new bar; a list begins behind a half-finished bar if it is not long enough to hold it."""
    texts = [part.strip() for part in text.strip().strip("|").split("|")]
    for index, part in enumerate(texts):
        if part == "%":
            texts[index] = texts[index - 1]
    whole = [texts[index % len(texts)] for index in range(n_bars)]
    return ["free", *whole][:n_bars] if has_half and 1 < len(texts) < n_bars else whole


def tones(text: str) -> set[int]:
    """Read a key or a scale as pitch classes."""
    words = text.split()
    if len(words) > 1 and all(word[0] in "ABCDEFG" and set(word[1:]) <= set("#b") for word in words):
        return {_class(word) for word in words}
    head = text[: 1 + len(text[1:]) - len(text[1:].lstrip("#b"))]
    tonic, tones = _class(head), set()
    for step in _STEPS[text[len(head) :].strip()]:
        tones.add(tonic % 12)
        tonic += int(step)
    return tones


def chord_at(symbols: list[str], beat: int, n_beats: int) -> tuple[int, str]:
    """Return which chord of a bar stands on a beat: its number and its symbol."""
    each, more = divmod(n_beats, len(symbols))
    by_beat = [index for index in range(len(symbols)) for _ in range(each + (index < more))]
    number = by_beat[beat]
    while symbols[number] == ".":
        number -= 1
    return number, symbols[number]


def chord(symbol: str) -> tuple[set[int], int]:
    """Read a chord as its pitch classes and that of its bass."""
    upper, _, lower = symbol.partition("/")
    head = upper[:2] if upper[1:2] in ("#", "b") else upper[:1]
    root = _class(head)
    bass = _class(lower) if lower else root
    return {(root + int(step)) % 12 for step in _CHORDS[upper[len(head) :]].split()} | {bass}, bass


def _class(name: str) -> int:
    return (_LETTERS.index(name[0]) + name.count("#") - name.count("b")) % 12


def pitch(name: str) -> int:
    """Read a note with its octave, or a MIDI number."""
    if name.strip().isdigit():
        return int(name)
    letter, octave = name.strip()[:-1], int(name.strip()[-1])
    return _LETTERS.index(letter[0]) + letter.count("#") - letter.count("b") + 12 * (octave + 1)


def bounds(text: str) -> tuple[int, float]:
    """Read the least and the most."""
    if text == "free":
        return 0, float("inf")
    low, dash, high = text.partition("-")
    return int(low), int(high) if high.strip() else float("inf") if dash else int(low)
