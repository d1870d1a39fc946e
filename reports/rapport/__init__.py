"""The French report: template.md lists the commands, pictures and figures; a real run fills it in."""
