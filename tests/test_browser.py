"""Sliders and the drawing pad as a learner meets them: a real JupyterLab, a real browser, a real mouse.

Where there is no Chromium or no JupyterLab the tests skip themselves and say so; SDCOURSE_BROWSER=1 makes that a failure (`.ci/run` sets it).
SDCOURSE_JUPYTER=<another environment's python> runs them against that one's JupyterLab and ipywidgets. They pass there with Python 3.11, JupyterLab 3.6.8, ipywidgets 7.7.1, IPython 7.34 and
ipykernel 6.17.1, which are Colab's: python3.11 -m venv old; old/bin/pip install "ipywidgets==7.7.1" "ipykernel==6.17.1" "ipython==7.34.0" "jupyterlab<4" "jupyterlab_widgets<2" anywidget,
and a .pth file in its site-packages that names the site-packages with torch and diffusers.

Lessons are opened as `sdcourse lab` lays them out, and Run All Cells is chosen from the menu. The suite does so with those of `FEW`; SDCOURSE_LAB=all does it with every notebook of the package, in half an hour or more: SDCOURSE_LAB=all python -m pytest tests/test_browser.py -k run_all"""
import base64, io, json, os, re, secrets, shutil, socket, subprocess, sys, time, urllib.request
import pytest
from conftest import ENV, run
from course import NBS, ROOT, read, source

PYTHON = os.environ.get("SDCOURSE_JUPYTER", sys.executable)
SHOTS = os.environ.get("SDCOURSE_SHOTS") # a folder for screenshots to look at
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def chromium():
    "The browser of this machine, or None."
    return next((p for n in ("chromium", "google-chrome-stable", "google-chrome", "chromium-browser") if (p := shutil.which(n))), None)


def needs(ok, what):
    "Without `what`: skipped, or failed where the browser was asked for."
    if ok: return
    if os.environ.get("SDCOURSE_BROWSER") == "1": pytest.fail(f"SDCOURSE_BROWSER=1, but {what}", pytrace=False)
    pytest.skip(f"{what} (SDCOURSE_BROWSER=1 makes this a failure)")


# The notebook: few steps, so that it is drawn in seconds. Its last cell, run again and again, tells what the kernel knows.
CELLS = ["""from sdcourse.models import load
from sdcourse.explorers import explore, explore_sketch, scrub
from sdcourse.generate import txt2img
pipe, prompt = load("pocket"), "a red fox in the snow, 3d render style"
scrub(txt2img(pipe, prompt, n=8, seed=[18] * 8, guidance_scale=range(8), num_inference_steps=4), name="guidance", start=1, play=True)""",
         """drawn = []
def slow(seed):
    import time; time.sleep(.3); drawn.append(seed)
    if seed == 40: raise ValueError("seed 40 <is> refused")
    return txt2img(pipe, prompt, seed=seed, num_inference_steps=2)[0]
explore(slow, seed=range(41))""",
         """w = explore_sketch(pipe, "a rocket in space, 3d render style", seed=3, num_inference_steps=5)
w""",
         """import ipywidgets
print("drawn", drawn, "strokes", len(w.pad.strokes), "points", [len(s.get("points", [])) for s in w.pad.strokes], "coarse", w.pad.value.reduce(8).tobytes().hex(), "ipywidgets", ipywidgets.__version__)"""]


