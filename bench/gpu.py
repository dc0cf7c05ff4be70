"""Stable Diffusion 1.x on a graphics card: `python -m bench.gpu` from the top of the repository writes bench/gpu.json and bench/gpu.md. Nothing is downloaded.

The weights are random in the true shapes: arithmetic costs the same whatever the numbers are. In one run: the peak of a matrix product; the UNet alone by number type, memory format, way of attention, compile mode (CUDA graphs among them) and batch;
whole pictures with the best of these; and diffusers' own pipeline and `txt2img` in turn. `--tiny` runs the same lines with a small model on any machine and writes nothing: so a test keeps them alive."""
import argparse, json, os, statistics, time
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE"); os.environ.setdefault("HF_HUB_OFFLINE", "1") # before torch starts
import torch
from sdcourse.core import generators
from sdcourse.generate import txt2img
from sdcourse.models import POCKET

HERE = Path(__file__).resolve().parent
PROMPT = "a red fox in the snow, 3d render style"


def model(device, dtype, tiny=False):
    "A Stable Diffusion 1.x with random weights; tiny: two levels, a few channels, pictures of 32 pixels."
    import diffusers, transformers
    tok = transformers.CLIPTokenizer.from_pretrained(POCKET/"tokenizer"); ends = dict(vocab_size=49408 if not tiny else len(tok), max_position_embeddings=77, bos_token_id=tok.bos_token_id, eos_token_id=tok.eos_token_id)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        if tiny:
            unet = diffusers.UNet2DConditionModel(sample_size=8, block_out_channels=(8, 16), down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), layers_per_block=1, norm_num_groups=4, attention_head_dim=2, cross_attention_dim=16)
            vae = diffusers.AutoencoderKL(block_out_channels=(8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3, layers_per_block=1, norm_num_groups=4, sample_size=32)
            text = transformers.CLIPTextModel(transformers.CLIPTextConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, **ends))
        else:
            unet = diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
            vae = diffusers.AutoencoderKL(block_out_channels=(128, 256, 512, 512), down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, layers_per_block=2, sample_size=512)
            text = transformers.CLIPTextModel(transformers.CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, hidden_act="quick_gelu", **ends))
    sched = diffusers.DDIMScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    for part in (vae, text, unet): torch.nn.Module.to(part.eval(), dtype)
    pipe = diffusers.StableDiffusionPipeline(vae, text, tok, unet, sched, None, None, requires_safety_checker=False); pipe.set_progress_bar_config(disable=True)
    return pipe


class Clock:
    "Seconds of a call, the device's work included, and the most memory it took."
    def __init__(self, device): self.device, self.gpu = device, torch.device(device).type != "cpu"
    def sync(self):
        if self.gpu: torch.accelerator.synchronize()
    def __call__(self, f, turns=5, warm=2):
        for _ in range(warm): f()
        took = []
        for _ in range(turns): self.sync(); t = time.perf_counter(); f(); self.sync(); took.append(time.perf_counter() - t)
        return statistics.median(took)
    def memory(self, f):
        "Most GiB while f runs; of a CPU, nothing is known."
        if not self.gpu: return 0.
        torch.accelerator.reset_peak_memory_stats(); f(); self.sync(); return torch.accelerator.max_memory_allocated() / 2**30


def out_of_memory(e): return isinstance(e, torch.OutOfMemoryError) or "out of memory" in str(e)


def peak(clock, dtype, n):
    "TFLOP/s of a product of two n x n matrices: what this card gives at best, measured in this run."
    a, b = (torch.randn(n, n, device=clock.device, dtype=dtype) for _ in "ab")
    return 2 * n ** 3 / clock(lambda: a @ b, turns=20, warm=5) / 1e12


def flops(pipe, steps, side):
    "(TFLOP of a UNet row, TFLOP of a guided picture with its decoding), counted by torch."
    from torch.utils.flop_counter import FlopCounterMode
    dev, dtype = pipe.device, pipe.unet.dtype; z = torch.zeros(1, 4, side, side, device=dev, dtype=dtype); h = torch.zeros(1, 77, pipe.unet.config.cross_attention_dim, device=dev, dtype=dtype)
    def count(f):
        with torch.no_grad(), FlopCounterMode(display=False) as c: f()
        return c.get_total_flops() / 1e12
    row, decode = count(lambda: pipe.unet(z, 1, h)), count(lambda: pipe.vae.decode(z))
    return row, 2 * steps * row + decode


def attention(way):
    "Within: torch's scaled_dot_product_attention does it this one way."
    if way == "any": return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel
    return sdpa_kernel(getattr(SDPBackend, way))


