"""What is still to do between `nbdev-proc-nbs` and Quarto: `python pages/dress.py _proc` changes the processed folder in place. The stand-in (pages/preview.py) and the workflow of the docs both call it.

- Every picture output gets an alt text. It is put together from the cell's code: what kind of picture, the labels of its rows and columns, the prompts, the titles of its axes. Where the code has no labels, the
  cell must say it itself, in a line on top: `#| fig-alt: "..."`.
- The code of a cell marked `#| hide_input` is folded.
- Saved HTML becomes raw HTML in Markdown. Quarto would take it for a widget's and load require.js and jQuery from another host.
- Pictures from other hosts (badges) become plain links, so that a page asks nobody else for anything.
- A link that nbdev put on a helper's name leads to its page in the reference, whose pages are made here too (pages/reference.py)."""
import ast, html, json, re, sys
from pathlib import Path
import course as w, reference

SHOWS = {"labelled_grid": "Labelled pictures", "image_grid": "Pictures side by side", "filmstrip": "Film strip", "difference": "Two pictures and where they differ", "word_grid": "Picture with the attention of single words laid over it",
         "prompt_matrix": "Labelled pictures", "ablate": "Pictures with one thing changed at a time, and where they differ", "family_tree": "Family tree of pictures", "plot_schedules": "Chart of schedules over the frames", "sheet": "Labelled pictures",
         "sweep": "Labelled pictures", "draw_strokes": "Drawing", "heatmap": "Heat map over a picture", "pad": "Drawing pad"}
SAFE = {f.__name__: f for f in (range, len, list, dict, tuple, str, int, float, round, sorted, zip, enumerate, min, max, sum, reversed, set)}
OWN = re.compile(r"(?m)^#\|\s*fig-alt:\s*(\".+\")\s*$\n?")
DRAWS = r"(txt2img|img2img|inpaint|sweep|sweep_pictures|dream|animate|chain|chain_steps|steer|embed|attend|explore\w*|prompt_matrix|ablate|weigh|mix|slideshow|draw\w*)$"


def plain(v): return isinstance(v, (str, int, float, bool, type(None))) or isinstance(v, (list, tuple, set)) and all(map(plain, v)) or isinstance(v, dict) and all(map(plain, [*v, *v.values()]))


def known(node, env):
    "The value of an expression that is made of plain data only, or None. It is evaluated without anything that could do more than count and format."
    if isinstance(node, ast.List) and any(isinstance(e, ast.Starred) for e in node.elts): # what is known of a list
        parts = [(known(e.value, env), True) if isinstance(e, ast.Starred) else (known(e, env), False) for e in node.elts]
        return [x for v, star in parts if v is not None for x in (v if star and isinstance(v, (list, tuple, dict)) else [v])] or None
    if sum(1 for _ in ast.walk(node)) > 400 or any(isinstance(n, ast.Attribute) and n.attr not in ("items", "keys", "values", "split", "replace", "removesuffix", "removeprefix", "format", "join", "strip") or isinstance(n, ast.Pow) for n in ast.walk(node)): return None
    if any(isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id not in env and n.id not in SAFE and n.id not in {m.id for m in ast.walk(node) if isinstance(m, ast.Name) and isinstance(m.ctx, ast.Store)} for n in ast.walk(node)): return None
    try: v = eval(compile(ast.Expression(node), "cell", "eval"), {"__builtins__": {}, **SAFE, **env})
    except Exception: return None
    if isinstance(v, (type({}.keys()), type({}.values()), zip, range)): v = list(v)
    return v if plain(v) and len(str(v)) < 4000 else None


def keys_of(node, env):
    "{key: None} of a dict whose keys are known and whose values (pictures, say) are not, or None."
    if isinstance(node, ast.Dict) and all(k is not None for k in node.keys): keys = [known(k, env) for k in node.keys]
    elif isinstance(node, ast.DictComp) and len(node.generators) == 1:
        keys = known(ast.fix_missing_locations(ast.copy_location(ast.ListComp(node.key, node.generators), node)), env) or [None]
    else: return None
    return {k: None for k in keys} if keys and all(isinstance(k, (str, int, float)) for k in keys) else None


