"""A WHIP publisher and a WHEP player on aiortc (PyPI): a WebRTC stack that shares no code with ours.

    python3 -m venv v && v/bin/pip install aiortc aiohttp numpy
    v/bin/python aiortc_client.py publish http://localhost:8080/whip/math TOKEN --codec H264 --seconds 20
    v/bin/python aiortc_client.py play http://localhost:8080/whep/math TOKEN --seconds 10

The published picture carries the strip of tests/e2e/page/barcode.js: an id, and the low 16 bits of
the time in milliseconds, from which a player on the same computer reads the delay. Prints one JSON
line.
"""

import argparse
import asyncio
import fractions
import json
import statistics
import time

import aiohttp
import yarl
import numpy
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from av import AudioFrame, VideoFrame

WIDTH, HEIGHT, RATE, CELL = 640, 360, 25, 40
STRIP = HEIGHT // 6


def clock():
    return int(time.time() * 1000) & 0xFFFF


def check(value, now):
    mixed = (value * 0x10001 ^ now * 0x9E37 ^ 0x2A) & 0xFFFFFFFF
    return (mixed ^ mixed >> 6 ^ mixed >> 12 ^ mixed >> 18) & 63


def bits(number):
    return [number >> (15 - n) & 1 for n in range(16)]


class Picture(MediaStreamTrack):
    """A grey picture with a moving bar under the strip."""

    kind = "video"

    def __init__(self, own_id):
        super().__init__()
        self.value = own_id << 1
        self.sent = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0, self.began + self.sent / RATE - time.monotonic()))
        picture = numpy.full((HEIGHT, WIDTH, 3), 96, numpy.uint8)
        at = self.sent * 8 % (WIDTH - 20)
        picture[120:300, at : at + 20] = (40, 160, 220)
        now = clock()
        rows = [0b1010 << 12 | self.value << 6 | check(self.value, now), now]
        for row, number in enumerate(rows):
            top = row * STRIP // 2
            for column, white in enumerate(bits(number)):
                cell = picture[top : top + STRIP // 2, column * CELL : (column + 1) * CELL]
                cell[:] = 255 if white else 0
        frame = VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = self.sent * 90000 // RATE, fractions.Fraction(1, 90000)
        self.sent += 1
        return frame


class Tone(MediaStreamTrack):
    """440 Hz, two channels."""

    kind = "audio"

    def __init__(self):
        super().__init__()
        self.sent = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0, self.began + self.sent * 0.02 - time.monotonic()))
        n = numpy.arange(960) + self.sent * 960
        wave = (8000 * numpy.sin(2 * numpy.pi * 440 * n / 48000)).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(numpy.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48000, self.sent * 960
        frame.time_base = fractions.Fraction(1, 48000)
        self.sent += 1
        return frame


def read_strip(frame):
    """Whose picture, and how long ago it was painted; None without a strip."""
    grey = frame.to_ndarray(format="gray")[: frame.height, : frame.width]
    height, cell = frame.height / 6 / 2, frame.width / 16
    columns = [int(cell * (n + 0.5)) for n in range(16)]
    rows = [int("".join("1" if v > 127 else "0" for v in grey[int(height * (n + 0.5)), columns]), 2) for n in (0, 1)]
    value = rows[0] >> 6 & 63
    if rows[0] >> 12 != 0b1010 or rows[0] & 63 != check(value, rows[1]):
        return None
    return value >> 1, (clock() - rows[1]) & 0xFFFF


async def exchange(pc, url, token):
    """POST the offer; gives the resource's address."""
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=pc.localDescription.sdp, headers=headers) as answer:
            body = await answer.text()
            if answer.status != 201:
                raise SystemExit(f"{answer.status} {body}")
            await pc.setRemoteDescription(RTCSessionDescription(body, "answer"))
            return answer.url.join(yarl.URL(answer.headers["Location"]))


async def leave(pc, resource, token):
    async with aiohttp.ClientSession() as http:
        async with http.delete(resource, headers={"Authorization": f"Bearer {token}"}) as answer:
            status = answer.status
    await pc.close()
    return status


def prefer(transceiver, codec):
    offered = RTCRtpSender.getCapabilities("video").codecs
    wanted = [c for c in offered if c.mimeType == f"video/{codec}"]
    rtx = [c for c in offered if c.mimeType == "video/rtx"]
    transceiver.setCodecPreferences(wanted + rtx)


async def publish(url, token, codec, seconds, own_id):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    picture, tone = Picture(own_id), Tone()
    pc.addTrack(tone)
    pc.addTrack(picture)
    prefer(pc.getTransceivers()[1], codec)
    resource = await exchange(pc, url, token)
    await asyncio.sleep(seconds)
    state = pc.connectionState
    status = await leave(pc, resource, token)
    return {"publish": codec, "state": state, "frames": picture.sent, "voice": tone.sent, "deleted": status}


async def play(url, token, codec, seconds, _):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen = {"frames": 0, "voice": 0, "size": None}
    delays, ids = [], set()

    async def take(track):
        while True:
            frame = await track.recv()
            if track.kind == "audio":
                seen["voice"] += 1
                continue
            seen["frames"] += 1
            seen["size"] = f"{frame.width}x{frame.height}"
            strip = read_strip(frame)
            if strip:
                ids.add(strip[0])
                delays.append(strip[1])

    tasks = []
    pc.on("track", lambda track: tasks.append(asyncio.ensure_future(take(track))))
    pc.addTransceiver("audio", "recvonly")
    video = pc.addTransceiver("video", "recvonly")
    if codec != "any":
        prefer(video, codec)
    resource = await exchange(pc, url, token)
    await asyncio.sleep(seconds)
    stats = [s for s in (await pc.getStats()).values() if s.type == "inbound-rtp" and s.kind == "video"]
    lost = sum(s.packetsLost for s in stats)
    for task in tasks:
        task.cancel()
    status = await leave(pc, resource, token)
    delay = round(statistics.median(delays)) if delays else None
    seen |= {"ids": sorted(ids), "seconds": seconds, "lost": lost, "delay": delay, "deleted": status}
    return {"play": codec, **seen}


arguments = argparse.ArgumentParser()
arguments.add_argument("does", choices=["publish", "play"])
arguments.add_argument("url")
arguments.add_argument("token")
arguments.add_argument("--codec", default="VP8", choices=["VP8", "H264", "any"])
arguments.add_argument("--seconds", type=float, default=10)
arguments.add_argument("--id", type=int, default=21, help="in the published picture, 0 to 31")
given = arguments.parse_args()
does = publish if given.does == "publish" else play
done = asyncio.run(does(given.url, given.token, given.codec, given.seconds, given.id))
print(json.dumps({"who": "aiortc", **done}))
