"What helps to learn beside the lessons: recall that marks itself, words that say what they mean, the map, the notation, the cheat sheet, the resources. The pages' script runs in a real browser, as a reader has it."
import ast, functools, http.server, json, re, shutil, threading
import pytest
import ideas, notation, resources
from test_browser import FLAGS, chromium, needs
from course import NBS, books, page_of, pages, part, read, source

BOOKS = books()
TERMS = [t for b in BOOKS.values() for t in b.terms]


def html(nb, head=""):
    "A notebook's markdown as a plain page with the course's styles and script: what is tested here needs no more of the site."
    import mistune
    md = mistune.create_markdown(escape=False, plugins=["table"])
    def shown(c):
        if c["cell_type"] == "markdown": return md(source(c))
        pictures = "".join(f'<div class="cell-output-display"><img alt="" src="data:image/png;base64,{"".join(o["data"]["image/png"]).strip()}"></div>' for o in c["outputs"] if "image/png" in o.get("data", {}))
        return "" if source(c).startswith("#| hide\n") else f'<div class="cell">{"" if source(c).startswith("#| echo: false") else f"<pre>{mistune.escape(source(c))}</pre>"}{pictures}</div>'
    body = "\n".join(shown(c) for c in read(nb)["cells"] if c["id"] != "badge")
    body = re.sub(r"(href=\"(?!https?:)(?:\d+\w?_)?[\w-]+)\.ipynb", lambda m: re.sub(r'"\d+\w?_', '"', m[1]) + ".html", body)
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="styles.css"><link rel="stylesheet" href="course.css"><style>pre, table {{ display: block; overflow: auto }}</style>{head}</head><body><main style="max-width:860px;margin:auto;padding:1rem;font:16px/1.5 sans-serif">{body}</main><script src="words.js"></script><script src="course.js"></script></body></html>'


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The address of a plain file server with the pages."
    top = tmp_path_factory.mktemp("site")
    for f in ("styles.css", "course.css", "course.js", "words.js"): shutil.copy(NBS/f, top/f)
    for p in pages(): (top/f"{page_of(p)}.html").write_text(html(p), "utf-8")
    if (NBS/"images").is_dir(): shutil.copytree(NBS/"images", top/"images")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(top)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown(); server.server_close()


@pytest.fixture(scope="module")
def browser():
    needs(chromium(), "there is no Chromium or Chrome on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS); yield b; b.close()


@pytest.fixture
def page(browser):
    "A fresh tab that nothing is kept in; a script error or a request to another machine is a failure."
    ctx = browser.new_context(viewport=dict(width=1280, height=900)); pg = ctx.new_page(); wrong = []
    pg.on("pageerror", lambda e: wrong.append(str(e)))
    pg.route(lambda u: "://127.0.0.1:" not in u, lambda r: (wrong.append(r.request.url), r.abort()))
    yield pg
    ctx.close(); assert not wrong, wrong


# Recall

def test_recall_marks_itself(site, page):
    "Choose with the mouse and with the keyboard, see why, see the score, find it again after a reload, begin again."
    qs = BOOKS["22_guidance"].questions; right = [[ok for _, ok, _ in q.options()].index(True) for q in qs]
    def answers(k): return page.locator(".recall-answers").nth(k).locator("button")
    def score(): return page.locator(".recall-score [role=status]").inner_text()
    page.goto(f"{site}/guidance.html")
    assert page.locator("details.recall").count() == 0 and page.locator(".recall-answers").count() == len(qs) == 3
    for k, q in enumerate(qs): assert [re.sub(r"\s+", " ", t) for t in answers(k).all_inner_texts()] == [a for a, _, _ in q.options()], "the answers are the book's"
    assert page.locator(".recall-why:visible").count() == 0 and score() == "Choose an answer: the first choice counts."
    assert page.evaluate("document.getElementById(document.querySelector('.recall-answers').getAttribute('aria-labelledby')).textContent").startswith("1. What is the guided prediction")
    answers(0).nth(right[0]).click()
    assert score() == "1 of 3 right at the first try, 2 still open." and qs[0].why in page.locator(".recall-why:visible").inner_text()
    first_wrong = next(i for i in range(len(qs[1].options())) if i != right[1])
    answers(1).nth(first_wrong).focus(); page.keyboard.press("Enter") # wrong
    assert answers(1).nth(first_wrong).get_attribute("aria-pressed") == "true" and page.locator(".recall-row.chosen.wrong .recall-why").inner_text().startswith("No.")
    answers(1).nth(right[1]).focus(); page.keyboard.press(" ") # then right: read, not counted
    answers(2).nth(right[2]).click()
    assert score() == "2 of 3 right at the first try." and page.locator(".recall-why:visible").count() == 4
    page.reload()
    assert score() == "2 of 3 right at the first try." and page.locator(".recall-why:visible").count() == 4, "kept"
    page.goto(f"{site}/schedules.html"); assert score().startswith("Choose"), "each page has a score of its own"
    page.goto(f"{site}/guidance.html"); page.locator(".recall-again").click()
    assert score().startswith("Choose") and page.locator(".recall-why:visible, .recall-row.chosen").count() == 0
    page.reload(); assert score().startswith("Choose"), "forgotten"
    page.evaluate("localStorage.setItem('sdcourse.recall.guidance', '{\"recall-1\": [\"an answer of last year\"], \"recall-9\": 4}')"); page.reload()
    assert score().startswith("Choose"), "what is kept of a question that has been rewritten does not count"


def test_recall_without_a_script(site, browser):
    ctx = browser.new_context(java_script_enabled=False); page = ctx.new_page(); page.route(lambda u: "://127.0.0.1:" not in u, lambda r: r.abort()); page.goto(f"{site}/guidance.html")
    folds = page.locator("details.recall"); folds.nth(0).locator("summary").click()
    assert folds.count() == sum(len(q.options()) for q in BOOKS["22_guidance"].questions) and folds.nth(0).get_attribute("open") is not None
    ctx.close()


def test_recall_where_nothing_can_be_kept(site, page):
    page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('not allowed') }})")
    page.goto(f"{site}/guidance.html"); page.locator(".recall-answer").first.click()
    assert "of 3 right" in page.locator(".recall-score").inner_text()


