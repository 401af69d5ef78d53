"""Models by name: an ONNX file, an object in a Python file, or one of ours."""

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from panther.compiler.builder import Model, location
from panther.compiler.graph import Graph, ModelError
from panther.compiler.models import MODELS


def load(
    model: str, *, shape: Sequence[int] | None = None, loss: str | None = None, seed: int = 1
) -> Graph:
    """The graph of a model.

    Parameters
    ----------
    model : str
        ``model.onnx``; ``model.py:name``, where the name is that of a
        :class:`~panther.compiler.builder.Model`, a graph, a ``torch.nn.Module``, or a function that
        takes nothing and returns one of them; or the name of one of ours.
    shape : sequence of int, optional
        Of one example; needed for a ``torch.nn.Module``, and for nothing else.
    loss : str, optional
        ``softmax``, also if nothing is said, or ``mse``, for models that do not say it themselves.
    seed : int
        Of the first weights of one of ours.

    Raises
    ------
    ModelError
        One line for every reason why there is none.
    """
    file, colon, name = model.rpartition(":")
    if model.endswith(".onnx"):
        _refuse_shape(model, shape)
        try:
            from panther.frontends.onnx import from_onnx
        except ImportError as error:
            raise _missing(model, "onnx", error) from error
        return from_onnx(model, loss=loss or "softmax")
    if colon and file.endswith(".py"):
        return _from_object(model, _object(Path(file), name), shape, loss)
    if model.endswith(".py"):
        raise ModelError([f"{model}: must be followed by a colon and the name of the model in it"])
    if model not in MODELS:
        raise ModelError(
            [f"model must be FILE.onnx, FILE.py:NAME or one of {', '.join(MODELS)}, not {model!r}"]
        )
    _refuse_shape(model, shape)
    _refuse_loss(model, loss)
    return MODELS[model](seed)


def _refuse_shape(model: str, shape: Sequence[int] | None) -> None:
    if shape is not None:
        raise ModelError([f"{model}: shape of the input must not be given, the model has its own"])


def _refuse_loss(model: str, loss: str | None) -> None:
    if loss is not None:
        raise ModelError([f"{model}: loss must not be given, the model has its own"])


def _missing(model: str, extra: str, error: ImportError) -> ModelError:
    return ModelError([f"{model}: needs pip install 'panther-rtl[{extra}]': {error}"])


def _object(file: Path, name: str) -> Any:
    """What a Python file calls so."""
    if not file.is_file():
        raise ModelError([f"{file}: must be a file that exists"])
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ModelError([f"{file}: must be a Python file"])
    module = importlib.util.module_from_spec(spec)
    # what the file defines looks its module up here
    before = sys.modules.get(file.stem)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
            if found is None:
                raise ModelError([f"{file}: must define {name!r}"])
        if callable(found) and not _is_module(found):
            found = found()
    except ModelError:
        raise
    except ImportError as error:
        if error.name == "torch":
            raise _missing(str(file), "torch", error) from error
        raise ModelError([_raised(file, error)]) from error
    except (Exception, SystemExit) as error:
        raise ModelError([_raised(file, error)]) from error
    finally:
        if before is None:
            sys.modules.pop(file.stem, None)
        else:
            sys.modules[file.stem] = before
    return found


def _raised(file: Path, error: BaseException) -> str:
    place = str(file)
    if isinstance(error, SyntaxError):
        place = f"{file}:{error.lineno}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename).resolve() == file.resolve():
                place = location(frame.filename, frame.lineno or 0)
    text = (str(error).strip() or "no message").splitlines()[0]
    return f"{place}: {type(error).__name__}: {text}"


def _is_module(value: Any) -> bool:
    torch = sys.modules.get("torch")  # a module cannot be without it
    return torch is not None and isinstance(value, torch.nn.Module)


def _from_object(model: str, found: Any, shape: Sequence[int] | None, loss: str | None) -> Graph:
    if _is_module(found):
        from panther.frontends.torch import from_torch

        if shape is None:
            raise ModelError([f"{model}: shape of the input must be given for a torch module"])
        return from_torch(found, shape, loss=loss or "softmax")
    _refuse_shape(model, shape)
    _refuse_loss(model, loss)
    if isinstance(found, Model):
        return found.graph()
    if isinstance(found, Graph):
        return found
    kinds = "a Model, a Graph, a torch.nn.Module, or a function that returns one"
    raise ModelError([f"{model}: must be {kinds}, not {type(found).__name__}"])
