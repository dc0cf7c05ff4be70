"""The pages, built by the stand-in for Quarto (pages/preview.py): nothing is broken, leaked, too large, without words for its pictures, or fetched from another host; the reference says what Python says.

The stand-in shares with the published site the processed notebooks, pandoc, the configuration and the styles; what Quarto adds of its own is held by `test_quarto_is_asked_for_nothing_from_elsewhere`."""
import functools, html, http.server, inspect, json, re, threading
from collections import Counter
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit
import pytest, yaml
import course, dress, gallery, preview, reference
from test_browser import FLAGS, SHOTS, chromium, needs
from course import BRANCH, NBS, REPO, ROOT, SITE, read, source

LOADS = {("img", "src"), ("script", "src"), ("iframe", "src"), ("source", "src"), ("source", "srcset"), ("img", "srcset"), ("video", "src"), ("video", "poster"), ("audio", "src"), ("embed", "src"), ("object", "data"), ("track", "src"), ("input", "src"), ("use", "href"), ("image", "href")}
REL = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest", "apple-touch-icon"}


class Page(HTMLParser):
    "What a page holds: ids, links, what it loads, pictures, the text outside code."
    def __init__(self, path):
        super().__init__(); self.path, self.ids, self.links, self.loads, self.images, self.text, self.maths, self.inside, self.styles = path, [], [], [], [], [], 0, [], []
        self.source = path.read_text("utf-8"); self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if a.get("id"): self.ids.append(a["id"])
        if tag == "a" and "href" in a: self.links.append(a["href"] or "")
        if tag == "img": self.images.append(a)
        if tag == "math": self.maths += 1
        if "style" in a: self.styles.append(a["style"] or "")
        self.loads += [u for t, k in LOADS if t == tag and k in a for u in ([a[k] or ""] if k != "srcset" else [x.split()[0] for x in a[k].split(",") if x.strip()])]
        if tag == "link" and {*(a.get("rel") or "").split()} & REL: self.loads.append(a.get("href") or "")
        if tag in ("code", "pre", "script", "style", "math", "textarea"): self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag: pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "style": self.styles.append(data)
        if not self.inside: self.text.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The processed folder, the built pages, and what was read of them."
    top = tmp_path_factory.mktemp("site"); out = top/"out"; out.mkdir(); (top/"tree").mkdir()
    folder = preview.prepare(top/"tree"); made = preview.Site(folder, out); made.build()
    return made, {p.name: Page(p) for p in sorted(out.glob("*.html"))}


def elsewhere(url): return bool(re.match(r"\s*(https?:)?//", url))
def local(made, page, url): return made.out/unquote(urlsplit(url).path) if urlsplit(url).path else page.path


def test_every_page_is_built_and_in_the_sidebar(site):
    made, pages = site
    assert len(pages) == len(made.texts) >= len([*NBS.glob("*.ipynb")]) + len(reference.modules()) // 2
    listed = Counter(made.walk(made.web["sidebar"]["contents"]))
    assert listed == Counter({n: 1 for n in made.texts if n != "404.qmd"}), "each page once in the sidebar, and no entry without a page"
    for name, (meta, _) in made.texts.items(): assert meta.get("title") and (meta.get("description") or name.startswith("404")), f"{name}: no title or description"


def test_links_and_anchors_resolve(site):
    made, pages = site; bad = []
    for name, page in pages.items():
        assert not (twice := [i for i, k in Counter(page.ids).items() if k > 1]), f"{name}: ids that stand twice: {twice}"
        for url in page.links:
            if url.startswith(REPO + "/blob/"): # a file of the repository
                path = unquote(urlsplit(url.removeprefix(f"{REPO}/blob/{BRANCH}/")).path)
                if not (ROOT/path).exists(): bad.append(f"{name}: {url}: no such file in the repository")
                continue
            if url.startswith(SITE): url = url.removeprefix(SITE).lstrip("/") or "index.html"
            elif re.match(r"[a-z]+:", url): continue
            parts = urlsplit(url); file = local(made, page, url)
            if not url: continue # buttons
            if not file.is_file(): bad.append(f"{name}: {url}: no such page")
            elif parts.fragment and file.suffix == ".html" and unquote(parts.fragment) not in pages[file.name].ids: bad.append(f"{name}: {url}: no such place on the page")
    assert not bad, "\n".join(bad)


