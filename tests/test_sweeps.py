"Sweeps over every kind of axis: each picture as drawn alone, in its place, with its own recipe; and the bench's arms draw the same pictures."
import itertools
import numpy as np, pytest, tiny
from sdcourse.core import keeping
from sdcourse.generate import _config, txt2img
from sdcourse.models import SCHEDULERS, get_scheduler, load
from sdcourse.redraw import img2img
from sdcourse.sampling import max_difference
from sdcourse.sweeps import sweep, sweep_pictures
from course import ROOT

P = "a red fox in the snow, 3d render style"
AXES = dict(prompt=[P, "an owl at night, pixel art style"], negative_prompt=["", "blue"], seed=range(3, 5), guidance_scale=np.array([1., 6.]), scheduler=["ddim", "tcd"], num_inference_steps=[2, 3],
            guidance_rescale=[0., .7], guidance_interval=[(0., 1.), (0., .5)], height=[48, 64], eta=[0., 1.])
FEW = dict(seed=3, num_inference_steps=3, scheduler="ddim")


@pytest.fixture(scope="module")
def pipe(): return load("pocket")


@pytest.fixture(scope="module")
def small(tmp_path_factory): return load(tiny.save(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.mark.parametrize("a, b", [*itertools.combinations(AXES, 2)])
def test_every_pair_of_axes(small, a, b):
    kw = {"prompt": P, **FEW, a: AXES[a], b: AXES[b]}
    got = sweep(small, kw.pop("prompt"), batch_size=3, **kw)
    first, second = (a, b) if a == "prompt" or [*kw].index(a) < [*kw].index(b) else (b, a)
    assert [*got.rows] == [first] and [*got.cols] == [second]
    for img, (u, v) in zip(got.pictures, itertools.product(AXES[first], AXES[second]), strict=True):
        alone = {"prompt": P, **FEW, first: u, second: v}
        assert max_difference([img], txt2img(small, alone.pop("prompt"), **alone)) <= 1, (u, v)
        recipe = img.info["sdcourse"]
        for k, want in ((first, u), (second, v)): assert recipe[k] == (list(want) if isinstance(want, tuple) else want), k
    assert len({im.tobytes() for im in got.pictures}) > 1


@pytest.mark.parametrize("axes", [dict(strength=[.4, .8], seed=[1, 2]), dict(strength=[.4, .8], negative_prompt=["", "blue"]), dict(strength=[.5, .9], num_inference_steps=[4, 6])], ids=lambda a: "-".join(a))
def test_image_to_image(pipe, axes):
    source = txt2img(pipe, P, seed=18, num_inference_steps=6)[0]
    kw = dict(seed=1, num_inference_steps=6, image=source) | axes
    got = sweep(pipe, P, mode=img2img, **kw)
    cells = itertools.product(*[v for k, v in kw.items() if k in axes])
    for img, cell in zip(got.pictures, cells, strict=True):
        assert max_difference([img], img2img(pipe, P, **{**kw, **dict(zip([k for k in kw if k in axes], cell))})) <= 1


def test_one_seed_for_all_when_none_is_given(pipe):
    assert len({im.info["sdcourse"]["seed"] for im in sweep(pipe, [P, "an owl"], num_inference_steps=[1, 2]).pictures}) == 1


def test_stopped_in_the_middle(pipe):
    "What came before is right, and so is the next call."
    run = sweep_pictures(pipe, P, seed=range(6), num_inference_steps=3, batch_size=2); kept = dict(next(run) for _ in range(3)); run.close()
    whole = sweep(pipe, P, seed=range(6), num_inference_steps=3).pictures
    assert [*kept] == [(0,), (1,), (2,)] and max_difference(kept.values(), whole[:3]) <= 1


def test_shows_as_a_grid(pipe):
    one, two = sweep(pipe, P, seed=range(10), num_inference_steps=1), sweep(pipe, P, seed=range(2), num_inference_steps=[1, 2])
    assert one.grid().height > 2 * 64 * 2 > two.grid(zoom=1).height and one._repr_png_()[:4] == b"\x89PNG" and len(repr(two)) < 200


def test_bench_arms_draw_the_same(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    import bench.__main__ as bench
    monkeypatch.setattr(bench, "STEPS", 2); monkeypatch.setattr(bench.dream, "FRAMES", 3); pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    for arm in bench.ARMS:
        worst, share = bench.compare(arm.plain(pipe), arm.ours(pipe))
        assert worst <= 1 and share <= .0002, f"{arm.name}: {worst}/255 on {share:.2%}"


@pytest.mark.parametrize("own", ["dpm++_karras", "dpm++_sde"])
def test_a_scheduler_by_name_is_the_same_whatever_the_pipeline_began_with(pipe, own):
    began = load("pocket", scheduler=own)
    for name in SCHEDULERS.keys() - {"lms"}: assert _config(get_scheduler(began, name)) == _config(get_scheduler(pipe, name)), name
    assert max_difference(sweep(began, P, scheduler=["dpm++", own], seed=1, num_inference_steps=4).pictures, sweep(pipe, P, scheduler=["dpm++", own], seed=1, num_inference_steps=4).pictures) == 0
    assert _config(get_scheduler(began)) == _config(began.scheduler) # no name: its own, tricks and all


def test_labels_say_numpys_numbers(pipe):
    got = sweep(pipe, P, seed=[*np.array([70, 90])], guidance_scale=[np.float32(1.5), np.float32(7)], num_inference_steps=1)
    assert got.rows == dict(seed=[70, 90]) and got.cols == dict(guidance_scale=[1.5, 7.]) and {type(v) for vs in (*got.rows.values(), *got.cols.values()) for v in vs} == {int, float}


def test_an_error_that_comes_twice_carries_the_second_run():
    "One exception object; a block within another keeps its own, a later one gives its own in place of it."
    once, seen = RuntimeError("once"), []
    for finished in (["a"], ["b", "c"], []):
        try:
            with keeping({"outer": 1} if finished else []), keeping(finished): raise once
        except RuntimeError as e: seen.append((getattr(e, "finished", None), sum("are kept" in n for n in e.__notes__)))
    assert seen == [(["a"], 1), (["b", "c"], 1), (None, 0)]
