"""A battery of short clips in which concepts of music vary one apart from another, with what is true of each clip.

Conventions: a clip is dry, in tune and without noise, so that two clips differ in nothing but in what their labels
say. A motif (a tune and an onset pattern) is a group: it is played with every level of a concept equally often, so that
no motif tells a level; which other levels it comes with is drawn, so that no other factor tells it either.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from layerscope.toymusic.composer import PITCH_CLASSES, Note, Piece, chord
from layerscope.toymusic.styles import INSTRUMENTS, MODES, PROGRESSIONS
from layerscope.toymusic.synthesizer import RATE, Samples, add, tone, wav_file

__all__ = [
    "CONCEPTS", "FACTORS", "MOTIFS", "SECONDS", "BatteryClip", "battery", "file_of", "sound_of", "write_battery",
]  # fmt: skip

Random = np.random.Generator
Setting = dict[str, str]

#: Groups: enough for intervals (`scores.resampling.FEWEST_GROUPS`), in folds of two.
MOTIFS, FOLDS = 16, 8
#: Of all draws; no other part of the package draws from a stream that begins with it.
SEED = 700_000_000
#: Of a clip of notes, and of one of a tune, in which three bars fit at the slowest tempo but one.
NOTE_SECONDS, SECONDS = 1.5, 4.0

#: What varies in tunes, with its levels. Tempos are a fourth (4 : 3) apart, by which tempo is heard.
FACTORS: dict[str, tuple[str, ...]] = {
    "key": PITCH_CLASSES,
    "octave": ("low", "middle", "high"),
    "mode": tuple(MODES),
    "tempo": ("90", "120", "160"),
    "metre": ("3/4", "4/4"),
    "rhythm": ("even", "dotted", "snapped"),
    "instrument": INSTRUMENTS,
    "loudness": ("soft", "medium", "loud"),
}
#: The MIDI number of C in each octave.
OCTAVES = {"low": 48, "middle": 60, "high": 72}
#: Share of a beat that the first of its two notes takes, so that every rhythm has as many notes.
RHYTHMS = {"even": 0.5, "dotted": 0.75, "snapped": 0.25}
#: Root mean square of the whole clip in decibels below full scale.
LOUDNESS = {"soft": -40.0, "medium": -31.0, "loud": -22.0}
INTERVALS = {"minor second": 1, "major third": 4, "fourth": 5, "fifth": 7, "major sixth": 9, "octave": 12}
CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7), "diminished": (0, 3, 6), "augmented": (0, 4, 8)}
SECTIONS = ("verse", "chorus", "bridge")
REPETITIONS = ("again", "new")
#: Concept → the set of clips that asks for it, in the order of the page: from sound to form.
CONCEPTS: dict[str, str] = {
    "pitch": "pitches", "interval": "intervals", "chord": "chords", "octave": "tunes", "mode": "tunes", "key": "tunes",
    "tempo": "tunes", "metre": "tunes", "rhythm": "tunes", "instrument": "tunes", "loudness": "tunes",
    "section": "sections", "repetition": "repetitions",
}  # fmt: skip


@dataclass(frozen=True)
class Motif:
    """What a group of clips has in common.

    Attributes
    ----------
    degrees : tuple of int
        Steps of the scale above the tonic, two a beat.
    onsets : tuple of float
        When notes begin in clips of single notes, in seconds.
    """

    degrees: tuple[int, ...]
    onsets: tuple[float, ...]


@dataclass(frozen=True)
class BatteryClip:
    """A clip and what is true of it.

    Attributes
    ----------
    name : str
        Of its file.
    group : int
        Its motif.
    labels : dict of str to str
        Levels of concepts and factors.
    notes : list of Note
        What is played.
    seconds : float
        Its length.
    """

    name: str
    group: int
    labels: Setting
    seconds: float
    notes: list[Note] = field(default_factory=list)


def battery() -> dict[str, list[BatteryClip]]:
    """Return the clips of every set; they are the same each time.

    Returns
    -------
    dict of str to list of BatteryClip
        The sets of `CONCEPTS`, and ``changes``: of one tune of each motif, the same with one factor changed.

    Examples
    --------
    >>> {name: len(clips) for name, clips in battery().items()}  # doctest: +NORMALIZE_WHITESPACE
    {'pitches': 192, 'intervals': 96, 'chords': 128, 'tunes': 192, 'changes': 144, 'sections': 96,
     'repetitions': 128}
    """
    sets: dict[str, list[BatteryClip]] = {
        name: [] for name in ("pitches", "intervals", "chords", "tunes", "changes", "sections", "repetitions")
    }
    for group in range(MOTIFS):
        for name, clips in sets.items():
            # Each set draws from a stream of its own, so that a change of one leaves the others.
            random = np.random.default_rng([SEED, group, list(sets).index(name)])
            clips += SETS[name](group, random) if name != "changes" else changes(sets["tunes"][-12], group, random)
    return sets


def motif(number: int) -> Motif:
    """Return a motif by its number; those from `MOTIFS` on are the other tunes of the groups."""
    random = np.random.default_rng([SEED, number, 100])
    degrees = random.integers(-2, 8, 12)
    # The third twice and the sixth, by which a mode is told, and the tonic first.
    degrees[random.choice(np.arange(1, 12), 3, replace=False)] = (2, 5, 2)
    degrees[0] = 0
    # Off the grid a little, so that no two motifs are alike.
    onsets = np.sort(random.choice(np.arange(1, 8), 3, replace=False)) * 0.15 + random.uniform(0, 0.05, 3)
    return Motif(tuple(map(int, degrees)), (0.0, *map(float, onsets)))


def settings(count: int, random: Random, **levels: Sequence[str]) -> list[Setting]:
    """Return settings in which every level of every factor, and of what is said beside, comes equally often."""
    columns = {
        name: random.permutation(np.resize(random.permutation(names), count))
        for name, names in {**FACTORS, **levels}.items()
    }
    return [{name: str(column[number]) for name, column in columns.items()} for number in range(count)]


def pitches(group: int, random: Random) -> list[BatteryClip]:
    """Return single notes: every pitch class once."""
    drawn = settings(12, random, pitch=PITCH_CLASSES)
    return [
        event_clip("pitch", group, number, each, [pitch_of(each["pitch"], each)]) for number, each in enumerate(drawn)
    ]


def intervals(group: int, random: Random) -> list[BatteryClip]:
    """Return two notes by turns, the lower first."""
    drawn = settings(6, random, interval=tuple(INTERVALS))
    low = [pitch_of(each["key"], each) for each in drawn]
    return [
        event_clip("interval", group, number, each, [pitch], [pitch + INTERVALS[each["interval"]]])
        for number, (each, pitch) in enumerate(zip(drawn, low, strict=True))
    ]


def chords(group: int, random: Random) -> list[BatteryClip]:
    """Return triads in root position."""
    drawn = settings(8, random, chord=tuple(CHORDS))
    return [
        event_clip("chord", group, number, each, [pitch_of(each["key"], each) + step for step in CHORDS[each["chord"]]])
        for number, each in enumerate(drawn)
    ]


def event_clip(concept: str, group: int, number: int, setting: Setting, *events: Sequence[int]) -> BatteryClip:
    """Return a clip of events, each of pitches that sound together, by turns on the onsets of a motif."""
    onsets = (*motif(group).onsets, NOTE_SECONDS)
    notes = [
        Note(start, end - start, pitch, 1.0, setting["instrument"])
        for turn, (start, end) in enumerate(itertools.pairwise(onsets))
        for pitch in events[turn % len(events)]
    ]
    # Notes have no tempo, metre or rhythm, and a key only where a concept's levels are counted from it.
    labels = {name: setting[name] for name in (concept, "octave", "instrument", "loudness")}
    return BatteryClip(f"{concept}-{group}-{number}", group, labels, NOTE_SECONDS, notes)


def tunes(group: int, random: Random) -> list[BatteryClip]:
    """Return the motif with factors drawn one apart from another."""
    drawn = settings(12, random)
    return [tune_clip(f"tune-{group}-{number}", group, group, setting) for number, setting in enumerate(drawn)]


def changes(first: BatteryClip, group: int, random: Random) -> list[BatteryClip]:
    """Return a tune with each factor changed alone, and another tune as it was played."""
    base = {factor: first.labels[factor] for factor in FACTORS}
    clips = []
    for factor, levels in FACTORS.items():
        other = str(random.choice([level for level in levels if level != base[factor]]))
        clips.append(tune_clip(f"change-{group}-{factor}", group, group, {**base, factor: other}))
    return [*clips, tune_clip(f"change-{group}-tune", group, group + MOTIFS, base)]


def tune_clip(name: str, group: int, number: int, setting: Setting) -> BatteryClip:
    """Return a tune above the tonic on each downbeat."""
    labels = {"tune": str(number), **{factor: setting[factor] for factor in FACTORS}}
    return BatteryClip(name, group, labels, SECONDS, play(motif(number), setting, SECONDS))


def sections(group: int, random: Random) -> list[BatteryClip]:
    """Return sections as they are arranged: a verse is the tune, a chorus has chords, a bridge has chords alone."""
    clips = []
    for number, setting in enumerate(settings(6, random, section=SECTIONS)):
        options = PROGRESSIONS[setting["mode"]]
        progression = options[group % len(options)]
        notes = [
            *(play(motif(group), setting, SECONDS, progression) if setting["section"] != "bridge" else []),
            *(accompany(setting, SECONDS, progression) if setting["section"] != "verse" else []),
        ]
        clips.append(BatteryClip(f"section-{group}-{number}", group, setting, SECONDS, notes))
    return clips


def repetitions(group: int, random: Random) -> list[BatteryClip]:
    """Return two halves, each of one of two tunes: no tune, and neither half alone, tells whether it comes again."""
    drawn = settings(2, random)
    clips = []
    for number, (setting, one, two) in enumerate((each, a, b) for each in drawn for a in (0, 1) for b in (0, 1)):
        halves = [play(motif(group + MOTIFS * which), setting, SECONDS / 2) for which in (one, two)]
        later = [replace(note, start=note.start + SECONDS / 2) for note in halves[1]]
        labels = {**setting, "repetition": REPETITIONS[one != two]}
        clips.append(BatteryClip(f"repetition-{group}-{number}", group, labels, SECONDS, [*halves[0], *later]))
    return clips


#: What makes the clips of a set, group by group.
SETS = {
    "pitches": pitches, "intervals": intervals, "chords": chords, "tunes": tunes, "sections": sections,
    "repetitions": repetitions,
}  # fmt: skip


def pitch_of(name: str, setting: Setting) -> int:
    """Return the MIDI number of a pitch class in a setting's octave."""
    return OCTAVES[setting["octave"]] + PITCH_CLASSES.index(name)


