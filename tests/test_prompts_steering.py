"Prompts taken apart and runs that are steered: against plain drawing, interrupted, in batches, under many schedulers."
import warnings
import pytest, torch
from sdcourse.core import to_tensor
from sdcourse.generate import txt2img
from sdcourse.models import load
from sdcourse.prompts import ablate, caption, combine, knows, mix, swap_token, weigh
from sdcourse.replays import replay
from sdcourse.sampling import max_difference
from sdcourse.show import read_settings, save_png
from sdcourse.steering import LOSSES, steer
from sdcourse.text import embed

PROMPT = "a red fox in the snow, 3d render style"
SHORT = dict(num_inference_steps=4, guidance_scale=3.)


@pytest.fixture(scope="module")
def pipe(): return load("pocket")


def loss(name, imgs): return torch.stack([LOSSES[name](x) for x in to_tensor(imgs)])


# Steering

@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "heun", "euler", "euler_a", "dpm++", "unipc", "lcm"])
def test_steering_under_every_scheduler(pipe, scheduler):
    "Off is txt2img; on lowers the loss; below 0 raises it."
    kw = dict(SHORT, scheduler=scheduler, seed=18)
    plain, off = txt2img(pipe, PROMPT, **kw), steer(pipe, PROMPT, "blue", scale=0, **kw)
    assert max_difference(plain, off) <= 1
    on, away = steer(pipe, PROMPT, "blue", scale=.4, exact=False, **kw), steer(pipe, PROMPT, "blue", scale=-.4, exact=False, **kw)
    assert loss("blue", on) < loss("blue", plain) - .05 and loss("blue", away) > loss("blue", plain) + .05


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("exact", [True, False])
def test_each_loss_falls(pipe, name, exact):
    kw = dict(n=3, seed=15, num_inference_steps=8, guidance_scale=3.)
    assert loss(name, steer(pipe, PROMPT, name, scale=.2, exact=exact, **kw)).mean() < loss(name, txt2img(pipe, PROMPT, **kw)).mean()


def test_a_steered_picture_does_not_notice_its_batch(pipe):
    prompts, kw = [PROMPT, "an owl at night, pixel art style"], dict(SHORT, n=2, seed=5)
    together = steer(pipe, prompts, "symmetric", scale=[.1, .3, 0, .2], **kw)
    assert max_difference(together, steer(pipe, prompts, "symmetric", scale=[.1, .3, 0, .2], batch_size=1, **kw)) <= 1
    assert max_difference(together[1:2], steer(pipe, PROMPT, "symmetric", scale=.3, seed=6, **SHORT)) <= 1
    assert [(im.info["sdcourse"]["scale"], im.info["sdcourse"]["seed"]) for im in together] == [(.1, 5), (.3, 6), (0, 5), (.2, 6)]


def test_a_steered_picture_is_made_again_from_its_file(pipe, tmp_path):
    img, = steer(pipe, PROMPT, "left", scale=.2, exact=False, every=2, seed=3, prompt_embeds=mix(pipe, PROMPT, "an owl", .3), **SHORT)
    save_png(img, tmp_path/"a.png")
    assert read_settings(tmp_path/"a.png")["mode"] == "steer" and replay(tmp_path/"a.png", pipe).tobytes() == img.tobytes()
    some = steer(pipe, PROMPT, "blue", scale=[.1, .2], n=2, seed=3, **SHORT)
    assert replay(some[1], pipe).tobytes() == some[1].tobytes()
    odd, = steer(pipe, PROMPT, lambda im: im.mean(), seed=3, **SHORT)
    with pytest.raises(ValueError, match="loss"): replay(odd, pipe)


def test_interrupted_steering_leaves_nothing_behind(pipe):
    kw = dict(SHORT, seed=18); want = steer(pipe, PROMPT, "blue", **kw)[0].tobytes(); calls = []
    def stop(im):
        calls.append(1)
        if len(calls) == 3: raise KeyboardInterrupt
        return im.mean()
    pipe.unet.conv_in.weight.requires_grad_(False) # what was off stays off, what was on comes back
    with pytest.raises(KeyboardInterrupt): steer(pipe, PROMPT, stop, **kw)
    off = [n for n, p in pipe.unet.named_parameters() if not p.requires_grad]; pipe.unet.conv_in.weight.requires_grad_(True)
    assert off == ["conv_in.weight"] and all(p.grad is None for p in pipe.unet.parameters()) and steer(pipe, PROMPT, "blue", **kw)[0].tobytes() == want


