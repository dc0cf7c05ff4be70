"The modes, each against diffusers' own pipeline and against itself: in a batch, interrupted, with wrong inputs."
import functools, hashlib, http.server, json, threading
from pathlib import Path
import numpy as np, pytest, torch
from PIL import Image
from course import ROOT
from sdcourse.core import generators
from sdcourse.models import get_scheduler, load
from sdcourse.redraw import SKETCHES, fit_picture, img2img, likeness, open_picture, start_step
from sdcourse.sampling import max_difference

PROMPT = "a red fox in the snow, 3d render style"


@pytest.fixture(scope="module")
def pipe():
    pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    return pipe


# Image to image

STRENGTHS = [k / 10 for k in range(1, 11)]


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++"])
def test_img2img_is_diffusers(pipe, scheduler):
    "Ten strengths in one batch of ours, one at a time in diffusers' pipeline."
    from diffusers import StableDiffusionImg2ImgPipeline
    theirs = StableDiffusionImg2ImgPipeline(**{**pipe.components, "scheduler": get_scheduler(pipe, scheduler)}, requires_safety_checker=False); theirs.set_progress_bar_config(disable=True)
    sketch = open_picture("fox")
    want = [theirs(PROMPT, image=sketch, strength=s, num_inference_steps=10, guidance_scale=4., negative_prompt="blue", generator=generators([18])).images[0] for s in STRENGTHS]
    ours = img2img(pipe, PROMPT, sketch, n=10, seed=[18] * 10, strength=STRENGTHS, num_inference_steps=10, guidance_scale=4., negative_prompt="blue", scheduler=scheduler)
    assert max_difference(ours, want) <= 1
    assert max_difference(want[:1], want[-1:]) > 50 # the strengths do differ


@pytest.mark.parametrize("scheduler", ["pndm", "heun", "euler_a", "unipc", "lcm"])
def test_img2img_is_diffusers_with_schedulers_of_their_own_ways(pipe, scheduler):
    "Two calls for a step, a first step taken twice, noise added on the way."
    from diffusers import StableDiffusionImg2ImgPipeline
    theirs = StableDiffusionImg2ImgPipeline(**{**pipe.components, "scheduler": get_scheduler(pipe, scheduler)}, requires_safety_checker=False); theirs.set_progress_bar_config(disable=True)
    for s in (.5, 1.):
        want = theirs(PROMPT, image=open_picture("house"), strength=s, num_inference_steps=6, guidance_scale=4., generator=generators([7])).images
        assert max_difference(img2img(pipe, PROMPT, open_picture("house"), seed=7, strength=s, num_inference_steps=6, guidance_scale=4., scheduler=scheduler), want) <= 1, s


def test_several_pictures_as_diffusers_takes_them(pipe):
    "One picture for each prompt, two of each; the encoder is asked once for each picture, diffusers' once for each of the four."
    from diffusers import StableDiffusionImg2ImgPipeline
    theirs = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False); theirs.set_progress_bar_config(disable=True)
    prompts, images = [PROMPT, "a house, glossy cartoon style"], [open_picture("fox"), open_picture("house")]
    want = [theirs(p, image=im, strength=.6, num_inference_steps=5, guidance_scale=4., generator=generators([s])).images[0] for p, im in zip(prompts, images) for s in (3, 4)]
    assert max_difference(img2img(pipe, prompts, images, n=2, seed=3, strength=.6, num_inference_steps=5, guidance_scale=4.), want) <= 1


def test_start_is_diffusers_rule(pipe):
    "Every whole per cent of every number of steps up to 60, the ones that floating point makes odd included."
    from diffusers import StableDiffusionImg2ImgPipeline
    theirs = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    for n in range(1, 61):
        theirs.scheduler.set_timesteps(n)
        for s in (k / 100 for k in range(1, 101)):
            run = theirs.get_timesteps(n, s, "cpu")[1]
            if run: assert n - start_step(s, n) == run, (s, n)
            else:
                with pytest.raises(ValueError) as e: start_step(s, n)
                words = str(e.value).replace(",", "").split(); at = [float(words[k + 1]) for k, w in enumerate(words) if w == "least"]
                assert start_step(at[0], n) < n and start_step(s, int(at[1])) < at[1], (s, n, str(e.value)) # what it advises works
    assert start_step(.58, 50) == 22


