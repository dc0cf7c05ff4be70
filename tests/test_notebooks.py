"""Every notebook runs from its first cell to its last, offline, in a process of its own.

As many run side by side as there are cores, each on one thread, which is also the fastest for a model as small as the pocket model. They begin with the first test of all, on all cores but one.
Their processes fork from one that has torch, diffusers and transformers in it (tests/warm.py); what it took to load them is counted to each lesson as if it had been alone."""
import json, multiprocessing, os, re, sys, tempfile, threading, time
from concurrent.futures import Future
from pathlib import Path
from unittest.mock import patch
import pytest
from conftest import COSTS, ENV, ROOT, RUNNING, over_budget
from course import NBS, code, source

IMPORTS = re.compile(r"\b(import|from) (torch|diffusers|sdcourse)\b") # what a cell says that would load them by itself
TRAINS = re.compile(r"finetune\(|\.backward\(|\btrain(_\w+)?\(") # what a cell says that trains something


def started():
    "How processes start: from one that has loaded what lessons import, where the system can fork."
    ctx = multiprocessing.get_context(kind := "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
    if kind == "forkserver":
        with patch.dict(os.environ, WITH | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT/"tests")])}, clear=True): ctx.set_forkserver_preload(["warm"]); multiprocessing.forkserver.ensure_running()
    return ctx


WITH = ENV | {"OMP_NUM_THREADS": "1"}


def child(nb, said, cost):
    "In the new process: run the notebook; what it says and what it took go to two files."
    log = os.open(said, os.O_WRONLY | os.O_CREAT); os.dup2(log, 1); os.dup2(log, 2); os.environ.update(WITH); os.chdir(ROOT); multiprocessing.set_start_method(None, force=True) # what a lesson starts itself, it starts as everywhere
    sys.path[:] = [p for p in sys.path if p not in (str(ROOT/"tests"), str(ROOT/"pages"))] # a lesson shall not find them
    from nbdev.test import nbdev_test
    warm = sys.modules.get("warm"); took = (warm.SECONDS, warm.CPU) if warm and IMPORTS.search("".join(map(source, code(nb)))) else (0., 0.)
    try: nbdev_test(nb, cell_timing_min=0)
    finally:
        try: most = next(int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM:"))
        except OSError: most = 0 # where the machine does not tell
        cost.write_text(json.dumps([sum(os.times()[:4]), most, *took])) # with the processes that it has started itself


def execute(nb, ctx, alive, timeout=1200):
    "Run a notebook: (exit code, what it said, seconds, seconds of a core, MB at most, those of the seconds of a core that were spent once for all)."
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as top:
        said, cost = Path(top)/"said.txt", Path(top)/"cost.json"; p = ctx.Process(target=child, args=(nb, said, cost)); p.start(); alive.append(p)
        try: p.join(timeout); late = p.is_alive()
        finally: p.kill(); p.join(); alive.remove(p)
        cpu, most, wall, shared = json.loads(cost.read_text()) if cost.exists() else (0., 0, 0., 0.) # a killed one does not tell
        return p.exitcode, said.read_text(errors="replace") + f"\nstopped after {timeout} s" * late, time.perf_counter() - start + wall, cpu + shared, most, shared


class Running:
    "{notebook: its run to come}, those first that took longest when it was measured. One core is left to the other tests until `all_cores`."
    def __init__(self, notebooks):
        took = json.loads((ROOT/"bench/results.json").read_text("utf-8")).get("lessons", {}).get("each", {})
        self.cores, self.runs, self.todo, self.stopped = os.cpu_count() or 1, {nb: Future() for nb in notebooks}, sorted(notebooks, key=lambda nb: -took.get(nb.name, {}).get("cpu", 999)), False
        self.ctx, self.alive = started(), []; self.workers = [self.worker() for _ in range(self.cores - 1)]

    def worker(self): t = threading.Thread(target=self.work, daemon=True); t.start(); return t

    def work(self):
        while self.todo and not self.stopped:
            try: nb = self.todo.pop(0)
            except IndexError: return
            try: self.runs[nb].set_result(execute(nb, self.ctx, self.alive))
            except BaseException as e: self.runs[nb].set_exception(e)

    def stop(self):
        "Nothing more begins, and what runs ends."
        self.stopped = True
        for p in [*self.alive]: p.kill()

    def all_cores(self):
        if len(self.workers) < self.cores: self.workers.append(self.worker())
        return self


@pytest.fixture
def running(request): return request.config.stash[RUNNING].all_cores()


@pytest.mark.parametrize("nb", sorted(NBS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_runs(nb, request, record_property, running):
    failed, said, seconds, cpu, most, shared = running.runs[nb].result()
    cells = {id: float(s) for id, s in re.findall(rf"^{re.escape(nb.name)}:(\S+): ([\d.]+)s$", said, re.M)}
    training = sum(cells.get(c["id"], 0) for c in code(nb) if TRAINS.search(source(c)))
    cost = dict(seconds=round(seconds, 2), cpu=round(cpu, 2), slowest_cell=max(cells.values(), default=0), training=round(training, 2), memory=round(most), imports=round(shared, 2))
    request.config.stash.setdefault(COSTS, {})[nb.name] = cost
    for k, v in cost.items(): record_property(k, v)
    if failed or "Success." not in said: pytest.fail(f"{nb.name} ended with exit code {failed}:\n{said[-6000:]}", pytrace=False)
    if request.config.getoption("budget"): assert not over_budget(nb.name, cost), cost
