"""Neutral prose of our own to bury a request in: statements about everyday things, no question, wish, negation or number in them."""

from __future__ import annotations

from typing import Final

_TEXT: Final = """
The park behind the station is open from early morning until dusk. Gravel paths run along the pond, and old chestnut
trees stand on both sides. In spring the gardeners plant tulips near the entrance, and in autumn they rake the leaves
into long rows. Ducks live on the pond, and on warm days people sit on the grass and read.

The town library moved into the former post office a while ago. The reading room has tall windows, wooden tables and
green lamps. Novels stand on the ground floor, and maps and newspapers are kept upstairs. A small bell rings shortly
before closing time, and the staff carry the returned books back to their shelves.

Bread from the corner bakery is made with a slow dough that rests overnight. The baker lights the oven before sunrise
and slides the loaves in with a long wooden shovel. By the time the shop opens, the street smells of warm crust. Rolls
with poppy seeds are the favourite of the children on their way to school.

Clouds are named after their shape and height. Flat layers that cover the whole sky are called stratus, while heaps
with round tops are called cumulus. Thin, feathery streaks high above are cirrus. Watching how they change during the
day gives a fair idea of the weather of the next morning.

The old tram line follows the river for most of its way. It leaves the market square, passes the brewery and the
botanical garden, and ends at the lake. The cars are painted cream and red, and their seats are made of polished wood.
At the weekend families take it to the beach and come back in the evening.

A good soup begins with onions that are softened slowly in butter. Carrots, celery and leeks follow, and then a broth
that has simmered for a while. Fresh herbs go in at the end, so that they keep their colour. Many people like it even
better on the following day, when the flavours have come together.

Lighthouses were built on cliffs and small islands so that ships could find their way. Each had a pattern of light of
its own, and sailors learned these patterns by heart. The keepers lived beside the tower with their families, polished
the lens and wrote down the weather. Today most of the lamps run by themselves.

The choir meets in the hall next to the church. It sings folk songs from many countries and a few longer works each
winter. New members sit beside experienced ones during the early weeks. After the rehearsal there is tea in the
kitchen, and somebody usually brings a cake.

Wool is washed, combed and spun before it can be knitted. Its colour depends on the sheep and on the plants that are
used for dyeing: onion skins give a warm yellow, and walnut shells a deep brown. A simple scarf takes a few evenings,
and a pullover may take a whole winter.

The mountain hut stands on a meadow below the ridge. Hikers reach it by a path that winds through pine forest and
crosses a stream over a narrow bridge. From the terrace the view reaches across the valley to the glacier. In the
evening the host serves potatoes with cheese and apple sauce.

Houseplants like a bright place away from the heater. Most of them are watered when the top of the soil feels dry.
Leaves that are wiped with a damp cloth take in more light. In spring they move into a slightly larger pot with fresh
earth, and soon afterwards new shoots appear.

The local museum shows how people lived and worked in the region. There is a kitchen with copper pans, a schoolroom
with slates, and a workshop in which clocks were repaired. School classes like the model railway on the upper floor. A
volunteer explains how the loom works and lets visitors try it.

Migrating birds gather on the wires at the end of summer. They travel along coasts and rivers and rest in wetlands on
the way. Some find their direction by the stars, others by the sun. In the following spring they return to the same
barns and nest under the same roofs.

The weekly market fills the square from dawn until midday. Farmers bring apples, pumpkins and cheese, and a flower
stall stands beside the fountain. People greet each other, compare the prices and stay for a coffee. When the bells
ring at noon, the stalls are folded up and the square is swept.
"""
PARAGRAPHS: Final = tuple(" ".join(paragraph.split()) for paragraph in _TEXT.split("\n\n"))
"""Paragraphs of about fifty words each."""
