"""The explorers of the site: knobs over pictures that the pocket model drew beforehand. Run `python pages/explorers.py` when a test says that they are stale; it takes a few minutes.

It draws every picture with the course's own helpers and writes
- nbs/explorers/<name>.webp, all pictures of an explorer in one sheet, each once;
- nbs/images/explorer-<name>.png, the still picture for readers without JavaScript, in Jupyter and on GitHub;
- nbs/explorers/manifest.json: hashes of the weights, of what was asked for and of the files made, which tile of the sheet stands in which place, and what was measured on each picture.
All words (labels, questions, code) stand in SPEC below. `pages/write.py` makes nbs/explorers/axes.js and the cells of the notebooks from it and from the manifest: other words need no new pictures.
`python pages/explorers.py steps dream` draws only these two."""
import hashlib, io, itertools, json, sys
from html import escape
from course import NBS, ROOT, SITE

OUT, STILLS = NBS/"explorers", NBS/"images"
SIDE, PAD, COLS = 64, 8, 16 # pixels of a picture; around it in the sheet, so that no picture's colours run into its neighbour's; tiles across


# What the explorers hold and say

def axis(key, label, values, codes=None, **kw): return dict(key=key, label=label, values=values if isinstance(values, dict) else list(values), codes=codes or values if isinstance(values, dict) else list(codes or values), **kw)
def by(key, *values): return dict(by=key, values=list(values)) # one of the values, by the place on that axis
def code(names, *lines): return "\n".join([f"from sdcourse import {names}", *lines]).replace("\n", '\npipe = load("pocket")\n', 1)
def words(prompt): return ["<start>", *prompt.replace(",", " ,").replace("3d", "3 d").split(), "<end>"] # as the model's tokenizer cuts them; the maker compares


