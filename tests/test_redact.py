import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.redact import known, redact

AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2" * 9
FINE_GRAINED = "github_pat_" + "11ABCDEFG0_" + "x" * 40
OPENAI = "sk-proj-" + "T3BlbkFJ0123456789abcdef"
ANTHROPIC = "sk-ant-api03-" + "abcDEF_123-" * 4
HUGGINGFACE = "hf_" + "AbCdEfGhIj" * 3 + "KLMN"
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
JWT = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n7bq\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(("secret", "kind"), [
    (AWS, "aws"), (GITHUB, "github"), (FINE_GRAINED, "github"), (OPENAI, "api-key"), (ANTHROPIC, "api-key"),
    (HUGGINGFACE, "huggingface"), (SLACK, "slack"), (JWT, "jwt"), (PRIVATE, "private-key"),
])
def test_well_known_keys_are_replaced_by_their_kind(secret: str, kind: str) -> None:
    assert redact(f'a = "{secret}"\nb', {}) == f'a = "[redacted:{kind}]"\nb'


@pytest.mark.parametrize("text", [
    "task-force-0123456789abcdef", "sk-learn-is-a-library-name", "hf_hub_download", "AKIA", "eyJ.eyJ.x", "risk-12345",
    "from sk import learn", "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", "disk-0123456789abcdefghij",
])
def test_code_that_only_resembles_a_key_stays(text: str) -> None:
    assert redact(text, {}) == text


@pytest.mark.parametrize("piece", ["sk-", "eyJ-", "-----BEGIN "])
def test_a_text_made_of_beginnings_does_not_take_minutes(piece: str) -> None:
    text = piece * 100_000
    assert redact(text, {}) == text


def test_a_private_key_that_was_cut_off_goes_to_the_end() -> None:
    assert redact("x\n" + PRIVATE[:60], {}) == "x\n[redacted:private-key]"


def test_two_private_keys_leave_what_is_between_them() -> None:
    assert redact(f"{PRIVATE}\nbetween\n{PRIVATE}", {}) == "[redacted:private-key]\nbetween\n[redacted:private-key]"


def test_values_of_secret_variables_are_replaced() -> None:
    environment = {"MY_API_KEY": "correct horse", "Db_Password": "battery+staple", "HOME": "/home/somebody"}
    text = "correct horse battery+staple /home/somebody"
    assert redact(text, environment) == "[redacted:environment] [redacted:environment] /home/somebody"


def test_short_values_are_no_secrets() -> None:
    assert redact("TOKENIZERS_PARALLELISM=false", {"TOKENIZERS_PARALLELISM": "false"}) == "TOKENIZERS_PARALLELISM=false"


def test_the_longer_of_two_values_goes_first() -> None:
    assert known({"A_TOKEN": "12345678", "B_TOKEN": " 1234567890\n"}) == ["1234567890", "12345678"]
    assert redact("1234567890", {"A_TOKEN": "12345678", "B_TOKEN": "1234567890"}) == "[redacted:environment]"


def test_the_environment_of_this_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "only-in-here")
    assert redact("only-in-here") == "[redacted:environment]"


@given(st.text(), st.sampled_from([AWS, GITHUB, OPENAI, HUGGINGFACE, SLACK, JWT, PRIVATE, "a-known-value"]), st.text())
def test_no_secret_survives_and_a_second_pass_changes_nothing(before: str, secret: str, after: str) -> None:
    environment = {"A_KEY": "a-known-value"}
    once = redact(f"{before} {secret} {after}", environment)
    assert secret not in once
    assert redact(once, environment) == once