def test_pictures_are_there_and_have_words(site):
    made, pages = site; bad = []
    for name, page in pages.items():
        for a in page.images:
            if not elsewhere(a["src"]) and not a["src"].startswith("data:") and not local(made, page, a["src"]).is_file(): bad.append(f"{name}: no file {a['src']}")
            alt = " ".join((a.get("alt") or "").split())
            if len(alt) < 12 or alt in dress_kinds() or "Ellipsis" in alt or "None" in alt: bad.append(f"{name}: {a['src'][:80]} has no words: {alt!r}; begin its cell with `#| fig-alt: \"...\"`")
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("nb", course.pages(), ids=lambda p: p.stem)
def test_alt_texts_say_what_is_seen(nb):
    "A picture whose code has no labels is described in its cell, by one who has looked at it; none leans on a heading or on the sentence beside it."
    cells = read(nb)["cells"]; heads = {re.sub(r"[`*$]", "", h).strip() for c in cells if c["cell_type"] == "markdown" for h in re.findall(r"(?m)^#+ +(.+?)(?: *\{.*\})?$", source(c))}
    for k, text in dress.alts({"cells": cells}).items():
        assert text, f"cell {cells[k]['id']} says nothing of its picture: begin it with `#| fig-alt: \"...\"`"
        assert len(text) < 420 and not {*text.split("; ")[0].split(", ")} & heads, f"{cells[k]['id']}: {text}"
        if own := dress.OWN.search(source(cells[k])): assert 20 <= len(text) <= 200 and not re.match(r"(?i)(an? )?(picture|image|photo|figure|chart) (of|that)\b", text), f"{cells[k]['id']}: {own[1]}"


@pytest.mark.parametrize("nb", course.pages(), ids=lambda p: p.stem)
def test_lists_begin_after_an_empty_line(nb):
    "pandoc, which makes the pages, takes a list that follows a line of text for more of its sentence."
    for c in read(nb)["cells"]:
        if c["cell_type"] == "markdown":
            text = re.sub(r"(?s)```.*?```", "", source(c))
            assert not (bad := re.search(r"(?m)^(?!\s*(?:[-*] |\d+\. )|\s+\S)(?=\S).*\n(?=(?:[-*] |\d+\. ))", text)), f"{c['id']}: an empty line is missing after {bad[0]!r}"


def dress_kinds(): return {*dress.SHOWS.values(), "Picture", "Chart"}


def test_every_page_is_small(site):
    "Counted: the page and all that it loads from its own folder (pictures, styles, scripts), each file once, as they lie on the disk, without compression."
    made, pages = site
    size = {name: len(page.source.encode()) + sum(f.stat().st_size for f in {local(made, page, u) for u in page.loads if not elsewhere(u) and not u.startswith("data:")} if f.is_file()) for name, page in pages.items()}
    assert not (large := {n: s for n, s in size.items() if s >= 1_000_000}), large


def test_no_markup_leaks(site):
    "What Markdown, Quarto and nbdev would have turned into something else is not read on a page, and no path of the machine that made it."
    _, pages = site; bad = []
    leak = re.compile(r":::|\{\{<|\}\}>|(?<!\w)#\|\s|```|\$\$|\$[^\s$][^$\n]{0,80}?[^\s$]\$(?!\d)|\]\(|\\(?:epsilon|alpha|sqrt|frac|text|bar)\b|\{\.[a-z]|!\[|^#{2,} |\{#\w", re.M)
    for name, page in pages.items():
        if str(ROOT) in page.source or re.search(r"(?<![\w.~:/])/(home|root|Users)/\w", page.source): bad.append(f"{name}: a path of this machine")
        text = "".join(page.text); bad += [f"{name}: {text[max(0, m.start() - 30):m.end() + 30]!r}" for m in leak.finditer(text)]
    assert not bad, "\n".join(bad)


def test_maths_is_mathml(site):
    "Each formula of the source is a formula on the page."
    made, pages = site; wrong = {}
    for name, (_, text) in made.texts.items():
        prose = re.sub(r"(?ms)^(`{3,})[^\n]*\n.*?^\1`*\s*$|`[^`\n]*`", "", text)
        asked = len(re.findall(r"\$\$.+?\$\$", prose, re.S)) + len(re.findall(r"(?<![\\$\w])\$(?![\s$])[^$\n]*?(?<![\s\\])\$(?![\d$])", re.sub(r"(?s)\$\$.+?\$\$", "", prose)))
        got = pages[made.href(name)].maths
        if asked != got: wrong[name] = (asked, got)
    assert not wrong, f"formulas asked for, and made: {wrong}"
    assert pages["guidance.html"].maths > 5 and "<mi>g</mi>" in pages["guidance.html"].source


