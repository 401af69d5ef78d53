"""Whole training runs on digits: every cell as golden's, for every variant.

``python -m tests.panther.train.campaign`` trains MLP and CNN for three epochs of all 1437 examples
with V1, V2 and V3 at transaction level, golden beside, and compares all cells at every
epoch's end; ``make training`` does the same.
"""

import argparse
import time

import panther
from panther.train.errors import MismatchError

BATCH = {"V1": 1, "V2": 16, "V3": 16}
RATE = {"V1": 1 / 32, "V2": 1 / 4, "V3": 1 / 4}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.panther.train.campaign")
    parser.add_argument("--networks", default="mlp,cnn", help="%(default)s by default")
    parser.add_argument("--variants", default="V1,V2,V3", help="%(default)s by default")
    parser.add_argument("--engine", default="transaction", help="or rtl")
    parser.add_argument("--epochs", type=int, default=3, help="%(default)s by default")
    parser.add_argument("--examples", type=int, help="the first ones; all by default")
    parser.add_argument("--seed", type=int, default=0, help="%(default)s by default")
    options = parser.parse_args()
    failed = 0
    for network in options.networks.split(","):
        for variant in options.variants.split(","):
            began = time.process_time()
            title = f"{network} {variant}, seed {options.seed}"
            try:
                run = panther.train(
                    network, engine=options.engine, variant=variant, batch=BATCH[variant],
                    lr=RATE[variant], epochs=options.epochs, examples=options.examples,
                    seed=options.seed, check=True,
                )  # fmt: skip
            except MismatchError as error:
                failed += 1
                print(f"FAIL {title}: {error}", flush=True)
                continue
            seconds = time.process_time() - began
            accuracy = ", ".join(f"{100 * share:.1f} %" for share in run.accuracy)
            count = run.epochs[-1].examples
            print(
                f"{title}: {run.checked}; accuracy {accuracy}; {count} examples, "
                f"{sum(epoch.cycles for epoch in run.epochs):,} cycles, "
                f"{count / seconds:.0f} examples a CPU second, golden's included",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
