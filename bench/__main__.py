"""Side by side with plain diffusers: `python -m bench` from the top of the repository, `python -m bench sweep8` for some of the arms.

Both arms of a comparison run in this process and take turns; a ratio is plain seconds over ours, one for each turn. Pictures are compared value by value.
Results go to bench/results.json, one set for each number of threads, and bench/README.md is written from it. To add a comparison, append an `Arm` to `ARMS`."""
import argparse, gc, json, os, platform, statistics, sys, time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE"); os.environ.setdefault("HF_HUB_OFFLINE", "1") # before torch starts
import numpy as np, torch
from sdcourse.core import generators
from sdcourse.generate import txt2img
from sdcourse.models import load
from sdcourse.sweeps import sweep
from bench import dream

HERE = Path(__file__).resolve().parent
PROMPT, STEPS = "a red fox in the snow, 3d render style", 25


class Arm(NamedTuple):
    "One comparison. `plain(pipe)` and `ours(pipe)` give the same list of pictures."
    name: str
    what: str       # a line for the table
    plain: Callable
    ours: Callable
    goal: float     # plain seconds / ours


def plain_sweep8(pipe): # a loop over the scales: what a course prints
    return [pipe(PROMPT, guidance_scale=g, num_inference_steps=STEPS, generator=torch.Generator().manual_seed(18)).images[0] for g in (1.1, 2, 3, 4, 5, 7, 10, 14)]
def sweep8(pipe): return sweep(pipe, PROMPT, guidance_scale=[1.1, 2, 3, 4, 5, 7, 10, 14], seed=18, num_inference_steps=STEPS).pictures


def plain_grid(pipe): # fast.ai's lesson 9 (2022): `images = concat(pipe(prompts, guidance_scale=g).images for g in [1.1, 3, 7, 14])`, with the prompt four times
    rows = [pipe([PROMPT] * 4, guidance_scale=g, num_inference_steps=STEPS, generator=generators(range(15, 19))).images for g in (1.1, 3, 7, 14)]
    return [im for row in rows for im in row]
def grid(pipe): return sweep(pipe, PROMPT, guidance_scale=[1.1, 3, 7, 14], seed=range(15, 19), num_inference_steps=STEPS).pictures


def plain_one(pipe): return pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=5., generator=torch.Generator().manual_seed(18)).images
def one(pipe): return txt2img(pipe, PROMPT, num_inference_steps=STEPS, guidance_scale=5., seed=18)


ARMS = [
    Arm("sweep8", "8 guidance scales of one seed", plain_sweep8, sweep8, 2.3),
    Arm("grid4x4", "4 guidance scales x 4 seeds, the plain arm with 4 pictures a call", plain_grid, grid, 1.35),
    Arm("dream24", "a dream of 24 frames, the plain arm with one call for each", lambda pipe: dream.plain(), lambda pipe: dream.ours(), dream.goal),
    Arm("one", "a single picture: nothing to batch, so what the helper itself costs", plain_one, one, .97),
]


def compare(a, b):
    "(largest difference, share of values that differ) of two lists of pictures."
    d = np.abs(np.stack([np.asarray(x) for x in a]).astype(int) - np.stack([np.asarray(x) for x in b]))
    return int(d.max()), float((d > 0).mean())


def measure(arm, pipe, repeats):
    "Both arms, warmed up, then by turns, each first as often as the other."
    worst, share = compare(arm.plain(pipe), arm.ours(pipe))
    seconds = dict(plain=[], ours=[]); cpu = dict(plain=[], ours=[])
    for k in range(repeats):
        for side in ("plain", "ours") if k % 2 == 0 else ("ours", "plain"):
            gc.collect(); t, c = time.perf_counter(), time.process_time(); getattr(arm, side)(pipe)
            seconds[side].append(time.perf_counter() - t); cpu[side].append(time.process_time() - c)
    ratios = [p / o for p, o in zip(seconds["plain"], seconds["ours"])]
    row = dict(what=arm.what, goal=arm.goal, ratio=statistics.median(ratios), ratios=ratios, best=min(seconds["plain"]) / min(seconds["ours"]), cpu_ratio=statistics.median(p / o for p, o in zip(cpu["plain"], cpu["ours"])),
               seconds={k: statistics.median(v) for k, v in seconds.items()}, largest_difference=worst, share_of_values=share)
    print(f"{arm.name}: {row['ratio']:.2f} times ({min(ratios):.2f} to {max(ratios):.2f}; goal {arm.goal}), plain {row['seconds']['plain']:.2f} s, ours {row['seconds']['ours']:.2f} s, at most {worst}/255 on {share:.4%} of the values", flush=True)
    return row


