"""The picture bank: which OpenMoji picture shows which answer.

Every name here is an answer word of the benchmark; the emoji beside it is its picture. All
pictures are from OpenMoji (CC BY-SA 4.0). Several emoji after one name are several pictures of it.
"""

from __future__ import annotations


def _read(table: str) -> dict[str, tuple[str, ...]]:
    """Read `name: emoji emoji, name: emoji` into a mapping from name to pictures."""
    entries = (entry.split(":") for entry in table.replace("\n", " ").split(",") if entry.strip())
    return {name.strip(): tuple(pictures.split()) for name, pictures in entries}


def words(table: str) -> tuple[str, ...]:
    """Read names that have no space in them."""
    return tuple(table.split())


OBJECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "animal": _read(
        """dog: 🐕, cat: 🐈, horse: 🐎, cow: 🐄, pig: 🐖, sheep: 🐑, elephant: 🐘, giraffe: 🦒, camel: 🐫,
        rabbit: 🐇, mouse: 🐁, rooster: 🐓, duck: 🦆, eagle: 🦅, owl: 🦉, penguin: 🐧, fish: 🐟, shark: 🦈,
        whale: 🐋, octopus: 🐙, snake: 🐍, turtle: 🐢, frog: 🐸, butterfly: 🦋, bee: 🐝, spider: 🕷, snail: 🐌,
        crab: 🦀, kangaroo: 🦘, zebra: 🦓, lion: 🦁, tiger: 🐅, panda: 🐼, polar bear: 🐻‍❄️, monkey: 🐒,
        hedgehog: 🦔, peacock: 🦚, flamingo: 🦩, crocodile: 🐊, squirrel: 🐿"""
    ),
    "food": _read(
        """apple: 🍎, banana: 🍌, bunch of grapes: 🍇, strawberry: 🍓, pineapple: 🍍, watermelon: 🍉,
        carrot: 🥕, ear of corn: 🌽, mushroom: 🍄, slice of pizza: 🍕, hamburger: 🍔, hot dog: 🌭, ice cream: 🍦,
        birthday cake: 🎂, donut: 🍩, loaf of bread: 🍞, fried egg: 🍳, cheese: 🧀, taco: 🌮, pear: 🍐, cherry: 🍒,
        lemon: 🍋, lollipop: 🍭, pretzel: 🥨"""
    ),
    "vehicle": _read(
        """car: 🚗, bus: 🚌, train: 🚆, airplane: ✈, helicopter: 🚁, sailing boat: ⛵, bicycle: 🚲, motorcycle: 🏍,
        rocket: 🚀, fire engine: 🚒, police car: 🚓, tractor: 🚜, scooter: 🛴, canoe: 🛶"""
    ),
    "thing": _read(
        """umbrella: ☂, alarm clock: ⏰, camera: 📷, guitar: 🎸, drum: 🥁, trumpet: 🎺, book: 📕, chair: 🪑,
        bed: 🛏, key: 🔑, hammer: 🔨, teddy bear: 🧸, balloon: 🎈, traffic light: 🚦, light bulb: 💡,
        magnifying glass: 🔍, toilet: 🚽, backpack: 🎒, top hat: 🎩, crown: 👑, candle: 🕯,
        fire extinguisher: 🧯, microscope: 🔬, bell: 🔔, vase: 🏺, cactus: 🌵, sunflower: 🌻, palm tree: 🌴,
        christmas tree: 🎄, snowman: ⛄, gift: 🎁, laptop: 💻, ladder: 🪜, kite: 🪁, axe: 🪓, anchor: ⚓, trophy: 🏆,
        wine glass: 🍷, teapot: 🫖, suitcase: 🧳, house: 🏠, tent: ⛺"""
    ),
}

