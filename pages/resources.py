"The page nbs/95_resources.ipynb, from pages/resources.toml and the places where the notebooks cite."
import re, tomllib
from functools import cache
from course import ROOT, link, pages, part, read, source, table

KINDS = {"paper": "Papers behind the course", "course": "Other courses, and what they do better", "tool": "Code to read and use"}
HOW = {"library": "in a library", "index": "in lists", "read": "read"}
MONTHS = "January February March April May June July August September October November December".split()
# "Ho et al. 2020", "Ho and Salimans 2022", "Stenbit, Chollet and Wood 2022", "Otsu 1979", "Lin et al. (2023)"
CITATION = re.compile(r"(?<![\w])[A-ZÄÖÜ][\w'ä-]+(?:,? et al\.?|(?:, [A-Z]\w+)? (?:and|&) [A-Z]\w+)?,? (?:\((?:19|20)\d\d\)|(?:19|20)\d\d)(?![\w-])")
NO_NAMES = {*MONTHS, "JPEG", "SIGGRAPH", "Since", "In", "Of", "Until", "By", "To", "At", "Lab", "The", "After", "Before", "From", "It", "And", "October"}


@cache
def known(): return tomllib.loads((ROOT/"pages/resources.toml").read_text("utf-8"))
def plain(c): return re.sub(r"[(),]|\.", "", c.replace("&", "and").replace("ä", "a")).replace("  ", " ")


def citations(p):
    "What a notebook cites, in one spelling each."
    text = "\n".join(source(c) for c in read(p)["cells"] if not re.match(r"(map|notation|resources)-", c["id"]))
    return {plain(m[0]) for m in CITATION.finditer(text) if m[0].split()[0].strip(",") not in NO_NAMES}


@cache
def cited():
    "{citation: the notebooks that have it}"
    res = {}
    for p in pages():
        for c in citations(p): res.setdefault(c, []).append(p)
    return res


def address(r): return r["id"] if r["id"].startswith("http") else ("https://arxiv.org/abs/" if r["id"].startswith("arXiv:") else "https://doi.org/") + r["id"].split(":", 1)[1]


def page():
    "The made cells of nbs/95_resources.ipynb: (id, text)."
    def where(r):
        ps = dict.fromkeys(p for c in r.get("cite", []) for p in cited().get(plain(c), []) if part(p) != 9)
        return ", ".join(map(link, ps))
    def row(kind, r):
        first = f"{r['cite'][0]}: [{r['title']}]({address(r)})" if kind == "paper" else f"[{r['title']}]({address(r)})"
        return first, r["what"], *([where(r)] if kind == "paper" else []), HOW[r["checked"]]
    heads = {"paper": dict(head=("what", "in a sentence", "cited in", "checked"), wide=(6, 8, 6, 4))}
    other = dict(head=("what", "in a sentence", "checked"), wide=(6, 8, 4))
    return [(f"resources-{kind}", f"## {name}\n\n" + table(rows=[row(kind, r) for r in known()[kind]], **heads.get(kind, other))) for kind, name in KINDS.items()]
