"""What happens to wrong and odd inputs, here and in plain diffusers: `python -m bench.faults` writes bench/faults.md, `python -m bench.faults prompts` runs one area and writes nothing.

The inputs are data: tests/faults/AREA.toml, with the `mode` of the area (a key of `BASE`) and one line for each input,

    name   what is wrong, in a few words
    with   keywords, as text, for the call of the mode (see `BASE`), or
    call   a whole expression
    error  what the error must say: first the culprit ("a|b": either), then the value or the remedy
    right  an expression over `r`, what came out: what must be true of it where there is no error
    warns  what a warning must say, too; without it the result counts as silent
    plain  the same for plain diffusers; without it `with` is put into its words; false: there is nothing like it
    late   true: the fault can only be seen once the UNet has run

`SPACE` holds the words of these expressions. An outcome, the same rules for both arms:

    clear    an error of a sensible type (`SENSIBLE`), before any call of the UNet, that names the culprit (the keyword, in whichever words, or what the entry says), and its value or a remedy
    right    no error, and the property holds
    warned   no error, the property does not hold or there is none, and a warning or a log line names the culprit
    obscure  any other error
    silent   no error, no warning, and not what was asked for"""
import argparse, io, logging, os, re, signal, sys, tempfile, tomllib, warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE"); os.environ.setdefault("HF_HUB_OFFLINE", "1") # before torch starts
import numpy as np, torch
import diffusers, sdcourse
from PIL import Image
from sdcourse.core import generators, shorten
from sdcourse.chains import Node
from sdcourse.models import POCKET, SCHEDULERS, load
from sdcourse.redraw import SKETCHES, open_picture
from sdcourse.sampling import max_difference

HERE = Path(__file__).resolve().parent; CORPUS = HERE.parent/"tests"/"faults"
CLASSES = ("clear", "right", "warned", "obscure", "silent")
SENSIBLE = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError, RuntimeError) # the last is what torch raises for wrong values, too
ADVICE = re.compile(r"\b(must|should|has to|have to|needs?|expected|give|use|instead|make sure|at least|at most|between|did you mean|one of|choose|install|cannot be|only|missing|requires?d?|no such|no file|not found|does not exist|cannot identify|truncated|neither|unable to|please|provide|supported|unknown)\b", re.I)
CALLED = dict(seed="generator", n="num_images_per_prompt", mask="mask_image", scheduler="scheduler") # our keyword -> diffusers'
ALSO = dict(seed=("seeds", "generators"), num_inference_steps=("steps", "inference steps"), image=("picture", "pictures", "images"), mask=("mask image",), prompt=("prompts", "text input"), n=("images per prompt",), negative_prompt=("negative prompts",),
            guidance_scale=("guidance scales",), scheduler=("schedulers",), strength=("strengths",)) # further words for a keyword
P = "a red fox in the snow, 3d render style"


class Outcome(NamedTuple):
    kind: str # one of `CLASSES`
    said: str # the error or the warning, or what came out


def corpus(areas=()):
    "The entries, each a dictionary with its area."
    files = sorted(CORPUS.glob("*.toml"))
    return [dict(mode=data.get("mode", "txt2img"), **e, area=f.stem) for f in files if not areas or f.stem in areas for data in [tomllib.loads(f.read_text(encoding="utf-8"))] for e in data["faults"]]


# The words of the corpus

fox = open_picture("fox")
hole = Image.new("L", (64, 64)); hole.paste(255, (16, 16, 48, 48))


def noise(n=1, h=16, w=16, c=4): return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(5))
def vectors(n=1, length=77, d=128): return torch.randn(n, length, d, generator=torch.Generator().manual_seed(6))
def with_nan(x): x = x.clone(); x.view(-1)[3] = float("nan"); return x
def turned(img): # as a camera that was held upright stores it
    exif = img.getexif(); exif[0x0112] = 6; f = io.BytesIO(); img.rotate(90).save(f, "PNG", exif=exif); return Image.open(f)


def size(r): return {im.size for im in r}
def alive(r): return bool(r) and all(np.asarray(im).std() > 2 for im in r) # no picture of one colour
def same(r, to): return len(r) == len(to) and size(r) == size(to) and max_difference(r, to) <= 1
def other(r, to): return len(r) == len(to) and all(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() > .5 for a, b in zip(r, to, strict=True))
def swapped(pipe, scheduler): return type(pipe)(**{**pipe.components, "scheduler": scheduler})


class CommandError(ValueError): "A command that ended with an exit code other than 0."
class Crash(Exception): "A command that ended with a traceback."