# Words

def card(page): return page.locator(".word-card:popover-open")


def test_every_page_explains_its_words(site, page):
    "A lesson's own words are all explained on it, each word once, none before its lesson, none in code, headings, links or answers; everyday words only where they have this sense."
    lessons = [p for p in pages() if part(p) < 8]; at = {p.stem: k for k, p in enumerate(lessons)}
    known = {t.anchor: t for t in TERMS}; assert len(known) == len(TERMS), "two words have one anchor"
    marked = 0
    for p in lessons:
        page.goto(f"{site}/{page_of(p)}.html", wait_until="domcontentloaded")
        got = page.evaluate("[...document.querySelectorAll('a.word')].map(a => [a.hash.slice(1), a.textContent.replace(/\\s+/g, ' '), !!a.parentElement.closest('a, pre, code, h1, h2, h3, button, summary')])")
        words = [known[a] for a, _, _ in got]; marked += len(words)
        assert len({t.word for t in words}) == len(words), f"{p.stem}: twice {[t.word for t in words]}"
        assert not (bad := [t for _, t, wrong in got if wrong]), f"{p.stem}: {bad}"
        assert not (missing := {t.word for t in TERMS if t.lesson == p.stem} - {t.word for t in words}), f"{p.stem} does not explain {missing}"
        for t, (_, said, _) in zip(words, got):
            assert said in t.spellings or said.lower() in map(str.lower, t.spellings), (said, t.spellings)
            assert at[t.lesson] <= at[p.stem] and (not t.within or t.lesson == p.stem or t.within == "part" and t.lesson[0] == p.name[0]), f"{t.word} on {p.stem}"
    assert marked > 1.5 * len(TERMS), "words are explained after their lessons too"


