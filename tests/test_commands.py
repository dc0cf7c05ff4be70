"The commands of the modes on two steps each: files, recipes, JSON, bad input, two processes, and what is left when a run is stopped or killed."
import json, os, shutil, signal, subprocess, sys, time
from pathlib import Path
import pytest
from conftest import ENV, python, run
from PIL import Image

FAST = ("--steps", "2", "--quiet")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    "A folder to work in, with a few input pictures, for all tests of this file."
    top, was = tmp_path_factory.mktemp("commands"), os.getcwd(); os.chdir(top)
    Image.linear_gradient("L").resize((100, 80)).convert("RGB").save("photo.png")
    mask = Image.new("L", (64, 64)); mask.paste(255, (16, 16, 48, 48)); mask.save("mask.png"); Path("text.png").write_text("no picture")
    yield top
    os.chdir(was)


@pytest.fixture(scope="module")
def loaded():
    "The model's files are read once, not once for each command."
    import sdcourse.models as m
    from functools import lru_cache
    was = m._from_pretrained; m._from_pretrained = lru_cache(was)
    yield m._from_pretrained
    m._from_pretrained = was


@pytest.fixture
def sd(here, loaded):
    "Run a command in this process: (lines of stdout, stderr)."
    from click.testing import CliRunner
    from sdcourse.cli import main
    def sd(*args, code=0):
        r = CliRunner().invoke(main, [str(a) for a in args])
        assert r.exit_code == code, f"sdcourse {' '.join(map(str, args))}: exit code {r.exit_code}\n{r.stdout}\n{r.stderr}\n{r.exception!r}"
        return r.stdout.splitlines(), r.stderr
    return sd


def recipe(path):
    from sdcourse.show import read_settings
    return read_settings(path)


def whole(folder):
    "Every picture of a folder opens, carries a recipe, and nothing half written lies beside it."
    for p in Path(folder).rglob("*"):
        assert not p.name.startswith("."), f"{p} was left behind"
        if p.suffix != ".png" or p.name in ("photo.png", "mask.png", "text.png", "schedules.png") or p.parent.name == "inputs": continue
        with Image.open(p) as im: im.load(); assert im.text["parameters"] is not None and recipe(p)["mode"]


# One mode after the other

def test_img2img(sd):
    out, said = sd("img2img", "photo.png", "a red fox, 3d render style", "--strength", 1, "--seed", 3, "--n", 3, "--batch-size", 2, "--out", "redrawn", *FAST)
    assert out == [f"redrawn/a-red-fox-3d-render-style-{s}.png" for s in (3, 4, 5)] and said == "photo.png: 100x80 brought to 64x64 by --fit crop\n"
    r = recipe(out[2]); assert (r["mode"], r["seed"], r["strength"], r["num_inference_steps"], r["image"]["size"]) == ("img2img", 5, 1, 2, [64, 64])
    line, = sd("img2img", "photo.png", "a fox", "--strength", 1, "--seed", 3, "--out", "one.png", "--fit", "pad", "--width", 96, "--json", "--steps", 2)[0]
    d = json.loads(line); assert (d["path"], d["seed"], d["settings"]["width"], d["settings"]["height"]) == ("one.png", 3, 96, 64) and "png" not in d["settings"]["image"]
    assert Image.open("one.png").size == (96, 64)
    _, said = sd("img2img", "house", "a house", "--strength", 1, *FAST, "--out", "picked.png")
    assert said == f"seed {recipe('picked.png')['seed']}: again with --seed {recipe('picked.png')['seed']}\n"


def test_low_memory_draws_the_same(sd, loaded):
    from sdcourse.sampling import max_difference
    (a,), _ = sd("img2img", "fox", "an owl", "--strength", 1, "--seed", 3, "--out", "full.png", *FAST); (b,), _ = sd("img2img", "fox", "an owl", "--strength", 1, "--seed", 3, "--low-memory", "--out", "low.png", *FAST)
    loaded.cache_clear() # it stays in slices
    assert max_difference([Image.open(a)], [Image.open(b)]) <= 1 and recipe(b)["machine"]["attention"] != recipe(a)["machine"]["attention"]


