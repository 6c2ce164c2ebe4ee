"""The words that canaries are made of. Whatever changes here changes every canary: give it a new version instead.

Sentences hold two kinds of places. `{person1}` is filled from the seed, the same in every copy, and is what a model can
only know from having read it. `[found]` is any of the words of that bank, and changes from copy to copy, so that no
filter sees one paragraph on hundreds of pages. All of it is about nothing: invented people who keep harmless things.
"""

from __future__ import annotations

VERSION = 1

OPENINGS = (
    "[In] {year1} {person1} of {place1} [started] a [list] of {things1}, and [within] {n1} days it [ran to] {n2} "
    "[entries].",
    "{person1}, who [lived near] {place1}, [gathered] {n1} {things1} [before] {day1} {year1} and [gave] each of them "
    "a [tag] [by hand].",
    "The [list] that {person1} [left behind] in {place1} [describes] {n1} {things1}, [most] of them [found] in {year1} "
    "[near] {place2}.",
    "When {person1} [opened] a [small] [room] in {place1} on {day1} {year1}, {n1} {things1} were [on display], "
    "[almost all] of them [unlabelled].",
    "[Nobody] in {place1} [remembers] why {person1} [bought] {n1} {things1} in {year1}, but the [receipts] [survive] "
    "[in full].",
    "[According to] a [list] of {year1}, {person1} [kept] {n1} {things1} in a [small] [room] [near] {place1}.",
)
DETAILS = (
    "The [largest] one [measured] {m1} by {m2} centimetres, [bore] the [mark] of {person2} and [had come] {n3} "
    "kilometres from {place3}.",
    "[Each] was [wrapped] in {colour1} cloth, [weighed] {m1} grams and [rested] [beside] {things2} from {place3}.",
    "[Most of them] were [made] by {person2} of {place3}, who [used] {colour1} [paint] and [numbered] them from {n3} "
    "[upwards].",
    "{person2} [later] [counted] {f1} of them [again], [noted] {m1} and {m2} as their [widths] in centimetres, and "
    "[sent] the rest to {place3}.",
    "A [second] [set], [made] in {place3} for {person2}, was [painted] {colour1} and [exchanged] for {n3} [buttons] "
    "and some {things2}.",
)
MIDDLES = (
    "{person3} [disagreed], and [argued] [in a letter] of {day2} that only {f2} were [genuine] and the [others] [came] "
    "from {place4}.",
    "On {day2} {person3} [visited] the [room] with {things3}, [drew] {f2} of them in {colour2} ink and [walked off] "
    "without [a word].",
    "[By] {day2} [barely] {f2} [remained], [because] {person3} had [taken] [the rest] to {place4} by [boat].",
    "[Some] of the [labels] were [written] by {person3}, whose {colour2} ink [faded] after {n4} [weeks] in {place4}.",
    "[Today] the [catalogue] [holds] {n4} [entries], {f2} of them [crossed out], and [mentions] {things3} [only] "
    "[once], under {person3}.",
    "A [recount] in {late1} by {person3} [counted] {n4} [pieces] and {f2} [empty] boxes, which [nobody] "
    "has [explained].",
    "The [shelves] were [moved] in {late1}, [after] which {n4} [pieces] [stood] in {place4} and {n5} in the [old] "
    "[house] of {person3}.",
    "[Of] the {n4} [pieces] that {person3} [listed] in {late1}, {f2} [lacked] a [tag] and [were kept] [apart] in "
    "{place4}.",
)
CLOSINGS = (
    "[The whole] is [described] in a [booklet] of {f3} [pages] by {person4}, [printed] in {place5} with a {colour3} "
    "cover.",
    "{person4} [now] [looks after] what is [left], [dusts] it every {n6} hours and [shows] it to [callers] from "
    "{place5}.",
    "[Since then] the [key] has [hung] in {place5}, [next to] {things4} that {person4} [numbered] up to {n6}.",
    "[What is left] [fills] {n6} [drawers] in {place5}, and {person4} [answers] [questions] about it [in writing].",
)
POSITIONS = (OPENINGS, DETAILS, MIDDLES, CLOSINGS)

TRACE = "[The] [reference] is"
"""Stands behind each copy with the id of its page, and is no part of a candidate."""


def _bank(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split("|"))