def notebook():
    cells = [dict(cell_type="code", id=f"cell{k}", metadata={}, source=c, outputs=[], execution_count=None) for k, c in enumerate(CELLS)]
    return json.dumps(dict(cells=cells, metadata=dict(kernelspec=dict(name="python3", display_name="Python 3", language="python")), nbformat=4, nbformat_minor=5))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    "(the address of a JupyterLab, its token, the folder that it serves): in it the notebook above, and the lessons as `sdcourse lab` lays them out in a clone."
    from importlib.util import find_spec
    needs(PYTHON != sys.executable or find_spec("jupyterlab"), 'there is no JupyterLab here: pip install "sdcourse[lab]"')
    needs(chromium(), "there is no Chromium or Chrome on this machine: apt-get install chromium")
    needs(find_spec("playwright"), 'there is no Playwright here: pip install "sdcourse[dev]"')
    top = tmp_path_factory.mktemp("lab"); home, conf = top/"home", top/"conf"; home.mkdir(); (home/"sliders.ipynb").write_text(notebook(), "utf-8")
    run(sys.executable, "-m", "sdcourse.cli", "lab", home/"lessons", "--no-open"); (home/"data").symlink_to(ROOT/"data")
    quiet = conf/"lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"; quiet.parent.mkdir(parents=True); quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as s: s.bind(("127.0.0.1", 0)); port = s.getsockname()[1]
    token = secrets.token_hex(16); log = open(top/"log.txt", "w")
    env = {**ENV, "JUPYTER_CONFIG_DIR": str(conf), "JUPYTER_DATA_DIR": str(top/"data"), "JUPYTER_RUNTIME_DIR": str(top/"run"), "IPYTHONDIR": str(top/"ipython"), "OMP_NUM_THREADS": "1"}
    p = subprocess.Popen([PYTHON, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={home}",
                          "--ServerApp.allow_root=True", f"--LabApp.user_settings_dir={conf}/lab/user-settings"], cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            if p.poll() is not None: break
            try: urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=2); break
            except OSError: time.sleep(.1)
        else: pytest.fail("JupyterLab did not start:\n" + (top/"log.txt").read_text()[-3000:])
        if p.poll() is not None: pytest.fail("JupyterLab ended:\n" + (top/"log.txt").read_text()[-3000:])
        yield f"http://127.0.0.1:{port}", token, home
    finally:
        p.terminate()
        try: p.wait(20)
        except subprocess.TimeoutExpired: p.kill(); p.wait()
        log.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)
        yield browser
        browser.close()


def opened(browser, lab, path):
    "A notebook in a window of its own, its kernel ready; what the page's scripts complain of is in `page.complaints`."
    address, token, _ = lab; page = browser.new_page(viewport=dict(width=1200, height=1000)); page.set_default_timeout(60_000); page.complaints = []
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.route(lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort()) # badges are elsewhere
    page.goto(f"{address}/lab/workspaces/{re.sub(r'[^a-z0-9]', '-', path)}/tree/{path}?token={token}"); page.locator(".jp-Notebook").wait_for()
    idle(page); page.keyboard.press("Escape")
    return page


def menu(page, top, item):
    page.get_by_role("menuitem", name=top, exact=True).click(); page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()


@pytest.fixture(scope="module")
def page(browser, lab):
    "The notebook, opened and run."
    page = opened(browser, lab, "sliders.ipynb"); menu(page, "Run", "Run All Cells")
    page.locator(".jp-OutputArea-output", has_text="ipywidgets").wait_for(); idle(page) # the last cell has spoken
    yield page
    page.close()


def idle(page): page.locator("#jp-main-statusbar", has_text=re.compile(r"\| Idle")).wait_for()
def output(page, k): return page.locator(".jp-Notebook .jp-Cell").nth(k).locator(".jp-OutputArea").first


def shot(page, name):
    if SHOTS: os.makedirs(SHOTS, exist_ok=True); page.screenshot(path=f"{SHOTS}/{name}.png")


def pixels(loc):
    "What the screen shows there."
    from PIL import Image
    loc.scroll_into_view_if_needed()
    return Image.open(io.BytesIO(loc.screenshot())).convert("RGB")


def picture(img):
    "The pixels of the picture that the browser shows, before they are scaled and placed: two screenshots of one picture may differ by half a pixel."
    assert img.is_visible()
    return img.evaluate("""async e => { if (e.toDataURL) return e.toDataURL(); while (!(e.complete && e.naturalWidth)) await new Promise(r => setTimeout(r, 20)); const c = document.createElement("canvas"); c.width = e.naturalWidth; c.height = e.naturalHeight; const d = c.getContext("2d"); d.drawImage(e, 0, 0); return c.toDataURL() }""")


def until(f, what, seconds=60):
    "Wait until f() holds."
    end = time.time() + seconds
    while time.time() < end:
        if (res := f()): return res
        time.sleep(.05)
    pytest.fail(f"after {seconds} s still not: {what}", pytrace=False)


