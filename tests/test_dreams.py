"Dreams: the arc between noises, films that close, stop and go on, and need no more memory when they are long; slide shows."
import gc, inspect, json, weakref
import numpy as np, pytest, torch
from hypothesis import assume, given, settings, strategies as st
from PIL import Image
from sdcourse import dreams
from sdcourse.animation import animate
from sdcourse.core import free_path
from sdcourse.dreams import dream, natural_order, save_dream, slerp, slideshow, speeds
from sdcourse.generate import txt2img
from sdcourse.latents import seeded_noise
from sdcourse.models import load
from sdcourse.motion import video_frames
from sdcourse.record import unpack
from sdcourse.sampling import max_difference
from sdcourse.show import read_settings, save_gif, save_mp4, save_png, show_video
from sdcourse.text import embed

FOX, OWL = "a red fox in the snow, 3d render style", "an owl in the snow, 3d render style"
QUICK = dict(num_inference_steps=2, height=32, width=32) # what is asked here does not need a good picture


@pytest.fixture(scope="module")
def pipe(): return load("pocket")


def again(pipe, recipe):
    "The frames of a recipe, as it is read back from a file; the model's own scheduler stands there by its class."
    takes = inspect.signature(dream).parameters
    return list(dream(pipe, **{k: v for k, v in unpack(json.loads(json.dumps(recipe))).items() if k in takes and not str(v).endswith("Scheduler")}))


# slerp

seeds, dims, rows, ts = st.integers(0, 2**32), st.integers(2, 200), st.integers(1, 5), st.floats(0, 1)
def pair(seed, n, d, length=1.):
    "Two batches of vectors of one length."
    g = torch.Generator().manual_seed(seed); x = torch.randn(2, n, d, generator=g)
    return tuple(x / x.norm(dim=-1, keepdim=True).clamp_min(1e-3) * length)
def angle(a, b): a, b = (x.double() / x.double().norm(dim=-1, keepdim=True) for x in (a, b)); return 2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1))


@settings(max_examples=60, deadline=None)
@given(seeds, rows, dims, ts, st.floats(1e-3, 1e3))
def test_slerp_keeps_ends_and_length(seed, n, d, t, length):
    a, b = pair(seed, n, d, length)
    assume((angle(a, b) < 3.1).all())
    assert torch.equal(slerp(a, b, 0), a) and torch.equal(slerp(a, b, 1), b)
    far, near = a.double(), a.double() * 1e-20
    assert torch.equal(slerp(far, near, 1), near) and torch.equal(slerp(near, far, 1), far) # also where the way is a line
    x = slerp(a, b, t)
    assert torch.allclose(x.norm(dim=1), torch.full((n,), length), rtol=1e-5)
    assert torch.allclose(angle(a, x), t * angle(a, b), atol=2e-3) # the direction turns evenly
    assert torch.allclose(x, slerp(b, a, 1 - t), atol=1e-5 * length)
    if a.shape[1] > 20: assert torch.allclose(slerp(a, slerp(a, b, t), .5), slerp(a, b, t / 2), atol=1e-4 * length) # half of a part of the way


@settings(max_examples=40, deadline=None)
@given(seeds, rows, dims, st.lists(ts, min_size=5, max_size=5))
def test_slerp_turns_each_picture_on_its_own(seed, n, d, t):
    a, b = pair(seed, n, d)
    assume((angle(a, b) < 3.1).all()); t = t[:n]
    alone = torch.cat([slerp(a[k:k + 1], b[k:k + 1], t[k]) for k in range(n)])
    for how in (t, tuple(t), torch.tensor(t, dtype=torch.float64)): assert torch.equal(slerp(a, b, how), alone)
    many = slerp(a[:1], b[:1], [0, .3, 1]); assert many.shape == (3, d) and torch.equal(many[0], a[0]) and torch.equal(many[2], b[0])
    assert torch.equal(slerp(a[0], b[0], t[0]), alone[0]) and slerp(a[0], b[0], [0, 1]).shape == (2, d)


