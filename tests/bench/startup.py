"""What `sera --help` costs beside importing typer and rich: CPU seconds of a whole process, the median of many."""

import resource
import statistics
import subprocess
import sys

ROUNDS = 31


def cpu(*arguments: str) -> float:
    """User and system seconds of one Python process, interpreter start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    rows = {
        "python -c pass": ["-c", "pass"],
        "import typer, rich": ["-c", "import typer, rich"],
        "sera --help": ["-m", "sera_cli", "--help"],
        "sera specialize --help": ["-m", "sera_cli", "specialize", "--help"],
    }
    for command in rows.values():
        cpu(*command)
    seconds = {name: statistics.median(cpu(*command) for _ in range(ROUNDS)) for name, command in rows.items()}
    floor = seconds["import typer, rich"]
    print("| command | CPU, ms | of importing typer and rich |\n| --- | ---: | ---: |")
    for name, took in seconds.items():
        print(f"| `{name}` | {took * 1000:.0f} | {took / floor:.2f} |")


if __name__ == "__main__":
    main()