FOX, GHOST, BERRY = "a red fox in the snow, 3d render style", "a ghost at night, bright flat style", "a strawberry, pixel art style"
OWL, PENGUIN, DUCK = "an owl in the snow, 3d render style", "a penguin in the snow, 3d render style", "a yellow duck on the beach, 3d render style"
CASTLE, ROBOT = "a castle on green grass, 3d render style", "a robot in the desert, glossy cartoon style"
# each: its axes, the last of which changes fastest; the pictures side by side; the code that draws a cell, with {key} for the axis' value, and which of the pictures it gives
SPEC = dict(
    guidance=dict(
        title="Guidance and seed", lesson="22_guidance", gives=[0], panels=["picture"],
        axes=[axis("prompt", "prompt", [FOX, GHOST, BERRY]), axis("seed", "seed", [18, 15, 20, 3]), axis("guidance", "guidance", [0, 1, 1.5, 2, 3, 4, 5, 7, 10, 14], kind="slider", start=6)],
        call=code("load, txt2img", 'txt2img(pipe, "{prompt}", seed={seed}, guidance_scale={guidance})[0]'),
        question="What will be left of the fox at guidance 0? And is 14 twice as good as 7?",
        answer="At 0 the prompt is not read: fox, ghost and strawberry give one and the same picture, which the seed alone decides. At 1 there is a fox, if a vague one; around 5 it obeys. At 14 colours burn and edges harden.",
        still="Three prompts at guidance 0, 1, 3, 7 and 14, all with seed 18: at 0 the three pictures are the same coloured blob, from 3 on they are a fox, a ghost and a strawberry, and at 14 their colours burn."),
    strength=dict(
        title="Strength and source", lesson="13_img2img", gives=[1], panels=["source", "what becomes of it"],
        axes=[axis("source", "begin from", ["fox sketch", "castle sketch", "house sketch"], ["fox", "castle", "house"], start=1), axis("prompt", "prompt", [FOX, CASTLE, ROBOT], start=2),
              axis("strength", "strength", [k / 10 for k in range(1, 10)] + [1], kind="slider", start=2)],
        call=code("img2img, load, open_picture", 'img2img(pipe, "{prompt}",\n        open_picture("{source}"), seed=18, strength={strength})[0]'),
        question="Does more strength keep more of the sketch, or less? And do the three sketches still give three pictures at 1?",
        answer="It is the strength of the change. At 0.1 only the surface is redrawn; in between, the castle's towers turn into parts of the robot; at 1 next to nothing of the sketch is left, and the three sketches give nearly one picture.",
        still="Three sketches, a fox, a castle and a house, redrawn as a robot at strength 0.1, 0.3, 0.5, 0.7 and 1: the higher, the further from the sketch and the more alike the three."),
    steps=dict(
        title="Step by step", lesson="23_sampling", gives=[0, 1], panels=["x_t: what the network sees", "x0: what it takes it for"],
        axes=[axis("scheduler", "scheduler", ["ddim", "dpm++", "euler_a"]), axis("step", "step", range(25), kind="slider", start=6, play=300)],
        call=code("decode, load, txt2img", "import torch", "steps = []", f'txt2img(pipe, "{FOX}", seed=18,\n        scheduler="{{scheduler}}", after=lambda s: steps.append(s))', "s = steps[{step}]", "decode(pipe, torch.cat([s.xt, s.x0]))"),
        question="At which step will you first say “a fox”: from the left picture, and from the right one? Which of the three schedulers ends at a fox of its own?",
        answer="The right picture has a body and two ears after a few steps, while the left one is noise for half of the run: the model knows much earlier than one sees. ddim and dpm++ go nearly the same way; euler_a adds fresh noise at each step and ends at another fox.",
        still="One run at steps 0, 4, 8, 12, 16, 20 and 24. Above what the network sees: noise, in which a fox comes out after the middle. Below what it takes it for: a red blur, soon with two ears, then a fox."),
    dream=dict(
        title="A dream, frame by frame", lesson="16_dream", gives=by("path", [0], [0], [0, 1]),
        panels=by("path", ["the dream", "a cross-fade"], ["the dream", "a cross-fade"], ["on the arc (slerp)", "on the straight line (lerp)"]),
        axes=[axis("path", "way", ["fox to owl", "fox to penguin, seed 18 to 20", "strawberry, seed 3 to 5"], ["words", "both", "noise"]), axis("position", "position", [f"{k / 25:.2f}" for k in range(26)], kind="slider", start=8, play=150)],
        call=by("path", code("dream, load", f'next(dream(pipe, ["{FOX}", "{OWL}"],\n           seed=18, position={{position}}))'),
                code("dream, load", f'next(dream(pipe, ["{FOX}", "{PENGUIN}"],\n           seed=[18, 20], position={{position}}))'),
                code("dream, load, seeded_noise, txt2img", "import torch", f'berry = "{BERRY}"', "a, b = seeded_noise(pipe, [3, 5]).split(1)", "arc = next(dream(pipe, berry, seed=[3, 5], position={position}))",
                     "line = txt2img(pipe, berry, latents=torch.lerp(a, b, {position}))[0]", "[arc, line]")),
        question="Half-way from fox to owl: two animals on top of each other, or one? And where on its way will the strawberry of the straight line differ most from that of the arc?",
        answer="A dream shows one animal at any time; two at once is the cross-fade beside it. The strawberries differ in the middle: there the straight line between two noises has too little variance, which the model takes for a picture that is nearly clean, and it comes out smooth.",
        still="Three ways at positions 0 to 1. A fox becomes an owl and a fox becomes a penguin, one animal at any time. A strawberry keeps its texture on the arc and is smooth in the middle of the straight line."),
    attention=dict(
        title="Attention by word", lesson="26_attention", gives=[1], panels=["picture", "where it looked"],
        axes=[axis("prompt", "picture", ["fox", "duck"], [FOX, DUCK]), axis("word", "word", by("prompt", words(FOX), words(DUCK)), kind="words", start=3)],
        call=by("prompt", *(code("attend, heat, heatmap, load", f'(picture,), seen = attend(pipe, "{{prompt}}",\n                         seed={seed})', 'heatmap(picture, heat(seen, "{word}"))') for seed in (18, 3))),
        question="Where will “snow” be bright? And “in”, which draws nothing?",
        answer="“fox” is bright in the fox. So are “in” and “the”: the text encoder reads from left to right, and their places know of the fox. “snow” is bright nowhere, and yet it snows. A map shows where the network looked, not what it took from there.",
        still="A fox, and over it the heat of the start, fox, in, snow and style: bright in the fox for fox, in and style, nearly even for snow, outside the fox for the start."))


