"""Common English words of our own choice, and which of them is the nearest to a mistyped word.

Not a dictionary. It is there so that a mistyped word does not become another common word, and so that who reads it has words to choose
from. What is not in the list is guarded by `is_odd`: a mistyped word must hold three letters in a row that no word of the list holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

_BASE: Final = """
able about above accept account achieve across action active actor actual adapt add address adopt adult advance advice affair affect afford afraid
after again against age agent agree ahead aim air alarm album alcohol alert alive allow almost alone along already also alter always amount amuse
anchor ancient anger angle angel angry animal ankle announce annual answer anxious any apart apology appeal appear apple apply approach approve area argue
arise arm army around arrange arrest arrive arrow art article artist ashamed aside ask asleep assist assume attack attempt attend attract author auto
autumn avoid awake award aware away baby back bacon bad badge bag bake baker balance ball banana band bank bar bare bargain bark base basic basis basket bat
bath bathe battle beach bean bear beard beast beat beauty because become bed bee beef beer before beg begin behave behind belief believe bell belong
below belt bench bend beneath benefit beside best bet better between beyond big bike bill bin bind bird birth bit bite bitter black blade blame blank
blanket blast bleed bless blind block blood blow blue board boat body boil bold bomb bond bone book boot border bore born borrow boss both bother
bottle bottom bounce bow bowl box boy brain brake branch brand brave bread break breast breath breathe breed breeze brick bride bridge brief bright bring
broad broken brother brown brush bubble bucket budget build bullet bump bunch burden burn burst bury bus bush business busy but butter button buy
cabin cable cage cake call calm camera camp can canal cancel cancer candle candy cap capable capital captain capture car carbon card care career careful
cargo carpet carriage carrot carry cart carve case cash castle casual cat catch cattle cause causal caution cave cease ceiling cell cement cent centre center
century ceremony certain chain chair chalk challenge chamber chance change channel chapter character charge charity charm chart chase chat cheap cheat
check cheek cheer cheese chef chemical chemist cherry chest chew chicken chief child children chimney chin chip chocolate choice choke choose chop church cigar
cinema circle circuit circus city civil claim class classic clay clean clear clerk clever cliff climate climb clinic clock close closet cloth clothe cloud
club clue coach coal coarse coast coat code coffee coin cold collar collapse colleague collect college colony color colour column comb combine come comedy
comfort command comment commerce commit common company compare compete complain complete complex compose computer concept concern concert conclude
condition conduct conference confident confirm confuse connect conquer conscious consider consist constant consult contact contain content contest context
continue contract contrast contribute control convert convince cook cookie cool copper copy coral core corn corner correct cost cottage cotton cough could
council count counter country county couple courage course court cousin cover cow crack craft crash crate crazy cream create credit creature creep crew
crime criminal crisis critic crop cross crowd crown cruel crush cry crystal cube culture cup cupboard cure curious current curtain curve cushion custom
customer cut cycle daily dairy damage damp dance danger dare dark data database date daughter dawn day dead deaf deal dear death debate debt decade decay
decent decide declare decline decorate decrease deep deer defeat defence defend define degree delay delete delicate deliver demand deny depart depend
depth derive desert dessert deserve design desire desk despair destroy detail detect develop device devil devote diamond diary dictate die diet differ
different difficult dig digest digital dim dine dinner dip direct dirt disappear discount discover discuss disease dish dismiss display dispute distance distant
district disturb ditch dive divide divorce do doctor document dog dollar door dot double doubt dough down drag drain drama draw dream dress drift drill drink
drive drop drown drug drum dry duck due dull dust duty dye each eager ear early earn earth ease east easy eat echo economy edge edit educate effect effort egg
eight either elbow elect electric element elephant eleven else email embarrass emerge emotion employ empty enable encounter encourage end enemy energy engage engine
enjoy enough ensure enter entire envelope environment envy equal equip error escape essay essence establish estate estimate evening event ever every evidence
evil exact exam examine example exceed excellent except exchange excite excuse exercise exhaust exhibit exist exit expand expect expense expensive experience expert
explain explode explore export expose express extend extent extra extreme eye fabric face fact factor factory fade fail faint fair faith fake fall false fame
family famous fan fancy far farm fashion fast fat fate father fault favor favour fear feast feather feature fee feed feel fellow female fence fetch fever few fiction
field fierce fight figure file fill film final finance find fine finger finish fire firm fish fit five fix flag flame flash flat flavor flavour flesh flight
float flood floor flour flow flower fly focus fog fold folder folk follow fond food fool foot football for force foreign forest forget forgive fork form formal
format former formula forth fortune forward foster found fountain four frame free freedom freeze frequent fresh friend fright frog from front frost fruit fry fuel full
fun function fund funny fur furniture further future gain gallery game gang gap garage garden garlic gas gate gather gear gender general generate gentle
get ghost giant gift girl give glad glance glass global globe glory glove glue goal goat god gold golf good govern grab grace grade gradual grain grammar grand grant
grape graph grasp grass grateful grave gravity gray grease great green greet grey grief grill grip grocery ground group grow guarantee guard guess guest guide
guilt guitar gun habit hair half hall hammer hand handle hang happen happy harbor harbour hard harm harvest hat hate haul have hay hazard head heal health heap hear
heart heat heaven heavy height hell hello help her herb here hero hesitate hidden hide high highlight hill hint hire history hit hobby hold hole holiday hollow holy
home honest honey honor honour hook hope horizon horn horror horse hospital host hot hotel hour house how however huge human humble humor humour hundred hunger hunt
hurry hurt husband ice idea ideal identify identity idle ignore ill image imagine impact imply import impose impress improve inch include income increase indeed
index indicate individual industry infant infect infer influence inform inject injure ink inner innocent input inquire insect insert inside insist inspect inspire
install instance instant instead institute instruct instrument insult insure intend intense interest internal internet interpret interrupt interview into introduce
invade invent invest invite involve iron island issue item jacket jail jam jar jaw jealous jet jewel job join joint joke journal journey joy judge juice jump junior
jury just justice keen keep kettle key keyboard kick kid kidney kill kind king kiss kit kitchen kite knee kneel knife knit knock knot know label labor labour lack ladder
lady lake lamb lamp land language lap laptop large laser last late later latter laugh launch laundry law lawn lawyer lay layer lazy lead leaf league leak lean leap learn
lease least leather leave lecture left leg legal legend lemon lend length lens lesson let letter lettuce level liar liberty library license lick lid lie life lift light
like likely limb limit line link lion lip liquid list listen liter literature little live liver load loaf loan local locate lock log logic lonely long look loop loose lord
lose loss lost lot loud love low lower loyal luck luggage lunch lung machine mad magazine magic magnet mail main major make male malware man manage manner manual many map
marble march margin marine marital mark market marriage marry martial mask mass master match mate material matter maximum may maybe meadow meal mean measure meat mechanic
medal media medical medicine medium meet melt member memory mental mention menu merchant mercy mere merge merit merry mess message metal meter method middle might mild mile
military milk mill mind mine mineral minimum minister minor mint minute miracle mirror miss mission mist mistake mix mixture mobile mode model modern modest moist moment
money monitor monkey month mood moon moral more morning mosquito most mother motion motor mountain mouse mouth move movie much mud multiple murder muscle museum mushroom music
must mutual mystery nail naked name narrow nation native nature naughty navy near neat necessary neck need needle negative neighbor neighbour neither nephew nerve nest net network never new
news next nice niece night nine noble noise none noon normal north nose note nothing notice notion novel now nuclear number nurse nut oak obey object oblige observe obtain
obvious occasion occupy occur ocean odd of off offend offer office officer often oil old olive omit once one onion online only open operate opinion oppose option oral orange orbit order
ordinary organ organise organize origin other ought our out outcome outer output outside oven over owe own owner oxygen pack package page pain paint pair palace pale palm pan panel panic
paper parade parcel parent park part partial particular partner party pass passage passenger passion passive passport password past paste pat patch path patience patient pattern pause pay
peace peach peak pear peasant pen pencil penny people pepper perceive percent perfect perform perhaps period permit person persuade pet phase phone photo phrase physical piano
pick picture pie piece pig pile pill pillow pilot pin pinch pine pink pint pipe pirate pistol pit pitch pity place plain plan plane planet plant plastic plate platform play plead
please pleasure plenty plot plough plug plus pocket poem poet point poison pole police policy polish polite political pollute pond pool poor pop popular population port portion portrait
position positive possess possible post pot potato pound pour powder power practical practice praise pray precious precise predict prefer prepare presence present preserve president press
pressure pretend pretty prevent previous price pride priest primary prime prince princess print prior prison private prize problem proceed process produce product profession professor profile profit
program programme progress project promise promote prompt proof proper property proportion propose protect protein protest proud prove provide public publish pull pump punch punish pupil purchase
pure purpose purse pursue push put puzzle qualify quality quantity quarrel quarter queen question queue quick quiet quilt quit quite quiz quote rabbit race rack radio rail rain raise range rank
rapid rare rate rather ratio raw reach react read ready real realise realize reason recall receipt receive recent recipe recognise recognize recommend record recover recruit red reduce refer reflect refresh refuse regard
region register regret regular reject relate relation relative relax release relevant reliable relief religion rely remain remark remedy remember remind remote remove rent repair repeat replace
reply report represent reproduce request require rescue research reserve resign resist resolve resort resource respect respond rest restaurant restore restrict result retain retire return reveal revenge reverse review
revise reward rhythm ribbon rice rich rid ride rifle right ring rinse ripe rise risk rival river road roar roast rob robot rock rod role roll roof room root rope rose rot rough round route routine row royal
rub rubber rubbish rude rug ruin rule rumor rumour run rural rush rust sack sacred sad saddle safe sail saint sake salad salary sale salmon salt same sample sand sandwich satisfy sauce sausage save saw say scale
scan scare scarf scatter scene schedule scheme scholar school science scissors score scratch scream screen screw script sea seal search season seat second secret secretary section sector secure see seed seek seem seize
select self sell send senior sense sentence separate series serious serve server service session set settle seven several severe sew sex shade shadow shake shall shallow shame shape share shark sharp shave she shed sheep sheet
shelf shell shelter shield shift shine ship shirt shock shoe shoot shop shore short shot should shoulder shout show shower shrink shut shy sick side sight sign signal silence silent silk silly silver similar simple since sincere sing
single sink sir sister sit site situation six size skill skin skip skirt sky slave sleep sleeve slice slide slight slim slip slope slow small smart smell smile smoke smooth snake snow so soap social society sock soft software soil soldier
solid solution solve some son song soon sore sorrow sorry sort soul sound soup sour source south space spare speak special specific speech speed spell spend spice spider spill spin spirit spit spite split spoil spoon sport spot spray
spread spring square squeeze stable staff stage stain stair stamp stand standard star stare start state statement station statue status stay steady steak steal steam steel steep steer stem step stick stiff still stir stitch stock stomach stone
stop store storm story stove straight strange stranger strategy straw stream street strength stress stretch strict strike string strip stripe stroke strong structure struggle student study stuff stupid style subject submit substance substitute
succeed success such suck sudden suffer sugar suggest suit summary summer sun supper supply support suppose sure surface surgeon surprise surround survey survive suspect swallow swear sweat sweep sweet swell swim swing switch sword symbol
sympathy symptom system table tablet tail take tale talent talk tall tame tank tap tape target task taste tax taxi tea teach team tear technical technique technology teenager telephone television tell temper temperature template temple ten tend tender tennis tent
term terror test text than thank that the theatre theft their them theme then theory there therefore these they thick thief thin thing think thirst thirty this thorough those though thought thousand thread threat threaten three throat through throw
thumb thunder thus ticket tide tidy tie tight till timber time tin tiny tip tire tissue title to toast tobacco today toe together toilet tomato tomorrow ton tone tongue tonight too tool tooth top topic torch torture total touch tough tour tourist toward
towel tower town toy track trade tradition traffic trail train transfer transform translate transparent transport trap travel tray treasure treat tree tremble trend trial triangle tribe trick trip trouble trousers truck true trumpet trunk trust truth try tube tune tunnel
turn tutorial twelve twenty twice twin twist two type typical ugly umbrella uncle under understand uniform union unique unit unite unity universe university unless until untie up update upon upper upset urban urge urgent use useful usual vacation vaccine vague valley
value van vanish vary vast vegetable vehicle veil vein vendor venture verb verse version very vessel victim victory video view village violate violent violin virtue virus visible vision visit visitor vital vitamin vocal voice volume volunteer vote voyage wage waist
wait waiter wake walk wall wallet wander want war ward warm warn wash waste watch water wave wax way we weak wealth weapon wear weather weave web website wedding weed week weekend weep weigh weight weird welcome well west wet whale what wheat wheel when where
whether which while whip whisper whistle white who whole why wide widow width wife wild will willing win wind window wine wing winner winter wipe wire wisdom wise wish with withdraw within without witness wizard wolf woman women wonder wood wooden wool word
work worker world worm worry worse worst worth would wound wrap wreck wrist write wrong yard yawn year yellow yes yesterday yet yield you young youth zebra zero zone
went gone came done made taken given told found thought bought brought built caught chosen drew driven eaten felt fell flew forgot froze got grew grown heard held hidden kept knew known laid led left lent lost meant met paid read ridden rang rose ran said saw seen sold
sent shook shown sang sank sat slept spoke spent stood stole stuck swam taught tore threw understood woke wore won wrote written began begun broke broken chose feet teeth mice men lives wives knives thieves shelves leaves themselves ourselves yourself myself himself herself itself
are was were been being has had did does is am be me my mine your yours his its our ours her hers him us them who whom whose as at by in on or if it and not nor an
"""  # fmt: skip


@lru_cache(maxsize=1)
def common() -> frozenset[str]:
    """The words, with the endings that English puts on any word; some of these are no words, which only makes us more careful."""
    return frozenset(form for word in _BASE.split() for form in _forms(word))


def _forms(word: str) -> tuple[str, ...]:
    if len(word) < 3:
        return (word,)
    if word.endswith("e"):
        return (word, word + "s", word + "d", word + "r", word[:-1] + "ing")
    if word.endswith("y") and word[-2] not in "aeou":
        return (word, word[:-1] + "ies", word[:-1] + "ied", word[:-1] + "ily", word + "ing")
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word, word + "es", word + "ed", word + "ing", word + "ly")
    return (word, word + "s", word + "ed", word + "er", word + "ing", word + "ly")


@lru_cache(maxsize=1)
def _threes() -> frozenset[str]:
    return frozenset(three for word in common() for three in threes(word))


@lru_cache(maxsize=1)
def _shortened() -> Mapping[str, frozenset[str]]:
    return _index(common())


def threes(word: str) -> list[str]:
    """All three letters in a row, the edges of the word counted as letters."""
    edged = f"^{word}$"
    return [edged[place : place + 3] for place in range(len(edged) - 2)]


def is_odd(word: str) -> bool:
    """Whether these letters stand in no common word like this: hardly a word that anybody would take for another."""
    known = _threes()
    return any(three not in known for three in threes(word))


def is_near(one: str, other: str) -> bool:
    """Whether one letter put in, left out or replaced, or two neighbours exchanged, makes the one the other; or they are equal."""
    if one == other:
        return True
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    first, second = one[start:], other[start:]
    return (
        first[1:] == second[1:]
        or first[1:] == second
        or first == second[1:]
        or (first[:2] == second[1::-1] and first[2:] == second[2:])
    )


def nearest(word: str, words: frozenset[str]) -> tuple[str, ...]:
    """The words of the list, and of those given, that are one slip of the keys away, or the word itself alone if it is one."""
    if word in words or word in common():
        return (word,)
    keys = {word, *_cut(word)}
    found = set(words)
    for key in keys:
        found |= _shortened().get(key, frozenset())
    return tuple(sorted(other for other in found if is_near(word, other)))


def _index(words: Iterable[str]) -> Mapping[str, frozenset[str]]:
    index: dict[str, set[str]] = defaultdict(set)
    for word in words:
        for key in (word, *_cut(word)):
            index[key].add(word)
    return {key: frozenset(found) for key, found in index.items()}


def _cut(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(len(word))]
