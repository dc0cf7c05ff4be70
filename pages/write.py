"""Write what is made and not written by hand. Run `python pages/write.py` after adding a lesson or changing the start page; a test fails until then.

From the notebooks and the address in pyproject.toml it makes
- nbs/sidebar.yml, the course in reading order, and the same map on the start page, with the commands of a fresh machine;
- the gallery of the start page, its pictures cut from what the lessons have saved (pages/gallery.py);
- the glossary and nbs/words.js, from the words of all books: the pages show what a word means where they first say it;
- the map of ideas and its picture, from these words and pages/ideas.py;
- the tables of the notation and of the resources, from pages/notation.py and pages/resources.toml;
- the page of the measurements, from bench/results.json and the tables beside it;
- the pages of what changed since 2022, of the models, and of what a lesson costs (pages/back.py);
- the explorers' still pictures with their questions, and nbs/explorers/axes.js, from pages/explorers.py and what it has drawn;
- the badge and the set-up cell of each lesson (they install the course where it is missing, as on Colab);
- recall questions, exercises and the line of new words at the end of each lesson, from its book in nbs/exercises/;
- README.md, from the start page, and CITATION.cff;
- smaller saved pictures: once instead of as PNG and JPEG, and in 256 colours when they are large;
and with `--constraints` constraints.txt, the tested set, from the packages of this environment."""
import base64, io, json, re, sys
import back, explorers, gallery, ideas, notation, resources
from course import BRANCH, NBS, PYPROJECT, REPO, ROOT, SITE, books, cell, code, dumps, heading, in_parts, ini, is_lesson, link, page_of, pages, part, read, source, table, title

# the two commands of the README; .ci/run runs the second
DRAW = 'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && .venv/bin/sdcourse txt2img "a red fox in the snow, 3d render style"'
TEST = 'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e ".[dev]" && .venv/bin/python -m pytest'


def sidebar():
    "The text of nbs/sidebar.yml."
    lines = ["# made by pages/write.py", "website:", "  navbar:", "    right:", "      - icon: github", f"        href: {REPO}", "        aria-label: The course's repository",
             "  sidebar:", "    contents:", "      - index.ipynb"]
    for name, nbs in in_parts().items(): lines += [f"      - section: {name}", "        contents:"] + [f"          - {p.name}" for p in nbs]
    return "\n".join(lines) + "\n"


def ref():
    "Where links of lessons point and what they install: the tag of this version, or the branch while it is in the making."
    from sdcourse.runtime import release_ref
    return release_ref(branch=BRANCH)


def badge(p):
    "The cell that opens a lesson on Colab or Kaggle, in this version."
    here = f"{REPO.removeprefix('https://github.com/')}/blob/{ref()}/nbs/{p.name}"
    return cell("badge", f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{here}) "
                         f"[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)](https://kaggle.com/kernels/welcome?src=https://github.com/{here})")


EXTRAS, BESIDE = {4: "tune", 5: "train", 9: "tune"}, {"02_playground": "anywidget", "10_prompts": "compel", "18_explore": "anywidget"} # what the lessons of a part, and single lessons, need beyond the requirements
def setup(p):
    "The cell that installs the course where it is missing, before any import, and gets the lesson what it reads of the repository's data."
    said = "\n".join(source(c) for c in code(p) if c["id"] != "setup")
    data = [f.name for f in sorted((ROOT/"data").glob("*.[jp]*")) if "../data" in said and f.name in said]
    what = f"git+{REPO}@{ref()}"
    if extra := EXTRAS.get(part(p)): what = f'"{PYPROJECT["project"]["name"]}[{extra}] @ {what}"'
    if p.stem in BESIDE: what += f" {BESIDE[p.stem]}"
    return cell("setup", f"""#| hide
from importlib.util import find_spec
if not find_spec("sdcourse"): # on Colab and Kaggle
    %pip install -q {what}
from sdcourse import ready; ready({', '.join(f'"{n}"' for n in data)})""", "code")


def install():
    "The start page's commands."
    return cell("install", f"""```bash
git clone {REPO} && cd {REPO.rsplit('/')[-1]}
{DRAW}
```

The picture is in a file that the last line names. And this runs every lesson and every test, in fifteen to twenty minutes on two cores:

```bash
{TEST}
```""")


def course_map():
    "The start page's map: each notebook with its description."
    return cell("map", "\n\n".join(f"**{name}**\n\n" + "\n".join(f"- [{t}]({p.name}): {d}" for p, (t, d) in ((p, heading(p)) for p in nbs)) for name, nbs in in_parts().items()))


