"""A spider of Scrapy: `python -m bench.arena.clients.spider HEADERS URL...` follows all links within the site."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from scrapy import Spider
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse


class SiteSpider(Spider):  # type: ignore[misc]
    """Follows every link that stays on the site."""

    name = "site"

    def parse(self, response: Response, **_: Any) -> Iterator[Any]:
        """Follow the links of a page."""
        if not isinstance(response, TextResponse):
            return
        for link in response.css("a::attr(href)").getall():
            url = response.urljoin(link)
            if urlsplit(url).netloc == urlsplit(response.url).netloc:
                yield response.follow(link, self.parse)


def main() -> None:
    headers = {name: value for name, value in json.loads(sys.argv[1]).items() if name != "Accept-Encoding"}
    settings = {"ROBOTSTXT_OBEY": False, "LOG_LEVEL": "CRITICAL", "TELNETCONSOLE_ENABLED": False}
    settings |= {"DOWNLOAD_DELAY": 0, "CONCURRENT_REQUESTS_PER_DOMAIN": 8}
    if agent := headers.pop("User-Agent", ""):
        settings["USER_AGENT"] = agent
    if headers:
        settings["DEFAULT_REQUEST_HEADERS"] = headers
    process = CrawlerProcess(settings)
    process.crawl(SiteSpider, start_urls=sys.argv[2:])
    process.start()


if __name__ == "__main__":
    main()