def learn(tree, env):
    "Keep what plain data a cell gives names to."
    for n in ast.walk(tree):
        if isinstance(n, ast.Assign):
            v = known(n.value, env)
            if v is None: v = keys_of(n.value, env)
            for t in n.targets:
                pairs = [(t, v)] if isinstance(t, ast.Name) else list(zip(t.elts, v if isinstance(v, (list, tuple)) and len(v) == len(t.elts) else [None] * len(t.elts))) if isinstance(t, ast.Tuple) else []
                for name, value in pairs:
                    if not isinstance(name, ast.Name): continue
                    if value is None: env.pop(name.id, None)
                    else: env[name.id] = value


def words(v):
    "Labels as one text."
    vs = [str(x).replace("\n", " ").strip() for x in (v if isinstance(v, (list, tuple)) else v.keys() if isinstance(v, dict) else [v]) if x is not None]
    vs = list(dict.fromkeys(x for x in vs if x))
    return ", ".join(vs) if len(", ".join(vs)) <= 260 else f"{', '.join(vs[:4])} and {len(vs) - 4} more"


def said(tree, env):
    "(kind, what the labels say, prompts) of a cell's pictures."
    labels, prompts, axes, kind = [], [], [], None
    order = sorted((n for n in ast.walk(tree) if isinstance(n, ast.Call)), key=lambda n: (n.lineno, -n.end_lineno))
    for n in order:
        name = n.func.id if isinstance(n.func, ast.Name) else getattr(n.func, "attr", "")
        kw = {k.arg: k.value for k in n.keywords if k.arg}
        if name in SHOWS:
            kind = SHOWS[name] if kind in (None, SHOWS["image_grid"]) or name == "labelled_grid" else kind
            pos = dict(zip(("", "row_labels", "col_labels"), n.args)) if name == "labelled_grid" else {"", "labels"} and dict(zip(("", "captions"), n.args)) if name in ("sheet", "word_grid") else {}
            for key, text in (("title", ""), ("row_labels", "rows: "), ("col_labels", "columns: "), ("captions", "captions: "), ("labels", "labels: ")):
                if key in {**pos, **kw} and (v := known({**pos, **kw}[key], env)): labels.append(text + words(v))
        if name in ("set_title", "set_xlabel", "set_ylabel", "suptitle", "title", "xlabel", "ylabel", "set", "annotate", "text", "colorbar", "plot", "scatter", "bar", "barh", "axhline", "quiver", "imshow", "semilogy", "errorbar", "hist", "legend", "subplots", "figure"):
            kind = kind or "Chart"
            said_ = [kw[k] for k in ("title", "xlabel", "ylabel", "label") if k in kw] + (n.args[:1] if name in ("set_title", "suptitle", "title", "set_xlabel", "set_ylabel", "xlabel", "ylabel") else [])
            axes += [str(v) for a in said_ if isinstance(v := known(a, env), str) and v]
        if re.match(DRAWS, name): # what is drawn: the texts among its arguments
            for a in [*n.args, *(kw[k] for k in ("prompt", "prompts") if k in kw)]:
                v = known(a, env); prompts += [x for x in (v if isinstance(v, (list, tuple)) else [v]) if isinstance(x, str) and " " in x]
    return kind, labels, list(dict.fromkeys(axes)), list(dict.fromkeys(prompts))


def tree_of(source):
    "The syntax tree of a cell, without magics; empty where it is none."
    try: return ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source))
    except SyntaxError: return ast.parse("")


