"""Every number that a CPU can measure, beside plain diffusers: `python -m bench` from the top of the repository, `python -m bench --only sweep8 start` for some.

Both arms of a comparison run in this process and take turns; a ratio is plain seconds over ours, one for each turn. Pictures are compared value by value.
Results go to bench/results.json, with the machine and its load beside each; `python pages/write.py` makes nbs/91_speed.ipynb of them. To add a comparison, append an `Arm` to `ARMS`; to add another number, a function to `MEASURES`."""
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
from bench import dream, newcomer, parts, report

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


def measure(arm, pipe, turns):
    "Both arms, warmed up, then by turns, each first as often as the other."
    worst, share = compare(arm.plain(pipe), arm.ours(pipe))
    seconds = dict(plain=[], ours=[]); cpu = dict(plain=[], ours=[])
    for k in range(turns):
        for side in ("plain", "ours") if k % 2 == 0 else ("ours", "plain"):
            gc.collect(); t, c = time.perf_counter(), time.process_time(); getattr(arm, side)(pipe)
            seconds[side].append(time.perf_counter() - t); cpu[side].append(time.process_time() - c)
    ratios = [p / o for p, o in zip(seconds["plain"], seconds["ours"])]
    return dict(what=arm.what, goal=arm.goal, ratios=ratios, cpu_ratio=statistics.median(p / o for p, o in zip(cpu["plain"], cpu["ours"])),
                seconds={k: statistics.median(v) for k, v in seconds.items()}, largest_difference=worst, share_of_values=share)


@torch.no_grad()
def unet_rows(pipe, turns, rows=(2, 8, 16, 32)):
    "{rows of a call: milliseconds of the UNet alone for each row}: what batching can give at most is the ratio of two of these."
    res = {n: [] for n in rows}
    for k in range(turns + 1):
        for n in rows:
            x, h = torch.zeros(n, 4, 16, 16), torch.zeros(n, 77, pipe.unet.config.cross_attention_dim); t = time.perf_counter(); pipe.unet(x, 500, h)
            if k: res[n].append((time.perf_counter() - t) / n * 1000)
    return dict(ms={n: min(v) for n, v in res.items()})


def draw(pipe, n): return txt2img(pipe, PROMPT, n=n, seed=18, num_inference_steps=STEPS)


# what is measured: a function of the pipeline and the number of turns, with a result for JSON. The first are measured for each number of threads
MEASURES = {**{a.name: lambda pipe, turns, a=a: measure(a, pipe, turns) for a in ARMS}, "unet_rows": unet_rows, "overhead": lambda pipe, turns: parts.overhead(pipe, dict(plain=plain_one, ours=one), turns),
            "profile": lambda pipe, turns: parts.profile(pipe, draw, turns), "start": lambda pipe, turns: parts.start(turns), "memory_frames": lambda pipe, turns: parts.memory_frames(FILMS, min(turns, 5)), "memory_batch": lambda pipe, turns: parts.memory_batch(), "lessons": lambda pipe, turns: parts.lessons(COSTS), "guards": lambda pipe, turns: parts.guards(*GUARDS), "newcomer": lambda pipe, turns: newcomer.newcomer(QUICK)}
THREADED = (*(a.name for a in ARMS), "unet_rows") # the others count seconds of a core, on one thread, or have processes of their own
FILMS, COSTS, GUARDS, QUICK = (24, 480), None, (500, 200), False # frames; a file; mutated files and kills; a newcomer in this environment


def machine(turns):
    import diffusers
    return dict(cores=os.cpu_count(), processor=platform.processor() or platform.machine(), load=f"{os.getloadavg()[0]:.1f}", torch=torch.__version__, diffusers=diffusers.__version__, turns=turns)


def main():
    global STEPS, FILMS, COSTS, GUARDS, QUICK
    p = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    p.add_argument("--only", nargs="+", metavar="NAME", default=list(MEASURES), help=f"what to measure, of {', '.join(MEASURES)}")
    p.add_argument("--turns", type=int, default=9, help="turns of each arm")
    p.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}), help="threads of torch, one number or several; by default one, and all there are")
    p.add_argument("--quick", action="store_true", help="a short try: two turns, few steps, short films; nothing is written")
    p.add_argument("--costs", help="the cost table of a run of all tests, where it is not in .pytest_cache")
    args = p.parse_args(); turns = 2 if args.quick else args.turns; COSTS = args.costs
    if unknown := {*args.only} - {*MEASURES}: p.error(f"nothing is called {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    if args.quick: STEPS = dream.STEPS = 3; dream.FRAMES = 5; FILMS = (8, 40); GUARDS = (40, 0); QUICK = True
    pipe = load("pocket", device="cpu"); pipe.set_progress_bar_config(disable=True); file = HERE/"results.json"
    for name in args.only:
        for n in args.threads if name in THREADED else (1,):
            torch.set_num_threads(n); about = machine(turns)
            row = MEASURES[name](pipe, turns)
            if row is None: print(f"{name}: nothing to read yet", flush=True); continue
            row = json.loads(json.dumps(row | dict(machine=about))); said = row.get("ratios") or {k: v for k, v in row.items() if k != "machine"}
            print(f"{name}{f' on {n} threads' * (name in THREADED)}: {said}", flush=True)
            if args.quick: continue
            results = report.read("results") # anew: what was measured before a stop is kept
            if name in THREADED: results[name] = dict(sorted((results.get(name, {}) | {str(n): row}).items()))
            else: results[name] = row
            file.write_text(json.dumps({k: results[k] for k in MEASURES if k in results}, indent=1) + "\n", "utf-8")
            if name == "profile": parts.figure(row, report.FIGURE)
    print("nothing was written" if args.quick else "now run: python pages/write.py")


if __name__ == "__main__": main()
