"""Playing a keyboard: recorded in time, shown live, along an idea, and what is said where there is no keyboard."""

from __future__ import annotations

import pytest

FAKE = """
const input = {id: "one", name: "Test keyboard", manufacturer: "", state: "connected", onmidimessage: null};
const access = {inputs: new Map([["one", input]]), outputs: new Map(), onstatechange: null};
window.midi = {
  access, input,
  send: (...data) => input.onmidimessage({data: new Uint8Array(data), timeStamp: performance.now()}),
  strike: (beat, data) => {
    const {studio, piano, playing: {recorder}} = window.pianomuse;
    const then = piano.context.getOutputTimestamp();
    const second = recorder._time.seconds(recorder.from + beat * studio.project.ppq) + recorder.player._zero;
    input.onmidimessage({
      data: new Uint8Array(data), timeStamp: then.performanceTime + 1000 * (second - then.contextTime),
    });
  },
  plug: (isIn) => { access.inputs = new Map(isIn ? [["one", input]] : []); access.onstatechange({}); },
};
navigator.requestMIDIAccess = async () => access;
"""
BROKEN = """navigator.requestMIDIAccess = () =>
Promise.reject(new DOMException("Platform dependent initialization failed", "InvalidStateError"));"""
BEATS = """(() => { const r = p.playing.recorder; return (r.tick - r.from) / s.project.ppq; })()"""


@pytest.fixture
def player(studio):
    """The empty roll at 240 beats a minute, and a keyboard."""
    studio.page.add_init_script(FAKE)
    studio.open()
    studio.page.fill("#tempo", "240")
    studio.page.press("#tempo", "Enter")
    studio.fill(bars=1, candidates=1)
    studio.look("document.querySelector('#playing-ideas').checked = false")
    return studio


def send(studio, *message: int) -> float:
    """Return where that was: quarter notes from the start of the take."""
    return studio.look(f"(window.midi.send({','.join(map(str, message))}), {BEATS})")


def strike(studio, beat: float, *message: int) -> None:
    """Play exactly at a beat of the take: a message tells when it was, however late the page hears of it."""
    studio.until(f"{BEATS} > {beat}").look(f"window.midi.strike({beat}, {list(message)})")


def begin(studio) -> None:
    studio.press("r").until("p.playing.recorder.isRecording && p.playing.recorder.player._hasBegun")


def test_what_is_played_is_recorded_in_time_and_is_one_step(player):
    begin(player)
    assert player.look("document.body.classList.contains('is-recording')")
    assert player.look("p.playing.recorder.player.from") == pytest.approx(-1)  # seconds: a bar of count-in
    player.until(f"{BEATS} > 0.9")
    at = send(player, 0x90, 60, 100)
    send(player, 0xB0, 64, 127)
    player.until(f"s.shown.notes.length === 1 && {BEATS} > {at} + 1")
    assert player.look("s.project.notes.length") == 0  # it is shown, and not yet kept
    assert player.look("p.roll.pressed.has(60)")
    until = send(player, 0x90, 60, 0)
    send(player, 0xB0, 64, 0)
    send(player, 0x90, 64, 40)
    player.press("r").until("!p.playing.recorder.isRecording")
    (first, second) = player.look("s.project.notes")
    ppq = player.look("s.project.ppq")
    assert (first["pitch"], first["velocity"], second["pitch"], second["velocity"]) == (60, 100, 64, 40)
    assert first["tick"] / ppq == pytest.approx(at, abs=0.25)  # 60 ms
    assert first["duration"] / ppq == pytest.approx(until - at, abs=0.25)
    assert player.look("s.project.pedals.map((pedal) => pedal.down)") == [True, False]
    assert "2 notes recorded" in player.status
    assert player.look("s.caret >= s.project.notes[1].tick && s.caret % s.project.ppq === 0")
    player.press("Control+z")
    assert player.look("[s.project.notes.length, s.project.pedals.length, s.caret]") == [0, 0, 0]


def test_the_count_in_and_the_metronome_are_heard(player):
    begin(player)
    clicks = player.look("p.playing.recorder.player._clicks.slice(0, 9).map((click) => [click.at, click.isDownbeat])")
    assert [at for at, _ in clicks] == pytest.approx([0.25 * beat for beat in range(-4, 5)])
    assert [is_downbeat for _, is_downbeat in clicks] == [True, False, False, False] * 2 + [True]
    player.until(
        """(() => { const wave = new Float32Array(2048); p.piano.analyser.getFloatTimeDomainData(wave);
        return Math.max(...wave.map(Math.abs)) > 0.01; })()"""
    )
    player.press("Escape").until("!p.playing.recorder.isRecording")
    assert player.status == "Nothing was played"
    assert player.look("s.history.done.map((step) => step.name)") == ["stepTempo"]


