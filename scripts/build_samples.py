"""Make the bundled piano samples out of the Salamander Grand Piano V3.

    python scripts/build_samples.py                      # fetches the two packages with npm
    python scripts/build_samples.py --soft DIR --loud DIR    # unpacked packages, no network

The recordings (Alexander Holm, CC BY 3.0) are taken from the npm packages `@audio-samples/piano-velocity6` and
`@audio-samples/piano-velocity11`, version 1.0.5: 30 keys each, a minor third apart, stereo Ogg Vorbis at 48 kHz.
Salamander recorded layer 6 for velocities 47-50 and layer 11 for 81-88. What is done to each file:

1. the silence before the hammer is cut, leaving `PRE_ROLL_S`, so that every note starts equally late;
2. the note is shortened to `KEPT_S` for its pitch and its last third faded out;
3. it is resampled to 44.1 kHz;
4. its level is moved onto one smooth curve over the keyboard, the same for both layers (the recordings scatter by
   up to 5 dB from key to key), so that the player's velocity curve alone decides how loud a note is;
5. it is written as MP3 (variable bit rate), which every browser and libsndfile decode, at lag 0.

The samples stay stereo: at C5 the channels of the spaced microphones are correlated by -0.8, so that adding them up
to mono would cost that key 10 dB, and C4 (correlated by 0.5) only 1 dB.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 44_100
PACKAGES = {"soft": "@audio-samples/piano-velocity6@1.0.5", "loud": "@audio-samples/piano-velocity11@1.0.5"}
SAMPLES = Path(__file__).parent.parent / "src/pianomuse/render/samples"
SEMITONE = {"C": 0, "D#": 3, "F#": 6, "A": 9}
ONSET_SHARE = 0.02  # the note starts where the sound first passes this share of its peak
PRE_ROLL_S = 0.002
KEPT_S = ((21, 7.0), (45, 6.5), (60, 5.5), (72, 4.5), (84, 3.0), (96, 1.8), (108, 1.2))  # pitch, seconds
LOUDEST_PEAK = 0.95
COMPRESSION = 0.7  # libsndfile's scale, 0 (best) to 1: about 54 kbit/s; the error stays 32 dB below the note


def main() -> None:
    """Read the packages, write the samples and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for layer, package in PACKAGES.items():
        parser.add_argument(f"--{layer}", type=Path, help=f"folder of the unpacked package {package}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = {
            layer: getattr(arguments, layer) or fetch(package, Path(scratch) / layer)
            for layer, package in PACKAGES.items()
        }
        layers = {layer: read_layer(folder) for layer, folder in folders.items()}
    curve = level_curve(layers["loud"])
    balanced = {
        (layer, pitch): note * (curve(pitch) / level(note)) for layer in layers for pitch, note in layers[layer].items()
    }
    scale = LOUDEST_PEAK / max(np.abs(note).max() for note in balanced.values())
    for (layer, pitch), note in balanced.items():
        write_note(SAMPLES / f"{layer}-{pitch:03d}.mp3", note * scale)
    files = sorted(SAMPLES.glob("*.mp3"))
    print(f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.2f} MB in {SAMPLES}")


def fetch(package: str, folder: Path) -> Path:
    """Download and unpack an npm package."""
    folder.mkdir()
    npm_pack = ["npm", "pack", "--silent", package]
    packed = subprocess.run(npm_pack, cwd=folder, check=True, capture_output=True, text=True).stdout
    with tarfile.open(folder / packed.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def read_layer(folder: Path) -> dict[int, NDArray[np.float64]]:
    """Return the trimmed notes of one package by MIDI pitch, stereo [n, 2] at 44.1 kHz."""
    notes = {}
    for path in sorted((folder / "audio").glob("*.ogg")):
        name, octave = re.fullmatch(r"([A-G]#?)(\d)v\d+", path.stem).groups()  # type: ignore[union-attr]
        pitch = 12 * (int(octave) + 1) + SEMITONE[name]
        sound, sample_rate = soundfile.read(path, always_2d=True)
        notes[pitch] = resample(trim(sound, sample_rate, pitch), sample_rate)
    if len(notes) != 30:
        raise SystemExit(f"{folder} holds {len(notes)} notes instead of 30; is it the unpacked npm package?")
    return notes


def trim(sound: NDArray[np.float64], sample_rate: int, pitch: int) -> NDArray[np.float64]:
    """Cut the silence before the hammer and shorten the note with a fade."""
    loudness = np.abs(sound).max(axis=1)
    onset = int(np.argmax(loudness > ONSET_SHARE * loudness.max()))
    begin = max(onset - round(PRE_ROLL_S * sample_rate), 0)
    kept = round(float(np.interp(pitch, *zip(*KEPT_S, strict=True))) * sample_rate)
    note = sound[begin : begin + kept].copy()
    fade = len(note) // 3
    note[-fade:] *= (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, fade)))[:, None]
    return note


def resample(note: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Resample a whole note to 44.1 kHz in the frequency domain; it starts and ends in silence, so nothing wraps."""
    n_in = len(note) - len(note) % (sample_rate // 100)
    n_out = n_in * SAMPLE_RATE // sample_rate
    spectrum = np.fft.rfft(note[:n_in], axis=0)[: n_out // 2 + 1]
    return np.fft.irfft(spectrum, n_out, axis=0) * (n_out / n_in)


def level(note: NDArray[np.float64]) -> float:
    """Return the root mean square of both channels over the first half second."""
    return float(np.sqrt((note[: SAMPLE_RATE // 2] ** 2).mean()))


def level_curve(layer: dict[int, NDArray[np.float64]]) -> Callable[[int], float]:
    """Return the smooth level over the keyboard (a parabola in decibels) that all notes are moved onto."""
    decibels = [20 * np.log10(level(note)) for note in layer.values()]
    parabola = np.poly1d(np.polyfit(list(layer), decibels, 2))
    return lambda pitch: float(10 ** (parabola(pitch) / 20))


def write_note(path: Path, note: NDArray[np.float64]) -> None:
    """Write one sample as MP3 with a variable bit rate."""
    soundfile.write(
        path,
        note,
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=COMPRESSION,
        bitrate_mode="VARIABLE",
    )


if __name__ == "__main__":
    main()