def test_strength_near_nothing_is_the_autoencoder(pipe):
    from sdcourse.latents import decode, encode
    for name in SKETCHES:
        near = img2img(pipe, PROMPT, open_picture(name), strength=.001, num_inference_steps=1000, seed=5, guidance_scale=1)
        close = likeness(near, decode(pipe, encode(pipe, open_picture(name), seed=5)))[0]; assert close.pixels < 1.5 and close.features > .999, close


def test_each_row_is_what_it_is_alone(pipe):
    "Strengths, scales, prompts and pictures of one batch, whatever else is in it and however it is split."
    kw = dict(num_inference_steps=8, scheduler="dpm++"); strengths, scales = [.9, .2, .5, 1.], [1., 3., 7., 5.]
    prompts, images = [PROMPT, "an owl, pixel art style"], [open_picture("fox"), open_picture("castle")]
    rows = img2img(pipe, prompts, images, n=2, seed=11, strength=strengths, guidance_scale=scales, **kw)
    alone = [img2img(pipe, prompts[k // 2], images[k // 2], seed=11 + k % 2, strength=strengths[k], guidance_scale=scales[k], **kw)[0] for k in range(4)]
    assert max_difference(rows, alone) <= 1
    assert max_difference(rows, img2img(pipe, prompts, images, n=2, seed=11, strength=torch.tensor(strengths), guidance_scale=scales, batch_size=1, **kw)) <= 1
    again = img2img(pipe, prompts, images, n=2, seed=11, strength=strengths, guidance_scale=scales, **kw)
    assert [a.tobytes() for a in rows] == [a.tobytes() for a in again]
    assert [im.info["sdcourse"]["strength"] for im in rows] == strengths


def test_a_recipe_is_enough(pipe):
    "The keywords in it, given back to the function, draw the same picture; and the parent's recipe is in it, without its pictures."
    import inspect
    from sdcourse.record import unpack
    first = img2img(pipe, PROMPT, open_picture("fox"), seed=3, strength=.5, num_inference_steps=6, negative_prompt="blue", guidance_interval=(0, .8), guidance_rescale=.3)[0]
    second = img2img(pipe, "a wolf in the snow, 3d render style", first, seed=4, strength=.7, num_inference_steps=6)[0]
    for img in (first, second):
        r = json.loads(json.dumps(img.info["sdcourse"])); kw = {k: unpack(v) for k, v in r.items() if k in inspect.signature(img2img).parameters}
        kw.pop("scheduler") # the pipe's own, by its class
        assert img2img(pipe, **kw)[0].tobytes() == img.tobytes()
    assert second.info["sdcourse"]["parent"]["prompt"] == PROMPT and "png" not in json.dumps(second.info["sdcourse"]["parent"])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1"])
def test_odd_pictures_are_taken_as_seen(pipe, mode):
    from sdcourse.core import to_rgb
    odd = open_picture("house").convert(mode)
    if "A" in mode: odd.putalpha(Image.linear_gradient("L").resize((64, 64)))
    a, b = (img2img(pipe, PROMPT, im, seed=1, strength=.5, num_inference_steps=2)[0] for im in (odd, to_rgb(odd)))
    assert a.size == (64, 64) and a.tobytes() == b.tobytes()


def test_bad_inputs_are_refused_before_any_work(pipe, monkeypatch):
    fox = open_picture("fox"); calls = []
    monkeypatch.setattr(pipe.unet, "forward", lambda *a, **k: calls.append(1))
    for kw, says in ((dict(strength=-.1), "got -0.1"), (dict(strength=float("nan")), "got nan"), (dict(strength=None), "must be a number"), (dict(strength=True), "must be a number"), (dict(strength=[.5] * 3), "3 strengths for 1"),
                     (dict(strength=[]), "0 strengths for 1"), (dict(strength=0), "raise strength to at least 0.04"), (dict(num_inference_steps=2.5), "got 2.5"), (dict(guidance_scale=float("nan")), "finite"), (dict(seed=-1), "seed"),
                     (dict(n=0), "n must be"), (dict(scheduler="eulr"), "did you mean 'euler'"), (dict(generator=1), "did you mean seed=?"), (dict(height=64), "no argument height"), (dict(negative_prompt=["a", "b"]), "2 negative prompts")):
        with pytest.raises((ValueError, TypeError), match="(?s).*" + says.replace("?", r"\?")): img2img(pipe, PROMPT, fox, **kw)
    for image, says in ((fox.resize((66, 64)), r"66x64 pixels does not fit.*nearest are 64 and 68.*fit_picture\(image, pipe\)"), ([], "no pictures"), ([fox, fox.resize((32, 32))], "must have one size"), (np.zeros((64, 64, 3)), "expected a PIL picture"),
                        (None, "expected a PIL picture"), (fox.convert("I"), "mode 'I'")):
        with pytest.raises((ValueError, TypeError), match="(?s).*" + says): img2img(pipe, PROMPT, image)
    with pytest.raises(ValueError, match="2 pictures for 3 prompts"): img2img(pipe, [PROMPT] * 3, [fox] * 2)
    assert not calls


def test_an_interrupted_call_leaves_nothing_behind(pipe):
    fox = open_picture("fox"); kw = dict(seed=1, strength=.8, num_inference_steps=5)
    want = img2img(pipe, PROMPT, fox, **kw)
    def stop(step): raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt): img2img(pipe, PROMPT, fox, after=stop, **kw)
    assert img2img(pipe, PROMPT, fox, **kw)[0].tobytes() == want[0].tobytes()


# Pictures from elsewhere

def test_the_shipped_sketches_are_what_their_script_draws(tmp_path):
    from conftest import python
    python("import runpy, sys; sys.argv = [sys.argv[1], sys.argv[2]]; runpy.run_path(sys.argv[0], run_name='__main__')", ROOT/"data/build/sketches.py", tmp_path)
    for name, file in SKETCHES.items(): assert max_difference([Image.open(tmp_path/file.name)], [Image.open(file)]) == 0
    assert {p.stem for p in tmp_path.iterdir()} == {*SKETCHES} == {"fox", "castle", "house"}


@pytest.fixture
def server(tmp_path):
    "A folder on the local network card, and the list of what was asked for."
    folder = tmp_path/"site"; folder.mkdir(); asked = []
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *a): asked.append(self.path)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True); thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_port}", asked
    httpd.shutdown(); httpd.server_close(); thread.join()


