"What is measured besides the comparisons of `bench/__main__.py`: start-up, memory, what a helper costs, where the time of a picture goes, the lessons."
import gc, json, os, re, statistics, subprocess, sys, time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "a red fox in the snow, 3d render style"


def child(code, *args, threads=1):
    "(what a new process printed, the seconds until it ended, the moment it began)."
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    began = time.monotonic(); p = subprocess.run([sys.executable, "-c", code, *map(str, args)], capture_output=True, text=True, env=env, cwd=ROOT)
    if p.returncode: raise RuntimeError(f"a measured process ended with exit code {p.returncode}: {p.stderr[-2000:]}")
    return p.stdout, time.monotonic() - began, began


# Start-up. A child says the moment and its CPU seconds when it has got there; the clock is the machine's, the same in all processes

_NOW = "; import time; print('\\n@', time.monotonic(), time.process_time())"
_WITHIN = "import time; t, c = time.perf_counter(), time.process_time()\n{}\nprint('\\n@', time.perf_counter() - t, time.process_time() - c)"
_PLAIN = f"""from diffusers import StableDiffusionPipeline
import torch, time
from pathlib import Path
import importlib.util
pipe = StableDiffusionPipeline.from_pretrained(Path(importlib.util.find_spec("sdcourse").origin).parent/"pocket_sd"); pipe.set_progress_bar_config(disable=True)
pipe({PROMPT!r}, num_inference_steps=25, guidance_scale=5., generator=torch.Generator().manual_seed(18)).images[0]"""
_FIRST = f"""import time
from sdcourse.models import load
from sdcourse import txt2img
pipe = load("pocket"); t = time.perf_counter()
txt2img(pipe, {PROMPT!r}, seed=18)[0]; print("\\n# ", time.perf_counter() - t)"""
STARTS = {"python": "pass", "import sdcourse": _WITHIN.format("import sdcourse"), "--help": "import sys; sys.argv = ['sdcourse', '--help']; from sdcourse.cli import main; main()", "import diffusers": _WITHIN.format("import diffusers"),
          "pipeline": "from diffusers import StableDiffusionPipeline" + _NOW, "first": _FIRST + "\n" + _NOW[2:], "plain": _PLAIN + "\n" + _NOW[2:]}


def start(turns):
    "Seconds and CPU seconds of each of `STARTS`, in turn, after one round that nobody counts."
    seconds, cpu = ({k: [] for k in (*STARTS, "drawing")} for _ in range(2))
    for turn in range(turns + 1):
        for name in list(STARTS)[::1 if turn % 2 else -1]:
            was = os.times(); said, took, began = child(STARTS[name]); now = os.times()
            if not turn: continue
            got = re.search(r"^@ (\S+) (\S+)", said, re.M)
            if got: took = float(got[1]) - (0 if "import " in name else began)
            seconds[name].append(took); cpu[name].append(float(got[2]) if got else now.children_user + now.children_system - was.children_user - was.children_system)
            if drawing := re.search(r"^#\s+(\S+)", said, re.M): seconds["drawing"].append(float(drawing[1]))
    return dict(seconds=seconds, cpu={k: v for k, v in cpu.items() if v})


# Memory

# what a process has now and the most it ever had, in MB. Not getrusage: its ru_maxrss begins with that of the process that started this one
RSS = """def rss(what):
    try: return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(what)) / 1024
    except OSError:
        import resource, sys
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
"""


def memory(code, *args):
    "Of a process that loads the pocket model as `pipe` and then runs `code`: MB before it and at most."
    out = child(f"import sys\n{RSS}\nfrom sdcourse.models import load\nfrom sdcourse.generate import txt2img\npipe = load('pocket'); pipe.set_progress_bar_config(disable=True); before = rss('VmRSS:')\n{code}\nprint('\\n@', before, rss('VmHWM:'))", *args)[0]
    got = re.search(r"^@ (\S+) (\S+)", out, re.M)
    return dict(before=float(got[1]), most=float(got[2]))


