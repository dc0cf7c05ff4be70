"""The explorers of the site: their pictures are fresh and are what their code draws; in a browser the knobs show the right ones, by mouse, keyboard and touch.

The browser tests skip themselves, saying so, where there is no Chromium (see test_browser.py); SDCOURSE_SHOTS=<folder> keeps what they see."""
import base64, io, json, random, shutil, threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import numpy as np
import pytest
from PIL import Image
import explorers
from explorers import OUT, SIDE, SPEC, asked, call, choose, files, manifest, number, places, sha, sources, tile
from test_browser import FLAGS, SHOTS, chromium, needs, until
from course import NBS, ROOT, read, source

each = pytest.mark.parametrize("name", SPEC)
def entry(name): return manifest()["explorers"][name]
@cache
def tiles(name): page = Image.open(OUT/f"{name}.webp").convert("RGB"); return np.stack([np.asarray(tile(page, k), "int16") for k in range(max(entry(name)["tiles"]) + 1)])
def apart(name, img): "How far a picture is from each tile of the sheet, in 255ths."; return np.abs(tiles(name) - np.asarray(img, "int16")).mean((1, 2, 3))
def shown(name, at): "The tiles of a cell."; n = len(choose(SPEC[name]["panels"], SPEC[name], at)); k = number(SPEC[name], at); return entry(name)["tiles"][k * n:k * n + n]


# Fresh

@each
def test_pictures_are_those_asked_for(name):
    made = entry(name); redo = f"run `python pages/explorers.py {name}`, then `python pages/write.py`"
    assert made["sources"] == sources(), f"the weights or sketches have changed: {redo}"
    assert made["asked"] == asked(name), f"other pictures are asked for than were drawn: {redo}"
    for p in files(name): assert made["files"][p.relative_to(ROOT).as_posix()] == sha(p.read_bytes()), f"{p.name} is not what was written: {redo}"
    assert len(made["notes"]) == len(places(SPEC[name])) and {*made["tiles"]} == {*range(max(made["tiles"]) + 1)}


def test_nothing_else_is_there_and_all_is_small():
    want = {"axes.js", "explorer.css", "explorer.js", "manifest.json"} | {f"{n}.webp" for n in SPEC}
    assert {p.name for p in OUT.iterdir()} == want and [*manifest()["explorers"]] == [*SPEC]
    sizes = {p.name: p.stat().st_size for p in [*OUT.iterdir(), *(files(n)[1] for n in SPEC)]}
    assert sum(sizes.values()) <= 1_000_000, sizes


@each
def test_code_draws_what_is_shown(name):
    "The code of one cell, run as a reader would run it, gives the pictures of the sheet: nearer to them than to any other cell's."
    spec = SPEC[name]; at = random.Random(asked(name)).choice(places(spec))
    *before, last = call(spec, at).split("\n"); k = next(k for k in range(len(before), -1, -1) if balanced(text := "\n".join([*before, last][k:])))
    room = {}; exec("\n".join([*before, last][:k]), room); got = eval(text, room)
    got = got if isinstance(got, list) else [got]; which = choose(spec["gives"], spec, at); assert len(got) == len(which)
    for im, j in zip(got, which):
        d = apart(name, im); mine = d[shown(name, at)[j]]
        assert mine < 5, f"{name} at {at}: {mine:.1f}/255 from what the sheet shows:\n{call(spec, at)}"
        assert mine <= min(d) + .5, f"{name} at {at}: tile {int(np.argmin(d))} is nearer than tile {shown(name, at)[j]}"


def balanced(text):
    try: compile(text, "", "eval"); return True
    except SyntaxError: return False


def test_every_explorer_stands_in_its_lesson_and_on_the_page():
    for name, s in SPEC.items():
        for p in (NBS/"03_play.ipynb", NBS/f"{s['lesson']}.ipynb"):
            cells = [source(c) for c in read(p)["cells"] if c["id"] == f"explorer-{name}"]
            assert cells == [explorers.figure(name)], f"{p.name} needs one cell with the id explorer-{name}; pages/write.py fills it"
            assert not [c for c in cells if "\n\n" in c] # an empty line would end the HTML


# In a browser

