"""The page of the measurements, nbs/91_speed.ipynb, from bench/*.json and the tables beside them. Nothing heavy is imported: pages/write.py makes the page, and a test says whether it is fresh."""
import hashlib, json, math, re, statistics
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIGURE = HERE.parent/"nbs"/"images"/"91_profile.png"


def read(name):
    "What bench/NAME.json holds, {} where there is none."
    file = HERE/f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def interval(xs):
    "(median, low, high): the narrowest pair of order statistics that holds the median with 95 %; of fewer than six values that is not possible, and it is their range."
    xs = sorted(xs); n = len(xs); k, miss = 0, 2 * .5 ** n # k values may be left out at each end
    while k + 1 < n / 2 and miss + 2 * math.comb(n, k + 1) * .5 ** n <= .05: k += 1; miss += 2 * math.comb(n, k) * .5 ** n
    return statistics.median(xs), xs[k], xs[n - 1 - k]


def table_rows(text):
    "The tables of a text in Markdown, each a list of rows, a row a dictionary by the heads of its columns."
    tables, head = [], None
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells is None: head = None
        elif head is None: head = cells; tables.append([])
        elif not all(re.fullmatch(r":?-+:?", c) for c in cells): tables[-1].append(dict(zip(head, cells)))
    return tables


def rows_of(file):
    "The rows of the tables in bench/FILE; [] where there is no such file."
    return [r for t in table_rows((HERE/file).read_text("utf-8")) for r in t] if (HERE/file).is_file() else []


def digest(profile):
    "What tells one profile from another: stands in the figure, too."
    return hashlib.sha256(json.dumps(profile, sort_keys=True).encode()).hexdigest()[:16]


# One row for each goal: (what, the field, goal, measured, interval, reached)

OPEN = "not measured yet"


def _ratio(name, field, unit="times"):
    def row(res):
        got = {int(n): r for n, r in res.get(name, {}).items()}
        if not got: return (field, "", OPEN, "", OPEN)
        n = max(got); r = got[n]; m, lo, hi = interval(r["ratios"]); cpu = r["cpu_ratio"]
        also = "".join(f"; {interval(o['ratios'])[0]:.2f} on {k} thread{'s' * (k > 1)}" for k, o in sorted(got.items()) if k != n)
        same = f"; pictures at most {r['largest_difference']}/255 off, on {r['share_of_values']:.4%} of the values"
        ok = m >= r["goal"] and r["largest_difference"] <= 1 and r["share_of_values"] <= .0002
        return (field, f"&ge; {r['goal']} {unit}", f"{m:.2f} on {n} threads, {cpu:.2f} by CPU time{also}{same}", f"{lo:.2f} to {hi:.2f}", "yes" if ok else "no: " + _why_ratio(name, res, n))
    return row


def _why_ratio(name, res, n):
    rows = {int(k): ms for k, ms in res.get("unet_rows", {}).get(str(n), {}).get("ms", {}).items()}
    few, many = dict(sweep8=(2, 16), grid4x4=(8, 32), dream24=(2, 16)).get(name, (2, 2))
    return f"a row of the UNet takes {rows[few]:.1f} ms in calls of {few} and {rows[many]:.1f} ms in calls of {many}, so batching can give {rows[few] / rows[many]:.2f} here" if rows and few != many else "see the table below"


def _frames(res):
    m = res.get("memory_frames")
    if not m: return ("one call for each frame", "&plusmn; 5 %", OPEN, "", OPEN)
    (few, a), (many, b) = sorted(((int(k), v["most"]) for k, v in m["frames"].items()))
    return ("", "&plusmn; 5 %", f"{a:.0f} MB with {few} frames, {b:.0f} MB with {many}: {b / a - 1:+.1%}", f"{len(m['frames'][str(few)].get('all', '1'))} processes each, the one in the middle", "yes" if abs(b / a - 1) <= .05 else f"no: the processes of {few} frames alone differ by {max(m['frames'][str(few)].get('all', [a])) - min(m['frames'][str(few)].get('all', [a])):.0f} MB")


