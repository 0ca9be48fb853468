# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What watching a model costs: CPU per request and memory, ours against Seldon's own server.

    .venv/bin/python benchmarks/instrumentation.py

Everything is measured in one run on one machine, so compare the columns, not the runs. CPU is
user and system time of all processes of a server. Prints a table and writes
results/instrumentation.json. Takes about a minute.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "integration" / "local"))
# pylint: disable=wrong-import-position
from serving import IDENTITY, ROOT, Server, deploy, find_python, free_port, tree, wait_for

REQUESTS, WARM_UP = 400, 40
ROW = [[7, 47.5112, -122.257, 1180, 0, 1955]]
TICK = os.sysconf("SC_CLK_TCK")

MODEL = '''
import numpy as np
from seldon_core.user_model import SeldonResponse

class Plain:
    def predict(self, X, names, meta=None):
        return np.full(len(X), 500000.0)

class Metrics(Plain):
    """Reports as models do without us: a count, a sum, a minimum and a maximum."""

    def predict(self, X, names, meta=None):
        answer = super().predict(X, names)
        return SeldonResponse(answer, metrics=[
            {"type": "COUNTER", "key": "predictions", "value": len(answer)},
            {"type": "COUNTER", "key": "prediction_sum", "value": float(answer.sum())},
            {"type": "GAUGE", "key": "prediction_min", "value": float(answer.min())},
            {"type": "GAUGE", "key": "prediction_max", "value": float(answer.max())},
        ])
'''

# CPU microseconds per call, inside one process.
INSIDE = """
import json, os, sys, tempfile, time
import numpy as np
import monitml_metrics
from bench_model import Metrics, Plain
from serve_metrics import WorkerMetrics
from seldon_core.metrics import SeldonMetrics

os.environ["MONITML_METRICS_DIR"] = tempfile.mkdtemp()

class Watched(Plain):
    pass

monitml_metrics.watch(Watched)

def cost(call, times, children=None):
    call()
    start, other = time.process_time(), children() if children else 0
    for _time in range(times):
        call()
    spent = time.process_time() - start + (children() - other if children else 0)
    return spent / times * 1e6

found = {}
for rows, times in ((1, 20000), (1000, 3000)):
    X = np.zeros((rows, 6))
    plain, watched = Plain(), Watched()
    without = cost(lambda: plain.predict(X, []), times)
    found["watch_%d_rows_us" % rows] = cost(lambda: watched.predict(X, [], meta={}), times) - without
metrics = Metrics().predict(np.zeros((1, 6)), []).metrics
ours = WorkerMetrics()
found["ours_4_metrics_us"] = cost(lambda: ours.update([dict(m) for m in metrics], "predict"), 5000)
theirs = SeldonMetrics()
manager = theirs._manager._process.pid
def of_manager():
    fields = open("/proc/%d/stat" % manager).read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
update = lambda: theirs.update([dict(m) for m in metrics], "predict")
found["seldon_4_metrics_us"] = cost(update, 2000, of_manager)
print(json.dumps(found))
"""


def cpu_seconds(root):
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            fields = Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICK


def memory_mb(root):
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


@contextlib.contextmanager
def ours(python, directory, model, name, workers):
    env = {"MONITML_ARTIFACT_DIR": str(directory)}
    arguments = ("--class=" + name, "--workers=%d" % workers)
    with Server(directory, model, python, directory, *arguments, env=env) as server:
        yield server.wait_ready()


@contextlib.contextmanager
def stock(python, directory, model, name, workers, grpc=0):
    server = Server.__new__(Server)
    server.http_port, server.metrics_port = free_port(), free_port()
    command = [os.path.join(os.path.dirname(python), "seldon-core-microservice"), name]
    command += ["--http-port=%d" % server.http_port, "--metrics-port=%d" % server.metrics_port]
    command += ["--workers=%d" % workers, "--grpc-workers=%d" % grpc]
    command += ["--grpc-port=%d" % free_port()]
    env = {**os.environ, **IDENTITY, "MONITML_ARTIFACT_DIR": str(directory)}
    with open(directory / "stock.log", "ab") as log:
        server.process = subprocess.Popen(
            command, cwd=model, env=env, stdout=log, stderr=log, start_new_session=True
        )

    def answers():
        with contextlib.suppress(OSError):
            path, port = "/metrics", server.metrics_port
            return server.predict(ROW)[0] == 200 and server.ask("GET", path, port=port)[0] == 200
        return False

    try:
        wait_for(answers, 40)
        yield server
    finally:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()


