"The pocket model in other hands: plain diffusers, its command line, and the tools of the field load it and draw with it."
import json, sys
import numpy as np, pytest, torch
from PIL import Image
from conftest import ENV, run
from sdcourse.core import generators
from sdcourse.latents import decode, encode, seeded_noise
from sdcourse.models import POCKET, get_scheduler, load
from sdcourse.sampling import denoise, max_difference
from sdcourse.text import embed

PROMPT = "a red fox in the snow, 3d render style"


@pytest.fixture(scope="module")
def pipe():
    pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def source(pipe):
    "Clean latents of a real picture."
    return encode(pipe, Image.open("nbs/images/fox.png"))


def test_loads_with_no_further_argument(pipe):
    from diffusers import StableDiffusionPipeline
    plain = StableDiffusionPipeline.from_pretrained(POCKET); plain.set_progress_bar_config(disable=True)
    assert {p.dtype for part in (plain.unet, plain.vae, plain.text_encoder) for p in part.parameters()} == {torch.float32}
    s = plain.scheduler.config
    assert (s.beta_schedule, s.beta_start, s.beta_end, s.num_train_timesteps, s.prediction_type) == ("scaled_linear", .00085, .012, 1000, "epsilon")
    assert (plain.vae.config.latent_channels, plain.text_encoder.config.max_position_embeddings, plain.tokenizer.model_max_length) == (4, 77, 77)
    imgs = plain(PROMPT, num_inference_steps=4, generator=torch.Generator().manual_seed(1)).images
    assert imgs[0].size == (64, 64) and np.asarray(imgs[0]).std() > 10
    own = pipe(PROMPT, num_inference_steps=4, generator=torch.Generator().manual_seed(1)).images
    assert max_difference(imgs, own) == 0


def test_is_half_precision_on_disk_and_small():
    from safetensors import safe_open
    files = sorted(POCKET.glob("*/*.safetensors"))
    assert len(files) == 3
    for f in files:
        with safe_open(f, "pt") as w: assert {w.get_slice(k).get_dtype() for k in w.keys()} <= {"F16", "I64"}, f.name
    assert sum(f.stat().st_size for f in POCKET.rglob("*") if f.is_file()) <= 24e6
    assert sum(f.stat().st_size for d in POCKET.parent.glob("pocket_*") for f in d.rglob("*") if f.is_file()) <= 30e6


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++"])
def test_img2img_is_the_loop_begun_midway(pipe, source, scheduler):
    "What diffusers' image-to-image pipeline draws, and what `denoise` draws with `init` and `start`."
    from diffusers import StableDiffusionImg2ImgPipeline
    theirs = StableDiffusionImg2ImgPipeline(**{**pipe.components, "scheduler": get_scheduler(pipe, scheduler)}, requires_safety_checker=False); theirs.set_progress_bar_config(disable=True)
    want = [theirs(PROMPT, image=source, strength=.6, num_inference_steps=10, guidance_scale=4., generator=g).images[0] for g in generators([3, 4])]
    text, empty = embed(pipe, [PROMPT, ""]).split(1); gens = generators([3, 4])
    *_, last = denoise(pipe, seeded_noise(pipe, gens), text, empty, init=source, start=4, num_inference_steps=10, guidance_scale=4., scheduler=scheduler, generators=gens)
    assert max_difference(want, decode(pipe, last.latents)) <= 1


def test_inpainting_is_the_loop_with_a_mask(pipe, source):
    from diffusers import StableDiffusionInpaintPipeline
    theirs = StableDiffusionInpaintPipeline(**pipe.components, requires_safety_checker=False); theirs.set_progress_bar_config(disable=True)
    white = np.zeros((64, 64), np.uint8); white[:, :32] = 255
    want = theirs(PROMPT, image=source, mask_image=Image.fromarray(white), masked_image_latents=source, height=64, width=64, strength=1., num_inference_steps=8, guidance_scale=4., generator=generators([3])).images
    text, empty = embed(pipe, [PROMPT, ""]).split(1); gens = generators([3])
    mask = torch.zeros(1, 1, 16, 16); mask[..., :8] = 1
    *_, last = denoise(pipe, seeded_noise(pipe, gens), text, empty, init=source, mask=mask, num_inference_steps=8, guidance_scale=4., generators=gens)
    assert max_difference(want, decode(pipe, last.latents)) <= 1


def test_diffusers_command_line(tmp_path):
    out = run("diffusers-cli", "run", "--help")
    args = ["--model", POCKET, "--pipeline-kwargs", json.dumps(dict(prompt=PROMPT, num_inference_steps=2, height=64, width=64))]
    assert "--pipeline-kwargs" in out
    run("diffusers-cli", "run", *args, cwd=tmp_path, env={**ENV, "HOME": str(tmp_path)})
    assert [Image.open(p).size for p in tmp_path.rglob("*.png")] == [(64, 64)]


def test_compel_weights_a_word(pipe):
    from compel import Compel
    compel = Compel(tokenizer=pipe.tokenizer, text_encoder=pipe.text_encoder)
    plain, more = compel("a red fox"), compel("a red++ fox")
    assert plain.shape == more.shape == (1, 77, pipe.text_encoder.config.hidden_size)
    assert torch.allclose(plain, embed(pipe, "a red fox"), atol=1e-4) and not torch.allclose(plain, more, atol=1e-2)
    *_, last = denoise(pipe, seeded_noise(pipe, [1]), more, embed(pipe, ""), num_inference_steps=2)
    assert decode(pipe, last.latents)[0].size == (64, 64)


def test_a_compiled_model_has_the_same_fingerprint_and_a_missing_part_none(pipe):
    from sdcourse.generate import txt2img
    from sdcourse.record import added_to, fingerprint
    from sdcourse.text import embed
    kw = dict(prompt_embeds=embed(pipe, PROMPT), negative_prompt_embeds=embed(pipe, ""), seed=1, num_inference_steps=2, guidance_scale=4.); want = txt2img(pipe, PROMPT, **kw)[0]
    parts = dict(pipe.components); other = type(pipe)(**parts | dict(unet=torch.compile(pipe.unet, backend="eager")), requires_safety_checker=False)
    assert fingerprint(other) == fingerprint(pipe)
    bare = type(pipe)(**parts, requires_safety_checker=False); bare.text_encoder = None
    img = txt2img(bare, PROMPT, **kw)[0]
    with pytest.raises(ValueError, match="no text encoder"): txt2img(bare, PROMPT, seed=1)
    assert img.tobytes() == want.tobytes() and added_to(bare) == [] and img.info["sdcourse"]["weights"] == fingerprint(bare) != fingerprint(pipe)