def unet_row(pipe, clock, n, row, top, compile=None, way="any", turns=5):
    "One line of the table: a guided call for n pictures, 2n rows."
    dev, dtype, side = pipe.device, pipe.unet.dtype, pipe.unet.config.sample_size; t = torch.tensor(500, device=dev)
    x, h = torch.randn(2 * n, 4, side, side, device=dev, dtype=dtype), torch.randn(2 * n, 77, pipe.unet.config.cross_attention_dim, device=dev, dtype=dtype)
    if pipe.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last): x = x.contiguous(memory_format=torch.channels_last)
    net = pipe.unet if compile is None else torch.compile(pipe.unet, **({"mode": compile} if clock.gpu else {"backend": "eager"}))
    with torch.no_grad(), attention(way):
        def f(): return net(x, t, encoder_hidden_states=h, return_dict=False)[0]
        try: began = time.perf_counter(); f(); clock.sync(); first = time.perf_counter() - began; s = clock(f, turns); gib = clock.memory(f)
        except RuntimeError as e: # out of memory, or no such attention for these shapes
            return dict(n=n, failed="out of memory" if out_of_memory(e) else str(e).splitlines()[0][:80])
    return dict(n=n, ms=s * 1000, tflops=2 * n * row / s, share=2 * n * row / s / top, gib=gib, first=first)


def beside(pipe, clock, steps, turns):
    "One picture by diffusers' pipeline and by `txt2img` in turn: steps a second, and the most memory of either."
    def plain(): return pipe(PROMPT, num_inference_steps=steps, guidance_scale=7.5, generator=generators([18])[0])
    def ours(): return txt2img(pipe, PROMPT, num_inference_steps=steps, guidance_scale=7.5, seed=18)
    gib = {f.__name__: clock.memory(f) for f in (plain, ours)}; took = dict(plain=[], ours=[])
    for k in range(turns):
        for f in (plain, ours) if k % 2 else (ours, plain): took[f.__name__].append(clock(f, turns=1, warm=0))
    return dict(plain=steps / statistics.median(took["plain"]), ours=steps / statistics.median(took["ours"]), ratio=statistics.median(p / o for p, o in zip(took["plain"], took["ours"])), gib=gib["ours"], gib_plain=gib["plain"], turns=turns)


def run(device, tiny=False, minutes=8., say=print):
    "Everything, as a dictionary. What does not fit into `minutes` any more is left out, and said."
    until = time.monotonic() + 60 * minutes; clock = Clock(device); name = torch.cuda.get_device_name() if clock.gpu and torch.cuda.is_available() else device
    capable = not clock.gpu or not torch.cuda.is_available() or torch.cuda.get_device_capability() >= (8, 0) # a T4 emulates bfloat16
    dtypes = [torch.bfloat16, torch.float16][0 if capable else 1:] if not tiny else [torch.float32, torch.bfloat16]
    steps, batches, n = (2, (1, 2), 2) if tiny else (50, (1, 2, 4, 8, 16, 32), 8); side = None; res = dict(device=name, torch=torch.__version__, steps=steps, lines=[], left_out=[])
    size = 64 if tiny else 8192
    res["peaks"] = {str(d).removeprefix("torch."): peak(clock, d, size) for d in dtypes}; say(f"{name}: peak of a matrix product, TFLOP/s: {res['peaks']}")
    def line(pipe, top, **kw):
        about = dict(dtype=str(pipe.unet.dtype).removeprefix("torch."), channels_last=channels_last, compile=kw.get("compile") or "no", attention=kw.get("way", "any"))
        if time.monotonic() > until: res["left_out"].append(about | dict(n=kw["n"])); return
        got = about | unet_row(pipe, clock, row=row, top=top, turns=2 if tiny else 10, **kw); res["lines"].append(got); say(got)
        return got
    best = None
    for d in dtypes:
        pipe = model(device, d, tiny); side = pipe.unet.config.sample_size; row, whole = flops(pipe, steps, side); top = res["peaks"][str(d).removeprefix("torch.")]; res |= dict(row=row, picture=whole); found = []
        for channels_last in (False, True):
            pipe.unet.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
            for way in ("any",) if channels_last else ("any", "MATH", "EFFICIENT_ATTENTION", "FLASH_ATTENTION", "CUDNN_ATTENTION") if clock.gpu else ("any", "MATH"): found.append((channels_last, line(pipe, top, n=n, way=way)))
        for mode in (("default", "reduce-overhead", "max-autotune") if clock.gpu else ("default",)) if d == dtypes[0] else (): # the second and the third replay CUDA graphs; each takes a minute or more to compile
            found.append((True, line(pipe, top, n=n, compile=mode))); torch.compiler.reset()
        good = [(g["ms"], last, g) for last, g in found if g and "ms" in g and g["attention"] == "any"]
        if good and (best is None or min(good, key=lambda g: g[0])[0] < best[0]): best = (*min(good, key=lambda g: g[0]), d)
        del pipe
    if best is None: raise RuntimeError(f"nothing ran on {name}: {res['lines']}")
    _, channels_last, how, d = best; top = res["peaks"][how["dtype"]]; mode = None if how["compile"] == "no" else how["compile"]
    pipe = model(device, d, tiny); pipe.unet.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    for b in batches: line(pipe, top, n=b); torch.compiler.reset(); mode and line(pipe, top, n=b, compile=mode)
    if not clock.gpu or d == torch.float16: res["beside"] = dict(device=name, **beside(pipe, clock, steps, 2 if tiny else 5)) # eager, as a learner runs it
    else: other = model(device, torch.float16, tiny); res["beside"] = dict(device=name, **beside(other, clock, steps, 5)); del other
    say(f"beside diffusers' pipeline: {res['beside']}"); torch.compiler.reset(); res["pictures"] = []
    if mode: pipe.unet.compile(**({"mode": mode} if clock.gpu else {"backend": "eager"}))
    if channels_last: pipe.vae.to(memory_format=torch.channels_last)
    for b in (n,) if tiny else (1, 4, 8, 16):
        if time.monotonic() > until and b != n: res["left_out"].append(dict(pictures=b)); continue
        def draw(): return txt2img(pipe, PROMPT, n=b, seed=0, num_inference_steps=steps, guidance_scale=7.5)
        try: s = clock(draw, turns=1 if tiny else 3, warm=1) / b; gib = clock.memory(draw)
        except (RuntimeError, MemoryError) as e:
            if isinstance(e, RuntimeError) and not out_of_memory(e): raise
            res["pictures"].append(dict(n=b, failed="out of memory")); continue
        res["pictures"].append(dict(n=b, seconds=s, share=whole / s / top, gib=gib)); say(res["pictures"][-1])
    told = f"{how['dtype']}, {'channels last' if channels_last else 'channels first'}, compile {how['compile']}"
    if eight := next((p for p in res["pictures"] if p["n"] == n and "seconds" in p), None): res["peak"] = dict(device=name, share=eight["share"], seconds=eight["seconds"], tflops=top, how=told)
    return res


