"""What the places, surfaces and subjects of the full tier sound like. Tables only.

Bands   (Hz, octaves wide, level) of shaped noise, all under 3.5 kHz so that 8,000 samples a second hold them
Pulses  (Hz, a second, decay a second, spread, level): short tones; none a second is one that never ends
"""

from __future__ import annotations

from dataclasses import dataclass

Band = tuple[float, float, float]
Pulse = tuple[float, float, float, float, float]
NO_PULSE: Pulse = (100.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Ambience:
    bands: tuple[Band, ...]
    swell: tuple[float, float] = (0.1, 0.0)  # times a second, and how deep from 0 to 1
    pulses: tuple[Pulse, ...] = ()


AMBIENCES = {
    "beach": Ambience(((520, 1.4, 0.9),), (0.35, 0.85), ((1900, 0.23, 9, 0.1, 0.06),)),
    "sea": Ambience(((190, 1.4, 1.1),), (0.25, 0.6)),
    "underwater": Ambience(((110, 0.8, 0.9),), (0.2, 0.2), ((620, 2.3, 16, 0.4, 0.22), (880, 1.1, 20, 0.3, 0.16))),
    "lake": Ambience(((950, 0.5, 0.55),), (1.1, 0.9)),
    "forest": Ambience(((1500, 0.6, 0.22),), (0.3, 0.4), ((3000, 3.1, 22, 0.12, 0.32),)),
    "jungle": Ambience(((2500, 0.35, 0.5),), (6.0, 0.5), ((900, 0.9, 7, 0.3, 0.22),)),
    "desert": Ambience(((360, 0.45, 0.75),), (0.4, 0.6)),
    "snow": Ambience(((720, 0.22, 0.8),), (0.3, 0.6)),
    "mountains": Ambience(((250, 0.35, 0.9),), (0.25, 0.5)),
    "meadow": Ambience(((1000, 0.9, 0.12),), (0.3, 0.3), ((3350, 9.0, 30, 0.01, 0.42),)),
    "farm": Ambience(((420, 0.8, 0.12),), (0.2, 0.2), ((760, 2.7, 14, 0.25, 0.45),)),
    "city": Ambience(((100, 0.9, 1.0), (800, 1.2, 0.25)), (0.2, 0.2), ((430, 0.4, 3, 0.15, 0.14),)),
    "street": Ambience(((170, 0.6, 0.7), (1250, 0.9, 0.30)), (0.25, 0.5)),
    "room": Ambience(((80, 0.4, 0.12),), (0.1, 0.0), ((2100, 2.0, 90, 0.05, 0.55),)),
    "kitchen": Ambience(((2900, 0.5, 0.40),), (0.1, 0.1), ((120, 0.0, 0.0, 0.0, 0.22),)),
    "stage": Ambience(((620, 0.55, 0.6), (1700, 0.5, 0.25)), (0.7, 0.4)),
    "space": Ambience(((60, 0.3, 0.1),), (0.1, 0.0), ((82, 0.0, 0.0, 0.0, 0.34), (123, 0.0, 0.0, 0.0, 0.20))),
    "moon": Ambience(((200, 0.2, 0.10),), (0.2, 0.3), ((196, 0.0, 0.0, 0.0, 0.30), (294, 0.0, 0.0, 0.0, 0.14))),
    "sky": Ambience(((520, 0.9, 0.5), (1300, 0.7, 0.45)), (0.2, 0.25)),
    "cave": Ambience(((85, 0.5, 0.45),), (0.1, 0.1), ((1450, 1.3, 9, 0.2, 0.45),)),
    "volcano": Ambience(((55, 0.7, 1.6),), (0.5, 0.4), ((240, 7.0, 60, 0.6, 0.25),)),
    "castle": Ambience(((430, 0.8, 0.10),), (0.2, 0.2), ((660, 0.8, 2.2, 0.0, 0.32), (1320, 0.8, 4, 0.0, 0.12))),
    "playground": Ambience(((900, 0.9, 0.14),), (0.3, 0.3), ((1350, 3.3, 6, 0.35, 0.30),)),
    "candy land": Ambience(((1200, 0.5, 0.03),), (0.1, 0.0), ((1047, 4.0, 9, 0.26, 0.40), (1568, 2.0, 7, 0.0, 0.20))),
}
WEATHER_BANDS: dict[str, tuple[Band, float]] = {  # and how often it swells a second
    "rain": ((2100, 0.9, 0.55), 0.2),
    "storm": ((1500, 1.3, 0.80), 0.4),
    "leaves": ((1750, 0.5, 0.30), 1.3),
}
SURFACES: dict[str, tuple[float, float]] = {  # Hz of a step's noise and of its body
    "beach": (1300, 90),
    "desert": (1300, 90),
    "snow": (1900, 120),
    "forest": (900, 95),
    "jungle": (900, 95),
    "meadow": (1000, 90),
    "farm": (900, 95),
    "room": (420, 170),
    "kitchen": (1500, 210),
    "stage": (380, 150),
    "city": (1100, 140),
    "street": (1100, 140),
    "castle": (1000, 120),
    "cave": (1400, 160),
}
ANY_SURFACE = (1000.0, 110.0)
ENGINES = {"wheels": 52.0, "rails": 40.0}
"""Lowest tone of a motor, by kind."""
MOTORS = {
    **{"helicopter": 24.0, "airplane": 88.0, "small airplane": 72.0, "rocket": 38.0, "speedboat": 66.0, "ship": 30.0},
    **{"ufo": 130.0, "bee": 210.0, "fly": 190.0, "mosquito": 420.0},
}
MUTE = ("bicycle", "cyclist", "kick scooter", "skateboard", "roller skate", "shopping cart", "suitcase")
VOICES: dict[str, Pulse] = {
    **{"bird": (2700, 2.9, 18, 0.2, 0.4), "black bird": (900, 1.5, 9, 0.1, 0.4), "parrot": (1400, 1.6, 8, 0.3, 0.4)},
    **{"chick": (2900, 3.4, 20, 0.1, 0.4), "chicken": (800, 2.0, 12, 0.2, 0.4), "rooster": (950, 0.8, 3, 0.3, 0.45)},
    **{"duck": (520, 2.2, 12, 0.1, 0.45), "goose": (430, 1.4, 8, 0.1, 0.45), "swan": (480, 1.0, 6, 0.1, 0.4)},
    **{"owl": (340, 0.9, 4, 0.0, 0.45), "eagle": (2200, 0.7, 4, 0.2, 0.35), "dove": (420, 1.6, 7, 0.0, 0.35)},
    **{"dog": (420, 1.7, 14, 0.1, 0.5), "poodle": (620, 2.0, 15, 0.1, 0.45), "wolf": (360, 0.5, 1.2, 0.1, 0.4)},
    **{"cat": (640, 0.8, 3.5, 0.15, 0.4), "black cat": (600, 0.8, 3.5, 0.15, 0.4), "fox": (900, 1.0, 8, 0.2, 0.4)},
    **{"cow": (150, 0.6, 1.6, 0.1, 0.5), "pig": (230, 2.1, 12, 0.3, 0.5), "sheep": (390, 0.8, 3, 0.1, 0.45)},
    **{"goat": (430, 0.9, 3.5, 0.1, 0.45), "horse": (700, 0.5, 2.5, 0.3, 0.35), "donkey": (330, 0.9, 3, 0.4, 0.45)},
    **{"lion": (95, 0.6, 1.6, 0.1, 0.6), "tiger": (110, 0.6, 1.8, 0.1, 0.6), "bear": (85, 0.6, 1.8, 0.1, 0.6)},
    **{"t-rex": (70, 0.5, 1.3, 0.1, 0.7), "dragon": (80, 0.5, 1.4, 0.1, 0.6), "elephant": (310, 0.5, 1.8, 0.3, 0.45)},
    **{"frog": (240, 2.4, 12, 0.1, 0.5), "mouse": (3000, 2.4, 18, 0.1, 0.25), "monkey": (760, 2.6, 9, 0.4, 0.4)},
    **{"dolphin": (2400, 1.8, 9, 0.4, 0.35), "whale": (170, 0.4, 0.9, 0.3, 0.45), "ghost": (380, 0.5, 1.0, 0.2, 0.35)},
    **{"robot": (880, 2.5, 10, 0.5, 0.25), "baby": (560, 0.9, 3, 0.3, 0.4), "bell": (1050, 1.2, 3, 0.0, 0.4)},
    **{
        "alarm clock": (1900, 8.0, 25, 0.0, 0.35),
        "police car": (800, 1.0, 0.8, 0.3, 0.35),
        "train": (330, 0.4, 2, 0.1, 0.3),
    },
    **{"ambulance": (700, 1.0, 0.8, 0.4, 0.35), "fire truck": (600, 1.0, 0.8, 0.4, 0.35)},
    **{"steam train": (500, 0.5, 2, 0.1, 0.35), "drum": (130, 2.2, 14, 0.1, 0.6), "guitar": (220, 2.0, 4, 0.5, 0.4)},
}
SPLASHES = ("sea", "lake")
