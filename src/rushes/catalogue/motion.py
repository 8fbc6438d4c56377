"""Whether a prompt speaks of motion. A word list, because a wrong guess costs only an unneeded piece of advice."""

from __future__ import annotations

import re

# Stems of verbs that people film with; "es", "s", "ing", "ed" and doubled consonants are tried on each.
_VERBS = """
approach arrive ascend awaken bark beat bend blaze blink bloom blow bob boil bounce bow break breathe burn burst
buzz carry catch charge chase cheer chew circle clap clean climb close collapse collide come cook crash crawl
creep cross crouch cry cycle dance dart dash depart descend dive dodge drag draw dribble drift drink drip drive
drop eat emerge enter erupt escape examine expand explode fade fall fight fish flap flash flee flicker flip
float flow flutter fly fold follow freeze gallop gather give glance gleam glide glitter glow grab grow hatch hop
hover hug hunt hurry ignite jog jump kick kiss knock laugh land launch lean leap leave lick lift light look
lower march melt merge morph move nod open orbit paddle paint pan parade pass pedal peek perform play point pour
pounce pull push race rain raise reach reverse ride ripple rise roam roar rock roll rotate row run rush sail
scatter scream shake shatter shimmer shine shiver shoot shuffle sing sink sip sit skate ski skid skip slam sleep
slide slither smile snap sneak sneeze snow soar spark sparkle spin splash spread spring sprint sprout squeeze
stagger stalk stand stare step stir stomp stop stretch stride stroll strut stumble surf sway sweep swerve swim
swing swirl swoop talk tap tilt toss track transform travel tremble trot tumble turn twinkle twirl twist unfold
unfurl vanish wade waddle wake walk wander watch wave weave whirl wiggle wink wipe wobble work wrap write yawn
zoom
"""

_IRREGULAR = """
ate blew broke came drew drove fell flew fled froze grew ran rang rode rose sang sank sat shook shot slept slid
spun stood swam swept swung threw throws throw throwing went going goes woke wrote timelapse time-lapse dolly
hyperlapse slow-motion
"""

# Far more often things than deeds in a prompt: "a fish on a rock in the rain" moves nothing.
_THINGS = """
bark bow bows drink drinks fish lands light lights rain rock rocks row rows snow spring springs stalk stalks tap works
"""


def _forms(verb: str) -> set[str]:
    stem = verb.removesuffix("e")
    third = verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "s"
    forms = {
        verb,
        third,
        verb + "es",
        stem + "ing",
        verb + "ing",
        stem + "ed",
        stem + verb[-1] + "ing",
        stem + verb[-1] + "ed",
    }
    return forms


_WORDS = ({form for verb in _VERBS.split() for form in _forms(verb)} | set(_IRREGULAR.split())) - set(_THINGS.split())
_LATIN_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


def speaks_of_motion(prompt: str) -> bool | None:
    """True where a verb or camera word of motion is found, False where none is, None where the language is not ours."""
    letters = sum(char.isalpha() for char in prompt)
    latin = sum(char.isascii() and char.isalpha() for char in prompt)
    if not letters or latin < 0.9 * letters:
        return None
    words = _LATIN_WORD.findall(prompt.lower())
    return any(part in _WORDS for word in words for part in (word, *word.split("-")))