def test_word_by_mouse_keyboard_and_finger(site, browser, page):
    t = next(t for t in TERMS if t.word == "negative prompt")
    page.goto(f"{site}/guidance.html"); word = page.locator("a.word", has_text="negative prompt")
    assert word.count() == 1 and word.get_attribute("href") == "glossary.html#w-negative-prompt"
    word.hover(); card(page).wait_for(); assert t.meaning in card(page).inner_text()
    assert page.evaluate("document.getElementById(document.querySelector('a.word[href$=w-negative-prompt]').getAttribute('aria-describedby')).textContent") == f"negative prompt: {t.meaning}"
    page.keyboard.press("Escape"); assert card(page).count() == 0
    page.mouse.move(0, 0); word.hover(); card(page).wait_for(); page.mouse.move(0, 0); card(page).wait_for(state="hidden")
    word.focus(); card(page).wait_for(); page.keyboard.press("Tab"); page.keyboard.press("Tab") # into the card, to its second link
    assert card(page).count() == 1 and page.evaluate("document.activeElement.href").endswith("/negative.html")
    page.keyboard.press("Escape"); assert card(page).count() == 0 and page.evaluate("document.activeElement.className") == "word", "back to the word"
    page.locator("a.word").first.focus(); assert card(page).count() == 1, "one card at a time"
    box = card(page).bounding_box(); assert 0 <= box["x"] and box["x"] + box["width"] <= 1280
    page.goto(f"{site}/glossary.html#w-negative-prompt"); assert page.locator("a.word").count() == 0
    assert not (lost := [t.word for t in TERMS if not page.locator(f'[id="{t.anchor}"]').count()]), f"no anchor for {lost}"
    phone = browser.new_context(viewport=dict(width=390, height=800), has_touch=True, is_mobile=True); small = phone.new_page(); small.route(lambda u: "://127.0.0.1:" not in u, lambda r: r.abort())
    small.goto(f"{site}/guidance.html"); word = small.locator("a.word", has_text="negative prompt"); word.tap(); card(small).wait_for()
    assert small.url.endswith("/guidance.html"), "a finger opens the card and does not leave the page"
    box = card(small).bounding_box(); assert 0 <= box["x"] and box["width"] <= 390
    word.tap(); assert card(small).count() == 0
    word.tap(); card(small).locator("a", has_text="Glossary").tap(); small.wait_for_url("**/glossary.html#w-negative-prompt")
    phone.close()


# The map of ideas

def test_needs_are_proven_by_the_notebooks():
    "Every need leaves a trace in the lesson; no heavy trace leads elsewhere; no need is said twice; nothing needs what comes later."
    needs, first = ideas.needs(), ideas.FIRST
    assert [*needs] == [first] + [p.stem for p in pages() if 0 < part(p) < 8] and {*ideas.NEEDS} == {*needs}, "NEEDS has the lessons that there are"
    for s, ms in needs.items():
        assert (ms or s == first) and all(m < s for m in ms), f"{s} needs {ms}"
        assert not (bare := [m for m in ms if m != first and m not in ideas.traces()[s]]), f"nothing in {s} shows that it needs {bare}"
        assert not (twice := [m for m in ms for o in ms if o != m and m in ideas.closed([o])]), f"{s}: {twice} comes with another need"
        heavy = {m: ideas.traces()[s][m] for m, w in ideas.weights()[s].items() if w > ideas.HEAVY}
        assert not (out := {m: t for m, t in heavy.items() if m not in ideas.closed([s])}), f"{s} leans on {out}, which it does not name as a need"
    assert sum(any(w > ideas.HEAVY for w in mine.values()) for mine in ideas.weights().values()) >= 8, "heavy traces are no rarity"


def test_ways_are_complete():
    order = [*ideas.needs()]
    for want, way in ideas.paths().items():
        assert way == sorted(way, key=order.index) and {*ideas.WANTS[want].split()} <= {*way}
        for k, s in enumerate(way): assert {*ideas.needs()[s]} <= {*way[:k]}, f"{want}: {s} comes before what it needs"
    assert len({tuple(w) for w in ideas.paths().values()}) == 3 and all(len(w) < .6 * len(order) for w in ideas.paths().values()), "a way is shorter than the course"


def test_words_said_are_found():
    "What the map reads is what the pages mark: the longest word, whole words, plurals; no code and no headings."
    assert ideas.said("Two negative prompts, a signal to noise ratio, latents; latent channels.", TERMS) == {"negative prompt": 1, "signal to noise ratio": 1, "latent": 1, "latent channel": 1}
    assert not ideas.said("a mid-step stepladder, vae and lora in small letters", TERMS)