def handle(cell): return cell.locator(".noUi-handle, .ui-slider-handle").first


def drag(page, knob, dx, steps=8):
    "Take a slider's handle with the mouse and pull it."
    knob.scroll_into_view_if_needed(); b = knob.bounding_box(); x, y = b["x"] + b["width"] / 2, b["y"] + b["height"] / 2
    page.mouse.move(x, y); page.mouse.down()
    for k in range(1, steps + 1): page.mouse.move(x + dx * k / steps, y); time.sleep(.02)
    page.mouse.up()


def ask(page):
    "Run the last cell again; what the kernel says."
    cell = page.locator(".jp-Notebook .jp-Cell").nth(len(CELLS) - 1); prompt = cell.locator(".jp-InputPrompt").first
    def settled(): return (t := prompt.inner_text()) != "[*]:" and t
    old = until(settled, "the last cell has ended")
    for _ in range(3): # a click that comes while the page is being laid out may miss the cell
        cell.locator(".jp-Editor, .jp-InputArea-editor").first.click(); page.keyboard.press("Control+Enter"); end = time.time() + 20
        while time.time() < end:
            if settled() not in (False, old): return cell.locator(".jp-OutputArea-output").first.inner_text()
            time.sleep(.05)
    pytest.fail("the last cell does not run", pytrace=False)


def test_slider_moves_the_picture(page):
    cell = output(page, 0); img, readout = cell.locator("img").first, cell.locator(".widget-readout").first
    before, was, box = picture(img), readout.inner_text(), img.bounding_box()
    assert box["width"] == box["height"] == 320 and was == "1"
    shot(page, "scrub-before"); drag(page, handle(cell), 150); until(lambda: readout.inner_text() != was, "the slider reads another number")
    until(lambda: picture(img) != before, "another picture"); shot(page, "scrub-after")
    drag(page, handle(cell), -400); until(lambda: readout.inner_text() == "0", "the slider is at its left end")
    far = until(lambda: (p := picture(img)) != before and p, "another picture")
    cell.locator("button").first.click(); until(lambda: readout.inner_text() == "7", "played to the end") # Play starts where it stands, and ends at the last
    until(lambda: picture(img) not in (before, far), "the last picture"); shot(page, "scrub-played")


def test_latest_wins_and_errors_are_shown(page):
    cell = output(page, 1); img, readout = cell.locator("img").first, cell.locator(".widget-readout").first; before = picture(img)
    drag(page, handle(cell), 120, steps=60); at = int(readout.inner_text())
    until(lambda: picture(img) != before, "another picture")
    def drawn_so_far(): return json.loads(re.search(r"drawn (\[.*?\])", ask(page))[1])
    drawn = until(lambda: (d := drawn_so_far())[-1] == at and d, "the slider's last position is drawn")
    assert len(drawn) <= at / 2, f"drawn {drawn}, the slider stands at {at}" # dozens of positions passed: few were drawn, the last one was
    shot(page, "explore"); drag(page, handle(cell), 400); cell.get_by_text("seed 40 <is> refused").first.wait_for(); shot(page, "explore-error")
    assert pixels(img).getpixel((40, 20)) == (238, 238, 238) # a grey field, not the last picture
    cell.locator("summary").click(); assert "in slow" in cell.locator("details pre").inner_text() # where it happened
    drag(page, handle(cell), -60); until(lambda: not cell.locator("summary").count() and pixels(img).getpixel((40, 20)) != (238, 238, 238), "a picture again")


