"""A fine-tuning step against plain diffusers: `python -m bench.tune` from the top of the repository.

Three trainings run side by side in this process and take turns, step by step: the loop of diffusers' train_text_to_image.py (every picture and caption encoded at every step), ours without a cache and ours with it.
Ratios are of seconds, one for each turn. The table goes to bench/tune.md.
The plain arm is what the script does by default (AdamW as torch makes it, gradients clipped at 1, no EMA), without accelerate's wrapper and with pictures that are decoded already: both in its favour.
What a cache can save is what the plain step spends on encoding: `roof` is the plain step over the same without it, by CPU time."""
import argparse, os, statistics, time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE"); os.environ.setdefault("HF_HUB_OFFLINE", "1") # before torch starts
import diffusers, numpy as np, torch, torch.nn.functional as F
from sdcourse.models import load
from sdcourse.tune.data import load_data
from sdcourse.tune.train import finetune

GOAL = 1.6


def plain(data, method, batch_size, encoding, lr=1e-4):
    "The CPU seconds that each step takes for encoding go to `encoding`. The loop of train_text_to_image.py and train_text_to_image_lora.py (diffusers 0.42), with a loader that shuffles: yields the loss."
    pipe = load("pocket", device="cpu"); unet, vae, text_encoder, tok = pipe.unet, pipe.vae, pipe.text_encoder, pipe.tokenizer
    sched = diffusers.DDPMScheduler.from_config(pipe.scheduler.config); vae.requires_grad_(False); text_encoder.requires_grad_(False)
    if method == "lora":
        from peft import LoraConfig
        unet.requires_grad_(False); unet.add_adapter(LoraConfig(r=8, lora_alpha=8, init_lora_weights="gaussian", target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
    params = [p for p in unet.parameters() if p.requires_grad]; opt = torch.optim.AdamW(params, lr=lr, betas=(.9, .999), weight_decay=1e-2, eps=1e-8)
    def collate(rows):
        x = torch.stack([torch.from_numpy(np.array(im.convert("RGB"))).permute(2, 0, 1).float() / 127.5 - 1 for im, _ in rows]).contiguous()
        return x, tok([c for _, c in rows], padding="max_length", max_length=tok.model_max_length, truncation=True, return_tensors="pt").input_ids
    while True:
        for x, ids in torch.utils.data.DataLoader([data[k] for k in range(len(data))], batch_size=batch_size, shuffle=True, drop_last=True, collate_fn=collate):
            begin = time.process_time(); z = vae.encode(x).latent_dist.sample() * vae.config.scaling_factor; text = text_encoder(ids, return_dict=False)[0]; encoding.append(time.process_time() - begin)
            noise = torch.randn_like(z); t = torch.randint(0, sched.config.num_train_timesteps, (len(z),)); pred = unet(sched.add_noise(z, noise, t), t, text, return_dict=False)[0]
            loss = F.mse_loss(pred.float(), noise.float(), reduction="mean"); loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.); opt.step(); opt.zero_grad(); yield loss.detach().item()


def measure(method, batch_size, turns):
    "{arm: [(seconds, CPU seconds) of each step]}, seconds until the first step of the cached run, are the losses the same?, CPU seconds of a plain step without encoding"
    data = load_data(); encoding = []; kw = dict(method=method, batch_size=batch_size, steps=turns + 1)
    arms = dict(plain=plain(data, method, batch_size, encoding), uncached=finetune(load("pocket", device="cpu"), data, cache=False, **kw), cached=finetune(load("pocket", device="cpu"), data, **kw))
    begin, first, took, losses = {}, {}, {k: [] for k in arms}, {k: [] for k in arms}
    for k, run in arms.items(): begin[k] = time.perf_counter(); got = next(run); first[k] = time.perf_counter() - begin[k]; losses[k].append(got if k == "plain" else got.loss)
    for i in range(turns):
        for k in (list(arms) if i % 2 else list(arms)[::-1]):
            t, c = time.perf_counter(), time.process_time(); got = next(arms[k]); took[k].append((time.perf_counter() - t, time.process_time() - c)); losses[k].append(got if k == "plain" else got.loss)
    return took, first["cached"] - statistics.median(s for s, _ in took["cached"]), losses["cached"] == losses["uncached"], [c - e for (_, c), e in zip(took["plain"], encoding[1:])]


def main():
    p = argparse.ArgumentParser(prog="python -m bench.tune", description=__doc__.splitlines()[0])
    p.add_argument("--turns", type=int, default=12); p.add_argument("--batch", type=int, nargs="+", default=[4, 16]); p.add_argument("--threads", type=int, default=1); p.add_argument("--dry", action="store_true", help="do not write the table")
    a = p.parse_args(); torch.set_num_threads(a.threads)
    lines = ["# A fine-tuning step against plain diffusers", "", "Made by `python -m bench.tune`; do not edit. Three trainings take turns in one process: the loop of diffusers' train_text_to_image.py, ours without and with the cache. Times faster than plain: the median of the turns, and by CPU time.",
             f"The pocket model in float32, {a.threads} thread{'s' * (a.threads > 1)} of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run, {a.turns} turns; torch {torch.__version__}, diffusers {diffusers.__version__}. The goal is {GOAL}.", "",
             "| method | batch | plain, s | uncached, s | cached, s | uncached, times faster | cached, times faster | by CPU time | roof | filling the cache, s | losses cached = uncached |", "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    roofs = []
    for method in ("full", "lora"):
        for b in a.batch:
            took, fill, same, rest = measure(method, b, a.turns); med = lambda k, j=0: statistics.median(x[j] for x in took[k]); ratio = lambda k, j=0: statistics.median(p[j] / o[j] for p, o in zip(took["plain"], took[k]))
            roof = statistics.median(c / r for (_, c), r in zip(took["plain"], rest)); roofs.append(roof)
            lines.append(f"| {method} | {b} | {med('plain'):.3f} | {med('uncached'):.3f} | {med('cached'):.3f} | {ratio('uncached'):.2f} | {ratio('cached'):.2f} | {ratio('cached', 1):.2f} | {roof:.2f} | {fill:.1f} | {'bit for bit' if same else 'NO'} |"); print(lines[-1], flush=True)
    lines += ["", f"Why not {GOAL}: in the pocket model encoding takes {1 - 1 / min(roofs):.0%} to {1 - 1 / max(roofs):.0%} of a plain step's CPU time, the UNet's way there and back nearly all the rest. Saving all of the encoding makes a step {min(roofs):.2f} to {max(roofs):.2f} times faster and no more: that is the roof. What lies above it comes from AdamW in one kernel (`fused`), and from chance."] if max(roofs) < GOAL else []
    if not a.dry: Path(__file__).with_name("tune.md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__": main()
