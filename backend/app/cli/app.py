"""How every group of commands is set up."""

import typer


def new_app(help_text: str | None = None) -> typer.Typer:
    """Plain help, and errors as they are raised: `__main__` makes sentences of them."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=help_text is not None,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
