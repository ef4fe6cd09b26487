"""chat and run: from a Workspace, or only a model's name, to an answer."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import typer

from kaito.cli.errors import NOT_FOUND, NOT_READY, UNREACHABLE, CliError
from kaito.cli.options import Kubeconfig, Namespace
from kaito.kube.lines import lines

MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Length limit of an answer.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0, max=2, help="0 is the same answer every time.")]


def chat(
    name: Annotated[str, typer.Argument(help="The Workspace.")],
    message: Annotated[str | None, typer.Option("--message", "-m", help="Ask once and end; else a dialogue.")] = None,
    system: Annotated[str | None, typer.Option("--system", help="System prompt.")] = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.0,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Talk to a Workspace's model. The answer streams; a dialogue remembers what was said."""
    from kaito.cli.connect import Session, run

    async def action(session: Session) -> None:
        await _talk(session, name, message, system=system, options=(max_tokens, temperature))

    run(action, kubeconfig=kubeconfig, namespace=namespace)


def run_model(
    model: Annotated[str, typer.Argument(help="A catalogue name, a Hugging Face id, or a folder of this machine.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Of the Workspace; default: made from the model's.")
    ] = None,
    instance_type: Annotated[str | None, typer.Option("--instance-type", help="GPU machine, on a cluster.")] = None,
    access_secret: Annotated[
        str | None, typer.Option("--access-secret", help="Secret with your token (key HF_TOKEN), for gated models.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Ask once and end; else a dialogue.")] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the model.")] = 1800,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write the Workspace for you, wait until it answers, and chat."""
    from kaito.cli import view
    from kaito.cli.connect import FIELD_MANAGER, WORKSPACES, Session, run

    manifest = workspace_for(
        _checked(model, access_secret), name=name, instance_type=instance_type, access_secret=access_secret
    )

    async def action(session: Session) -> None:
        manifest["metadata"]["namespace"] = session.namespace
        await session.client.apply(WORKSPACES, manifest, field_manager=FIELD_MANAGER, force=True)
        target = manifest["metadata"]["name"]
        workspace = await view.follow(session, target, timeout=timeout)
        if not view.is_ready(workspace):
            raise CliError(f"workspace/{target} is not ready: {view.why(workspace)}", NOT_READY)
        await _talk(session, target, message, system=None, options=(256, 0.0))

    run(action, kubeconfig=kubeconfig, namespace=namespace)


def _checked(model: str, access_secret: str | None) -> str:
    """The model as the cluster is told it, once it is known to be one. Nothing is created for a typing error.

    A hub that does not answer here may answer the cluster. Raises CliError.
    """
    from kaito.cli import find

    try:
        found = find.model(model)
    except CliError as exc:
        if exc.code == UNREACHABLE:
            return model
        raise
    if found.gated and not access_secret:
        raise CliError(
            f"{found.name} is gated: accept its licence on the hub, keep your token in a Secret (`kubectl create "
            "secret generic hub --from-literal=HF_TOKEN=...`), and name it with --access-secret"
        )
    return found.id if found.source == "folder" else model


def workspace_for(
    model: str, *, name: str | None, instance_type: str | None, access_secret: str | None = None
) -> dict[str, Any]:
    """The smallest Workspace that serves ``model``; the name is its last part made a DNS label of at most 52."""
    import re

    label = name or re.sub(r"[^a-z0-9]+", "-", model.rsplit("/", 1)[-1].lower()).strip("-")[:52].strip("-")
    resource: dict[str, Any] = {"labelSelector": {}}
    if instance_type:
        resource = {"instanceType": instance_type, "labelSelector": {"matchLabels": {"apps": label}}}
    preset: dict[str, Any] = {"name": model}
    if access_secret:
        preset["presetOptions"] = {"modelAccessSecret": access_secret}
    return {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": label},
        "resource": resource,
        "inference": {"preset": preset},
    }


async def _talk(
    session: Any, name: str, message: str | None, *, system: str | None, options: tuple[int, float]
) -> None:
    history: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    base = service_path(session.namespace, name)
    if message is not None:
        await _turn(session.client, base, history, message, options)
        return
    import sys

    prompt = "> " if sys.stdin.isatty() else ""
    if prompt:
        print("Ask away; an empty line or Ctrl-D ends the talk.")
    while question := _read_line(prompt).strip():
        await _turn(session.client, base, history, question, options)


def _read_line(prompt: str) -> str:
    """A line of the person; "" at the end of the input.

    The event loop stands still meanwhile, as nothing else is under way. In a thread, input() could not be interrupted,
    and the loop's own handler of Ctrl-C would wait for it.
    """
    import signal

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return input(prompt)
    except EOFError:
        return ""
    finally:
        signal.signal(signal.SIGINT, before)


async def _turn(
    client: Any, base: str, history: list[dict[str, str]], question: str, options: tuple[int, float]
) -> None:
    """One question and its streamed answer; both are remembered only when the answer was whole."""
    answer = ""
    asked = [*history, {"role": "user", "content": question}]
    async for piece in _stream(client, base, asked, options):
        print(piece, end="", flush=True)
        answer += piece
    print()
    history[:] = [*asked, {"role": "assistant", "content": answer}]


async def _stream(
    client: Any, base: str, messages: list[dict[str, str]], options: tuple[int, float]
) -> AsyncIterator[str]:
    """The answer's pieces as the engine sends them (server-sent events, the OpenAI chat stream).

    Raises CliError, also for an answer that breaks off.
    """
    import orjson

    from kaito.kube import errors

    max_tokens, temperature = options
    body = {"messages": messages, "stream": True, "max_tokens": max_tokens, "temperature": temperature}
    try:
        models = await client.request_json("GET", f"{base}/v1/models")
        body["model"] = models["data"][0]["id"]
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        response = await client.request("POST", f"{base}/v1/chat/completions", headers=headers, body=orjson.dumps(body))
        async for line in lines(response.body):
            if line.strip() == b"data: [DONE]":
                return
            if not line.startswith(b"data: "):
                continue
            event = orjson.loads(line[6:])
            if "error" in event:
                raise CliError(f"the answer broke off: {_reason(line[6:].decode())}", NOT_READY)
            for choice in event.get("choices", []):
                if piece := choice["delta"].get("content"):
                    yield piece
    except errors.NotFound as exc:
        raise CliError(f"{exc.message}: is it a Workspace of this namespace? See `kaito get`", NOT_FOUND) from exc
    except errors.ApiError as exc:
        raise CliError(f"the model gave no answer: {_reason(exc.message)}", NOT_READY) from exc
    raise CliError(
        "the answer broke off: the engine ended or was replaced. See `kaito status`, then ask again", NOT_READY
    )


def _reason(text: str) -> str:
    """The engine's own sentence out of its JSON error; any other text as it is."""
    import json

    try:
        error = json.loads(text[text.index("{") :])["error"]
        return str(error if isinstance(error, str) else error["message"])
    except (ValueError, KeyError, TypeError):
        return text


def service_path(namespace: str, name: str) -> str:
    """The Workspace's Service behind the API server's proxy: reachable from wherever the API server is."""
    return f"/api/v1/namespaces/{namespace}/services/{name}:http/proxy"


def register(app: typer.Typer) -> None:
    app.command()(chat)
    app.command("run")(run_model)