def choose(x, spec, at): return x["values"][at[[a["key"] for a in spec["axes"]].index(x["by"])]] if isinstance(x, dict) else x
def places(spec): zero = [0] * 9; return list(itertools.product(*(range(len(choose(a["values"], spec, zero))) for a in spec["axes"])))
def number(spec, at): return places(spec).index(tuple(at))


def call(spec, at):
    "The code that draws the cell at this place."
    text = choose(spec["call"], spec, at)
    for a, k in zip(spec["axes"], at): text = text.replace(f"{{{a['key']}}}", str(choose(a["codes"], spec, at)[k]))
    return text


def manifest(): return json.loads((OUT/"manifest.json").read_text("utf-8"))
def sha(data): return hashlib.sha256(data if isinstance(data, bytes) else json.dumps(data, sort_keys=True).encode()).hexdigest()
def asked(name): "A hash of what decides the pictures: the code of every cell, and how they are kept."; spec = SPEC[name]; return sha([[call(spec, at) for at in places(spec)], QUALITY[name], SIDE, PAD, COLS])
def sources(): "{file: hash} of what the pictures depend on beside the code: the model's own manifest, the sketches."; return {p.relative_to(ROOT).as_posix(): sha(p.read_bytes()) for p in [ROOT/"sdcourse/pocket_sd/manifest.json", *sorted((ROOT/"sdcourse/sketches").glob("*.png"))]}
def files(name): return [OUT/f"{name}.webp", STILLS/f"explorer-{name}.png"]


def axes_js():
    "nbs/explorers/axes.js: what the player needs to know. A script and not JSON, for a page that is opened as a file may load scripts only."
    made = manifest()["explorers"]
    data = {name: {k: spec[k] for k in ("title", "panels", "axes", "call")} | dict(sheet=f"{name}.webp", side=SIDE, pad=PAD, cols=COLS, tiles=made[name]["tiles"], notes=made[name]["notes"]) for name, spec in SPEC.items()}
    return "// made by pages/write.py from pages/explorers.py\nwindow.sdcourseExplorers = {\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False, separators=(',', ':'))}" for k, v in data.items()) + "\n};\n"


def figure(name):
    "The cell of a notebook: a still picture with its question, which the player of the site brings to life."
    s = SPEC[name]
    return f"""<figure class="explorer" id="explorer-{name}" data-explorer="{name}">
<figcaption><b>Predict first.</b> {s['question']}</figcaption>
<img loading="lazy" src="images/explorer-{name}.png" alt="{escape(s['still'])}">
<details><summary>What there is to see</summary>{s['answer']}</details>
<p class="explorer-still">A still picture. <a href="{SITE}/play.html#{name}">On the course's site</a> it has knobs to turn, in any browser with JavaScript.</p>
</figure>"""


# The maker

QUALITY = dict(guidance=90, strength=95, steps=84, dream=90, attention=None) # of the WebP; None: lossless, of six bits for each colour, where neighbours differ little


def judged(imgs, judge=[]):
    "What the course's judge sees in each picture."
    from sdcourse import load_judge
    if not judge: judge.append(load_judge())
    return [f"the course's judge sees {v['subject'][0]}" for v in judge[0].verdicts(imgs)]


