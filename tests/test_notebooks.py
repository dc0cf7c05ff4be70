"""Every notebook runs from its first cell to its last, offline, in a process of its own.

As many run side by side as there are cores, each on one thread, which is also the fastest for a model as small as the pocket model. They begin with the first test of all, on all cores but one."""
import json, os, re, shutil, subprocess, tempfile, threading, time
from concurrent.futures import Future
import pytest
from conftest import COSTS, ENV, ROOT, RUNNING, SCRIPTS, over_budget
from course import NBS, code, source

TRAINS = re.compile(r"finetune\(|\.backward\(|\btrain(_\w+)?\(") # what a cell says that trains something


def peak(pid):
    "The most memory of a process so far in MB, its children not counted; 0 where the machine does not tell."
    # getrusage would begin with the memory of the process that started it
    try: return next((int(l.split()[1]) / 1024 for l in open(f"/proc/{pid}/status") if l.startswith("VmHWM:")), 0)
    except OSError: return 0


def execute(nb, timeout=1200):
    "Run a notebook: (exit code, what it said, seconds, seconds of a core, MB at most)."
    start, most = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        p = subprocess.Popen([shutil.which("nbdev-test", path=SCRIPTS), nb, "--cell-timing-min", "0"], cwd=ROOT, env=ENV | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            while not (done := os.wait4(p.pid, os.WNOHANG))[0]:
                if time.perf_counter() - start > timeout: p.kill(); done = os.wait4(p.pid, 0); log.write(f"\nstopped after {timeout} s"); break
                most = max(most, peak(p.pid)); time.sleep(.1)
        except BaseException: p.kill(); raise
        p.returncode = os.waitstatus_to_exitcode(done[1]); log.seek(0)
        return p.returncode, log.read(), time.perf_counter() - start, done[2].ru_utime + done[2].ru_stime, most


class Running:
    "{notebook: its run to come}, those first that took longest when it was measured. One core is left to the other tests until `all_cores`."
    def __init__(self, notebooks):
        took = json.loads((ROOT/"bench/results.json").read_text("utf-8")).get("lessons", {}).get("each", {})
        self.cores, self.runs, self.todo, self.stopped = os.cpu_count() or 1, {nb: Future() for nb in notebooks}, sorted(notebooks, key=lambda nb: -took.get(nb.name, {}).get("cpu", 999)), False
        self.workers = [self.worker() for _ in range(self.cores - 1)]

    def worker(self): t = threading.Thread(target=self.work, daemon=True); t.start(); return t

    def work(self):
        while self.todo and not self.stopped:
            try: nb = self.todo.pop(0)
            except IndexError: return
            try: self.runs[nb].set_result(execute(nb))
            except BaseException as e: self.runs[nb].set_exception(e)

    def all_cores(self):
        if len(self.workers) < self.cores: self.workers.append(self.worker())
        return self


@pytest.fixture
def running(request): return request.config.stash[RUNNING].all_cores()


@pytest.mark.parametrize("nb", sorted(NBS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_runs(nb, request, record_property, running):
    failed, said, seconds, cpu, most = running.runs[nb].result()
    cells = {id: float(s) for id, s in re.findall(rf"^{re.escape(nb.name)}:(\S+): ([\d.]+)s$", said, re.M)}
    training = sum(cells.get(c["id"], 0) for c in code(nb) if TRAINS.search(source(c)))
    cost = dict(seconds=round(seconds, 2), cpu=round(cpu, 2), slowest_cell=max(cells.values(), default=0), training=round(training, 2), memory=round(most))
    request.config.stash.setdefault(COSTS, {})[nb.name] = cost
    for k, v in cost.items(): record_property(k, v)
    if failed or "Success." not in said: pytest.fail(f"{nb.name} ended with exit code {failed}:\n{said[-6000:]}", pytrace=False)
    if request.config.getoption("budget"): assert not over_budget(nb.name, cost), cost
