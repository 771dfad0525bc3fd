"""The peer of benchmarks/tables.py, run by an interpreter that has ctgan installed; gansmith itself neither needs nor imports it.

    python peer_ctgan.py TRAIN.csv OUT.csv EPOCHS SEED [DISCRETE_COLUMN ...]

Trains with the peer's own defaults, draws as many rows as it was trained on, and prints what it took as JSON.
"""

import json
import sys
import time
import warnings

import pandas as pd
import torch

warnings.simplefilter("ignore")


def main() -> None:
    from ctgan import CTGAN

    train, out, epochs, seed, *discrete = sys.argv[1:]
    torch.set_num_threads(1)
    torch.manual_seed(int(seed))
    rows = pd.read_csv(train, keep_default_na=False)
    model = CTGAN(epochs=int(epochs), verbose=False, cuda=False)
    began = time.process_time()
    model.fit(rows, [c for c in discrete if c in rows.columns])
    spent = time.process_time() - began
    model.sample(len(rows)).to_csv(out, index=False)
    print(json.dumps({"processor_seconds": round(spent, 1), "rows": len(rows)}))


if __name__ == "__main__":
    main()
