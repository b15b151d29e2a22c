"""Chromium without a window, spoken to by its DevTools protocol over a pipe: no port, no driver, no package."""

import base64
import json
import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager

AXE = "axe-core@4.10.3"
#: Width in pixels, and whether it is dark.
WINDOWS = [(1280, False), (390, True)]
#: What is out of sight has no size before it is laid out.
OPEN_ALL = """
document.querySelectorAll("details").forEach((part) => { part.open = true });
document.querySelectorAll("figure").forEach((part) => { part.style.contentVisibility = "visible" });
"""

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip


def chromium():
    return shutil.which("chromium") or shutil.which("chromium-browser")


def axe_core(place):
    """Return the script of axe-core, fetched by npm into a folder; none where that cannot be had."""
    packed = shutil.which("npm") and subprocess.run(
        ["npm", "pack", AXE, "--silent"], cwd=place, capture_output=True, text=True, timeout=120, check=False
    )
    if not packed or packed.returncode:
        return None
    with tarfile.open(place / packed.stdout.split()[-1]) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


class Browser:
    """A tab."""

    def __init__(self, reading, writing):
        self.reading, self.writing, self.count, self.events = reading, writing, 0, []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def receive(self):
        message = b""
        while not message.endswith(b"\0"):
            byte = self.reading.read1(1 << 20)
            assert byte, "the browser has gone"
            message += byte
        return [json.loads(part) for part in message.split(b"\0") if part]

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writing.write(json.dumps(message).encode() + b"\0")
        self.writing.flush()
        while True:
            for answer in self.receive():
                if answer.get("id") == self.count:
                    assert "error" not in answer, answer
                    return answer["result"]
                self.events.append(answer)

    def open(self, path, width=1280, height=900, *, dark=False):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)  # fmt: skip
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events += self.receive()

    def run(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def settle(self):
        """Wait until what came into sight has been laid out: its size is known a frame later."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))")

    def press(self, key):
        code = {"Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13}[key]
        for kind in ("rawKeyDown", *(["char"] if key == "Enter" else []), "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                      **({"text": "\r"} if kind == "char" else {}))  # fmt: skip

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def complaints(self):
        """Return what the page has logged, and every request but its own."""
        logs = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        said = [event["params"] for event in self.events if event.get("method") in logs]
        asked = [event["params"]["request"]["url"] for event in self.events
                 if event.get("method") == "Network.requestWillBeSent"]  # fmt: skip
        return said + [url for url in asked[1:] if not url.startswith("data:")]


@contextmanager
def browser(profile):
    """Start a browser with a profile of its own, and end it."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()

    def take_ends():
        # The protocol has its two ends at 3 and 4; copies first, for either may be the other's number.
        ends = [os.dup(theirs_in), os.dup(theirs_out)]
        for number, end in enumerate(ends, start=3):
            os.dup2(end, number)

    call = [chromium(), *FLAGS, f"--user-data-dir={profile}"]
    with subprocess.Popen(call, close_fds=False, preexec_fn=take_ends, stderr=subprocess.DEVNULL) as process:
        os.close(theirs_in)
        os.close(theirs_out)
        with os.fdopen(ours_in, "rb") as reading, os.fdopen(ours_out, "wb") as writing:
            try:
                yield Browser(reading, writing)
            finally:
                process.terminate()
