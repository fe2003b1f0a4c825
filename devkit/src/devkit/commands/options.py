"""Options that several commands have."""

from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option(help="the service's address; else RAPPORT_<SERVICE>_URL, or of the platform that runs here"),
]
Key = Annotated[str | None, typer.Option(help="an API key; else RAPPORT_KEY, or of the platform that runs here")]