def request_cost(server):
    """(CPU milliseconds of the server, wall milliseconds) per request of one row."""
    for _request in range(WARM_UP):
        server.predict(ROW)
    cpu, wall = cpu_seconds(server.process.pid), time.monotonic()
    for _request in range(REQUESTS):
        assert server.predict(ROW)[0] == 200
    wall = time.monotonic() - wall
    return [(cpu_seconds(server.process.pid) - cpu) / REQUESTS * 1e3, wall / REQUESTS * 1e3]


def settle(server, workers):
    """Memory once every worker has answered."""
    for _request in range(30 * workers):
        server.predict(ROW)
    time.sleep(0.5)
    return memory_mb(server.process.pid)


def main():
    python = find_python()
    result = {"requests": REQUESTS, "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory() as temporary:
        directory = deploy(Path(temporary))
        (directory / "bench_model.py").write_text(MODEL)
        env = {**os.environ, "PYTHONPATH": temporary}
        run = subprocess.run(
            [python, "-c", INSIDE], env=env, stdout=subprocess.PIPE, check=True, text=True
        )
        result.update(json.loads(run.stdout))

        names = {"Plain": "bench_model.Plain", "Metrics": "bench_model.Metrics"}
        for key, how, name in (
            ("ours", ours, "Plain"),
            ("stock_no_metrics", stock, "Plain"),
            ("stock_4_metrics", stock, "Metrics"),
        ):
            with how(python, directory, directory, names[name], 1) as server:
                result[key + "_cpu_ms"], result[key + "_wall_ms"] = request_cost(server)

        housing = ROOT / "models" / "housing"
        sales = directory / "few.csv"
        train = "import gzip,sys;open(sys.argv[2],'wb').writelines(list(gzip.open(sys.argv[1]))[:2000])"
        data = housing / "data" / "kc_house_prices.csv.gz"
        subprocess.run([python, "-c", train, data, sales], check=True)
        command = [python, housing / "train.py", "--data", sales, "--output", directory]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for workers in (1, 2):
            for key, how in (("ours", ours), ("stock", stock)):
                with how(python, directory, housing, "HousingModel", workers) as server:
                    result["%s_%d_workers_mb" % (key, workers)] = settle(server, workers)

    result = {key: round(value, 3) for key, value in result.items()}
    show(result)
    path = HERE / "results" / "instrumentation.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def show(result):
    def line(text, one, other, unit):
        ratio = result[other] / result[one]
        print("%-44s %8.2f %8.2f %s  %5.1f x" % (text, result[one], result[other], unit, ratio))

    print("%-44s %8.1f us" % ("watching, a request of 1 row", result["watch_1_rows_us"]))
    print("%-44s %8.1f us" % ("watching, a request of 1,000 rows", result["watch_1000_rows_us"]))
    print("%-44s %8s %8s" % ("", "ours", "Seldon"))
    line("4 metrics of a model's own, CPU", "ours_4_metrics_us", "seldon_4_metrics_us", "us")
    line("a request, ours watched, CPU", "ours_cpu_ms", "stock_no_metrics_cpu_ms", "ms")
    line("  the same against 4 metrics", "ours_cpu_ms", "stock_4_metrics_cpu_ms", "ms")
    for workers in (1, 2):
        keys = ["%s_%d_workers_mb" % (who, workers) for who in ("ours", "stock")]
        line("memory (PSS), housing, %d worker(s)" % workers, *keys, "MB")


if __name__ == "__main__":
    main()
