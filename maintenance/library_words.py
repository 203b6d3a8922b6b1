"""What the libraries that read documents complain of, word for word, so that it can be translated.

A complaint that is not listed, as of a later release, is told as the library words it; of an address it is
left to advice.
"""

from __future__ import annotations

from maintenance.sentences import N_, Sentence

#: libyaml: where it was (the contexts), then what it found.
YAML_COMPLAINTS = (
    N_("while parsing a block collection"),
    N_("while parsing a block mapping"),
    N_("while parsing a flow mapping"),
    N_("while parsing a flow sequence"),
    N_("while parsing a node"),
    N_("while parsing a quoted scalar"),
    N_("while parsing a tag"),
    N_("while scanning a block scalar"),
    N_("while scanning a directive"),
    N_("while scanning a plain scalar"),
    N_("while scanning a quoted scalar"),
    N_("while scanning a simple key"),
    N_("while scanning a tag"),
    N_("while scanning an alias"),
    N_("while scanning an anchor"),
    N_("while scanning for the next token"),
    N_("it cannot be read"),
    N_("block sequence entries are not allowed in this context"),
    N_("control characters are not allowed"),
    N_("could not find expected ':'"),
    N_("could not find expected directive name"),
    N_("did not find URI escaped octet"),
    N_("did not find expected '!'"),
    N_("did not find expected ',' or ']'"),
    N_("did not find expected ',' or '}'"),
    N_("did not find expected '-' indicator"),
    N_("did not find expected <document start>"),
    N_("did not find expected alphabetic or numeric character"),
    N_("did not find expected comment or line break"),
    N_("did not find expected hexdecimal number"),
    N_("did not find expected key"),
    N_("did not find expected node content"),
    N_("did not find expected tag URI"),
    N_("did not find expected whitespace or line break"),
    N_("did not find the expected '>'"),
    N_("found a tab character that violates indentation"),
    N_("found a tab character where an indentation space is expected"),
    N_("found an indentation indicator equal to 0"),
    N_("found character that cannot start any token"),
    N_("found incompatible YAML document"),
    N_("found invalid Unicode character escape code"),
    N_("found undefined tag handle"),
    N_("found unexpected ':'"),
    N_("found unexpected document indicator"),
    N_("found unexpected end of stream"),
    N_("found unexpected non-alphabetical character"),
    N_("found unknown directive name"),
    N_("found unknown escape character"),
    N_("mapping keys are not allowed in this context"),
    N_("mapping values are not allowed in this context"),
)
#: json, of Python 3.11 and later.
JSON_COMPLAINTS = (
    N_("Expecting value"),
    N_("Expecting property name enclosed in double quotes"),
    N_("Expecting ':' delimiter"),
    N_("Expecting ',' delimiter"),
    N_("Extra data"),
    N_("Illegal trailing comma before end of array"),
    N_("Illegal trailing comma before end of object"),
    N_("Invalid control character at"),
    N_("Invalid \\escape"),
    N_("Invalid \\uXXXX escape"),
    N_("Unterminated string starting at"),
)
#: csv.
CSV_COMPLAINTS = (
    N_("',' expected after '\"'"),
    N_("field larger than field limit (131072)"),
    N_("unexpected end of data"),
)
#: email-validator: what its complaint begins with, and what is said.
_ADDRESS_COMPLAINTS = (
    ("An email address must have an @-sign", N_("it has no @.")),
    ("There must be something before the @-sign", N_("there is nothing before the @.")),
    ("There must be something after the @-sign", N_("there is nothing after the @.")),
    ('The email address has the "', N_("its @ is another character that looks like one; type an @.")),
    ("An email address cannot have two periods", N_("it has two dots in a row.")),
    ("An email address cannot start with a period", N_("it begins with a dot.")),
    ("An email address cannot end with", N_("it ends with a dot or a hyphen.")),
    ("An email address cannot have a", N_("a dot or a hyphen stands where none can.")),
    ("The email address is too long", N_("it is too long.")),
    ("After the @-sign, periods cannot", N_("a part between two dots is too long.")),
    ("The email address contains", N_("it has characters that cannot stand before the @.")),
    ("Quoting the part before the @-sign", N_("the part before the @ cannot be in quotes.")),
    ("A display name and angle brackets", N_("write the address alone, without a name or angle brackets.")),
    ("There can't be anything after", N_("write the address alone, without a name or angle brackets.")),
    ("An open angle bracket", N_("write the address alone, without a name or angle brackets.")),
    ("A bracketed IP address", N_("write the name of the domain after the @, not an IP address.")),
    ("The part after the @-sign contains", N_("it has characters that cannot stand after the @.")),
    (
        "The part after the @-sign is a special-use",
        N_("what stands after the @ is reserved; mail cannot go there."),
    ),
    (
        "The part after the @-sign is not valid. It",
        N_("what stands after the @ is no whole domain such as example.org."),
    ),
)


def yaml_complaint(context: str | None, problem: str | None) -> Sentence:
    """Return what libyaml complains of: where it was, if it says so, and what it found."""
    if not context:
        return Sentence(problem or "it cannot be read")
    return Sentence(context).then(Sentence(problem) if problem else None)


def json_complaint(message: str) -> Sentence:
    """Return what the JSON reader complains of; what it quotes of the document is left out."""
    return Sentence("Invalid \\escape" if message.startswith("Invalid \\escape") else message)


def csv_complaint(message: str) -> Sentence:
    """Return what the CSV reader complains of."""
    return Sentence(message)


def address_complaint(message: str) -> Sentence:
    """Return why an e-mail address is none; only advice where the library's complaint is not known."""
    for beginning, said in _ADDRESS_COMPLAINTS:
        if message.startswith(beginning):
            return Sentence(said)
    return Sentence("write one such as name@example.org.")
