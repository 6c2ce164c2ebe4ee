"""Small pictures made of nothing: bands of colour, as SVG or PNG, with the title of their caption; and style sheets."""

from __future__ import annotations

import struct
import zlib
from html import escape

WIDTH, HEIGHT = 320, 200
_PNG_WIDTH, _PNG_HEIGHT = 96, 60


def svg(draws: bytes, caption: str) -> bytes:
    """A picture of hills under a sky, of 20 random bytes."""
    sky, land = _colour(draws[0:3], 150), _colour(draws[3:6], 40)
    shapes = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{sky}"/>']
    shapes.append(f'<circle cx="{draws[6] + 20}" cy="{20 + draws[7] % 60}" r="{8 + draws[8] % 20}" fill="#fffbe0"/>')
    for row in range(4):
        left, middle, right = (90 + row * 25 + byte % 40 for byte in draws[9 + row * 2 : 12 + row * 2])
        curve = f"M0 {left}Q{40 + draws[9 + row]} {middle - 30} {WIDTH} {right}V{HEIGHT}H0Z"
        shapes.append(f'<path d="{curve}" fill="{land}" fill-opacity=".{4 + row}"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
    return f"{head}<title>{escape(caption)}</title>{''.join(shapes)}</svg>\n".encode()


def png(draws: bytes, caption: str) -> bytes:
    """The same sort of picture as PNG (W3C PNG, 2003): true colour, 96 by 60, the caption as an iTXt chunk."""
    top, bottom = draws[0:3], draws[3:6]
    rows = bytearray()
    for row in range(_PNG_HEIGHT):
        colour = bytes((top[part] * (_PNG_HEIGHT - row) + bottom[part] * row) // _PNG_HEIGHT for part in range(3))
        hill = 30 + draws[6 + row % 14] % 30
        pixel = bytes(part // 2 for part in bottom)
        left = _PNG_WIDTH * max(0, row - hill) // _PNG_HEIGHT
        rows += b"\0" + pixel * left + colour * (_PNG_WIDTH - left)
    header = struct.pack(">IIBBBBB", _PNG_WIDTH, _PNG_HEIGHT, 8, 2, 0, 0, 0)
    text = b"Title\0\0\0\0\0" + caption.encode()
    chunks = [(b"IHDR", header), (b"iTXt", text), (b"IDAT", zlib.compress(bytes(rows), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def style_sheet(draws: bytes) -> str:
    """A style sheet of six random bytes and more: every page looks well without it."""
    link, rule = _colour(draws[0:3], 40), _colour(draws[3:6], 120)
    return (
        f"body {{\n  font: {100 + draws[6] % 12}%/1.{4 + draws[7] % 4} sans-serif;\n"
        f"  max-width: {36 + draws[8] % 16}rem;\n}}\n"
        f"a {{\n  color: {link};\n}}\nfooter {{\n  border-top: 1px solid {rule};\n}}\n"
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _colour(parts: bytes, least: int) -> str:
    return "#" + "".join(f"{least + part % (256 - least) * 2 // 3:02x}" for part in parts)
