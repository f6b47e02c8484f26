"""Seeded texts of all kinds for the tokenizer's golden files, made of code-point ranges and small word lists."""

import unicodedata

# PCRE2 10.42 knows Unicode 14, and so does Python 3.11: no text has a younger character.
assert unicodedata.unidata_version == "14.0.0", "run this with Python 3.11"

WORDS = {
    "english": "the a is of and to in it you that he was for on are with as his they at be this have from or one had by "
    "word but not what all were we when your can said there use an each which she do how their if will up other about "
    "out many then them these so some her would make like him into time has look two more write go see number no way "
    "could people my than first water been call who oil its now find long down day did get come made may part don't "
    "I'm we're they'll she'd you've it's O'Neill rock'n'roll naïve café résumé".split(),
    "german": "der die das und ist nicht ein eine mit für auf über größer Straße weiß können müssen Übung schön Äpfel "
    "Fluss Weißbier zwölf Jahr Zeit heute morgen".split(),
    "french": "le la les un une être avoir où déjà garçon œuvre cœur c'est l'été qu'il aujourd'hui français élève île "
    "naïveté très peut-être".split(),
    "spanish": "el la los ñandú mañana año corazón también ¿qué ¡hola! niño pingüino está aquí después".split(),
    "polish": "że się łódź zażółć gęślą jaźń ćma źródło być może dziękuję".split(),
    "turkish": "İstanbul ışık çocuk güneş şeker öğrenci değil Iğdır kırmızı".split(),
    "vietnamese": "người Việt tiếng được không những phở đường nước trường".split(),
    "greek": "και το είναι στην λόγος ἀρχή Ἀθῆναι ῥόδον Ὀδυσσεύς καλημέρα κόσμε ψυχή Σίσυφος".split(),
    "russian": "и в не на что быть он с это человек время ёлка подъезд Москва счастье объявление ещё".split(),
    "ukrainian": "і що її ґанок єдність п'ять Київ щастя".split(),
    "armenian": "և է բարև Հայաստան գիրք մարդ".split(),
    "georgian": "და არის გამარჯობა საქართველო წიგნი".split(),
    "hebrew": "שלום עולם ספר בְּרֵאשִׁית את של ירושלים תוֹרָה".split(),
    "arabic": "السلام عليكم كتاب في من على إلى مُحَمَّد اللّٰه العربية ٱلرَّحْمَٰن".split(),
    "persian": "سلام می‌خواهم کتاب‌ها خوب است گفت‌وگو".split(),
    "hindi": "नमस्ते दुनिया है में की क्या हिन्दी विद्यार्थी क्षत्रिय श्रीमती ऋषि".split(),
    "bengali": "বাংলা আমি তুমি ভালো বিশ্ব ক্ষমা".split(),
    "tamil": "தமிழ் வணக்கம் உலகம் நன்றி கொடு".split(),
    "telugu": "తెలుగు నమస్కారం ప్రపంచం".split(),
    "thai": "สวัสดี ชาวโลก ภาษาไทย น้ำ ที่นี่ ขอบคุณ".split(),
    "lao": "ສະບາຍດີ ໂລກ".split(),
    "tibetan": "བོད་སྐད་ བཀྲ་ཤིས་".split(),
    "burmese": "မြန်မာ ကျေးဇူး".split(),
    "khmer": "ភាសាខ្មែរ សួស្តី".split(),
    "amharic": "ሰላም ልዑል አማርኛ".split(),
    "chinese": "你好 世界 中文 我们 是 的 人工智能 北京 龍 臺灣 学习 一二三".split(),
    "japanese": "こんにちは 世界 カタカナ ひらがな が ガ プログラム 東京 々 ー".split(),
    "korean": "안녕하세요 세계 한국어 값 없다 뷁".split(),
}