def test_map_lives_in_the_page(site, page):
    page.goto(f"{site}/map.html"); page.locator("svg.idea-map").wait_for()
    assert page.locator("svg.idea-map .lesson").count() == len(ideas.needs()) and page.locator("svg.idea-map a").count() >= len(ideas.needs()) + len(TERMS)
    page.locator('[data-lesson="27_steering"] .title').hover()
    assert page.locator(".lesson.on").evaluate_all("bs => bs.map(b => b.dataset.lesson)") == ideas.closed(["27_steering"])
    assert page.locator(".line.on").count() == sum(m != ideas.FIRST for s in ideas.closed(["27_steering"]) for m in ideas.needs()[s])
    out = page.evaluate("[...document.querySelectorAll('svg.idea-map .lesson')].flatMap(g => { const b = g.querySelector('.box').getBoundingClientRect(); return [...g.querySelectorAll('text')].filter(t => t.getBoundingClientRect().right > b.right + 1 || t.getBoundingClientRect().bottom > b.bottom + 1).map(t => t.textContent) })")
    assert not out, f"text runs out of its box: {out}"
    tops = page.evaluate("[...document.querySelectorAll('svg.idea-map .box')].map(b => { const r = b.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] })")
    assert not [(a, b) for i, a in enumerate(tops) for b in tops[:i] if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]], "boxes overlap"
    at = page.evaluate("(() => { const r = document.createRange(); r.selectNodeContents(document.querySelector('svg.idea-map a[href$=w-gradient]')); const b = r.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2] })()")
    page.mouse.click(*at); page.wait_for_url("**/glossary.html#w-gradient")
    page.goto(f"{site}/map.html"); links = page.locator("main a").evaluate_all("as => as.map(a => a.getAttribute('href'))")
    assert not (dead := {h for h in links if re.match(r"[\w-]+\.html", h) and h.split(".html")[0] not in {page_of(p) for p in pages()}}), dead


# Notation

def formulas(p):
    from test_exercises import formulas
    return formulas(p)


def test_every_letter_of_every_formula_is_explained():
    "Each is the glossary's, with one meaning in all lessons, or a lesson's own for a moment; the few that are both are named here, and there shall not be more."
    symbols = [t.symbol for t in TERMS if t.symbol]; shared = notation.known()
    assert [*notation.ELSEWHERE] and {*symbols} == {*notation.ELSEWHERE}, {*symbols} ^ {*notation.ELSEWHERE}
    both = set()
    for s, p in ideas.lessons().items():
        used = set().union(*map(notation.letters, formulas(p)), set()); own = {*notation.LOCAL.get(s, {})}
        assert not (new := used - shared - own), f"{s}: {new} is neither in a book (symbol=) nor in LOCAL of pages/notation.py"
        assert not (idle := own - used), f"{s}: no formula has {idle}"
        both |= {(s, c) for c in own & shared}
    assert both == {("10_prompts", "t"), ("16_dream", "t"), ("16_dream", "r"), ("43_lora", "x"), ("50_measure", "p")}, "a letter with two meanings: take another one"


def test_letters_are_read_from_formulas(): assert notation.letters(r"\\hat x_0 = \\bar\\alpha \\sqrt{\\sigma_z} + \\text{mean}\\,\\epsilon_\\text{text} v_*".replace("\\\\", "\\")) == {"x", r"\bar\alpha", r"\sigma_z", r"\epsilon", "v_*"}


def test_names_elsewhere_are_diffusers_own():
    "Every name in the column of diffusers is a word of diffusers' source."
    from pathlib import Path; from importlib.util import find_spec
    top = Path(find_spec("diffusers").submodule_search_locations[0])
    text = " ".join((top/f).read_text("utf-8") for f in ("schedulers/scheduling_ddim.py", "schedulers/scheduling_euler_discrete.py", "schedulers/scheduling_ddpm.py", "pipelines/stable_diffusion/pipeline_stable_diffusion.py", "models/attention_processor.py", "models/autoencoders/vae.py", "training_utils.py"))
    said = {n for _, _, d in notation.ELSEWHERE.values() for n in re.findall(r"`([^`]+)`", d)}
    assert len(said) > 20 and not (bad := {n for n in said if not re.search(rf"\b{re.escape(n)}\b", text)}), bad


def test_every_formula_is_computed():
    "Each formula of the page names its source and a function of the course; the cell below uses that function and compares."
    cells = read(NBS/"93_notation.ipynb")["cells"]; found = [k for k, c in enumerate(cells) if source(c).startswith("### ")]
    assert len(found) >= 15
    for k in found:
        text, check = source(cells[k]), source(cells[k + 1]); name = re.findall(r"`([a-zA-Z_]\w+)`", text)
        assert re.search(r"[A-Z]\w+ (et al\. |and [A-Z]\w+ )?(19|20)\d\d", text) and name, text
        used = {n.id for n in ast.walk(ast.parse(check)) if isinstance(n, ast.Name)} | {a.name for n in ast.walk(ast.parse(check)) if isinstance(n, ast.ImportFrom) for a in n.names}
        assert {*name} & used, f"{name} is not used below {text[:40]!r}"
        assert re.search(r"test_close\(|test_eq\(|assert ", check), text[:40]


# The cheat sheet