def guidance(pipe, spec):
    from sdcourse import sweep
    prompts, seeds, scales = (a["codes"] for a in spec["axes"])
    for p in prompts:
        imgs = sweep(pipe, p, seed=seeds, guidance_scale=scales).pictures
        for k, (im, looks) in enumerate(zip(imgs, judged(imgs))):
            g = scales[k % len(scales)]
            yield [im], {0: "the prompt is not read", 1: "guidance is off"}.get(g, f"{g} times the way from the prediction without prompt to the one with it") + f"; {looks}"


def strength(pipe, spec):
    from sdcourse import img2img, likeness, open_picture, sweep
    names, prompts, at = (a["codes"] for a in spec["axes"])
    for name, p in itertools.product(names, prompts):
        src = open_picture(name)
        for im, s in zip(sweep(pipe, p, mode=img2img, image=src, seed=18, strength=at).pictures, at): yield [src, im], f"{int(25 * s)} of 25 steps are run; {likeness(im, src)[0].pixels:.0f}/255 from the source"


def steps(pipe, spec):
    from sdcourse import decode, txt2img
    import torch
    for name in spec["axes"][0]["codes"]:
        run = []; txt2img(pipe, FOX, seed=18, scheduler=name, after=lambda s: run.append(s))
        xt, x0 = (decode(pipe, torch.cat([getattr(s, k) for s in run])) for k in ("xt", "x0"))
        for s, a, b, looks in zip(run, xt, x0, judged(x0)):
            abar = float(pipe.scheduler.alphas_cumprod[int(s.t)])
            yield [a, b], f"timestep {int(s.t)}: x_t is {abar ** .5:.0%} picture and {(1 - abar) ** .5:.0%} noise, in amplitude; in x0 {looks}"


def dream(pipe, spec):
    from sdcourse import dream, seeded_noise, txt2img
    from PIL import Image
    import torch
    ps = [float(p) for p in spec["axes"][1]["codes"]]; n3, n5 = seeded_noise(pipe, [3, 5]).split(1)
    for prompts, seed in (([FOX, OWL], 18), ([FOX, PENGUIN], [18, 20]), (BERRY, [3, 5])):
        imgs = list(dream(pipe, prompts, seed=seed, position=ps))
        beside = [Image.blend(imgs[0], imgs[-1], p) for p in ps] if prompts != BERRY else txt2img(pipe, [BERRY] * len(ps), latents=torch.cat([torch.lerp(n3, n5, p) for p in ps]))
        for p, a, b, looks in zip(ps, imgs, beside, judged(imgs)): yield [a, b], f"{p:.0%} of the way; {looks}"


def attention(pipe, spec):
    from sdcourse import attend, heat, heatmap
    for k, (p, seed) in enumerate(((FOX, 18), (DUCK, 3))):
        (im,), seen = attend(pipe, p, seed=seed)
        if seen.words != choose(spec["axes"][1]["codes"], spec, (k,)): raise ValueError(f"the tokenizer cuts {p!r} into {seen.words}")
        for w in seen.words: m = heat(seen, w); yield [im, heatmap(im, m)], f"“{w}”: from {float(m.min()):.1f} to {float(m.max()):.1f} times its average"


