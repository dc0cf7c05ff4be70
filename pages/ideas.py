"""The map of ideas: which lesson brings which words and which earlier lessons it leans on.

What a lesson leans on is decided here (`NEEDS`) and proven by the notebooks: every need leaves a trace in the lesson (a word of the other one that it says, its page that it names, its module that it builds on), and no heavy trace leads to a lesson outside of its needs. tests/test_apparatus.py holds both."""
import html, re
from collections import Counter
from functools import cache
from course import PARTS, books, code, link, page_of, pages, part, read, source, table, title

FIRST, HEAVY = "00_first", .5
NEEDS = {FIRST: "", "10_prompts": FIRST, "11_sweeps": FIRST, "11b_negative": "11_sweeps", "13_img2img": FIRST, "14_chains": "13_img2img", "15_inpaint": "13_img2img", "16_dream": FIRST, "17_animate": "13_img2img", "18_explore": "13_img2img 16_dream", "19_replay": FIRST,
         "20_text": "10_prompts", "21_latents": FIRST, "22_guidance": "11b_negative 20_text 21_latents", "23_sampling": "22_guidance", "24_txt2img": "23_sampling", "25_schedulers": "23_sampling", "26_attention": "23_sampling", "27_steering": "23_sampling",
         "30_plane": FIRST, "31_schedules": "30_plane", "32_ddpm": "31_schedules", "33_attention_by_hand": "26_attention", "34_unet": "33_attention_by_hand", "35_clip": "33_attention_by_hand", "36_vae": "34_unet", "37_together": "31_schedules 35_clip 36_vae", "38_bugs": "23_sampling 30_plane",
         "40_creatures": FIRST, "41_trainer": "23_sampling 40_creatures", "42_text_to_creature": "41_trainer", "43_lora": "42_text_to_creature", "44_inversion": "42_text_to_creature", "45_dreambooth": "42_text_to_creature", "50_measure": "22_guidance", "51_train_judge": "50_measure"}
# What somebody may want, and the lessons that are this; what they lean on is added
WANTS = {
    "I only want to make pictures": "10_prompts 11b_negative 13_img2img 14_chains 15_inpaint 16_dream 17_animate 18_explore",
    "I want to understand the maths": "22_guidance 27_steering 30_plane 31_schedules 32_ddpm 33_attention_by_hand 35_clip 36_vae",
    "I want to train": "40_creatures 41_trainer 42_text_to_creature 43_lora 44_inversion 45_dreambooth 50_measure",
}

@cache
def lessons(): return {p.stem: p for p in pages() if p.stem == FIRST or 0 < part(p) < 8} # the other pages of the start teach nothing that is built on
def terms(): return [t for b in books().values() for t in b.terms]


def own(p):
    "The cells that the lesson's author wrote."
    return [c for c in read(p)["cells"] if not re.match(r"(recall|exercises?|words|badge|setup|explorer)\b", c["id"])]


def prose(p):
    "What a lesson says, without headings, code, formulas and links."
    text = "\n\n".join(source(c) for c in own(p) if c["cell_type"] == "markdown")
    return re.sub(r"(?m)^#.*$", "", re.sub(r"`[^`\n]*`|\$[^$]+\$|\[[^\]]*\]\([^)]*\)", " ¤ ", re.sub(r"(?s)```.*?```", "", text)))


def said(text, all_terms):
    "How often a text says which words of the glossary, as nbs/course.js finds them: the longest first, none inside another."
    spelt = {s: t for t in all_terms for s in t.spellings}; lower = {s: t for s, t in spelt.items() if s == s.lower()}
    found = re.finditer(r"(?<![\w-])(?:" + "|".join(re.escape(s).replace(r"\ ", r"\s+") for s in sorted(spelt, key=len, reverse=True)) + r")(?!\w|-[^\W\d])", text, re.I)
    hits = (re.sub(r"\s+", " ", m[0]) for m in found)
    return Counter(t.word for h in hits if (t := spelt.get(h) or lower.get(h.lower())))