def left(cache): return [p for p in cache.rglob("*") if p.is_file()] if cache.exists() else []


def test_an_address_is_fetched_once(server, tmp_path):
    folder, url, asked = server; cache = tmp_path/"cache"; open_picture("house").save(folder/"a house.png")
    want = hashlib.sha256((folder/"a house.png").read_bytes()).hexdigest()
    for _ in range(3): assert open_picture(f"{url}/a house.png", sha256=want.upper(), cache=cache).tobytes() == open_picture("house").tobytes()
    assert len(asked) == 1 and len(left(cache)) == 1
    (folder/"a house.png").unlink(); assert open_picture(f"{url}/a house.png", cache=cache).size == (64, 64) # without the server, too
    left(cache)[0].write_bytes(b"rotten")
    with pytest.raises(OSError, match="404"): open_picture(f"{url}/a house.png", cache=cache) # a damaged copy is not used


def test_nothing_wrong_is_kept(server, tmp_path):
    folder, url, asked = server; cache = tmp_path/"cache"
    open_picture("fox").save(folder/"fox.png"); (folder/"page.png").write_text("<html>please log in</html>"); (folder/"half.png").write_bytes((folder/"fox.png").read_bytes()[:700])
    with pytest.raises(ValueError, match="expected sha256 00.*found [0-9a-f]{64}"): open_picture(f"{url}/fox.png", sha256="0" * 64, cache=cache)
    with pytest.raises(OSError, match="answers 404.*Check the address"): open_picture(f"{url}/none.png", cache=cache)
    with pytest.raises(ValueError, match="no picture that is read here.*<html>"): open_picture(f"{url}/page.png", cache=cache)
    with pytest.raises(ValueError, match="damaged picture"): open_picture(f"{url}/half.png", cache=cache)
    with pytest.raises(OSError, match="Check the address and the network"): open_picture("http://127.0.0.1:9/fox.png", cache=cache, timeout=5)
    with pytest.raises(ValueError, match="only http"): open_picture("ftp://127.0.0.1/fox.png", cache=cache)
    with pytest.raises(ValueError, match="64 hexadecimal digits"): open_picture(f"{url}/fox.png", sha256="abc", cache=cache)
    assert not left(cache)


