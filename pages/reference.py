"""The pages of the helpers, made from the package while the site is built: `python pages/dress.py FOLDER` calls `write`.

One page for each module, with what Python itself says of every exported name: signature, parameters with their comments, docstring, source; and the first lesson cell that calls it. One page for the checks of
the exercises, and an index of all names with their effect in one line. Nothing of it is written by hand or kept."""
import ast, inspect, re
from importlib import import_module
from pathlib import Path
from pprint import pformat # sets in one order
import course as w

PKG = w.ROOT/"sdcourse"


def modules():
    "{module's name without `sdcourse.`: its notebook}, in the order of the course."
    def notebook(p): return (p.parent/re.search(r"File to edit: (\S+\.ipynb)", p.read_text("utf-8"))[1]).resolve()
    found = {".".join(p.relative_to(PKG).with_suffix("").parts): notebook(p) for p in PKG.rglob("*.py") if p.name not in ("__init__.py", "_modidx.py")}
    return dict(sorted(found.items(), key=lambda kv: (kv[1].name, kv[0])))


def is_exercise(mod): return mod.startswith("exercises.") and mod != "exercises.book"
def page(mod): return "reference-exercises.qmd" if is_exercise(mod) else f"reference-{mod.replace('.', '-')}.qmd"
def exports(mod): return import_module(f"sdcourse.{mod}").__all__
def plain(obj): return inspect.unwrap(obj) if callable(obj) else obj
def documented(obj): return inspect.isclass(obj) or inspect.isfunction(plain(obj))


def md(text):
    "Text of a docstring or a comment as Markdown: only its `code` has a meaning."
    return "".join(p if p.startswith("`") else re.sub(r"([\\*_<>$\[\]|~^#@])", r"\\\1", p) for p in re.split(r"(`[^`\n]*`)", text))


def tidy(text):
    "Python's text without what only this machine has: addresses of objects as three dots, paths from the package on."
    return re.sub(r"<[^<>]* at 0x\w+>", "...", text.replace(f"{w.ROOT}/", "")).replace("PosixPath(", "Path(")


def signature(obj):
    "`inspect.signature` as text."
    return tidy(str(inspect.signature(obj)))


def laid_out(name, obj):
    "The signature as one calls it: a parameter on each line where it is long."
    s = signature(obj)
    if len(name + s) <= 88: return name + s
    sig = inspect.signature(obj); lines, star = [], False
    for p in sig.parameters.values():
        if p.kind == p.KEYWORD_ONLY and not star and not any(q.kind == q.VAR_POSITIONAL for q in sig.parameters.values()): lines.append("*"); star = True
        lines.append(tidy(str(p)))
        if p.kind == p.POSITIONAL_ONLY and [q.kind for q in sig.parameters.values()].count(p.POSITIONAL_ONLY) == len(lines): lines.append("/")
    back = s[s.rindex(")") + 1:] if sig.return_annotation is sig.empty else s[s.rindex(") -> ") + 1:]
    return f"{name}(\n" + "".join(f"    {l},\n" for l in lines) + f"){back}"


def parameters(obj):
    "[(name, comment)] of a function or a class, by docments, which reads the comments behind the parameters."
    from fastcore.docments import docments
    if inspect.isclass(obj) and "__init__" not in vars(obj) and not hasattr(obj, "__dataclass_fields__"): return []
    res = [(n, d.docment) for n, d in docments(plain(obj), full=True).items() if n not in ("self", "cls") and d.docment]
    return [("gives back" if n == "return" else f"`{n}`", " ".join(c.split())) for n, c in res]


def remark(mod, name):
    "What the source says of a constant: the comment behind it, or above it."
    lines = (PKG/f"{mod.replace('.', '/')}.py").read_text("utf-8").splitlines()
    for n in ast.parse("\n".join(lines)).body:
        targets = [t.id for x in getattr(n, "targets", []) for t in ast.walk(x) if isinstance(t, ast.Name)]
        if name not in targets: continue
        behind = [m[1] for l in (lines[n.end_lineno - 1], lines[n.lineno - 1]) if (m := re.search(r"\s# ([^\"']+)$", l))]
        above = lines[n.lineno - 2].removeprefix("# ") if lines[n.lineno - 2].startswith("# ") and not lines[n.lineno - 2].startswith("# %%") else ""
        return (behind or [above])[0], n.lineno
    return "", 1


def effect(mod, name):
    "One line: what it does, or what it holds."
    obj = getattr(import_module(f"sdcourse.{mod}"), name)
    if documented(obj): return md((obj.__doc__ or "").strip().splitlines()[0])
    if is_exercise(mod): return md(getattr(obj, "title", ""))
    return md(remark(mod, name)[0]) or f"a {type(obj).__name__}" + (f" of {len(obj)}" if hasattr(obj, "__len__") else "")


def line(mod, name):
    obj = getattr(import_module(f"sdcourse.{mod}"), name)
    try: return inspect.getsourcelines(plain(obj))[1] if documented(obj) else remark(mod, name)[1]
    except OSError: return 1


