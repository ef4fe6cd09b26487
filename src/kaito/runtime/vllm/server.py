"""vLLM's own OpenAI server in this process: its engine, one token to prove it, then its HTTP server. Needs vLLM.

Nothing listens before the model has produced a token, so the first 200 of ``/health`` means that it answers. After that
no code of ours runs.
"""

import asyncio
import multiprocessing
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import uvloop
from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers.api_server.entry import build_and_serve
from vllm.entrypoints.launchers.cli_args import (
    make_arg_parser,
    propagate_flash_late_interaction,
    validate_parsed_serve_args,
)
from vllm.entrypoints.launchers.launcher import validate_api_server_args
from vllm.inputs import TokensPrompt
from vllm.logger import configure_logging_from_args
from vllm.reasoning import ReasoningParserManager
from vllm.tool_parsers import ToolParserManager
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.utils.system_utils import decorate_logs, set_ulimit
from vllm.v1.engine import utils as engine_processes
from vllm.v1.engine.async_llm import AsyncLLM

from kaito.runtime.vllm.options import OptionError
from kaito.runtime.vllm.prepare import Prepared
from kaito.runtime.vllm.watchdog import hang, kill_engine


class EngineDied(Exception):
    """The engine stopped while it was serving."""


class _Parser(FlexibleArgumentParser):  # type: ignore[misc]
    """vLLM's options; an error is an exception instead of the end of the process."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def arguments(words: Sequence[str]) -> Namespace:
    """vLLM's settings out of its command line. Raises OptionError, ValueError, TypeError and KeyError."""
    parser = make_arg_parser(_Parser(prog="kaito.runtime.vllm"))
    args: Namespace = parser.parse_args(list(words))
    configure_logging_from_args(args)
    validate_parsed_serve_args(args)
    if args.tool_parser_plugin:
        ToolParserManager.import_tool_parser(args.tool_parser_plugin)
    if args.reasoning_parser_plugin:
        ReasoningParserManager.import_reasoning_parser(args.reasoning_parser_plugin)
    validate_api_server_args(args)
    return args


def serve(args: Namespace, prepared: Prepared, began: float) -> None:
    """Serve until a signal asks to stop. Raises EngineDied, and what vLLM raises while it starts.

    ``began`` is the monotonic time at which the program started, for the log.
    """
    decorate_logs("APIServer", skip_if_decorated=True)
    set_ulimit()
    uvloop.run(_serve(args, prepared, began))


async def _serve(args: Namespace, prepared: Prepared, began: float) -> None:
    started = time.monotonic()
    watch = _Watch()
    async with engine_of(args, ready_made=prepared.ready_made) as engine:
        up = time.monotonic()
        watch.over(engine)
        await prove(engine)
        proved = time.monotonic()
        print(
            f"kaito: the model answered {proved - began:.1f} s after the start (until the engine {started - began:.1f},"
            f" engine {up - started:.1f}, first token {proved - up:.1f}); serving on {prepared.host or '0.0.0.0'}:"
            f"{prepared.port}",
            file=sys.stderr,
            flush=True,
        )
        serving = build_and_serve(engine, f"http://{prepared.host}:{prepared.port}", prepared.sock, args)
        stopped = await _watched(serving, engine, prepared.hang_seconds)
    try:
        await stopped
    finally:
        prepared.sock.close()
    if watch.died:
        raise EngineDied("the engine stopped while it was serving")


async def _watched(serving: Coroutine[Any, Any, Any], engine: Any, seconds: float) -> Any:
    """What ``serving`` returns. Raises EngineHung, the engine killed, when it has answered nothing for ``seconds``."""
    served = asyncio.create_task(serving, name="server")
    if not seconds:
        return await served
    looking = asyncio.create_task(hang(engine, seconds), name="watchdog")
    try:
        await asyncio.wait({served, looking}, return_when=asyncio.FIRST_COMPLETED)
        if not served.done():
            hung = looking.result()
            print(f"kaito: {hung}", file=sys.stderr, flush=True)
            kill_engine()
            # The server ends by itself when its engine is gone; what it says then is not the cause.
            await asyncio.gather(served, return_exceptions=True)
            raise hung
        return await served
    finally:
        looking.cancel()


@asynccontextmanager
async def engine_of(args: Namespace, *, ready_made: bool) -> AsyncIterator[AsyncLLM]:
    """vLLM's engine, stopped on leaving. ``ready_made``: its first process comes out of the fork server of warm.py."""
    engine_args = AsyncEngineArgs.from_cli_args(args)
    propagate_flash_late_interaction(args, engine_args)
    config = engine_args.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    if ready_made:
        # vLLM spawns on CPU hosts, for the OpenMP settings of its workers. The engine's first process computes nothing,
        # so it may come out of the fork server; the workers that it starts are spawned as ever.
        engine_processes.get_mp_context = lambda: multiprocessing.get_context("forkserver")
    engine = AsyncLLM.from_vllm_config(
        vllm_config=config,
        usage_context=UsageContext.OPENAI_API_SERVER,
        enable_log_requests=engine_args.enable_log_requests,
        aggregate_engine_logging=engine_args.aggregate_engine_logging,
        disable_log_stats=engine_args.disable_log_stats,
    )
    try:
        await engine.reset_mm_cache()
        yield engine
    finally:
        engine.shutdown(timeout=config.shutdown_timeout)


async def prove(engine: Any) -> None:
    """Have the engine produce one token, when it is one that generates. Raises what the engine raises."""
    if "generate" not in await engine.get_supported_tasks():
        return
    params = SamplingParams(max_tokens=1, temperature=0.0, ignore_eos=True, detokenize=False)
    async for _ in engine.generate(TokensPrompt(prompt_token_ids=[1]), params, "kaito-first-token"):
        pass


class _Watch:
    """Whether the engine was dead before anybody asked it to stop."""

    def __init__(self) -> None:
        self.died = False

    def over(self, engine: Any) -> None:
        stop, asked = engine.shutdown, False

        def shutdown(timeout: float | None = None) -> None:
            nonlocal asked
            if not asked:
                asked, self.died = True, bool(engine.errored)
            stop(timeout=timeout)

        engine.shutdown = shutdown