def test_a_kept_picture_with_another_hash_is_fetched_again(server, tmp_path):
    folder, url, asked = server; cache = tmp_path/"cache"; open_picture("fox").save(folder/"x.png"); open_picture(f"{url}/x.png", cache=cache)
    open_picture("castle").save(folder/"x.png"); new = hashlib.sha256((folder/"x.png").read_bytes()).hexdigest()
    assert open_picture(f"{url}/x.png", sha256=new, cache=cache).tobytes() == open_picture("castle").tobytes()
    with pytest.raises(ValueError, match="expected sha256 1"): open_picture(f"{url}/x.png", sha256="1" * 64, cache=cache)
    assert open_picture(f"{url}/x.png", sha256=new, cache=cache) and len(left(cache)) == 1 and len(asked) == 3 # the good copy outlives the bad wish


def test_a_photo_lies_as_it_was_taken_and_fits(pipe, tmp_path):
    photo = Image.new("RGB", (200, 100), "blue"); photo.paste("red", (0, 0, 100, 100)); exif = photo.getexif(); exif[0x0112] = 6; photo.save(tmp_path/"p.jpg", exif=exif)
    img = open_picture(tmp_path/"p.jpg"); assert img.size == (100, 200)
    top, bottom = img.getpixel((50, 10)), img.getpixel((50, 190)); assert top[0] > 200 > 50 > top[2] and bottom[2] > 200
    for how, corner in (("crop", "red"), ("pad", "white"), ("stretch", "red")):
        small = fit_picture(img, pipe, how); assert small.size == (64, 64)
        r, g, b = small.getpixel((2, 2)); assert (g > 200) == (corner == "white") and r > 200


# Chains

def test_a_chain_is_interrupted_and_goes_on(pipe):
    from sdcourse.chains import chain, chain_steps, lineage
    call = (pipe, open_picture("house"), [["a house, pixel art style", "a castle, pixel art style"], "a robot, pixel art style"]); kw = dict(n=[2, 1], strength=[.5, .8], seed=5, num_inference_steps=5)
    whole = chain(*call, **kw, batch_size=3)
    assert [n.generation for n in whole] == [0] + [1] * 4 + [2] * 4 and [n.settings["seed"] for n in whole[1:]] == [5, 6, 5, 6] + [7] * 4
    for at in (0, 2, 6): # in nothing, within a family, within a generation
        kept = []
        with pytest.raises(KeyboardInterrupt):
            for node in chain_steps(*call, **kw, batch_size=3):
                if len(kept) == at: raise KeyboardInterrupt
                kept.append(node)
        rest = chain(*call, **{**kw, "seed": 5 if at < 2 else None}, done=kept)
        assert rest[:at] == kept and max_difference([n.picture for n in rest], [n.picture for n in whole]) <= 1
        assert all(n.parent is None or n.parent in rest for n in rest)
    assert [r.get("strength") for r in lineage(whole[-1])] == [None, .5, .8]


def test_a_chain_refuses_before_it_draws(pipe, monkeypatch):
    from sdcourse.chains import Node, chain_steps, family_tree
    fox = open_picture("fox"); calls = []
    monkeypatch.setattr(pipe.unet, "forward", lambda *a, **k: calls.append(1))
    for args, kw, says in (([[]], {}, "at least one entry"), ([["a", []]], {}, "list of prompts is empty"), ([["a", 3]], {}, "must be a string"), ([["a", "b"]], dict(strength=[.5]), "1 values of strength for 2"), ([["a"]], dict(strength=.001), "would change nothing"),
                           ([["a"]], dict(n=0), "n must be"), ([["a"]], dict(batch_size=0), "batch_size"), ([["a"]], dict(strengh=.5), "did you mean strength"), ([["a"]], dict(done=[Node(open_picture("house"))]), "does not begin with this picture")):
        with pytest.raises((ValueError, TypeError), match=says): chain_steps(pipe, fox, *args, **kw)
    with pytest.raises(TypeError, match="drawn of nodes"): family_tree([fox])
    assert not calls


