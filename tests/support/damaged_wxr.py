"""Build WordPress exports with the damage that databases, plugins and servers of real sites cause."""

from collections.abc import Callable, Mapping

HEAD = b"""<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/">
<channel><title>Harbour News</title><link>https://news.example</link><language>en-GB</language><wp:wxr_version>1.2</wp:wxr_version>
<wp:base_site_url>https://news.example</wp:base_site_url><wp:base_blog_url>https://news.example</wp:base_blog_url>
"""
TAIL = b"</channel></rss>\n"


def body(number: int) -> bytes:
    return b"<p>Ferry %d stays in port.</p>\n<p>Its captain waits for crew %d.</p>" % (number, number)


def post(number: int, status: bytes = b"publish", kind: bytes = b"post", host: bytes = b"news.example") -> bytes:
    return b"""<item><title>Story %(n)d</title><link>https://%(host)s/story-%(n)d/</link><pubDate>Sun, 01 Mar 2020 08:00:00 +0000</pubDate>
<dc:creator><![CDATA[editor]]></dc:creator><guid isPermaLink="false">https://%(host)s/?p=%(n)d</guid><description></description>
<content:encoded><![CDATA[%(body)s]]></content:encoded><excerpt:encoded><![CDATA[A teaser.]]></excerpt:encoded>
<wp:post_id>%(n)d</wp:post_id><wp:post_date><![CDATA[2020-03-01 08:00:00]]></wp:post_date>
<wp:post_date_gmt><![CDATA[2020-03-01 08:00:00]]></wp:post_date_gmt><wp:comment_status>open</wp:comment_status>
<wp:post_name>story-%(n)d</wp:post_name><wp:status><![CDATA[%(status)s]]></wp:status><wp:post_type>%(kind)s</wp:post_type>
<wp:post_password></wp:post_password><category domain="category" nicename="harbour"><![CDATA[Harbour]]></category>
<wp:postmeta><wp:meta_key><![CDATA[_edit_last]]></wp:meta_key><wp:meta_value><![CDATA[7]]></wp:meta_value></wp:postmeta>
<wp:comment><wp:comment_id>%(n)d</wp:comment_id><wp:comment_content><![CDATA[Nice words.]]></wp:comment_content></wp:comment></item>
""" % {b"n": number, b"host": host, b"body": body(number), b"status": status, b"kind": kind}


def wxr(*items: bytes) -> bytes:
    return HEAD + b"".join(items) + TAIL


def replacing(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def damage(item: bytes) -> bytes:
        assert old in item
        return item.replace(old, new, 1)

    return damage


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "control character in the body": replacing(b"stays in", b"stays\x1c in"),
    "NUL in the title": replacing(b"<title>Story", b"<title>\x00Story"),
    "control characters in post meta": replacing(b"CDATA[7]", b'CDATA[a:1:{s:3:"\x01x\x02";i:0;}]'),
    "reference to a control character": replacing(b"<dc:creator>", b"<wp:note>&#x1F;&#0;</wp:note><dc:creator>"),
    "Windows-1252 in the body": replacing(b"captain waits", b"captain \x93waits\x94 \x97 caf\xe9"),
    "Latin-1 in the title": replacing(b"<title>Story", b"<title>\xdcber Story"),
    "half a character of UTF-8": replacing(b"A teaser.", b"A teaser \xe2\x80"),
    "U+FFFF": replacing(b"stays in", b"stays \xef\xbf\xbf in"),
    "surrogates as UTF-8": replacing(b"stays in", b"stays \xed\xa0\xbd\xed\xb8\x80 in"),
    "bare & in an address": replacing(
        b"<dc:creator>", b"<wp:attachment_url>https://x.example/?a=1&b=2&size=big</wp:attachment_url><dc:creator>"
    ),
    "bare & in the title": replacing(b"<title>Story", b"<title>Q&A & more: Story"),
    "entities of HTML": replacing(b"<title>Story", b"<title>Caf&eacute;&nbsp;&mdash; Story"),
    "bare < in the title": replacing(b"<title>Story", b"<title>5 < 6, and <3: Story"),
    "CDATA that a script ends": replacing(b"Its captain", b"<script>// <![CDATA[\nx()\n// ]]></script>Its captain"),
    "]]> in the body": replacing(b"Its captain", b"a[b[0]]> 1 Its captain"),
    "CDATA without its end": replacing(b"A teaser.]]>", b"A teaser."),
    "a body without CDATA": replacing(b"<![CDATA[<p>Ferry", b"<p>Ferry"),
    "a title that is not closed": replacing(b"</title>", b""),
    "a title that another tag closes": replacing(b"</title>", b"</tittle>"),
    "an item that is not closed": replacing(b"</item>", b""),
    "an item that is not opened": replacing(b"<item>", b""),
    "a prefix that is not declared": replacing(b"<dc:creator>", b"<media:thumbnail url='x'/><jetpack:x>1</jetpack:x><dc:creator>"),
    "an attribute without quotation marks": replacing(b'isPermaLink="false"', b"isPermaLink=false"),
    "a warning of PHP between items": lambda item: b"<br />\n<b>Warning</b>: foreach() in <b>/srv/x.php</b> on line <b>9</b>\n" + item,
    "a comment between items": lambda item: b"<!-- <item> cached at 08:00 -->" + item,
    "an example of RSS in the body, and a bare &": lambda item: item.replace(
        b"Its captain", b"<pre><item><title>x</title></item>\n<item></item></pre>Its captain"
    ).replace(b"<dc:creator>", b"<wp:x>a & b</wp:x><dc:creator>"),
    "shortcodes and escaped ]]>": replacing(b"Its captain", b"[code]]]]]><![CDATA[>[/code] Its captain"),
    "a form feed in a category": replacing(b"CDATA[Harbour]", b"CDATA[\x0cHarbour]"),
    "a comment with an escape sequence": replacing(b"Nice words.", b"Nice \x1b[31mwords\x1b[0m."),
    "a name of a tag with a control character": replacing(b"<wp:status>", b"<wp:\x08status>"),
}
"""Kind of damage -> function that damages an item."""