@cache
def traces():
    "{lesson: {earlier lesson: {trace: how strong}}}: a word that is said (once, twice, three times or more), ('page',) where it is named, ('module', name) where its module is built on."
    names = {m[1]: p.stem for p in lessons().values() for c in code(p) if (m := re.match(r"#\|\s*default_exp\s+(\S+)", source(c)))}
    res, by = {}, {t.word: t for t in terms()}
    for stem, p in lessons().items():
        mine = res[stem] = {}
        for w, n in said(prose(p), terms()).items():
            t = by[w]
            if t.lesson < stem and not t.within: mine.setdefault(t.lesson, {})[w] = min(n, 3) / 3
        cells = own(p)
        for home in {*re.findall(r"\]\((\d\w+)\.ipynb", "\n".join(source(c) for c in cells if c["cell_type"] == "markdown"))}:
            if home in lessons() and home < stem: mine.setdefault(home, {})["page",] = 1
        for m in {*re.findall(r"(?m)^\s*from sdcourse\.([\w.]+) import", "\n".join(source(c) for c in cells if c["cell_type"] == "code"))}:
            if names.get(m, stem) < stem: mine.setdefault(names[m], {})["module", m] = 1
    return res


@cache
def weights():
    "{lesson: {earlier lesson: how much it leans on it}}: what many lessons have (latents, a batch, `txt2img`) says little, so a trace counts one over one more than the lessons that have it; a page that is named counts a half."
    have = Counter(t for mine in traces().values() for ts in mine.values() for t in ts)
    return {stem: {m: sum(x / 2 if t == ("page",) else x / (1 + have[t]) for t, x in ts.items()) for m, ts in mine.items()} for stem, mine in traces().items()}


@cache
def needs():
    "{lesson: the lessons to read before it}, as decided. A lesson that is not in the table is an error which names its traces."
    for s in lessons():
        if s not in NEEDS: raise ValueError(f"{s} is not in NEEDS of pages/ideas.py: say which lessons it needs; by its text and imports these: { {m: round(w, 2) for m, w in weights()[s].items()} }")
    return {s: NEEDS[s].split() for s in lessons()}


def closed(stems):
    "These lessons and all that they need, in reading order."
    seen, todo = set(), list(stems)
    while todo:
        if (s := todo.pop()) not in seen: seen.add(s); todo += needs()[s]
    return [s for s in lessons() if s in seen]


def paths(): return {want: closed(goals.split()) for want, goals in WANTS.items()}


# The picture: four columns of lessons with their words, and a line for each need. Those of the first page are left out, for every lesson has it; those that would run behind a column stand in words.

COLUMNS, WIDE, GAP, TOP, BETWEEN = [[(0, 1)], [(2,)], [(3,)], [(4,), (5,)]], 200, 36, 34, 16
STYLE = """.idea-map { font-family: system-ui, sans-serif; }
.idea-map .paper { fill: #fff; } .idea-map .box { fill: #f6f7f9; stroke: #b9c0c8; } .idea-map text { fill: #222; } .idea-map .title { font-size: 13px; font-weight: 600; } .idea-map .word, .idea-map .far { font-size: 11px; fill: #4a4f55; } .idea-map .far { font-style: italic; } .idea-map .part { font-size: 12px; fill: #5a6068; text-transform: uppercase; letter-spacing: .06em; }
.idea-map .need { fill: none; stroke: #7d8792; stroke-width: 1.4; } .idea-map .tip { fill: #7d8792; }
.idea-map .p0, .idea-map .p1 { fill: #c77d0a; } .idea-map .p2 { fill: #2a6fdb; } .idea-map .p3 { fill: #2e8b57; } .idea-map .p4 { fill: #b0413e; } .idea-map .p5 { fill: #7a4fb5; }"""


def wrapped(pieces, chars, sep):
    "Lines of pieces that are at most so many characters long."
    lines = []
    for p in pieces:
        if lines and len(sep.join([*lines[-1], p])) <= chars: lines[-1].append(p)
        else: lines.append([p])
    return lines


