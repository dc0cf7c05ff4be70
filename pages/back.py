"""The pages of the last part that are made of something stored: what changed since 2022 (then_and_now.toml), the models (sdcourse.models), what a lesson costs (bench/results.json). pages/write.py puts them into their notebooks; nothing heavy is imported."""
import json, re, tomllib
from course import NBS, ROOT, code, in_parts, link, source, table

TODAY = { # what a row says of the old form: the word in the table
    "error": "an error", "warns": "works, and warns", "ignored": "**ignored in silence**", "wrong": "**wrong, in silence**", "noted": "ignored, one line in the log", "works": "still works"}


def constraint(*names):
    "The tested versions of packages, in words."
    tested = dict(l.split("==") for l in (ROOT/"constraints.txt").read_text("utf-8").splitlines() if "==" in l)
    return ", ".join(f"{n} {tested[n]}" for n in names)


# What changed since 2022

def then_and_now():
    "[(id, text)] of nbs/96_then_and_now.ipynb."
    themes = tomllib.loads((ROOT/"pages/then_and_now.toml").read_text("utf-8"))["theme"]; rows = [r for t in themes for r in t["row"]]
    silent = [r for r in rows if r["today"] in ("ignored", "wrong")]
    count = {k: sum(r["today"] == k for r in rows) for k in TODAY}
    about = f"""The code of 2022 is still what one finds first, and most of it has aged. Here are {len(rows)} pieces of it, each beside what one writes today, and what happens now to whoever runs the old one: {count['error']} end with an error, {count['warns']} work with a warning, {count['noted'] + count['works']} do no harm, and **{len(silent)} say nothing and do something else**. Those are the ones to know, for nothing tells you:

{table(('', 'then, and below it now'), [(f"[{r['what']}](#{anchor(r['what'])}): {r['today']}", f"{first(r['old'], r['new'])}<br>{first(r['new'], r['old'])}") for r in silent])}

Both sides of every row are run by the tests, with the pocket model and {constraint('diffusers', 'transformers', 'huggingface-hub')}: the old one must fail, warn or be silent exactly as it says here, the new one must do the job and say nothing; every week they are run again with the newest libraries. In the code `model` is the pocket model's folder, where most read `"CompVis/stable-diffusion-v1-4"`; `pipe` its pipeline and `unet`, `vae`, `tokenizer`, `text_encoder` its parts; `few` two steps with a seed; `halved` a folder with large and small files; `picture` a small picture; `noise` the latents to begin with."""
    return [("tn_about", about), *((f"tn_{t['id']}", f"## {t['name']}\n\n{t['about']}\n\n" + "\n\n".join(map(entry, t["row"]))) for t in themes)]


def anchor(what): return re.sub(r"[^\w\- ]", "", what.lower()).replace(" ", "-")
def first(code, other): return "`" + next((n for n in code.strip().splitlines() if n not in other.splitlines()), code.strip()).strip().replace("|", "\\|") + "`" # the first line that differs


def entry(r):
    "A row of the page."
    says = re.sub(r"\s+", " ", r.get("says", "").replace("`", "")).strip()
    said = f", `{says.rstrip(':')}`" if says else ""; today = TODAY[r["today"]].replace("**", ""); today = f"**{today[0].upper()}{today[1:]}**"
    return f"### {r['what'][0].upper()}{r['what'][1:]}\n\n```python\n# then: {TODAY[r['today']].strip('*')}\n{r['old'].strip()}\n\n# now\n{r['new'].strip()}\n```\n\n{today}{said}. {r['why']}"


# Models

def used_in(name, beside=""):
    "Links to the lessons in whose code a cell says the name, as a word in quotes, and something `beside` it."
    res = []
    for p in sorted(NBS.glob("[0-7]*.ipynb")):
        if any(re.search(rf"[\"']{re.escape(name)}[\"']", s) and re.search(beside, s) for s in map(source, code(p))): res.append(p)
    if len(res) > 4: return f"{len(res)} lessons, the first is {link(res[0])}"
    return ", ".join(link(p) for p in res) or "none"


