"""Say in English what a film shows: bare or rich, in many orders, so that a person's own words land somewhere near."""

from __future__ import annotations

import torch

from training.render import Film
from training.world import CAMERAS, LIGHTS, MOTIONS, POCKET, SCENES, SUBJECTS, WEATHERS

VERBS: dict[str, dict[str, tuple[str, ...]]] = {
    "left": {
        "ground": (
            "walks to the left",
            "is walking left",
            "runs to the left",
            "is running left",
            "walks left",
            "strolls to the left",
        ),
        "air": ("flies to the left", "is flying left", "flies left", "glides to the left"),
        "water": ("swims to the left", "is swimming left", "swims left"),
        "wheels": ("drives to the left", "is driving left", "rolls to the left", "drives left"),
    },
    "right": {
        "ground": (
            "walks to the right",
            "is walking right",
            "runs to the right",
            "is running right",
            "walks right",
            "strolls to the right",
        ),
        "air": ("flies to the right", "is flying right", "flies right", "glides to the right"),
        "water": ("swims to the right", "is swimming right", "swims right"),
        "wheels": ("drives to the right", "is driving right", "rolls to the right", "drives right"),
    },
}
SIDEWAYS = {
    "ground": (
        "walks",
        "is walking",
        "runs",
        "waddles",
        "gallops",
        "runs along",
        "is running",
        "walking",
        "running",
        "strolls",
        "walks along",
    ),
    "air": ("flies", "is flying", "flutters", "flying", "flies by", "glides"),
    "water": ("swims", "is swimming", "swimming", "swims by"),
    "wheels": ("drives", "is driving", "driving", "drives along", "rolls along"),
}
ACTS = {
    "stand": ("stands still", "is standing", "waits", "stands", "is waiting", "standing", "rests"),
    "jump": (
        "jumps",
        "is jumping",
        "jumps up and down",
        "hops",
        "is hopping",
        "jumping",
        "bounces up and down",
        "bouncing",
    ),
    "float": (
        "floats",
        "is floating",
        "hovers",
        "floats in the air",
        "flies up",
        "flies up and down",
        "floats over the ground",
        "floating up and down",
        "drifts up and down",
    ),
    "spin": (
        "spins",
        "is spinning",
        "spins around",
        "turns around and around",
        "spinning",
        "does somersaults",
        "rolls over",
    ),
    "approach": (
        "comes closer",
        "is coming closer",
        "approaches",
        "comes towards the camera",
        "moves towards the camera",
        "floats towards the camera",
        "flies towards the camera",
        "grows bigger",
        "approaching",
    ),
    "dance": ("dances", "is dancing", "dancing", "wiggles", "sways", "dances happily", "wobbles"),
}
PLACES = {
    "beach": ("on the beach", "along the beach", "on a sandy beach", "at the seaside", "by the sea", "at the beach"),
    "underwater": ("underwater", "under the sea", "at the bottom of the sea", "in the deep ocean", "under water"),
    "forest": (
        "in the forest",
        "through the forest",
        "in a forest",
        "in the woods",
        "between trees",
        "in a green forest",
    ),
    "desert": ("in the desert", "across the desert", "in a sandy desert", "among cacti", "in a hot desert"),
    "snow": (
        "in the snow",
        "across the snow",
        "through the snow",
        "on a snowy field",
        "in a snowy landscape",
        "in winter",
        "on the ice",
    ),
    "meadow": (
        "in a meadow",
        "over a meadow",
        "on the grass",
        "in a flower meadow",
        "on a green field",
        "in the meadow",
    ),
    "city": (
        "in the city",
        "through the city",
        "on a city street",
        "in a big city",
        "on the street",
        "in town",
        "in front of skyscrapers",
    ),
    "space": (
        "in space",
        "in outer space",
        "through space",
        "past the stars",
        "through space past the stars",
        "among the planets",
        "among the stars",
    ),
    "mountains": ("in the mountains", "in front of mountains", "in the alps", "below snowy peaks"),
    "moon": ("on the moon", "on the surface of the moon", "in a lunar landscape"),
}
LIGHT_WORDS = {
    "day": ("by day", "in daylight", "on a sunny day", "in the sunshine", "under a blue sky"),
    "sunset": ("at sunset", "in the evening", "at dusk", "in golden light", "under an orange sky"),
    "night": ("at night", "in the dark", "by moonlight", "under the stars", "on a dark night"),
}
WEATHER_WORDS = {
    "rain": ("in the rain", "while it rains", "on a rainy day", "in heavy rain"),
    "snowfall": ("while it snows", "in falling snow", "while snowflakes fall"),
}
CAMERA_WORDS = {
    "static": ("static camera", "the camera stands still", "fixed shot"),
    "follow": (
        "the camera follows",
        "the camera follows it",
        "tracking shot",
        "the camera follows along",
        "side scrolling view",
    ),
    "pan left": ("the camera pans left", "while the camera slowly pans left", "camera pans to the left"),
    "pan right": ("the camera pans right", "while the camera slowly pans right", "camera pans to the right"),
    "zoom in": ("the camera zooms in", "slow zoom in"),
    "zoom out": ("the camera zooms out", "slow zoom out"),
}
PACE = {"slow": ("slowly", "calmly"), "fast": ("quickly", "fast")}
STYLE = ("cartoon animation", "3d cartoon", "a short animation", "cute animation", "animated film")


