"""Say in English what a film of the full tier shows: from two bare words to everything there is to see and hear."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from training.full.dice import Film
from training.full.phrases import (
    CAMERA_SHOT,
    CAMERA_WORDS,
    LIGHT_WORDS,
    LOOKS,
    PACE,
    PLACES,
    SIZES,
    SOUNDS,
    STYLES,
    WEATHER_WORDS,
    WHERE,
)
from training.full.verbs import HALF_WORDS, WATCHING, acts, conjugate
from training.full.world import CAMERAS, LIGHTS, MOTIONS, SCENES, SIDEWAYS, SUBJECTS, WEATHERS, Subject

UNHURRIED = ("stand", "float", "fall", "shake")  # motions that are as fast as they are
JOINED = ("in ", "at ", "on ", "by ", "with ", "while ", "under ", "during ", "among ", "as ")  # no comma before these
FRONT = re.compile(
    r"(in front of|at the bottom of|on the surface of|in the water of|next to|out on|high in|in|on|at|by|under|between"
    r"|among|below|above|along|across|through|over|past|down)\b (the |a |an )?"
)
_AN = ("eight", "hour", "suv")  # begin with a vowel in the ear
_A = ("uni", "ufo", "one-")  # begin with a vowel only in writing


def article(name: str) -> str:
    """a or an, as it is said aloud."""
    if name.startswith(_AN):
        return "an"
    return "a" if name.startswith(_A) or name[0] not in "aeiou" else "an"


def named(subject: Subject, rng: random.Random) -> tuple[str, str]:
    """One of the subject's names and that name's number."""
    if subject.words and rng.random() < 0.35:
        word, _, number = rng.choice(subject.words).partition("~")
        return word, number or (subject.number if subject.number == "p" else "")
    return subject.name, subject.number


def noun_phrase(subject: Subject, rng: random.Random) -> tuple[str, bool]:
    """The subject with its article, and whether its verb stands in the plural."""
    name, number = named(subject, rng)
    if number == "n":
        return name, False
    if number == "t":
        return f"the {name}", False
    if number in ("p", "m"):
        return f"{rng.choice(('some', 'the', ''))} {name}".strip(), number == "p"
    look = f"{rng.choice(LOOKS)} " if rng.random() < 0.08 else ""
    kind = rng.random()
    if kind < 0.70:
        return f"{article(look + name)} {look}{name}", False
    return f"{'the ' if kind < 0.82 else 'one ' if kind < 0.86 else ''}{look}{name}", False


def _act(film: Film, subject: Subject, motion: int, rng: random.Random) -> str:
    act = rng.choice(acts(subject, SCENES[film.scene], motion))
    name = MOTIONS[motion]
    if name in SIDEWAYS and rng.random() < 0.72:
        act = f"{act} {rng.choice(HALF_WORDS[name.split()[1]])}"
    elif name == "stand" and rng.random() < 0.3 and subject.faces:
        act = f"look {'right' if film.looks_right else 'left'}"
    hurried = name not in UNHURRIED and not 0.82 < film.speed < 1.2 and not any(word in act for word in PACE["any"])
    if hurried and rng.random() < 0.3:
        act = f"{act} {rng.choice(PACE['slow' if film.speed < 1 else 'fast'])}"
    return act


def _extras(film: Film, rng: random.Random) -> list[str]:
    """Light, weather, camera, size and sound as phrases that may follow a comma, each said when it is worth it."""
    scene, light = SCENES[film.scene], LIGHTS[film.light]
    weather, camera = WEATHERS[film.weather], CAMERAS[film.camera]
    said = []
    if scene.outdoors and rng.random() < (0.85 if light != "day" else 0.25):
        said.append(rng.choice(LIGHT_WORDS[light][: 4 if weather != "clear" or scene.name == "sky" else None]))
    if weather != "clear" and rng.random() < 0.92:
        said.append(rng.choice(WEATHER_WORDS[weather]))
    if rng.random() < (0.12 if camera == "static" else 0.55):
        climbs = camera == "follow" and MOTIONS[film.motion] not in SIDEWAYS
        said.append(rng.choice(CAMERA_WORDS[camera][: 1 if climbs else None]))
    if rng.random() < 0.25 and MOTIONS[film.motion] not in ("approach", "leave") and not 0.44 < film.size < 0.56:
        said.append(rng.choice(SIZES["small" if film.size < 0.5 else "large"]))
    if rng.random() < 0.16:
        said.append(rng.choice(SOUNDS.get(weather, SOUNDS.get(scene.name, SOUNDS["any"]))))
    rng.shuffle(said)
    return said


def _couple(film: Film, rng: random.Random) -> str:
    """Who does what, where two are seen: a clause without its place."""
    first, second = SUBJECTS[film.subject], SUBJECTS[film.second]
    one, one_plural = noun_phrase(first, rng)
    other, other_plural = noun_phrase(second, rng)
    act = _act(film, first, film.motion, rng)
    if film.second_motion == film.motion:
        pair = f"{one} and {other}"
        return f"{pair} {conjugate(act, 'plural')}" if rng.random() < 0.5 else f"{pair} {conjugate(act, 'progressive')}"
    if rng.random() < 0.35:
        return f"{one} next to {other}, {conjugate(act, 'progressive')}"
    watching = conjugate(rng.choice(WATCHING), "plural" if other_plural else "third")
    return f"{one} {conjugate(act, 'plural' if one_plural else 'third')} while {other} {watching}"


def caption(film: Film, rng: random.Random) -> str:
    """One way to say what the film shows."""
    scene = SCENES[film.scene]
    subject = SUBJECTS[film.subject]
    moves = MOTIONS[film.motion] in SIDEWAYS
    place = rng.choice(PLACES[scene.name][0] + (PLACES[scene.name][1] if moves else ()))
    extras = _extras(film, rng)
    if film.second >= 0 and rng.random() < 0.9:
        clause = _couple(film, rng)
        tail = "".join(f", {extra}" for extra in extras)
        return _styled(f"{place}, {clause}{tail}" if rng.random() < 0.25 else f"{clause} {place}{tail}", rng)
    who, plural = noun_phrase(subject, rng)
    act = _act(film, subject, film.motion, rng)
    be = "are" if plural else "is"
    doing = conjugate(act, "progressive")
    does = conjugate(act, "plural" if plural else "third")
    finite = does if rng.random() < 0.55 else f"{be} {doing}"
    if not moves and film.second < 0 and rng.random() < 0.06:
        place = f"{place} {rng.choice(WHERE['left' if film.x < 0 else 'right'])}" if abs(film.x) > 0.11 else place
    pieces: Sequence[str]
    kind = rng.randrange(14)
    if kind == 0:
        return _styled(named(subject, rng)[0] if rng.random() < 0.25 else who, rng)
    if kind == 1:
        return _styled(f"{who} {place}", rng)
    if kind == 2:
        return _styled(f"{who} {finite}", rng)
    if kind == 3:
        bare = FRONT.sub("", place, count=1)
        pieces = [named(subject, rng)[0], bare, doing, *extras]
        return ", ".join(pieces)
    if kind <= 5:
        text, rest = f"{place}, {who} {finite}", extras
    elif kind == 6 and CAMERAS[film.camera] in CAMERA_SHOT:
        shot = rng.choice(CAMERA_SHOT[CAMERAS[film.camera]])
        text, rest = (
            f"{shot} of {who} {doing} {place}",
            [e for e in extras if e not in CAMERA_WORDS[CAMERAS[film.camera]]],
        )
    elif kind == 7:
        if who in (subject.name, *subject.words) and subject.number == "":
            who = f"{article(who)} {who}"
        text, rest = f"there {be} {who} {doing} {place}", extras
    elif kind <= 9:
        text, rest = f"{who} {doing} {place}", extras
    elif kind == 10 and extras:
        text, rest = f"{extras[0]}, {who} {finite} {place}", extras[1:]
    else:
        text, rest = f"{who} {finite} {place}", extras
    if len(rest) == 1 and rest[0].startswith(JOINED) and rng.random() < 0.5:
        return _styled(f"{text} {rest[0]}", rng)
    return _styled(text + "".join(f", {extra}" for extra in rest), rng)


def _styled(text: str, rng: random.Random) -> str:
    chance = rng.random()
    if chance < 0.06:
        text = f"{rng.choice(STYLES)}: {text}"
    elif chance < 0.10:
        text = f"{text}, {rng.choice(STYLES)}"
    if rng.random() < 0.12:
        text = f"{text[0].upper()}{text[1:]}."
    return text


def vocabulary() -> list[str]:
    """Every word the grammar can say, in a fixed order; 0 is padding and 1 an unknown word."""
    from rushes.models.mini.text import split
    from training.full import phrases, verbs

    texts = ["a an the one some and while next to there is are of look left right", *LOOKS, *STYLES, *WATCHING]
    for subject in SUBJECTS:
        texts += [subject.name, *(word.partition("~")[0] for word in subject.words)]
    tables = (verbs.WALK, verbs.RUN, verbs.OWN_WALK, verbs.OWN_RUN, verbs.ACTS, {"": verbs.FLOATING_STAND + WATCHING})
    for table in (*tables, {"": ("look",)}):
        for options in table.values():
            texts += [conjugate(act, form) for act in options for form in ("third", "plural", "progressive")]
    texts += [phrase for options in HALF_WORDS.values() for phrase in options]
    for places in phrases.PLACES.values():
        texts += [*places[0], *places[1]]
    for words in (LIGHT_WORDS, WEATHER_WORDS, CAMERA_WORDS, CAMERA_SHOT, PACE, SIZES, SOUNDS, WHERE):
        texts += [phrase for options in words.values() for phrase in options]
    return ["<pad>", "<unk>", *sorted({word for text in texts for word in split(text)} | set(",.:"))]
