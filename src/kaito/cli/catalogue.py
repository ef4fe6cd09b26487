"""crds: what KAITO can say without any cluster."""

import typer


def crds() -> None:
    """Print the CustomResourceDefinitions, ready for `kubectl apply -f -`."""
    import yaml

    from kaito.api.crds import all_crds

    print(yaml.safe_dump_all(all_crds(), sort_keys=False, allow_unicode=True).rstrip())


def register(app: typer.Typer) -> None:
    app.command()(crds)