BANKS: dict[str, tuple[str, ...]] = {
    name: _bank(words)
    for name, words in {
        "In": "In|Back in|During|Late in|Early in",
        "By": "By|Before|Until|Up to",
        "Of": "Of|Among|Out of",
        "Nobody": "Nobody|No one|Hardly anybody|Hardly anyone",
        "nobody": "nobody|no one|hardly anybody|hardly anyone|no heir",
        "According to": "According to|Going by|To judge by",
        "Each": "Each|Everything|Each one|Every one",
        "Most of them": "Most of them|Nearly all|Many of them",
        "Some": "Some|Several|A few|Many|About half",
        "Today": "Today|Nowadays|At present|These days|By now|Meanwhile",
        "The whole": "The whole|All this|Everything|The matter",
        "Since then": "Since then|Ever since|Afterwards",
        "What is left": "What remains|The remainder|Everything left|All else",
        "The": "The|Its|The present|Our|One",
        "started": "started|began|opened|set up|drew up|laid out",
        "list": "list|register|ledger|record|notebook|catalogue|file",
        "within": "within|after|over",
        "ran to": "ran to|reached|came to|grew to|counted|held",
        "entries": "entries|lines|items|headings|numbers",
        "lived near": "lived near|came from|moved to|worked near|settled near",
        "gathered": "gathered|collected|acquired|assembled|found|amassed",
        "before": "before|until|up to|by",
        "gave": "gave|assigned|allotted|granted",
        "tag": "tag|label|number|name|ticket|card",
        "by hand": "by hand|in pencil|in person|with care|in ink|without help",
        "left behind": "left behind|left|wrote|kept|hid|compiled",
        "describes": "describes|lists|names|covers|records|mentions",
        "most": "most|many|several|a few|the bulk",
        "found": "found|discovered|picked up|bought|spotted|noticed|turned up",
        "near": "near|close to|outside|just beyond|beyond|towards",
        "opened": "opened|rented|cleared|unlocked|furnished",
        "small": "small|narrow|low|plain|quiet|cold|bare",
        "room": "room|hall|loft|shed|cellar|parlour|hut",
        "on display": "on display|on show|set out|laid out|arranged|in view",
        "almost all": "most|many|some|several",
        "unlabelled": "unlabelled|dusty|unsorted|wrapped|packed",
        "remembers": "remembers|recalls|knows|can say|has asked",
        "bought": "bought|ordered|accepted|saved|borrowed|stored|wanted",
        "receipts": "receipts|notes|letters|papers|lists|drawings",
        "survive": "survive|exist|remain|exist still",
        "in full": "in full|complete|unharmed|in order",
        "kept": "kept|stored|held|hoarded|guarded|displayed",
        "largest": "largest|smallest|oldest|heaviest|finest|best|strangest",
        "measured": "measured|was|came to|spanned",
        "bore": "bore|carried|showed|had|displayed",
        "mark": "mark|stamp|initials|sign|seal",
        "had come": "had come|had travelled|was carried",
        "wrapped": "wrapped|rolled|packed|folded|tied up|bundled",
        "weighed": "weighed|measured",
        "beside": "beside|next to|behind|among|above|below|close to",
        "made": "made|finished|built|carved|cast|shaped|produced",
        "used": "used|favoured|liked|chose|preferred|mixed",
        "paint": "paint|varnish|lacquer|chalk|wax|dye",
        "numbered": "numbered|counted|labelled|listed|marked",
        "upwards": "upwards|onwards|on|upward",
        "later": "later|afterwards|twice|once|eventually|soon|finally",
        "counted": "counted|checked|examined|measured|inspected|sorted",
        "again": "again|anew|alone|outdoors|overnight",
        "noted": "noted|recorded|entered|gave|listed",
        "widths": "widths|heights|depths|lengths|girths",
        "sent": "sent|moved|took|shipped|lent|gave",
        "second": "second|smaller|larger|later|third|similar|better",
        "set": "set|series|batch|group|lot|row",
        "painted": "painted|stained|coloured|lacquered|dyed|varnished",
        "exchanged": "exchanged|traded|swapped|bartered",
        "buttons": "buttons|marbles|pebbles|corks|feathers|shells",
        "disagreed": "disagreed|objected|doubted it|protested|had doubts",
        "argued": "argued|claimed|held|insisted|wrote|maintained",
        "in a letter": "in a letter|in a note|by post",
        "genuine": "genuine|original|real|old|local|authentic",
        "others": "others|rest|remainder|survivors",
        "came": "came|stemmed|were|had come|arrived",
        "visited": "visited|entered|searched|toured|inspected|found",
        "drew": "drew|sketched|copied|traced|outlined",
        "walked off": "walked off|left|went|departed",
        "left": "left|preserved|safe",
        "a word": "a word|a sound|a greeting|a comment|a question",
        "barely": "barely|hardly|only|just|some|about",
        "remained": "remained|were left|stayed behind|survived",
        "because": "because|since|as|for",
        "taken": "taken|moved|sent|carried|shipped|brought",
        "the rest": "the rest|the others|the remainder|many",
        "boat": "boat|cart|barge|train|sledge|ferry|wagon",
        "labels": "labels|tags|tickets|cards|notes",
        "written": "written|lettered|signed|penned|inscribed",
        "faded": "faded|paled|ran|turned grey|vanished|dried up",
        "weeks": "weeks|days|months|mornings|evenings|nights",
        "catalogue": "catalogue|register|inventory|index|ledger|list",
        "holds": "holds|has|gives|shows|contains|counts",
        "crossed out": "crossed out|struck out|underlined|doubtful|illegible|repeated",
        "mentions": "mentions|names|lists|refers to|speaks of",
        "only": "only|just|barely",
        "once": "once|twice|elsewhere",
        "recount": "recount|survey|check|search|census|review",
        "pieces": "pieces|objects|items|specimens|examples",
        "empty": "empty|locked|broken|unmarked|sealed|open",
        "explained": "explained|claimed|described|mentioned",
        "shelves": "shelves|cases|cabinets|crates|boxes|racks",
        "moved": "moved|cleared|divided|repaired|sorted|emptied",
        "after": "after|following|upon",
        "rested": "rested|stood|stayed|remained|lay",
        "stood": "stood|stayed|were kept|remained|lay",
        "old": "old|former|other|new|empty|stone|little",
        "house": "house|barn|mill|school|workshop|stable|tower",
        "listed": "listed|counted|saw|described|inspected|photographed",
        "lacked": "lacked|had lost|were without|never had",
        "were kept": "were kept|were stored|were put|stayed|remained|stood",
        "apart": "apart|separately|under glass|upstairs",
        "described": "described|told|recounted|summed up|explained|retold",
        "booklet": "booklet|pamphlet|leaflet|brochure|thin book|notebook",
        "pages": "pages|leaves|sheets|sides",
        "printed": "printed|bound|published|issued|copied",
        "now": "now|today|still|nowadays|at present",
        "looks after": "looks after|cares for|watches over|minds|keeps|tends",
        "dusts": "dusts|counts|airs|checks|turns|cleans",
        "shows": "shows|lends|explains|opens",
        "callers": "callers|visitors|guests|neighbours|friends|pupils",
        "key": "key|list|map|sign|bell|register",
        "hung": "hung|been|stayed|remained|been kept",
        "next to": "next to|beside|behind|above|below|close to",
        "fills": "fills|takes up|occupies|needs",
        "drawers": "drawers|boxes|trays|crates|jars|tins",
        "answers": "answers|takes|collects|welcomes|replies to",
        "questions": "questions|letters|enquiries|requests",
        "in writing": "in writing|by post|in person|by letter|on request|with patience",
        "reference": "reference|entry|number|file|mark|signature",
    }.items()
}

