"Schedules that are read and never executed, motion against exact answers, and films that go on after a kill."
import builtins, json, math, subprocess, sys
import numpy as np, pytest, torch
from hypothesis import assume, example, given, settings as rules, strategies as st
from PIL import Image
from conftest import ENV
from sdcourse.animation import animate
from sdcourse.core import _HOST
from sdcourse.keyframes import parse_prompts, parse_schedule
from sdcourse.models import load
from sdcourse.motion import match_color, move_2d, move_3d, video_frames
from sdcourse.replays import replay
from sdcourse.show import read_settings, save_mp4

few = rules(max_examples=60, deadline=None)
many = rules(max_examples=300, deadline=None)
numbers = st.floats(allow_nan=False, allow_infinity=False)


# Schedules

@many
@given(numbers)
def test_numbers_come_back(x):
    assert parse_schedule(f"0:({x!r})")(7) == parse_schedule(repr(x))(7) == parse_schedule(x)(7) == parse_schedule({0: x})(7) == x


@many
@given(st.text(max_size=60) | st.text("0123456789.:,()+-*/%t eEsincoxpabmflqr_j'\"\n", max_size=80))
@example("0:(" + "(" * 5000 + ")" * 5000 + ")")
@example("-" * 5000 + "1")
@example("9**9**9**9")
@example("1" * 5000)
@example("\0")
@example("\ud800")
@example("sin(" * 40 + "t" + ")" * 40)
@example("0:(1)\r\n,5:(٣)")
def test_any_text_is_a_schedule_or_a_value_error(text):
    try: values = [parse_schedule(text, frames=10)(t) for t in (0, 3)]
    except ValueError as e: str(e).encode()
    else: assert all(type(v) is float and math.isfinite(v) for v in values)


@many
@given(st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,12}", fullmatch=True), st.sampled_from(["{}", "{}(t)", "0:({}('x'))", "t + {}", "{}.{}", "{}[0]", "(lambda: {})()"]))
def test_unknown_names_are_never_asked_for(name, form):
    assume(name not in "t max_f pi e sin cos tan abs min max exp log sqrt floor ceil".split())
    with pytest.raises(ValueError, match=r"line 1, column \d+"): parse_schedule(form.replace("{}", name))


def test_nothing_is_evaluated(monkeypatch):
    def never(*a, **k): raise AssertionError("executed")
    for f in ("eval", "exec", "__import__"): monkeypatch.setattr(builtins, f, never)
    try: value = parse_schedule("0:(1.02), 30:(1.0+0.1*sin(t))")(30)
    finally: monkeypatch.undo()
    assert value == 1 + .1 * math.sin(30)


def trees(depth=3):
    leaf = st.sampled_from(["t", "2", "0.5", "pi", "e", "7."])
    return st.recursive(leaf, lambda x: st.one_of(st.tuples(x, st.sampled_from("+ - * / % **".split()), x).map(lambda p: f"({p[0]} {p[1]} {p[2]})"), x.map(lambda a: f"-{a}"),
                                                  st.tuples(st.sampled_from("sin cos tan abs sqrt floor ceil exp log".split()), x).map(lambda p: f"{p[0]}({p[1]})"),
                                                  st.tuples(st.sampled_from(["min", "max"]), x, x).map(lambda p: f"{p[0]}({p[1]}, {p[2]})")), max_leaves=8)


@many
@given(trees(), st.integers(0, 50))
def test_formulas_mean_what_python_means(text, t):
    "Python itself is the oracle, on texts that the test has made."
    names = {n: getattr(math, n) for n in "sin cos tan sqrt floor ceil exp log pi e".split()} | dict(abs=abs, min=min, max=max, t=float(t))
    try: want = eval(text, {"__builtins__": {}}, names)
    except (ArithmeticError, ValueError): want = None
    if want is None or isinstance(want, complex) or not math.isfinite(want):
        with pytest.raises(ValueError, match=f"at frame {t}\\b|number is too large"): parse_schedule(text)(t)
    else: assert parse_schedule(text)(t) == pytest.approx(float(want), rel=1e-12, abs=1e-12)