def caption(film: Film, rng: torch.Generator) -> str:
    def one(options: tuple[str, ...]) -> str:
        return options[int(torch.randint(len(options), (), generator=rng))]

    def maybe(chance: float) -> bool:
        return float(torch.rand((), generator=rng)) < chance

    subject, motion = SUBJECTS[film.subject], MOTIONS[film.motion]
    name = one(subject.words) if subject.words and maybe(0.3) else subject.name
    article = one(("a", "a", "a", "the", "one", ""))
    if article == "a" and name[0] in "aeiou":
        article = "an"
    who = f"{article} {name}".strip()
    if motion in VERBS:
        side_said = maybe(0.75)
        act = one(VERBS[motion][subject.habitat] if side_said else SIDEWAYS[subject.habitat])
        if maybe(0.2) and not side_said:
            act = one(SIDEWAYS["ground"])
    else:
        act = one(ACTS[motion])
    if maybe(0.25) and (film.speed < 0.93 or film.speed > 1.12):
        act = f"{act} {one(PACE['slow' if film.speed < 1 else 'fast'])}"
    place = one(PLACES[SCENES[film.scene]])
    outdoors_light = LIGHTS[film.light]
    extras = []
    if outdoors_light != "day" or maybe(0.2):
        extras.append(one(LIGHT_WORDS[outdoors_light]))
    if film.weather and maybe(0.95):
        extras.append(one(WEATHER_WORDS[WEATHERS[film.weather]]))
    if (CAMERAS[film.camera] != "static" and maybe(0.5)) or maybe(0.1):
        extras.append(one(CAMERA_WORDS[CAMERAS[film.camera]]))
    if SCENES[film.scene] in ("space", "moon", "underwater"):
        extras = [words for words in extras if words not in LIGHT_WORDS["day"]]
    style = one(STYLE) if maybe(0.1) else ""
    kind = int(torch.randint(12, (), generator=rng))
    if kind == 0:
        text = who if maybe(0.4) else f"{who} {place}"
    elif kind == 1:
        text = f"{who} {act}"
    elif kind == 2:
        text = ", ".join([name, *([place.split(" ", 1)[-1]] if " " in place else [place]), act, *extras])
    elif kind <= 4:
        text = f"{place}, {who} {act}" + "".join(f", {e}" for e in extras)
    elif kind <= 6:
        text = f"{who} {act} {place}" + "".join(f" {e}" for e in extras)
    elif kind == 7:
        text = f"{who} {place} {act}" + "".join(f", {e}" for e in extras)
    else:
        text = f"{who} {act} {place}" + "".join(f", {e}" for e in extras)
    return f"{style}: {text}" if style else text


def vocabulary() -> list[str]:
    """Every word the grammar can say, in a fixed order; 0 is padding and 1 an unknown word."""
    from rushes.models.mini.text import split

    known = [subject for subject in SUBJECTS if subject.name in POCKET]
    texts = [s.name for s in known] + [w for s in known for w in s.words] + list(STYLE) + ["a an the one"]
    for table in (SIDEWAYS, ACTS, PLACES, LIGHT_WORDS, WEATHER_WORDS, CAMERA_WORDS, PACE, *VERBS.values()):
        texts += [phrase for phrases in table.values() for phrase in phrases]
    return ["<pad>", "<unk>", *sorted({word for text in texts for word in split(text)} | set(",.:"))]