def models():
    "[(id, text)] of nbs/97_model_list.ipynb."
    from sdcourse.models import DEPTH_MODELS, GONE, LORAS, MODELS, OWN_LORAS, PICTURE_SETS, SEEN
    def size(r): return f"{r['gb']:g} GB" if r["gb"] > .05 else "0, in the package"
    def ids(r): return "<br>".join(f"`{i}`" for i in r["ids"])
    def row(n, r): return (f"`{n}`", "in the package" if n == "pocket" else ids(r), r["about"], r["licence"], size(r) if "gb" in r else f"{r['pictures']} pictures", used_in(n))
    head = ("name", "id on the hub", "what it is", "licence", "download", "in lessons")
    own = {"creatures": "CC0-1.0, Apache-2.0, MIT", "kittens": "CC-BY-4.0", "blob": "Apache-2.0"}
    if {*own} != {*OWN_LORAS}: raise ValueError(f"pages/back.py knows the licences of {[*own]}, and the package has the LoRAs {[*OWN_LORAS]}")
    return [("mo_models", f"## Models\n\n`load(name)` takes a name of this table, any other id, or a folder.\n\n{table(head, [row(n, r) for n, r in MODELS.items()], (4,))}\n\n`pocket` is all that the lessons need. The others want a network once, and are meant for a graphics card. Sizes are of the half precision files. All were there in {SEEN}, and none asks you to sign in. The licence is the model's own, and what one may do with the pictures stands in it."),
            ("mo_small", f"## Small additions\n\n`load_trained(pipe, name)` puts one in.\n\n{table(head, [row(n, r) for n, r in LORAS.items()] + [(f'`{n}`', 'in the package', 'a LoRA for the pocket model, see `sdcourse/loras/MODEL_CARD.md`', own[n], '0, in the package', used_in(n, 'load_trained|--lora')) for n in OWN_LORAS], (4,))}\n\nHow far each pixel is, for [animations](17_animate.ipynb) in three dimensions:\n\n{table(head, [row(n, r) for n, r in DEPTH_MODELS.items()], (4,))}"),
            ("mo_data", f"## Pictures to learn from\n\n`load_data(name)` reads one. `creatures` comes with the package, `cats` and `blob` with the repository, which also holds the icons that the pocket model learnt from (`data/README.md`); from the hub comes:\n\n{table(head, [row(n, r) for n, r in PICTURE_SETS.items()], (4,))}"),
            ("mo_gone", "## What is gone\n\nIds are removed by those who own them, and old notebooks then say that no such repository was found. `load` with one of these says what to take.\n\n" + table(("id", "what it was", "removed", "take"), [(f"`{k}`", r["about"], r["when"], ", ".join(f"`{u}` (`{ {**MODELS, **PICTURE_SETS}[u]['ids'][0]}`)".replace("` (` ", "` (`") for u in r["use"]) + (f"; {r['why']}" if r["why"] else "")) for k, r in GONE.items()])
             + "\n\nIn the code of this course ids stand in [one table](82_models.ipynb), of which this page is made: when one vanishes, one line changes.")]


# What a lesson costs

