"""The measuring itself: its page is fresh and judges rightly, its script for graphics cards runs, its clocks add up; and what is promised about work that is not done twice.

Seen red: by a results.json with another number, a figure of another profile, `_predict` that runs both passes, `_draw` without its `dict.fromkeys`, `load` without its `finally`, a README without its clone, a blank in place of the solution."""
import gc, json, sys
import pytest, torch
from conftest import run
from sdcourse.animation import animate
from sdcourse.dreams import dream
from sdcourse.generate import txt2img
from sdcourse.models import load
from sdcourse.redraw import img2img
from sdcourse.sweeps import sweep
from course import ROOT

if str(ROOT) not in sys.path: sys.path.insert(0, str(ROOT))
from bench import parts, report

P, FEW = "a red fox in the snow", dict(seed=3, num_inference_steps=3)


@pytest.fixture(scope="module")
def pipe(): p = load("pocket"); p.set_progress_bar_config(disable=True); return p


@pytest.fixture
def rows(pipe):
    "{part: rows of each of its calls}."
    seen = dict(unet=[], text=[]); hooks = [pipe.unet.register_forward_pre_hook(lambda m, a: seen["unet"].append(len(a[0]))),
                                            pipe.text_encoder.register_forward_pre_hook(lambda m, a, k: seen["text"].append(len(a[0] if a else k["input_ids"])), with_kwargs=True)]
    yield seen
    for h in hooks: h.remove()


# The page

def test_every_goal_is_on_the_page():
    got = report.goals(report.read("results"))
    assert len(got) == len(report.GOALS) and all(len(r) == 6 and r[-1] for r in got)
    assert all(r[-1] in ("yes", report.OPEN) or len(r[-1]) > 12 for r in got), "what is not reached has its reason"
    assert all(r[-1] == report.OPEN for r in report.goals({}) if r[0] in ("guidance sweep, 8 scales of one seed", "`import sdcourse`", "all lessons, executed offline")), "nothing measured, nothing reached"


def test_the_figure_shows_these_results():
    from PIL import Image
    assert Image.open(report.FIGURE).info["digest"] == report.digest(report.read("results")["profile"]), "run python -m bench --only profile"


def test_verdicts():
    arm = dict(goal=2., ratios=[2.1, 1.9, 2.2, 2.3, 2.4], cpu_ratio=2., largest_difference=1, share_of_values=.0001, what="", seconds={}, machine={})
    def verdict(**kw): return dict((r[0], r[-1]) for r in report.goals(dict(sweep8={"2": arm | kw})))["guidance sweep, 8 scales of one seed"]
    assert verdict() == "yes"
    for kw in (dict(ratios=[1.9] * 5), dict(largest_difference=2), dict(share_of_values=.0003)): assert verdict(**kw).startswith("no")
    assert report.interval([3, 1, 2]) == (2, 1, 3) and report.interval(range(9)) == (4, 1, 7) and report.interval(range(6)) == (2.5, 0, 5)


# The clocks

def test_parts_add_up(pipe):
    def draw(pipe, n): return txt2img(pipe, P, n=n, **FEW)
    forward = pipe.unet.forward
    got = parts.profile(pipe, draw, 1)["pictures"]
    assert [*got] == ["1", "8"] and all(v >= 0 for d in got.values() for v in d.values()) and pipe.unet.forward == forward and not any(m._forward_hooks or m._forward_pre_hooks for m in pipe.unet.modules())
    one = parts.overhead(pipe, dict(ours=lambda p: draw(p, 1)), 2)["ours"]
    assert len(one["around"]) == 2 and min(one["around"]) > 0 < min(one["text"])


def test_graphics_card_script_runs():
    "With a small model on the CPU, every line of it but the card's own."
    before = {p.name: p.read_bytes() for p in (ROOT/"bench").glob("gpu.*")}
    out = run(sys.executable, "-m", "bench.gpu", "--tiny")
    lines = [l for l in out.splitlines() if l.startswith("{'dtype'")]
    assert len(lines) >= 9 and any("'compile': 'default'" in l and "'ms'" in l for l in lines) and any("'channels_last': True" in l for l in lines) and "# Stable Diffusion 1.x on a graphics card" in out and "beside diffusers' pipeline" in out
    assert before == {p.name: p.read_bytes() for p in (ROOT/"bench").glob("gpu.*")}, "a try writes nothing"