def still(name, cell):
    "The picture that stands for an explorer where nothing moves; `cell(*at)` gives its pictures."
    from sdcourse import labelled_grid
    if name == "guidance": ks = (0, 1, 4, 7, 9); return labelled_grid([cell(p, 0, k)[0] for p in range(3) for k in ks], ["fox", "ghost", "strawberry"], [f"guidance {g}" for g in (0, 1, 3, 7, 14)], zoom=2)
    if name == "strength": ks = (0, 2, 4, 6, 9); return labelled_grid([im for s in range(3) for im in (cell(s, 2, 0)[0], *(cell(s, 2, k)[1] for k in ks))], None, ["source", *[f"strength {(k + 1) / 10:g}" for k in ks]], zoom=2)
    if name == "steps": ks = range(0, 25, 4); return labelled_grid([cell(0, k)[j] for j in (0, 1) for k in ks], ["x_t", "x0"], [f"step {k}" for k in ks], zoom=2)
    if name == "dream": ks = (0, 6, 10, 13, 18, 25); return labelled_grid([cell(p, k)[j] for p, j in ((0, 0), (1, 0), (2, 0), (2, 1)) for k in ks], ["fox to owl", "fox to penguin", "on the arc", "on the line"], [f"{k / 25:.2f}" for k in ks], zoom=2)
    return labelled_grid([cell(0, 0)[0], *(cell(0, k)[1] for k in (0, 3, 4, 6, 11))], None, ["picture", "<start>", "fox", "in", "snow", "style"], zoom=2)


def sheet(imgs, quality):
    "All tiles in one WebP, each in a frame of its own edge pixels."
    import numpy as np
    from PIL import Image
    pitch = SIDE + 2 * PAD; page = np.zeros((-(-len(imgs) // COLS) * pitch, min(len(imgs), COLS) * pitch, 3), "uint8")
    for k, im in enumerate(imgs):
        y, x = (pitch * v for v in divmod(k, COLS)); a = np.asarray(im.convert("RGB"))
        if quality is None: a = np.clip((a.astype(int) + 2) // 4 * 4, 0, 255).astype("uint8")
        page[y:y + pitch, x:x + pitch] = np.pad(a, ((PAD, PAD), (PAD, PAD), (0, 0)), "edge")
    Image.fromarray(page).save(f := io.BytesIO(), "WEBP", **(dict(lossless=True, quality=100) if quality is None else dict(quality=quality)), method=6)
    return f.getvalue()


def tile(page, k):
    "A picture of the sheet."
    y, x = (PAD + (SIDE + 2 * PAD) * v for v in divmod(k, COLS))
    return page.crop((x, y, x + SIDE, y + SIDE))


def make(name, pipe):
    "Draw one explorer and write its files; its entry in the manifest."
    spec, seen, tiles, notes = SPEC[name], {}, [], []
    cells = list(globals()[name](pipe, spec))
    if len(cells) != len(places(spec)): raise ValueError(f"{name}: {len(cells)} cells drawn for {len(places(spec))} places")
    for imgs, note in cells: notes.append(note); tiles += [seen.setdefault(im.tobytes(), (len(seen), im))[0] for im in imgs]
    page, small = files(name)
    page.parent.mkdir(exist_ok=True); page.write_bytes(sheet([im for _, im in seen.values()], QUALITY[name]))
    still(name, lambda *at: cells[number(spec, at)][0]).quantize(256).save(small, optimize=True)
    print(f"{name}: {len(cells)} cells, {len(seen)} pictures, sheet {page.stat().st_size:,} bytes, still {small.stat().st_size:,}")
    return dict(asked=asked(name), sources=sources(), files={p.relative_to(ROOT).as_posix(): sha(p.read_bytes()) for p in (page, small)}, tiles=tiles, notes=notes)


if __name__ == "__main__":
    if bad := {*sys.argv[1:]} - {*SPEC}: sys.exit(f"no explorer {', '.join(sorted(bad))}: there are {', '.join(SPEC)}")
    from sdcourse import load
    pipe = load("pocket", device="cpu"); pipe.set_progress_bar_config(disable=True)
    made = manifest() if (OUT/"manifest.json").exists() else dict(explorers={})
    for name in sys.argv[1:] or SPEC: made["explorers"][name] = make(name, pipe)
    (OUT/"manifest.json").write_text(json.dumps(dict(explorers={k: made["explorers"][k] for k in SPEC if k in made["explorers"]}), ensure_ascii=False).replace('}, "', '},\n"') + "\n", "utf-8")
    print("then: python pages/write.py")