def alt(source, env):
    "The alt text of a cell's pictures: its own, or one made of the labels that its code has, or None. `env`: what the cells before gave names to; this one's are added."
    tree = tree_of(source); learn(tree, env)
    if own := OWN.search(source): return json.loads(own[1])
    kind, labels, axes, prompts = said(tree, env)
    if not labels and len(axes) < 2: return None
    prompts = [p for p in prompts if p not in "; ".join(labels)]
    parts = [kind or "Picture"] + labels + ([" / ".join(axes)] if axes else []) + ([f"drawn from {words([f'“{p}”' for p in prompts])}"] if prompts else [])
    return re.sub(r"\s+", " ", "; ".join(p.strip() for p in parts if p.strip()))


def bare(data): return re.findall(r"<img\b(?![^>]*\balt=[\"'][^\"']{12,})[^>]*>", "".join(data["text/html"])) if "text/html" in data and not any(m.startswith("image/") for m in data) else [] # saved HTML's pictures without words
def has_picture(c): return any(m.startswith("image/") for o in c.get("outputs", []) for m in o.get("data", {}))


def alts(nb):
    "{number of a code cell: its alt text} of all cells with pictures; None where nothing says what they show."
    env = {}; said_ = {k: alt(w.source(c), env) for k, c in enumerate(nb["cells"]) if c["cell_type"] == "code"}
    return {k: a for k, a in said_.items() if has_picture(c := nb["cells"][k]) or any(bare(o.get("data", {})) for o in c["outputs"])}


def dress(nb, places):
    "The processed notebook with all that stands above."
    cells, says = nb["cells"], alts(nb)
    if mute := [cells[k]["id"] for k, a in says.items() if not a]: raise ValueError(f"no words for the pictures of {mute}: begin these cells with `#| fig-alt: \"...\"`, which says what one sees")
    for k, c in enumerate(cells):
        if c["cell_type"] == "markdown":
            text = re.sub(r"\[!\[([^\]]*)\]\(https?://[^)]+\)\]\(([^)\s]+)\)", r"[\1](\2){.badge-link}", w.source(c))
            c["source"] = re.sub(rf"\[`([^`\]]+)`\]\({re.escape(w.SITE)}/[^)#]+#([\w.]+)\)", lambda m: f"[`{m[1]}`]({places[m[2]]})" if m[2] in places else f"`{m[1]}`", text)
        elif c["cell_type"] == "code":
            c["source"] = re.sub(r"(?m)^#\|\s*hide_input(: true)?\s*$", '#| code-fold: true\n#| code-summary: "How this is drawn"', w.source(c)) # Quarto knows no hide_input
            if k in says: c["source"] = f"#| fig-alt: {json.dumps(says[k], ensure_ascii=False)}\n" + OWN.sub("", c["source"]) # on top, where Quarto reads it; Colab wants its `#@title` there
            for o in c["outputs"]:
                data = o.get("data", {})
                if "text/html" in data and not any(m.startswith("image/") for m in data):
                    mute = bare(data); text = "".join(data.pop("text/html"))
                    for tag in dict.fromkeys(mute): text = text.replace(tag, re.sub(r"\s+alt=(\"[^\"]*\"|'[^']*')", "", tag).replace("<img", f'<img alt="{html.escape(says[k])}"'))
                    ticks = "`" * max(3, 1 + max((len(m) for m in re.findall("`+", text)), default=0))
                    data["text/markdown"] = f"{ticks}{{=html}}\n{text}\n{ticks}\n"
    return nb


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1])/"_quarto.yml").exists(): raise SystemExit("python pages/dress.py FOLDER: the folder that nbdev-proc-nbs made, with _quarto.yml in it")
    folder = Path(sys.argv[1]).resolve()
    places = reference.places()
    for p in sorted(folder.glob("*.ipynb")):
        try: nb = dress(w.read(p), places)
        except ValueError as e: raise SystemExit(f"{p.name}: {e}")
        p.write_text(w.dumps(nb), "utf-8")
    reference.write(folder)
