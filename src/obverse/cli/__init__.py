"""The command line: parse, call one function, print, exit code; no logic.

One file per command, `obverse/cli/<name>.py`, which holds a click command of that name; `commands.py` lists them with
their one line of help. A command

1. imports its room inside the function, so that `obverse --help` stays fast,
2. takes `@output.json_option` and prints with `output.print_json` or `output.say` (stdout), `output.note` (stderr),
3. returns an `ExitCode`, or None for 0,
4. lets every error pass: `app.main` is the one boundary that words them.
"""
