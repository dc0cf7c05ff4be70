"""What is written is whole or not there: kill -9 between any two acts on the disk and at random moments, full disks, litter.

`SDCOURSE_KILLS=200 pytest tests/test_faults_writers.py -k random` kills 200 times over all writers; one for each writer by default."""
import json, os, sys, warnings
from pathlib import Path
import pytest, torch
from PIL import Image
import tiny
from conftest import python

KILLS = int(os.environ.get("SDCOURSE_KILLS", 0))
WRITERS = {} # name: write(folder, v), which puts version v in place of the older one, and check(folder): all is whole and of one version


def writer(name):
    def add(cls): WRITERS[name] = cls; return cls
    return add


def flat(v, size=(64, 64)): return Image.new("RGB", size, (v % 8 * 32, 0, 0))
def colour(im): im.load(); return round(im.convert("RGB").getpixel((3, 3))[0] / 32)


@writer("picture")
class _:
    def write(f, v): from sdcourse.show import save_png; save_png(flat(v, (300, 200)), f/"a.png", dict(v=v))
    def check(f): from sdcourse.show import read_settings; assert read_settings(f/"a.png")["v"] % 8 == colour(Image.open(f/"a.png"))


@writer("contact sheet")
class _:
    slow = True
    def write(f, v):
        from sdcourse.show import labelled_grid, save_png
        save_png(labelled_grid([flat(v)] * 4, captions=[f"version {v}"] * 4), f/"grid.png", dict(mode="grid", v=v))
    def check(f): from sdcourse.show import read_settings; Image.open(f/"grid.png").load(); assert read_settings(f/"grid.png")["mode"] == "grid"


@writer("picture under a free name")
class _:
    def write(f, v): from sdcourse.commands import keep_png; im = flat(v); im.info["sdcourse"] = dict(v=v); keep_png(im, f/f"a-{v}.png")
    def check(f):
        from sdcourse.show import read_settings
        for p in f.glob("*.png"): assert read_settings(p)["v"] % 8 == colour(Image.open(p))


class Film:
    def write(f, v, suffix=".mp4"): from sdcourse.show import save_gif, save_mp4; (save_mp4 if suffix == ".mp4" else save_gif)([flat(v)] * 3, f/f"film{suffix}")
    def check(f, suffix=".mp4"):
        if suffix == ".gif": im = Image.open(f/"film.gif"); assert im.n_frames == 1 or im.n_frames == 3; colour(im) # equal frames may be one
        else: from sdcourse.motion import video_frames; assert len({colour(im) for im in video_frames(f/"film.mp4")}) == 1 and sum(1 for _ in video_frames(f/"film.mp4")) == 3


WRITERS["film"] = Film


@writer("GIF")
class _:
    slow = True
    def write(f, v): Film.write(f, v, ".gif")
    def check(f): Film.check(f, ".gif")


@writer("jobs")
class _:
    def write(f, v): from sdcourse.jobs import write_jobs; write_jobs([dict(mode="img2img", prompt="a fox", image=flat(v), strength=1., seed=v, model="m" * 200)] * 4, f/"jobs.jsonl")
    def check(f):
        from sdcourse.jobs import read_jobs
        rows = read_jobs(f/"jobs.jsonl"); assert len(rows) == 4 and len({r["seed"] for r in rows}) == 1 and colour(Image.open(f/rows[0]["image"]["file"])) == rows[0]["seed"] % 8
        for p in (f/"inputs").glob("*.png"): Image.open(p).load()


@writer("job pictures")
class _:
    slow = True
    def write(f, v): from sdcourse.jobs import run_jobs, write_jobs; rows = [dict(prompt="a fox", seed=2 * v + k, num_inference_steps=1) for k in (0, 1)]; list(run_jobs(write_jobs(rows, f/"jobs.jsonl"), f/"out", pipe=pipe()))
    def check(f):
        from sdcourse.show import read_settings
        for p in (f/"out").glob("*.png"): assert read_settings(p)["seed"] >= 0


