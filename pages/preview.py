"""The pages without Quarto: `python pages/preview.py OUT` builds the site into the folder OUT, offline, in seconds.

A stand-in, for tests and for looking. The published site is Quarto's (`.github/workflows/docs.yaml`), which is too large for every machine that runs the tests. Both begin with the same folder
(`nbdev-proc-nbs`, then pages/dress.py), the same `_quarto.yml`, `nbdev.yml`, `sidebar.yml` and styles, and the same converter, pandoc; notebooks become Markdown by Quarto's rules (cell classes, `echo`,
`include`, `fig-alt`, `hide`). What is ours is the frame around the text, in pages/preview.css and below: it has Quarto's ids and classes, not its Bootstrap, so that what stands in `nbs/styles.css` shows. It knows of
the configuration only what `_quarto.yml` says; search, lightbox and figure numbers are left out. What a page looks like to the last pixel, it does not say; that nothing is broken, missing, leaked or fetched from elsewhere, it does."""
import base64, html, json, os, re, shutil, subprocess, sys, sysconfig, tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import yaml
from course import ROOT, page_of

PICTURES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpeg"} # in Quarto's order
INTERNAL = {"echo", "include", "eval", "output", "warning", "label", "code-fold", "code-summary", "fig-alt", "fig-cap", "classes", "language", "tags", "export", "default_exp"} # options that are no attributes of the page


# The folder that Quarto would render