def test_drawing_reaches_the_kernel(page):
    from PIL import Image, ImageChops, ImageStat
    def ink(canvas): im = Image.open(io.BytesIO(base64.b64decode(picture(canvas).split(",")[1]))).convert("RGBA").resize((320, 320)); return Image.alpha_composite(Image.new("RGBA", im.size, "white"), im).convert("RGB")
    cell = output(page, 2); canvas, img = cell.locator("canvas").first, cell.locator("img").last; before, blank = picture(img), picture(canvas)
    def stroke(*points):
        canvas.scroll_into_view_if_needed(); b = canvas.bounding_box(); (x, y), *more = [(b["x"] + u * b["width"], b["y"] + v * b["height"]) for u, v in points]
        page.mouse.move(x, y); page.mouse.down()
        for x, y in more: page.mouse.move(x, y, steps=6)
        page.mouse.up()
    cell.locator('[data-color="#e02020"]').click(); stroke((.5, .15), (.5, .8)); stroke((.3, .8), (.7, .8)); stroke((.2, .3)) # two lines and a dot
    said = until(lambda: "strokes 3 " in (said := ask(page)) and said, "three strokes in the kernel"); points = json.loads(re.search(r"points (\[.*?\])", said)[1]); assert min(points[:2]) >= 5 and points[2] == 1, points
    page.mouse.move(5, 5); shot(page, "sketch"); drawn = ink(canvas); assert picture(canvas) != blank; changed = until(lambda: (p := picture(img)) != before and p, "image to image of the drawing")
    assert drawn.getpixel((64, 96)) == (224, 32, 32) # the dot
    def apart(): # the kernel draws the strokes itself: the same drawing, once the last point of each has come
        kernel = Image.frombytes("RGB", (8, 8), bytes.fromhex(re.search(r"coarse ([0-9a-f]+)", ask(page))[1]))
        return max(ImageStat.Stat(ImageChops.difference(kernel, drawn.resize((8, 8), Image.Resampling.BOX))).extrema, key=lambda e: e[1])[1]
    until(lambda: apart() <= 12, "the kernel's drawing is the browser's")
    cell.get_by_role("button", name="Eraser").click(); stroke((.5, .3), (.5, .31)); until(lambda: ink(canvas).getpixel((160, 100)) == (255, 255, 255), "a hole in the line")
    for k in (4, 3, 2): until(lambda: f"strokes {k} " in ask(page), f"{k} strokes"); cell.get_by_role("button", name="Undo").click()
    until(lambda: picture(img) != changed, "another picture after Undo"); until(lambda: "strokes 1 " in ask(page), "one stroke")
    cell.get_by_role("button", name="Clear").click(); until(lambda: picture(canvas) == blank, "an empty pad")


# Lessons, whole

FEW = ["18_explore", "81b_drawing"] # between them every explorer and the pad
WIDGET, BROKEN = "application/vnd.jupyter.widget-view+json", re.compile(r"Error displaying widget|Error creating widget|Loading widget|[Ww]idget model .{0,80}not found|Click to show javascript error|Failed to load model")


def ended(file):
    "Of a saved notebook: (its code cells with code, those that ran, what went wrong in words)."
    cells = [c for c in json.loads(file.read_text("utf-8"))["cells"] if c["cell_type"] == "code" and source(c).strip()]
    return cells, [c for c in cells if c["execution_count"]], [f"{c['id']}: {o['ename']}: {o['evalue']}\n{chr(10).join(o['traceback'])[-1500:]}" for c in cells for o in c["outputs"] if o["output_type"] == "error"]


def save(page): page.locator(".jp-Notebook").first.focus(); page.keyboard.press("Control+s")


def run_to_the_end(page, file, seconds):
    "Run > Run All Cells, then wait until the last cell has run and the kernel is idle, or a cell has failed. What stands in the saved notebook then."
    menu(page, "Run", "Run All Cells"); end = time.time() + seconds
    while time.time() < end:
        time.sleep(1); assert not page.locator(".jp-Dialog").count(), f"JupyterLab asks: {page.locator('.jp-Dialog').first.inner_text()}"
        if not page.locator("#jp-main-statusbar", has_text=re.compile(r"\| Idle")).count(): continue
        save(page); time.sleep(.5); cells, ran, wrong = ended(file)
        if wrong or len(ran) == len(cells): return cells, ran, wrong
    pytest.fail(f"{file.name} still runs after {seconds} s: {len(ran)} of {len(cells)} cells have ended", pytrace=False)