def memory_frames(frames=(24, 480), runs=5):
    "By the frames of a film, written as they come: the run in the middle of several in turn, for where an allocator puts things differs by some MB from process to process."
    code = f"""import tempfile
from pathlib import Path
from sdcourse.dreams import dream
from sdcourse.show import save_mp4
with tempfile.TemporaryDirectory() as d: save_mp4(dream(pipe, [{PROMPT!r}, "an owl in the snow, 3d render style"], seed=[18, 20], frames=int(sys.argv[1]), num_inference_steps=2), Path(d)/"film.mp4")"""
    got = [[memory(code, n) for n in frames] for _ in range(runs)]
    return dict(frames={n: dict(sorted(ms, key=lambda m: m["most"])[runs // 2], all=[m["most"] for m in ms]) for n, ms in zip(frames, zip(*got))})


def memory_batch(sizes=(1, 2, 4, 8, 16)):
    "By the pictures at a time."
    ours = f"txt2img(pipe, {PROMPT!r}, n=16, seed=0, batch_size=int(sys.argv[1]), num_inference_steps=2)"
    plain = f"pipe({PROMPT!r}, num_images_per_prompt=int(sys.argv[1]), num_inference_steps=2)"
    return dict(pictures={n: dict(ours=memory(ours, n), plain=memory(plain, n)) for n in sizes})


# What a helper costs

@contextmanager
def clocked(**functions):
    "{name: seconds of a core} that pass inside of functions, given as name=(owner, attribute), while the block runs."
    spent = dict.fromkeys(functions, 0.); undo = []
    for name, (owner, attribute) in functions.items():
        inner = getattr(owner, attribute); own = attribute in vars(owner)
        def timed(*args, _inner=inner, _name=name, **kwargs):
            t = time.process_time()
            try: return _inner(*args, **kwargs)
            finally: spent[_name] += time.process_time() - t
        object.__setattr__(owner, attribute, timed) if not isinstance(owner, type) else setattr(owner, attribute, timed)
        undo.append((owner, attribute, inner, own))
    try: yield spent
    finally:
        for owner, attribute, inner, own in undo:
            if isinstance(owner, type): setattr(owner, attribute, inner)
            elif own: object.__setattr__(owner, attribute, inner)
            else: object.__delattr__(owner, attribute)


def overhead(pipe, sides, turns):
    "For each side, a function that draws with `pipe`: the seconds of a core outside of UNet, VAE and text encoder as a share of those in UNet and VAE, and those in the text encoder."
    res = {name: dict(around=[], text=[]) for name in sides}
    for turn in range(turns + 1):
        for name in list(sides)[::1 if turn % 2 else -1]:
            with clocked(unet=(pipe.unet, "forward"), vae=(pipe.vae, "decode"), text=(pipe.text_encoder, "forward")) as spent:
                gc.collect(); t = time.process_time(); sides[name](pipe); total = time.process_time() - t
            bare = spent["unet"] + spent["vae"]
            if turn: res[name]["around"].append((total - bare - spent["text"]) / bare); res[name]["text"].append(spent["text"] / bare)
    return res


# Where the time goes

KINDS = {"convolution": ("Conv2d",), "self-attention": ("attn1",), "cross-attention": ("attn2",), "feed-forward": ("FeedForward",), "norms": ("GroupNorm", "LayerNorm")}


def profile(pipe, draw, turns):
    """{pictures at a time: {part: median seconds of a core for each picture}}: text encoder; of the UNet its convolutions, attention, feed-forward layers, norms and the rest, which is activations, additions and Python; scheduler; VAE; what is around them.

    `draw(pipe, n)` draws n pictures. Clocks are hooks on the modules; no part contains another."""
    from sdcourse.models import get_scheduler
    def kind(name, m):
        last = name.rsplit(".", 1)[-1]
        return next((k for k, which in KINDS.items() if last in which or type(m).__name__ in which), None)
    spent, begun, hooks = {}, [], []
    def before(*_): begun.append(time.process_time())
    def after(k): return lambda *_: spent.__setitem__(k, spent.get(k, 0.) + time.process_time() - begun.pop())
    inner = []
    for name, m in pipe.unet.named_modules():
        if (k := kind(name, m)) and not any(name.startswith(f"{outer}.") for outer in inner): inner.append(name); hooks += [m.register_forward_pre_hook(before), m.register_forward_hook(after(k))]
    sched = type(get_scheduler(pipe)); res = {}
    try:
        for n in (1, 8):
            rows = []
            for turn in range(turns + 1):
                spent.clear(); gc.collect()
                with clocked(unet=(pipe.unet, "forward"), vae=(pipe.vae, "decode"), text=(pipe.text_encoder, "forward"), step=(sched, "step"), scale=(sched, "scale_model_input"), plan=(sched, "set_timesteps")) as c:
                    t = time.process_time(); draw(pipe, n); total = time.process_time() - t
                inside = {k: spent.get(k, 0.) for k in KINDS}; step = c["step"] + c["scale"] + c["plan"]
                rows.append({"text encoder": c["text"], **{f"UNet: {k}": v for k, v in inside.items()}, "UNet: the rest": c["unet"] - sum(inside.values()), "scheduler": step, "VAE": c["vae"], "loop, recipe, pictures": total - c["unet"] - c["vae"] - c["text"] - step})
            res[str(n)] = {k: statistics.median(r[k] for r in rows[1:]) / n for k in rows[0]}
    finally:
        for h in hooks: h.remove()
    return dict(pictures=res)


COLOURS = {"text encoder": "#7a5195", "UNet: convolution": "#003f5c", "UNet: self-attention": "#2f6690", "UNet: cross-attention": "#5c94bd", "UNet: feed-forward": "#8fbfdc", "UNet: norms": "#b9d8ea", "UNet: the rest": "#dfe7ec", "scheduler": "#ffa600", "VAE": "#3a7d44", "loop, recipe, pictures": "#d1495b"}


def figure(result, path):
    "Two bars for each part: a picture drawn alone, and one of eight drawn together. The PNG says which measurement it shows."
    import matplotlib; matplotlib.use("Agg")
    import io, matplotlib.pyplot as plt
    from PIL import Image, PngImagePlugin
    from bench.report import digest
    one, many = result["pictures"]["1"], result["pictures"]["8"]; parts = list(one)
    fig, ax = plt.subplots(figsize=(7.2, 4.3), dpi=100)
    for k, part in enumerate(parts):
        for values, y, alpha in ((one, k - .2, 1), (many, k + .2, .55)):
            v = values[part] * 1000; ax.barh(y, v, .38, color=COLOURS[part] if part != "UNet: the rest" else "#9aa5ab", alpha=alpha)
            ax.text(v + max(one.values()) * 8, y, f"{v:.1f}", va="center", fontsize=8)
    ax.set_yticks(range(len(parts)), parts); ax.invert_yaxis(); ax.set_xlabel("milliseconds of one core, for each picture"); ax.margins(x=.1)
    ax.set_title(f"A picture of the pocket model, 25 steps: dark, alone ({sum(one.values()) * 1000:.0f} ms);\nlight, one of eight drawn together ({sum(many.values()) * 1000:.0f} ms)", fontsize=10, loc="left")
    for side in ("top", "right"): ax.spines[side].set_visible(False)
    fig.tight_layout(); f = io.BytesIO(); fig.savefig(f); plt.close(fig)
    about = PngImagePlugin.PngInfo(); about.add_text("digest", digest(result))
    Image.open(f).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, "PNG", optimize=True, pnginfo=about)


# What goes wrong

def guards(mutants=500, kills=200):
    "{what: how many were tried}, and how many of the tests that try them failed: damaged weight files, NaN, memory that runs out, kill -9 and full disks, from a run of those tests."
    import tempfile
    from xml.etree import ElementTree
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/test_{n}.py" for n in ("files", "faults_writers", "faults_runtime")), "-k", "mutated or killed or full_disk or nan or memory_runs_out", f"--junitxml={d}/said.xml"],
                       cwd=ROOT, env={**os.environ, "SDCOURSE_MUTANTS": str(mutants), "SDCOURSE_KILLS": str(kills)}, stdout=subprocess.DEVNULL)
        suite = next(ElementTree.parse(f"{d}/said.xml").iter("testsuite")); tried = {}
    for p in suite.iter("property"): tried[p.get("name")] = tried.get(p.get("name"), 0) + int(p.get("value"))
    return dict(tried=tried, tests=int(suite.get("tests")), failed=int(suite.get("failures")) + int(suite.get("errors")))


# The lessons

def lessons(file=None):
    "From the cost table that a run of all notebooks left (.pytest_cache/v/notebooks/costs, or a copy of it); None where no such run left one."
    file = Path(file or ROOT/".pytest_cache"/"v"/"notebooks"/"costs")
    if not file.is_file(): return None
    left = json.loads(file.read_text("utf-8")); costs = left["notebooks"]
    known = {p.name for p in (ROOT/"nbs").glob("*.ipynb")}
    if missing := known - {*costs}: print(f"of {file} are missing: {', '.join(sorted(missing))}"); return None # a run of some of them only
    sys.path.insert(0, str(ROOT/"tests"))
    from conftest import TRAINING
    def slowest(names): return max(((n, costs[n]["slowest_cell"]) for n in names), key=lambda p: p[1], default=("none", 0))
    return dict(about=left["about"], each={n: costs[n] for n in sorted(costs) if n in known}, lessons=len(costs), seconds=sum(c["seconds"] for c in costs.values()), cpu=sum(c["cpu"] for c in costs.values()), imports=sum(c["imports"] for c in costs.values()), training_cpu=sum(c["cpu"] for n, c in costs.items() if n in TRAINING),
                slowest_cell=dict(ordinary=slowest([n for n in costs if n not in TRAINING]), training=slowest([n for n in costs if n in TRAINING])))