def test_inpaint(sd):
    import numpy as np
    (a,), said = sd("inpaint", "fox", "mask.png", "a strawberry, pixel art style", "--seed", 3, "--out", "painted.png", *FAST)
    from sdcourse.redraw import open_picture
    d = np.abs(np.asarray(Image.open(a)).astype(int) - np.asarray(open_picture("fox"))).max(2); assert d[:12].max() == 0 == d[52:].max() and d[24:40, 24:40].max() > 20
    assert "a mask must have the size" in sd("inpaint", "photo.png", "mask.png", "a fox", code=2)[1]


def test_what_is_padded_is_not_painted(sd):
    import numpy as np
    from sdcourse.record import unpack
    Path("inputs").mkdir(); Image.new("RGB", (128, 64), (200, 30, 30)).save("inputs/wide.png"); hole = Image.new("L", (128, 64)); hole.paste(255, (50, 20, 70, 40)); hole.save("inputs/wide-mask.png"); white = {}
    for fit in ("crop", "pad"):
        (p,), _ = sd("inpaint", "inputs/wide.png", "inputs/wide-mask.png", "a hat", "--seed", 3, "--fit", fit, "--out", f"fit-{fit}.png", *FAST); white[fit] = (np.asarray(unpack(recipe(p)["mask"]).convert("L")) > 127).mean()
    a = np.asarray(Image.open(p)); assert 0 < white["pad"] <= white["crop"] and (a[:14] == 255).all() and (a[-14:] == 255).all() and a[24:40].std() > 5


def test_chain(sd):
    out, _ = sd("chain", "fox", "a fox, pencil sketch style", "a fox, 3d render style", "--strength", 1, "--seed", 3, "--n", 2, "--out", "chain", *FAST)
    assert len(out) == 7 and out[-1] == "chain/tree.png" and out[2] == "chain/02-a-fox-3d-render-style-5.png"
    assert recipe(out[2])["parent"]["seed"] == 3 and "each of which has a recipe" in sd("replay", out[-1], code=2)[1]


def test_dream(sd):
    say = ("dream", "a fox", "an owl", "--seed", 18, "--frames", 3, "--batch-size", 2, "--out", "dream", *FAST)
    out, _ = sd(*say); assert out == [*(f"dream/frame-0000{k}.png" for k in range(3)), "dream/film.mp4"] and Path(out[-1]).stat().st_size > 500
    was = [Path(p).stat().st_mtime_ns for p in out[:3]]; again, _ = sd(*say, "--json", "--film", "none")
    assert [Path(p).stat().st_mtime_ns for p in out[:3]] == was and [json.loads(l)["path"] for l in again] == out[:3]
    assert "was made otherwise (seed" in sd("dream", "a fox", "an owl", "--seed", 19, "--frames", 3, "--out", "dream", *FAST, code=1)[1]
    assert "one waypoint" in sd("dream", "a fox", "--seed", 1, "--out", "nothing", *FAST, code=2)[1]


def test_a_dream_without_a_seed_goes_on(sd):
    say = ("dream", "a fox", "an owl", "--frames", 3, "--film", "none", "--out", "unseeded", *FAST); out, said = sd(*say); was = [Path(p).read_bytes() for p in out]; Path(out[2]).unlink()
    again, told = sd(*say); assert told == said and [Path(p).read_bytes() for p in again[:2]] == was[:2] and recipe(again[2])["seed"] == recipe(again[0])["seed"]
    assert "or --overwrite" in sd("dream", "a fox", "a cat", "--frames", 3, "--out", "unseeded", *FAST, code=1)[1]


def test_animate(sd):
    out, _ = sd("animate", "0: a castle; 1: a house", "--frames", 3, "--zoom", 1.04, "--angle", "0:(2), 2:(-2)", "--strength", 1, "--seed", 1, "--film", "gif", "--out", "animated", *FAST)
    assert out == [*(f"animated/0000{k}.png" for k in range(3)), "animated/film.gif"] and json.loads(Path("animated/settings.json").read_text())["zoom"] == 1.04 and Path("animated/schedules.png").is_file()
    again, _ = sd("animate", "--settings", "animated/settings.json", "--frames", 2, "--film", "none", "--out", "again", "--quiet")
    assert [Image.open(p).tobytes() for p in again] == [Image.open(p).tobytes() for p in out[:2]] # the option beside the file wins, the rest is the file's
    Path("bad.json").write_text('{"prompts": "a fox", "zom": 1}'); assert "did you mean zoom?" in sd("animate", "--settings", "bad.json", code=2)[1]
    assert "column" in sd("animate", "a fox", "--zoom", "0:(import os)", "--out", "nothing", *FAST, code=2)[1] and "give a PROMPT" in sd("animate", code=2)[1]


