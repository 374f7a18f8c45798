"""The sentences contexts are made of, each belonging to one split.

A claim sentence is a frame around a core: the core holds the answer (`{p}`), and what the question
names (`{s}`). Frames and cores of one split never occur in another. Fillers say nothing of any answer.
"""

from __future__ import annotations

_FRAMES = {
    "train": (
        "{c}.", "According to the caption, {c}.", "The visitor noted that {c}.", "As the guide explained, {c}.",
        "Everyone agreed that {c}.", "Later it turned out that {c}.", "In this scene, {c}.",
        "Her diary says that {c}.", "It is well known by now that {c}.", "For a while {c}.",
    ),
    "validation": (
        "The reporter wrote that {c}.", "On that day {c}.", "He remembers clearly that {c}.", "By all accounts {c}.",
        "To be precise, {c}.", "The label explains that {c}.",
    ),
    "test": (
        "The article mentions that {c}.", "As the witness recalled, {c}.", "That morning {c}.",
        "A neighbor told us that {c}.", "If the notes are correct, {c}.", "It should be said that {c}.",
    ),
}  # fmt: skip

_FILLERS = {
    "train": (
        "The weather had been mild all week.", "A gentle wind came from the sea.", "The town was busy with tourists.",
        "Nobody was in a hurry.", "Music drifted over from the market.", "The shops were about to close.",
        "A small crowd had gathered by noon.", "The whole event was free of charge.", "The light was soft and warm.",
        "An old friend had come along for the trip.", "Tickets had been sold out for days.", "The air smelled of rain.",
        "Afterwards everyone went home for supper.", "The local newspaper printed a short report.",
        "Volunteers had prepared everything with care.", "It was the last day of the holidays.",
        "The place can be reached easily from the station.", "Some people stayed until late in the evening.",
        "The organizers thanked their many helpers.", "A few clouds passed over the hills.",
        "The street was quiet except for some footsteps.", "The museum nearby opens at nine.",
        "Children were laughing in the distance.", "The day had started with a delay.",
        "It had taken weeks to arrange the visit.", "The story was told many times afterwards.",
    ),
    "validation": (
        "The evening was calm and clear.", "The path had been swept that week.", "There was plenty of time.",
        "Voices could be heard from the village.", "The benches were still wet.", "The visit lasted less than an hour.",
        "The season was coming to an end.", "Lunch was served on the terrace.", "The old wall had been repaired.",
        "Most of the guests arrived by noon.", "The wind had calmed down.", "The town is proud of its history.",
    ),
    "test": (
        "The sun was already low.", "Guests were welcomed with hot drinks.", "The garden had just been watered.",
        "The road along the coast was closed.", "A light breeze moved the curtains.", "The week had been long.",
        "Somebody had brought a basket of snacks.", "The festival takes place every summer.",
        "The library was still open.", "Fog lay over the valley at dawn.", "The bridge had been repaired in spring.",
        "Several families came from the next village.", "There was hardly any noise.", "The meeting began on time.",
    ),
}  # fmt: skip