def test_a_line_survives_the_file_and_other_modes(pipe, tmp_path):
    "From text to a picture, through two files, and on: the line is read from the last file alone."
    from sdcourse.chains import Node, chain, lineage
    from sdcourse.generate import txt2img
    from sdcourse.show import save_png
    save_png(txt2img(pipe, PROMPT, seed=1, num_inference_steps=3)[0], tmp_path/"0.png")
    save_png(img2img(pipe, "a wolf", open_picture(tmp_path/"0.png"), seed=2, strength=.7, num_inference_steps=3)[0], tmp_path/"1.png")
    last = chain(pipe, open_picture(tmp_path/"1.png"), "a panda", seed=3, num_inference_steps=3)[-1]; save_png(last.picture, tmp_path/"2.png")
    line = lineage(tmp_path/"2.png")
    assert [r["mode"] for r in line] == ["txt2img", "img2img", "img2img"] and [r["seed"] for r in line] == [1, 2, 3] and line == lineage(last)
    grown = chain(pipe, last, "an owl", seed=4, num_inference_steps=3) # a node may be gone on from
    assert grown[0] is last and grown[1].generation == 2 and [r["seed"] for r in lineage(grown[1])] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="carries no sdcourse settings"): open_picture("fox").save(tmp_path/"x.png"); lineage(tmp_path/"x.png")


def test_a_line_of_any_length(pipe):
    "A picture redrawn in a loop: a hundred ancestors are kept, the others counted; a family of thousands has its generations."
    from sdcourse.chains import Node, drift, lineage
    fox, kw = open_picture("fox"), dict(strength=.5, num_inference_steps=2, guidance_scale=1, seed=0); recipe = dict(mode="img2img", seed=5000)
    for k in range(4999, 0, -1): recipe = dict(mode="img2img", seed=10000 - k, parent=recipe)
    fox.info["sdcourse"] = recipe; assert len(lineage(fox)) == 5000
    once = img2img(pipe, PROMPT, fox, **kw)[0]; twice = img2img(pipe, PROMPT, once, **kw)[0]
    for img, lost in ((once, 4900), (twice, 4901)):
        line = lineage(img); assert line[0] == dict(mode="left out", pictures=lost) and len(line) == 102 and len(json.dumps(img.info["sdcourse"])) < 200_000
    node = Node(fox)
    for _ in range(3000): node = Node(fox, parent=node)
    assert node.generation == 3000 and drift([node], judge=type("Judge", (), {"features": lambda self, imgs: torch.ones(len(imgs), 1)})())[0].generation == 3000


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_noise_does_not_know_the_default_type(pipe, drawn, mask, dtype):
    from sdcourse.generate import txt2img
    from sdcourse.inpainting import inpaint
    kw = dict(seed=1, num_inference_steps=2, guidance_scale=4.)
    draws = [lambda: txt2img(pipe, PROMPT, **kw), lambda: img2img(pipe, PROMPT, drawn, **kw), lambda: inpaint(pipe, PROMPT, drawn, mask, **kw)]
    want = [f()[0].tobytes() for f in draws]; was = torch.get_default_dtype(); torch.set_default_dtype(dtype)
    try: assert [f()[0].tobytes() for f in draws] == want
    finally: torch.set_default_dtype(was)


def test_differences_are_of_what_is_seen():
    a, b = (open_picture(name).quantize(8) for name in ("fox", "house"))
    assert max_difference([a], [b]) == max_difference([a.convert("RGB")], [b.convert("RGB")]) and max_difference([a.convert("1")], [b.convert("1")]) == 255


# Inpainting

OWL = "an owl in the snow, 3d render style"


@pytest.fixture(scope="module")
def drawn(pipe):
    from sdcourse.generate import txt2img
    return txt2img(pipe, PROMPT, seed=18, num_inference_steps=10)[0]


@pytest.fixture(scope="module")
def mask():
    from PIL import ImageDraw
    m = Image.new("L", (64, 64)); ImageDraw.Draw(m).ellipse((7, 4, 57, 57), fill=255)
    return m


def grown(pipe, mask):
    "The mask on whole spots of the latents, as a picture."
    from sdcourse.inpainting import latent_mask
    return Image.fromarray((latent_mask(pipe, mask)[0, 0].numpy() * 255).astype("uint8")).resize(mask.size, 0)