@settings(max_examples=60, deadline=None)
@given(seeds, dims, ts, st.floats(-12, -2))
def test_slerp_of_almost_the_same_is_the_line(seed, d, t, size):
    a, r = pair(seed, 1, d); b = a + 10**size * r
    assert torch.allclose(slerp(a, b, t), torch.lerp(a, b, t), atol=10**(2 * size) + 1e-6) and torch.equal(slerp(a, a, t), a)
    assert torch.allclose(slerp(a * 0, b, t), t * b, atol=1e-6) and torch.allclose(slerp(a, b * 0, t), (1 - t) * a, atol=1e-6) and not slerp(a * 0, a * 0, t).any()


@settings(max_examples=40, deadline=None)
@given(seeds, rows, dims, ts, st.floats(.01, 100))
def test_slerp_refuses_opposite_ends(seed, n, d, t, times):
    a, b = pair(seed, n, d); assume((angle(a, b) < 3.1).all()); b[-1] = -times * a[-1]
    if t in (0, 1): assert torch.equal(slerp(a, b, t), b if t else a)
    else:
        with pytest.raises(ValueError, match=f"picture {n - 1} point in opposite directions"): slerp(a, b, t)


def test_slerp_keeps_the_type_and_refuses_the_rest():
    a, b = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float16, torch.bfloat16, torch.float64): assert slerp(a.to(dtype), b.to(dtype), .5).dtype == dtype
    assert torch.allclose(slerp(a.half(), b.half(), .5).float(), slerp(a, b, .5), atol=2e-3)
    for bad, says in (((a, b, -1e-9), "got -1e-09"), ((a, b, float("nan")), "got nan"), ((a, b, [.1, .2]), "2 values of t for 3"), ((a, b, []), "0 values of t"), ((a, b[:, :2], .5), r"\(3, 2, 8, 8\)"), ((a * float("nan"), b, .5), "a holds 768 values")):
        with pytest.raises(ValueError, match=says): slerp(*bad)
    for bad in ((a, b, "x"), (a, b, None), (a.long(), b.long(), .5), (a.numpy(), b, .5), (torch.tensor(1.), torch.tensor(2.), .5)):
        with pytest.raises(TypeError): slerp(*bad)


# Dreams

def test_frames_are_what_they_are_alone(pipe):
    "In any batch, from the recipe, and at the waypoints as txt2img draws them; also where the scheduler adds noise."
    for more in ({}, dict(scheduler="euler_a"), dict(guidance_scale=[1, 4, 9], negative_prompt=["", "blue", ""]), dict(loop=True, guidance_interval=(.0, .5)), dict(orbit=30, eta=.5, scheduler="ddim")):
        say = dict(seed=[3, 4, 5]) | QUICK | more; words = [FOX, OWL, FOX]
        film = list(dream(pipe, words, frames=5, batch_size=4, **say))
        assert max_difference(film, dream(pipe, words, frames=5, batch_size=1, **say)) <= 1
        for im in film[1::2]:
            r = im.info["sdcourse"]; assert r["mode"] == "dream"
            assert max_difference([im], alone := again(pipe, r)) <= 1 and alone[0].info["sdcourse"] == {k: v for k, v in r.items() if k != "batch"}
    film = list(dream(pipe, [FOX, OWL], seed=[3, 4], frames=3, **QUICK))
    assert max_difference(film[::2], [txt2img(pipe, w, seed=s, **QUICK)[0] for w, s in ((FOX, 3), (OWL, 4))]) <= 1
    film = list(dream(pipe, [FOX, OWL], seed=3, frames=3, scheduler="euler_a", **QUICK))
    assert max_difference(film[::2], txt2img(pipe, [FOX, OWL], seed=3, scheduler="euler_a", **QUICK)) <= 1


def test_waypoints_of_ones_own(pipe):
    noise, words = seeded_noise(pipe, [3, 4], height=32, width=32), embed(pipe, [FOX, OWL])
    a = list(dream(pipe, [FOX, OWL], seed=[3, 4], frames=3, **QUICK))
    b = list(dream(pipe, "a label", prompt_embeds=words, latents=noise, seed=3, frames=3, **QUICK))
    assert max_difference(a, b) <= 1
    r = b[1].info["sdcourse"]
    assert torch.equal(unpack(r)["latents"], noise) and max_difference([b[1]], again(pipe, r)) <= 1


