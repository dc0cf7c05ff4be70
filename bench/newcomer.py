"""A newcomer's path by the clock: the README's commands in a new clone and an empty virtual environment, to the first picture, to the same at another guidance, to the first exercise solved.

`python -m bench --only newcomer` measures it. All of it is machine time: what a person reads, types and thinks comes on top and is not measured."""
import json, os, re, resource, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LESSON = "10_prompts" # the first with exercises

# in the newcomer's environment: the lesson up to its first exercise in a kernel, cell by cell, as a learner has it from `sdcourse lab`; then the blank as it is, then the book's solution
SOLVE = """
import json, sys, time
import nbformat
from nbclient import NotebookClient
from sdcourse.exercises.book import books
file, lesson, whole = sys.argv[1], sys.argv[2], sys.argv[3] == "whole"
nb = nbformat.read(file, 4); exercise = books()[lesson].exercises[0]
at = next(k for k, c in enumerate(nb.cells) if c.id == "exercise-1-try"); blank = nb.cells[at].source
assert blank.startswith(exercise.blank), "the lesson's blank is not the book's"
before = [(k, c) for k, c in enumerate(nb.cells[:at]) if c.cell_type == "code" and (whole or c.id in ("setup", "exercises-given"))]
nb.cells.append(nbformat.v4.new_code_cell(blank)); nb.cells.append(nbformat.v4.new_code_cell(blank.replace(exercise.blank, exercise.solution, 1)))
def said(c): return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in c.outputs)
client = NotebookClient(nb, timeout=600, kernel_name="python3")
t = time.monotonic()
with client.setup_kernel(cwd=sys.argv[4]):
    for k, c in before: client.execute_cell(c, k)
    lesson_took = time.monotonic() - t
    n = len(nb.cells); client.execute_cell(nb.cells[n - 2], n - 2); t = time.monotonic(); client.execute_cell(nb.cells[n - 1], n - 1); check_took = time.monotonic() - t
assert said(nb.cells[-2]).startswith("Not yet."), "the blank passes: " + said(nb.cells[-2])
assert said(nb.cells[-1]).startswith("Right."), "the book's solution does not pass: " + said(nb.cells[-1])
print("\\n@", json.dumps(dict(cells=len(before), lesson=lesson_took, check=check_took, title=exercise.title)))
"""


def commands(readme):
    "The README's own commands: ([those that end in a first picture], [those that end in JupyterLab]), split where one leads to the next."
    blocks = re.findall(r"```bash\n(.+?)```", readme, re.S)
    draw = next((b for b in blocks if "git clone" in b and "sdcourse txt2img" in b), None); lab = next((b for b in blocks if "sdcourse lab" in b), None)
    if not draw or not lab: raise ValueError("the README has no block that clones and draws, or none that opens the lessons")
    steps = [s for line in draw.splitlines() for s in line.split(" && ")]
    if not steps[0].startswith("git clone") or not steps[1].startswith("cd "): raise ValueError(f"the README's commands begin with {steps[:2]}, not with a clone and the way into it")
    return steps[2:], [s for line in lab.splitlines() for s in line.split(" && ")]


def step(command, cwd, env):
    "(what the command printed, its seconds, its seconds of a core)."
    was, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    p = subprocess.run(["bash", "-c", command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    took, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if p.returncode: raise RuntimeError(f"{command} ended with exit code {p.returncode}: {p.stdout[-2000:]}")
    return p.stdout, took, now.ru_utime + now.ru_stime - was.ru_utime - was.ru_stime


def environment():
    "That of a newcomer: nothing of this process's virtual environment or settings of ours, one thread, no packages kept by pip."
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OMP_", "HF_", "VIRTUAL_ENV", "SDCOURSE_", "IPYTHON", "JUPYTER"))}
    mine = str(Path(sys.prefix)/"bin"); env["PATH"] = os.pathsep.join(p for p in env["PATH"].split(os.pathsep) if p != mine)
    return env | {"OMP_NUM_THREADS": "1", "PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def newcomer(quick=False):
    """{step: seconds and seconds of a core} of the path. `quick` takes this environment in place of a new one, and of the lesson nothing but its exercise."""
    with tempfile.TemporaryDirectory() as d:
        rows, top = {}, Path(d)/"sdcourse"
        def timed(name, command, cwd=top):
            said, took, cpu = step(command, cwd, env); rows[name] = dict(seconds=took, cpu=cpu, command=command); return said
        env = environment() if not quick else {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        if quick: top.mkdir(); (top/"README.md").write_text((ROOT/"README.md").read_text("utf-8"), "utf-8"); (top/".venv").symlink_to(sys.prefix)
        else: step(f"git clone -q '{ROOT}' sdcourse", d, env) # from this disk, and so not counted
        draw, lab = commands((top/"README.md").read_text("utf-8")); picture = draw[-1]; pip = ""
        for command in draw[:-1]:
            if not quick: pip += timed("an empty environment" if " venv " in command else "install", command)
        first, drawn = _drawn(timed("first picture", picture), top), f"{picture} --seed {{}} --guidance 1"
        other = _drawn(timed("the same at guidance 1", drawn.format(first[1]["seed"])), top)
        if first[0] == other[0] or (first[1]["seed"], other[1]["guidance_scale"]) != (other[1]["seed"], 1) or first[1]["guidance_scale"] == 1: raise RuntimeError("the second picture is not the first at another guidance")
        for command in lab[:-1]:
            if not quick: pip += timed("install JupyterLab and what lessons need", command)
        timed("the lessons copied", f"{lab[-1]} --no-open")
        (Path(d)/"solve.py").write_text(SOLVE, "utf-8"); file = top/"sdcourse-lessons"/f"{LESSON}.ipynb"
        said = timed("lesson 10 to its first exercise, solved", f".venv/bin/python {d}/solve.py {file} {LESSON} {'exercise' if quick else 'whole'} {file.parent}"); got = json.loads(re.search(r"^@ (.+)", said, re.M)[1])
        rows["lesson 10 to its first exercise, solved"]["command"] = "" # not one of the README's
        size = sum(f.stat().st_size for f in (top/".venv").rglob("*") if f.is_file() and not f.is_symlink()) if not quick else 0
    return dict(steps=rows, exercise=got, megabytes=size / 1e6, near="file:" in pip or bool(re.search(r"^Looking in links: /", pip, re.M)))


def _drawn(said, top):
    "(the bytes, the recipe) of the picture that the last line names."
    from sdcourse.show import read_settings
    file = top/next(l for l in reversed(said.splitlines()) if l.endswith(".png"))
    from PIL import Image
    with Image.open(file) as im: return im.convert("RGB").tobytes(), read_settings(file)