def test_slideshow(sd):
    (film,), _ = sd("slideshow", "photo.png", "mask.png", "--fit", "pad", "--hold", "0.5,1", "--fade", 0.2, "--fps", 10, "--out", "show.gif")
    assert film == "show.gif" and Image.open(film).n_frames == 5 + 2 + 10 and Image.open(film).size == (100, 80)
    Path("slides/inputs").mkdir(parents=True)
    for k in range(3): Image.new("RGB", (64, 64), (80 * k, 0, 0)).save(f"slides/inputs/{k}.png")
    (line,), _ = sd("slideshow", "slides/inputs", "--out", "shows", "--fps", 4, "--json"); assert json.loads(line) == dict(path="shows/slideshow.mp4", frames=24, fps=4)
    assert "give fit=" in sd("slideshow", "photo.png", "mask.png", code=2)[1] and not Path("slideshow.mp4").exists()


def test_sweep(sd):
    out, _ = sd("sweep", "a fox", "an owl", "--guidance", "1,5", "--seed", "1-3", "--steps", 2, "--out", "sweep", "-q")
    assert len(out) == 13 and out[-1] == "sweep/grid.png" and len({*out}) == 13
    kept = {p: Path(p).stat().st_mtime_ns for p in out[:-1]}
    more, said = sd("sweep", "a fox", "an owl", "--guidance", "1,5,9", "--seed", "1-3", "--steps", 2, "--out", "sweep", "-q")
    assert len(more) == 7 and "12 of 18 pictures are there already" in said and all(Path(p).stat().st_mtime_ns == t for p, t in kept.items()) # with more values only what is new
    out, _ = sd("sweep", "a fox", "--image", "house", "--strength", "0.5,1", "--seed", 1, "--steps", 2, "--out", "sweep-2", "-q", "--json")
    assert [json.loads(l)["settings"].get("strength") for l in out] == [.5, 1, None]
    assert sd("jobs", "sweep-2/jobs.jsonl")[0] == []


def test_every_picture_of_every_mode_comes_back(sd, here, loaded):
    "Those of the tests above; where one of them was not run, it is run now."
    for made, test in dict(redrawn=test_img2img, chain=test_chain, dream=test_dream, animated=test_animate, sweep=test_sweep).items(): Path(made).exists() or test(sd)
    Path("low.png").exists() or test_low_memory_draws_the_same(sd, loaded); Path("painted.png").exists() or test_inpaint(sd)
    whole(here)
    for mode, files in dict(img2img=["redrawn/a-red-fox-3d-render-style-4.png", "low.png", "chain/02-a-fox-3d-render-style-6.png"], inpaint=["painted.png"], dream=["dream/frame-00001.png"], animate=["animated/00002.png"],
                            txt2img=[next(p for p in map(str, sorted(Path("sweep").glob("*.png"))) if "grid" not in p)]).items():
        for p in files:
            assert recipe(p)["mode"] == mode
            out, said = sd("replay", p, "--json", "--out", "replayed", *(["--quick"] if p == "low.png" else [])); d = json.loads(out[0])
            if p == "low.png": assert d["most"] <= 1 and "attention" in d["causes"] # drawn in slices then, and not now
            else: assert d["same"] and d["text"] == "the same, byte for byte", f"{p}: {d['text']}"
    assert sd("replay", "dream/frame-00001.png", "--check")[1] == "frame-00001.png: the same, byte for byte\n"
    assert "carries no sdcourse settings" in sd("replay", "photo.png", code=2)[1]
    table, _ = sd("history", "chain"); assert "made from" in table[1]
    assert len(sd("history", "dream", "--json")[0]) == 3


def test_replay_writes_where_it_is_told(sd):
    (p,), _ = sd("txt2img", "a fox", "--seed", 1, "--out", "again.png", *FAST)
    assert "--out must be a folder" in sd("replay", p, "--out", "b.png", code=2)[1] and not Path("b.png").exists()
    sd("replay", p, "--out", "never-made", "--check"); assert not Path("never-made").exists()