@writer("dream")
class _:
    slow = True
    def write(f, v): from sdcourse.dreams import save_dream; save_dream(pipe(), ["a fox", "an owl"], f/"dream", seed=v, frames=2, num_inference_steps=1, overwrite=True)
    def check(f):
        from sdcourse.show import read_settings
        for p in (f/"dream").glob("*.png"): assert read_settings(p)["mode"] == "dream"


@writer("animation")
class _:
    slow = True
    def write(f, v):
        from sdcourse.animation import animate
        for p in (f/"film").glob("*.png"): p.unlink() # else nothing is left to do
        list(animate(pipe(), "a fox", frames=2, image=flat(3), strength=0, zoom=1.1, seed=1, out=f/"film"))
    def check(f):
        from sdcourse.show import read_settings
        for p in (f/"film").glob("*.json"): json.loads(p.read_text())
        for p in (f/"film").glob("*.png"): Image.open(p).load(); assert p.name == "schedules.png" or read_settings(p)["mode"] == "animate"


@writer("checkpoint of fit")
class _:
    def write(f, v):
        from sdcourse.files import read_state
        from sdcourse.train_pocket import fit
        i = (read_state(f/"ck.safetensors") or dict(i=0))["i"]
        w = torch.nn.Parameter(torch.ones(5000)); list(fit(f/"ck.safetensors", {}, [w], lambda i: (w.square().sum(), {}), lr=.1, steps=i + 1))
    def check(f): from sdcourse.files import read_state; assert read_state(f/"ck.safetensors")["i"] >= 1


@writer("checkpoint of finetune")
class _:
    def write(f, v):
        from types import SimpleNamespace
        from sdcourse.tune.train import SAME, _write
        p = torch.nn.Parameter(torch.full((3000,), float(v))); opt = torch.optim.AdamW([p]); p.sum().backward(); opt.step()
        _write(SimpleNamespace(out=f/"run", keep=2, steps=9, **dict.fromkeys(SAME)), dict(p=p), opt, None, torch.amp.GradScaler("cpu", enabled=False), v, 0.)
    def check(f):
        from safetensors.torch import load_file
        from sdcourse.tune.train import _checkpoints, _crc, _note
        assert _checkpoints(f/"run")
        for p in _checkpoints(f/"run"): assert _crc(load_file(p)) == _note(p)["crc"]


@writer("model folder")
class _:
    def write(f, v):
        from sdcourse.core import atomic_folder, write_manifest
        with atomic_folder(f/"model") as m:
            for name in ("unet", "vae"): (m/name).mkdir(); (m/name/"config.json").write_text(f"{v}" * 100)
            write_manifest(m)
    def check(f): from sdcourse.models import verify; verify(f/"model"); assert (f/"model/unet/config.json").read_text() == (f/"model/vae/config.json").read_text()


@writer("learnt word")
class _:
    slow = True
    def write(f, v):
        from sdcourse.tune.train import save_trained
        p = pipe()
        if "<imp>" not in p.tokenizer.get_vocab(): p.tokenizer.add_tokens("<imp>"); p.text_encoder.resize_token_embeddings(len(p.tokenizer), mean_resizing=False)
        save_trained(p, f/"trained", "inversion", token="<imp>")
    def check(f): from sdcourse.tune.train import trained_hash; assert trained_hash(f/"trained")


@writer("cache of pictures")
class _:
    def write(f, v):
        import fastdownload
        from sdcourse.redraw import open_picture
        def download_url(url, dest, **kw): from io import BytesIO; flat(v, (200, 200)).save(b := BytesIO(), "PNG"); h = open(dest, "wb"); h.write(b.getvalue()[:99]); h.flush(); h.write(b.getvalue()[99:]); h.close()
        was, fastdownload.download_url = fastdownload.download_url, download_url
        try: open_picture(f"http://example.org/{v}.png", cache=f)
        finally: fastdownload.download_url = was
    def check(f):
        for p in f.iterdir(): p.name.startswith(".") or Image.open(p).load()