def prepare(to):
    "A copy of the tree in `to`, processed: the folder that holds what Quarto would render."
    files = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard", "--", "nbs", "sdcourse/*.py", "pyproject.toml", "settings.ini", "_quarto.yml"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for p in filter(None, files.split("\0")):
        if not (ROOT/p).exists() or p.startswith("nbs/exercises/"): continue
        (to/p).parent.mkdir(parents=True, exist_ok=True); shutil.copy2(ROOT/p, to/p, follow_symlinks=False)
    (to/"bin").mkdir(); (to/"bin/quarto").write_text("#!/bin/sh\n"); (to/"bin/quarto").chmod(0o755) # nbdev would download it
    env = {**os.environ, "PATH": f"{to/'bin'}:{sysconfig.get_path('scripts')}:{os.environ['PATH']}"}; env.pop("IN_TEST", None)
    p = subprocess.run(["nbdev-proc-nbs"], cwd=to, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if p.returncode: raise SystemExit(f"nbdev-proc-nbs failed:\n{p.stdout}{p.stderr}")
    subprocess.run([sys.executable, ROOT/"pages/dress.py", to/"_proc"], check=True)
    return to/"_proc"


def merge(a, b):
    "Two configurations in one, as Quarto merges its metadata files."
    if isinstance(a, dict) and isinstance(b, dict): return {k: merge(a[k], b[k]) if k in a and k in b else a.get(k, b.get(k)) for k in [*a, *(k for k in b if k not in a)]}
    return a + b if isinstance(a, list) and isinstance(b, list) else b


def configuration(folder):
    cfg = yaml.safe_load((folder/"_quarto.yml").read_text("utf-8"))
    for f in cfg.get("metadata-files", []): cfg = merge(cfg, yaml.safe_load((folder/f).read_text("utf-8")) or {})
    return cfg


def as_list(x): return x if isinstance(x, list) else [] if x is None else [x]


# A notebook becomes Markdown

def options(source):
    "(options of a code cell, its code without them)."
    lines = source.splitlines(keepends=True); n = next((k for k, l in enumerate(lines) if not l.startswith("#|")), len(lines))
    return yaml.safe_load("".join(l[2:].removeprefix(" ") for l in lines[:n])) or {}, "".join(lines[n:]).strip("\n")


def fence(text): return "`" * max(3, 1 + max((len(m) for m in re.findall("`+", text)), default=0))
def quoted(x): return str(x if isinstance(x, str) else json.dumps(x)).replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ")


def output(o, cell, k, at, page, folder):
    "The Markdown of one output, its picture saved beside the page."
    if o["output_type"] == "stream": text = "".join(o["text"]); return f"\n::: {{.cell-output .cell-output-{o['name']}}}\n{fence(text)}\n{text.rstrip()}\n{fence(text)}\n:::\n"
    data = {m: "".join(v) if isinstance(v, list) else v for m, v in o.get("data", {}).items()}; classes = ".cell-output .cell-output-display"
    if kind := next((m for m in PICTURES if m in data), None):
        file = folder/f"{page}_files/figure-html/cell-{at}-output-{k + 1}.{PICTURES[kind]}"; file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data[kind].encode() if kind == "image/svg+xml" else base64.b64decode(data[kind]))
        alt = as_list(cell.get("fig-alt")); alt = alt[min(k, len(alt) - 1)] if alt else ""
        body = f"![]({file.relative_to(folder)})" + (f"{{fig-alt='{quoted(alt)}'}}" if alt else "")
    elif "text/markdown" in data: body, classes = data["text/markdown"], classes + " .cell-output-markdown"
    elif "text/html" in data: body = f"{fence(data['text/html'])}{{=html}}\n{data['text/html']}\n{fence(data['text/html'])}"
    else: text = data.get("text/plain", ""); body = f"{fence(text)}\n{text}\n{fence(text)}"
    return f"\n::: {{{classes}}}\n{body}\n:::\n"


def markdown(nb, page, folder):
    "The Markdown of a processed notebook."
    res, at = [], 0
    for c in nb["cells"]:
        source = "".join(c["source"])
        if c["cell_type"] != "code": res.append(source); continue
        at += 1; opts, code = options(source)
        if opts.get("include") is False or not code and not c["outputs"]: continue
        attrs = "".join(f" {k}='{quoted(v)}'" for k, v in opts.items() if k not in INTERNAL)
        classes = "".join(f" .{x}" for x in as_list(opts.get("classes"))); fold = opts.get("code-fold")
        md = f"{fence(code)} {{.{c['metadata'].get('language', 'python')} .cell-code}}\n{code}\n{fence(code)}\n" if code and opts.get("echo") is not False else ""
        if md and fold: md = f"<details class=\"code-fold\"{' open' if fold == 'show' else ''}><summary>{opts.get('code-summary', 'Code')}</summary>\n\n{md}\n</details>\n"
        if opts.get("output") is not False: md += "".join(output(o, opts, k, at, page, folder) for k, o in enumerate(c["outputs"]))
        res.append(f"::::: {{#{c.get('id', f'cell-{at}')} .cell{classes}{attrs}}}\n{md}\n:::::")
    return "\n\n".join(res) + "\n"


# Markdown becomes a page

def page_name(file): return page_of(file) + ".html"


class Site:
    def __init__(self, folder, out):
        import pypandoc
        self.folder, self.out, self.cfg, self.pandoc = folder, out, configuration(folder), pypandoc.get_pandoc_path()
        self.web, self.fmt = self.cfg["website"], self.cfg["format"]["html"]
        self.files = sorted({p for pat in self.cfg["project"]["render"] for p in folder.glob(pat.lstrip("/"))})
        self.texts = {p.name: self.front(p) for p in self.files}
        foot = self.web.get("page-footer") or {}; foot = {"center": foot} if isinstance(foot, str) else foot
        lines = {**{n: str(m.get("description") or "") for n, (m, _) in self.texts.items()}, **{f"-{k}": v for k, v in foot.items() if isinstance(v, str)}} # short texts, by one call of pandoc for all
        said = re.findall(r"<div class=\"one\">\s*(.*?)\s*</div>", self.convert("\n\n".join(f"::: one\n{v or ' '}\n:::" for v in lines.values()))[1], re.S)
        self.said = dict(zip(lines, said, strict=True))
        self.order = [x for x in self.walk(self.web["sidebar"]["contents"]) if x in self.texts]

    def front(self, p):
        "(front matter, text) of a page."
        text = markdown(json.loads(p.read_text("utf-8")), page_name(p.name).removesuffix(".html"), self.out) if p.suffix == ".ipynb" else p.read_text("utf-8")
        m = re.match(r"\s*---\n(.*?)\n---\n", text, re.S)
        return (yaml.safe_load(m[1]), text[m.end():]) if m else ({}, text)

    def walk(self, x): return [x] if isinstance(x, str) else [n for y in x for n in self.walk(y)] if isinstance(x, list) else ([x["href"]] if "href" in x else []) + self.walk(x.get("contents", []))
    def title(self, name): return str(self.texts[name][0].get("title", name)) if name in self.texts else name
    def href(self, x): return page_name(x) if x in self.texts else x

    def items(self, x, here, depth=1):
        "The sidebar's entries."
        if isinstance(x, list): return "".join(self.items(y, here, depth) for y in x)
        entry = {"href": x} if isinstance(x, str) else x
        if "contents" not in entry:
            return f"""<li class="sidebar-item"><div class="sidebar-item-container"><a href="{self.href(entry['href'])}" class="sidebar-item-text sidebar-link{' active' * (entry['href'] == here)}"><span class="menu-text">{html.escape(entry.get('text') or self.title(entry['href']))}</span></a></div></li>"""
        opened = depth < self.web["sidebar"].get("collapse-level", 2) or here in self.walk(entry["contents"]) or entry.get("href") == here
        link = f"""<a href="{self.href(entry['href'])}" class="sidebar-item-text sidebar-link{' active' * (entry['href'] == here)}">""" if "href" in entry else '<a class="sidebar-item-text sidebar-link text-start" role="button" tabindex="0">'
        return f"""<li class="sidebar-item sidebar-item-section"><div class="sidebar-item-container">{link}<span class="menu-text">{html.escape(entry.get('section') or self.title(entry['href']))}</span></a><a class="sidebar-item-toggle" role="button" tabindex="0" aria-label="Toggle section" aria-expanded="{str(bool(opened)).lower()}">›</a></div><ul class="collapse list-unstyled sidebar-section depth{depth}{' show' * bool(opened)}">{self.items(entry['contents'], here, depth + 1)}</ul></li>"""

    def include(self, key):
        "What `include-in-header`, `include-before-body` or `include-after-body` brings."
        return "\n".join(x["text"] if isinstance(x, dict) and "text" in x else (self.folder/(x["file"] if isinstance(x, dict) else x)).read_text("utf-8") for x in as_list(self.fmt.get(key)))

    def convert(self, text):
        "(page TOC, body) of Markdown, by pandoc."
        with tempfile.NamedTemporaryFile("w", suffix=".html") as t:
            t.write("$toc$\n<!--body-->\n$body$"); t.flush()
            cmd = [self.pandoc, "-f", "markdown", "-t", "html5", "--mathml", "--wrap=none", "--section-divs", "--toc", f"--toc-depth={self.fmt.get('toc-depth', 3)}", "--template", t.name, "--standalone", "-M", "title=-"]
            p = subprocess.run(cmd, input=text, capture_output=True, text=True, encoding="utf-8")
        if p.returncode or p.stderr.strip(): raise SystemExit(f"pandoc: {p.stderr}\n{text[:300]}")
        toc, body = p.stdout.split("<!--body-->", 1)
        def image(m):
            alt = re.search(r'data-fig-alt="([^"]*)"', m[0]); tag = re.sub(r' data-fig-alt="[^"]*"', "", m[0])
            if alt: tag = re.sub(r' alt="[^"]*"', "", tag).replace("<img", f'<img alt="{alt[1]}"')
            return re.sub(r'class="', 'class="img-fluid ', tag) if "class=" in tag else tag.replace("<img", '<img class="img-fluid"')
        body = re.sub(r"<img [^>]*>", image, body)
        body = re.sub(r'href="(?![a-z]+:)([^"#]+\.(?:ipynb|qmd))(#[^"]*)?"', lambda m: f'href="{self.href(m[1])}{m[2] or ""}"', body)
        body = re.sub(r"<figure>\s*(<img[^>]*>)\s*<figcaption aria-hidden=\"true\">", r'<figure class="figure">\1<figcaption class="figure-caption">', body)
        return toc, re.sub(r"<table(?: style=\"[^\"]*\")?>", '<table class="caption-top table">', body)

    def page(self, name):
        (meta, text), web, esc = self.texts[name], self.web, html.escape
        toc, body = self.convert(text)
        title, what = str(meta.get("title", name)), str(meta.get("description", "") or "")
        full = esc(title if title == web["title"] else f"{title} – {web['title']}")
        css = "".join(f'<link rel="stylesheet" href="{c}">' for c in ["site_libs/site.css", *as_list(self.fmt.get("css")), *as_list(meta.get("css"))])
        at = self.order.index(name) if name in self.order else None
        def step(k, kind, mark): return f'<a href="{self.href(self.order[k])}" class="pagination-link" aria-label="{esc(self.title(self.order[k]))}">{mark[0]}<span class="nav-page-text">{esc(self.title(self.order[k]))}</span>{mark[1]}</a>' if at is not None and 0 <= k < len(self.order) else ""
        repo = f"{web['repo-url']}/blob/{web['repo-branch']}/{web.get('repo-subdir', '')}/{name}".replace("//" + name, "/" + name)
        actions = "".join(f'<li><a href="{url}" class="toc-action">{label}</a></li>' for key, label, url in (("source", "View source", repo), ("issue", "Report an issue", f"{web['repo-url']}/issues/new")) if key in as_list(web.get("repo-actions"))) if meta.get("repo-actions", True) else ""
        nav = "".join(f'<li class="nav-item"><a class="nav-link" href="{self.href(x["href"])}" aria-label="{esc(x.get("aria-label", ""))}">{esc(x.get("text") or x.get("icon", ""))}</a></li>' for x in web["navbar"].get("right", []))
        footer = "".join(f'<div class="nav-footer-{side}">{self.said["-" + side]}</div>' for side in ("left", "center", "right") if "-" + side in self.said)
        icon = f'<link rel="icon" href="{web["favicon"]}">' if "favicon" in web else ""
        og = f'<meta property="og:title" content="{full}"><meta property="og:description" content="{esc(what)}">' + (f'<meta property="og:image" content="{web["site-url"]}/{web["image"]}">' if "image" in web else "")
        return f"""<!DOCTYPE html>
<html lang="{self.cfg.get('lang', 'en')}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1.0, user-scalable=yes">
<title>{full}</title><meta name="description" content="{esc(what)}">{og}{icon}<script>{HEAD_JS}</script>{css}
{self.include("include-in-header")}</head>
<body class="nav-sidebar docked nav-fixed quarto-light{'' if self.has_toc(meta) else ' fullcontent'}"><script>scheme(document.documentElement.dataset.bsTheme)</script>{self.include("include-before-body")}
<header id="quarto-header" class="headroom fixed-top"><nav class="navbar"><div class="navbar-container"><button class="quarto-btn-toggle" type="button" aria-label="Toggle sidebar navigation" onclick="document.body.classList.toggle('sidebar-open')">☰</button>
<a href="index.html" class="navbar-brand"><span class="navbar-title">{esc(web['title'])}</span></a><ul class="navbar-nav ms-auto">{nav}</ul><a href="" role="button" class="quarto-color-scheme-toggle" title="Toggle dark mode" onclick="toggleScheme(); return false;">◐</a></div></nav></header>
<div id="quarto-content" class="quarto-container page-columns page-rows-contents page-layout-article page-navbar">
<nav id="quarto-sidebar" class="sidebar sidebar-navigation docked overflow-auto" aria-label="Course"><div class="sidebar-menu-container"><ul class="list-unstyled mt-1">{self.items(web["sidebar"]["contents"], name)}</ul></div></nav>
<div id="quarto-margin-sidebar" class="sidebar margin-sidebar">{f'<nav id="TOC" role="doc-toc" class="toc-active"><h2 id="toc-title">On this page</h2>{toc}<div class="toc-actions"><ul>{actions}</ul></div></nav>' if self.has_toc(meta) else ''}</div>
<main class="content" id="quarto-document-content">
<header id="title-block-header" class="quarto-title-block default"><div class="quarto-title"><h1 class="title">{esc(title)}</h1></div>{f'<div><div class="description">{self.said[name]}</div></div>' if what else ''}</header>
{body}
</main></div>
<nav class="page-navigation"><div class="nav-page nav-page-previous">{step(at - 1, "previous", ("← ", "")) if at else ""}</div><div class="nav-page nav-page-next">{step(at + 1, "next", ("", " →")) if at is not None else ""}</div></nav>
<footer class="footer"><div class="nav-footer">{footer}</div></footer>
<script>{BODY_JS}</script>{self.include("include-after-body")}</body></html>
"""

    def has_toc(self, meta): return meta.get("toc", self.fmt.get("toc", False))

    def build(self):
        for pat in [*as_list(self.cfg["project"].get("resources")), *as_list(self.fmt.get("css")), *as_list(self.web.get("favicon")), "images/*"]:
            for p in filter(Path.is_file, self.folder.glob(pat)): (to := self.out/p.relative_to(self.folder)).parent.mkdir(parents=True, exist_ok=True); shutil.copy2(p, to)
        (self.out/"site_libs").mkdir(parents=True, exist_ok=True)
        (self.out/"site_libs/site.css").write_text("".join(self.theme(k) for k in ("light", "dark")) + (ROOT/"pages/preview.css").read_text("utf-8"), "utf-8")
        def one(name): (self.out/self.href(name)).write_text(self.page(name), "utf-8")
        with ThreadPoolExecutor(os.cpu_count()) as ex: list(ex.map(one, self.texts))
        return len(self.texts)

    def theme(self, kind):
        "The plain variables of our Sass theme as the CSS variables that Bootstrap would make of them."
        files = [f for f in as_list((self.fmt.get("theme") or {}).get(kind)) if str(f).endswith(".scss")]; known = {}
        for f in files:
            for k, v in re.findall(r"(?m)^\$([\w-]+):\s*(.+?)(?: !default)?;", (self.folder/f).read_text("utf-8")): known[k] = re.sub(r"\$([\w-]+)", lambda m: known.get(m[1], m[0]), v)
        return f'html[data-bs-theme="{kind}"] {{ color-scheme: {kind}; ' + " ".join(f"--bs-{k}: {v};" for k, v in known.items()) + " }\n"


HEAD_JS = """function scheme(kind) { document.documentElement.dataset.bsTheme = kind; if (document.body) { document.body.classList.toggle("quarto-dark", kind == "dark"); document.body.classList.toggle("quarto-light", kind != "dark") } }
function toggleScheme() { const kind = document.documentElement.dataset.bsTheme == "dark" ? "light" : "dark"; try { localStorage.setItem("scheme", kind) } catch (e) {} scheme(kind) }
let kept = null; try { kept = localStorage.getItem("scheme") } catch (e) {}
scheme(kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"))"""
BODY_JS = """for (const t of document.querySelectorAll(".sidebar-item-toggle, .sidebar-link[role=button]")) t.onclick = () => { const li = t.closest("li"), ul = li.querySelector("ul"); ul.classList.toggle("show"); li.querySelector(".sidebar-item-toggle").setAttribute("aria-expanded", ul.classList.contains("show")) }
for (const d of document.querySelectorAll("div.sourceCode")) { const b = document.createElement("button"); b.className = "code-copy-button"; b.title = "Copy to Clipboard"; b.textContent = "copy"; b.onclick = () => navigator.clipboard.writeText(d.querySelector("code").innerText).then(() => { b.textContent = "copied"; setTimeout(() => b.textContent = "copy", 1500) }); d.append(b) }
const bar = document.querySelector("#quarto-sidebar"), here = bar.querySelector(".active"); if (here) bar.scrollTop = here.offsetTop - bar.clientHeight / 2"""


if __name__ == "__main__":
    if len(sys.argv) != 2: raise SystemExit("python pages/preview.py OUT: the folder for the pages")
    out = Path(sys.argv[1]).resolve(); out.mkdir(parents=True, exist_ok=True)
    if (out/"index.html").exists() and (out/"site_libs/site.css").exists(): shutil.rmtree(out); out.mkdir()
    elif any(out.iterdir()): raise SystemExit(f"{out} is not empty and holds no site of ours: choose another folder")
    with tempfile.TemporaryDirectory() as t: n = Site(prepare(Path(t)), out).build()
    print(f"{n} pages in {out}: python -m http.server -d {out}")