def shown(page, cells):
    "Look at each cell that shows a widget: no message stands in its place (a progress bar that has done its work is hidden). How many there were."
    with_widgets = [k for k, c in enumerate(cells) for o in c.get("outputs", []) if WIDGET in o.get("data", {})]
    for k in with_widgets:
        cell = page.locator(".jp-Notebook .jp-Cell").nth(k); cell.scroll_into_view_if_needed(); out = cell.locator(".jp-Cell-outputWrapper")
        until(lambda: not BROKEN.search(out.inner_text()) and out.locator("img, canvas, video, input, button, .widget-html, .lm-mod-hidden").count(), f"cell {k} shows its widget: {out.inner_html()[:1500]}")
    return len(with_widgets)


@pytest.mark.parametrize("name", sorted(p.stem for p in NBS.glob("*.ipynb")) if os.environ.get("SDCOURSE_LAB") == "all" else FEW)
def test_run_all(browser, lab, name):
    "No cell fails, no script of the page, no widget; JupyterLab asks nothing."
    file = lab[2]/"lessons"/f"{name}.ipynb"; page = opened(browser, lab, f"lessons/{file.name}")
    try:
        cells, ran, wrong = run_to_the_end(page, file, 1200); shot(page, f"run-all-{name}")
        if SHOTS: shutil.copy(file, SHOTS)
        assert not wrong, "\n".join(wrong)
        assert len(ran) == len(cells) and not page.complaints, page.complaints
        n = shown(page, read(file)["cells"]); assert n or name not in FEW, "a lesson of widgets, and none is seen"
        assert not BROKEN.search(page.locator(".jp-Notebook").inner_text()) and not page.complaints and not page.locator(".jp-Dialog").count(), page.complaints
    finally:
        page.close()
        end_kernel(lab, f"lessons/{file.name}")


def end_kernel(lab, path):
    for s in json.load(ask_server(lab, "sessions")): ask_server(lab, f"sessions/{s['id']}", "DELETE") if s["path"] == path else None


def ask_server(lab, what, method="GET"): return urllib.request.urlopen(urllib.request.Request(f"{lab[0]}/api/{what}", method=method, headers={"Authorization": f"token {lab[1]}"}), timeout=30)


def test_playground_by_mouse_and_keyboard(browser, lab):
    "The first explorer of the playground: a slider pulled, the same by its arrow key, a seed typed, a wrong one while a picture is being drawn, and the button that keeps what was drawn."
    path, folder = "lessons/02_playground.ipynb", lab[2]/"lessons/playground"; cells = read(lab[2]/path)["cells"]; k = next(k for k, c in enumerate(cells) if "explore(words" in source(c))
    page = opened(browser, lab, path); cell = page.locator(".jp-Notebook .jp-Cell").nth(k)
    try:
        cell.scroll_into_view_if_needed(); cell.locator(".jp-Editor").first.click(); menu(page, "Run", "Run All Above Selected Cell"); page.keyboard.press("Escape"); cell.locator(".jp-InputArea-prompt").first.click(); page.keyboard.press("Control+Enter")
        img = cell.locator("img").first; img.wait_for(); seen = [picture(img)]
        def drawn(): # the picture on the screen, once nothing is being drawn any more
            now = picture(img)
            for _ in range(5):
                time.sleep(.1)
                if "drawing" in cell.locator(".jp-Cell-outputWrapper").inner_text() or picture(img) != now: return None
            return now
        def another(what): seen.append(until(lambda: (p := drawn()) not in [None, *seen] and p, what)); shot(page, f"playground-{len(seen)}")
        def row(name): return cell.locator(".widget-inline-hbox", has=page.locator(".widget-label", has_text=re.compile(f"^{name}$")))
        guidance, seed, prompt = row("guidance scale"), row("seed").locator("input"), row("prompt").locator("input"); readout = guidance.locator(".widget-readout")
        drag(page, handle(guidance), 120); until(lambda: readout.inner_text() != "5", "the slider reads another number"); another("a picture at another guidance")
        at = readout.inner_text(); handle(guidance).focus(); page.keyboard.press("ArrowRight" if at != "15" else "ArrowLeft"); until(lambda: readout.inner_text() != at, "the arrow key moves the slider"); another("a picture one position further")
        seed.fill("18"); seed.press("Enter"); another("a picture from another seed")
        prompt.fill("an owl at night, pixel art style"); prompt.press("Enter"); another("a picture of other words")
        prompt.fill("a castle on green grass, 3d render style"); prompt.press("Enter"); seed.fill("-1"); seed.press("Enter") # while the castle is being drawn, perhaps in another thread of the kernel
        cell.locator("summary", has_text="ValueError").wait_for(); time.sleep(2); said = cell.locator("summary").inner_text(); assert "seed" in said and "-1" in said, said # and it stays
        assert pixels(img).getpixel((40, 20)) == (238, 238, 238); shot(page, "playground-wrong") # a grey field, not the last picture
        cell.get_by_role("button", name="Keep it").click(); cell.get_by_text("there is no picture yet").wait_for(); assert not folder.exists()
        seed.fill("18"); seed.press("Enter"); another("the castle"); assert not cell.locator("summary").count()
        cell.get_by_role("button", name="Keep it").click(); cell.get_by_text("kept as").wait_for(); shot(page, "playground-kept"); assert [p.name for p in folder.iterdir()] == ["a-castle-on-green-grass-3d-render-style-18.png"]
        assert not page.complaints
    finally: page.close(); end_kernel(lab, path)