# First and last code points.
SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)],
    "ipa": [(0x250, 0x2FF), (0x1D00, 0x1DBF)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F), (0x1C80, 0x1C88), (0x2DE0, 0x2DFF), (0xA640, 0xA69F)],
    "armenian": [(0x531, 0x58F)],
    "hebrew": [(0x591, 0x5F4), (0xFB1D, 0xFB4F)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)],
    "syriac": [(0x700, 0x74F)],
    "devanagari": [(0x900, 0x97F), (0xA8E0, 0xA8FF)],
    "bengali": [(0x980, 0x9FE)],
    "gurmukhi": [(0xA01, 0xA76)],
    "tamil": [(0xB82, 0xBFA)],
    "malayalam": [(0xD00, 0xD7F)],
    "sinhala": [(0xD81, 0xDF4)],
    "thai": [(0xE01, 0xE5B)],
    "tibetan": [(0xF00, 0xFDA)],
    "burmese": [(0x1000, 0x109F)],
    "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "ethiopic": [(0x1200, 0x139F)],
    "cherokee": [(0x13A0, 0x13FD), (0xAB70, 0xABBF)],
    "khmer": [(0x1780, 0x17F9)],
    "mongolian": [(0x1800, 0x18AA)],
    "kana": [(0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)],
    "bopomofo": [(0x3105, 0x312F)],
    "han": [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAD9), (0x20000, 0x2A6DF)],
    "hangul": [(0xAC00, 0xD7A3)],
    "jamo": [(0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C)],
    "yi": [(0xA000, 0xA48C)],
    "gothic": [(0x10330, 0x1034A)],
    "deseret": [(0x10400, 0x1044F)],
    "cuneiform": [(0x12000, 0x12399)],
    "fullwidth": [(0xFF01, 0xFF5E)],
    "letterlike": [(0x2100, 0x214F), (0x2460, 0x24FF), (0x3200, 0x33FF)],
    "mathematical": [(0x1D400, 0x1D7FF), (0x2200, 0x22FF), (0x2190, 0x21FF)],
    "box": [(0x2500, 0x259F), (0x25A0, 0x25FF), (0x2800, 0x28FF)],
    "currency": [(0x20A0, 0x20C0)],
    "dingbats": [(0x2600, 0x27BF)],
    "marks": [(0x300, 0x36F), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0)],
    "private": [(0xE000, 0xE0FF)],
}

WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
NEARLY_WHITE = "\u180e\u200b\u200c\u200d\u2060\ufeff\x1c\x1d\x1e\x1f"
CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0xFFF9, 0xFFFD, 0xE0001]))
PUNCTUATION = [".", ",", "!", "?", ";", ":", " - ", "—", "…", "'", '"', "“", "”", "’", "(", ")", "[", "]", "{", "}", "/", "\\",
               "...", "?!", "--", "。", "、", "！", "؟", "।", "·", "«", "»", "@", "#", "$", "%", "^", "&", "*", "_", "=", "+", "~", "`", "|", "<", ">"]
