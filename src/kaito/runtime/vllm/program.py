"""The program from its first line to its exit code. vLLM is imported only when all else is in order."""

import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

from kaito.api import podcontract
from kaito.runtime.vllm import lastwords, warm
from kaito.runtime.vllm.failures import EngineHung, Failure, classify, redact
from kaito.runtime.vllm.options import OWN, OptionError
from kaito.runtime.vllm.prepare import Prepared, Refused, environment, on_cpu, prepare

HELP = f"""usage: python3 -m kaito.runtime.vllm [vLLM's options] [KAITO's options]

KAITO's options: {", ".join(f"--{name}" for name in OWN)}
All others go to vLLM's OpenAI server; `vllm serve --help=all` lists them.
Exit codes: {podcontract.EXIT_BAD_FLAG} bad option, {podcontract.EXIT_BAD_MODEL} bad model, \
{podcontract.EXIT_OUT_OF_MEMORY} out of memory, {podcontract.EXIT_PORT_TAKEN} port taken, \
{podcontract.EXIT_ENGINE} engine failed."""


class Terminated(BaseException):
    """SIGTERM came before the server was up."""


def main(words: Sequence[str], env: MutableMapping[str, str]) -> int:
    """Serve until told to stop: 0. Otherwise an exit code of the pod contract, its reason in the termination log."""
    began = time.monotonic()
    if {"-h", "--help"} & set(words):
        print(HELP)
        return 0
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _run(words, env, began)
    except Terminated:
        print("kaito: stopped before the server was up", file=sys.stderr, flush=True)
        return 0


def _terminated(*_: object) -> NoReturn:
    raise Terminated


def _run(words: Sequence[str], env: MutableMapping[str, str], began: float) -> int:
    try:
        prepared = prepare(words, env)
    except Refused as refusal:
        lastwords.leave(str(refusal), env)
        return refusal.code
    for note in prepared.launch.notes:
        print(f"kaito: {note}", file=sys.stderr)
    print(f"kaito: starting vLLM with {prepared.launch.shown()}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="kaito-vllm-") as name:
        failure = _start(prepared, env, Path(name), began)
    if failure is None:
        return 0
    lastwords.leave(failure.sentence, env)
    return failure.code


def _start(prepared: Prepared, env: MutableMapping[str, str], folder: Path, began: float) -> Failure | None:
    logging_file = folder / "logging.json"
    logging_file.write_text(json.dumps(lastwords.logging_config(folder, env.get("VLLM_LOGGING_LEVEL", "INFO"))))
    local = Path(prepared.launch.value("model") or "").is_absolute()
    env.update(environment(env, local_model=local, cpu=on_cpu(), logging_file=logging_file))
    try:
        if prepared.ready_made:
            warm.start()
        with warm.without_collections():
            from kaito.runtime.vllm import server

        server.serve(server.arguments(prepared.launch.arguments()), prepared, began)
    except OptionError as exc:
        text = redact(str(exc), prepared.secrets)
        return Failure(podcontract.EXIT_BAD_FLAG, "BadFlag", f"an option does not fit: {text}")
    except EngineHung as exc:
        return Failure(podcontract.EXIT_ENGINE, "EngineHung", str(exc))
    # Whatever vLLM raises has to become a reason; what was raised is in the log in full.
    except (Exception, SystemExit) as exc:
        if isinstance(exc, SystemExit) and not exc.code:
            return None
        account = "".join(traceback.format_exception(exc))
        print(redact(account, prepared.secrets), file=sys.stderr, flush=True)
        causes = [*lastwords.noted(folder), *lastwords.chain(exc, config=True)]
        return classify(causes, secrets=prepared.secrets)
    return None
