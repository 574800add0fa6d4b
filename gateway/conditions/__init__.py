"""What conditions of routes are compiled and evaluated by: a library that is there only with an extra."""