@torch.no_grad()
def unet_rows(pipe, rows=(2, 8, 16, 32), repeats=5):
    "{rows of a call: milliseconds of the UNet alone for each row}: what batching can give at most is the ratio of two of these."
    res = {n: [] for n in rows}
    for k in range(repeats + 1):
        for n in rows:
            x, h = torch.zeros(n, 4, 16, 16), torch.zeros(n, 77, pipe.unet.config.cross_attention_dim); t = time.perf_counter(); pipe.unet(x, 500, h)
            if k: res[n].append((time.perf_counter() - t) / n * 1000)
    return {n: min(v) for n, v in res.items()}


def table(results):
    "bench/README.md."
    lines = ["# Side by side with plain diffusers", "", "Made by `python -m bench`; do not edit. Both arms run in one process and take turns; a ratio is plain seconds divided by ours, one for each turn, and the table gives the median and the range.",
             "The last columns compare the pictures: the largest difference of any value, and how many values differ at all. The goal for those is at most 1/255 on 0.02 % of the values.", ""]
    for threads, r in sorted(results.items()):
        m = r["machine"]
        lines += [f"## {threads} thread{'s' * (threads != '1')}", "", f"{m['cores']} cores ({m['processor']}), load {m['load']} before the run; torch {m['torch']}, diffusers {m['diffusers']}; {m['repeats']} turns.", "",
                  "| what | times faster | range | best against best | by CPU time | goal | plain, s | ours, s | off by | on |", "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        for a in r["arms"].values():
            lines.append(f"| {a['what']} | {a['ratio']:.2f} | {min(a['ratios']):.2f} to {max(a['ratios']):.2f} | {a['best']:.2f} | {a['cpu_ratio']:.2f} | {a['goal']} | {a['seconds']['plain']:.2f} | {a['seconds']['ours']:.2f} | {a['largest_difference']}/255 | {a['share_of_values']:.4%} |")
        rows = {int(n): ms for n, ms in m["unet_ms_a_row"].items()}
        lines += ["", "The UNet alone, milliseconds a row: " + ", ".join(f"{ms:.1f} in calls of {n}" for n, ms in rows.items()) + f". So batching can give at most {rows[2] / rows[16]:.2f} for the 8 scales (calls of 16 rows in place of 2) and {rows[8] / rows[32]:.2f} for the grid (32 in place of 8), and what is above that is saved around the UNet."]
        if r.get("memory"): lines += ["", "Memory of a dream, at most and before its first frame: " + "; ".join(f"{k} frames {most:.0f} MB ({start:.0f} MB)" for k, (most, start) in r["memory"].items()) + "."]
        lines.append("")
    lines += ["To add a comparison, append an `Arm` (name, line, plain, ours, goal) to `ARMS` in `bench/__main__.py`.", ""]
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    p.add_argument("arms", nargs="*", metavar="ARM", help=f"what to compare: {', '.join(a.name for a in ARMS)}; none: all")
    p.add_argument("--repeats", type=int, default=7, help="turns of each arm")
    p.add_argument("--threads", type=int, help="threads of torch; without it what torch takes")
    p.add_argument("--memory", action="store_true", help="also the memory of a dream of 24 and of 480 frames")
    p.add_argument("--dry", action="store_true", help="do not write results")
    args = p.parse_args()
    if unknown := {*args.arms} - {a.name for a in ARMS}: p.error(f"no such comparison: {', '.join(sorted(unknown))}; there are {', '.join(a.name for a in ARMS)}")
    if args.threads: torch.set_num_threads(args.threads)
    import diffusers
    pipe = load("pocket", device="cpu"); pipe.set_progress_bar_config(disable=True)
    machine = dict(cores=os.cpu_count(), processor=platform.processor() or platform.machine(), load=f"{os.getloadavg()[0]:.1f}", torch=torch.__version__, diffusers=diffusers.__version__, repeats=args.repeats, unet_ms_a_row=unet_rows(pipe))
    rows = {a.name: measure(a, pipe, args.repeats) for a in ARMS if not args.arms or a.name in args.arms}
    memory = dream.memory() if args.memory else None
    if memory: print("a dream's memory in MB:", memory, flush=True)
    if args.dry: return
    file = HERE/"results.json"; results = json.loads(file.read_text()) if file.exists() else {}
    before = results.get(n := str(torch.get_num_threads()), {}); old = before.get("arms", {})
    results[n] = dict(machine=machine, memory=memory or before.get("memory"), arms={a.name: {**old, **rows}[a.name] for a in ARMS if a.name in {**old, **rows}})
    file.write_text(json.dumps(results, indent=1) + "\n"); (HERE/"README.md").write_text(table(results))


if __name__ == "__main__": main()
