"""The verbs of the command line, a file each; imported when a verb is used."""