def positions(film): return [im.info["sdcourse"]["position"] for im in film]


def test_loops_close(pipe):
    say = dict(seed=[3, 9], batch_size=16) | QUICK
    film = list(dream(pipe, FOX, frames=12, loop=True, **say))
    assert positions(film) == [k / 6 for k in range(12)] # the last is one step before the first
    v = speeds(film, loop=True); assert 0 < v[-1] <= 1.5 * max(v[:-1])
    assert max_difference(film[1:], film[:0:-1]) <= 1 # there and back between two waypoints
    ring = list(dream(pipe, FOX, seed=3, orbit=60, frames=12, **QUICK)); v = speeds(ring, loop=True)
    assert .3 * np.median(v) < v[-1] < 3 * np.median(v) and positions(ring) == [k / 12 for k in range(12)]
    assert max_difference(ring[:1], dream(pipe, FOX, seed=3, orbit=60, position=1, **QUICK)) <= 1 # once round is where it began
    assert positions(dream(pipe, FOX, frames=5, **say)) == [0, .25, .5, .75, 1] and positions(dream(pipe, FOX, frames=1, **say)) == [0]


def test_constant_speed(pipe):
    "Frames at equal change, ends kept, the measurement as good as its steps."
    say = dict(seed=18, frames=11, num_inference_steps=4, height=32, width=32, batch_size=16, scheduler="dpm++"); words = [FOX, OWL, "a sunflower on green grass, glossy cartoon style"]
    uneven = lambda film: np.std(v := speeds(film)) / np.mean(v)
    plain, steady = list(dream(pipe, words, **say)), list(dream(pipe, words, constant_speed=4, **say))
    p = positions(steady); assert p[0] == 0 and p[-1] == 2 and p == sorted(p) and p != positions(plain)
    assert uneven(steady) < .6 * uneven(plain)
    loop = positions(dream(pipe, words[:2], loop=True, constant_speed=True, **say | dict(frames=6))); assert loop[0] == 0 and loop[-1] < 2
    same = dream(pipe, [FOX, FOX], constant_speed=True, seed=1, frames=3, **QUICK); assert positions(same) == [0, .5, 1] # nothing changes: even steps


def test_errors_come_at_once(pipe):
    calls = []; hook = pipe.unet.register_forward_pre_hook(lambda m, a: calls.append(1))
    n = seeded_noise(pipe, [1])
    for words, bad, says in (([FOX, OWL], dict(frames=0), "got 0"), ([FOX, OWL], dict(frames=2.5), "got 2.5"), (FOX, dict(), "one waypoint"), ([FOX, OWL], dict(seed=[1, 2, 3]), "2 prompts for 3 waypoints"), ([FOX, OWL, FOX], dict(negative_prompt=["", ""]), "2 negative"),
                             ([FOX, OWL], dict(guidance_scale=[1, 2, 3]), "2 prompts for 3"), ([FOX, OWL], dict(position=2), "between 0 and 1"), ([FOX, OWL], dict(position=[]), "empty"), ([FOX, OWL], dict(position=float("nan")), "got nan"), ([FOX, OWL], dict(orbit=91), "at most 90"),
                             ([FOX, OWL], dict(constant_speed=0.5), "got 0.5"), ([FOX, OWL], dict(constant_speed=True, position=1), "leave one out"), ([FOX, OWL], dict(num_inference_steps=0), "got 0"), ([FOX, OWL], dict(constant_speed=5000), "got 5000"), ([FOX, OWL], dict(scheduler="eulr"), "did you mean 'euler'"),
                             ([FOX, OWL], dict(latents=torch.cat([n, -n])), "opposite directions"), ([FOX, OWL], dict(latents=n[:, :2]), "shape"), ([FOX, OWL], dict(guidance_interval=(1, 0)), "guidance_interval"), ([FOX, OWL], dict(batch_size=0), "batch_size"), ([], dict(), "empty")):
        with pytest.raises(ValueError, match=says): dream(pipe, words, **dict(seed=1) | bad)
    for bad, says in ((dict(frame=3), "did you mean frames="), (dict(seed="x"), "whole number"), (dict(position="x"), "must be a number")):
        with pytest.raises(TypeError, match=says): dream(pipe, [FOX, OWL], **bad)
    hook.remove(); assert not calls