@few
@given(st.dictionaries(st.integers(0, 40), st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_between_keyframes_is_a_line(points):
    f = parse_schedule(points); keys = sorted(points); text = parse_schedule(", ".join(f"{k}:({v!r})" for k, v in points.items()))
    for t in range(45):
        assert f(t) == pytest.approx(np.interp(t, keys, [points[k] for k in keys]), rel=1e-9, abs=1e-6) and f(t) == text(t)


def test_the_caret_points_at_the_place():
    with pytest.raises(ValueError) as e: parse_schedule("0:(1),\n 12:(2 + system(1))", name="zoom")
    lines = str(e.value).splitlines()
    assert lines[0] == "zoom: the name 'system' is unknown (line 2, column 10)" and lines[1][lines[2].index("^"):].startswith("system")


@few
@given(st.dictionaries(st.integers(0, 30), st.text("abc ", min_size=1, max_size=5), min_size=1, max_size=4), st.integers(0, 40), st.booleans())
def test_prompt_weights(points, t, blend):
    got = parse_prompts(points, blend=blend)(t)
    assert sum(w for _, w in got) == pytest.approx(1) and all(p in {v.strip() for v in points.values()} for p, _ in got) and len(got) <= 1 + blend
    text = "; ".join(f"{k}: {v}" for k, v in points.items())
    if 0 in points: assert parse_prompts(text, blend=blend)(t) == got
    else:
        with pytest.raises(ValueError, match="none at 0"): parse_prompts(text, blend=blend)


# Motion

def picture(seed=0, w=40, h=24): return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8))


@few
@given(st.integers(-50, 50), st.integers(-50, 50))
def test_whole_pixels_are_exact(x, y):
    im = picture(); want = np.roll(np.asarray(im), (y, x), (0, 1))
    assert (np.asarray(move_2d(im, translation_x=x, translation_y=y, border="wrap")) == want).all()
    assert (np.asarray(move_3d(im, translation_x=x, translation_y=y, border="wrap")) == want).all() # a plane at depth 1


@few
@given(st.floats(-180, 180), st.sampled_from(["reflect", "replicate", "wrap"]))
def test_a_roll_is_an_angle(angle, border):
    a, b = (np.asarray(im, int) for im in (move_2d(picture(), angle=angle, border=border), move_3d(picture(), rotation_3d_z=angle, border=border)))
    assert np.abs(a - b).max() <= 1


def test_four_quarters_are_nothing():
    im = picture(w=32, h=32); turned = im
    for _ in range(4): turned = move_2d(turned, angle=90, sampling="bilinear")
    assert turned.tobytes() == im.tobytes() and (np.asarray(move_2d(im, angle=90)) == np.rot90(np.asarray(im))).all()


def test_reflect_and_replicate_at_the_edge():
    a = np.asarray(im := picture())
    assert (np.asarray(move_2d(im, translation_x=4, border="reflect"))[:, :4] == a[:, 3::-1]).all()
    assert (np.asarray(move_2d(im, translation_x=4, border="replicate"))[:, :4] == a[:, :1]).all()


@few
@given(st.floats(.3, 3), st.floats(-6, 6))
def test_a_plane_farther_away_moves_less(depth, x):
    smooth = picture().resize((8, 8)).resize((40, 24), Image.Resampling.BICUBIC)
    a, b = (np.asarray(im, int) for im in (move_3d(smooth, lambda im: np.full((24, 40), depth), translation_x=x), move_2d(smooth, translation_x=x / depth)))
    assert np.abs(a - b).max() <= 1


def test_a_tilted_plane_is_seen_right():
    "A plane that runs away to the right, the camera moved sideways: each pixel goes by translation / its own depth, worked out forward here and backward there."
    x = np.linspace(0, 39, 400); depth = np.interp(x, [0, 39], [.5, 2]); ramp = np.linspace(.5, 2, 40)[None].repeat(24, 0)
    im = Image.fromarray(np.tile(np.linspace(0, 255, 40).astype(np.uint8)[None, :, None], (24, 1, 3)))
    got = np.asarray(move_3d(im, ramp, translation_x=4))[:, :, 0].astype(int)
    want = np.interp(np.arange(40), x + 4 / depth, np.interp(x, np.arange(40), np.asarray(im)[0, :, 0]))
    assert np.abs(got - want)[:, 10:-3].max() <= 2