SPORTS = _read(
    """soccer: ⚽, basketball: 🏀, baseball: ⚾, tennis: 🎾, volleyball: 🏐, table tennis: 🏓, badminton: 🏸,
    ice hockey: 🏒, cricket: 🏏, golf: ⛳, boxing: 🥊, bowling: 🎳, skiing: ⛷, surfing: 🏄, swimming: 🏊,
    rowing: 🚣, fencing: 🤺, horse racing: 🏇, wrestling: 🤼, archery: 🏹, american football: 🏈,
    rock climbing: 🧗, cycling: 🚴, weight lifting: 🏋, ice skating: ⛸, darts: 🎯, curling: 🥌,
    skateboarding: 🛹"""
)

ACTIVITIES = _read(
    """walking: 🚶, running: 🏃, dancing: 💃, meditating: 🧘, taking a bath: 🛀, sleeping: 🛌, juggling: 🤹,
    cooking: 🧑‍🍳, farming: 🧑‍🌾, teaching: 🧑‍🏫, singing: 🧑‍🎤, painting: 🧑‍🎨, welding: 🧑‍🏭, feeding a baby: 🧑‍🍼,
    typing: 🧑‍💻, writing: ✍, taking a selfie: 🤳, getting a haircut: 💇, getting a massage: 💆"""
)

MOODS = _read(
    """happy: 😀 😁, sad: 😢 😞, angry: 😠 😡, surprised: 😮 😯, scared: 😱, sleepy: 😴, in love: 😍,
    disgusted: 🤢, sick: 🤒, embarrassed: 😳, amused: 😂, silly: 😜, relaxed: 😌, nervous: 😬, bored: 😑,
    freezing: 🥶"""
)

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (250, 225, 50),
    "green": (60, 160, 60),
    "blue": (50, 95, 220),
    "purple": (135, 60, 170),
    "pink": (250, 150, 195),
    "brown": (125, 80, 40),
    "black": (38, 38, 38),
    "white": (252, 252, 252),
    "gray": (150, 150, 150),
}

# Pictures with one large plain surface, which may be dyed and printed on.
DYEABLE = _read(
    """umbrella: ☂, car: 🚗, balloon: 🎈, shirt: 👕, dress: 👗, book: 📕, backpack: 🎒, bell: 🔔,
    kite: 🪁, sock: 🧦, boot: 👢, scarf: 🧣, cap: 🧢, chair: 🪑, key: 🔑, bus: 🚌, teapot: 🫖, mushroom: 🍄,
    bucket: 🪣, heart: ♥"""
)
PRINTABLE = ("umbrella", "balloon", "shirt", "dress", "book", "backpack", "bell", "heart", "teapot", "boot")

# Pictures whose upright position is beyond doubt.
TURNABLE = words(
    """
    dog horse cow elephant car bus chair trophy penguin house snowman cactus teapot rooster giraffe camel crown
    """
)

# Small enough to repeat six times, and plain enough to be counted.
COUNTABLE = words(
    """
    dog cat pig sheep rabbit duck owl penguin fish turtle frog butterfly bee spider crab apple banana strawberry
    pineapple carrot mushroom hamburger donut lemon pear car bus bicycle rocket umbrella guitar book chair key
    balloon bell cactus gift kite trophy teapot
    """
)

NUMBERS = ("one", "two", "three", "four", "five", "six")
PATTERNS = ("striped", "spotted", "checkered", "plain")
ORIENTATIONS = ("upright", "upside down", "on its side")
SIZES = ("tiny", "medium", "huge")
SHAPES = ("round", "square", "triangular", "star-shaped", "heart-shaped", "diamond-shaped")
CORNERS = ("top left", "top right", "bottom left", "bottom right", "middle")
ARRANGEMENTS = ("side by side", "one above the other", "diagonal")

# Pictures that are never an answer and may stand anywhere.
SCENERY = ("☁", "🌲", "🌙", "🪨", "🌿", "🍂")

OBJECT_PICTURES = {name: pics for group in OBJECTS.values() for name, pics in group.items()}
GROUP_OF = {name: group for group, names in OBJECTS.items() for name in names}