def _tune(res):
    rows = [r for r in rows_of("tune.md") if "cached, times faster" in r]
    if not rows: return ("1.0: diffusers' script", "&ge; 1.6 times", OPEN, "", OPEN)
    v = [float(r["cached, times faster"]) for r in rows]; same = all(r["losses cached = uncached"] == "bit for bit" for r in rows)
    return ("1.0: diffusers' script", "&ge; 1.6 times", "; ".join(f"{r['method']}, batch {r['batch']}: {r['cached, times faster']}" for r in rows), "see `bench/tune.md`",
            "yes" if min(v) >= 1.6 and same else f"no: {min(v):.2f} to {max(v):.2f}; see `bench/tune.md`")


def _overhead(res):
    o = res.get("overhead")
    if not o: return ("pipeline: 0.4 to 1.4 %", "&le; 3 %", OPEN, "", OPEN)
    (m, lo, hi), (p, *_), (t, *_), (pt, *_) = (interval(o[side][k]) for side, k in (("ours", "around"), ("plain", "around"), ("ours", "text"), ("plain", "text")))
    return ("pipeline: 0.4 to 1.4 %", "&le; 3 %", f"{m:.1%} (diffusers' pipeline in turn with it {p:.1%}); the text encoder, called once by either, {t:.1%} ({pt:.1%})", f"{lo:.1%} to {hi:.1%}", "yes" if m <= .03 else f"no: a pocket picture is so cheap that checks, recipe and loop weigh {m - p:.1%} more than the pipeline's")


def _start(name, field, goal, against=None):
    def row(res):
        s = res.get("start", {}).get("seconds")
        if not s or name not in s: return (field, f"&le; {goal} s" if against is None else f"pipeline import + {goal} s", OPEN, "", OPEN)
        cpu = res["start"]["cpu"]
        if against is None:
            m, lo, hi = interval(s[name]); c = interval(cpu[name])[0]
            return (field, f"&le; {goal} s", f"{m:.2f} s ({c:.2f} s of a core)", f"{lo:.2f} to {hi:.2f}", "yes" if m <= goal else f"no: a bare `python -c pass` takes {interval(s['python'])[0]:.2f} s here" + ("" if c > goal else f", and {c:.2f} s of a core are within the goal: the machine was busy"))
        d, lo, hi = interval([a - b for a, b in zip(s[name], s[against])]); c = interval([a - b for a, b in zip(cpu[name], cpu[against])])[0]
        return (field, f"pipeline import + {goal} s", f"import {d:+.2f} s ({c:+.2f} s of a core); plain diffusers {interval([a - b for a, b in zip(s['plain'], s[against])])[0]:+.2f} s", f"{lo:+.2f} to {hi:+.2f}",
                "yes" if max(d, c) <= goal else f"no: its 25 steps alone take {interval(s['drawing'])[0]:.2f} s here" + ("" if c > goal else f", and {c:+.2f} s of a core are within the goal: the machine was busy"))
    return row


def _lessons(res):
    r = res.get("lessons"); goal = "&le; 10 min on two cores; no ordinary cell over 20 s, a training cell at most 90 s"
    if not r: return ("no peer executes one", goal, OPEN, "", OPEN)
    once = r["cpu"] - r["imports"]; two = once / 2; slow = {k: v for k, v in r["slowest_cell"].items()}
    ok = two <= 600 and slow["ordinary"][1] <= 20 and slow["training"][1] <= 90
    said = f"{r['lessons']} notebooks, {once / 60:.1f} core-minutes where the libraries are loaded once for all ({r['cpu'] / 60:.1f} where each lesson loads them): {two / 60:.1f} min on two cores; slowest ordinary cell {slow['ordinary'][1]:.0f} s ({slow['ordinary'][0]}), slowest training cell {slow['training'][1]:.0f} s ({slow['training'][0]})"
    return ("no peer executes one", goal, said, "one run", "yes" if ok else "no: " + "; ".join(w for w, bad in (("the training lessons take " + f"{r['training_cpu'] / 60:.1f} of these core-minutes", two > 600), ("cells measured beside other work", slow["ordinary"][1] > 20 or slow["training"][1] > 90)) if bad))


