"""What can be fetched: where it is published, under which licence, and what is known about the file.

A sha256 stands here only where its publisher names it. The archives that GitHub makes on request have none (their
bytes may change while their content does not): for those every member's own checksum is checked, and the digest of
what arrived is written down.
"""

from __future__ import annotations

from dataclasses import dataclass

from pianomuse.errors import RequestError

MIB = 2**20


@dataclass(frozen=True)
class Source:
    """One thing that can be fetched.

    Args:
        name: on the command line.
        title: for people.
        url: of the file, as its publisher documents it.
        file_name: what it is called on a mirror.
        page: where its publisher describes it.
        licence: its name.
        licence_url: its text.
        credit: whom to name.
        about_bytes: of the download, roughly, before the server has said it.
        max_bytes: more than this is not it.
        max_unpacked_bytes: of what is unpacked.
        sha256: as its publisher names it; empty where none does.
        remark: what to know before training on it.

    """

    name: str
    title: str
    url: str
    file_name: str
    page: str
    licence: str
    licence_url: str
    credit: str
    about_bytes: int
    max_bytes: int
    max_unpacked_bytes: int
    sha256: str = ""
    remark: str = ""

    @property
    def is_archive(self) -> bool:
        """Whether it is a zip file to unpack, or a file to keep."""
        return self.file_name.endswith(".zip")


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="maestro",
            title="MAESTRO v3.0.0, MIDI only: 1,276 piano performances",
            url="https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip",
            file_name="maestro-v3.0.0-midi.zip",
            page="https://magenta.tensorflow.org/datasets/maestro",
            licence="CC BY-NC-SA 4.0",
            licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
            credit='C. Hawthorne et al., "Enabling Factorized Piano Music Modeling and Generation with the MAESTRO '
            'Dataset", ICLR 2019',
            about_bytes=56 * MIB,
            max_bytes=128 * MIB,
            max_unpacked_bytes=256 * MIB,
            # the publisher's page, which lists size and SHA256 beside the file
            sha256="70470ee253295c8d2c71e6d9d4a815189e35c89624b76d22fce5a019d5dde12c",
            remark="Played without a metronome and without annotated beats: its bar lines mean nothing. "
            "For performances with bars, fetch asap.",
        ),
        Source(
            name="asap",
            title="ASAP v1.1: scores and performances of classical piano music with annotated beats",
            url="https://github.com/fosfrancesco/asap-dataset/archive/v1.1.zip",
            file_name="asap-dataset-1.1.zip",
            page="https://github.com/fosfrancesco/asap-dataset",
            licence="CC BY-NC-SA 4.0",
            licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
            credit='F. Foscarin et al., "ASAP: a dataset of aligned scores and performances for piano transcription", '
            "ISMIR 2020",
            about_bytes=60 * MIB,
            max_bytes=512 * MIB,
            max_unpacked_bytes=1024 * MIB,
        ),
        Source(
            name="pop909",
            title="POP909: 909 Chinese pop songs in piano arrangements with annotated beats",
            url="https://github.com/music-x-lab/POP909-Dataset/archive/refs/heads/master.zip",
            file_name="POP909-Dataset-master.zip",
            page="https://github.com/music-x-lab/POP909-Dataset",
            licence="MIT",
            licence_url="https://github.com/music-x-lab/POP909-Dataset/blob/master/LICENSE",
            credit='Z. Wang et al., "POP909: A Pop-song Dataset for Music Arrangement Generation", ISMIR 2020',
            about_bytes=80 * MIB,
            max_bytes=512 * MIB,
            max_unpacked_bytes=1024 * MIB,
            remark="The licence is the data set's; it says nothing about rights in the songs themselves.",
        ),
        Source(
            name="rwkv7-g1",
            title="RWKV-7 G1 0.1B: official text weights to begin a training from",
            url="https://huggingface.co/BlinkDL/rwkv7-g1/resolve/main/rwkv7-g1-0.1b-20250307-ctx4096.pth",
            file_name="rwkv7-g1-0.1b-20250307-ctx4096.pth",
            page="https://huggingface.co/BlinkDL/rwkv7-g1",
            licence="Apache-2.0",
            licence_url="https://www.apache.org/licenses/LICENSE-2.0",
            credit="Bo Peng (BlinkDL)",
            about_bytes=382 * MIB,
            max_bytes=1024 * MIB,
            max_unpacked_bytes=1024 * MIB,
        ),
    )
}


def source_named(name: str) -> Source:
    """Return a source.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in SOURCES:
        raise RequestError(f"fetch {name}: choose one of {', '.join(SOURCES)}")
    return SOURCES[name]