# A newcomer's path

def test_the_readmes_commands_are_walked():
    from bench.newcomer import commands
    text = (ROOT/"README.md").read_text("utf-8"); draw, lab = commands(text)
    assert [c.split()[0] for c in draw] == ["python3", ".venv/bin/pip", ".venv/bin/sdcourse"] and "txt2img" in draw[-1] and [c.split()[0] for c in lab] == [".venv/bin/pip", ".venv/bin/sdcourse"] and "[lab]" in lab[0]
    for gone in ("git clone", "sdcourse lab"):
        with pytest.raises(ValueError, match="README"): commands(text.replace(gone, "gone"))


def test_the_first_exercise_is_solved_in_a_kernel(tmp_path):
    "The script that a newcomer's environment runs, without the lesson before the exercise: the check refuses the blank and accepts the solution."
    from bench import newcomer
    (tmp_path/"solve.py").write_text(newcomer.SOLVE); said = run(sys.executable, tmp_path/"solve.py", ROOT/"nbs"/f"{newcomer.LESSON}.ipynb", newcomer.LESSON, "exercise", tmp_path)
    got = json.loads(said.rsplit("@", 1)[1]); assert got["cells"] == 2 and got["lesson"] > 0 < got["check"] and got["title"]


# No work twice

def test_no_unconditional_pass_at_scale_1(pipe, rows):
    "Three steps; a guided picture has two rows in a call, one at scale 1 has one."
    for want, call in (([1] * 3, lambda: txt2img(pipe, P, guidance_scale=1., **FEW)), ([2] * 3, lambda: txt2img(pipe, P, guidance_scale=4., **FEW)), ([5] * 3, lambda: sweep(pipe, P, guidance_scale=[1., 3., 1., 1.], **FEW)),
                       ([2] * 3, lambda: list(dream(pipe, [P, "an owl"], frames=2, guidance_scale=1., **FEW))), ([2, 1, 1], lambda: txt2img(pipe, P, guidance_scale=4., guidance_interval=(0., .3), **FEW)),
                       ([1] * 6, lambda: list(animate(pipe, P, frames=2, guidance_scale=1., strength=1., **FEW)))):
        rows["unet"].clear(); call(); assert rows["unet"] == want


def test_text_is_encoded_once(pipe, rows):
    "Each prompt and the empty one, whatever the number of pictures, frames and scales."
    fox = txt2img(pipe, P, **FEW)[0]
    for want, call in (([1, 1], lambda: txt2img(pipe, P, n=3, **FEW)), ([1, 1], lambda: txt2img(pipe, [P] * 3, **FEW)), ([2, 1], lambda: txt2img(pipe, [P, "an owl", P], **FEW)), ([1, 1], lambda: sweep(pipe, P, guidance_scale=[2., 3.], seed=[1, 2], num_inference_steps=2)),
                       ([1, 1], lambda: img2img(pipe, [P] * 2, [fox, fox], **FEW)), ([2, 1], lambda: list(dream(pipe, [P, "an owl"], frames=5, batch_size=2, **FEW))), ([1, 1], lambda: list(animate(pipe, P, frames=3, **FEW)))):
        rows["text"].clear(); call(); assert rows["text"] == want


def test_a_prompt_read_once_draws_the_same(pipe):
    again = txt2img(pipe, [P, P], prompt_embeds=torch.cat([pipe.encode_prompt(P, "cpu", 1, False)[0]] * 2), **FEW)
    assert [im.tobytes() for im in txt2img(pipe, [P, P], **FEW)] == [im.tobytes() for im in again]


def test_loading_leaves_the_garbage_collector_as_it_was(tmp_path):
    was = gc.isenabled()
    try:
        for on in (True, False):
            (gc.enable if on else gc.disable)(); load("pocket"); assert gc.isenabled() is on
            with pytest.raises(FileNotFoundError): load(tmp_path)
            assert gc.isenabled() is on
    finally: (gc.enable if was else gc.disable)()