def inpainted(pipe, drawn, mask, name, seeds, steps, ours=True, **kw):
    "Ours and diffusers', before the original's pixels are laid over; or diffusers' alone."
    from diffusers import StableDiffusionInpaintPipeline
    from sdcourse.inpainting import inpaint
    other = StableDiffusionInpaintPipeline(**{**pipe.components, "scheduler": get_scheduler(pipe, name)}, requires_safety_checker=False); other.set_progress_bar_config(disable=True)
    same = dict(num_inference_steps=steps, guidance_scale=4., negative_prompt="at night", **kw)
    theirs = other(prompt=[OWL] * len(seeds), image=[drawn] * len(seeds), mask_image=grown(pipe, mask), generator=generators(seeds), height=64, width=64, **{**same, "negative_prompt": ["at night"] * len(seeds)}).images
    return (inpaint(pipe, OWL, drawn, mask, scheduler=name, n=len(seeds), seed=seeds, composite=False, **same), theirs) if ours else theirs


@pytest.mark.parametrize("name", ["ddim", "euler", "dpm++"])
def test_inpaint_is_diffusers_at_ten_strengths(pipe, drawn, mask, name):
    "Ten strengths in one batch of ours, one at a time in diffusers' pipeline."
    from sdcourse.inpainting import inpaint
    want = [inpainted(pipe, drawn, mask, name, [3], 10, strength=s, ours=False)[0] for s in STRENGTHS]
    ours = inpaint(pipe, OWL, drawn, mask, scheduler=name, n=10, seed=[3] * 10, strength=STRENGTHS, composite=False, num_inference_steps=10, guidance_scale=4., negative_prompt="at night")
    off = {s: max_difference([a], [b]) for s, a, b in zip(STRENGTHS, ours, want)}; assert max(off.values()) <= 1, off
    assert max_difference(want[:1], want[-1:]) > 50 # the strengths do differ


@pytest.mark.parametrize("name", ["pndm", "euler_a", "heun", "unipc"])
def test_inpaint_is_diffusers_with_memory_or_noise_of_its_own(pipe, drawn, mask, name):
    off = {s: max_difference(*inpainted(pipe, drawn, mask, name, [3, 4], 5, strength=s)) for s in (1., .6)}
    assert max(off.values()) <= 1, off


@pytest.mark.parametrize("name", ["ddim", "euler_a", "dpm++"])
def test_inpaint_with_nine_channels_is_diffusers(pipe, drawn, mask, name):
    from diffusers import UNet2DConditionModel
    from sdcourse.inpainting import inpaint
    with torch.random.fork_rng(devices=[]): torch.manual_seed(0); unet = UNet2DConditionModel.from_config(dict(pipe.unet.config, in_channels=9)).eval()
    nine = type(pipe)(**{**pipe.components, "unet": unet}, requires_safety_checker=False)
    off = {s: max_difference(*inpainted(nine, drawn, mask, name, [3, 4], 5, strength=s)) for s in (1., .6)}
    assert max(off.values()) <= 1, off
    a, b = (inpaint(nine, OWL, drawn, m, seed=1, num_inference_steps=2, composite=False)[0] for m in (mask, Image.new("L", (64, 64), 255)))
    assert max_difference([a], [b]) > 1 # the mask does reach the network


@pytest.mark.parametrize("kw", [{}, dict(strength=.5), dict(feather=5), dict(scheduler="euler_a"), dict(n=3, batch_size=2), dict(strength=[1., .5, .2], n=3)], ids=str)
def test_inpaint_keeps_every_pixel_outside(pipe, drawn, mask, kw):
    from sdcourse.inpainting import inpaint
    kept = np.asarray(mask) == 0
    for im in inpaint(pipe, OWL, drawn, mask, seed=5, num_inference_steps=5, **kw):
        assert (np.asarray(im)[kept] == np.asarray(drawn)[kept]).all()
        assert np.abs(np.asarray(im)[~kept].astype(int) - np.asarray(drawn)[~kept]).max() > 20


def test_inpaint_with_a_black_mask_does_no_work(pipe, drawn):
    from sdcourse.inpainting import inpaint
    from sdcourse.record import unpack
    calls = []; hooks = [m.register_forward_pre_hook(lambda *a: calls.append(1)) for m in (pipe.unet, pipe.vae.encoder, pipe.vae.decoder)]
    try: imgs = inpaint(pipe, OWL, drawn, Image.new("L", drawn.size), n=2, seed=1)
    finally: [h.remove() for h in hooks]
    assert not calls and all(im.tobytes() == drawn.tobytes() for im in imgs)
    assert unpack(imgs[1].info["sdcourse"])["image"].tobytes() == drawn.tobytes() and imgs[1].info["sdcourse"]["seed"] == 2


