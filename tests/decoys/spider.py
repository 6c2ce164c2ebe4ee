"""A spider of Scrapy: `spider.py URL USER_AGENT ACCEPT PAGES` follows all links, and prints each page as it comes."""

from __future__ import annotations

import base64
import json
import sys

from scrapy import Spider
from scrapy.crawler import CrawlerProcess

url, agent, accept, pages = sys.argv[1:]


class MazeSpider(Spider):
    name = "maze"
    start_urls = (url,)

    def parse(self, response):
        print(json.dumps([response.url, response.status, base64.b64encode(response.body).decode()]), flush=True)
        yield from response.follow_all(css="a::attr(href)", callback=self.parse)


process = CrawlerProcess(
    {
        "USER_AGENT": agent,
        "DEFAULT_REQUEST_HEADERS": {"Accept": accept},
        "CLOSESPIDER_PAGECOUNT": int(pages),
        "ROBOTSTXT_OBEY": False,
        "RETRY_ENABLED": False,
        "DOWNLOAD_DELAY": 0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(MazeSpider)
process.start()