def cli(*words):
    "What a command prints."
    from click.testing import CliRunner
    from sdcourse.cli import main
    res = CliRunner().invoke(main, [str(w) for w in words])
    if res.exit_code and isinstance(res.exception, SystemExit) and "Traceback" not in res.output: raise CommandError(res.output)
    if res.exception: raise Crash(repr(res.exception))
    return res.output


def file(name, data=b""):
    "A file of these bytes, or of a picture, in the folder of the entry."
    path = Path.cwd()/name; path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, Image.Image): data.save(path)
    else: path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def damaged_model(change):
    "A copy of the pocket model with one file changed: `change(folder)`."
    import shutil
    folder = Path.cwd()/"model"; shutil.copytree(POCKET, folder); change(folder); return str(folder)


def edited_model(name, **keys):
    "A copy of the pocket model with other settings in one file, and no manifest that would see it; `...` leaves a key out."
    import json
    def change(folder):
        (Path(folder)/"manifest.json").unlink(); path = Path(folder)/name; said = json.loads(path.read_text()) | keys
        path.write_text(json.dumps({k: v for k, v in said.items() if v is not ...}))
    return damaged_model(change)


class Plain:
    "The pipelines of plain diffusers on the same weights, called as their pages show it."
    def __init__(self, pipe):
        from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
        parts = {**pipe.components, "scheduler": type(pipe.scheduler).from_config(pipe.scheduler.config)}
        self.pipes = dict(txt2img=StableDiffusionPipeline(**parts, requires_safety_checker=False), img2img=StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False), inpaint=StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False))
        for p in self.pipes.values(): p.set_progress_bar_config(disable=True)

    def __call__(self, mode, **kw):
        pipe = self.pipes[mode]
        if "scheduler" in kw:
            s = kw.pop("scheduler"); s = getattr(diffusers, SCHEDULERS[s][0]).from_config(pipe.scheduler.config, **SCHEDULERS[s][1]) if isinstance(s, str) and s in SCHEDULERS else s
            pipe = type(pipe)(**{**pipe.components, "scheduler": s}, requires_safety_checker=False); pipe.set_progress_bar_config(disable=True)
        if "seed" in kw:
            s, n = kw.pop("seed"), kw.get("n", 1); many = int(n) * (len(kw["prompt"]) if isinstance(kw.get("prompt"), (list, tuple)) else 1) if isinstance(n, (int, np.integer)) and 0 < n < 1000 else 1
            seeds = s if isinstance(s, (list, tuple)) else [s + k for k in range(many)] if type(s) is int else [s]
            kw["generator"] = None if s is None else [torch.Generator().manual_seed(k) for k in seeds] if len(seeds) != 1 else torch.Generator().manual_seed(seeds[0])
        return pipe(**{CALLED.get(k, k): v for k, v in kw.items()}).images


FEW = dict(prompt=P, seed=1, num_inference_steps=2, guidance_scale=4.)
BASE = dict(txt2img=FEW, img2img=FEW | dict(image=fox, strength=.6), inpaint=FEW | dict(image=fox, mask=hole)) # the calls that `with` changes