def test_pages_load_nothing_from_elsewhere(site):
    made, pages = site; bad = []
    for name, page in pages.items():
        bad += [f"{name} loads {u}" for u in page.loads if elsewhere(u)]
        bad += [f"{name}: {s[:80]}" for s in page.styles if re.search(r"url\(\s*['\"]?(https?:)?//|@import", s)]
        bad += [f"{name}: a script asks for {m}" for s in re.findall(r"(?s)<script\b[^>]*>(.*?)</script>", page.source) for m in re.findall(r"(?:fetch|import|open|src\s*=|href\s*=)\s*\(?\s*['\"`](?:https?:)?//[^'\"`]+", s)]
    for f in [*made.out.rglob("*.css"), *made.out.rglob("*.js"), *NBS.glob("*.scss"), *NBS.glob("*.css")]:
        bad += [f"{f.name}: {m}" for m in re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]+|@import[^;]+|(?:fetch|import)\s*\(\s*['\"`](?:https?:)?//[^'\"`]+", f.read_text("utf-8"))]
    assert not bad, "\n".join(bad)


def test_quarto_is_asked_for_nothing_from_elsewhere(site):
    "What makes Quarto 1.7 load from another host: a Bootswatch theme's fonts, MathJax or KaTeX, require.js and jQuery for every saved text/html, widgets' scripts, analytics, comments, Algolia."
    made, _ = site; fmt, web = made.fmt, made.web
    for kind in ("light", "dark"): assert all(t == "default" or (NBS/t).is_file() for t in fmt["theme"][kind]), fmt["theme"]
    assert fmt["html-math-method"] == "mathml"
    assert not {"google-analytics", "comments", "cookie-consent"} & {*web} and "algolia" not in (web["search"] if isinstance(web["search"], dict) else {}) and "comments" not in fmt
    for p in made.folder.glob("*.ipynb"):
        for c in json.loads(p.read_text("utf-8"))["cells"]:
            kinds = {m for o in c.get("outputs", []) for m in o.get("data", {})}
            assert not {m for m in kinds if m in ("text/html", "application/javascript") or "widget" in m} or any(m.startswith("image/") for m in kinds), f"{p.name}: a cell's output is {kinds}"
    used = {*re.findall(r"var\((--bs-[\w-]+)", (NBS/"styles.css").read_text())}
    assert used <= {"--bs-primary", "--bs-body-bg", "--bs-body-color", "--bs-border-color", "--bs-link-color", "--bs-font-sans-serif", "--bs-font-monospace"}, f"Bootstrap 5.3 need not have {used}"


def squeezed(text): return re.sub(r",(?=[)\]])", "", re.sub(r"\s", "", text))


def test_reference_says_what_python_says(site):
    "Every exported name stands once, with its signature, its parameters and its comments."
    made, pages = site; bad = []; where = Counter()
    for mod in reference.modules():
        text = made.texts[reference.page(mod)][1]; module = import_module(f"sdcourse.{mod}")
        for n in module.__all__:
            where[n] += len(re.findall(rf"\{{#{re.escape(n)}\}}", text)); obj = getattr(module, n)
            if n not in pages[made.href(reference.page(mod))].ids: bad.append(f"{mod}.{n}: no such place on its page")
            if reference.is_exercise(mod) or not reference.documented(obj): continue
            own = text.split(f"{{#{n}}}\n\n```python\n")[-1]; shown, _, rest = own.partition("\n```"); rest = rest.split("\n## ")[0]
            if squeezed(shown) != squeezed(n + re.sub(r"<[^<>]* at 0x\w+>", "...", str(inspect.signature(obj)).replace(f"{ROOT}/", "").replace("PosixPath", "Path"))): bad.append(f"{mod}.{n}: {shown}")
            params = [p for p in inspect.signature(reference.plain(obj)).parameters if p not in ("self", "cls")] if inspect.isfunction(reference.plain(obj)) else []
            bad += [f"{mod}.{n}: nothing of {p}" for p in params if f"| `{p}` |" not in rest and inspect.signature(reference.plain(obj)).parameters[p].kind not in (inspect.Parameter.VAR_KEYWORD,)]
    assert not bad, "\n".join(bad)
    assert {*where.values()} == {1}, {n: k for n, k in where.items() if k != 1}
    index = made.texts["reference.qmd"][1]
    assert not (missing := [n for mod in reference.modules() if not reference.is_exercise(mod) for n in reference.exports(mod) if index.count(f"[`{n}`]({reference.page(mod)}#{n})") != 1]), missing