def _faults(res):
    rows = {r.get("", ""): r for r in rows_of("faults.md")}; ours, plain = rows.get("sdcourse, all"), rows.get("plain diffusers"); goal = "&ge; 150 inputs: 0 silent, 0 obscure"; field = "plain diffusers, 125 inputs: 31 % clear, 35 % obscure, 30 % silently wrong, 4 % warned"
    if not ours: return (field, goal, OPEN, "", OPEN)
    n = int(ours["inputs"]); bad = [int(ours[k].split()[0]) for k in ("silent", "obscure")]
    said = f"{n} inputs: " + ", ".join(f"{ours[k]} {k}" for k in ("clear", "right", "warned", "obscure", "silent")) + (f"; plain diffusers, {plain['inputs']} of them: " + ", ".join(f"{plain[k]} {k}" for k in ("clear", "right", "warned", "obscure", "silent")) if plain else "")
    return (field, goal, said, "all of them, see `bench/faults.md`", "yes" if n >= 150 and not any(bad) else f"no: {bad[0]} silent, {bad[1]} obscure")


def _guard(field, goal, of, tell):
    def row(res):
        g = res.get("guards")
        if not g: return (field, goal, OPEN, "", OPEN)
        t = g["tried"]; return (field, goal, tell(t), "all of them", "yes" if not g["failed"] and all(t.get(k, 0) >= n for k, n in of.items()) else f"no: {g['failed']} of {g['tests']} tests failed" if g["failed"] else "no: too few were tried")
    return row


def _gpu(key, card, field, goal, ok, tell):
    def row(res):
        g = read("gpu").get(key)
        return (field, goal, f"{g['device']}: {tell(g)}", "see `bench/gpu.md`", f"measured on another card than the {card}" if card not in g["device"] else "yes" if ok(g) else "no: see `bench/gpu.md`") if g else (field, goal, "no graphics card was at hand; `python -m bench.gpu` is ready", "", OPEN)
    return row


GOALS = { # what: how to find (the field, goal, measured, interval, reached) in the results
    "guidance sweep, 8 scales of one seed": _ratio("sweep8", "1.0: nobody batches scales"),
    "fast.ai's grid, 4 scales x 4 seeds": _ratio("grid4x4", "1.0"),
    "dream film, 24 frames": _ratio("dream24", "1.0: one call for each frame"),
    "dream film, memory by frames": _frames,
    "fine-tuning step with cached latents and text": _tune,
    "a helper, over the bare UNet and VAE": _overhead,
    "`import sdcourse`": _start("import sdcourse", "`import diffusers`: 2.2 s", .15),
    "`sdcourse --help`": _start("--help", "", .4),
    "new process to first picture": _start("first", "3.0 s, nine tenths of it imports", .5, against="pipeline"),
    "all lessons, executed offline": _lessons,
    "wrong inputs": _faults,
    "damaged weight files": _guard("obscure errors or black images", "500 mutated files: 0 loaded, each named with what to do", dict(mutated=500), lambda t: f"{t['mutated']} mutated files of {t['kinds of weights']} kinds of weights: 0 loaded, each refused by name with the remedy"),
    "NaN": _guard("a black image", "never an image: an error with the step and the remedy", dict(nan=50), lambda t: f"{t['nan']} times, at steps and parts of every mode that draws: an error each time"),
    "kill -9 while saving": _guard("2 of 12 saves cannot be loaded", "200 kills: 0 broken", dict(killed=200, acts=100), lambda t: f"{t['killed']} kills at random moments over {t['writers']} writers, and one before each of {t['acts']} acts on the disk: 0 broken; {t['full']} full disks: old files whole"),
    "out of memory": _guard("the allocator's error", "fewer at a time, the same pictures", dict(memory=10), lambda t: f"{t['memory']} times, in every mode that draws: the same pictures (within 1/255)"),
    "SD 1.x on an H200, batch 8": _gpu("peak", "H200", "A100 32 to 39 % of the peak at best, H100 15 to 20 %", "&ge; 35 % of the measured bfloat16 peak, &le; 0.30 s a picture", lambda g: g["share"] >= .35 and g["seconds"] <= .3, lambda g: f"{g['share']:.0%} of {g['tflops']:.0f} TFLOP/s, {g['seconds']:.3f} s a picture ({g['how']})"),
    "SD 1.x on a T4, one picture": _gpu("beside", "T4", "6.95 to 7.56 steps a second", "within 5 % of diffusers, in &le; 4 GB", lambda g: g["ratio"] >= .95 and g["gib"] <= 4e9 / 2**30, lambda g: f"{g['ours']:.2f} steps a second, diffusers {g['plain']:.2f} ({g['ratio']:.2f}); {g['gib']:.1f} GiB"),
}