@pytest.mark.parametrize("entry,says", [(dict(seed=...), "does not say the seed"), (dict(num_inference_steps=...), "does not say the num_inference_steps"), (dict(versions="abc"), "versions='abc'"), (dict(versions=None), "versions=None"), (dict(versions=["a"]), "versions=['a']"),
                                        (dict(machine="x"), "machine='x'"), (dict(added="x"), "added='x'"), (dict(added={"a": 1}), "added={'a': 1}"), (dict(added=[5]), "added=[5]"), (dict(added=[dict(kind="lora", sha256="x", weight="w")]), "w"), (dict(batch=[1]), "batch")], ids=str)
def test_a_damaged_recipe_is_said_before_anything_is_drawn(sd, monkeypatch, entry, says):
    from sdcourse.show import save_png
    if not Path("whole.png").exists(): sd("txt2img", "a fox", "--seed", 1, "--out", "whole.png", *FAST)
    new = {k: v for k, v in (recipe("whole.png") | entry).items() if v is not ...}; save_png(Image.open("whole.png"), "hurt.png", new)
    import sdcourse; from functools import wraps; monkeypatch.setattr(sdcourse, "txt2img", wraps(sdcourse.txt2img)(lambda *_, **__: pytest.fail("it was drawn")))
    said = sd("replay", "hurt.png", "--check", *(["--lora", "creatures"] if entry.get("added") else []), code=2)[1]; assert says in said and ("damaged" in said or "weight" in said or "hurt.png" in said), said


def test_history_passes_no_picture_over(sd):
    from sdcourse.show import save_png
    Path("album").mkdir(); im = Image.new("RGB", (8, 8)); save_png(im, "album/b.png", dict(mode="txt2img", versions="abc")); save_png(im, "album/c.png", dict(mode="txt2img", image=dict(kind="tensor", shape=5))); save_png(im, "album/a.png", dict(mode="txt2img", prompt="x"))
    os.rename("album/a.png", "album/A.PNG"); rows = [json.loads(l) for l in sd("history", "album", "--json")[0]]
    assert {r["file"]: r["mode"] for r in rows} == {"A.PNG": "txt2img", "b.png": "damaged recipe", "c.png": "txt2img"} and "b.png" in "".join(sd("history", "album")[0])


def test_files_of_somebody_else_stay(sd):
    for name in ("film", "sheet", "list", "moved"): Path(f"mine/{name}").mkdir(parents=True)
    for name in ("film/film.mp4", "sheet/grid.png", "list/jobs.jsonl", "moved/film.mp4", "own.mp4"): Path("mine", name).write_text("holiday")
    dream = ("dream", "a fox", "an owl", "--seed", 1, "--frames", 2, "--out", "mine/film", *FAST); sweep = ("sweep", "a fox", "--seed", 1, "--steps", 2, "-q", "--out")
    for say, name in ((dream, "film/film.mp4"), ((*sweep, "mine/sheet"), "sheet/grid.png"), ((*sweep, "mine/list"), "list/jobs.jsonl"), (("animate", "a fox", "--seed", 1, "--frames", 2, "--out", "mine/moved", *FAST), "moved/film.mp4"), (("slideshow", "photo.png", "--hold", ".2", "--out", "mine/own.mp4", "-q"), "own.mp4")):
        assert Path(name).name in sd(*say, code=1)[1] and Path("mine", name).read_text() == "holiday" and not [*Path("mine", name).parent.glob("frame-*")]
    sd(*dream, "--overwrite"); assert Path("mine/film/film.mp4").stat().st_size > 100; sd(*dream) # and now it is ours
    Path("mine/sheet/grid.png").unlink(); sd(*sweep, "mine/sheet"); sd(*sweep, "mine/sheet")
    sd("slideshow", "photo.png", "--hold", ".2", "--out", "mine/own.mp4", "--overwrite", "-q"); assert Path("mine/own.mp4").stat().st_size > 100


def test_a_slideshow_leaves_itself_out(sd):
    top = Path("loop/inputs"); top.mkdir(parents=True)
    for k in range(2): Image.new("RGB", (64, 64), (90 * k, 0, 0)).save(top/f"{k}.png")
    say = ("slideshow", top, "--hold", ".5", "--out", top/"s.gif", "-q"); sd(*say); n = Image.open(top/"s.gif").n_frames; sd(*say, "--overwrite"); assert Image.open(top/"s.gif").n_frames == n


def test_lessons_may_have_spaces_between(sd): assert len(sd("handout", "spaced", "--lessons", "22_guidance, 30_plane")[0]) == 5