def calls(source):
    "(names that a cell calls, whether it says that it only tests)."
    try: tree = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source))
    except SyntaxError: return set(), True
    names = {n.func.id if isinstance(n.func, ast.Name) else getattr(n.func, "attr", "") for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return names, all(isinstance(n, (ast.Assert, ast.Import, ast.ImportFrom)) or isinstance(n, ast.Expr) and re.match(r"(test_|expect_fail)", ast.unparse(n)) for n in tree.body)


def examples():
    "{name: (notebook, code)}: the cell that shows it, in the notebook that makes it or else the first of the course; cells that only test come last."
    best, home = {}, {n: nb.name for mod, nb in modules().items() if not is_exercise(mod) for n in exports(mod)}
    for p in w.pages():
        for c in w.code(p):
            src = w.source(c)
            if re.match(r"#\|\s*(export|exporti|exports|hide|default_exp)\b", src): continue
            shown = re.sub(r"(?m)^#\|.*\n", "", src).strip()
            names, tests = calls(src)
            for n in names & home.keys():
                rank = (tests or bool(re.search(r"\b(assert|test_\w+)\b", shown)), len(shown) > 800 or "hide_input" in src or "echo" in src[:60], home[n] != p.name, not c["outputs"], len(shown) > 300)
                if n not in best or rank < best[n][0]: best[n] = rank, p.name, shown
    return {n: v[1:] for n, v in best.items()}


def entry(mod, name, example, title):
    "The Markdown of one exported name."
    obj = getattr(import_module(f"sdcourse.{mod}"), name)
    source = f"[source]({w.REPO}/blob/{w.BRANCH}/sdcourse/{mod.replace('.', '/')}.py#L{line(mod, name)}){{.source-link}}"
    res = [f"## `{name}` {{#{name}}}"]
    if documented(obj):
        res.append(f"```python\n{laid_out(name, obj)}\n```")
        res += [md(l) for l in inspect.cleandoc(obj.__doc__ or "").splitlines() if l.strip()]
        if rows := parameters(obj): res.append("| parameter | what it is |\n|:--|:------|\n" + "\n".join(f"| {n} | {md(c)} |" for n, c in rows))
        for n, f in (vars(obj).items() if inspect.isclass(obj) else ()):
            if n.startswith("_") or not inspect.isfunction(f) or not f.__doc__: continue
            res.append(f"`.{n}{signature(f).replace('(self, ', '(').replace('(self)', '()')}`{{.python}}\n: {md(' '.join(f.__doc__.split()))}")
    else:
        said = tidy(" ".join(pformat(obj, width=10 ** 9, sort_dicts=False).split())); said = said if len(said) <= 400 else said[:400] + " ..."
        res.append(f"```python\n{name} = {said}\n```")
        if (r := remark(mod, name)[0]): res.append(md(r[:1].upper() + r[1:]) + ".")
    if name in example:
        nb, code = example[name]
        res.append(f"::: {{.from-lesson}}\nFrom [{title[nb]}]({nb}) ({source}):\n\n```python\n{code}\n```\n:::")
    else: res.append(source)
    return "\n\n".join(res)


def front(title, description): return f'---\ntitle: "{title}"\ndescription: "{description}"\nrepo-actions: false\n---\n\n'.replace("\\", "")


def write(folder):
    "The pages into the processed folder, and their section into its sidebar.yml."
    import yaml
    mods, example = modules(), examples()
    title = {p.name: w.heading(p)[0] for p in w.pages()}
    groups, index = {}, ["Every name that the package exports, with its effect in one line. `from sdcourse import image_grid` works for all names of modules that stand directly in the package. The signatures on the pages behind the names are Python's own, taken from the package when these pages were made."]
    for mod, nb in mods.items():
        if not is_exercise(mod): groups.setdefault(w.PARTS[int(nb.name[0])], []).append(mod)
    def rows(mod): return "\n".join(f"| [`{n}`]({page(mod)}#{n}) | {effect(mod, n)} |" for n in exports(mod))
    for part, ms in groups.items():
        index.append(f"## {part}")
        for mod in ms:
            what = w.heading(mods[mod])[1] if mods[mod].parent == w.NBS else ""
            (folder/page(mod)).write_text(front(f"sdcourse.{mod}", what.replace('"', "'")) + f"Made in [{title[mods[mod].name]}]({mods[mod].name}).\n\n" + "\n\n".join(entry(mod, n, example, title) for n in exports(mod)) + "\n", "utf-8")
            index.append(f"### [`sdcourse.{mod}`]({page(mod)}) {{.unlisted}}\n\n| name | what it does |\n|:--|:------|\n{rows(mod)}")
    checks = [f"## [{title[nb.name]}]({nb.name}#exercises)\n\n| check | exercise |\n|:--|:------|\n" + "\n".join(f"| [`{n}`]{{#{n}}} | {effect(mod, n)} |" for n in exports(mod)) for mod, nb in mods.items() if is_exercise(mod) and exports(mod)]
    (folder/"reference-exercises.qmd").write_text(front("Checks of the exercises", "Each takes the learner's code and says what is wrong with it") + "`from sdcourse.exercises.guidance import *` brings the checks of that lesson; a check is called with what the learner wrote.\n\n" + "\n\n".join(checks) + "\n", "utf-8")
    index.append("## Exercises\n\nThe checks of all exercises stand on [a page of their own](reference-exercises.qmd).")
    (folder/"reference.qmd").write_text(front("Reference", "All helpers, each with its effect in one line") + "\n\n".join(index) + "\n", "utf-8")
    cfg = yaml.safe_load((folder/"sidebar.yml").read_text("utf-8"))
    pages = [dict(section=part, contents=[page(m) for m in ms]) for part, ms in groups.items()]
    cfg["website"]["sidebar"]["contents"].append(dict(section="Reference", contents=["reference.qmd", *pages, "reference-exercises.qmd"]))
    (folder/"sidebar.yml").write_text(yaml.safe_dump(cfg, sort_keys=False, allow_unicode=True), "utf-8")


def places():
    "{exported name: page#anchor}."
    return {n: f"{page(mod)}#{n}" for mod in modules() for n in exports(mod)}
