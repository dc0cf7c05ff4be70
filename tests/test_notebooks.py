"""Every notebook runs from its first cell to its last, offline, in a process of its own.

As many run side by side as there are cores, each on one thread, which is also the fastest for a model as small as the pocket model."""
import os, re, shutil, subprocess, tempfile, time
from concurrent.futures import ThreadPoolExecutor
import pytest
from conftest import COSTS, ENV, ROOT, SCRIPTS, over_budget
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


@pytest.fixture(scope="session")
def running(request):
    "{notebook: its run}, for all that were asked for, begun at once."
    asked = [i.callspec.params["nb"] for i in request.session.items if getattr(i, "originalname", "") == "test_runs"]
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    yield {nb: pool.submit(execute, nb) for nb in asked}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("nb", sorted(NBS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_runs(nb, request, record_property, running):
    code, said, seconds, cpu = running[nb].result()
    cells = [float(s) for s in re.findall(rf"^{re.escape(nb.name)}:\S+: ([\d.]+)s$", said, re.M)]
    cost = dict(seconds=round(seconds, 2), cpu=round(cpu, 2), slowest_cell=max(cells, default=0))
    request.config.stash.setdefault(COSTS, {})[nb.name] = cost
    for k, v in cost.items(): record_property(k, v)
    if code or "Success." not in said: pytest.fail(f"{nb.name} ended with exit code {code}:\n{said[-6000:]}", pytrace=False)
    if request.config.getoption("budget"): assert not over_budget(nb.name, cost), cost