# Per kind: cores of train | validation | test.
_CORES = {
    "object": """the photographer had waited all morning for {p}; people stopped to look at {p};
        the scene shows {p};
        they came across {p}; nobody could overlook {p}; the whole trip was about {p};
        somebody had discovered {p}; a child drew {p}
        | you could see {p}; the {s} in question is {p}; the group admired {p}
        | there was {p} to be seen; she took a photograph of {p}; visitors pointed at {p};
        the title of the page is {p}""",
    "sport": """the whole afternoon was about {p}; the crowd had come for {p}; the club is famous for {p};
        the children wanted to see {p}; the report is all about {p}; the day was devoted to {p};
        the team talked of {p};
        the coach had planned everything around {p}
        | the match reminded everyone of {p}; the poster announced {p}; the fans cheered for {p}
        | the tournament offered {p}; the athletes talked about {p}; the spectators enjoyed {p};
        the final featured {p}""",
    "activity": """the person was {p}; they could watch a person {p}; the person spent an hour {p};
        the person had started {p}; the person was busy {p}; a person was seen {p}; the person kept {p};
        the person loves {p}
        | the person went on {p}; the film shows a person {p}; the person was found {p}
        | the person continued {p}; someone noticed the person {p}; the person enjoys {p};
        the person was still {p}""",
    "mood": """the person was {p}; the person had been {p} since breakfast; they found the person {p};
        the person, {p}, said nothing; the person was {p} the whole time; the news found the person {p};
        the person stood there {p}; the friend of ours was {p}
        | the person remained {p}; the person came home {p}; everybody could tell the person was {p}
        | the person ended up {p}; the person was visibly {p}; the reporter caught the person {p};
        the person sat there {p}""",
    "color": """the {s} was {p}; the {s} had been dyed and was now {p}; the owner wanted the {s} to be {p};
        they chose a {s} that is {p}; the new {s} is {p}; the {s} looks {p}; the {s} was made {p};
        the {s} turned out {p}
        | the {s} had become {p}; she asked for a {s} that is {p}; the {s} on display is {p}
        | the {s} was painted {p}; the {s} they bought was {p}; the {s} appeared {p};
        everyone noticed that the {s} is {p}""",
    "count": """there were {p}; someone counted {p}; the yard held {p}; you could see {p}; they had brought {p};
        the owner had {p}; the list names {p}; the photograph was about {p}
        | the room contained {p}; the place was known for {p}; the children found {p}
        | the catalog lists {p}; the group came upon {p}; the farmer showed us {p}; the table had {p} on it""",
    "pattern": """the {s} was {p}; the {s} is {p} from edge to edge; they liked that the {s} was {p};
        the {s} they sewed was {p}
        | the {s} had been made {p}; the {s} looked {p} | the {s} on sale was {p}; the surface of the {s} is {p}""",
    "orientation": """the {s} was {p}; someone had kept the {s} {p}; the {s} stayed {p}; they found the {s} {p}
        | the {s} ended up {p}; the {s} had been put {p} | the {s} was placed {p}; the {s} can be seen {p}""",
    "size": """the {s} was {p}; the {s} is {p} in the frame; they thought that the {s} was {p}; the {s} looked {p}
        | the {s} seemed {p}; the {s} was found to be {p} | the {s} appears {p}; the {s} turned out to be {p}""",
    "shape": """the frame around the {s} was {p}; the sign with the {s} is {p}; the {s} sits on a board that is {p};
        they put the {s} on a sign that is {p}
        | the board behind the {s} was {p}; the {s} was drawn on a sign that is {p}
        | the plate behind the {s} is {p}; the frame that holds the {s} is {p}""",
    "corner": """the {s} was {p}; the {s} had been placed {p}; somebody put the {s} {p}; the {s} stayed {p}
        | the {s} can be found {p}; they saw the {s} {p} | the {s} stands {p}; the {s} was seen {p}""",
    "arrangement": """the {s} was {p} the {o}; the {s} could be seen {p} the {o};
        the {s} had been put {p} the {o}; the {s} stayed {p} the {o}
        | the {s} can be found {p} the {o}; they saw the {s} {p} the {o}
        | the {s} stands {p} the {o}; the {s} was placed {p} the {o}""",
}  # fmt: skip
_SPLITS = ("train", "validation", "test")


def _split_cores(text: str) -> dict[str, tuple[str, ...]]:
    parts = (tuple(" ".join(core.split()) for core in part.split(";")) for part in text.split("|"))
    return dict(zip(_SPLITS, parts, strict=True))


CORES = {kind: _split_cores(text) for kind, text in _CORES.items()}
FRAMES = _FRAMES
FILLERS = _FILLERS

QUESTIONS: dict[str, tuple[str, ...]] = {
    "object": (
        "What {s} is shown in the picture?", "What {s} is in the photo?", "What {s} can be seen?",
        "Which {s} is shown?",
    ),
    "sport": (
        "What sport is depicted in the picture?", "What sport is this?", "Which sport is shown?",
        "What sport is being played?",
    ),
    "activity": (
        "What is the person doing?", "What activity is shown in the picture?",
        "What is the person in the photo doing?",
    ),
    "mood": (
        "How does the person feel?", "What is the mood of the person?",
        "How is the person feeling in the picture?",
    ),
    "color": ("What color is the {s}?", "What is the color of the {s}?", "Which color does the {s} have?"),
    "count": ("How many {s} are there?", "How many {s} are in the photo?", "What is the number of {s}?"),
    "pattern": ("What pattern does the {s} have?", "What pattern is on the {s}?", "How is the {s} patterned?"),
    "orientation": ("Which way up is the {s}?", "How does the {s} stand?", "In which position is the {s}?"),
    "size": ("How big is the {s}?", "What size does the {s} have?", "How large is the {s} in the picture?"),
    "shape": (
        "What shape is behind the {s}?", "What is the shape of the sign with the {s}?",
        "What shape has the board of the {s}?",
    ),
    "corner": (
        "Where in the picture is the {s}?", "In which part of the picture is the {s}?", "Where is the {s}?",
    ),
    "arrangement": ("How are the {s} and the {o} arranged?", "How do the {s} and the {o} stand to each other?"),
}  # fmt: skip
