"Plain English for an icon: the subject (a noun phrase) from its Unicode label, and the captions from the subject."
import json, re, unicodedata
from pathlib import Path
from colors import WORDS

NAMES = json.loads((Path(__file__).parent/"names.json").read_text())
COLORED = {"animals-nature", "food-drink", "objects", "travel-places", "activities"}   # groups whose main colour is a fair thing to say
AS_IT_IS = {"a", "an", "the", "two", "three", "crossed", "eyes", "hands", "people", "men", "women", "santa", "mrs.", "tokyo", "mount"}
SINGULAR_S = ("ss", "us", "is", "lens", "tennis", "trousers")                           # endings in s that are no plural
YOO = ("uni", "euro", "one", "ufo", "use")                                             # a vowel to the eye, not to the ear

def key(text):
    "Letters and digits only, for comparing names across packages."
    t = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower().replace("&", "and")
    return re.sub(r"[^a-z0-9]+", "", t)

def words(text): return set(re.findall("[a-z]+", text.lower()))

def article(noun):
    "`noun` with the article it needs, or none."
    low = noun.lower(); first = low.split()[0]
    if first in ("statue", "front"): return "the "+noun
    if first == "kissing": return "a "+noun
    if first in AS_IT_IS or low in NAMES["no_article"] or low in NAMES["plural"] or (" and " in low and " with " not in low): return noun
    last = re.split(" with | of | and | in ", low)[0].split()[-1]
    if last.endswith("s") and not last.endswith(SINGULAR_S): return noun
    return ("an " if low[0] in "aeiou" and not low.startswith(YOO) else "a ")+noun

def subject(label):
    "The noun phrase for a CLDR label: 'automobile' -> 'a car', 'woman: beard' -> 'a woman with a beard'."
    l = re.sub("[“”!]", "", NAMES["rename"].get(label, label).replace("’", "'"))
    head, _, rest = l.partition(": "); both = rest.replace(",", " and")
    if rest:
        if head == "flag": return "the flag of "+rest
        if head == "family": return "a family of "+both
        if head == "kiss": return "a kiss between "+both
        if head == "couple with heart": return "a couple with a heart, "+both
        if head in ("man", "woman", "person"): return {"beard": f"a {head} with a beard", "bald": f"a bald {head}"}.get(rest, f"a {head} with {rest}")
    return article(" ".join(w if w.isupper() and len(w) < 4 else w.lower() for w in head.split()))

def with_color(subj, color):
    "'a car', 'red' -> 'a red car'; None when the subject cannot take it."
    if subj.startswith("the "): return None
    bare = re.sub("^an? ", "", subj); art = "" if bare == subj else "an " if color == "orange" else "a "
    return f"{art}{color} {bare}"

def captions(row, color):
    "Two to four ways to say what a row shows; every one ends in the style. `color` may be None."
    s, style = row["subject"], row["style"]
    out = [f"{s}, {style} style", f"{s}, {row['style_words']} style"]
    if color and row["group"] in COLORED and not words(s) & WORDS and (c := with_color(s, color)): out.append(f"{c}, {style} style")
    extra = [k for k in row["keywords"] if key(k) not in key(s) and len(k) > 2 and not re.search("[^a-z ]", k)][:2]
    return out+[f"{s}, {', '.join(extra)}, {style} style"] if extra else out