def bars(setting: Setting, seconds: float) -> Iterator[tuple[int, float, float, int]]:
    """Yield of each beat that begins in time: its bar, when it begins, how long it is, and its place in the bar."""
    beat, metre = 60.0 / float(setting["tempo"]), int(setting["metre"][0])
    for number in range(int(np.ceil(seconds / beat - 1e-9))):
        bar, place = divmod(number, metre)
        yield bar, number * beat, beat, place


def play(tune: Motif, setting: Setting, seconds: float, progression: Sequence[int] = (0,)) -> list[Note]:
    """Return a tune, two notes a beat, above the root of each bar's chord on its downbeat."""
    tonic, (scale, _) = pitch_of(setting["key"], setting), MODES[setting["mode"]]
    share, who = RHYTHMS[setting["rhythm"]], setting["instrument"]
    notes = []
    for number, (bar, start, beat, place) in enumerate(bars(setting, seconds)):
        if place == 0:
            root = tonic - 12 + scale[progression[bar % len(progression)] % 7]
            notes.append(Note(start, beat, root, 0.9, who))
        for half, (begin, length) in enumerate(((0.0, share), (share, 1 - share))):
            octave, step = divmod(tune.degrees[(2 * number + half) % len(tune.degrees)], 7)
            # Downbeats are stressed, as metre is heard.
            strength = 1.0 if place == half == 0 else 0.7
            notes.append(
                Note(start + begin * beat, 0.95 * length * beat, tonic + 12 * octave + scale[step], strength, who)
            )
    return cut(notes, seconds)


