"""A dream of 24 frames: one call of diffusers' pipeline for each frame, against `dream`; and the memory of a long dream.

`python bench/dream.py` measures once and prints the ratio, the largest difference of the pictures, and the memory."""
import subprocess, sys, time
from functools import lru_cache
import numpy as np, torch

goal = 2.2 # times faster, with pictures that differ by 1/255 at most
PROMPTS, SEEDS, FRAMES = ["a red fox in the snow, 3d render style", "an owl in the snow, 3d render style"], [18, 20], 24


@lru_cache
def _pipe():
    from sdcourse.models import load
    pipe = load("pocket"); pipe.set_progress_bar_config(disable=True)
    return pipe


def _slerp(t, v0, v1, threshold=.9995):
    "As the notebooks of 2022 have it."
    dot = np.sum(v0 * v1 / (np.linalg.norm(v0) * np.linalg.norm(v1)))
    if np.abs(dot) > threshold: return (1 - t) * v0 + t * v1
    theta = np.arccos(dot)
    return np.sin((1 - t) * theta) / np.sin(theta) * v0 + np.sin(t * theta) / np.sin(theta) * v1


def plain():
    "The frames, drawn one by one: embeddings on a line, noise on an arc."
    pipe = _pipe(); shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
    a, b = (torch.randn(shape, generator=torch.Generator().manual_seed(s)).numpy() for s in SEEDS)
    ea, eb = (pipe.encode_prompt(p, pipe.device, 1, False)[0] for p in PROMPTS)
    return [pipe(prompt_embeds=torch.lerp(ea, eb, t), latents=torch.from_numpy(_slerp(t, a, b)), num_inference_steps=25, guidance_scale=5.).images[0] for t in np.linspace(0, 1, FRAMES).tolist()]


def ours():
    "The same frames by `dream`."
    from sdcourse.dreams import dream
    return list(dream(_pipe(), PROMPTS, seed=SEEDS, frames=FRAMES, num_inference_steps=25, guidance_scale=5.))


def memory(frames=(24, 480)):
    "{frames: (most memory of a process that draws that many into an MP4, what it had before the first), in MB}."
    code = """import resource, sys, tempfile
from pathlib import Path
from sdcourse.dreams import dream
from sdcourse.models import load
from sdcourse.show import save_mp4
def now(): return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]) / 1024
pipe = load("pocket"); before = now()
with tempfile.TemporaryDirectory() as d: save_mp4(dream(pipe, ["a red fox in the snow, 3d render style", "an owl in the snow, 3d render style"], seed=[18, 20], frames=int(sys.argv[1]), num_inference_steps=2), Path(d)/"film.mp4")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, before)"""
    return {n: tuple(map(float, subprocess.run([sys.executable, "-c", code, str(n)], capture_output=True, text=True, check=True).stdout.split())) for n in frames}


if __name__ == "__main__":
    from sdcourse.sampling import max_difference
    plain_s, ours_s = [], []
    _pipe()("warm", num_inference_steps=1)
    for _ in range(2): # in turn, so that both see the same machine
        t = time.perf_counter(); a = plain(); plain_s.append(time.perf_counter() - t)
        t = time.perf_counter(); b = ours(); ours_s.append(time.perf_counter() - t)
    print(f"{torch.get_num_threads()} threads: plain {min(plain_s):.2f} s, ours {min(ours_s):.2f} s, {min(plain_s) / min(ours_s):.2f} times faster (goal {goal}); pictures differ by {max_difference(a, b)}/255 at most")
    if "--no-memory" not in sys.argv: print("memory in MB (most, before):", memory())