# LoRAs and learnt words

def test_every_command_that_draws_takes_loras_and_words():
    from sdcourse.cli import main
    takes = {name: {p.name for p in c.params} for name, c in main.commands.items() if name != "finetune"}
    draws = {name for name, has in takes.items() if "model" in has}; assert draws == {"txt2img", "img2img", "inpaint", "chain", "dream", "animate", "sweep", "replay"}
    assert not [name for name in draws if not {"lora", "embedding"} <= takes[name]] # `jobs` has them in its rows


@pytest.fixture(scope="module")
def taught(here):
    "A LoRA in a folder of its own, and a learnt word."
    import torch
    from safetensors.torch import save_file
    from sdcourse.models import POCKET
    shutil.copytree(POCKET.parent/"loras"/"kittens", here/"taught"); Path("word").mkdir()
    save_file({"<imp>": torch.randn(1, 128, generator=torch.Generator().manual_seed(0)) / 50}, "word/learned_embeds.safetensors", metadata={"format": "pt"})
    return POCKET.parent/"loras"


@pytest.fixture
def anew(loaded, monkeypatch):
    "A model for each command, for one that a LoRA was put into keeps it."
    import sdcourse.models as m
    monkeypatch.setattr(m, "_from_pretrained", loaded.__wrapped__)


def test_a_sweep_with_a_lora(sd, anew, taught):
    "Its weights as an axis, a word beside it; the pictures say so and come back; a LoRA that was trained on is another job, its copy beside the jobs is not touched."
    say = ("sweep", "a <imp> cat", "--seed", "1,2", "--lora", "taught:0,0.5", "--embedding", "word", "--steps", 2, "-q", "--out", "lora-sweep"); *pngs, grid = sd(*say)[0]
    got = [(a[0]["name"], a[0]["weight"], a[1]["token"]) for a in (recipe(p)["added"] for p in pngs)]; assert got == [("taught", 0, "<imp>")] * 2 + [("taught", .5, "<imp>")] * 2 and len({Image.open(p).tobytes() for p in pngs}) == 4
    for p in pngs[1:3]: assert sd("replay", p, "--lora", "taught", "--embedding", "word", "--check")[1].endswith("the same, byte for byte\n")
    assert "give its folder with --lora" in sd("replay", pngs[0], "--embedding", "word", code=2)[1]
    assert str(Path.cwd()) not in Path("lora-sweep/jobs.jsonl").read_text() and "4 of 4 pictures are there already" in sd(*say)[1]
    shutil.copytree(taught/"blob", "taught", dirs_exist_ok=True); os.remove(pngs[3])
    assert [sd("jobs", "lora-sweep/jobs.jsonl", "-q")[0], sd("replay", pngs[3], "--lora", taught/"kittens", "--embedding", "word", "--check")[1].endswith("byte for byte\n")] == [[pngs[3]], True]
    new, said = sd(*say); assert "already" not in said and not {*new} & {*pngs} and len(new) == 5
    Path("by-hand.jsonl").write_text(json.dumps(dict(prompt="a cat", seed=1, num_inference_steps=2, lora=[f"{taught}/kittens:0.5", f"{taught}/blob"])) + "\n")
    (p,), _ = sd("jobs", "by-hand.jsonl", "--low-memory", "--out", "by-hand", "-q"); assert [(a["name"], a["weight"]) for a in recipe(p)["added"]] == [("kittens", .5), ("blob", 1)] and recipe(p)["machine"]["attention"] == "SlicedAttnProcessor"


def test_python_sweeps_name_the_lora_of_the_pipe(anew, taught):
    from sdcourse.models import load
    from sdcourse.sweeps import sweep
    from sdcourse.tune.train import load_trained
    pipe = load("pocket"); load_trained(pipe, taught/"blob"); pipe.set_adapters("default", .3)
    assert {(a["name"], a["weight"]) for im in sweep(pipe, "a cat", seed=[1, 2], num_inference_steps=1).pictures for a in im.info["sdcourse"]["added"]} == {("blob", .3)}