def goals(res): return [(what, *f(res)) for what, f in GOALS.items()]
def table(head, rows, right=()): return "\n".join(["| " + " | ".join(head) + " |", "|" + "".join(" ---: |" if k in right else " --- |" for k in range(len(head))), *("| " + " | ".join(map(str, r)) + " |" for r in rows)])
def on(m): return f"{m['cores']} cores ({m['processor']}), load {m['load']} before the run, torch {m['torch']}, diffusers {m['diffusers']}, {m['turns']} turn{'s' * (m['turns'] != 1)}"


def _arms(res):
    rows = [(r["what"], n, f"{interval(r['ratios'])[0]:.2f}", "{1:.2f} to {2:.2f}".format(*interval(r["ratios"])), f"{r['cpu_ratio']:.2f}", f"{r['seconds']['plain']:.2f}", f"{r['seconds']['ours']:.2f}", f"{r['largest_difference']}/255 on {r['share_of_values']:.4%}", f"{r['machine']['turns']}, load {r['machine']['load']}")
            for name in ("sweep8", "grid4x4", "dream24", "one") for n, r in sorted(res.get(name, {}).items())]
    text = table(("what", "threads", "times faster", "interval", "by CPU time", "plain, s", "ours, s", "pictures differ by", "turns"), rows, range(1, 7))
    bare = "; ".join(f"on {n} thread{'s' * (n != '1')} " + ", ".join(f"{ms:.1f} in calls of {k}" for k, ms in r["ms"].items()) for n, r in sorted(res.get("unet_rows", {}).items()))
    return text + (f"\n\nThe UNet alone, milliseconds a row: {bare}. What batching can give at most is the quotient of two of these." if bare else "")


def _memory(res):
    b = res.get("memory_batch")
    if not b: return OPEN
    rows = [(k, *(f"{v[side]['most'] - v[side]['before']:.0f}" for side in ("ours", "plain"))) for k, v in b["pictures"].items()]
    return f"Sixteen pictures with `batch_size=`, beside as many in one call of diffusers' pipeline as share a batch: the most memory of a process, above what it had before it drew, in MB.\n\n" + table(("pictures at a time", "sdcourse", "plain diffusers"), rows, (0, 1, 2))


def _start_table(res):
    s = res.get("start")
    if not s: return OPEN
    names = {"python": "`python -c pass`, whole process", "import sdcourse": "`import sdcourse`", "import diffusers": "`import diffusers`", "--help": "`sdcourse --help`, whole process", "pipeline": "new process to `StableDiffusionPipeline` imported", "first": "new process to first picture, sdcourse", "plain": "new process to first picture, plain diffusers"}
    return table(("what", "seconds", "interval", "seconds of a core"), [(says, f"{interval(s['seconds'][k])[0]:.2f}", "{1:.2f} to {2:.2f}".format(*interval(s["seconds"][k])), f"{interval(s['cpu'][k])[0]:.2f}") for k, says in names.items()], (1, 2, 3)) + f"\n\n{on(s['machine'])}; processes in turn, each on one thread."


