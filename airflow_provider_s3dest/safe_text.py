"""Makes texts safe to show: escapes control characters, and takes credentials out of URLs."""

from __future__ import annotations

import logging
import re

HIDDEN = "***"
"""Stands where something secret was."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Line ends and other control characters, marks that turn the direction of writing, and lone surrogates.

In a terminal or a log they forge lines, change colours, or show the text in another order than it has.
"""

_SCHEME = re.compile(r"(?<![a-z0-9+.-])(?=[a-z])([a-z0-9+.-]{1,40}://)", re.IGNORECASE)
_WEB = ("http://", "https://")
_PORT = re.compile(r":\d*$")
_SIGNED = re.compile(
    r"[?&][\w.-]*(?:signature|credential|token|secret|password|accesskey|accesskeyid|sig)=", re.IGNORECASE
)
"""Parameters of signed addresses, of AWS, Google and Azure among others."""


def shown(text: object) -> str:
    """Return a text as log lines and errors show it: without credentials in URLs, and with escaped control characters.

    A text that was made safe stays as it is.

    Example::

        >>> shown("s3://key:secret@lake/a\\nb")
        's3://***@lake/a\\\\nb'
    """
    return CONTROL.sub(_escaped, without_credentials(str(text)))


def without_credentials(text: str) -> str:
    """Take user, password and signatures out of all URLs in a text.

    A name before ``@`` that has no password stays, unless the URL is one of the web: in ``gs://conn@bucket`` it is a
    connection's id.

    Example::

        >>> without_credentials("https://user:secret@host/a?X-Amz-Signature=1 and gs://conn@bucket/b")
        'https://***@host/a?*** and gs://conn@bucket/b'
    """
    if "://" not in text:
        return text
    pieces = _SCHEME.split(text)
    for index in range(1, len(pieces), 2):
        address, *rest = re.split(r"(\s)", pieces[index + 1], maxsplit=1)
        pieces[index + 1] = "".join([_public(pieces[index].lower(), address), *rest])
    return "".join(pieces)


def has_credentials(url: str) -> bool:
    """Return whether a URL holds a user with a password, or a signature."""
    public = without_credentials(url)
    return public != url and (f"{HIDDEN}@" in public or bool(_SIGNED.search(url)))


def without_user(url: str) -> str:
    """Return the URL of a page without user and password."""
    return re.sub(r"^(\w+://)[^/?#]*@", r"\1", url)


def _public(scheme: str, address: str) -> str:
    """Return what may be shown of an address.

    :param address: what follows the scheme, up to the first blank.
    """
    host = address.partition("/")[0]
    user, at, _ = host.rpartition("@")
    if not at and "%40" in host and _names_password(host):
        address = f"{HIDDEN}@{address[host.rindex('%40') + 3 :]}"
    if at and (scheme in _WEB or _names_password(user)):
        address = f"{HIDDEN}@{address[len(user) + 1 :]}"
    elif not at and "@" in address and _names_password(_PORT.sub("", host)):
        # A secret key of AWS may hold slashes.
        address = f"{HIDDEN}@{address.rpartition('@')[2]}"
    query = address.find("?") if scheme in _WEB else -1
    if query < 0 and (signed := _SIGNED.search(address)):
        query = signed.start()
    return address if query < 0 else f"{address[: query + 1]}{HIDDEN}"


def _names_password(user: str) -> bool:
    return (":" in user or "%3a" in user.lower()) and not user.startswith("arn:")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def safe_logger(name: str) -> logging.Logger:
    """Return the logger of a module. It shows the arguments of every message by :func:`shown`."""
    logger = logging.getLogger(name)
    logger.addFilter(_show_arguments)
    return logger


def _show_arguments(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(one if isinstance(one, (int, float)) else shown(one) for one in record.args)
    return True