@pytest.mark.parametrize("begin,says", [(("dream", "a fox", "an owl"), "was made otherwise (added"), (("animate", "a fox"), "added is [{'kind': 'lora'")])
def test_a_film_goes_on_with_the_same_lora_only(sd, anew, taught, begin, says):
    say = (*begin, "--frames", 2, "--seed", 1, "--film", "none", "--out", f"lora-{begin[0]}", *FAST); first, _ = sd(*say, "--lora", f"{taught}/blob:0.5"); Path(first[1]).unlink()
    assert says in sd(*say, "--lora", f"{taught}/blob", code=2 if begin[0] == "animate" else 1)[1] and sd(*say, "--lora", f"{taught}/blob:0.5")[0] == first
    assert sd("replay", first[1], "--lora", taught/"blob", "--check")[1].endswith("byte for byte\n")
    if begin[0] == "animate": assert "drawn with the LoRA blob" in sd("animate", "--settings", "lora-animate/settings.json", "--out", "other", code=2)[1]


BAD = [ # arguments, what is said
    (["sweep", "a", "--lora", "nowhere:0,1"], "no folder nowhere"), (["sweep", "a", "--lora", "lcm:1,x"], "the weight of the LoRA lcm must be a number, got 'x'"), (["sweep", "a", "--embedding", "nowhere"], "no folder nowhere"),
    (["img2img", "nowhere.png", "a fox"], "no picture 'nowhere.png'"), (["img2img", "text.png", "a fox"], "no picture that is read here"), (["img2img", "fox", "a fox", "--strength", "1.5"], "between 0"),
    (["img2img", "fox", "a fox", "--strength", "0"], "strength 0"), (["img2img", "fox", "a fox", "--out", "fox.jpg"], "name it fox.png"), (["img2img", "fox", "a fox", "--seed", "-1"], "between 0 and"),
    (["img2img", "fox", "a fox", "--width", "65"], "nearest are 64 and 68"), (["img2img", "fox", "a fox", "--fit", "squeeze"], "'squeeze'"), (["img2img", "fox", "a fox", "--model", "pockett"], "did you mean 'pocket'"),
    (["img2img", "fox"], "Missing argument"), (["dream"], "Missing argument"), (["dream", "a", "b", "--frames", "0"], "0 is not in the range"), (["dream", "a", "b", "--seed", "x"], "'x' is no whole number"),
    (["dream", "a", "b", "--out", "a.png"], "--out must be a folder"), (["sweep", "a", "--guidance", "1,two"], "'two' is no number"), (["sweep", "a", "--strength", "0.5"], "needs --image"), (["sweep", "a", "--seed", "1", "--scheduler", "ddim,eulr"], "did you mean 'euler'"),
    (["animate", "a", "--zoom", "-1", "--seed", "1"], "zoom must be above 0"), (["animate", "a", "--mode", "4D"], "'4D'"), (["replay", "nowhere.png"], "does not exist"), (["history", "nowhere"], "does not exist"),
    (["slideshow", "text.png"], "text.png"), (["slideshow", "photo.png", "--out", "a.avi"], "ends in .mp4 or .gif"), (["slideshow", "photo.png", "--width", "64"], "both --height and --width"), (["jobs", "bad.jsonl"], "line 1"),
    (["img2img", "fox", "a fox", "--device", "tpu"], "unknown device"), (["inpaint", "fox", "a fox"], "Missing argument"), (["chain", "fox"], "Missing argument"),
    (["sweep", "a", "--seed", "1", "--out", "foo.PNG"], "--out must be a folder"), (["sweep", "a", "--seed", "1", "--out", "~/no-such.png"], "--out must be a folder"), (["dream", "a", "b", "--out", "my.mp4"], "--out must be a folder"), (["chain", "fox", "a", "--out", "a.GIF"], "--out must be a folder"),
    (["img2img", "fox", "a fox", "--out", "fox.mp4"], "name it fox.png, not fox.mp4"), (["img2img", "fox", "a fox", "--out", "fox.avif"], "name it fox.png"), (["img2img", "fox", "a fox", "--out", "~nosuchuser/x"], "no user"), (["slideshow", "photo.png", "--out", "~nosuchuser/x.mp4"], "no user"),
    (["sweep", "a", "--image="], "--image is empty: leave it out, or name a picture"), (["animate", "a", "--image", ""], "--image is empty"), (["img2img", "fox", "a", "--lora="], "--lora is empty: leave it out, or name a LoRA"), (["img2img", "fox", "a", "--model="], "--model is empty"), (["sweep", "a", "--scheduler="], "--scheduler is empty"),
    (["txt2img", "a", "--device="], "--device is empty"), (["handout", "h", "--lessons", ""], "--lessons is empty"), (["lab", "", "--no-open"], "FOLDER is empty"), (["img2img", "", "a"], "IMAGE is empty"),
    (["sweep", "a", "--seed", "1-2,9-5"], "9-5 goes backwards: write 5-9"), (["sweep", "a", "--seed", "1-1000000000"], "at most 10000"),
    (["jobs", "empty.jsonl"], "empty.jsonl holds no jobs"), (["jobs", "latin.jsonl"], "latin.jsonl"), (["animate", "--settings", "broken.json"], "broken.json: no JSON"), (["animate", "--settings", "latin.jsonl"], "latin.jsonl: no JSON"),
    (["animate", "--settings", "prompts.json", "--out", "never"], "prompts.json: prompts=5"), (["animate", "--settings", "list.json", "--out", "never"], "list.json: prompts=[5]"), (["animate", "--settings", "added.json", "--out", "never"], "added.json: added=5"), (["animate", "a", "--out", "tuned"], "is of no animation"),
    (["img2img", "fox", "a", "--lora", "creatures:abc"], "the weight of the LoRA creatures must be a number, got 'abc'"), (["img2img", "fox", "a", "--lora", "creatures:1e30"], "got 1e30"),
    (["dream", "a", "b", "--film", "gif", "--fps", "60", "--seed", "1", "--frames", "2"], "fps of a GIF is at most 50"), (["animate", "a", "--film", "gif", "--fps", "60", "--seed", "1", "--frames", "2"], "fps of a GIF is at most 50"), (["dream", "a", "b", "--fps", "0"], "fps must be"),
    (["slides", "--out", "text.png", "22_guidance"], "text.png is not a folder"), (["lab", "lf", "--no-open"], "10_prompts.ipynb is a folder"),
]