@writer("handout")
class _:
    slow = True
    def write(f, v):
        from sdcourse.cli import handout
        handout(f/f"class-{v}", ["22_guidance"]) if not (f/f"class-{v}").exists() else None
    def check(f):
        for d in f.iterdir():
            if d.name.startswith("."): continue
            assert sorted(p.name for p in d.iterdir()) == ["exercises", "solutions", "teacher.md"]
            for p in d.rglob("*.ipynb"): json.loads(p.read_text())


@writer("lessons")
class _:
    slow = True
    def write(f, v):
        from sdcourse.cli import copy_lessons
        for p in sorted((f/"lessons").glob("*.ipynb"))[:5]: p.unlink()
        assert {w for _, w in copy_lessons(f/"lessons")} <= {"new", "same"}
    def check(f):
        for p in (f/"lessons").glob("*.ipynb"): json.loads(p.read_text())


@writer("settings and losses of a training")
class _:
    def write(f, v):
        from types import SimpleNamespace
        from sdcourse.finetuning import _Log, _remember
        _remember(f/"t", dict(v=v, text="x" * 200)); log = _Log(f/"t"/"losses.csv"); log.add(SimpleNamespace(step=v + 9, loss=1., lr=.1, seconds=1.)); log.close()
    def check(f):
        assert json.loads((f/"t/settings.json").read_text())["options"]["v"] >= 0; head, *rows = (f/"t/losses.csv").read_text().splitlines()
        assert head == "step,loss,lr,seconds" and all(r.count(",") == 3 for r in rows)


_pipe = None
def pipe():
    "The model in small, loaded once in a process and kept over forks."
    global _pipe
    if _pipe is None: import tempfile; from sdcourse.models import load; _pipe = load(tiny.save(tempfile.mkdtemp()), device="cpu")
    return _pipe


def litter(f): return [p for p in Path(f).rglob(".*") if p.name != ".sdcourse.json"]


def killed_everywhere(name, f, most=400):
    "A process for each act on the disk of a write, killed just before it: how many there are."
    w = WRITERS[name]; f.mkdir(); w.write(f, 0); w.check(f)
    for k in range(most):
        if not (pid := os.fork()):
            seen = 0
            def act(event, args):
                nonlocal seen
                if event in ACTS and (event != "open" or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)): # to read changes nothing
                    if seen == k: os.kill(os.getpid(), 9)
                    seen += 1
            try: sys.addaudithook(act); w.write(f, k + 1)
            except BaseException: import traceback; traceback.print_exc(); os._exit(1)
            os._exit(0)
        code = os.waitpid(pid, 0)[1]; assert not os.WIFEXITED(code) or os.WEXITSTATUS(code) == 0, f"{name}: the writer itself failed at act {k}"
        w.check(f)
        if os.WIFEXITED(code): break
    w.write(f, k + 2); w.check(f); assert not litter(f), f"{name}: {litter(f)} is left after the next write"
    return k


ACTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.truncate", "shutil.rmtree", "tempfile.mkdtemp", "fcntl.flock", "subprocess.Popen")


def killed_at_random(name, f, kills, rng):
    "A process that does nothing but write, killed at some moment of it."
    import time
    w = WRITERS[name]; f.mkdir(); w.write(f, 0); begin = time.time(); w.write(f, 1); span = time.time() - begin; w.check(f)
    for k in range(kills):
        if not (pid := os.fork()):
            v = 1000 * (k + 1)
            try:
                while True: v += 1; w.write(f, v)
            except BaseException: import traceback; traceback.print_exc(); os._exit(1)
        time.sleep(rng.uniform(0, 3) * span); os.kill(pid, 9); code = os.waitpid(pid, 0)[1]; assert os.WIFSIGNALED(code), f"{name}: the writer itself failed"
        w.check(f)
    w.write(f, 10**6); w.check(f); assert not litter(f), f"{name}: {litter(f)} is left after the next write"


