"""The mean of the weights of two language models of which one was trained on from the other.

python -m sslviz.bundled.average EARLIER LATER OUT

Such a mean is often better than either (Izmailov et al. 2018, arXiv:1803.05407): most of what the later one has learnt
stays, and less of what the earlier one knew is lost.
"""

import shutil
import sys
from pathlib import Path

from sslviz.errors import UserError

WEIGHTS = "model.safetensors"


def average(earlier: Path, later: Path, out: Path) -> Path:
    """Write the mean of two models' weights, in eight bits a weight, beside copies of the later one's other files.

    Args:
        earlier, later: folders in the layout of `transformers`, with tensors of the same names and shapes.
        out: folder to write to.

    Raises:
        UserError: a file of weights is missing, or they differ in a name or a shape.
    """
    from safetensors.torch import load_file, save_file

    from sslviz.language.model import round_weights

    for folder in (earlier, later):
        if not (folder / WEIGHTS).is_file():
            raise UserError(f"There is no {WEIGHTS} in {folder}; give the folder of a model.")
    first, second = load_file(earlier / WEIGHTS), load_file(later / WEIGHTS)
    if {key: value.shape for key, value in first.items()} != {key: value.shape for key, value in second.items()}:
        raise UserError(f"{earlier} and {later} are models of different shapes; give two of one shape.")
    out.mkdir(parents=True, exist_ok=True)
    for path in later.iterdir():
        if path.name != WEIGHTS and path.is_file() and path.resolve().parent != out.resolve():
            shutil.copy(path, out / path.name)
    mean = {key: (first[key].float() + second[key].float()) / 2 for key in first}
    save_file(mean, out / WEIGHTS, {"format": "pt"})
    round_weights(out / WEIGHTS)
    return out


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m sslviz.bundled.average EARLIER LATER OUT")
    try:
        print(average(*map(Path, sys.argv[1:])))
    except UserError as error:
        sys.exit(str(error))
