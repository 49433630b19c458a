"""What a sentence of the corpus is: plain typography, and a rule of what is a plain modern sentence."""

import codecs
import re
import zlib

from sslviz.language.text import composed

WORDS = (5, 40)  # fewest and most in a sentence

TYPOGRAPHY = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "…": "...", "\u00a0": " ", "\u00ad": ""})
START = re.compile(r"""["']?[A-Za-z]""")
UNUSUAL = re.compile(r"[^A-Za-z ,.']")
END = re.compile(r"""[.!?]["')]?$""")
BAD = (
    re.compile(r"[\[\]{}<>|\\_=*/@#~^+`&•§]|--|\.\.|:\s*$|\bwww\b|\w\.(?:com|org|net)\b|\d{5}|%[a-z]"),
    re.compile(r"[A-Z]{3,}[ ,]+[A-Z]{3,}"),
    re.compile(r"\b(?:thou|thee|thy|thine|ye|hath|doth|hast|dost|shalt|wilt|ere|o'er|e'en)\b|'tis|'twas", re.I),
    re.compile(
        r"\b(?:Webster|Obs|Syn|Cf|pl|adj|adv|esp|viz|Linn|fr|q\.v)\.|^(?:See|Compare|Same as)\b|\b[nva]\.$", re.I
    ),
)
ROT13 = (  # what nobody has to read, here or in the corpus
    r"avtt(?:re|n)f?|avttneq\j*|snttbgf?|sntf?|pbbaf?|tbbxf?|xvxrf?|fcvpf?|jrgonpxf?|puvaxf?|qntbf?|qnexvrf|"
    r"fdhnjf?|enturnqf?|ergneq(?:rq|f)?|genaal|qlxrf?|yrfobf?|unys-oerrqf?|cbynpxf?|(?:zbgure)?shpx\j*|(?:ohyy)?fuvg\j*|phag\j*|"
    r"pbpxfhpx\j*|nffubyrf?|ovgpu\j*|onfgneq\j*|jube(?:r|vat)\j*|fyhg\j*|cvff(?:rq|vat)?|gjngf?|gvgf|gvggvrf|"
    r"jnax\j*|pyvgbevf|cravf\j*|intvan\j*|znfgheong\j*|rwnphyng\j*|betnfz\j*|encr[qf]?|encvat|pbchyng\j*|qvyqb\j*|"
    r"cbea\j*|fbqbz\j*|sryyng\j*|phaavyvat\j*|artebr?f?|arterff\j*|fnintrf|zhynggb\j*|cebfgvghg\j*|rebgvp\j*|"
    r"yrjq\j*|frkhny vagrepbhefr"
)
OFFENSIVE = re.compile(rf"\b(?:{codecs.decode(ROT13, 'rot13')})\b", re.I)


def clean(text: str) -> str:
    """Plain typography on one line: straight quotes, single spaces, a dash with a space on either side."""
    text = composed(text).translate(TYPOGRAPHY).replace("``", '"').replace("''", '"')
    text = re.sub(r"\s*(?:--|—)[-—\s]*", " - ", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)|\((?:Applause|Laughter)\.?\)|\((?:see|cf\.?) [^()]*\)", "", text)
    return re.sub(r"\s+([,;:.!?])(?=\s|$)", r"\1", re.sub(r"\s+", " ", text)).strip()


def tidy(sentence: str) -> str:
    """Give a quotation mark that has lost its partner one, and drop such a bracket."""
    sentence = re.sub(r"""([.!?]["'])\.$""", r"\1", sentence.strip(" -"))
    if sentence.count('"') % 2:
        lone_end = sentence.count('"') == 1 and sentence.endswith('"')
        sentence = sentence[:-1] if lone_end else sentence + '"' if END.search(sentence) else sentence
    if sentence.count("(") != sentence.count(")"):
        sentence = sentence.replace("(", "").replace(")", "")
    return sentence


def good(sentence: str, fewest: int = WORDS[0]) -> bool:
    """Whether it is a plain modern sentence."""
    words = sentence.split()
    return (
        fewest <= len(words) <= WORDS[1]
        and bool(START.match(sentence) and END.search(sentence))
        and sentence.count('"') % 2 == 0
        and len(UNUSUAL.findall(sentence)) <= max(6, 0.06 * len(sentence))
        and sum(word[0].islower() for word in words) >= 0.55 * len(words)
        and max(map(len, words)) <= 24
        and not any(pattern.search(sentence) for pattern in (*BAD, OFFENSIVE))
    )


def key(sentence: str) -> str:
    """What sentences share that differ in case and punctuation alone."""
    return re.sub(r"[\W_]+", " ", sentence.casefold()).strip()


def hashed(name: str, percent: int) -> bool:
    """Whether a name is among that share of all names, by a hash."""
    return zlib.crc32(name.encode()) % 100 < percent
