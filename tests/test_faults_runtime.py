"What goes wrong while pictures are drawn: NaN at every stage and step, memory that runs out, interrupts, two threads. On a Stable Diffusion in small, in every mode that draws."
import contextlib, re, sys, threading, warnings
import pytest, torch
from PIL import Image
import tiny
from sdcourse.animation import animate
from sdcourse.attention import attend, record_attention
from sdcourse.chains import chain, chain_steps
from sdcourse.dreams import dream
from sdcourse.generate import txt2img
from sdcourse.inpainting import inpaint, text_mask
from sdcourse.jobs import job_rows, run_jobs, write_jobs
from sdcourse.latents import decode, encode, seeded_noise
from sdcourse.measure import draw_prompts, load_judge
from sdcourse.models import load
from sdcourse.motion import video_frames
from sdcourse.prompts import knows, swap_token
from sdcourse.record import fingerprint
from sdcourse.redraw import img2img
from sdcourse.sampling import denoise, max_difference
from sdcourse.show import save_mp4
from sdcourse.steering import steer
from sdcourse.sweeps import sweep, sweep_pictures
from sdcourse.text import embed

P, Q = "a red fox", "an owl at night"
FEW = dict(num_inference_steps=3) # PNDM, the model's own scheduler, makes one more of it
PHOTO = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
HOLE = Image.new("L", (64, 64)); HOLE.paste(255, (16, 16, 64, 64))
MODES = { # every function that draws, as a list of pictures of a prompt
    "txt2img": lambda pipe, p=P, **kw: txt2img(pipe, p, n=2, seed=1, **FEW, **kw),
    "img2img": lambda pipe, p=P, **kw: img2img(pipe, p, PHOTO, n=2, seed=1, strength=1, **FEW, **kw),
    "inpaint": lambda pipe, p=P, **kw: inpaint(pipe, p, PHOTO, HOLE, n=2, seed=1, composite=False, **FEW, **kw),
    "sweep": lambda pipe, p=P: sweep(pipe, p, seed=[1, 2], guidance_scale=[1., 5.], **FEW).pictures,
    "dream": lambda pipe, p=P: list(dream(pipe, [p, "a fish"], seed=1, frames=3, batch_size=2, **FEW)),
    "animate": lambda pipe, p=P: list(animate(pipe, p, frames=2, strength=1, seed=1, **FEW)),
    "chain": lambda pipe, p=P: [nd.picture for nd in chain(pipe, PHOTO, [p, "a fish"], n=1, seed=1, strength=1, **FEW)],
    "steer": lambda pipe, p=P, **kw: steer(pipe, p, "blue", n=2, seed=1, **FEW, **kw),
    "attend": lambda pipe, p=P, **kw: attend(pipe, p, n=2, seed=1, **FEW, **kw)[0],
    "measure": lambda pipe, p=P: draw_prompts(pipe, [dict(prompt=p), dict(prompt="a fish")], num_inference_steps=3),
}
every = pytest.mark.parametrize("mode", MODES)
ENCODES = {"img2img", "inpaint", "animate", "chain"}
PARTS = {"unet": lambda pipe: pipe.unet, "text encoder": lambda pipe: pipe.text_encoder, "encoder": lambda pipe: pipe.vae.encoder, "decoder": lambda pipe: pipe.vae.decoder}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory): return load(tiny.save(tmp_path_factory.mktemp("tiny")), device="cpu")


@pytest.fixture(scope="module")
def clean(pipe):
    "The undisturbed pictures of a mode, drawn once."
    made = {}
    def clean(mode): return made[mode] if mode in made else made.setdefault(mode, MODES[mode](pipe))
    return clean


