package rustregex

import (
	"errors"
	"strings"
	"sync"
	"unicode"
)

// Names of Unicode's classes in their normal spelling, several of one class joined
// by an equals sign: those of Unicode 15, which the crate's 1.10 has.
const (
	// General categories, the short name first.
	categoryNames = "" +
		"lc=casedletter pe=closepunctuation pc=connectorpunctuation cc=cntrl=control sc=currencysymbol pd=dashpunctuation " +
		"nd=decimalnumber=digit me=enclosingmark pf=finalpunctuation cf=format pi=initialpunctuation l=letter nl=letternumber " +
		"zl=lineseparator ll=lowercaseletter m=combiningmark=mark sm=mathsymbol lm=modifierletter sk=modifiersymbol " +
		"mn=nonspacingmark n=number ps=openpunctuation c=other lo=otherletter no=othernumber po=otherpunctuation so=othersymbol " +
		"zp=paragraphseparator co=privateuse p=punct=punctuation z=separator zs=spaceseparator mc=spacingmark " +
		"s=symbol lt=titlecaseletter cn=unassigned lu=uppercaseletter"
	// Scripts.
	scriptNames = "" +
		"adlam=adlm ahom anatolianhieroglyphs=hluw arabic=arab armenian=armn avestan=avst balinese=bali bamum=bamu " +
		"bassavah=bass batak=batk bengali=beng bhaiksuki=bhks bopomofo=bopo brahmi=brah braille=brai buginese=bugi buhid=buhd " +
		"canadianaboriginal=cans carian=cari caucasianalbanian=aghb chakma=cakm cham cherokee=cher chorasmian=chrs common=zyyy " +
		"coptic=copt=qaac cuneiform=xsux cypriot=cprt cyprominoan=cpmn cyrillic=cyrl deseret=dsrt devanagari=deva " +
		"divesakuru=diak dogra=dogr duployan=dupl egyptianhieroglyphs=egyp elbasan=elba elymaic=elym ethiopic=ethi " +
		"georgian=geor glagolitic=glag gothic=goth grantha=gran greek=grek gujarati=gujr gunjalagondi=gong gurmukhi=guru " +
		"han=hani hangul=hang hanifirohingya=rohg hanunoo=hano hatran=hatr hebrew=hebr hiragana=hira imperialaramaic=armi " +
		"inherited=qaai=zinh inscriptionalpahlavi=phli inscriptionalparthian=prti javanese=java kaithi=kthi kannada=knda " +
		"katakana=kana kawi kayahli=kali kharoshthi=khar khitansmallscript=kits khmer=khmr khojki=khoj khudawadi=sind lao=laoo " +
		"latin=latn lepcha=lepc limbu=limb lineara=lina linearb=linb lisu lycian=lyci lydian=lydi mahajani=mahj makasar=maka " +
		"malayalam=mlym mandaic=mand manichaean=mani marchen=marc masaramgondi=gonm medefaidrin=medf meeteimayek=mtei " +
		"mendekikakui=mend meroiticcursive=merc meroitichieroglyphs=mero miao=plrd modi mongolian=mong mro=mroo multani=mult " +
		"myanmar=mymr nabataean=nbat nagmundari=nagm nandinagari=nand newtailue=talu newa nko=nkoo nushu=nshu " +
		"nyiakengpuachuehmong=hmnp ogham=ogam olchiki=olck oldhungarian=hung olditalic=ital oldnortharabian=narb oldpermic=perm " +
		"oldpersian=xpeo oldsogdian=sogo oldsoutharabian=sarb oldturkic=orkh olduyghur=ougr oriya=orya osage=osge osmanya=osma " +
		"pahawhhmong=hmng palmyrene=palm paucinhau=pauc phagspa=phag phoenician=phnx psalterpahlavi=phlp rejang=rjng runic=runr " +
		"samaritan=samr saurashtra=saur sharada=shrd shavian=shaw siddham=sidd signwriting=sgnw sinhala=sinh sogdian=sogd " +
		"sorasompeng=sora soyombo=soyo sundanese=sund sylotinagri=sylo syriac=syrc tagalog=tglg tagbanwa=tagb taile=tale " +
		"taitham=lana taiviet=tavt takri=takr tamil=taml tangsa=tnsa tangut=tang telugu=telu thaana=thaa thai tibetan=tibt " +
		"tifinagh=tfng tirhuta=tirh toto ugaritic=ugar vai=vaii vithkuqi=vith wancho=wcho warangciti=wara yezidi=yezi yi=yiii " +
		"zanabazarsquare=zanb"
	// Properties that a character has or lacks.
	binaryNames = "" +
		"asciihexdigit=ahex alphabetic=alpha bidicontrol=bidic bidimirrored=bidim caseignorable=ci cased " +
		"changeswhencasefolded=cwcf changeswhencasemapped=cwcm changeswhenlowercased=cwl changeswhentitlecased=cwt " +
		"changeswhenuppercased=cwu dash defaultignorablecodepoint=di deprecated=dep diacritic=dia emoji emojicomponent=ecomp " +
		"emojimodifier=emod emojimodifierbase=ebase emojipresentation=epres extendedpictographic=extpict extender=ext " +
		"graphemebase=grbase graphemeextend=grext graphemelink=grlink hexdigit=hex hyphen idsbinaryoperator=idsb " +
		"idstrinaryoperator=idst idcontinue=idc idstart=ids ideographic=ideo joincontrol=joinc logicalorderexception=loe " +
		"lowercase=lower math noncharactercodepoint=nchar otheralphabetic=oalpha otherdefaultignorablecodepoint=odi " +
		"othergraphemeextend=ogrext otheridcontinue=oidc otheridstart=oids otherlowercase=olower othermath=omath " +
		"otheruppercase=oupper patternsyntax=patsyn patternwhitespace=patws prependedconcatenationmark=pcm quotationmark=qmark " +
		"radical regionalindicator=ri sentenceterminal=sterm softdotted=sd terminalpunctuation=term unifiedideograph=uideo " +
		"uppercase=upper variationselector=vs whitespace=space=wspace xidcontinue=xidc xidstart=xids"
	// Properties that need a value in an expression. They hide categories and scripts of the same name.
	valuedNames = "" +
		"age bc bidiclass bidimirroringglyph bidipairedbracket bidipairedbrackettype blk block bmg bpb bpt " +
		"canonicalcombiningclass casefolding ccc ce cf changeswhennfkccasefolded cjkaccountingnumeric cjkcompatibilityvariant " +
		"cjkiicore cjkirggsource cjkirghsource cjkirgjsource cjkirgkpsource cjkirgksource cjkirgmsource cjkirgssource " +
		"cjkirgtsource cjkirguksource cjkirgusource cjkirgvsource cjkothernumeric cjkprimarynumeric cjkrsunicode compex " +
		"compositionexclusion cwkcf decompositionmapping decompositiontype dm dt ea eastasianwidth equideo " +
		"equivalentunifiedideograph expandsonnfc expandsonnfd expandsonnfkc expandsonnfkd fcnfkc fcnfkcclosure " +
		"fullcompositionexclusion gc gcb generalcategory graphemeclusterbreak hangulsyllabletype hst indicpositionalcategory " +
		"indicsyllabiccategory inpc insc isc jamoshortname jg joininggroup joiningtype jsn jt kaccountingnumeric " +
		"kcompatibilityvariant kiicore kirggsource kirghsource kirgjsource kirgkpsource kirgksource kirgmsource kirgssource " +
		"kirgtsource kirguksource kirgusource kirgvsource kothernumeric kprimarynumeric krsunicode lb lc linebreak " +
		"lowercasemapping na na1 name namealias nfcqc nfcquickcheck nfdqc nfdquickcheck nfkccasefold nfkccf nfkcqc " +
		"nfkcquickcheck nfkdqc nfkdquickcheck nt numerictype numericvalue nv ocomment sb sc scf script scriptextensions scx " +
		"sentencebreak sfc simplecasefolding simplelowercasemapping simpletitlecasemapping simpleuppercasemapping slc stc suc " +
		"tc titlecasemapping uc unicode1name unicoderadicalstroke uppercasemapping urs verticalorientation vo wb wordbreak " +
		"xonfc xonfd xonfkc xonfkd"
	ageValues = "" +
		"1.1 10.0 11.0 12.0 12.1 13.0 14.0 15.0 2.0 2.1 3.0 3.1 3.2 4.0 4.1 5.0 5.1 5.2 6.0 6.1 6.2 6.3 7.0 8.0 9.0 na " +
		"unassigned v100 v11 v110 v120 v121 v130 v140 v150 v20 v21 v30 v31 v32 v40 v41 v50 v51 v52 v60 v61 v62 v63 v70 v80 v90"
	graphemeValues = "" +
		"cn control cr ex extend l lf lv lvt pp prepend regionalindicator ri sm spacingmark t v zwj"
	sentenceValues = "" +
		"at aterm cl close cr ex extend fo format le lf lo lower nu numeric oletter sc scontinue se sep sp st sterm up upper"
	wordValues = "" +
		"aletter cr doublequote dq ex extend extendnumlet fo format hebrewletter hl ka katakana le lf mb midletter midnum " +
		"midnumlet ml mn newline nl nu numeric regionalindicator ri singlequote sq wsegspace zwj"
	// Scripts that only newer versions of Unicode have.
	newerScripts = "garay gara gurungkhema gukh kiratrai krai olonal onao sunuwar sunu todhri todr tulutigalari tutg"
)