def test_colours_of_another():
    a, b = picture(1), picture(2).point(lambda v: v // 4 + 90)
    assert np.abs(np.asarray(match_color(a, b, space="rgb"), float).mean((0, 1)) - np.asarray(b, float).mean((0, 1))).max() < 1
    flat = Image.new("RGB", (8, 8), (200, 30, 30)); assert match_color(flat, Image.new("RGB", (4, 4), (10, 90, 200))).getpixel((0, 0)) == pytest.approx((10, 90, 200), abs=1)


# Films

@pytest.fixture(scope="module")
def pipe(): return load("pocket")


@pytest.fixture(scope="module")
def still(): return picture(3, 64, 64).resize((16, 16)).resize((64, 64), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("mode", ["2D", "3D"])
@pytest.mark.parametrize("cadence", [1, 3])
def test_moves_alone_add_up(pipe, still, mode, cadence):
    "Strength 0 draws nothing: frame k must be the first one moved k times, those between drawn frames too, from both sides."
    got = list(animate(pipe, "a", frames=8, image=still, animation_mode=mode, translation_x=2, translation_y="0:(t%2)", strength=0, color_coherence=False, border="wrap", cadence=cadence))
    for k, im in enumerate(got): assert (np.asarray(im) == np.roll(np.asarray(still), (sum(t % 2 for t in range(1, k + 1)), 2 * k), (0, 1))).all(), k


def test_only_what_is_asked_for_is_drawn(pipe, still):
    calls = []; hook = pipe.unet.register_forward_pre_hook(lambda m, a: calls.append(1))
    try:
        film = animate(pipe, "a red fox", frames=1000, image=still, strength=.5, num_inference_steps=4, seed=1); assert not calls
        next(film); assert not calls # the picture given
        next(film); next(film); assert len(calls) == 4
        film.close()
    finally: hook.remove()


def test_seed_behaviour(pipe, still):
    def film(**kw): return [f.tobytes() for f in animate(pipe, "a red fox", frames=4, image=still, strength=.5, num_inference_steps=2, **kw)]
    iter_ = film(seed=5); rnd = film(seed=5, seed_behavior="random")
    assert film(seed="0:(5), 3:(8)", seed_behavior="schedule") == iter_ and film(seed=5) == iter_
    assert film(seed=5, seed_behavior="fixed") == film(seed=5, seed_behavior="schedule") != iter_
    assert rnd == film(seed=5, seed_behavior="random") not in (iter_, film(seed=6, seed_behavior="random"))


def test_a_prompt_no_frame_comes_to_is_refused_and_one_that_is_blended_towards_is_not(pipe, still):
    kw = dict(frames=2, image=still, strength=0, seed=1)
    for prompts, blend in (({0: "a", 2: "b"}, False), ({0: "a", 1: "b", 2: "c"}, True), ({2: "a"}, False)):
        with pytest.raises(ValueError, match="keyframe 2 is never reached.*frames=3"): animate(pipe, prompts, blend_prompts=blend, **kw)
    assert len(list(animate(pipe, {0: "a", 20: "b"}, blend_prompts=True, **kw))) == len(list(animate(pipe, {0: "a", 1: "b"}, **kw))) == 2


@pytest.mark.parametrize("scheduler", [None, "euler_a"])
def test_a_recipe_makes_its_frame_again(pipe, still, scheduler):
    state = torch.random.get_rng_state()
    frames = list(animate(pipe, {0: "a red fox", 3: "an owl"}, frames=4, image=still, zoom="1+t/50", noise=.05, blend_prompts=True, negative_prompt="blue", strength=.5, num_inference_steps=2, cadence=2, seed=3, scheduler=scheduler))
    for k in (1, 2):
        recipe = json.loads(json.dumps(frames[k].info["sdcourse"])); assert recipe["mode"] == "animate" and recipe["frame"] == k
        assert replay(frames[k], pipe).tobytes() == frames[k].tobytes()
    assert torch.equal(state, torch.random.get_rng_state())


def test_blended_prompts_lie_between(pipe, still):
    def last(prompts, k=-1, **kw): return np.asarray([*animate(pipe, prompts, frames=3, image=still, strength=1, num_inference_steps=4, seed=1, **kw)][k], float)
    fox, owl, both = last("a red fox"), last("an owl"), last({0: "a red fox", 4: "an owl"}, blend_prompts=True)
    assert np.abs(both - fox).mean() < np.abs(owl - fox).mean() and np.abs(both - owl).mean() < np.abs(owl - fox).mean() and np.abs(both - fox).mean() > 1
    assert (last({0: "a red fox", 2: "an owl"}, 1) == last("a red fox", 1)).all() # not blended: the first prompt holds


def test_a_film_drawn_over(pipe, still, tmp_path):
    film = save_mp4([move_2d(still, translation_x=4 * k, border="wrap") for k in range(5)], tmp_path/"in.mp4", zoom=4)
    source = list(video_frames(film, size=(64, 64)))
    got = list(animate(pipe, "a", animation_mode="video", video=film, strength=0))
    assert [f.tobytes() for f in got] == [f.tobytes() for f in source] and len(got) == 5
    assert [f.tobytes() for f in animate(pipe, "a", animation_mode="video", video=source, strength=0, frames=3)] == [f.tobytes() for f in source[:3]]
    blended = list(animate(pipe, "a", animation_mode="video", video=source, strength=0, blend=.5, color_coherence=False))
    assert blended[1].tobytes() == Image.blend(source[1], source[0], .5).tobytes()
    (tmp_path/"no.mp4").write_bytes(b"no film")
    with pytest.raises(OSError, match="no.mp4"): animate(pipe, "a", animation_mode="video", video=tmp_path/"no.mp4")


FILM = dict(frames=9, zoom=1.05, strength=.5, num_inference_steps=4, cadence=2, noise=.02, blend_prompts=True, seed=18)
WORDS = {0: "a red fox in the snow, 3d render style", 5: "an owl"}
CHILD = f"""
import sys
from sdcourse.models import load
from sdcourse.animation import animate
for im in animate(load("pocket"), {WORDS}, **{FILM}, out=sys.argv[1]): print("frame", flush=True)
"""


def test_a_killed_run_goes_on(pipe, tmp_path):
    "kill -9 in mid-run; the same call again, in another process, gives the bytes of a run that nobody disturbed."
    whole = list(animate(pipe, WORDS, **FILM, out=tmp_path/"whole"))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path/"killed")], env=ENV, stdout=subprocess.PIPE, text=True)
    for _ in range(4): assert child.stdout.readline() == "frame\n"
    child.kill(); child.wait(); child.stdout.close()
    names = sorted(p.name for p in (tmp_path/"whole").iterdir())
    assert names == [*(f"{k:05d}.png" for k in range(9)), "schedules.png", "settings.json"]
    assert 4 <= len([*(tmp_path/"killed").glob("0*.png")]) < 9
    first = (tmp_path/"killed"/"00001.png").stat().st_mtime_ns; (half := tmp_path/"killed"/".writing"/f"{_HOST}-abc").mkdir(parents=True, exist_ok=True); (half/"00007.png").write_bytes(b"half a fra") # what a kill while writing leaves
    again = list(animate(pipe, WORDS, **FILM, out=tmp_path/"killed"))
    assert sorted(p.name for p in (tmp_path/"killed").iterdir()) == names and [f.tobytes() for f in again] == [f.tobytes() for f in whole]
    for name in names: assert (tmp_path/"killed"/name).read_bytes() == (tmp_path/"whole"/name).read_bytes(), name
    assert (tmp_path/"killed"/"00001.png").stat().st_mtime_ns == first # not drawn again
    assert read_settings(tmp_path/"killed"/"00007.png")["frame"] == 7


