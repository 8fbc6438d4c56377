"""How the full tier's captions conjugate: who does what, in which of a verb's forms."""

from __future__ import annotations

from training.full.world import MOTIONS, SIDEWAYS, Scene, Subject, floats

# Each is a verb in its base form and what follows it.
WALK = {
    "ground": ("walk", "walk", "stroll", "wander"),
    "hop": ("hop", "hop", "bounce along", "walk"),
    "crawl": ("crawl", "creep", "crawl slowly", "walk"),
    "air": ("fly", "fly", "glide", "float"),
    "water": ("swim", "swim", "glide", "paddle"),
    "wheels": ("drive", "drive", "roll", "cruise"),
    "rails": ("roll", "travel", "drive", "chug along"),
    "boat": ("sail", "sail", "glide", "drift"),
    "slide": ("slide", "glide", "slide along"),
    "ball": ("roll", "roll", "roll slowly"),
    "thing": ("slide", "move", "glide"),
    "drift": ("float", "drift", "glide", "float slowly"),
    "wade": ("swim", "wade", "paddle", "swim slowly"),
}
RUN = {
    "ground": ("run", "run", "race", "dash", "hurry"),
    "hop": ("hop quickly", "run", "bound", "race"),
    "crawl": ("scurry", "crawl quickly", "run", "hurry"),
    "air": ("fly fast", "zoom", "dart", "fly quickly", "race"),
    "water": ("swim fast", "dart", "swim quickly", "race"),
    "wheels": ("speed", "race", "drive fast", "drive quickly"),
    "rails": ("speed", "rush", "race", "roll quickly"),
    "boat": ("speed", "sail fast", "race"),
    "slide": ("race", "slide fast", "speed"),
    "ball": ("roll fast", "roll quickly", "race"),
    "thing": ("slide fast", "shoot", "race", "move quickly"),
    "drift": ("fly", "shoot", "zoom", "float quickly"),
    "wade": ("swim fast", "race", "swim quickly"),
}
OWN_WALK = {
    "snake": ("slither", "slither", "crawl"),
    "worm": ("crawl", "slither", "wriggle"),
    "caterpillar": ("crawl", "wriggle"),
    "penguin": ("waddle", "waddle", "walk"),
    "horse": ("walk", "trot", "trot"),
    "unicorn": ("walk", "trot"),
    "zebra": ("walk", "trot"),
    "cyclist": ("ride", "cycle", "ride"),
    "jockey": ("ride", "ride"),
    "motorcycle": ("drive", "ride"),
    "bicycle": ("roll", "ride"),
    "kick scooter": ("roll",),
    "skateboard": ("roll",),
    "roller skate": ("roll",),
    "shopping cart": ("roll",),
    "suitcase": ("roll",),
    "butterfly": ("fly", "flutter", "flutter"),
    "bat": ("fly", "flutter"),
    "bee": ("fly", "buzz"),
    "brown leaf": ("float", "drift"),
    "maple leaf": ("float", "drift"),
    "balloon": ("float", "drift"),
    "cloud": ("drift", "float"),
    "skier": ("ski", "ski", "slide"),
    "surfer": ("surf", "surf", "glide"),
    "snowboarder": ("slide", "snowboard"),
}
OWN_RUN = {
    "horse": ("gallop", "gallop", "run"),
    "unicorn": ("gallop", "run"),
    "zebra": ("gallop", "run"),
    "jockey": ("gallop", "race"),
    "cyclist": ("race", "ride fast", "cycle fast"),
    "snake": ("slither quickly", "hurry"),
    "worm": ("slither quickly", "crawl quickly"),
    "penguin": ("run", "waddle quickly", "hurry"),
    "skier": ("ski fast", "race"),
    "surfer": ("surf fast", "race"),
}
ACTS = {
    "stand": ("stand still", "wait", "stand", "rest", "stay in place"),
    "jump": ("jump", "jump up and down", "leap", "jump high", "jump again and again"),
    "bounce": ("bounce", "bounce up and down", "hop on the spot", "bounce like a ball"),
    "rise": ("fly up", "rise into the air", "take off", "rise", "float up"),
    "fall": ("fall", "fall down", "drop down", "fall from the sky", "tumble down"),
    "float": ("float", "hover", "float up and down", "hover in the air", "levitate"),
    "spin": ("spin", "spin around", "rotate", "turn around and around", "whirl"),
    "circle": ("circle", "move in circles", "go around in circles", "go round and round"),
    "approach": ("come closer", "approach", "come towards the camera", "move towards us", "get bigger"),
    "leave": ("move away", "go away", "move away from the camera", "leave", "get smaller"),
    "shake": ("shake", "tremble", "shiver", "shake all over", "vibrate"),
    "dance": ("dance", "sway", "dance happily", "wiggle", "rock from side to side"),
}
FLOATING_STAND = ("hover", "float in place", "hang still", "hover in place")
WATCHING = ("watch", "wait", "stay there", "stand still")
HALF_WORDS = {
    "left": ("to the left", "left", "from right to left"),
    "right": ("to the right", "right", "from left to right"),
}
STATIVE = ("hang",)

_DOUBLED = {"run", "swim", "spin", "hop", "drop", "zip", "get", "sit", "trot", "chug", "slip", "drip"}


def third(verb: str) -> str:
    """walk → walks, rush → rushes, fly → flies."""
    if verb.endswith(("s", "sh", "ch", "x", "o", "z")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def progressive(verb: str) -> str:
    """walk → walking, glide → gliding, run → running."""
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing"
    if verb.endswith("e") and not verb.endswith("ee"):
        return f"{verb[:-1]}ing"
    return f"{verb}ing"


def conjugate(act: str, form: str) -> str:
    """The act's first word in `form`: third, plural, progressive."""
    verb, _, rest = act.partition(" ")
    verb = {"third": third, "progressive": progressive, "plural": str}[form](verb)
    return f"{verb} {rest}" if rest else verb


def manner(subject: Subject, scene: Scene) -> str:
    """Which row of WALK and RUN fits the subject there: a car on the sea floats, a horse in space drifts."""
    if floats(subject, scene):
        return subject.kind if subject.kind in ("air", "water") else "drift"
    if scene.water is not None and subject.kind not in ("water", "boat"):
        alive = subject.kind in ("ground", "hop", "crawl")
        return "wade" if alive else "drift"
    if subject.kind == "water" and scene.name != "underwater" and scene.water is None:
        return "thing"  # a fish out of water
    if subject.kind == "boat" and scene.water is None:
        return "thing"
    return subject.kind


def acts(subject: Subject, scene: Scene, motion: int) -> tuple[str, ...]:
    """What can be said of the subject doing that there; without the side for motions to a side."""
    name = MOTIONS[motion]
    how = manner(subject, scene)
    if name in SIDEWAYS:
        own = OWN_WALK if name.startswith("walk") else OWN_RUN
        if how == subject.kind and subject.name in own:
            return own[subject.name]
        return (WALK if name.startswith("walk") else RUN)[how]
    if name == "stand" and floats(subject, scene):
        return FLOATING_STAND
    if name == "circle" and how == "air":
        return (*ACTS["circle"], "fly in circles")
    if name == "circle" and how in ("water", "wade"):
        return (*ACTS["circle"], "swim in circles")
    if name == "circle" and how == "wheels":
        return (*ACTS["circle"], "drive in circles")
    return ACTS[name]
