"""What the full tier's captions say of places, light, weather, camera, pace and sound. Tables only."""

from __future__ import annotations

# Where somebody is, and the ways that somebody goes.
PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "beach": (
        ("on the beach", "on a sandy beach", "at the beach", "at the seaside", "on the shore", "under palm trees"),
        ("along the beach", "along the shore", "across the sand"),
    ),
    "sea": (
        ("at sea", "on the sea", "on the open ocean", "in the waves", "out on the ocean"),
        ("across the sea", "over the waves", "across the ocean"),
    ),
    "underwater": (
        ("underwater", "under the sea", "at the bottom of the sea", "in the deep ocean", "under water", "on a reef"),
        ("along the seabed", "through the deep sea", "over a coral reef"),
    ),
    "lake": (
        ("on a lake", "in a calm lake", "on a mountain lake", "at the lake", "in the water of a lake"),
        ("across a lake", "across the lake"),
    ),
    "forest": (
        ("in the forest", "in a forest", "in the woods", "between trees", "in a green forest"),
        ("through the forest", "through the woods", "past the trees"),
    ),
    "jungle": (
        ("in the jungle", "in a jungle", "in the rainforest", "in a tropical forest", "among vines"),
        ("through the jungle", "through the rainforest"),
    ),
    "desert": (
        ("in the desert", "in a sandy desert", "among cacti", "in a hot desert", "among the dunes"),
        ("across the desert", "through the desert", "over the sand"),
    ),
    "snow": (
        ("in the snow", "on a snowy field", "in a snowy landscape", "in winter", "on the ice"),
        ("across the snow", "through the snow", "over the snow"),
    ),
    "mountains": (
        ("in the mountains", "in front of mountains", "in the alps", "below snowy peaks"),
        ("through the mountains", "past the mountains"),
    ),
    "meadow": (
        ("in a meadow", "on the grass", "in a flower meadow", "on a green field", "in the meadow", "among flowers"),
        ("across a meadow", "through the grass", "over the meadow"),
    ),
    "farm": (
        ("on a farm", "on the farm", "in front of a barn", "by a red barn", "in the farmyard"),
        ("across the farm", "past a barn", "along a fence"),
    ),
    "city": (
        ("in the city", "in a big city", "in town", "in front of skyscrapers", "below tall buildings"),
        ("through the city", "through town", "past skyscrapers"),
    ),
    "street": (
        ("on the street", "on a quiet street", "in front of houses", "in the suburbs", "on a small town street"),
        ("down the street", "along the street", "past the houses"),
    ),
    "room": (
        ("in a room", "in the living room", "indoors", "at home", "in a cosy room", "in the house"),
        ("through the room", "across the living room"),
    ),
    "kitchen": (
        ("in the kitchen", "in a kitchen", "in front of the kitchen cupboards", "on the kitchen floor"),
        ("through the kitchen", "across the kitchen floor"),
    ),
    "stage": (
        ("on stage", "on a stage", "in the spotlight", "in a theatre", "in front of a red curtain"),
        ("across the stage", "over the stage"),
    ),
    "space": (
        ("in space", "in outer space", "among the planets", "among the stars"),
        ("through space", "past the stars", "past planets", "through outer space"),
    ),
    "moon": (
        ("on the moon", "on the surface of the moon", "in a lunar landscape", "between craters"),
        ("across the moon", "over the surface of the moon"),
    ),
    "sky": (
        ("in the sky", "high in the sky", "above the clouds", "among the clouds", "in the air"),
        ("through the sky", "through the clouds", "past the clouds"),
    ),
    "cave": (
        ("in a cave", "in a dark cave", "underground", "among stalactites", "among glowing crystals"),
        ("through a cave", "through the cave"),
    ),
    "volcano": (
        ("in front of a volcano", "on a volcano", "near an erupting volcano", "among lava", "by a lava stream"),
        ("past a volcano", "across the lava field"),
    ),
    "castle": (
        ("in front of a castle", "by a castle", "in a kingdom", "at a fairy tale castle"),
        ("past a castle", "past the castle"),
    ),
    "playground": (
        ("on a playground", "at the playground", "in the park", "by the swings", "next to a slide"),
        ("across the playground", "through the park"),
    ),
    "candy land": (
        ("in candy land", "in a land of sweets", "in a candy world", "among giant lollipops"),
        ("through candy land", "through a land of sweets"),
    ),
}
# The first four of each fit any weather and any place.
LIGHT_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in daylight", "during the day", "in broad daylight", "on a sunny day", "under a blue sky"),
    "sunset": ("at sunset", "in the evening", "at dusk", "in golden light", "under an orange sky", "as the sun sets"),
    "night": ("at night", "in the dark", "on a dark night", "late at night", "under the stars", "by moonlight"),
}
WEATHER_WORDS = {
    "rain": ("in the rain", "while it rains", "on a rainy day", "in heavy rain", "rain is falling"),
    "snowfall": ("while it snows", "in falling snow", "while snowflakes fall", "snow is falling", "in a snowfall"),
    "fog": ("in the fog", "in thick fog", "on a foggy day", "in the mist", "misty weather"),
    "leaves": (
        "while leaves fall",
        "among falling leaves",
        "in autumn",
        "in the wind",
        "leaves are blowing in the wind",
    ),
    "storm": ("in a storm", "during a thunderstorm", "while lightning flashes", "in stormy weather"),
}
CAMERA_WORDS = {
    "static": ("static camera", "the camera stands still", "fixed shot"),
    "pan left": ("the camera pans left", "while the camera slowly pans left", "camera pans to the left"),
    "pan right": ("the camera pans right", "while the camera slowly pans right", "camera pans to the right"),
    "tilt up": ("the camera tilts up", "camera tilts upwards", "tilt up"),
    "tilt down": ("the camera tilts down", "camera tilts downwards", "tilt down"),
    "zoom in": ("the camera zooms in", "slow zoom in", "camera zooming in"),
    "zoom out": ("the camera zooms out", "slow zoom out", "camera zooming out"),
    "follow": ("the camera follows", "tracking shot", "the camera follows along", "side scrolling view"),
    "handheld": ("handheld camera", "shaky camera", "filmed by hand"),
}
CAMERA_SHOT = {
    "static": ("a fixed shot", "a still shot"),
    "pan left": ("a pan to the left", "a left pan"),
    "pan right": ("a pan to the right", "a right pan"),
    "zoom in": ("a slow zoom in", "a zoom shot"),
    "follow": ("a tracking shot", "a follow shot"),
    "handheld": ("a handheld shot", "shaky footage"),
}
PACE = {
    "slow": ("slowly", "calmly", "gently"),
    "fast": ("quickly", "fast", "in a hurry"),
    "any": ("slowly", "quickly", "fast", "calmly", "hurry", "speed", "race", "scurry", "still"),
}
SIZES = {
    "small": ("seen from afar", "long shot", "small in the picture"),
    "large": ("close up", "close-up", "filling the picture"),
}
WHERE = {"left": ("on the left", "on the left side"), "right": ("on the right", "on the right side")}
SOUNDS = {
    "beach": ("with the sound of waves", "waves can be heard"),
    "sea": ("with the sound of waves", "the sea roars"),
    "underwater": ("with bubbling sounds", "muffled underwater sound"),
    "lake": ("with lapping water", "with the sound of water"),
    "forest": ("birds are singing", "with birdsong"),
    "jungle": ("insects are buzzing", "with jungle sounds"),
    "meadow": ("birds are singing", "crickets are chirping"),
    "city": ("with traffic noise", "with the hum of the city"),
    "street": ("with traffic noise", "with street noise"),
    "cave": ("with dripping water", "with echoes"),
    "volcano": ("with a deep rumble", "the volcano rumbles"),
    "space": ("with a low hum", "a deep drone"),
    "snow": ("with a cold wind", "the wind howls"),
    "mountains": ("with wind", "the wind blows"),
    "desert": ("with a dry wind", "the wind blows"),
    "sky": ("with rushing wind", "the wind blows"),
    "rain": ("with the sound of rain", "rain can be heard"),
    "storm": ("with thunder", "thunder can be heard"),
    "any": ("with sound", "with background noise"),
}
LOOKS = ("cute", "little", "funny", "happy", "lovely", "small")
STYLES = ("cartoon animation", "3d cartoon", "a short animation", "cute animation", "animated film", "3d animation")