def test_memory_does_not_grow_with_frames(pipe, tmp_path):
    "Of frames, never more than a batch and a few are alive, however long the film; the bench measures the whole process."
    most, refs = {}, []
    def watched(frames):
        for im in dream(pipe, [FOX, OWL], seed=3, frames=frames, batch_size=4, num_inference_steps=1, height=16, width=16):
            refs.append(weakref.ref(im)); most[frames] = max(most.get(frames, 0), sum(r() is not None for r in refs)); yield im
    for frames in (24, 120): save_mp4(watched(frames), tmp_path/"film.mp4"); gc.collect()
    assert len(refs) == 144 and most[120] == most[24] <= 4 + 3


def test_a_stopped_dream_harms_nothing(pipe):
    state = torch.random.get_rng_state(); want = list(dream(pipe, [FOX, OWL], seed=3, frames=4, **QUICK))
    run = dream(pipe, [FOX, OWL], seed=3, frames=400, batch_size=2, **QUICK)
    kept = [next(run) for _ in range(3)]; run.close(); assert len(kept) == 3 and list(run) == []
    def stop(m, a): raise KeyboardInterrupt
    hook = pipe.unet.down_blocks[0].register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt): list(dream(pipe, [FOX, OWL], seed=3, **QUICK))
    hook.remove()
    assert [a.tobytes() for a in want] == [b.tobytes() for b in dream(pipe, [FOX, OWL], seed=3, frames=4, **QUICK)] and torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("more", [{}, dict(constant_speed=True), dict(loop=True, scheduler="euler_a")], ids=str)
def test_save_dream_goes_on(pipe, tmp_path, monkeypatch, more):
    "Stopped twice, the film is the same in the end, and nothing is drawn twice."
    say = dict(seed=[3, 4], frames=6, batch_size=2) | QUICK | more
    whole = [Image.open(f).tobytes() for f in save_dream(pipe, [FOX, OWL], tmp_path/"whole", **say)]
    own, drawn = dreams._draw, []
    def draw(pipe, mode, prompts, **kw):
        if len(drawn) == 1: raise KeyboardInterrupt # in the second batch of each call
        drawn.append(len(prompts)); return own(pipe, mode, prompts, **kw)
    monkeypatch.setattr(dreams, "_draw", draw)
    for kept in (2, 4):
        drawn.clear()
        with pytest.raises(KeyboardInterrupt): save_dream(pipe, [FOX, OWL], tmp_path/"parts", **say)
        assert len(list((tmp_path/"parts").iterdir())) == kept
    drawn.clear(); save_dream(pipe, [FOX, OWL], tmp_path/"parts", **say); assert drawn == [2]
    assert [Image.open(f).tobytes() for f in natural_order((tmp_path/"parts").iterdir())] == whole


def test_save_dream_mixes_nothing(pipe, tmp_path):
    say = dict(seed=3, frames=3) | QUICK
    paths = save_dream(pipe, [FOX, OWL], tmp_path, **say); first = paths[0].read_bytes()
    for words, other, says in (([FOX, OWL], dict(seed=4), "seed: 3 there, 4 now"), ([FOX, FOX], {}, "prompts"), ([FOX, OWL], dict(frames=2), "position|holds frame-00002.png"), ([FOX, OWL], dict(guidance_scale=2), "guidance_scale")):
        with pytest.raises(FileExistsError, match=says): save_dream(pipe, words, tmp_path, **say | other)
    assert paths[0].read_bytes() == first
    paths[1].write_bytes(paths[1].read_bytes()[:200]) # half a file, of a full disk say
    with pytest.raises(FileExistsError, match="no recipe, or is damaged"): save_dream(pipe, [FOX, OWL], tmp_path, **say)
    Image.new("RGB", (9, 9)).save(tmp_path/"frame-notes.png")
    assert len(save_dream(pipe, [FOX, OWL], tmp_path, overwrite=True, **say | dict(seed=5, frames=2))) == 2
    assert sorted(f.name for f in tmp_path.iterdir()) == ["frame-00000.png", "frame-00001.png", "frame-notes.png"] and read_settings(paths[1])["seed"] == 5
    with pytest.raises(ValueError, match="needs a seed"): save_dream(pipe, [FOX, OWL], tmp_path)
    with pytest.raises(TypeError, match="did you mean frames="): save_dream(pipe, [FOX, OWL], tmp_path, frame=3)