class Runner:
    "Runs entries in both arms."
    def __init__(self):
        self.pipe = load("pocket", device="cpu"); self.pipe.set_progress_bar_config(disable=True); self.plain = Plain(self.pipe); self.calls, self.kept = 0, {}
        def count(*_): self.calls += 1
        self.pipe.unet.register_forward_hook(count)

    def draw(self, arm, mode, kw):
        if arm == "plain": return self.plain(mode, **kw)
        kw = dict(kw); given = [kw.pop(k) for k in ("prompt", "image", "mask") if k in kw]
        return getattr(sdcourse, mode)(self.pipe, *given, **kw)

    def space(self, arm, mode):
        "The words of the corpus in one arm; `clean(...)` is the area's call with nothing wrong, but for what it is given."
        def clean(**kw):
            key = f"{arm} {mode} {kw!r}"; plain = all(isinstance(v, (str, int, float, list)) for v in kw.values()) # the text of a picture does not tell it from another
            if not plain or key not in self.kept: self.kept[key] = self.draw(arm, mode, BASE[mode] | kw)
            return self.kept[key]
        ours = {k: getattr(sdcourse, k) for k in sdcourse.__dir__() if not k.startswith("_") and k.islower()} if not hasattr(self, "_ours") else self._ours; self._ours = ours
        own = dict(P=P, nan=float("nan"), inf=float("inf"), np=np, torch=torch, Image=Image, fox=fox, hole=hole, noise=noise, vectors=vectors, with_nan=with_nan, turned=turned, size=size, alive=alive, same=same, other=other,
                   file=file, cli=cli, damaged_model=damaged_model, edited_model=edited_model, Path=Path, os=os, diffusers=diffusers, Node=Node, POCKET=POCKET, SCHEDULERS=SCHEDULERS, SKETCHES=SKETCHES)
        if arm == "plain": own["plain"] = lambda mode="txt2img", **kw: self.draw("plain", mode, BASE[mode] | kw)
        return ours | own | dict(pipe=self.pipe if arm == "ours" else self.plain.pipes[mode], clean=clean)

    def __call__(self, entry, arm="ours"):
        "The `Outcome` of an entry; None where plain diffusers has nothing like it."
        mode = entry["mode"]; space = self.space(arm, mode)
        text = entry.get("plain", entry.get("with")) if arm == "plain" else entry.get("with", entry.get("call"))
        if text is None or text is False: return None
        whole = "call" in entry if arm == "ours" else "call" in entry or "plain(" in str(text)
        given, was = {}, os.getcwd()
        with tempfile.TemporaryDirectory() as folder, heard() as said, in_time(120):
            os.chdir(folder)
            try:
                if not whole: given = eval(f"dict({text})", space)
                self.calls = 0
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()): r = eval(text, space) if whole else self.draw(arm, mode, BASE[mode] | given)
                r = [r] if isinstance(r, Image.Image) else r
                told = any(w in line for line in said for w in entry["warns"][0].split("|")) if "warns" in entry else any(self.names(entry, line, given) for line in said)
                if entry.get("right") and ("warns" not in entry or told) and eval(entry["right"], space | dict(r=r)): return Outcome("right", " / ".join(said))
            except Exception as e: return self.judge(entry, e, given)
            finally: os.chdir(was)
            return Outcome("warned", " / ".join(said)) if told else Outcome("silent", shorten(r, 80))

    def names(self, entry, text, given):
        "Does a text name the culprit?"
        words = [w for k in given for w in (k, CALLED.get(k, k), *ALSO.get(k, ()))] + (entry["error"][0].split("|") if entry.get("error") else [])
        return any(re.search(rf"(?<![a-z0-9]){re.escape(w.replace('_', ' '))}(?![a-z0-9])", text.replace("_", " "), re.I) for w in words)

    def judge(self, entry, e, given):
        "The class of an error."
        text = str(e); early = self.calls == 0 or entry.get("late")
        values = [v for x in given.values() for v in seen(x)] + [v for w in entry.get("error", ())[1:] for v in w.split("|")]
        told = ADVICE.search(text) or any(re.search(rf"(?<![\w.]){re.escape(v)}(?![\w])", text) for v in values if v)
        clear = isinstance(e, SENSIBLE) and early and self.names(entry, text, given) and told
        return Outcome("clear" if clear else "obscure", f"{type(e).__name__}: {' '.join(text.split())[:600]}" + ("" if early else f" (after {self.calls} calls of the UNet)"))

    def missing(self, entry, outcome):
        "What an entry wants that an outcome in this package's arm does not have, as text; empty where all is as it must be."
        want = ("clear",) if entry.get("error") else ("right", "warned") if "warns" in entry else ("right",)
        if outcome.kind not in want: return f"must be {' or '.join(want)}" + (f": {entry['right']}" if "right" in entry else "")
        lost = [w for w in [*entry.get("error", ()), *entry.get("warns", ())] if not any(v in outcome.said for v in w.split("|"))]
        return f"it does not say {lost[0]!r}" if lost else ""


def seen(x):
    "How a value may stand in a message."
    if isinstance(x, Image.Image): return [x.mode, f"{x.width}x{x.height}", f"{x.width} x {x.height}", str(x.size), f"({x.height}, {x.width})"]
    if isinstance(x, torch.Tensor): return [str(tuple(x.shape)), str(list(x.shape)), str(x.dtype), str(x.dtype).removeprefix("torch.")]
    out = [repr(x)[:60], str(x)[:60], type(x).__name__]
    if isinstance(x, float): out.append(f"{x:g}")
    if isinstance(x, (list, tuple)): out += [str(len(x)), *(v for y in x[:4] for v in seen(y))]
    return out


@contextmanager
def heard():
    "The warnings and the log lines of the block."
    lines = []
    class Ear(logging.Handler):
        def emit(self, record): lines.append(record.getMessage())
    ear = Ear(logging.WARNING); loggers = [logging.getLogger(n) for n in ("diffusers", "transformers")]; root = [[*l.handlers] for l in loggers]
    for l in loggers: l.handlers = [ear]
    show = warnings.showwarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always"); warnings.showwarning = lambda message, *_, **__: lines.append(str(message))
            yield lines
    finally:
        warnings.showwarning = show
        for l, h in zip(loggers, root): l.handlers = h