def test_inpaint_recipe_makes_it_again(pipe, drawn, mask):
    import inspect
    from sdcourse.inpainting import inpaint
    from sdcourse.record import unpack
    first = inpaint(pipe, [OWL, PROMPT], drawn, mask, n=2, seed=7, strength=[1., .8, .6, .4], guidance_scale=[3., 4., 5., 6.], num_inference_steps=5, feather=2)
    for im in first:
        kw = {k: v for k, v in unpack(im.info["sdcourse"]).items() if k != "scheduler" and k in inspect.signature(inpaint).parameters}
        assert max_difference(inpaint(pipe, **kw), [im]) <= 1


def test_inpaint_stopped_midway_leaves_nothing_behind(pipe, drawn, mask):
    from sdcourse.inpainting import inpaint
    want = inpaint(pipe, OWL, drawn, mask, seed=1, num_inference_steps=4)[0]
    with pytest.raises(KeyboardInterrupt): inpaint(pipe, OWL, drawn, mask, seed=1, num_inference_steps=4, after=stop_at(2))
    assert inpaint(pipe, OWL, drawn, mask, seed=1, num_inference_steps=4)[0].tobytes() == want.tobytes()


def stop_at(i):
    def after(step):
        if step.i == i: raise KeyboardInterrupt
    return after


# Attention

@pytest.mark.parametrize("name", ["ddim", "heun", "euler_a"])
def test_recording_attention_changes_no_byte(pipe, name):
    from sdcourse.attention import attend, record_attention
    from sdcourse.generate import txt2img
    kw = dict(n=2, seed=3, num_inference_steps=4, scheduler=name, height=64, width=96); before = pipe.unet.attn_processors
    plain = txt2img(pipe, PROMPT, **kw); imgs, seen = attend(pipe, PROMPT, **kw)
    assert [a.tobytes() for a in plain] == [b.tobytes() for b in imgs] and pipe.unet.attn_processors == before
    assert {tuple(m.shape[-2:]) for m in seen.layers.values()} == {(16, 24), (8, 12), (4, 6)}
    for m in seen.layers.values(): assert torch.allclose(m.sum(2), torch.ones_like(m.sum(2)), atol=1e-4)
    with pytest.raises(KeyboardInterrupt), record_attention(pipe, PROMPT, 2): txt2img(pipe, PROMPT, **kw, after=stop_at(1))
    assert pipe.unet.attn_processors == before and not pipe.unet._forward_pre_hooks


def test_attending_with_numpys_numbers(pipe):
    from sdcourse.attention import attend
    kw = dict(seed=1, num_inference_steps=2); assert max_difference(attend(pipe, PROMPT, guidance_scale=np.array(4.), **kw)[0], attend(pipe, PROMPT, guidance_scale=4., **kw)[0]) == 0


def test_a_mask_by_difference_takes_out_words(pipe, monkeypatch):
    from sdcourse import inpainting
    seen = []; monkeypatch.setattr(inpainting, "embed", lambda pipe, text, inner=inpainting.embed: seen.append(text) or inner(pipe, text))
    inpainting.text_mask(pipe, open_picture("fox"), "red", prompt="a red fox on a scared, red-nosed tree", method="difference", n=1)
    assert seen == ["a red fox on a scared, red-nosed tree", "a  fox on a scared, -nosed tree"]


def test_recording_attention_in_plain_diffusers(pipe):
    "The last rows of each call are the prompt's, in diffusers' own pipeline too."
    from sdcourse.attention import attend, record_attention
    with record_attention(pipe, PROMPT, 2) as seen: pipe(PROMPT, num_images_per_prompt=2, generator=generators([3, 4]), num_inference_steps=3, guidance_scale=5.)
    _, ours = attend(pipe, PROMPT, n=2, seed=3, num_inference_steps=3, guidance_scale=5.)
    for name, m in seen.layers.items(): assert torch.allclose(m, ours.layers[name], atol=1e-4)
    _, alone = attend(pipe, PROMPT, n=2, seed=3, num_inference_steps=3, guidance_scale=1.) # the same noise, the prompt's half alone
    for name, m in alone.layers.items(): assert torch.allclose(m[0], ours.layers[name][0], atol=1e-4)