def _newcomer(res):
    r = res.get("newcomer")
    if not r: return OPEN
    rows, clock, reached = [], 0., {}
    for name, s in r["steps"].items():
        clock += s["seconds"]; reached[name] = clock
        rows.append((name, f"{s['seconds']:.1f}", f"{s['cpu']:.1f}", f"{clock:.0f}", f"`{s['command']}`" if s["command"] else f"{r['exercise']['cells']} cells in a kernel, {r['exercise']['lesson']:.0f} s of it; then the exercise, {r['exercise']['check'] * 1000:.0f} ms"))
    installing = sum(s["seconds"] for s in r["steps"].values() if "pip install" in s["command"])
    where = "Its packages lay on this machine's disk: elsewhere their download comes on top" if r["near"] else "Its packages came over the network, and how long that takes differs from place to place"
    return f"""The README's commands one after the other, in a new clone and an empty environment, pip's cache left out. Then lesson [Prompts](10_prompts.ipynb) in a kernel, cell by cell to its first exercise, "{r['exercise']['title']}": the check refuses the blank and accepts the book's solution.

First picture after {reached['first picture']:.0f} s, the same at another guidance after {reached["the same at guidance 1"]:.0f} s, first exercise solved after {clock:.0f} s. **This is machine time.** A person reads, types and thinks in between; that comes on top, and nobody has measured it. {installing:.0f} s are pip's, for {r['megabytes']:.0f} MB on the disk. {where}.

""" + table(("step", "seconds", "seconds of a core", "clock, s", "command"), rows, (1, 2, 3)) + f"\n\n{on(r['machine'] | dict(turns=1))}; each process on one thread."


def shares(p):
    "The figure in words."
    one, many = p["pictures"]["1"], p["pictures"]["8"]
    return f"One picture, {sum(one.values()) * 1000:.0f} ms: " + ", ".join(f"{k} {v / sum(one.values()):.0%}" for k, v in one.items()) + f". One of eight drawn together, {sum(many.values()) * 1000:.0f} ms: " + ", ".join(f"{k} {v / sum(many.values()):.0%}" for k, v in many.items()) + "."


def page():
    "[(id, text)] of the cells of nbs/91_speed.ipynb."
    res = read("results"); p = res.get("profile")
    where = f"![Bars for the parts of the model, in milliseconds of one core: dark one picture alone, light one of eight drawn together](images/{FIGURE.name})\n\n{shares(p)} {on(p['machine'])}." if p else OPEN
    return [("sp0goals", "## Goals\n\nEach row is a promise in numbers and what was found. Both sides of a comparison run in one process and take turns, so that a busy machine hurts both; a ratio is plain seconds over ours, and the interval holds the median of the turns with 95 % (with fewer than six turns it is their range).\n\n" + table(("what", "the field", "goal", "measured", "interval", "reached"), goals(res))),
            ("sp1where", f"## Where the time of a picture goes\n\n{where}"), ("sp2arms", f"## Side by side with plain diffusers\n\nThe plain side is the code that a course prints.\n\n{_arms(res)}"), ("sp3start", f"## Start\n\n{_start_table(res)}"), ("sp4memory", f"## Memory\n\n{_memory(res)}"),
            ("sp4newcomer", f"## A newcomer's path\n\n{_newcomer(res)}"),
            ("sp5again", "## Measure it yourself\n\n`python -m bench`, from the top of the repository, measures everything anew and `python pages/write.py` puts it here; `--only sweep8` measures one thing, `--quick` is a short try that writes nothing. `python -m bench.tune` and `python -m bench.faults` have tables of their own, and `python -m bench.gpu` is for a machine with a graphics card.\n\nExact means exact: nothing here takes fewer steps, reuses a step or rounds more. On a CPU, `torch.compile`, bfloat16 and channels-last are off, for a model as small as the pocket model gains nothing by them.")]