@contextmanager
def in_time(seconds):
    "Nothing may hang: an error after so long."
    def stop(*_): raise TimeoutError(f"no end after {seconds} s")
    was = signal.signal(signal.SIGALRM, stop) if hasattr(signal, "SIGALRM") else None
    if was is not None: signal.alarm(seconds)
    try: yield
    finally:
        if was is not None: signal.alarm(0); signal.signal(signal.SIGALRM, was)


# The report

def shares(kinds): return {c: sum(k == c for k in kinds) for c in CLASSES}


def report(rows):
    "bench/faults.md, of (entry, outcome here, outcome in plain diffusers or None)."
    def cell(n, of): return f"{n} ({n / max(of, 1):.0%})"
    def line(name, kinds): s = shares(kinds); return f"| {name} | {len(kinds)} | " + " | ".join(cell(s[c], len(kinds)) for c in CLASSES) + " |"
    def plain(s): return s.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("`", "'")
    both = [(e, a, b) for e, a, b in rows if b is not None]; head = ["| | inputs | " + " | ".join(CLASSES) + " |", "| --- |" + " ---: |" * (1 + len(CLASSES))]
    out = ["# Wrong and odd inputs, here and in plain diffusers", "", "Made by `python -m bench.faults`; do not edit. The inputs are `tests/faults/*.toml`, the rules are at the head of `bench/faults.py` and the same for both arms, which ran in one process on the pocket model "
           f"(torch {torch.__version__}, diffusers {diffusers.__version__}).", "", *head, line("sdcourse, all", [a.kind for _, a, _ in rows]), line("sdcourse, those that plain diffusers has too", [a.kind for _, a, _ in both]),
           line("plain diffusers", [b.kind for *_, b in both]), "", "- clear: an error of a sensible type that names the culprit, and its value or the remedy, before any call of the UNet",
           "- right: no error, and the result is what was asked for", "- warned: not that, but a warning or a log line names the culprit", "- obscure: any other error", "- silent: no error, no warning, and not what was asked for", "", "## By area", "",
           "| area | inputs | here: " + " / ".join(CLASSES) + " | with a plain form | plain diffusers |", "| --- | ---: | --- | ---: | --- |"]
    for area in sorted({e["area"] for e, *_ in rows}):
        mine = [(a, b) for e, a, b in rows if e["area"] == area]; theirs = [b.kind for _, b in mine if b is not None]
        out.append(f"| {area} | {len(mine)} | {' / '.join(str(v) for v in shares([a.kind for a, _ in mine]).values())} | {len(theirs)} | {' / '.join(str(v) for v in shares(theirs).values())} |")
    for name, pick in (("sdcourse", lambda r: r[1]), ("plain diffusers", lambda r: r[2])):
        bad = [(e, o) for e, *r in rows if (o := pick((e, *r))) is not None and o.kind not in ("clear", "right")]
        out += ["", f"## {name}: neither clear nor right", "", *(["None."] if not bad else ["| area | input | class | what came |", "| --- | --- | --- | --- |"]), *(f"| {e['area']} | {plain(e['name'])} | {o.kind} | {plain(o.said)[:180]} |" for e, o in bad)]
    return "\n".join(out) + "\n"


def main():
    p = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__.splitlines()[0])
    p.add_argument("areas", nargs="*", metavar="AREA", help="files of tests/faults; none: all, and the report is written"); p.add_argument("--ours", action="store_true", help="leave plain diffusers out")
    args = p.parse_args(); entries = corpus(args.areas); run = Runner(); rows = []
    for e in entries:
        a, b = run(e), None if args.ours else run(e, "plain"); rows.append((e, a, b)); wrong = run.missing(e, a)
        if wrong or args.areas: print(f"{'WRONG ' if wrong else ''}{e['area']}: {e['name']}: {a.kind} {a.said}" + (f" <- {wrong}" if wrong else "") + (f"\n    plain: {b.kind} {b.said}" if b and args.areas else ""), flush=True)
    print(len(rows), "inputs; here", shares([a.kind for _, a, _ in rows]), "; plain diffusers", shares([b.kind for *_, b in rows if b]))
    if not args.areas and not args.ours: (HERE/"faults.md").write_text(report(rows), encoding="utf-8")


if __name__ == "__main__": main()