def test_gallery_shows_what_the_lessons_show():
    assert not (stale := [p.name for p in gallery.stale()]), f"run `python pages/write.py`: {stale}"
    assert sum(p.stat().st_size for p in [NBS/"images/start.png", *(NBS/"images").glob("make-*.png")]) <= 400_000, "the start page's pictures are too heavy"
    made = {p.name for p in gallery.tiles()}; assert {p.name for p in (NBS/"images").glob("make-*.png")} == made


@pytest.fixture(scope="module")
def server(site):
    "A plain file server."
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *a): pass
    srv = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site[0].out)))
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{srv.server_address[1]}"
    srv.shutdown(); srv.server_close()


KINDS = ["index", "guidance", "glossary", "speed", "reference-show", "404"]


def test_pages_in_a_browser(server):
    "Each kind of page at the width of a desk and of a phone, by day and by night: no error, no failed request, nobody else asked, nothing wider than the screen; and the switch for the night works."
    needs(chromium(), "there is no Chromium or Chrome on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=chromium(), args=FLAGS); bad = []
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport=dict(width=width, height=900), color_scheme=scheme); page = context.new_page()
                page.on("console", lambda m: bad.append(f"{page.url}: {m.text}") if m.type in ("error", "warning") else None)
                page.on("pageerror", lambda e: bad.append(f"{page.url}: {e}")); page.on("requestfailed", lambda r: bad.append(f"{page.url}: {r.failure} {r.url}") if r.failure != "net::ERR_ABORTED" else None) # aborted: the page was left before its last picture had come
                page.on("response", lambda r: bad.append(f"{page.url}: {r.status} {r.url}") if r.status >= 400 else None)
                page.on("request", lambda r: bad.append(f"{page.url}: asks {r.url}") if not r.url.startswith((server, "data:", "blob:")) else None)
                for kind in KINDS:
                    page.goto(f"{server}/{kind}.html", wait_until="load")
                    wide = page.evaluate("[document.documentElement.scrollWidth - innerWidth, [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('table, pre, .cell-output-display, .sourceCode')).slice(0, 3).map(e => e.outerHTML.slice(0, 120))]")
                    if wide[0] > 0 or wide[1]: bad.append(f"{kind} at {width}, {scheme}: {wide}")
                    if not page.evaluate(f"document.body.classList.contains('quarto-{scheme}')"): bad.append(f"{kind}: not {scheme}")
                    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth)"), f"{kind}: a picture is not drawn"
                    if SHOTS: page.screenshot(path=f"{SHOTS}/{kind}-{width}-{scheme}.png", full_page=True)
                page.click(".quarto-color-scheme-toggle")
                if page.evaluate(f"document.body.classList.contains('quarto-{scheme}')"): bad.append("the switch does nothing")
                context.close()
        browser.close()
    assert not bad, "\n".join(dict.fromkeys(bad))


def test_every_page_fits(site, server):
    "No table and no map scrolls sideways at the width of a desk; on a phone tables may, by themselves, but never the page."
    needs(chromium(), "there is no Chromium or Chrome on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright
    wide = "[...document.querySelectorAll('main table, main .idea-map-box')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => [e.innerText.slice(0, 60), e.scrollWidth - e.clientWidth])"
    with sync_playwright() as pw:
        browser = pw.chromium.launch(executable_path=chromium(), args=FLAGS); page = browser.new_page(); bad = []
        for name in [n for n in site[1] if not n.startswith("reference-")] + sorted((n for n in site[1] if n.startswith("reference-")), key=len)[-5:]: # of the reference those with the longest titles
            page.set_viewport_size(dict(width=1280, height=900)); page.goto(f"{server}/{name}", wait_until="domcontentloaded")
            bad += [f"{name} at 1280: {t}" for t in page.evaluate(wide)]
            page.set_viewport_size(dict(width=390, height=900))
            if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0: bad.append(f"{name} at 390: {over} too wide")
        browser.close()
    assert not bad, "\n".join(bad)