var (
	errClass     = errors.New("there is no class of Unicode of that name")
	errValue     = errors.New("a property of Unicode does not have that value")
	errUncertain = errors.New("a class that only a newer Unicode has")
)

// property is a class of Unicode. Where Go has no table for it, the set is empty or approximate, and inexact is set.
type property struct {
	set     set
	inexact bool
}

// spelled returns the normal spelling of a name: without case, blanks, dashes, underscores and a leading "is".
func spelled(name string) string {
	is := len(name) >= 2 && strings.EqualFold(name[:2], "is")
	if is {
		name = name[2:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '_' || r == '-' || r > 0x7f:
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return r
	}, name)
	if is && name == "c" {
		return "isc"
	}
	return name
}

// classNames maps each name of a class to its first name.
type classNames map[string]string

func index(words string) classNames {
	out := classNames{}
	for group := range strings.FieldsSeq(words) {
		first, _, _ := strings.Cut(group, "=")
		for name := range strings.SplitSeq(group, "=") {
			out[name] = first
		}
	}
	return out
}

var known = sync.OnceValue(func() map[string]classNames {
	return map[string]classNames{
		"category": index(categoryNames), "script": index(scriptNames), "binary": index(binaryNames), "valued": index(valuedNames),
		"age": index(ageValues), "grapheme": index(graphemeValues), "sentence": index(sentenceValues), "word": index(wordValues),
		"newer": index(newerScripts),
	}
})