# Slide shows

def flat(colour, size=(8, 6)): return Image.new("RGB", size, colour)


def test_slideshow_counts_and_fades(tmp_path):
    black, white, grey = flat("black"), flat("white"), flat((100, 100, 100))
    show = list(slideshow([black, white, grey], hold=[1, .5, .25], fade=.25, fps=12)); level = [im.getpixel((0, 0))[0] for im in show]
    assert level == [0] * 12 + [63, 127, 191] + [255] * 6 + [216, 177, 138] + [100] * 3 or np.abs(np.array(level) - ([0] * 12 + [64, 128, 191] + [255] * 6 + [216, 178, 139] + [100] * 3)).max() <= 1
    assert len(list(slideshow([black, white], hold=1, fade=.5, fps=10, loop=True))) == 30 and len(list(slideshow([black], hold=1, fade=.5, fps=10, loop=True))) == 10
    assert len(list(slideshow([black, white], hold=.001))) == 2 # a picture is seen for a frame at least
    assert save_mp4(slideshow([black, white], hold=.2, fps=24), tmp_path/"s.mp4").stat().st_size > 300


def test_slideshow_of_a_folder(tmp_path):
    for k in (10, 2, 1): flat((k, 0, 0)).save(tmp_path/f"Pic{k}.png")
    flat((3, 0, 0)).save(tmp_path/"pic3.bmp"); (tmp_path/"notes.txt").write_text("x"); (tmp_path/".hidden.png").write_bytes(b"x")
    assert [im.getpixel((0, 0))[0] for im in slideshow(tmp_path, hold=1 / 24)] == [1, 2, 3, 10]
    assert [im.getpixel((0, 0))[0] for im in slideshow([tmp_path/"Pic10.png", str(tmp_path/"Pic1.png"), flat((7, 0, 0))], hold=1 / 24)] == [10, 1, 7] # a list keeps its order
    assert natural_order(["a/10", "a/9", "A/1", "b", "a2b10", "a2b9", "2", "10", ""]) == ["", "2", "10", "a2b9", "a2b10", "A/1", "a/9", "a/10", "b"]
    assert natural_order([]) == [] and natural_order(["٣", "2"]) == ["2", "٣"] # a digit of another script counts, too
    with pytest.raises(ValueError, match="notes.txt is no picture"): slideshow([tmp_path/"notes.txt"])
    (tmp_path/"empty").mkdir()
    with pytest.raises(ValueError, match="holds no picture"): slideshow(tmp_path/"empty")
    with pytest.raises(FileNotFoundError, match="is no folder"): slideshow(tmp_path/"Pic1.png")


def test_a_tilde_is_the_home_folder(pipe, tmp_path, monkeypatch):
    home, here = tmp_path/"home", tmp_path/"here"; home.mkdir(); here.mkdir(); monkeypatch.setenv("HOME", str(home)); monkeypatch.setenv("USERPROFILE", str(home)); monkeypatch.chdir(here); red = flat("red", (8, 8))
    for save, name in ((save_png, "a.png"), (save_mp4, "a.mp4"), (save_gif, "a.gif")): assert save(red if name == "a.png" else [red] * 2, f"~/{name}") == home/name and (home/name).is_file()
    assert read_settings("~/a.png") == {} and len(list(video_frames("~/a.mp4"))) == len(list(video_frames("~/a.gif"))) == 2 and "data:" in show_video("~/a.mp4").data and free_path("~/a.png") == home/"a-2.png"
    for k in (1, 2): save_png(red, home/f"{k}.png")
    (home/"a.gif").unlink(); (home/"a-2.png").unlink(); assert len(list(slideshow("~", hold=1, fps=1))) == 3
    assert save_dream(pipe, [FOX, OWL], "~/frames", seed=1, frames=2, **QUICK)[1] == home/"frames/frame-00001.png"
    film = list(animate(pipe, FOX, animation_mode="video", video="~/a.mp4", out="~/film", seed=1, num_inference_steps=1, height=32, width=32)); assert len(film) == 2 and (home/"film/00001.png").is_file()
    assert not list(here.iterdir()) and save_png(red, "~nobody.png").resolve() == here/"~nobody.png" and read_settings("~nobody.png") == {} # a file's name may begin so, too