# The names of ipywidgets 7.7, which are Colab's, and which 8 knows too: what 8 alone knows does nothing there, in silence

COMMON = {"layout", "style", "description", "value", "disabled"}
CORE = dict(VBox=set(), HBox=set(), Layout={"width", "height", "max_width", "min_width", "margin", "padding", "display", "visibility", "flex", "align_items"}, Image={"format", "width", "height"},
            HTML={"placeholder"}, Label=set(), Output=set(), Text={"placeholder", "continuous_update"}, IntText={"step", "continuous_update"}, Checkbox={"indent"}, Button={"button_style", "icon"},
            Dropdown={"options", "index"}, SelectionSlider={"options", "index", "continuous_update", "orientation", "readout"}, Play={"min", "max", "step", "interval"},
            IntSlider={"min", "max", "step", "readout", "continuous_update"}, FloatSlider={"min", "max", "step", "readout", "readout_format", "continuous_update"})
FUNCTIONS = {"interact", "interactive", "interactive_output", "interact_manual", "fixed", "jslink", "jsdlink", "link"}


def widget_calls(code):
    "(name, its keywords) of what is called in ipywidgets, however it was imported."
    import ast
    t = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", code)); modules, names = set(), {}
    for n in ast.walk(t):
        if isinstance(n, ast.Import): modules |= {a.asname or a.name for a in n.names if a.name == "ipywidgets"}
        if isinstance(n, ast.ImportFrom) and n.module == "ipywidgets": names |= {a.asname or a.name: a.name for a in n.names}
    for n in ast.walk(t):
        if not isinstance(n, ast.Call): continue
        f = n.func
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in modules | {"widgets", "W"}: yield f.attr, {k.arg for k in n.keywords if k.arg}
        elif isinstance(f, ast.Name) and f.id in names: yield names[f.id], {k.arg for k in n.keywords if k.arg}


def test_only_what_both_ipywidgets_know():
    import ipywidgets
    calls = [(f"{nb.name}: {n}", n, kw) for nb in sorted(NBS.glob("*.ipynb")) if "ipywidgets" in nb.read_text("utf-8") for c in read(nb)["cells"] if c["cell_type"] == "code" and ("widget" in source(c) or "W." in source(c)) for n, kw in widget_calls(source(c))]
    assert len(calls) > 10
    bad = [(where, sorted(kw - CORE.get(n, set()) - COMMON) or "no core widget") for where, n, kw in calls if n not in FUNCTIONS and (n not in CORE or kw - CORE[n] - COMMON)]
    assert not bad, f"not known to ipywidgets 7.7, or not yet in this table: {bad}"
    for n, keys in CORE.items(): assert not (gone := keys - {*getattr(ipywidgets, n).class_trait_names()}), f"ipywidgets {ipywidgets.__version__}: {n} has no {gone}"
    assert [*widget_calls("from ipywidgets import Play as P\nP(playing=True)")] == [("Play", {"playing"})] and "playing" not in CORE["Play"] | COMMON and "tooltip" not in CORE["Button"] | COMMON
