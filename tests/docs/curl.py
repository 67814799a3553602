"""As much of curl as the documents use, for machines that have none.

`curl [-s] [-X METHOD] [-H 'NAME: VALUE']… [-d DATA] URL`
"""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("url")
    given = parser.parse_args()
    headers = {"User-Agent": "curl/0", **dict(line.split(": ", 1) for line in given.headers)}
    data = None if given.data is None else given.data.encode()
    request = urllib.request.Request(given.url, data, headers, method=given.method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        sys.stdout.buffer.write(answer.read())


if __name__ == "__main__":
    main()