CONTRACTIONS = [a + b for a in "'’" for b in "s t re ve m ll d S T RE VE M LL D Re Ve lL ſ K s' tt red".split()]
EMOJI = ["😀", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "1️⃣", "#️⃣", "👨🏿‍💻", "🧑‍🚀", "☕", "™️", "🫠", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️‍🔥", "😀😀😀"]
CODE = [
    "def {0}({1}, {2}=None):\n    return {1} + {2} * {3}\n",
    "for (int {0} = 0; {0} < {3}; ++{0}) {{\n\t{1}[{0}] = {2};\n}}\n",
    "if {0} == '{1}':\r\n\tprint(f\"{{{2}}}: {3:04d}\")\r\n",
    '{{"{0}": {3}, "{1}": [true, null, "{2}"]}}',
    "#include <{0}.h>\n\nstatic const char* k{1} = \"{2}\\n\";  // {3}\n",
    "SELECT {0}, COUNT(*) FROM {1} WHERE {2} >= {3} GROUP BY 1;",
    "<div class=\"{0}\">{1} &amp; {2}</div>\n  <!-- {3} -->",
    "    {0}->{1}<{2}>(){{ return 0x{3:x}; }}\n\n\n",
    "https://{0}.example/{1}?{2}={3}&x=%20",
    "$ {0} --{1}={2} | {0} -n {3} > /dev/null 2>&1\n",
    "fn {0}<'a>(&'a self) -> Option<{1}> {{ {2}!({3}_u32) }}",
    "\\frac{{{0}_{{{3}}}}}{{\\{1}^2}} \\leq \\{2}",
]
NAMES = "i x foo bar camelCase snake_case HTTPServer x1 getElementById __init__ μ αβγ größe 变量 é T".split()


def _assigned(first, last):
    return [chr(c) for c in range(first, last + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]


class TextMaker:
    """Makes texts of 1 to 200 characters. `specials`: the tokenizer's added tokens."""

    def __init__(self, random, specials):
        self.random = random
        self.specials = specials
        self.scripts = {name: [c for r in ranges for c in _assigned(*r)] for name, ranges in SCRIPTS.items()}
        everything = _assigned(0, 0xDFFFF)
        self.everything = everything
        self.digits = [c for c in everything if unicodedata.category(c)[0] == "N"]
        self.marks = [c for c in everything if unicodedata.category(c)[0] == "M"]
        self.decomposable = [c for c in everything if unicodedata.decomposition(c)[:1] not in ("", "<")]
        kinds = [
            (self.sentence, 30), (self.script, 25), (self.code, 8), (self.white, 8), (self.special, 8),
            (self.emoji, 5), (self.number, 6), (self.combining, 6), (self.control, 3), (self.anything, 5),
            (self.contraction, 4), (self.repeated, 3),
        ]
        self.kinds, self.weights = zip(*kinds)

    def text(self):
        goal = self.random.choice([1, 2, 4, 8, 12, 16, 24, 32, 48, 90] + [200] * (self.random.random() < 0.2))
        text = ""
        while len(text) < goal:
            piece = self.random.choices(self.kinds, self.weights)[0]()
            text += self.random.choice(["", "", " "]) + piece if text else piece
        return text[: self.random.randint(max(1, goal // 2), goal)]

    def pick(self, choices, most):
        return [self.random.choice(choices) for _ in range(self.random.randint(1, most))]

    def sentence(self):
        out = ""
        for word in self.pick(WORDS[self.random.choice(list(WORDS))], 9):
            word = self.random.choice([word, word, word, word.capitalize(), word.upper()])
            out += (self.random.choice(PUNCTUATION) if self.random.random() < 0.2 else "") + word
            out += self.random.choice([" "] * 12 + ["", "  ", "\n", ", ", ". "])
        return out

    def script(self):
        letters = self.scripts[self.random.choice(list(self.scripts))]
        return " ".join("".join(self.pick(letters, 8)) for _ in range(self.random.randint(1, 4)))

    def code(self):
        names = [self.random.choice(NAMES) for _ in range(3)]
        return self.random.choice(CODE).format(*names, self.random.randint(0, 10 ** self.random.randint(1, 7)))

    def white(self):
        runs = [" ", "  ", "    ", "\n", "\r\n", "\t", WHITE, WHITE, NEARLY_WHITE]
        return "".join(self.random.choice(self.random.choice(runs)) for _ in range(self.random.randint(1, 8)))

    def special(self):
        token = self.random.choice(self.specials)
        around = ["", "", " ", "  ", "\n", "\u3000", "a", "é", "_", "1", ".", "\u0301"]
        damaged = [token[1:], token[:-1], token.upper(), token + token, token[:3] + " " + token[3:]]
        token = self.random.choice([token] * 6 + damaged)
        return self.random.choice(around) + token + self.random.choice(around)

    def emoji(self):
        return "".join(self.pick(EMOJI, 3))

    def number(self):
        plain = str(self.random.randint(0, 10 ** self.random.randint(1, 12)))
        forms = [plain, "-" + plain + ".50", "1,234,567", "3.14e-10", "²³⁴", "½", "Ⅷ", "٣٤٥", "१२३", "一二三", "x²+y₂"]
        return self.random.choice(forms + ["".join(self.pick(self.digits, 6))])

    def combining(self):
        bases = self.pick(["a", "e", "ö", "ㄱ", "ᄀ", "ᅡ", "ᆨ", "क", "א", "ا", "가", "Å", " ", "1"] + self.pick(self.decomposable, 6), 4)
        out = "".join(base + "".join(self.pick(self.marks, 4)[: self.random.randint(0, 4)]) for base in bases)
        return unicodedata.normalize(self.random.choice(["NFC", "NFD", "NFKD"]), out) if self.random.random() < 0.5 else out

    def control(self):
        return "".join(self.pick(CONTROLS + "ab ", 5))

    def anything(self):
        return "".join(self.pick(self.everything, 12))

    def contraction(self):
        word = self.random.choice(WORDS["english"])
        return word + self.random.choice(CONTRACTIONS) + self.random.choice(["", " ", "x"])

    def repeated(self):
        unit = self.random.choice(["a", "ab", " ", "\n", "=", "-", "の", "0", "\t", "é", "ha", "!?", ".\n"])
        return unit * self.random.randint(2, 40)