@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "A folder with a page of all explorers, and the address where a plain file server shows it."
    top = tmp_path_factory.mktemp("site")
    for d in ("explorers", "images"): shutil.copytree(NBS/d, top/d)
    shutil.copy(NBS/"styles.css", top)
    body = "".join(f"<h2 id='{n}'>{s['title']}</h2>{explorers.figure(n)}" for n, s in SPEC.items())
    (top/"play.html").write_text(f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>Play</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="styles.css"><link rel="stylesheet" href="explorers/explorer.css"><style>body {{ font-family: sans-serif; margin: 0 auto; padding: 0 12px; max-width: 860px; }}</style>
<main>{body}</main><script src="explorers/explorer.js"></script></html>""", "utf-8")
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args): pass
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(top))); threading.Thread(target=server.serve_forever, daemon=True).start()
    yield top, f"http://127.0.0.1:{server.server_port}/play.html"
    server.shutdown(); server.server_close()


@pytest.fixture(scope="module")
def browser():
    from importlib.util import find_spec
    needs(chromium(), "there is no Chromium or Chrome on this machine: apt-get install chromium")
    needs(find_spec("playwright"), 'there is no Playwright here: pip install "sdcourse[dev]"')
    from playwright.sync_api import sync_playwright
    with sync_playwright() as play:
        b = play.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)
        yield b
        b.close()


class Reader:
    "Somebody with a page open; `errors` is what went wrong."
    def __init__(self, browser, url, **kw):
        self.context = browser.new_context(**kw); self.page = p = self.context.new_page(); p.set_default_timeout(60_000); self.errors = []
        p.on("console", lambda m: m.type in ("error", "warning") and self.errors.append(m.text)); p.on("pageerror", lambda e: self.errors.append(str(e)))
        p.on("requestfailed", lambda r: self.errors.append(f"failed: {r.url}")); p.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status}: {r.url}"))
        p.on("request", lambda r: r.url.startswith((url.rsplit("/", 1)[0], "data:")) or self.errors.append(f"asked elsewhere: {r.url}"))
        p.goto(url)

    def __enter__(self): return self
    def __exit__(self, *args): self.context.close()

    def figure(self, name):
        fig = self.page.locator(f"#explorer-{name}"); fig.scroll_into_view_if_needed(); fig.locator(".xp").wait_for(); fig.evaluate("e => e.scrollIntoView()")
        return fig

    def sees(self, name, at, exact=True):
        "The figure shows this cell: its pictures, its code, its words."
        fig = self.page.locator(f"#explorer-{name}"); spec = SPEC[name]; n = number(spec, at)
        assert fig.locator("code").text_content() == call(spec, at)
        said = entry(name)["notes"][n]; assert fig.locator(".xp-note").inner_text() == said[0].upper() + said[1:] + "."
        for c, label, t in zip(fig.locator("canvas").all(), choose(spec["panels"], spec, at), shown(name, at), strict=True):
            assert (alt := c.get_attribute("aria-label")).startswith(label) and alt.endswith(said)
            for a, k in zip(spec["axes"], at): assert f"{a['label']} {choose(a['values'], spec, at)[k]}" in alt
            if exact: px = Image.frombytes("RGBA", (SIDE, SIDE), base64.b64decode(c.evaluate(PIXELS))).convert("RGB")
            else: px = Image.open(io.BytesIO(c.screenshot())).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
            d = apart(name, px)
            assert d[t] <= min(d) + 1e-9 and d[t] < (1 if exact else 4), f"{name} at {at}: shows tile {int(np.argmin(d))}, not {t} ({d[t]:.1f}/255)"


# the canvas' pixels, by way of another one that is made to be read
PIXELS = "e => { const c = document.createElement('canvas'), d = c.getContext('2d', {willReadFrequently: true}); c.width = e.width; c.height = e.height; d.drawImage(e, 0, 0); return btoa(String.fromCharCode(...d.getImageData(0, 0, e.width, e.height).data)) }"
WIDE, PHONE = dict(viewport=dict(width=1280, height=900)), dict(viewport=dict(width=390, height=844), has_touch=True, is_mobile=True, device_scale_factor=2)


@each
@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["1280", "390"])
def test_knobs_show_the_right_pictures(browser, site, name, screen):
    spec = SPEC[name]; axes = spec["axes"]; start = [a.get("start", 0) for a in axes]; at = list(start)
    sizes = [len(choose(a["values"], spec, at)) for a in axes]; phone = screen is PHONE
    with Reader(browser, site[1], color_scheme="dark" if phone else "light", **screen) as r:
        fig, page = r.figure(name), r.page; r.sees(name, at)
        assert not fig.locator("figure > img, p > img").first.is_visible() and not fig.locator(".explorer-still").is_visible()
        if SHOTS: fig.screenshot(path=f"{SHOTS}/{name}-{'390-dark' if phone else '1280'}.png")
        for j, a in enumerate(axes): # by mouse or by finger
            hit = (lambda loc, **kw: loc.tap(**kw)) if phone else (lambda loc, **kw: loc.click(**kw))
            if a.get("kind") == "slider":
                knob = fig.locator("input[type=range]"); box = knob.bounding_box()
                hit(knob, position=dict(x=box["width"] * .8, y=box["height"] / 2)); at[j] = int(knob.input_value()); assert abs(at[j] / (sizes[j] - 1) - .8) < .1; r.sees(name, at)
                hit(fig.get_by_role("button", name=f"previous {a['label']}")); at[j] -= 1; r.sees(name, at)
            else: at[j] = sizes[j] - 1; hit(fig.locator("fieldset").nth(j).locator("label").nth(at[j])); r.sees(name, at)
        for j, a in enumerate(axes): # by keyboard
            knob = fig.locator("input[type=range]") if a.get("kind") == "slider" else fig.locator("fieldset").nth(j).locator("input:checked")
            knob.focus(); page.keyboard.press("ArrowLeft"); at[j] -= 1; r.sees(name, at)
            assert fig.evaluate("e => { const f = document.activeElement, s = getComputedStyle(f.type === 'radio' ? f.nextElementSibling : f); return e.contains(f) && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 }"), "the focus is not visible"
            if a.get("kind") == "slider":
                page.keyboard.press("Home"); at[j] = 0; r.sees(name, at); assert knob.get_attribute("aria-valuetext") == f"{a['label']} {a['values'][0]}"
                page.keyboard.press("End"); at[j] = sizes[j] - 1; r.sees(name, at)
        small = [b for t in fig.locator("button:visible, fieldset label:visible, input[type=range]:visible, summary:visible").all() if min((b := t.bounding_box())["width"], b["height"]) < 40]
        assert not small, f"too small for a finger: {small}"
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["viewport"]["width"], "the page is wider than the screen"
        assert not r.errors, r.errors


def test_a_word_under_the_mouse_is_looked_at_in_passing(browser, site):
    with Reader(browser, site[1], **WIDE) as r:
        words = r.figure("attention").locator(".xp-words label"); words.nth(6).hover(); r.sees("attention", (0, 6))
        r.page.mouse.move(2, 2); r.sees("attention", (0, 3)); assert not r.errors


def test_film_plays_to_its_end_and_not_for_those_who_want_no_motion(browser, site):
    with Reader(browser, site[1], **WIDE) as r:
        fig = r.figure("dream"); knob = fig.locator("input[type=range]"); knob.evaluate("e => { e.value = 23; e.dispatchEvent(new Event('input')) }"); fig.locator(".xp-play").click()
        assert fig.locator(".xp-play").get_attribute("aria-label") == "stop" and fig.locator(".xp-note").get_attribute("aria-live") == "off"
        until(lambda: fig.locator(".xp-play").get_attribute("aria-label") != "stop", "the film ends"); r.sees("dream", (0, 25)); assert fig.locator(".xp-note").get_attribute("aria-live") == "polite"
        fig.locator(".xp-play").click(); until(lambda: knob.input_value() in "123", "from the beginning"); fig.locator(".xp-play").click(); k = int(knob.input_value()); r.sees("dream", (0, k))
        r.page.wait_for_timeout(400); assert int(knob.input_value()) == k and not r.errors
    with Reader(browser, site[1], reduced_motion="reduce", **WIDE) as r: assert r.figure("dream").locator("button").count() and not r.page.locator(".xp-play").count()


def test_code_is_copied(browser, site):
    with Reader(browser, site[1], permissions=["clipboard-read", "clipboard-write"], **WIDE) as r:
        r.figure("guidance").get_by_role("button", name="Copy").click(); r.page.get_by_role("button", name="Copied").wait_for()
        assert r.page.evaluate("navigator.clipboard.readText()") == call(SPEC["guidance"], (0, 0, 6)) and not r.errors


def test_from_a_file(browser, site):
    with Reader(browser, (site[0]/"play.html").as_uri(), **WIDE) as r:
        fig = r.figure("strength"); r.sees("strength", (1, 2, 2), exact=False); fig.locator("input[type=range]").focus(); r.page.keyboard.press("End"); r.sees("strength", (1, 2, 9), exact=False); assert not r.errors


@pytest.mark.parametrize("lost", ["JavaScript", "axes.js", "guidance.webp"])
def test_the_still_stays_where_something_is_missing(browser, site, lost):
    with Reader(browser, "about:blank", **PHONE | dict(java_script_enabled=lost != "JavaScript")) as r:
        r.page.route(f"**/{lost}", lambda route: route.abort()); r.page.goto(site[1]); r.page.wait_for_load_state("networkidle")
        img = r.page.locator("#explorer-guidance img"); assert img.is_visible() and (img.bounding_box() or {})["width"] > 300 and img.bounding_box()["height"] > 100
        assert r.page.locator("#explorer-guidance .explorer-still a").is_visible() and r.page.locator("#explorer-guidance figcaption").is_visible() and not r.page.locator("#explorer-guidance .xp").count()
        if lost != "JavaScript": assert r.page.evaluate("document.documentElement.scrollWidth") <= 390
        if SHOTS: r.page.locator("#explorer-guidance").screenshot(path=f"{SHOTS}/still-{lost}.png")