def with_cells(nb, cells, at=None):
    "The notebook with the made `cells`: in place of those with the same ids, or put in at `at`."
    ids = [c["id"] for c in cells]
    if at is not None: nb["cells"] = [c for c in nb["cells"] if c["id"] not in ids]; nb["cells"][at:at] = cells
    else: nb["cells"] = [next((n for n in cells if n["id"] == c["id"]), c) for c in nb["cells"]]
    return nb


def with_book(nb, book):
    """The notebook with the cells of its lesson's book: before the "## Tweak" that ends it, and the words after that. Outputs are kept where the code is the same."""
    was = {c["id"]: c for c in nb["cells"] if re.match(r"(recall|exercises?|words)\b", c["id"])}
    cells = [c for c in nb["cells"] if c["id"] not in was]
    def new(id, kind, text): return was[id] if id in was and source(was[id]) == text and was[id]["cell_type"] == kind else cell(id, text, kind)
    at = next((k for k, c in enumerate(cells) if c["cell_type"] == "markdown" and source(c).startswith("## Tweak")), None)
    if at is None: raise ValueError(f"{book.lesson} has no cell that begins with `## Tweak`: the exercises go before it")
    return {**nb, "cells": cells[:at] + [new(*c) for c in book.cells()] + [cells[at], new("words", "markdown", book.new_words())] + cells[at + 1:]}


def words(terms):
    "The text of nbs/words.js: what nbs/course.js shows where a page first says a word of the glossary, and the lessons in reading order with their parts."
    lessons = [p for p in pages() if part(p) < 8]
    data = dict(lessons=[page_of(p) for p in lessons], parts=[part(p) for p in lessons],
                words=[dict(word=t.word, meaning=t.meaning.replace("`", ""), spellings=t.spellings, href=f"{page_of('90_glossary')}.html#{t.anchor}", lesson=page_of(t.lesson), title=title(NBS/f"{t.lesson}.ipynb")) | ({"within": t.within} if t.within else {}) for t in terms])
    return "// made by pages/write.py\nwindow.sdcourse = " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace('{"word"', '\n{"word"') + ";\n"


def readme(nb, badges):
    "README.md, from the start page, with `badges` under its title: its links made to hold at the top of the repository, the names of the repository's files made links."
    text = "\n\n".join(source(c).strip() for c in nb["cells"] if c["cell_type"] == "markdown")
    text = re.sub(r"\]\((?!https?:|#)", "](nbs/", text.replace("](03_play.ipynb)", f"]({SITE}/play.html)").replace("**[Play]", f"**[The course as pages]({SITE}/)** &nbsp;·&nbsp; **[Play]", 1)) # its knobs turn on the site alone
    text = re.sub(r"(?<![\[`])`([\w./-]+)`(?!\])", lambda m: f"[{m[1]}]({m[1]})" if "." in m[1] and (ROOT/m[1]).is_file() else m[0], text)
    return f"<!-- made from nbs/index.ipynb by pages/write.py: change it there -->\n\n" + re.sub(r"(?m)^(# .+)$", lambda m: f"{m[1]}\n\n{badges}", text, count=1) + "\n"


