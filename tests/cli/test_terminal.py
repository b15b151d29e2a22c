from layerscope.cli.terminal import plain_console, plain_table


def test_codes_and_brackets_in_names_are_printed_as_they_are(capsys):
    """What a terminal's library would make emoji or colours of is somebody's name."""
    table = plain_table("model")
    table.add_row(":guitar: [bold]x[/bold]")
    console = plain_console()
    console.print(table)
    console.print(":smile: [red]y[/red] [/nothing]", soft_wrap=True)
    said = capsys.readouterr().out
    assert ":guitar: [bold]x[/bold]" in said
    assert ":smile: [red]y[/red] [/nothing]" in said
