"""How answers are worded in English: articles, plurals, and words that hint at an answer.

A context states its answer directly ("tennis") or by a hint that has to be understood ("a racket and
a yellow felt ball"). Hints are shared by all splits, as vocabulary is; the sentences around them are not.
"""

from __future__ import annotations

import random

_PLURALS = {
    "sheep": "sheep", "fish": "fish", "mouse": "mice", "cactus": "cacti", "loaf of bread": "loaves of bread",
    "bunch of grapes": "bunches of grapes", "ear of corn": "ears of corn", "slice of pizza": "slices of pizza",
    "snowman": "snowmen",
}  # fmt: skip
_SINGULARS = {"cheese": "a piece of cheese"}
_PREFIXES = (
    "{a}",
    "{a}",
    "{a}",
    "{a} with nothing around it",
    "somebody's {bare}",
    "the same {bare} as ever",
    "{many}",
)
_FEW = ("two", "three", "several", "a pair of")


def article(noun: str) -> str:
    """The noun with a or an."""
    return _SINGULARS.get(noun) or f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """The noun in the plural."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")


def noun_phrase(noun: str, rng: random.Random) -> str:
    """One of several ways to mention a thing."""
    pattern = rng.choice(_PREFIXES)
    return pattern.format(a=article(noun), bare=noun, many=f"{rng.choice(_FEW)} {plural(noun)}")


def counted(noun: str, number: str, rng: random.Random) -> str:
    """A number of things, sometimes in a roundabout way."""
    many = plural(noun)
    if rng.random() < 0.5:
        return f"{number} {noun if number == 'one' else many}"
    roundabout = {
        "one": (f"a single {noun}", f"a lone {noun} and no other"),
        "two": (f"a pair of {many}", f"a {noun} with a second {noun}"),
        "three": (f"a trio of {many}", f"a pair of {many} and another {noun}"),
        "four": (f"two pairs of {many}", f"a trio of {many} and another {noun}"),
        "five": (f"as many {many} as fingers on a hand", f"four {many} and another {noun}"),
        "six": (f"half a dozen {many}", f"two trios of {many}"),
    }
    return rng.choice(roundabout[number])


def _read(table: str) -> dict[str, tuple[str, ...]]:
    lines = (line.split(":") for line in table.strip().splitlines())
    return {name.strip(): tuple(hint.strip() for hint in hints.split("/")) for name, hints in lines}


SPORT_HINTS = _read("""
soccer: a ball that only the keeper may touch with the hands / two goals with nets and a muddy pitch
basketball: a high hoop and a ball that is dribbled / a slam dunk at the buzzer
baseball: a pitcher, a catcher and three bases / a home run out of the park
tennis: a racket and a yellow felt ball / a serve and a volley on a clay court
volleyball: a high net and a ball that must not touch the sand / a spike over the high net
table tennis: a small paddle and a light plastic ball / a tiny bouncing ball on a wooden table
badminton: a light racket and a feathered shuttle / a shuttle that flew over the net
ice hockey: a rubber puck and long sticks on a frozen rink / a puck in the goal and skates on the ice
cricket: a flat bat and a wicket of wooden stumps / a bowler and a batsman dressed in white
golf: a small hole with a flag on the lawn / a caddie, a tee and a long putt
boxing: padded gloves and a ring with ropes / a knockout in the last round
bowling: a heavy ball and ten pins at the end of a lane / a strike that knocked over all the pins
skiing: a snowy slope and a pair of poles / goggles and fresh powder on the slope
surfing: a long board on a tall wave / a wet board and the perfect wave
swimming: lanes of water and a pair of goggles / the butterfly stroke in a heated pool
rowing: a long narrow boat and its oars / oars that dipped into the river together
fencing: masks and thin blades / a duel with thin foils and white suits
horse racing: jockeys in bright silks and a saddle / a jockey who galloped to the finish line
wrestling: holds and throws on a soft mat / an opponent pinned to the mat
archery: a bow and a quiver of arrows / arrows flying towards a target
american football: helmets, shoulder pads and a touchdown / a quarterback and a long pass
rock climbing: a steep cliff, ropes and chalk / a climber who hung from a cliff
cycling: pedals, thin tires and a yellow jersey / a long stage on two wheels
weight lifting: a heavy barbell and chalky hands / a barbell raised over the head
ice skating: sharp blades and a spin on the frozen rink / a pirouette on the ice
darts: a bullseye on a cork board / small points thrown at a round board in the pub
curling: a heavy stone and a broom on the ice / a granite stone swept across the ice
skateboarding: a ramp and a board with small wheels / a kickflip on a board with wheels
""")

ACTIVITY_HINTS = _read("""
walking: strolling along the path / going on foot at an easy pace
running: sprinting as fast as possible / jogging to catch up
dancing: moving to the music / doing the tango
meditating: sitting still with crossed legs / breathing calmly with closed eyes
taking a bath: soaking in a tub full of foam / washing in the tub
sleeping: snoring under a blanket / lying in bed and dreaming
juggling: tossing several balls into the air / keeping many balls in the air
cooking: stirring a pot of soup / preparing dinner in the kitchen
farming: bringing in the hay / plowing the field
teaching: explaining a lesson to the class / standing at the blackboard before the pupils
singing: holding a microphone and a long note / performing a song on the stage
painting: mixing oils on a palette / putting brush strokes on a canvas
welding: joining steel with a torch / working on metal with sparks and a mask
feeding a baby: giving an infant a bottle / holding a bottle of milk for the infant
typing: tapping on a keyboard / working at the keyboard
writing: filling a page with a pen / putting down a letter with a pen
taking a selfie: holding the phone at arm's length / smiling into the phone for a portrait
getting a haircut: sitting still at the barber's / letting the scissors do their work
getting a massage: having tense shoulders kneaded / having a sore neck rubbed
""")

MOOD_HINTS = _read("""
happy: smiling from ear to ear / beaming with joy
sad: close to tears and looking down / wiping away a tear
angry: shouting with a clenched fist / stamping and glaring at everyone
surprised: caught off guard with raised brows / staring at something nobody expected
scared: trembling and ready to flee / screaming as if there were a ghost
sleepy: nodding off again and again / unable to stay awake
in love: dreaming of a sweetheart / full of tender feelings for somebody
disgusted: turning away from a foul smell / pulling a face at the rotten food
sick: lying down with a fever / coughing with a thermometer in the mouth
embarrassed: blushing after a clumsy mistake / wishing to sink into the ground
amused: laughing at a good joke / giggling until it hurt
silly: sticking out a tongue for fun / clowning around
relaxed: without a care in the world / at ease and breathing calmly
nervous: biting nails before the exam / fidgeting before the exam
bored: waiting with nothing to do / counting the minutes with no interest
freezing: shivering with icy hands / chattering with the teeth in the frost
""")

COLOR_HINTS = _read("""
red: the shade of a ripe tomato / like fresh blood
orange: the shade of a ripe pumpkin / like a juicy tangerine
yellow: the shade of an egg yolk / like bright sunshine
green: the shade of fresh grass / like young leaves
blue: the shade of a clear summer sky / like the deep sea
purple: the shade of ripe plums / like lavender
pink: the shade of a piglet / like cotton candy
brown: the shade of chocolate / like roasted coffee
black: the shade of coal / like the night without stars
white: the shade of fresh snow / like clean milk
gray: the shade of ash / like a rainy day
""")

PATTERN_HINTS = _read("""
striped: covered in slanting bands / decorated with parallel lines
spotted: covered in dots / decorated with polka dots
checkered: covered like a chessboard / decorated with little squares
plain: free of any pattern / without any decoration
""")

ORIENTATION_HINTS = _read("""
upright: the proper way up / standing as it should
upside down: turned on its head / with its top towards the ground
on its side: tipped over / lying flat after a fall
""")

SIZE_HINTS = _read("""
tiny: no larger than a thumbnail / so small that one could miss it
medium: of average size / neither big nor small
huge: so big that it fills the frame / enormous
""")

SHAPE_HINTS = _read("""
round: a circle / like a coin
square: with four equal sides / like a chess field
triangular: with three corners / like a pyramid
star-shaped: a star with five points / like a star
heart-shaped: a heart / like a valentine
diamond-shaped: a square that stands on its corner / like a rhombus
""")

CORNER_HINTS = _read("""
top left: in the upper left corner
top right: in the upper right corner
bottom left: in the lower left corner
bottom right: in the lower right corner
middle: in the center
""")

# Where one thing stands to another, which says how the two are arranged.
ARRANGEMENT_HINTS = _read("""
side by side: to the left of / to the right of / right beside / next to
one above the other: above / below / over / under
diagonal: diagonally across from / at an angle from / cornerwise from
""")

ALIASES: dict[str, tuple[str, ...]] = {
    "bunch of grapes": ("grapes",), "slice of pizza": ("pizza",), "ear of corn": ("corn",),
    "loaf of bread": ("bread",), "birthday cake": ("cake",), "fried egg": ("egg",), "sailing boat": ("sailboat",),
    "table tennis": ("ping pong",), "gray": ("grey",), "one": ("1",), "two": ("2",), "three": ("3",),
    "four": ("4",), "five": ("5",), "six": ("6",), "middle": ("center",), "relaxed": ("calm",), "donut": ("doughnut",),
}  # fmt: skip
