"""Word lists of the built-in probes, each chosen so that an answer's first letter decides it."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEMALE = ("Amy", "Cora", "Eve", "Gail", "Ida", "Kim", "Mary", "Olga", "Rose", "Tina")
MALE = ("Bob", "Dan", "Fred", "Hugo", "Jack", "Leo", "Ned", "Paul", "Sam", "Will")
"""No two of the twenty names share an initial."""

ANIMALS = _words(
    "ant bee cat dog eel fox gnu hen ibex jay kite lynx mole newt owl pig quail rat seal toad vole wolf yak zebra"
)
"""No two share an initial."""

SPELLED = (
    _words("cat dog sun box pen hat cup red fix jam key lip map net owl pig rug sky tub van wax yes zip arm ice"),
    _words("house plant bread chair dream flock grape horse jumpy knife light money night ocean piano quest"),
    _words("blanket chamber country daylong fishery holiday journey kingdom machine picture problem quickly"),
)
"""Words of three, five and seven letters; none has a letter twice."""

SEGMENTED = (
    _words("at be do go he if my no so up we"),
    _words("blue cold dark ears fish gold hand jump king lamp moon nest open park quiz rain salt tree wind"),
    _words("bridge candle doctor engine flower garden harbor island jacket kitten ladder market needle orange"),
)
"""Of each list no word begins another, so that a string of them falls apart in one way."""

NOUNS = _words("key door lamp book chair friend river car dog cat plant tower girl boy ship king stone wall")
PLACES = ("near", "behind", "beside", "under", "above", "before")
SHIFTY_NOUNS = (
    _words("bus lens gas virus iris atlas cat dog river book door lamp"),
    _words("mice geese men women feet teeth") + _words("cats dogs rivers books doors lamps"),
)
"""Singular and plural nouns; half of each end in s."""

PLURALS = (
    (
        "cat/cats/cates dog/dogs/doges river/rivers/riveres book/books/bookes lamp/lamps/lampes king/kings/kinges",
        "box/boxes/boxs bus/buses/buss dish/dishes/dishs fox/foxes/foxs glass/glasses/glasss lunch/lunches/lunchs",
    ),
    (
        "day/days/daies key/keys/keies boy/boys/boies toy/toys/toies way/ways/waies ray/rays/raies",
        "city/cities/citys lady/ladies/ladys baby/babies/babys fly/flies/flys army/armies/armys spy/spies/spys",
    ),
    (
        "house/houses/hice boot/boots/beet root/roots/reet can/cans/cen moose/mooses/meese hut/huts/hit",
        "mouse/mice/mouses foot/feet/foots tooth/teeth/tooths man/men/mans goose/geese/gooses louse/lice/louses",
    ),
)
"""For each difficulty two groups of singular, plural, and what the other group's rule would make of it."""

PASTS = (
    (
        "walk/walked/walkd look/looked/lookd ask/asked/askd jump/jumped/jumpd help/helped/helpd call/called/calld",
        "bake/baked/bakeed love/loved/loveed move/moved/moveed hope/hoped/hopeed like/liked/likeed use/used/useed",
    ),
    (
        "look/looked/lookked cook/cooked/cookked seem/seemed/seemmed rain/rained/rainned fail/failed/failled "
        "heat/heated/heatted",
        "stop/stopped/stoped plan/planned/planed beg/begged/beged hug/hugged/huged rob/robbed/robed nod/nodded/noded",
    ),
    (
        "link/linked/lank wink/winked/wank hint/hinted/hant blink/blinked/blank fill/filled/fall kiss/kissed/kass",
        "sing/sang/singed ring/rang/ringed drink/drank/drinked swim/swam/swimmed begin/began/beginned sink/sank/sinked",
    ),
)
"""For each difficulty two groups of verb, past, and what the other group's rule would make of it."""

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

PHRASES = (
    (
        "of course",
        "at least",
        "thank you",
        "good night",
        "for example",
        "traffic jam",
        "per hundred",
        "no doubt",
        "so far",
        "by mistake",
        "in general",
        "such as",
    ),
    (
        "as well as",
        "one of the",
        "a lot of",
        "ladies and gentlemen",
        "more or less",
        "rock and roll",
        "day and night",
        "salt and pepper",
        "bed and breakfast",
        "read and write",
        "up and down",
        "bread and jam",
    ),
    (
        "on the other hand",
        "once upon a time",
        "at the same moment",
        "as soon as possible",
        "in the long run",
        "the end of the world",
        "better late than never",
        "all of a sudden",
        "last but not least",
        "to be or not to be",
        "the tip of the iceberg",
        "what goes up must come down",
    ),
)
"""Phrases of two, three, and more words; the last words of a level begin with different letters."""

SEQUENCES = (
    tuple(chr(code) for code in range(97, 123)),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"),
)
