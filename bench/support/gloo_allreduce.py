"""One rank of PyTorch's gloo all-reduce, for bench/allreduce.ts.

    gloo_allreduce.py RANK WORLD_SIZE PORT BYTES ITERATIONS
"""
import json
import os
import sys
import time

import torch
import torch.distributed as dist

rank, world, port, size, iterations = (int(text) for text in sys.argv[1:6])
torch.set_num_threads(1)
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
values = torch.empty(size // 4)
times = []
warm_up = max(iterations, min(600, round(600 * 2**20 / size)))
for step in range(iterations + warm_up):
    values.fill_(rank + 1)
    if step == warm_up:
        before = time.process_time()
    start = time.perf_counter()
    dist.all_reduce(values)
    times.append(time.perf_counter() - start)
    assert values[0] == world * (world + 1) / 2
cpu = time.process_time() - before
times = sorted(times[warm_up:])
traffic = 2 * 2 * (world - 1) / world * size * iterations
print(json.dumps({
    "rank": rank,
    "median": 1e3 * times[len(times) // 2],
    "best": 1e3 * times[0],
    "cpuPerGb": cpu / (traffic / 1e9),
}))
dist.destroy_process_group()
