"""What every web service of the course does alike: bounded bodies, refusals, languages, prefixes."""
