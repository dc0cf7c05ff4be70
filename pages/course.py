"""The course as its files have it: the notebooks in their order, their titles, the address. All that makes pages stands on this, and the tests do; nothing heavy is imported."""
import json, re, sys, tomllib
from configparser import ConfigParser
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path: sys.path.insert(0, str(ROOT))
NBS = ROOT/"nbs"
PYPROJECT = tomllib.loads((ROOT/"pyproject.toml").read_text("utf-8"))
REPO, SITE = (PYPROJECT["project"]["urls"][k].rstrip("/") for k in ("Repository", "Documentation"))
BRANCH = PYPROJECT["tool"]["nbdev"].get("branch", "main")
# the decades of the notebooks' numbers
PARTS = {0: "Start", 1: "Steer", 2: "Open it up", 3: "Build your own", 4: "Teach it", 5: "Judge it", 8: "Workshop", 9: "Back"}


def ini():
    "settings.ini's one section."
    cfg = ConfigParser(interpolation=None, delimiters=["="]); cfg.read(ROOT/"settings.ini", encoding="utf-8")
    return cfg["DEFAULT"]


def pages(): return sorted(NBS.glob("[0-9]*.ipynb"))
def read(p): return json.loads(p.read_text("utf-8"))
def source(cell): return "".join(cell["source"])
def dumps(nb): return json.dumps(nb, sort_keys=True, indent=1, ensure_ascii=False) + "\n" # as nbdev writes it
def code(p): return [c for c in read(p)["cells"] if c["cell_type"] == "code"]
def part(p): return int(p.name[0])
def is_lesson(p): return part(p) != 8


@cache
def heading(p):
    "(title, description) of the notebook's first cell."
    m = re.fullmatch(r"# (.+)\n\n?> (.+)", source(read(p)["cells"][0]).strip())
    if not m: raise ValueError(f"{p.name}: its first cell must be `# Title` and `> description`, nothing else (the site shows no more of it)")
    return m.groups()


def in_parts():
    "{part's name: its notebooks}, in reading order."
    res = {}
    for p in pages(): res.setdefault(PARTS[part(p)], []).append(p)
    return res


def cell(id, text, kind="markdown"):
    "A notebook cell with an id of its own, by which it is found again."
    res = dict(cell_type=kind, id=id, metadata={}, source=text.splitlines(keepends=True))
    return res if kind == "markdown" else {**res, "execution_count": None, "outputs": []}


def books():
    "{lesson: its book} of nbs/exercises/, by way of the modules they make."
    from sdcourse.exercises.book import books
    return books()


def page_of(p): return re.sub(r"^\d+\w?_", "", Path(p).stem) # the name of its page on the site
def title(p): return heading(p)[0]
def link(p): "A notebook's title as a link to it."; return f"[{title(p)}]({p.name})"


def table(head, rows, right=(), wide=()):
    "A table in Markdown; the columns numbered in `right` are flush right, and `wide` says how wide they are, in dashes."
    rule = "|".join("-" * n for n in wide) + "|" if wide else "".join(" ---: |" if k in right else " --- |" for k in range(len(head)))
    return "\n".join(["| " + " | ".join(head) + " |", "|" + rule, *("| " + " | ".join(map(str, r)) + " |" for r in rows)])
