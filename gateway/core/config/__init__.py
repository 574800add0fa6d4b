"""The configuration file as frozen structs, one module a section."""