def test_folders_that_do_not_fit(pipe, still, tmp_path):
    args = dict(frames=2, image=still, strength=0, zoom=1.1)
    frames = list(animate(pipe, "a", **args, out=tmp_path/"film")) # a seed picked freshly ...
    assert [f.tobytes() for f in animate(pipe, "a", **args, out=tmp_path/"film")] == [f.tobytes() for f in frames] # ... is found again
    for other, says in ((dict(zoom=1.2), "zoom is 1.2 and was 1.1"), (dict(frames=3), "frames is 3 and was 2"), (dict(seed=1), "seed is 1 and was"), (dict(image=picture(9, 64, 64)), "image is")):
        with pytest.raises(ValueError, match=says): animate(pipe, "a", **{**args, **other}, out=tmp_path/"film")
    (tmp_path/"film"/"00001.png").write_bytes(b"x")
    with pytest.raises(OSError, match="00001.png cannot be read .* remove it"): list(animate(pipe, "a", **args, out=tmp_path/"film"))
    (tmp_path/"mine").mkdir(); (tmp_path/"mine"/"00000.png").write_bytes(b"x")
    with pytest.raises(ValueError, match="no settings.json"): animate(pipe, "a", **args, out=tmp_path/"mine")
    assert (tmp_path/"mine"/"00000.png").read_bytes() == b"x"
    (tmp_path/"file").write_text("x")
    with pytest.raises(NotADirectoryError): animate(pipe, "a", **args, out=tmp_path/"file")
    with pytest.raises(ValueError, match="unknown"): animate(pipe, "a", **{**args, "zoom": "wobble"}, out=tmp_path/"new")
    assert not (tmp_path/"new").exists() # nothing before everything is right


def test_what_was_given_may_change_after_the_call():
    pipe = load("pocket"); prompts, negative, zoom = {0: "a red fox"}, {0: "snow"}, {0: 1.}
    kw = dict(frames=2, seed=1, num_inference_steps=2, height=32, width=32); want = list(animate(pipe, dict(prompts), negative_prompt=dict(negative), zoom=dict(zoom), **kw))
    run = animate(pipe, prompts, negative_prompt=negative, zoom=zoom, **kw); prompts[0], negative[0], zoom[0] = "an owl", "grass", 1.5
    for got, im in zip(run, want, strict=True): assert got.tobytes() == im.tobytes() and got.info["sdcourse"] == im.info["sdcourse"]