def svg():
    "The map as SVG text. Its links hold beside it, in images/; nbs/course.js puts it into the page and shortens them."
    esc = lambda x: html.escape(x, quote=True)
    brings = {s: [t for t in terms() if t.lesson == s] for s in lessons()}
    column = {s: k for k, groups in enumerate(COLUMNS) for ps in groups for s, p in lessons().items() if part(p) in ps}
    near = {s: [m for m in ms if m != FIRST and column[s] - column[m] < 2] for s, ms in needs().items()}
    at, boxes, lines, high = {}, [], [], 0
    for k, groups in enumerate(COLUMNS):
        x, y = 24 + k * (WIDE + GAP), TOP
        for g, ps in enumerate(groups):
            y += 30 * (g > 0)
            boxes.append(f'<text class="part" x="{x}" y="{y - 8}">{esc(" · ".join(PARTS[p] for p in ps))}</text>')
            for s in (s for s, p in lessons().items() if part(p) in ps):
                name = [" ".join(l) for l in wrapped(title(lessons()[s]).split(), 23, " ")]; rows = wrapped([t.word for t in brings[s]], 30, " · "); mine = {t.word: t.anchor for t in brings[s]}
                far = [m for m in needs()[s] if m != FIRST and m not in near[s]]
                h = 15 + 16 * len(name) + 14 * (len(rows) + len(far)); below = y + 18 + 16 * len(name)
                boxes.append(f'<g class="lesson" data-lesson="{s}" data-needs="{" ".join(m for m in closed([s]) if m != s)}"><rect class="box" x="{x}" y="{y}" width="{WIDE}" height="{h}" rx="5"/><rect class="p{lessons()[s].name[0]}" x="{x}" y="{y}" width="4" height="{h}" rx="2"/>'
                    + f'<a href="../{page_of(s)}.html"><text class="title">' + "".join(f'<tspan x="{x + 11}" y="{y + 18 + 16 * i}">{esc(l)}</tspan>' for i, l in enumerate(name)) + "</text></a>"
                    + "".join(f'<text class="word" x="{x + 11}" y="{below + 14 * i}">' + " · ".join(f'<a href="../{page_of("90_glossary")}.html#{mine[w]}">{esc(w)}</a>' for w in row) + "</text>" for i, row in enumerate(rows))
                    + "".join(f'<text class="far" x="{x + 11}" y="{below + 14 * (len(rows) + i)}">needs <a href="../{page_of(m)}.html">{esc(title(lessons()[m]))}</a></text>' for i, m in enumerate(far)) + "</g>")
                at[s] = (x, y, h); y += h + BETWEEN
        high = max(high, y)
    order = list(at)
    for s, ms in near.items():
        for m in ms:
            (x0, y0, h0), (x1, y1, _) = at[m], at[s]; mid, into = y0 + h0 // 2, y1 + 14; apart = order.index(s) - order.index(m)
            if column[m] == column[s] and apart == 1: d, tip = f"M{x0 + 28} {y0 + h0}V{y1 - 2}", f"translate({x0 + 28} {y1}) rotate(90)"
            elif column[m] == column[s]: far = min(20, 8 + 3 * apart); d, tip = f"M{x0} {mid}C{x0 - far} {mid} {x0 - far} {into} {x1 - 2} {into}", f"translate({x1} {into})"
            else: d, tip = f"M{x0 + WIDE} {mid}C{x0 + WIDE + 26} {mid} {x1 - 26} {into} {x1 - 2} {into}", f"translate({x1} {into})"
            lines.append(f'<g class="line" data-from="{m}" data-to="{s}"><path class="need" d="{d}"/><path class="tip" d="M0 0l-7 -3.5v7z" transform="{tip}"/></g>')
    wide = 24 + len(COLUMNS) * (WIDE + GAP) - GAP + 8
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="idea-map" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}"><title>The map of ideas</title><style>{STYLE}</style><rect class="paper" width="{wide}" height="{high}"/>\n' + "\n".join(lines + boxes) + "\n</svg>\n"


def page():
    "The made cells of nbs/92_map.ipynb: (id, text)."
    def to(s): return link(lessons()[s])
    def why(s, m):
        words = [t for t in traces()[s].get(m, {}) if isinstance(t, str)]
        return to(m) + (f" ({', '.join(words)})" if words else "")
    def row(s):
        words = ", ".join(f"[{t.word}](90_glossary.ipynb#{t.anchor})" for t in terms() if t.lesson == s)
        return to(s), words, "; ".join(why(s, m) for m in needs()[s])
    alt = f"{len(lessons())} lessons in four columns, each with the words it brings; lines lead to a lesson from those it needs. The table below says the same in words."
    tables = "\n\n".join(f"### {PARTS[k]}\n\n" + table(("lesson", "brings", "needs"), [row(s) for s, p in lessons().items() if part(p) == k], wide=(5, 9, 6)) for k in sorted({part(p) for p in lessons().values()}))
    return [("map-picture", f"![{alt}](images/92_map.svg)"),
            ("map-paths", "## Three ways through\n\nEach is complete: what a lesson needs stands before it.\n\n" + "\n\n".join(f"### {want}\n\n" + "\n".join(f"{n}. {to(s)}" for n, s in enumerate(way, 1)) for want, way in paths().items())),
            ("map-table", f"## The lessons in order\n\nBehind a need stand those of its words that the lesson says.\n\n{tables}")]