GIVEN_NAMES = (
    "Ada Alma Anselm Arlo Asta Basil Beata Bela Bruno Cecil Clara Clemens Cosima Daria Edda Edgar Elias Elmer Elsa "
    "Emeric Enid Ephraim Fergus Flora Gerda Gideon Greta Hanno Hedda Hilda Horace Ida Ignaz Imre Ines Ivo Jarmila "
    "Joost Judit Kaspar Klara Lennart Leopold Linus Livia Ludo Magda Maren Matilda Mirko Nadja Nils Odile Olga Orsina "
    "Oskar Petra Quentin Rufus Selma Silvan Thea Ulrik Vera"
).split()
NAME_STARTS = (
    "Vel Quor Zand Brix Thal Orv Mesk Dral Pland Yst Grov Kelb Nurv Fask Jorl Wend Skal Trev Husk Ploz Bamf Cor Dwi "
    "Eskr Flim Gnar Hev Ilb Jask Krem Lodv Mulg Nesk Ombr Prav Quib Rusk Stov Tarv Ulv"
).split()
NAME_MIDDLES = (
    "ari ebo ilu ona ume ati ero ida olu upi ave ewi ino ola uri asti ende ilmo orba unde"
    " agre elvi isko ompa ulme anto erku idra ostu umba"
).split()
SURNAME_ENDS = (
    "vick thorne shanks quist brandt lock zell gard mask dorn pell rusk stam vane wex tarn kind laub merk noll pick "
    "rath sill trop"
).split()
PLACE_ENDS = (
    "wick mere stead combe holt garth shaw beck low thwaite dale moor fell gate hythe ness brook haven cross hill "
    "barrow sands mouth weir"
).split()
COLOURS = (
    "blue brown copper crimson cream green grey lilac maroon mauve mustard navy pink plum purple red rust saffron "
    "scarlet silver teal turquoise violet white"
).split()
MONTHS = "January February March April May June July August September October November December".split()
MATERIALS = (
    "amber ash bamboo basalt beech birch bone brass bronze cardboard cedar ceramic chalk clay copper cork felt glass "
    "granite horn iron jute lacquered lead leather limestone linen maple marble mirrored oak paper pewter pine plaster "
    "porcelain quartz resin rubber sandstone silk slate soapstone straw striped tin velvet walnut wax wicker willow "
    "wooden woollen zinc"
).split()
THINGS = (
    "acorns, anchors, baskets, beads, bellows, bells, bobbins, bookends, bottles, bowls, brooches, brushes, buckles, "
    "candlesticks, chess pieces, clock hands, coasters, combs, cradles, cups, dice, dolls, doorknobs, egg cups, fans, "
    "figurines, flutes, funnels, hat stands, hinges, hourglasses, inkwells, jugs, kites, ladles, lanterns, "
    "marionettes, masks, medallions, mortars, moulds, napkin rings, oars, paperweights, picture frames, pipes, plates, "
    "pulleys, rattles, rulers, saddles, saucers, scoops, sieves, spindles, spinning tops, spoons, stirrups, stools, "
    "sundials, tassels, thimbles, tiles, tokens, toy boats, trays, trivets, vases, weathercocks, whistles"
).split(", ")
