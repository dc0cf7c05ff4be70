"Slides and workshop: no slide is overfull, all can be read from the back row, keys and printer work, nothing is fetched; the timetable adds up and names every lesson of its day."
import json, re
import pytest
from test_browser import FLAGS, chromium, needs
from course import NBS, read, source

BAD = """least => [...document.querySelectorAll('section')].flatMap((s, k) => {
    const r = [], px = e => parseFloat(getComputedStyle(e).fontSize), say = x => r.push(`slide ${k + 1} (${s.className}): ${x}`), box = s.getBoundingClientRect();
    if (s.scrollHeight > s.clientHeight + 1 || s.scrollWidth > s.clientWidth + 1) say(`${s.scrollWidth}x${s.scrollHeight} in ${s.clientWidth}x${s.clientHeight}`);
    for (const e of s.querySelectorAll('h1, h2, p, li, pre, table, figure, figure img, video')) { const b = e.getBoundingClientRect(); if (b.right > box.right + 1 || b.bottom > box.bottom + 1) say(`${e.tagName} sticks out`) }
    for (const e of s.querySelectorAll('pre')) if (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) say('code is cut off');
    for (const e of s.querySelectorAll('h1, h2, p, li, pre, td, figcaption')) if (e.textContent.trim() && px(e) < least) say(`${e.tagName} of ${px(e)} pixels`);
    for (const e of s.querySelectorAll('figure img:not(.formula), figure video')) if (e.getBoundingClientRect().height < 250) say('a picture is small');
    if (s.innerText.split(/\\s+/).length > 110) say(`${s.innerText.split(/\\s+/).length} words`);
    return r })"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    from sdcourse.cli import write_slides
    return {p.stem: p for p in write_slides(tmp_path_factory.mktemp("slides"))}


@pytest.fixture(scope="module")
def browser():
    needs(path := chromium(), "there is no Chromium or Chrome")
    from playwright.sync_api import sync_playwright
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=FLAGS)
        yield b
        b.close()


def opened(browser, file, width=1280, height=720):
    page = browser.new_page(viewport=dict(width=width, height=height)); page.asked, page.errors = [], []
    page.on("request", lambda r: page.asked.append(r.url)); page.on("pageerror", lambda e: page.errors.append(str(e)))
    page.goto(file.as_uri()); return page


ALL = "body:not(.x) section{display:flex;margin:0}" # every slide at once, each of its own size


def test_no_slide_is_overfull(browser, decks):
    "Every slide of every lesson, at 1280x720."
    page, bad = opened(browser, decks["00_first"]), {}
    for name, file in decks.items():
        page.goto(file.as_uri()); page.add_style_tag(content=ALL); assert page.locator("section").count() > 4, name
        if said := page.evaluate(BAD, 20): bad[name] = said # 20 pixels of 720 are the least
    assert not bad, bad
    assert not [u for u in page.asked if not u.startswith(("file:", "data:"))] and not page.errors
    page.close()


def test_an_overfull_slide_is_seen(browser, decks):
    page = opened(browser, decks["00_first"]); page.add_style_tag(content=ALL)
    page.evaluate("() => { const s = document.querySelectorAll('section'); s[1].querySelector('p').textContent = 'word '.repeat(300); s[2].querySelector('p').style.fontSize = '12px' }")
    said = " ".join(page.evaluate(BAD, 20)); assert "slide 2" in said and "words" in said and "P of 12 pixels" in said
    page.close()


def test_keys_turn_the_deck(browser, decks):
    page = opened(browser, decks["22_guidance"]); n = page.locator("section").count()
    def at(): return page.evaluate("() => [...document.querySelectorAll('section')].map((s, k) => getComputedStyle(s).display == 'none' ? 0 : k + 1).filter(Boolean)")
    assert at() == [1]
    for key, want in (("ArrowRight", 2), ("Space", 3), ("PageDown", 4), ("ArrowLeft", 3), ("End", n), ("ArrowRight", n), ("Home", 1), ("ArrowLeft", 1)): page.keyboard.press(key); assert at() == [want], key
    page.keyboard.press("Escape"); assert len(at()) == n # all of them
    page.locator("section").nth(4).click(); assert at() == [5] and page.url.endswith("#5")
    page.mouse.click(1000, 400); assert at() == [6]
    page.close()


def test_a_page_for_each_slide_and_a_list_on_a_phone(browser, decks):
    page = opened(browser, decks["13_img2img"]); n = page.locator("section").count()
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True, print_background=True))) == n
    page.set_viewport_size(dict(width=390, height=844)); page.wait_for_timeout(50)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('section')].every(s => s.offsetHeight > 0) && parseFloat(getComputedStyle(document.querySelector('p')).fontSize) >= 15")
    page.close()


def test_every_lesson_has_a_deck_of_its_questions():
    from sdcourse.exercises.book import books
    from sdcourse.slides import deck, slides_of
    ends = books()
    for p in sorted(NBS.glob("[0-5]*.ipynb")):
        nb = read(p); made = slides_of(nb, ends.get(p.stem)); kinds = [k for k, _ in made]
        if p.stem in ends: assert (kinds.count("recall"), kinds.count("exercise")) == (len(ends[p.stem].questions), len(ends[p.stem].exercises)) and "picture" in kinds, p.name
        text = re.sub(r"(?s)<(code|pre)\b.*?</\1>|<[^>]*>", " ", "".join(x for _, x in made))
        assert not (left := re.search(r"\*\*\w|\]\(|\$\w|\0", text)), f"{p.name}: markup on a slide: {text[max(0, left.start() - 40):left.end() + 40]}"
        assert len(deck(nb, ends.get(p.stem))) < 1_000_000


# The workshop

def days():
    "[[(time, minutes, what), ...] of each day]"
    text = "\n".join(source(c) for c in read(NBS/"99_workshop.ipynb")["cells"])
    return [[(int(h) * 60 + int(m), int(n), what) for h, m, n, what in re.findall(r"^\| (\d+):(\d\d) \| (\d+) \| (.+?) \|", part, re.M)] for part in re.split(r"(?m)^## Day \d", text)[1:]]


def test_the_timetable_adds_up():
    from sdcourse.cli import SETS
    assert len(days()) == len(SETS)
    for rows, lessons in zip(days(), SETS.values()):
        assert len(rows) > 8 and [a + n for a, n, _ in rows[:-1]] == [b for b, *_ in rows[1:]], rows
        assert [l for l in re.findall(r"\((\w+)\.ipynb\)", " ".join(what for *_, what in rows)) if l in lessons] == lessons
    whole = "".join(json.dumps(c["source"]) for c in read(NBS/"99_workshop.ipynb")["cells"])
    from click.testing import CliRunner
    from sdcourse.cli import main
    for command in {*re.findall(r"sdcourse ([a-z0-9]+) ", whole)} - {"doctor"}: assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0, command