def costs(res):
    "[(id, text)] of nbs/98_costs.ipynb. `res`: the row `lessons` of bench/results.json."
    each, a = res.get("each"), res.get("about")
    if not each: return [("co_all", "Nothing is measured yet: `python -m pytest tests/test_notebooks.py && python -m bench --only lessons && python pages/write.py` does it.")]
    def gb(m): return f"{m / 1000:.2f}" if m else "not told"
    def row(p):
        c = each.get(p.name)
        return (link(p), *(f"{c[k]:.0f}" for k in ("cpu", "seconds", "slowest_cell")), f"{c['training']:.0f}" if c["training"] >= .5 else "", gb(c["memory"])) if c else (link(p), *["not measured yet"] * 2, *[""] * 3)
    head, right = ("", "core,&nbsp;s", "clock,&nbsp;s", "longest cell,&nbsp;s", "training,&nbsp;s", "memory,&nbsp;GB"), (1, 2, 3, 4, 5)
    rows = {name: [p for p in nbs if any(c["id"] != "setup" for c in code(p))] for name, nbs in in_parts().items()}
    rows = {name: ps for name, ps in rows.items() if ps}; beside = {name for name in ("Workshop", "Back") if name in rows}
    def known(names): return [p for n in rows if n in names for p in rows[n] if p.name in each]
    def minutes(ps): return sum(each[p.name]["cpu"] for p in ps) / 60
    lessons, others = known({*rows} - beside), known(beside)
    most, dear = max(each[p.name]["memory"] for p in lessons + others), [p for p in lessons if each[p.name]["cpu"] > 60]
    load = f", load {a['load']} at the end" if a.get("load") else ""
    text = f"""Each lesson was run from its first cell to its last, in a process of its own on one thread, as the tests do it. All {len(lessons)} together take {minutes(lessons):.0f} minutes of one core, so about {minutes(lessons) / 2:.0f} minutes on two. None needs a graphics card, none downloads anything (0 MB: the model comes with the course), and {f'{gb(most)} GB is the most memory that any of them had' if most else 'how much memory they need was not told'}. {len(dear)} take more than a minute of a core: {', '.join(map(link, dear))}."""
    aside = f"""## Beside the lessons\n\nNobody need run these to learn from the course: the notebooks that the package is made of, and the pages behind the lessons that have code. All {len(others)} together take {minutes(others):.0f} minutes of a core."""
    how = f"""**Core** is the honest measure: the seconds that the processor worked, whatever else the machine did. **Clock** is the seconds by the clock, more where other work ran beside. Starting Python and loading the libraries and the model, 5 s or so, is in both; the tests load the libraries once for all and count the time that took to each lesson. **Training** is the time by the clock in the cells whose code trains something. **Memory** is the most that the notebook's process had, without programs that it starts.

Measured on {a['date']} on {a['cores']} cores ({a['processor']}){load}; Python {a['python']}, torch {a['torch']}, diffusers {a['diffusers']}, transformers {a['transformers']}. No lesson was run on a graphics card for this table, so it has no column for one: cells marked `#| gpu` are left out."""
    def part(name): return f"{'###' if name in beside else '##'} {name}\n\n{table(head, [row(p) for p in rows[name]], right)}"
    return [("co_all", text), *((f"co_{k}", part(n)) for k, n in enumerate(rows) if n not in beside), ("co_how", f"## How it was measured\n\n{how}"), ("co_beside", "\n\n".join([aside, *(part(n) for n in rows if n in beside)]))]


# The package's face

def release(project, ini):
    "What is released: version from the package, date from its heading in the change log, None before it has one."
    version = re.search(r'__version__ = "(.+)"', (ROOT/"sdcourse"/"__init__.py").read_text("utf-8"))[1]
    date = re.search(rf"(?m)^## {re.escape(version)} \((\d{{4}}-\d\d-\d\d)\)$", (ROOT/"CHANGELOG.md").read_text("utf-8"))
    urls = project["urls"]
    return dict(version=version, date=date and date[1], author=ini["author"], licence=ini["license"], keywords=ini["keywords"].split(), repo=urls["Repository"], site=urls["Documentation"], title=f"{project['name']}: {project['description'][0].lower()}{project['description'][1:].split(':')[0]}", about=project["description"], python=ini["min_python"])


def citation(r):
    "CITATION.cff, in the form of the Citation File Format 1.2.0."
    date = f"date-released: {r['date']}\n" if r["date"] else ""
    return f"""# made by pages/write.py from pyproject.toml, settings.ini, sdcourse/__init__.py and CHANGELOG.md
cff-version: 1.2.0
message: If this course or its pocket model helped your work, please cite it so.
type: software
title: {json.dumps(r['title'])}
abstract: {json.dumps(r['about'])}
authors:
  - name: {json.dumps(r['author'])}
version: {r['version']}
{date}license: {r['licence']}
repository-code: {r['repo']}
url: {r['site']}
keywords:
""" + "".join(f"  - {k}\n" for k in r["keywords"])


def cite(r):
    "The start page's words on how to cite."
    year = f"  year = {{{r['date'][:4]}}},\n" if r["date"] else ""
    return f"""## Citing

```bibtex
@software{{sdcourse,
  title = {{{r['title']}}},
  author = {{{{{r['author']}}}}},
  version = {{{r['version']}}},
{year}  url = {{{r['repo']}}}
}}
```

The same for programs is in `CITATION.cff`."""


def badges(r):
    "The README's badges: the newest run of the tests, and two facts. Not on the site, whose pages ask nobody else for anything."
    def badge(label, value, colour="blue"): return f"https://img.shields.io/badge/{label}-{value.replace('-', '--').replace('+', '%2B')}-{colour}"
    return " ".join((f"[![tests]({r['repo']}/actions/workflows/test.yaml/badge.svg)]({r['repo']}/actions/workflows/test.yaml)", f"[![licence: {r['licence']}]({badge('licence', r['licence'])})](LICENSE)", f"[![Python {r['python']} or newer]({badge('python', r['python'] + '+')})](pyproject.toml)"))