def test_cheat_sheet_fits_its_paper(site, page, tmp_path):
    "Printed on A4 it has two pages at most, and nothing runs over an edge."
    page.goto(f"{site}/cheatsheet.html"); page.pdf(path=tmp_path/"sheet.pdf", prefer_css_page_size=True, print_background=True)
    pdf = (tmp_path/"sheet.pdf").read_bytes(); size = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", pdf)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2 and [round(float(x)) for x in size.groups()] in ([595, 842], [596, 842], [594, 842]), size
    page.set_viewport_size(dict(width=718, height=1047)); page.emulate_media(media="print") # A4 less its margins, in pixels
    over = page.evaluate("[...document.querySelectorAll('main :is(td, th, pre, img, p, h2)')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth || e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + ' ' + e.textContent.slice(0, 40))")
    assert not over, over


def test_cheat_sheet_says_what_there_is():
    "Each knob is a keyword of a call, each default is the pocket model's, and the calls run in the notebook."
    import inspect, sdcourse; from sdcourse.models import MODELS
    text = "\n".join(source(c) for c in read(NBS/"94_cheatsheet.ipynb")["cells"] if c["cell_type"] == "markdown")
    words = {n for f in (sdcourse.txt2img, sdcourse.img2img, sdcourse.inpaint, sdcourse.dream, sdcourse.text_mask) for n in inspect.signature(f).parameters}
    said = {*re.findall(r"(?m)^\| `(\w+)` \|", text), *re.findall(r"`(\w+)=", text)}
    assert len(said) >= 8 and said <= words, said - words
    for knob, k in (("guidance_scale", "guidance"), ("num_inference_steps", "steps")): assert re.search(rf"`{knob}` \|.*\| {MODELS['pocket'][k]:g}\b", text), f"{knob}: {MODELS['pocket'][k]}"


# Resources

def test_citations_and_resources_agree():
    "Every citation of a notebook is in the table, every paper of the table is cited, and what speaks of an arXiv number speaks of one of the table."
    known = [resources.plain(c) for r in resources.known()["paper"] for c in {*map(resources.plain, r["cite"])}]
    assert len({*known}) == len(known) and len(known) >= 50, "a citation means one paper"
    assert not (missing := {c: [p.stem for p in ps] for c, ps in resources.cited().items() if c not in known}), f"not in pages/resources.toml: {missing}"
    assert not (idle := {*known} - {*resources.cited()}), f"nothing cites {idle}"
    ids = {r["id"].removeprefix("arXiv:") for r in resources.known()["paper"]}
    said = {i: p.stem for p in pages() for i in re.findall(r"(?:arxiv\.org/(?:abs|pdf)/|arXiv:\s?)(\d{4}\.\d{4,5})", "\n".join(map(source, read(p)["cells"])))}
    assert said and not (new := {i: s for i, s in said.items() if i not in ids}), new


@pytest.mark.parametrize("text,found", [("as in Ho et al. 2020, equation 4", {"Ho et al 2020"}), ("the repair of Lin et al. (2023): shift", {"Lin et al 2023"}), ("(Stenbit, Chollet and Wood 2022)", {"Stenbit Chollet and Wood 2022"}), ("Kingma & Welling 2014, appendix B", {"Kingma and Welling 2014"}), ("In September 2022 all changed; JPEG 2000", set()), ("Kynkäänniemi et al. 2024", {"Kynkaanniemi et al 2024"})])
def test_citations_are_found(text, found): assert {resources.plain(m[0]) for m in resources.CITATION.finditer(text) if m[0].split()[0] not in resources.NO_NAMES} == found


def test_resources_are_well_formed():
    rows = [(k, r) for k in resources.KINDS for r in resources.known()[k]]
    assert {*resources.known()} == {*resources.KINDS} and len({r["id"] for _, r in rows}) == len({r["title"] for _, r in rows}) == len(rows)
    for kind, r in rows:
        assert {*r} == {"title", "id", "what", "checked"} | ({"cite"} if kind == "paper" else set()), r
        assert re.fullmatch(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,}/\S+|https://[\w.-]+/\S+", r["id"]), r["id"]
        assert r["checked"] in resources.HOW and r["what"].endswith(".") and r["what"][0].isupper() and "|" not in r["what"] + r["title"], r
        if r["id"].startswith("arXiv:"): # its number tells when it came: no citation is older than its paper
            came = 2000 + int(r["id"][6:8]); assert all(came <= int(re.search(r"\d{4}", c)[0]) <= came + 3 for c in r["cite"]), (r["id"], r["cite"])
