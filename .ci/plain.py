"""Run notebooks as a learner does, without nbdev and its pinned family: `python .ci/plain.py nbs/00_first.ipynb ...`, each in a process of its own.

The job with the oldest packages needs it, for nbdev asks for a newer fastcore than the course does. What is left out is what nbdev-test leaves out: cells marked gpu, net, slow or eval: false, and what makes the package."""
import json, os, re, subprocess, sys, time
from pathlib import Path

LEFT_OUT = re.compile(r"\s*#\|\s*(gpu|net|slow|eval:\s*false)\b")


def cells(path):
    "The source of the code cells that run."
    code = ["".join(c["source"]) for c in json.loads(Path(path).read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    return [s for s in code if not LEFT_OUT.match(s) and "nbdev_export()" not in s]


def execute(path):
    "Run the cells in an IPython shell of this process; the first error ends it."
    from IPython.core.interactiveshell import InteractiveShell
    todo = cells(path); os.chdir(Path(path).resolve().parent) # where its pictures are
    shell = InteractiveShell.instance()
    for source in todo:
        if not shell.run_cell(source, silent=True).success: sys.exit(f"{path} ended at the cell\n{source}")


def main(paths):
    "How many notebooks ended in an error; a line for each."
    bad = 0
    for path in paths:
        start = time.perf_counter()
        p = subprocess.run([sys.executable, __file__, "--one", path], capture_output=True, text=True, errors="replace")
        print(f"{'ok    ' if p.returncode == 0 else 'FAILED'} {Path(path).name} {time.perf_counter() - start:.0f} s", flush=True)
        if p.returncode: bad += 1; print(p.stdout[-2500:], p.stderr[-2500:], sep="\n", flush=True)
    return bad


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]: execute(sys.argv[2])
    else: sys.exit(min(main(sys.argv[1:]), 1))
