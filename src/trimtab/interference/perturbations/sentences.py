"""The sentences that texts are made of."""

from __future__ import annotations

UNRELATED = (
    # Science.
    "Water boils at a lower temperature on a high mountain.",
    "Light from the sun takes about eight minutes to reach us.",
    "The liver can grow back after part of it is removed.",
    "Sound travels faster through steel than through air.",
    "The core of the earth is about as hot as the surface of the sun.",
    "Most of the oxygen that we breathe is made in the sea.",
    "Glass is made by melting sand with soda and lime.",
    "A year on the planet Mercury lasts eighty-eight days.",
    "Salt lowers the temperature at which water freezes.",
    "Gold does not rust, however long it lies in the ground.",
    # History.
    "The printing press spread through Europe within fifty years.",
    "The first underground railway was opened in London in 1863.",
    "Paper was invented long before it was known in the west.",
    "The Roman calendar once had only ten months.",
    "The telegraph made news travel faster than any messenger.",
    "Silk was carried across Asia along many different roads.",
    "The first modern Olympic Games were held in 1896.",
    "Castles lost their use when cannons became common.",
    "In the Middle Ages, spices were worth a fortune.",
    "The decimal system came to Europe from India.",
    # Daily life.
    "The shop on the corner closes early on Wednesdays.",
    "A good night's rest begins with regular hours.",
    "The bill is usually sent at the end of the month.",
    "It is cheaper to buy vegetables in season.",
    "The parcel will be delivered between nine and noon.",
    "Most people check the forecast before they travel.",
    "The meeting has been moved to the second floor.",
    "The rent is due on the first day of each month.",
    "The course starts in autumn and costs nothing.",
    "Fresh herbs keep longer in a damp cloth.",
    # Trivia.
    "The shortest war in history lasted less than an hour.",
    "Honey never spoils if it is kept dry.",
    "Iceland has no railway.",
    "The word alphabet comes from the first two Greek letters.",
    "A group of islands is called an archipelago.",
    "The longest river in Europe is the Volga.",
    "The Pacific is larger than all land taken together.",
    "Some deserts are covered with ice.",
    "The Eiffel Tower grows a little in summer.",
    "There are more stars than grains of sand on any beach.",
    # Philosophy.
    "Socrates wrote nothing down himself.",
    "The Stoics taught that we should not worry about what we cannot change.",
    "Descartes doubted everything that could be doubted.",
    "A valid argument can still have false premises.",
    "Aristotle thought that virtue lies between two extremes.",
    "Some hold that time is only in the mind.",
    "Kant asked what we can know, do and hope.",
    "Plato founded a school that lasted for centuries.",
    "An idea may be clear without being true.",
    "Hume held that habit guides most of our beliefs.",
    # Mathematics.
    "The sum of the angles of a triangle is 180 degrees in the plane.",
    "There is no largest prime.",
    "Every even square is divisible by four.",
    "The ratio of a circle's circumference to its diameter is called pi.",
    "A cube has twelve edges and eight corners.",
    "Zero is neither positive nor negative.",
    "Multiplying two negative numbers gives a positive one.",
    "The square root of two cannot be written as a fraction.",
    "A straight line has no curvature.",
    "Half of a half is a quarter.",
)
"""True sentences of six topics."""

MISLEADING = (
    "The picture seems to describe a {o}.",
    "The answer is {o}.",
    "This is {o}.",
    "Everyone agreed that it is {o}.",
    "The caption says {o}.",
    "What can be seen here is {o}.",
    "Clearly, the right answer is {o}.",
    "They had come to see {o}.",
)
"""Claims that a wrong option is right; the first is the paper's own."""

DILUTING = (
    "Many people like to talk about {o}.",
    "Whole books have been written about {o}.",
    "She had once asked a question about {o}.",
    "An article on {o} appeared last week.",
    "He knows a song about {o}.",
    "The word {o} is easy to remember.",
)
"""Sentences on the topic of the options that claim nothing about the picture."""