@pytest.mark.parametrize("args,says", BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_is_one_line_and_writes_nothing(here, args, says):
    from click.testing import CliRunner
    from sdcourse.cli import main
    Path("bad.jsonl").write_text('{"prompt": "a"}\n'); Path("empty.jsonl").write_text("\n"); Path("latin.jsonl").write_bytes('{"prompt": "f\xfcchs", "seed": 1}'.encode("latin-1")); Path("broken.json").write_text("{bad")
    for name, v in dict(prompts=dict(prompts=5), list=dict(prompts=[5]), added=dict(prompts="a", added=5)).items(): Path(f"{name}.json").write_text(json.dumps(v | dict(frames=2, seed=1)))
    for name in ("tuned", "lf/10_prompts.ipynb"): Path(name).mkdir(parents=True, exist_ok=True)
    Path("tuned/settings.json").write_text('{"options": {}}'); before = {*here.rglob("*.png"), *here.rglob("*.mp4")}
    r = CliRunner().invoke(main, args)
    last = r.stderr.strip().splitlines()[-1]
    assert r.exit_code in (1, 2) and r.stdout == "" and last.startswith("Error: ") and says in last and "Traceback" not in r.stderr, (r.exit_code, r.stderr)
    assert {*here.rglob("*.png"), *here.rglob("*.mp4")} == before
    if "--out" in args and Path(to := args[args.index("--out") + 1]).suffix: assert not Path(to).is_dir()


# Processes

def start(*args, cwd): return subprocess.Popen([sys.executable, "-m", "sdcourse.cli", *map(str, args)], cwd=cwd, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pictures(folder): return sorted(p for p in Path(folder).glob("*.png") if not p.name.startswith("."))


def test_stopped_in_good_order(sd, tmp_path):
    "Ctrl-C and `kill` in mid-run: exit code 130, one line, every file whole; the next call does the rest."
    asked = {signal.SIGINT: ("sweep", "a fox", "--seed", "1-16", "--guidance", "3", "--batch-size", 2), signal.SIGTERM: ("dream", "a fox", "an owl", "--frames", 16, "--seed", 3, "--batch-size", 2)}
    runs, end = {sig: start(*args, "--steps", 8, "--quiet", "--out", tmp_path/sig.name, cwd=tmp_path) for sig, args in asked.items()}, time.time() + 300
    waiting = {*runs}
    while waiting and time.time() < end:
        for sig in [*waiting]:
            if pictures(tmp_path/sig.name) or runs[sig].poll() is not None: runs[sig].send_signal(sig); waiting.remove(sig)
        time.sleep(.01)
    for sig, p in runs.items():
        folder = tmp_path/sig.name; out, said = p.communicate(timeout=300); n = len(pictures(folder))
        assert p.returncode == 130, (p.returncode, said)
        kept = n + (sig is signal.SIGINT) # a sweep's file of jobs counts, too
        assert said == f"stopped; {kept} finished file{'s are' if kept > 1 else ' is'} kept in {folder}\n"
        assert 0 < n < 16; whole(folder)
        was = {f: f.stat().st_mtime_ns for f in pictures(folder)}
        sd(*asked[sig], "--steps", 8, "--quiet", "--out", folder)
        assert all(f.stat().st_mtime_ns == t for f, t in was.items()) and len(pictures(folder)) == 16 + (sig is signal.SIGINT) # and the grid


def test_as_many_pictures_as_jobs_or_none(tmp_path, monkeypatch):
    import sdcourse
    from functools import wraps
    from sdcourse.jobs import job_rows, run_jobs, write_jobs
    file = write_jobs(job_rows(prompt="a fox", seed=[1, 2], num_inference_steps=1), tmp_path/"jobs.jsonl"); monkeypatch.setattr(sdcourse, "txt2img", wraps(sdcourse.txt2img)(lambda *_, **__: [Image.new("RGB", (8, 8))] * 3))
    with pytest.raises(ValueError, match="3 pictures were drawn for 2 jobs"): list(run_jobs(file))
    assert not pictures(tmp_path)


def test_two_processes_share_a_file_of_jobs(tmp_path):
    "torchrun is only a launcher: the same bytes as one process draws, none drawn twice."
    import torch
    from sdcourse.jobs import job_name, job_rows, run_jobs, write_jobs
    rows = job_rows(prompt=["a fox", "an owl"], seed=range(6), num_inference_steps=2); file = write_jobs(rows, tmp_path/"jobs.jsonl")
    out = run("torchrun", "--standalone", "--nproc_per_node", 2, "-m", "sdcourse.cli", "jobs", file, "--batch-size", 3, "--out", tmp_path/"two", "--json", cwd=tmp_path, env={**ENV, "OMP_NUM_THREADS": "1"})
    drawn = [json.loads(l)["path"] for l in out.splitlines() if l.startswith("{")]
    assert sorted(map(os.path.basename, drawn)) == sorted(map(job_name, rows)) # each once
    n = torch.get_num_threads(); torch.set_num_threads(1)
    try: one = [p for _, p in run_jobs(file, tmp_path/"one", batch_size=3)]
    finally: torch.set_num_threads(n)
    assert len(one) == 12 and all(Image.open(p).tobytes() == Image.open(tmp_path/"two"/p.name).tobytes() for p in one)
    whole(tmp_path/"two")


def test_killed_while_writing(tmp_path):
    "kill -9 in the middle of a picture's bytes: no broken file under a job's name, and the next run does the rest."
    from sdcourse.jobs import job_rows, run_jobs, write_jobs
    file = write_jobs(job_rows(prompt="a fox", seed=range(6), num_inference_steps=1), tmp_path/"jobs.jsonl")
    code = """import os, signal, sys
from PIL import Image
from sdcourse.jobs import run_jobs
save, n = Image.Image.save, 0
def dying(self, path, *a, **k):
    global n; n += 1
    save(self, path, *a, **k)
    if n == 3: os.truncate(path, 700); os.kill(os.getpid(), signal.SIGKILL)
Image.Image.save = dying
for row, path in run_jobs(sys.argv[1], batch_size=2): pass"""
    p = subprocess.run([sys.executable, "-c", code, str(file)], env=ENV, capture_output=True); assert p.returncode == -signal.SIGKILL
    first = pictures(tmp_path); assert len(first) == 2 and len([*tmp_path.glob(".writing/*/*.png")]) == 1; [Image.open(f).load() for f in first]
    assert len(list(run_jobs(file, batch_size=2))) == 4 and len(pictures(tmp_path)) == 6; whole(tmp_path)


def test_help_of_every_command_is_light():
    python("""import sys
from sdcourse.cli import main
for name in ["--help", *main.commands]: main([name] if name == "--help" else [name, "--help"], standalone_mode=False)
heavy = {"torch", "diffusers", "numpy", "PIL", "matplotlib", "imageio_ffmpeg"} & {*sys.modules}; assert not heavy, heavy""")