def test_a_loss_without_slope_pushes_nowhere(pipe): assert max_difference(steer(pipe, PROMPT, lambda im: (im.mean() - 9).relu(), seed=1, **SHORT), txt2img(pipe, PROMPT, seed=1, **SHORT)) <= 1


# Prompts

def test_captions_are_those_of_the_training(pipe):
    "Every core prompt of the measure that names no pair comes out of `caption` word for word."
    from sdcourse.measure import load_prompts
    rows = [p for p in load_prompts("core") if p.get("count") != "pair"]
    said = [caption(p["subject"], **{k: p[k] for k in ("color", "count", "setting", "style") if k in p}) for p in rows]
    assert len(rows) > 100 and said == [p["prompt"] for p in rows]


def test_combine_has_every_combination_once():
    rows = combine(caption, subject=["a fox", "an owl", "a cat"], color=[None, "red"], setting=["white", "at night", None])
    assert len(rows) == 18 == len({r["prompt"] for r in rows}) and all(r["prompt"] == caption(**{k: v for k, v in r.items() if k != "prompt"}) for r in rows)


def test_ablation_of_any_part(pipe):
    _, rows = ablate(pipe, "a fox, a red fox , and snow", {"a": "", "and snow": "", "fox": "wolf"}, seed=1, num_inference_steps=1)
    assert [r["prompt"] for r in rows] == ["a fox, a red fox , and snow", "fox, a red fox, and snow", "a fox, a red fox", "a wolf, a red fox, and snow"]
    for part in ("re", "ed", "", " "): # no whole word
        with pytest.raises(ValueError, match="is not in the prompt"): ablate(pipe, PROMPT, [part])


def test_weights(pipe):
    same, up, up2, down = weigh(pipe, [PROMPT, "a red++ fox", "a (red)1.21 fox", "a (red)0.5 fox"])
    assert torch.equal(same, embed(pipe, PROMPT)[0]) and torch.allclose(up, up2, atol=1e-4) and not torch.allclose(up, embed(pipe, "a red fox")[0], atol=1e-2) and torch.isfinite(down).all()
    with warnings.catch_warnings(): warnings.simplefilter("error"); weigh(pipe, PROMPT)
    with pytest.warns(UserWarning, match="not read"): weigh(pipe, "a (red)1.5 fox" + ", snow" * 60)


def test_swapped_tokens_nest_and_end(pipe):
    plain, owl, panda = embed(pipe, [PROMPT, PROMPT.replace("fox", "owl"), PROMPT.replace("fox", "panda")])
    with swap_token(pipe, "fox", "owl"):
        with swap_token(pipe, "fox", "panda"): assert torch.equal(embed(pipe, PROMPT)[0], panda)
        assert torch.equal(embed(pipe, PROMPT)[0], owl)
    assert torch.equal(embed(pipe, PROMPT)[0], plain) and not pipe.text_encoder.get_input_embeddings()._forward_hooks


def test_knowing_does_not_depend_on_company(pipe):
    words = ["fox", "blick", "theorem", "castle"]; all_of_them = {r["word"]: r["moved"] for r in knows(pipe, words, n=1)}
    for w in words: assert abs(knows(pipe, [w], n=1, batch_size=5)[0]["moved"] - all_of_them[w]) < 1e-4


def test_what_was_swapped_stands_in_the_recipe(pipe):
    kw = dict(seed=1, num_inference_steps=2)
    with swap_token(pipe, "fox", "owl", share=.7): img = txt2img(pipe, "a red fox", **kw)[0]; same = replay(img, pipe)
    a, = img.info["sdcourse"]["added"]
    assert (a["kind"], a["token"], a["weight"]) == ("swap", "fox", .7) and max_difference([same], [img]) == 0 and "added" not in txt2img(pipe, "a red fox", **kw)[0].info["sdcourse"]
    with pytest.raises(ValueError, match="the word fox of swap_token"): replay(img)
    with pytest.warns(UserWarning, match="the word fox of swap_token"): replay(img, pipe)


def test_steering_where_the_decoder_computes_in_other_numbers():
    half = load("pocket", dtype=torch.float16); half.vae.to(torch.float32); losses = []
    steer(half, PROMPT, "blue", seed=1, num_inference_steps=1, guidance_scale=1, log=lambda i, v: losses.append(v))
    assert len(losses) == 1 and losses[0].dtype == torch.float32


def test_steering_needs_gradients(pipe):
    with torch.inference_mode(), pytest.raises(RuntimeError, match="inference_mode"): steer(pipe, PROMPT, "blue", seed=1, after=lambda s: pytest.fail("a step was run"))