def accompany(setting: Setting, seconds: float, progression: Sequence[int]) -> list[Note]:
    """Return triads on every beat in a chorus, held for each bar in a bridge."""
    tonic, metre = PITCH_CLASSES.index(setting["key"]), int(setting["metre"][0])
    notes = []
    for bar, start, beat, place in bars(setting, seconds):
        held = setting["section"] == "bridge"
        if held and place:
            continue
        triad, _ = chord(setting["mode"], progression[bar % len(progression)], tonic, raised=False)
        for pitch in triad:
            midi = OCTAVES[setting["octave"]] + pitch
            notes.append(Note(start, 0.95 * beat * (metre if held else 1), midi, 0.5, setting["instrument"]))
    return cut(notes, seconds)


def cut(notes: Sequence[Note], seconds: float) -> list[Note]:
    """Return the notes that begin in time, ended in time."""
    return [
        replace(note, duration=min(note.duration, seconds - note.start))
        for note in notes
        if note.start < seconds - 1 / RATE
    ]


def sound_of(clip: BatteryClip) -> Samples:
    """Return the sound of a clip, shape (samples,), float32 at 24 kHz, dry, at the level that its loudness says."""
    piece = Piece(0, clip.seconds)
    mix = np.zeros(round(clip.seconds * RATE), np.float32)
    for note in clip.notes:
        # One stream for every note: vibrato is alike wherever a note stands.
        add(mix, note.start, tone(note, piece, 0.0, 0.0, np.random.default_rng(0)))
    level = LOUDNESS[clip.labels["loudness"]]
    return (mix * (10 ** (level / 20) / np.sqrt(np.mean(mix**2)))).astype(np.float32)


def file_of(clip: BatteryClip) -> bytes:
    """Return the WAV file of a clip."""
    return wav_file(sound_of(clip))


def write_battery(directory: Path, sets: Mapping[str, Sequence[BatteryClip]]) -> dict[str, Path]:
    """Write clips as WAV files, and a table ``NAME.jsonl`` of each set: ``audio_path, group, fold`` and the labels.

    Into a directory that is thrown away: nothing is made safe from a kill, which would cost more than the music does.
    """
    tables = {}
    for name, clips in sets.items():
        lines = []
        (directory / name).mkdir(parents=True, exist_ok=True)
        for clip in clips:
            file = f"{name}/{clip.name}.wav"
            (directory / file).write_bytes(file_of(clip))
            place = {"audio_path": file, "group": f"motif {clip.group}", "fold": clip.group % FOLDS}
            lines.append(json.dumps({**place, **clip.labels}))
        tables[name] = directory / f"{name}.jsonl"
        tables[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tables