def test_ideas_come_by_themselves_when_one_stops_and_the_switch_is_kept(player):
    player.look("document.querySelector('#playing-menu').open = true")
    player.page.check("#playing-ideas")
    player.page.focus("#roll")
    begin(player)
    for beat, pitch in ((0.0, 60), (1.0, 64), (2.05, 67)):
        strike(player, beat, 0x90, pitch, 80)
        strike(player, beat + 0.1, 0x80, pitch, 0)
    player.press("Space").until("s.ghosts?.ideas.length === 1 && !p.muse.isAsking")
    assert player.look("[s.ghosts.start, s.caret].map((tick) => tick / s.project.ppq)") == [3, 3]  # behind all of it
    player.look("document.querySelector('#playing-menu').open = true")
    player.page.uncheck("#playing-ideas")
    player.page.reload()
    player.until("window.pianomuse")
    assert not player.page.is_checked("#playing-ideas")


def test_the_letters_play_too_while_recording(player):
    begin(player)
    player.until(f"{BEATS} > -0.1")
    player.press("a", "w", "x", "a", "Enter").until("!p.playing.recorder.isRecording")
    assert player.look("s.project.notes.map((note) => note.pitch)") == [60, 61, 72]
    assert player.look("s.ghosts") is None


def test_nothing_is_heard_before_it_is_computed(player):
    """Where the audio clock stands still the place in the music does, too: a minute without news from it is none."""
    begin(player)
    later, now = player.look(
        """(() => { const {player} = p.playing.recorder;
        return [player.heardAt(performance.now() + 60_000), p.piano.context.currentTime - player._zero]; })()"""
    )
    assert later <= now


@pytest.fixture
def idea(studio):
    """An example with an idea, and a keyboard."""
    studio.page.add_init_script(FAKE)
    studio.open("finished-phrase").fill(bars=2, candidates=1, seed=7)
    studio.page.click("#playing-menu summary")
    studio.until("p.playing.keyboards.state === 'ready'")
    assert "Test keyboard" in studio.page.inner_text("#playing-state")
    studio.page.click("#playing-menu summary")
    studio.page.focus("#roll")
    return studio.ask()


def test_keys_that_strike_the_next_ghost_notes_take_them(idea):
    n_own = idea.look("s.project.notes.length")
    first = idea.look("s.ghosts.ideas[0].notes.filter((n) => n.tick === s.ghosts.start).map((n) => n.pitch)")
    asked = []
    idea.page.on("request", lambda request: asked.append(request.url))
    for pitch in first:
        send(idea, 0x90, pitch, 80)
        send(idea, 0x80, pitch, 0)
    assert idea.look("s.project.notes.length") == n_own + len(first)
    assert idea.look("s.ghosts.ideas.length === 1 && s.ghosts.taken.size") == len(first)
    send(idea, 0x90, 22, 80)  # another key is only heard
    assert idea.look("s.project.notes.length") == n_own + len(first)
    assert idea.look("s.ghosts !== null")
    assert not [url for url in asked if url.endswith("/complete")]


def test_recording_along_an_idea_advances_it_and_another_way_puts_it_away(idea):
    n_own = idea.look("s.project.notes.length")
    begin(idea)
    ppq = idea.look("s.project.ppq")
    pitch, tick = idea.look("(() => { const n = s.ghosts.ideas[0].notes[0]; return [n.pitch, n.tick]; })()")
    strike(idea, (tick - idea.look("s.ghosts.front")) / ppq + 0.1, 0x90, pitch, 33)
    idea.press("r").until("!p.playing.recorder.isRecording")
    assert idea.look("s.project.notes.length") == n_own + 1
    played = idea.look("s.project.notes.find((note) => note.velocity === 33)")
    assert (played["pitch"], played["tick"]) == (pitch, pytest.approx(tick + 0.1 * ppq, abs=20))
    assert idea.look("s.ghosts.taken.size") == 1
    idea.press("Control+z")
    assert idea.look("[s.project.notes.length, s.ghosts.taken.size]") == [n_own, 0]
    begin(idea)
    strike(idea, 0.1, 0x90, 25, 33)
    idea.until("s.ghosts === null").press("r").until("!p.playing.recorder.isRecording")
    assert idea.look("s.project.notes.length") == n_own + 1
    idea.until("s.ghosts !== null").press("Control+z")  # ideas for what was played are on their way
    assert idea.look("[s.ghosts.ideas.length, p.muse.isAsking]") == [1, False]
    assert idea.look("s.project.notes.length") == n_own


def test_a_keyboard_may_come_later_and_go(player):
    player.page.click("#playing-menu summary")
    player.until("p.playing.keyboards.devices.length === 1")
    player.page.evaluate("window.midi.plug(false)")
    assert "No MIDI keyboard is plugged in" in player.page.inner_text("#playing-state")
    player.page.evaluate("window.midi.plug(true)")
    assert "Ready: Test keyboard" in player.page.inner_text("#playing-state")
    player.page.click("#language")
    assert "就绪" in player.page.inner_text("#playing-state")


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("", "does not let this page use MIDI"),
        (BROKEN, "does not give the browser any MIDI"),
        ("delete Navigator.prototype.requestMIDIAccess", "Safari has no Web MIDI"),
    ],
)
def test_what_is_missing_is_said_in_words(studio, init, words):
    """The first as Chromium itself answers here, the second as it does where the system has no sequencer."""
    studio.page.add_init_script(init)
    studio.open().page.click("#playing-menu summary")
    studio.until("!['unasked', 'asking'].includes(p.playing.keyboards.state)")
    assert words in studio.page.inner_text("#playing-state")
