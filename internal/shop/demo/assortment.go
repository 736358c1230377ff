package demo

// Good is a product of the demo.
type Good struct {
	SKU, Title, Description string

	Pence   int64
	Opening int64 // opening stock in pieces; 0: sold out
}

// Assortment returns all products of the demo.
func Assortment() []Good {
	return []Good{
		{"DEMO-101", "Tarrow lantern", "A storm lantern with a hood of smoked glass. Burns a whole night on one filling.", 3850, 12},
		{"DEMO-102", "Brimble mug", "Stoneware, glazed by hand in two greens. Holds a generous cup.", 1250, 40},
		{"DEMO-103", "Ostrel kettle", "Whistles in two notes when it boils; the lower one means hurry.", 4200, 9},
		{"DEMO-104", "Pennock blanket", "Heavy wool in a herringbone of moss and slate.", 8900, 6},
		{"DEMO-105", "Wickerby basket", "Split willow with a leather handle, wide enough for a loaf.", 2600, 15},
		{"DEMO-106", "Fennimore apron", "Waxed cotton with a pocket that is deep enough for a book.", 3400, 14},
		{"DEMO-107", "Larkspindle clock", "A wall clock without numbers, for those who are not in a hurry.", 5600, 5},
		{"DEMO-108", "Quillon letter opener", "Brass, as long as a hand, and only as sharp as letters need.", 1450, 22},
		{"DEMO-109", "Hobbin doorstop", "A sand-filled hedgehog that keeps any door where it is.", 1800, 18},
		{"DEMO-110", "Saltmarsh soap", "Sea buckthorn and clay. Smells of low tide on a good day.", 650, 60},
		{"DEMO-111", "Merrow bath salts", "Coarse grains with rosemary, in a jar that closes well.", 1150, 35},
		{"DEMO-112", "Thistledown pillow", "Light as its name, with a cover of washed linen.", 3950, 11},
		{"DEMO-113", "Copperleigh pan", "A small pan for one egg, or two friendly ones.", 4800, 7},
		{"DEMO-114", "Nettlecombe tea", "Nettle, mint and a little lemon peel, fifty grams.", 780, 48},
		{"DEMO-115", "Duskberry jam", "Dark berries and less sugar than grandmothers think right.", 620, 55},
		{"DEMO-116", "Oakapple ink", "Writes brown, dries black and outlasts the paper.", 1320, 20},
		{"DEMO-117", "Rookstone paperweight", "A river stone, polished on one side only.", 1600, 16},
		{"DEMO-118", "Marlow notebook", "Ninety-six unlined pages that lie flat from the first.", 1100, 42},
		{"DEMO-119", "Pipwick candle", "Beeswax with a plaited wick. Eight quiet hours.", 950, 38},
		{"DEMO-120", "Gossamer tea towel", "Half linen, printed with moths at their true size.", 1050, 30},
		{"DEMO-121", "Harrowgate trowel", "Forged in one piece. Will be found again next spring.", 2250, 13},
		{"DEMO-122", "Brollymere rain gauge", "Glass tube in an oak stand, marked in millimetres and sighs.", 1950, 12},
		{"DEMO-123", "Tumbledown dice", "Five dice of pear wood, in a bag with a drawstring.", 880, 27},
		{"DEMO-124", "Foxglove seed box", "Twelve kinds of seeds for a border that hums.", 1700, 19},
		{"DEMO-125", "Kestrel kite", "Ripstop and ash, with forty metres of line.", 3600, 8},
		{"DEMO-126", "Inchcape whistle", "A pewter whistle that dogs and ferries understand.", 1380, 17},
		{"DEMO-127", "Willowmere vase", "Tall and narrow, for three stems at the most.", 2900, 10},
		{"DEMO-128", "Cobbin slippers", "Felted in one piece, with soles that can be changed.", 4400, 9},
		{"DEMO-129", "Ambersett honey", "Heather honey from hives that stand above the fog.", 990, 33},
		{"DEMO-130", "Drumlin bread board", "Beech, with a groove that keeps the crumbs.", 3100, 12},
		{"DEMO-131", "Skerry scarf", "Long enough to be lent at one end.", 3700, 3},
		{"DEMO-132", "Moonwort lamp", "A reading lamp that bends its neck and keeps it there.", 6400, 2},
		{"DEMO-133", "Hazelnook stool", "Three legs, one of which was a branch before.", 7200, 2},
		{"DEMO-134", "Periwinkle teapot", "Thin porcelain for two cups and one long talk.", 5200, 3},
		{"DEMO-135", "Greywether umbrella", "Sixteen ribs. It turns inside out only when it means to.", 4950, 2},
		{"DEMO-136", "Sorrelby satchel", "Saddle leather, stitched with a thread that shows.", 12800, 1},
		{"DEMO-137", "Finchley bird feeder", "Slate roof, glass walls, and a perch for the shy.", 2750, 2},
		{"DEMO-138", "Owlet night light", "Glows for half an hour and then minds its own business.", 2100, 0},
		{"DEMO-139", "Tidewater barometer", "A glass swan that knows about tomorrow.", 5900, 0},
		{"DEMO-140", "Yarrow music box", "Plays eleven notes of a song that nobody can name.", 4600, 0},
	}
}

// customers returns the customers that place orders, including those of the development
// sign-in.
func customers() []string {
	return []string{"ann", "bob", "ottoline", "jasper", "wren", "cosmo", "marigold", "thaddeus", "isolde", "barnaby"}
}
