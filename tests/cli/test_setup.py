"""`tes setup` refuses before it asks anybody, and says what a server's answer means."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from cli.main import main


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tes_home: object) -> None:
    """No server is named by the environment."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("TES_PREFECT_API_URL", raising=False)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["setup", *words])
    captured = capsys.readouterr()
    assert not captured.out
    return code, captured.err


@pytest.mark.parametrize(
    ("words", "says", "fix"),
    [
        ([], "--api: no Prefect server is named", "--api URL"),
        (["--api", "prefect.example.org"], "--api prefect.example.org: this is no address", "http://"),
        (["--api", "http://[::1/api"], "this is no address", "http://"),
        (["--api", "ftp://x/api"], "this is no address", "http://"),
        (["--api", "http://x/api", "--pool", "a:vm"], "--pool a:vm: the type 'vm' is not known", "azure-container"),
        (["--api", "http://x/api", "--pool", ":docker"], "--pool :docker: the name is missing", "NAME:TYPE"),
        (["--api", "http://x/api", "--set", "network_mode"], "--set network_mode: NAME=VALUE is wanted", "--set"),
        (["--api", "http://x/api", "--image", " "], "--image: the name is empty", "--image registry"),
    ],
)
def test_words_that_cannot_be_used_name_the_key_the_value_and_the_fix(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str, fix: str
) -> None:
    code, err = said(capsys, *words)
    assert code == 3 and says in err and fix in err.partition("fix: ")[2]


def test_a_password_in_the_address_is_refused_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    code, err = said(capsys, "--api", "http://ann:s3cret@prefect.example.org/api")
    assert code == 3 and "PREFECT_API_AUTH_STRING" in err and "s3cret" not in err


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5"])
def test_a_limit_is_a_number_of_runs(capsys: pytest.CaptureFixture[str], limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["setup", "--limit", limit])
    assert ended.value.code == 3 and "--limit" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_unavailable(capsys: pytest.CaptureFixture[str]) -> None:
    code, err = said(capsys, "--api", "http://127.0.0.1:9/api")
    assert code == 4 and "no Prefect server answers at http://127.0.0.1:9/api" in err and "fix: " in err


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """Something that answers every request with one code."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(request.param)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is the command's."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()


@pytest.mark.parametrize(
    ("answering", "says"),
    [(401, "refuses this account: 401"), (403, "refuses this account: 403"), (400, "answered 400 to")],
    indirect=["answering"],
)
def test_a_no_of_the_server_says_what_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answering: str, says: str
) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "ann:s3cret")
    code, err = said(capsys, "--api", answering)
    assert code == 4 and says in err and "fix: " in err and "s3cret" not in err


@pytest.mark.parametrize("answering", [404], indirect=True)
def test_an_address_without_a_prefect_api_says_so(capsys: pytest.CaptureFixture[str], answering: str) -> None:
    code, err = said(capsys, "--api", answering)
    assert code == 4 and "is no Prefect API" in err and "ends in /api" in err