// lookup finds the class in the braces of \p{...}.
func lookup(text string) (property, error) {
	for _, sign := range []string{"!=", ":", "="} {
		if name, value, is := strings.Cut(text, sign); is {
			return byValue(spelled(name), spelled(value))
		}
	}
	name := spelled(text)
	if name != "cf" && name != "sc" && name != "lc" {
		if first := known()["binary"][name]; first != "" {
			return made("binary", first, func() property { return yesOrNo(first) }), nil
		}
		if known()["valued"][name] != "" {
			return property{}, errClass
		}
	}
	if found, err := category(name); err == nil {
		return found, nil
	}
	return script(name)
}

func byValue(name, value string) (property, error) {
	var list string
	switch name {
	case "gc", "generalcategory":
		return category(value)
	case "sc", "script":
		return script(value)
	case "scx", "scriptextensions":
		found, err := script(value)
		found.inexact = true
		return found, err
	case "age":
		list = "age"
		if value == "na" || value == "unassigned" {
			return property{}, errValue
		}
	case "gcb", "graphemeclusterbreak":
		list = "grapheme"
	case "sb", "sentencebreak":
		list = "sentence"
	case "wb", "wordbreak":
		list = "word"
	default:
		return property{}, errClass
	}
	if known()[list][value] == "" {
		return property{}, errValue
	}
	return property{inexact: true}, nil
}

func category(name string) (property, error) {
	switch name {
	case "any":
		return property{set: set{0, unicode.MaxRune}}, nil
	case "ascii":
		return property{set: set{0, 0x7f}}, nil
	case "assigned":
		return property{set: assigned()}, nil
	}
	first := known()["category"][name]
	if first == "" {
		return property{}, errClass
	}
	return made("category", first, func() property { return property{set: categorySet(first)} }), nil
}

// cache keeps the sets of classes. There are some hundred.
var cache sync.Map

func made(kind, name string, build func() property) property {
	if found, is := cache.Load(kind + " " + name); is {
		return found.(property) //nolint:forcetypeassert // nothing else is in it
	}
	p := build()
	cache.Store(kind+" "+name, p)
	return p
}

func categorySet(first string) set {
	switch first {
	case "cn":
		return assigned().negate()
	case "c":
		return union(fromTable(unicode.C), assigned().negate())
	case "lc":
		return fromTable(unicode.Lu, unicode.Ll, unicode.Lt)
	}
	return fromTable(unicode.Categories[strings.ToUpper(first[:1])+first[1:]])
}

var assigned = sync.OnceValue(func() set {
	return fromTable(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co)
})

// tables are Go's, by normal names.
var tables = sync.OnceValue(func() map[string]*unicode.RangeTable {
	out := map[string]*unicode.RangeTable{}
	for name, table := range unicode.Scripts {
		out["script "+spelled(name)] = table
	}
	for name, table := range unicode.Properties {
		out["binary "+spelled(name)] = table
	}
	return out
})

func script(name string) (property, error) {
	if first := known()["script"][name]; first != "" {
		return made("script", first, func() property {
			if table := tables()["script "+first]; table != nil {
				return property{set: fromTable(table)}
			}
			return property{inexact: true}
		}), nil
	}
	if known()["newer"][name] != "" {
		return property{inexact: true}, errUncertain
	}
	return property{}, errClass
}

func yesOrNo(name string) property {
	switch name {
	case "alphabetic":
		return property{set: fromTable(unicode.L, unicode.Nl, unicode.Other_Alphabetic)}
	case "lowercase":
		return property{set: fromTable(unicode.Ll, unicode.Other_Lowercase)}
	case "uppercase":
		return property{set: fromTable(unicode.Lu, unicode.Other_Uppercase)}
	case "math":
		return property{set: fromTable(unicode.Sm, unicode.Other_Math)}
	}
	if table := tables()["binary "+name]; table != nil {
		return property{set: fromTable(table)}
	}
	return property{inexact: true}
}

// IsScript reports whether a name is that of a script in some version of Unicode. Names are compared by Unicode's rules: without case,
// blanks, dashes and underscores.
func IsScript(name string) bool {
	name = spelled("is" + name)
	return known()["script"][name] != "" || known()["newer"][name] != ""
}

// IsBinary reports whether a name is that of a property that a character has or lacks. Names are compared as in IsScript.
func IsBinary(name string) bool { return known()["binary"][spelled("is"+name)] != "" }