def test_slideshow_sizes(tmp_path):
    wide, tall = flat("red", (8, 4)), flat("blue", (4, 8))
    with pytest.raises(ValueError, match="picture 1 is 4x8, the film 8x4"): slideshow([wide, tall])
    with pytest.raises(ValueError, match="picture 1 is 4x8, the film 8x4"): list(slideshow(im for im in (wide, tall)))
    turned = tmp_path/"turned.jpg"; exif = Image.Exif(); exif[0x0112] = 6; tall.save(turned, exif=exif)
    assert [im.size for im in slideshow([wide, turned], hold=.01)] == [(8, 4)] * 2 # the size is the one that is seen
    pad, crop, stretch = (list(slideshow([wide, tall], fit=f, hold=.01, background="white"))[1] for f in ("pad", "crop", "stretch"))
    assert pad.size == crop.size == stretch.size == (8, 4) and pad.getpixel((0, 0)) == (255, 255, 255) and pad.getpixel((4, 2)) == crop.getpixel((0, 0)) == stretch.getpixel((0, 0)) == (0, 0, 255)
    assert {im.size for im in slideshow([wide, tall], size=(6, 6), fit="crop", hold=.01)} == {(6, 6)}
    with pytest.raises(ValueError, match="film 6x6"): slideshow([wide], size=(6, 6))
    for bad, says in ((dict(hold=0), "above 0"), (dict(hold=[1]), "1 values of hold for 2"), (dict(fade=-1), "at least 0"), (dict(fps=0), "above 0"), (dict(fit="zoom"), "'pad'"), (dict(size=5), "width, height"), (dict(size=(0, 5)), "width, height")):
        with pytest.raises(ValueError, match=says): slideshow([wide, wide], **bad)
    for bad in (wide, 3, [wide, 3]):
        with pytest.raises(TypeError): slideshow(bad)
    with pytest.raises(ValueError, match="no pictures"): slideshow([])
    with pytest.raises(ValueError, match="no pictures"): list(slideshow(iter([])))


def test_slideshow_holds_two_pictures():
    alive, refs = [], []
    def many():
        for k in range(50):
            im = flat((k, 0, 0), (64, 64)); refs.append(weakref.ref(im)); yield im
    for im in slideshow(many(), hold=.1, fade=.1, fps=20): alive.append(sum(r() is not None for r in refs))
    assert len(refs) == 50 and max(alive) <= 4


def test_speeds():
    a, b = flat("black"), flat("white")
    assert speeds([a, b, b, a]) == [255, 0, 255] and speeds((im for im in (a, b)), loop=True) == [255, 255]
    with pytest.raises(ValueError, match="frame 1 is 4x4, the one before 8x6"): speeds([a, flat("red", (4, 4))])
    with pytest.raises(ValueError, match="two frames"): speeds([])


def test_what_was_given_may_change_after_the_call(pipe):
    z, e, u = seeded_noise(pipe, [1, 2], height=32, width=32), embed(pipe, [FOX, OWL]), embed(pipe, "")
    kw = dict(seed=np.array([1, 2]), frames=2, guidance_scale=np.array([2., 4.]), prompt_embeds=e, negative_prompt_embeds=u, latents=z, **QUICK)
    want = list(dream(pipe, [FOX, OWL], **kw)); run = dream(pipe, [FOX, OWL], **kw)
    for x in (z, e, u): x.zero_()
    assert max_difference(list(run), want) == 0 and want[1].info["sdcourse"]["seed"] == [1, 2] and want[1].info["sdcourse"]["guidance_scale"] == [2, 4]