def small(nb):
    "The notebook with its saved pictures made small: with a palette where that loses nothing, 256 colours where they are large, 64 where the notebook would be too large. A picture with a palette stays as it is, to the byte."
    from PIL import Image
    shown = [o["data"] for c in nb["cells"] for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    for colours in (256, 64):
        if colours == 64 and len(dumps(nb).encode()) <= 170_000: break
        for data in shown:
            data.pop("image/jpeg", None)
            raw = base64.b64decode("".join(data["image/png"])); large = len(raw) >= 8000; img = Image.open(io.BytesIO(raw))
            if img.mode == "P" and (colours == 256 or not large or len(img.getcolors()) <= 64): continue
            if not large and (img.mode == "RGBA" or not img.convert("RGB").getcolors(256)): continue
            ways = []
            for way in (0, 1, 3): img.convert("RGB").quantize(colours if large else 256).save(f := io.BytesIO(), "PNG", optimize=True, compress_type=way); ways.append(f.getvalue()) # zlib's: the usual, for filtered rows, runs only
            if large or len(min(ways, key=len)) < .9 * len(raw): data["image/png"] = base64.b64encode(min(ways, key=len)).decode()
    return nb


def with_page(nb, cells):
    "The notebook with `cells` after its heading in place of all others; as it is where there are none."
    return {**nb, "cells": nb["cells"][:1] + cells} if cells else nb


def stored():
    "{notebook: its made cells} of the pages that are made whole, from what is stored."
    from bench.report import read as measured
    return {name: [cell(*c) for c in cells] for name, cells in {"96_then_and_now": back.then_and_now(), "97_model_list": back.models(), "98_costs": back.costs(measured("results")["lessons"])}.items()}


def stumbles(ends):
    "The workshop's list of mistakes, from the books of its lessons: the first two exercises of each, and the first mistake that each check knows."
    from sdcourse.cli import SETS
    def line(x): return " ".join(x.split()).replace("|", "\\|")
    every = [ends[n] for lessons in SETS.values() for n in lessons]
    rows = [(link(NBS/f"{b.lesson}.ipynb"), line(e.title), line(next(iter(e.mistakes.values())))) for b in every for e in b.exercises[:2]]
    said = f"The {len(every)} lessons of the two days have {sum(len(b.exercises) for b in every)} exercises, and their checks know {sum(len(e.mistakes) for b in every for e in b.exercises)} mistakes by sight. All of them are in `teacher.md`; here is one for each of the first two exercises, in the words of the check."
    return f"{said}\n\n{table(('lesson', 'exercise', 'what the check says to a usual mistake'), rows)}"


def made():
    "{path: what it should hold} of everything that is made."
    ends = books()
    def lesson(p): # with the badge, the set-up cell and what its book says
        nb = with_cells(read(p), [badge(p), setup(p)], at=1) if code(p) else read(p)
        return with_book(nb, ends[p.stem]) if p.stem in ends else nb
    from sdcourse.exercises.book import glossary
    terms = [t for b in ends.values() for t in b.terms]
    gloss = cell("glossary", glossary(terms, {p.stem: title(p) for p in pages()}))
    from bench.report import page
    made_back, whole = [cell(*c) for c in [*page(), *ideas.page(), *notation.page(), *resources.page(), *((f"explorer-{k}", explorers.figure(k)) for k in explorers.SPEC), ("stumbles", stumbles(ends))]], stored()
    res = {p: dumps(small(with_page(with_cells(lesson(p) if is_lesson(p) else read(p), [gloss, *made_back]), whole.get(p.stem)))) for p in pages()}
    about = back.release(PYPROJECT["project"], ini())
    index = with_cells(read(NBS/"index.ipynb"), [install(), course_map(), cell("gallery", gallery.table()), cell("cite", back.cite(about))])
    return {**res, NBS/"words.js": words(terms), NBS/"explorers/axes.js": explorers.axes_js(), NBS/"images/92_map.svg": ideas.svg(), NBS/"index.ipynb": dumps(index), NBS/"sidebar.yml": sidebar(), ROOT/"README.md": readme(index, back.badges(about)), ROOT/"CITATION.cff": back.citation(about)}


def asked():
    "The requirements of settings.ini, all extras."
    from packaging.requirements import Requirement
    return [r for k, v in ini().items() if k.endswith("requirements") for r in map(Requirement, v.split()) if r.name != PYPROJECT["project"]["name"]]


def constraints():
    "constraints.txt: what settings.ini asks for and all that this brings, in the versions of this environment."
    from importlib.metadata import metadata, requires, version
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name
    todo, seen = asked(), {}
    while todo:
        r = todo.pop(); extras = {"", *r.extras}
        if extras <= seen.setdefault(canonicalize_name(r.name), set()): continue
        seen[canonicalize_name(r.name)] |= extras
        todo += [q for q in map(Requirement, requires(r.name) or []) if not q.marker or any(q.marker.evaluate({"extra": x}) for x in extras)]
    floor = f"{ini()['min_python']}.0" # what does not install on the oldest Python is left out: pip finds one that does
    lines = [f"{name}=={version(name).split('+')[0]}" for name in sorted(seen) if SpecifierSet(metadata(name)["Requires-Python"] or "").contains(floor)]
    return "# The set that the tests run with, made by pages/write.py --constraints: a record, not a requirement.\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    files = {ROOT/"constraints.txt": constraints()} if "--constraints" in sys.argv else made()
    for p, text in files.items():
        if not p.exists() or p.read_text("utf-8") != text: p.write_text(text, "utf-8"); print("wrote", p.relative_to(ROOT))
    for p, img in gallery.stale().items(): img.save(p, optimize=True); print("wrote", p.relative_to(ROOT))
