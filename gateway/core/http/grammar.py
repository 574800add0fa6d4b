"""The grammar of HTTP's own words (RFC 9110 section 5.6), once."""

import re

#: RFC 9110 section 5.1: the name of a field is a token (section 5.6.2)
FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


#: RFC 9110 section 9.1: methods are case-sensitive, and those that can be routed are written in capitals
METHOD = re.compile(r"[A-Z][A-Z-]*")