def report(res):
    "bench/gpu.md."
    from bench.report import table
    def num(g, k, f): return format(g[k], f) if k in g else g.get("failed", "")
    lines = [(g["n"], g["dtype"], "last" if g["channels_last"] else "first", g["attention"], g["compile"], num(g, "ms", ".1f"), num(g, "tflops", ".1f"), num(g, "share", ".0%"), num(g, "gib", ".1f"), num(g, "first", ".1f")) for g in res["lines"]]
    b = res["beside"]
    return "\n".join([f"# Stable Diffusion 1.x on a graphics card", "", "Made by `python -m bench.gpu`; do not edit. Random weights in the true shapes; the peak is that of a matrix product in the same run, the share is the arithmetic that torch counts over the time and that peak.", "",
                      f"{res['device']}, torch {res['torch']}; peak in TFLOP/s: " + ", ".join(f"{k} {v:.0f}" for k, v in res["peaks"].items()) + f". A row of the UNet is {res['row']:.3f} TFLOP, a picture of {res['steps']} guided steps {res['picture']:.1f}.", "",
                      "## Whole pictures", "", "With the fastest way of the table below.", "", table(("pictures at a time", "seconds a picture", "share of the peak", "GiB"), [(p["n"], num(p, "seconds", ".3f"), num(p, "share", ".0%"), num(p, "gib", ".1f")) for p in res["pictures"]]), "",
                      "## Beside diffusers' pipeline", "", f"One picture, in turn, {b['turns']} turns: diffusers {b['plain']:.2f} steps a second in {b['gib_plain']:.1f} GiB, `txt2img` {b['ours']:.2f} in {b['gib']:.1f} GiB; {b['ratio']:.3f} times as fast.", "",
                      "## The UNet alone", "", table(("pictures", "numbers", "channels", "attention", "compile", "ms", "TFLOP/s", "of the peak", "GiB", "first call, s"), lines), *(["", "Left out, for the time was over: " + "; ".join(map(str, res["left_out"]))] if res["left_out"] else [])]) + "\n"


def main():
    p = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    p.add_argument("--tiny", action="store_true", help="a small model on the CPU, to try the script itself; writes nothing"); p.add_argument("--minutes", type=float, default=8., help="no new line of the tables is begun after so many")
    a = p.parse_args()
    if not a.tiny and not torch.accelerator.is_available(): p.error("torch finds no graphics card on this machine; `--tiny` tries the script itself")
    res = run("cpu" if a.tiny else str(torch.accelerator.current_accelerator()), a.tiny, a.minutes); text = report(res)
    if a.tiny: print(text)
    else: (HERE/"gpu.json").write_text(json.dumps(res, indent=1) + "\n", "utf-8"); (HERE/"gpu.md").write_text(text, "utf-8"); print("now run: python pages/write.py")


if __name__ == "__main__": main()