def full_disk(name, f, limit):
    "What a write says that has no room, and whether all is as it was."
    import resource, signal
    w = WRITERS[name]; f.mkdir(); w.write(f, 0); w.check(f); was = {p: p.read_bytes() for p in f.rglob("*") if p.is_file() and p.name != "losses.csv"}
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try: w.write(f, 1); said = "nothing"
    except OSError as e: said = str(e)
    finally: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    w.check(f); assert not litter(f), litter(f); assert all(p.read_bytes() == b for p, b in was.items() if p.exists() or name not in ("animation", "lessons")) # where the writer above removes some itself
    w.write(f, 2); w.check(f)
    return said


CHILD = """import random, sys; sys.path.insert(0, "tests")
from test_faults_writers import *
torch.set_num_threads(1); warnings.simplefilter("ignore"); top, many, hows = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]; kills = many or len(WRITERS); rng = random.Random(0)
for k, (name, w) in enumerate(WRITERS.items()):
    if "acts" in hows and (many or not hasattr(w, "slow")): print("ACTS", killed_everywhere(name, top/f"acts{k}"), name, flush=True)
    if "random" in hows: n = kills // len(WRITERS) + (k < kills % len(WRITERS)); killed_at_random(name, top/f"random{k}", n, rng); print("KILLED", n, name, flush=True)
    if "full" in hows: print("FULL", full_disk(name, top/f"full{k}", 64), "|", name, flush=True)"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    "What a process said that has tried all writers, killed and without room; it stops at the first thing that is not whole."
    lines = python(CHILD, tmp_path_factory.mktemp("writers"), KILLS, "acts", "random", "full", timeout=3600).splitlines()
    return lambda word: [l.removeprefix(word + " ") for l in lines if l.startswith(word + " ")]


def test_killed_at_every_act(said, record_property):
    "SIGKILL before every act on the disk of each writer: what has its final name is whole, and the next write tidies up. (By default of the quick ones; with SDCOURSE_KILLS of all.)"
    acts = {name: int(n) for n, name in (l.split(" ", 1) for l in said("ACTS"))}
    record_property("acts", sum(acts.values())); record_property("writers of acts", len(acts))
    assert set(acts) >= {k for k, w in WRITERS.items() if not hasattr(w, "slow")} and min(acts.values()) >= 10, acts


def test_killed_at_random(said, record_property):
    "SIGKILL at random moments, in the middle of a write's bytes too. 200 kills over 17 writers: none left a broken file."
    record_property("killed", n := sum(int(l.split()[0]) for l in said("KILLED"))); record_property("writers", len(WRITERS))
    assert n == (KILLS or len(WRITERS))


def test_full_disk(said, record_property):
    "No room for more than 64 bytes in a file: an error that says so, names the file and the remedy; older files as they were, and nothing left behind."
    texts = {name: text for text, name in (l.split(" | ") for l in said("FULL"))}
    record_property("full", len(texts))
    assert texts.keys() == WRITERS.keys()
    for name, text in texts.items(): assert ("no room to write" in text or "could not" in text) and ("make room" in text or "Is there room" in text), (name, text)


def test_writers_side_by_side(tmp_path):
    "Four processes write into one folder as fast as they can: none meets another's comings and goings in `.writing`."
    python("""import os, sys, traceback
from pathlib import Path
from sdcourse.core import atomic, tidy
def write(k):
    try:
        for i in range(500):
            with atomic(Path(sys.argv[1])/f"{k}-{i}.txt") as tmp: tmp.write_text("whole")
            tidy(sys.argv[1])
        return 0
    except BaseException: traceback.print_exc(); return 1
pids = []
for k in range(4):
    if not (pid := os.fork()): os._exit(write(k))
    pids.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in pids]; sys.exit(max(map(os.waitstatus_to_exitcode, codes)))""", tmp_path)
    assert [p.name for p in tmp_path.glob(".*")] == [] and {p.read_text() for p in tmp_path.iterdir()} == {"whole"} and len([*tmp_path.iterdir()]) == 2000