class disturbed:
    "In the block, call number `at` of a part of the pipeline (None: every call) does something else with its output, or before it begins."
    def __init__(self, pipe, part, at=None, *, output=None, begin=None): self.module, self.at, self.output, self.begin, self.calls = PARTS[part](pipe), at, output, begin, []
    def __enter__(self):
        self.hooks = [self.module.register_forward_pre_hook(self._before, with_kwargs=True), self.module.register_forward_hook(self._after, with_kwargs=True)]
        return self
    def __exit__(self, *_): [h.remove() for h in self.hooks]
    def _now(self): return self.at is None or len(self.calls) == self.at + 1
    def _before(self, m, args, kw):
        self.calls.append((args, kw))
        if self.begin and self._now(): self.begin(len(args[0] if args else kw["input_ids"]))
    def _after(self, m, args, kw, out):
        if not self.output or not self._now(): return None
        x = out[0] if isinstance(out, tuple) or hasattr(out, "keys") else out
        x = x.clone(memory_format=torch.contiguous_format); x.view(-1)[x.numel() // 2] = self.output # one number of one row
        if isinstance(out, tuple): return (x, *out[1:])
        if hasattr(out, "keys"): out[next(iter(out.keys()))] = x; return out
        return x


@pytest.fixture(scope="module")
def calls_of(pipe):
    "How often a mode calls a part, counted once."
    known = {}
    def calls_of(part, mode):
        if mode not in known:
            with contextlib.ExitStack() as all: ds = {k: all.enter_context(disturbed(pipe, k)) for k in PARTS}; MODES[mode](pipe)
            known[mode] = {k: len(d.calls) for k, d in ds.items()}
        return known[mode][part]
    return calls_of


# NaN

@pytest.mark.parametrize("mode, bad", [*((m, float("nan")) for m in MODES), ("txt2img", float("inf")), ("inpaint", -float("inf"))])
def test_nan_in_the_unet(pipe, calls_of, mode, bad, record_property):
    "At the first, a middle and the last call: an error that names this very step, the number type and the remedy."
    n = calls_of("unet", mode); assert n >= 4
    for at in (0, n // 2, n - 1):
        with disturbed(pipe, "unet", at, output=bad) as d, pytest.raises(FloatingPointError) as e: MODES[mode](pipe)
        said = re.fullmatch(r"NaN or inf in the prediction at step (\d) of (\d) \(timestep (\d+)\) for picture \d.*, in torch\.float32\. .*load the model again", str(e.value)); assert said, e.value
        t = d.calls[at][0][1]; assert int(said[3]) == int(t) and len(d.calls) == at + 1; record_property("nan", 1) # nothing was drawn on


@every
def test_nan_in_the_other_parts(pipe, calls_of, mode, record_property):
    for part, says in (("text encoder", "in the embeddings for prompt"), ("decoder", "from the autoencoder's decoder for picture"), *([("encoder", "from the autoencoder's encoder for picture")] if mode in ENCODES else [])):
        n = calls_of(part, mode); assert n
        for at in {0, n - 1}:
            if mode == "steer" and part == "decoder" and at == 0: continue # that call is the loss's: see below
            with disturbed(pipe, part, at, output=float("nan")), pytest.raises(FloatingPointError, match=f"NaN or inf {says} .*, in torch.float32. The weights are broken: load the model again"): MODES[mode](pipe)
            record_property("nan", 1)


def test_nan_in_a_loss(pipe):
    with disturbed(pipe, "decoder", 0, output=float("nan")), pytest.raises(FloatingPointError, match="loss or its gradient is NaN"): MODES["steer"](pipe)


@pytest.mark.parametrize("mode", [m for m in ("txt2img", "img2img", "inpaint", "steer", "attend")])
def test_nan_in_the_latents(pipe, mode, record_property):
    for at in (0, 2, 3):
        def poison(step): return step.latents * float("nan") if step.i == at else None
        with pytest.raises(FloatingPointError, match=f"in the latents that after= returned at step {at} of 4 .*, in torch.float32. Return finite ones"): MODES[mode](pipe, after=poison)
        record_property("nan", 1)


def test_nan_in_the_weights(pipe, tmp_path):
    for part, name in (("unet", "conv_in.weight"), ("unet", "conv_out.bias"), ("unet", "time_embedding.linear_1.weight"), ("vae", "decoder.conv_out.weight"), ("vae", "encoder.conv_in.weight"), ("text_encoder", "final_layer_norm.weight")):
        p = next(p for n, p in getattr(pipe, part).named_parameters() if n.endswith(name)); was = p.data.clone()
        try:
            p.data.view(-1)[0] = float("nan")
            with pytest.raises(FloatingPointError, match="load the model again"): MODES["img2img"](pipe)
        finally: p.data = was


def test_nan_in_the_scheduler(pipe):
    from diffusers import DDIMScheduler
    class Sick(DDIMScheduler):
        def step(self, pred, t, x, **kw):
            out = super().step(pred, t, x, **kw)
            return (out[0] * float("inf"),) if int(t) < 600 else out
    sick = Sick.from_config(pipe.scheduler.config)
    for mode in ("txt2img", "img2img", "inpaint"):
        with pytest.raises(FloatingPointError, match=r"in the latents at step \d of 3 .* The scheduler cannot do this: another one, or another number of steps \(Sick, 3 steps\)"): MODES[mode](pipe, scheduler=sick)


def test_half_precision_overflows_and_the_remedy_helps(tmp_path):
    "Decoder and encoder that overflow in float16, as those of large models do: the error names the type and the remedy, and the remedy is one."
    pipe = load(tiny.save(tmp_path), device="cpu")
    pipe.vae.decoder.mid_block.resnets[0].conv1.weight.data *= 1e5; pipe.vae.encoder.conv_in.weight.data *= 2e5; pipe.vae.half()
    for mode, where in (("txt2img", "decoder"), ("img2img", "encoder")):
        with pytest.raises(FloatingPointError, match=rf"autoencoder's {where} .*, in torch.float16. Autoencoders overflow in half precision: pipe.vae.to\(torch.float32\) is enough"): MODES[mode](pipe)
    pipe.vae.to(torch.float32)
    for mode in ("txt2img", "img2img"): assert len(MODES[mode](pipe)) == 2


def test_nan_where_no_picture_is_drawn(pipe):
    "What looks into the UNet without drawing."
    for f in (lambda: knows(pipe, ["fox"]), lambda: text_mask(pipe, PHOTO, "fox"), lambda: text_mask(pipe, PHOTO, "fox", prompt="a fox there", method="difference")):
        with disturbed(pipe, "unet", 0, output=float("nan")), pytest.raises(FloatingPointError, match="in the prediction at timestep"): f()


# Memory

class cramped:
    "In the block, parts of the pipeline have room for so many rows."
    def __init__(self, pipe, rows, parts=PARTS):
        def full(n):
            if n > rows: raise torch.OutOfMemoryError(f"out of memory: tried to allocate {n} rows")
        self.all = [disturbed(pipe, part, begin=full) for part in parts]
    def __enter__(self): [d.__enter__() for d in self.all]; return self
    def __exit__(self, *_): [d.__exit__() for d in self.all]


@every
def test_memory_runs_out(pipe, clean, mode, record_property):
    "Fewer rows at a time give the same pictures (within 1/255), and it is said."
    want, got = clean(mode), {}
    for rows in (2, 1):
        if mode in ("attend", "steer") and rows == 1: continue # these need the two rows of a guided picture in one call
        with cramped(pipe, rows), warnings.catch_warnings(record=True) as said: warnings.simplefilter("always"); got[rows] = MODES[mode](pipe)
        assert max_difference(got[rows], want) <= 1; record_property("memory", 1); assert all("for the same pictures" in str(w.message) for w in said if "memory" in str(w.message))
        assert rows == 2 and mode in ("animate", "chain", "steer") or [w for w in said if "memory ran out with" in str(w.message)]
    assert [im.info.get("sdcourse", {}).get("seed") for im in got[2]] == [im.info.get("sdcourse", {}).get("seed") for im in want]


@pytest.mark.filterwarnings("ignore:memory ran out")
def test_no_room_for_one(pipe):
    "An error that says what to turn on, for each part, and nothing that is on already."
    for part, says in (("unet", r"not even one of the rows of the UNet .*pipe\.enable_attention_slicing\(\)"), ("decoder", r"not even one of the pictures in the autoencoder .*pipe\.vae\.enable_tiling\(\)"),
                       ("encoder", r"not even one of the pictures in the autoencoder"), ("text encoder", "not even one of the prompts in the text encoder")):
        with cramped(pipe, 0, [part]), pytest.raises(MemoryError, match=says): MODES["img2img"](pipe)
    with cramped(pipe, 1, ["unet"]), pytest.raises(MemoryError, match="attention is recorded"): MODES["attend"](pipe) # which needs the two rows of a picture in one call
    was = pipe.unet.attn_processors; pipe.enable_attention_slicing(); pipe.vae.enable_tiling()
    try:
        for part in ("unet", "decoder"):
            with cramped(pipe, 0, [part]), pytest.raises(MemoryError, match="smaller picture") as e: MODES["txt2img"](pipe)
            assert "enable" not in str(e.value)
    finally: pipe.unet.set_attn_processor(was); pipe.vae.disable_tiling()


@pytest.mark.filterwarnings("ignore:memory ran out")
def test_recorded_attention_of_a_halved_batch(pipe):
    want = attend(pipe, P, n=2, seed=1, **FEW)[1]
    with cramped(pipe, 2, ["unet"]): got = attend(pipe, P, n=2, seed=1, **FEW)[1]
    assert got.layers.keys() == want.layers.keys() and all(torch.allclose(got.layers[k], want.layers[k], atol=1e-5) for k in want.layers)


@pytest.mark.filterwarnings("ignore:memory ran out")
def test_memory_of_encode_decode_and_judge(pipe):
    z = seeded_noise(pipe, range(5)); want = decode(pipe, z), encode(pipe, [PHOTO] * 5)
    with cramped(pipe, 2): got = decode(pipe, z), encode(pipe, [PHOTO] * 5)
    assert max_difference(got[0], want[0]) <= 1 and torch.allclose(got[1], want[1], atol=1e-5)
    judge = load_judge(); f = judge.features([PHOTO] * 3)
    def full(m, args):
        if len(args[0]) > 2: raise MemoryError
    hook = next(judge.net.children()).register_forward_pre_hook(full)
    try: assert torch.allclose(judge.features([PHOTO] * 3), f, atol=1e-5)
    finally: hook.remove()


def test_other_errors_are_not_taken_for_memory(pipe):
    def wrong(n): raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with disturbed(pipe, "unet", 1, begin=wrong), pytest.raises(RuntimeError, match="mat1 and mat2"): MODES["txt2img"](pipe)


# Interrupts

def state(pipe):
    "All of a pipeline that a run might leave changed."
    nets = [pipe.unet, pipe.vae, pipe.text_encoder]
    return dict(hooks=[len(m._forward_hooks) + len(m._forward_pre_hooks) for net in nets for m in net.modules()], processors=[id(p) for p in pipe.unet.attn_processors.values()], weights=fingerprint(pipe),
                grad=[p.requires_grad for net in nets for p in net.parameters()], grads=[p.grad is None for net in nets for p in net.parameters()], training=[m.training for net in nets for m in net.modules()],
                scheduler=(type(pipe.scheduler), dict(pipe.scheduler.config), pipe.scheduler.num_inference_steps), words=len(pipe.tokenizer), bar=getattr(pipe, "_progress_bar_config", None),
                slicing=(getattr(pipe.vae, "use_slicing", None), getattr(pipe.vae, "use_tiling", None)), rng=torch.random.get_rng_state().tolist(), enabled=torch.is_grad_enabled())


@pytest.mark.parametrize("mode, error", [*((m, KeyboardInterrupt) for m in MODES), ("txt2img", RuntimeError), ("attend", OSError)])
def test_interrupted_at_every_part(pipe, clean, calls_of, mode, error):
    "Nothing is left behind, and the next call draws what it always draws."
    want, before = [im.tobytes() for im in clean(mode)], state(pipe)
    def stop(n): raise error("stop")
    for part in PARTS:
        if part == "encoder" and mode not in ENCODES: continue
        n = calls_of(part, mode)
        for at in {n // 2, n - 1}:
            with disturbed(pipe, part, at, begin=stop), pytest.raises(error, match="stop"): MODES[mode](pipe)
            assert state(pipe) == before, (part, at)
    assert [im.tobytes() for im in MODES[mode](pipe)] == want


def test_left_in_the_middle(pipe):
    "Generators that are closed, and contexts that an error ends."
    before = state(pipe); z, h = seeded_noise(pipe, [1]), embed(pipe, [P, ""])
    for run in (denoise(pipe, z, h[:1], h[1:], **FEW), dream(pipe, [P, Q], seed=1, frames=9, batch_size=2, **FEW), animate(pipe, P, frames=9, seed=1, **FEW), sweep_pictures(pipe, P, seed=range(6), batch_size=2, **FEW), chain_steps(pipe, PHOTO, [P, Q], n=2, **FEW)):
        next(run); next(run); run.close(); assert state(pipe) == before
    for block in (lambda: swap_token(pipe, "fox", "cat"), lambda: record_attention(pipe, P)):
        with pytest.raises(KeyboardInterrupt), block(): raise KeyboardInterrupt
        assert state(pipe) == before


def test_what_is_finished_is_kept(pipe, clean, tmp_path):
    "A stop and an error carry it; jobs have it on disk; a film goes as far as it came, and the older one is whole."
    def stop(n): raise KeyboardInterrupt
    with disturbed(pipe, "unet", 9, begin=stop), pytest.raises(KeyboardInterrupt) as e: sweep(pipe, P, seed=range(6), batch_size=2, **FEW)
    assert [*e.value.finished] == [(k,) for k in range(6)][:len(e.value.finished)] and 2 <= len(e.value.finished) < 6 and "are kept" in e.value.__notes__[0]
    assert max_difference(e.value.finished.values(), sweep(pipe, P, seed=range(6), **FEW).pictures[:len(e.value.finished)]) <= 1
    whole = chain(pipe, PHOTO, [P, Q], seed=1, strength=1, **FEW)
    with disturbed(pipe, "unet", 5, output=float("nan")), pytest.raises(FloatingPointError) as e: chain(pipe, PHOTO, [P, Q], seed=1, strength=1, **FEW)
    again = chain(pipe, PHOTO, [P, Q], seed=1, strength=1, done=e.value.finished, **FEW)
    assert len(e.value.finished) == 2 and [nd.picture.tobytes() for nd in again] == [nd.picture.tobytes() for nd in whole]
    with disturbed(pipe, "unet", 6, begin=stop), pytest.raises(KeyboardInterrupt) as e: draw_prompts(pipe, [dict(prompt=P)] * 4, num_inference_steps=4, batch_size=2)
    assert len(e.value.finished) == 2
    file = write_jobs(job_rows(prompt=P, seed=range(6), num_inference_steps=1), tmp_path/"jobs.jsonl"); run = run_jobs(file, tmp_path/"out", pipe=pipe, batch_size=3); next(run); run.close()
    assert len([*(tmp_path/"out").glob("*.png")]) == 3 and len(list(run_jobs(file, tmp_path/"out", pipe=pipe, batch_size=3))) == 3 # all of the batch, though only the first was asked for
    flat = [Image.new("RGB", (64, 64), c) for c in ("red", "green", "blue", "white")]; film = save_mp4(flat[:1], tmp_path/"film.mp4"); old = film.read_bytes()
    def frames(error):
        yield from flat[:3]
        raise error
    for error in (KeyboardInterrupt(), FloatingPointError("NaN"), MemoryError("full")):
        with pytest.raises(type(error)) as e: save_mp4(frames(error), film)
        assert film.read_bytes() == old and "the 3 frames before are kept as film-stopped.mp4" in e.value.__notes__
        assert max_difference(video_frames(tmp_path/"film-stopped.mp4"), flat[:3]) < 9; (tmp_path/"film-stopped.mp4").unlink()
    with pytest.raises(KeyError): save_mp4(frames(KeyError("a bug of the caller")), film)
    assert film.read_bytes() == old and sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "jobs.jsonl", "out"]


# Threads

def together(*fs):
    "What functions give that run at once, each in a thread of its own; an error is raised here."
    door, out, was = threading.Barrier(len(fs)), [None] * len(fs), sys.getswitchinterval()
    def run(k):
        door.wait()
        try: out[k] = fs[k]()
        except BaseException as e: out[k] = e
    threads = [threading.Thread(target=run, args=[k]) for k in range(len(fs))]; sys.setswitchinterval(1e-5) # far more turns than by default
    try: [t.start() for t in threads]; [t.join() for t in threads]
    finally: sys.setswitchinterval(was)
    for r in out:
        if isinstance(r, BaseException): raise r
    return out


@every
def test_two_threads(pipe, clean, mode):
    "Each has its own pictures, byte for byte, whatever the other draws meanwhile."
    other = MODES[mode](pipe, Q); before = state(pipe)
    a, b, c = together(lambda: MODES[mode](pipe), lambda: MODES[mode](pipe, Q), lambda: MODES["attend"](pipe))
    for got, want in ((a, clean(mode)), (b, other), (c, clean("attend"))): assert [im.tobytes() for im in got] == [im.tobytes() for im in want]
    assert state(pipe) == before


def test_a_block_is_one_threads_alone(pipe, clean):
    "While one thread records or has swapped a word, the other waits: neither does it see the hook, nor is it recorded."
    want = [im.tobytes() for im in clean("txt2img")]; cat = [im.tobytes() for im in MODES["txt2img"](pipe, "a red cat")]; seen = attend(pipe, Q, seed=1, **FEW)[1].layers
    def inside(block, draw):
        got = []; t = threading.Thread(target=lambda: got.extend(MODES["txt2img"](pipe)))
        with block as value: t.start(); t.join(.3); mine = draw() # without turns the other would be done, or in the middle of it
        t.join(); assert [im.tobytes() for im in got] == want
        return value, mine
    _, mine = inside(swap_token(pipe, "fox", "cat"), lambda: MODES["txt2img"](pipe)); assert [im.tobytes() for im in mine] == cat != want
    layers = inside(record_attention(pipe, Q), lambda: txt2img(pipe, Q, seed=1, **FEW))[0].layers
    assert layers.keys() == seen.keys() and all(torch.equal(layers[k], seen[k]) for k in seen)


def test_two_samplers_step_by_step(pipe):
    "Loops of one's own in two threads, each step in turn."
    def loop(prompt): h = embed(pipe, [prompt, ""]); return [s.latents for s in denoise(pipe, seeded_noise(pipe, [1]), h[:1], h[1:], **FEW)][-1]
    want = loop(P), loop(Q); got = together(lambda: loop(P), lambda: loop(Q))
    assert all(torch.equal(g, w) for g, w in zip(got, want))


def test_one_tokenizer_for_all_threads(pipe):
    "Each call of a tokenizer sets how it pads and cuts, for all who share it."
    from sdcourse.text import tokenize
    texts = [P, "a " * 90 + "fox", "<unknown> word", Q]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore"); want = [tokenize(pipe, t) for t in texts]
        for got in zip(*together(*([lambda t=t: [tokenize(pipe, t) for _ in range(50)] for t in texts]))): assert all(torch.equal(g, w) for g, w in zip(got, want))


def test_a_sum_that_runs_over_is_no_fault():
    "Numbers that are finite pass, though their sum in half precision is not; one NaN or inf among them never does."
    from sdcourse.core import check_finite
    x = torch.full((2, 4, 4), 60000., dtype=torch.float16); assert x.sum().isinf() and check_finite(x, "here") is x
    for bad in (torch.nan, torch.inf, -torch.inf):
        y = x.clone(); y[1, 2, 3] = bad
        with pytest.raises(FloatingPointError, match="here for picture 1, in torch.float16"): check_finite(y, "here")
    y = torch.zeros(2, 2); y[0] = torch.tensor([torch.inf, -torch.inf])
    with pytest.raises(FloatingPointError, match="picture 0"): check_finite(y, "here")


def test_where_a_network_computes(tmp_path):
    "As diffusers says it, where a hook keeps the numbers in another type or place, too."
    from sdcourse.core import placed
    def said(net): assert placed(net) == dict(device=net.device, dtype=net.dtype); return placed(net)["dtype"]
    unet = load(tiny.save(tmp_path), device="cpu").unet; assert said(unet) == torch.float32 and said(unet.half()) == torch.float16
    unet.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    assert torch.float8_e4m3fn in {p.dtype for p in unet.parameters()} and said(unet) == torch.bfloat16


def test_a_schedule_that_begins_without_a_picture(pipe):
    "alpha-bar 0 says nothing to a network that predicts the noise: the same error whether somebody watches the steps or not."
    from diffusers import DDIMScheduler
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    for after in (None, lambda step: None):
        with pytest.raises(ValueError, match="abar must be above 0 .* got 0.0"): txt2img(pipe, P, seed=1, num_inference_steps=4, scheduler=scheduler, after=after)
