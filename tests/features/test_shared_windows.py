import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from layerscope.atomic_files import cache_directory
from layerscope.data.dataset import Dataset
from layerscope.encoders import load_encoder
from layerscope.errors import ResourceError
from layerscope.features.decoding import ClipDecoder, decoders
from layerscope.features.encoder_pass import Pass
from layerscope.features.shared_windows import SMALL, SharedWindows, shared, shared_places
from layerscope.features.windows import Cutting

RATE = 24_000
#: Enough for a file.
SECONDS = 1.5 * SMALL / (4 * RATE)


@pytest.fixture
def windows():
    return list(np.random.default_rng(0).normal(size=(3, SMALL // 8)).astype(np.float32))


@pytest.fixture
def sounds(tmp_path):
    """Write three files whose windows go through memory, and one that is short."""
    (tmp_path / "sounds" / "a").mkdir(parents=True)
    random = np.random.default_rng(0)
    for number, seconds in enumerate((SECONDS, SECONDS, 2 * SECONDS, 0.5)):
        sound = random.normal(0, 0.1, (round(44_100 * seconds), 2))
        soundfile.write(tmp_path / "sounds" / "a" / f"{number}.wav", sound, 44_100)
    return tmp_path / "sounds"


class DecodedByProcesses(Pass):
    on_gpu = True


def test_states_are_the_same_bytes_whether_threads_or_processes_decode(sounds):
    clips, left = Dataset.load(sounds).survey().clips, []
    for kind in (Pass, DecodedByProcesses):
        one_pass = kind(load_encoder("random:small", device="cpu"), SECONDS)
        store = one_pass.store(cache_directory() / kind.__name__)
        assert one_pass.extract(clips, store).encoded == 4
        left.append({path.name: path.read_bytes() for path in store.directory.rglob("*.safetensors")})
    assert left[0]
    assert left[0] == left[1]


def test_windows_of_a_process_are_a_file_in_memory_that_is_nameless_once_it_is_read(sounds):
    path = str(sounds / "a" / "2.wav")
    decode = ClipDecoder("mel", RATE, 100, Cutting(SECONDS)).decode
    with decoders(1, processes=True) as executor:
        decoded = executor.submit(decode, path, 0.0, np.nan).result()
        assert isinstance(decoded.windows, SharedWindows)
        assert decoded.windows.path.stat().st_size > SMALL
        np.testing.assert_array_equal(np.stack(decoded.windows), np.stack(decode(path, 0.0, np.nan).windows))
        assert not any(list(place.iterdir()) for place in executor.places)
        short = executor.submit(decode, str(sounds / "a" / "3.wav"), 0.0, np.nan).result()
        assert not isinstance(short.windows, SharedWindows)
    assert not any(place.exists() for place in executor.places)
    # What is held outlives its name and its directory.
    assert np.isfinite(decoded.windows[1]).all()


def test_windows_for_which_memory_has_no_room_go_to_the_next_place_or_through_the_pipe(windows, tmp_path):
    gone = tmp_path / "gone"
    assert shared(windows, [gone, tmp_path])[2].tolist() == windows[2].tolist()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full /dev/shm does it, in the middle of a file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, limits[1]))
    try:
        assert shared(windows, [tmp_path]) is windows
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_holds_is_not():
    code = (
        "import time, numpy as np\n"
        "from layerscope.features.shared_windows import shared, shared_places\n"
        "with shared_places() as places:\n"
        "    print(shared([np.ones(1_000_000, np.float32)], places).path, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        path = Path(other.stdout.readline().strip())
        with shared_places() as places:
            assert path.exists()
            assert path.parent not in places
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert path.exists()
    with shared_places():
        assert not path.parent.exists()


def test_a_process_that_is_killed_leaves_nothing(sounds):
    decode = ClipDecoder("mel", RATE, 100, Cutting(SECONDS)).decode

    def decode_after_a_kill():
        with decoders(1, processes=True) as executor:
            places.extend(executor.places)
            assert executor.submit(decode, str(sounds / "a" / "0.wav"), 0.0, np.nan).result()
            os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
            executor.submit(decode, str(sounds / "a" / "0.wav"), 0.0, np.nan).result()

    places = []
    with pytest.raises(ResourceError, match="a process that decodes was ended from outside"):
        decode_after_a_kill()
    assert places
    assert not any(place.exists() for place in places)
