"""Every notebook runs from its first cell to its last, offline, in a process of its own.

As many run side by side as there are cores, each on one thread, which is also the fastest for a model as small as the pocket model. They begin with the first test of all, on all cores but one."""
import os, re, shutil, subprocess, tempfile, threading, time
from concurrent.futures import Future
import pytest
from conftest import COSTS, ENV, ROOT, RUNNING, SCRIPTS, over_budget
from write import NBS


def execute(nb, timeout=600):
    "Run a notebook: (exit code, what it said, seconds, seconds of a core)."
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        p = subprocess.Popen([shutil.which("nbdev-test", path=SCRIPTS), nb, "--cell-timing-min", "0"], cwd=ROOT, env=ENV | {"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            while not (done := os.wait4(p.pid, os.WNOHANG))[0]:
                if time.perf_counter() - start > timeout: p.kill(); done = os.wait4(p.pid, 0); log.write(f"\nstopped after {timeout} s"); break
                time.sleep(.1)
        except BaseException: p.kill(); raise
        p.returncode = os.waitstatus_to_exitcode(done[1]); log.seek(0)
        return p.returncode, log.read(), time.perf_counter() - start, done[2].ru_utime + done[2].ru_stime


class Running:
    "{notebook: its run to come}. One core is left to the other tests until `all_cores`."
    def __init__(self, notebooks):
        self.cores, self.runs, self.todo, self.stopped = os.cpu_count() or 1, {nb: Future() for nb in notebooks}, list(notebooks), False
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
    code, said, seconds, cpu = running.runs[nb].result()
    cells = [float(s) for s in re.findall(rf"^{re.escape(nb.name)}:\S+: ([\d.]+)s$", said, re.M)]
    cost = dict(seconds=round(seconds, 2), cpu=round(cpu, 2), slowest_cell=max(cells, default=0))
    request.config.stash.setdefault(COSTS, {})[nb.name] = cost
    for k, v in cost.items(): record_property(k, v)
    if code or "Success." not in said: pytest.fail(f"{nb.name} ended with exit code {code}:\n{said[-6000:]}", pytrace=False)
    if request.config.getoption("budget"): assert not over_budget(nb.name, cost), cost
