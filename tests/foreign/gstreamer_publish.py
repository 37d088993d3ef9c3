"""A WHIP publisher on GStreamer's webrtcbin (Debian): bare H.264 or VP8, Opus in stereo.

    apt-get install gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-nice \
        python3-gi python3-gst-1.0 gir1.2-gst-plugins-bad-1.0
    /usr/bin/python3 gstreamer_publish.py http://localhost:8080/whip/math TOKEN --codec H264 --seconds 20

Offers what a simple encoder does: one codec, no RTX, no simulcast; candidates are trickled by PATCH.
Prints one JSON line.
"""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = {
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=1200 key-int-max=25 bframes=0 ! "
    "video/x-h264,profile=high ! h264parse config-interval=-1 ! rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96 ! "
    "application/x-rtp,media=video,encoding-name=H264,payload=96",
    "VP8": "vp8enc deadline=1 cpu-used=8 target-bitrate=1200000 keyframe-max-dist=25 ! "
    "rtpvp8pay picture-id-mode=15-bit pt=96 ! application/x-rtp,media=video,encoding-name=VP8,payload=96",
}
PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
audiotestsrc is-live=true ! audio/x-raw,channels=2,rate=48000 ! opusenc ! rtpopuspay pt=97 !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer.
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 ! {video} ! peer.
"""


class Publisher:
    def __init__(self, url, token, codec):
        self.url, self.token = url, token
        self.resource = self.tag = None
        self.trickled = []
        self.early = []
        self.pipeline = Gst.parse_launch(PIPELINE.format(video=VIDEO[codec]))
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.offer)
        self.peer.connect("on-ice-candidate", self.trickle)
        for n in range(2):
            transceiver = self.peer.emit("get-transceiver", n)
            transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)

    def ask(self, method, url, body=None, **headers):
        request = urllib.request.Request(url, data=body and body.encode(), method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            return urllib.request.urlopen(request)
        except urllib.error.HTTPError as refused:
            sys.exit(f"{method} {refused.code} {refused.read().decode()}")

    def offer(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise, _):
        promise.wait()
        reply = promise.get_reply()
        offer = reply["offer"]
        text = offer.sdp.as_text()
        self.peer.emit("set-local-description", offer, Gst.Promise.new())
        answer = self.ask("POST", self.url, text, Content_Type="application/sdp")
        _, sdp = GstSdp.SDPMessage.new_from_text(answer.read().decode())
        self.resource = urllib.parse.urljoin(self.url, answer.headers["Location"])
        self.tag = answer.headers["ETag"]
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", description, None)
        for line, candidate in self.early:
            self.trickle(self.peer, line, candidate)

    def trickle(self, _, line, candidate):
        if self.resource is None:
            self.early.append((line, candidate))
            return
        fragment = f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:audio{line}\r\na={candidate}\r\n"
        kind = "application/trickle-ice-sdpfrag"
        answer = self.ask("PATCH", self.resource, fragment, Content_Type=kind, If_Match=self.tag)
        self.trickled.append(answer.status)

    def run(self, seconds):
        self.pipeline.set_state(Gst.State.PLAYING)
        loop = GLib.MainLoop()
        GLib.timeout_add(int(seconds * 1000), loop.quit)
        loop.run()
        state = self.peer.get_property("connection-state").value_nick
        deleted = self.ask("DELETE", self.resource).status
        self.pipeline.set_state(Gst.State.NULL)
        return {"state": state, "trickled": sorted(set(self.trickled)), "deleted": deleted}


arguments = argparse.ArgumentParser()
arguments.add_argument("url")
arguments.add_argument("token")
arguments.add_argument("--codec", default="H264", choices=sorted(VIDEO))
arguments.add_argument("--seconds", type=float, default=10)
given = arguments.parse_args()
Gst.init(None)
done = Publisher(given.url, given.token, given.codec).run(given.seconds)
print(json.dumps({"who": "GStreamer " + Gst.version_string(), "publish": given.codec, **done}))
