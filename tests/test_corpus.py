import json
import random

import pytest

from sera_cli.errors import ModelError
from sera_cli.harness import wire
from sera_cli.train import corpus
from sera_cli.train.corpus import Piece
from tests.students import library


def test_tests_and_installed_packages_of_the_library_are_left_out(tmp_path):
    library(tmp_path / "lib")
    for folder in ("test", "site-packages", "json/tests"):
        library(tmp_path / "lib" / folder)

    assert list(corpus.sources(tmp_path / "lib")) == ["alpha.py", "beta.py"]


def test_a_python_without_sources_says_to_name_a_student(tmp_path):
    with pytest.raises(ModelError, match="has none; use --student"):
        corpus.sources(tmp_path)


def test_functions_carry_their_lines_and_first_sentence():
    text = 'x = 1\nclass A:\n    def f(self):\n        """Say hi.\n\n        Loudly."""\n        return 1\n'

    assert corpus.functions({"a.py": text}) == [
        Piece(path="a.py", name="f", doc="Say hi.", line=3, lines=tuple(text.splitlines()[2:7]))
    ]


def test_short_functions_and_files_of_another_python_are_passed_over():
    assert corpus.functions({"a.py": "def f():\n    return 1\n", "b.py": "print 'hello'\n"}) == []


def test_a_base_never_reads_of_the_tools_it_is_to_learn():
    text = "def submit(self):\n    a = 1\n    return a\n\n\ndef fine(self):\n    a = 1\n    return a\n"

    assert [piece.name for piece in corpus.functions({"a.py": text})] == ["fine"]


def test_a_conversation_ends_in_a_call_that_the_codec_reads_and_that_quotes_the_listing():
    piece = Piece(path="a.py", name="f", doc="", line=7, lines=('def f(x):', '    y = "é\\n"', "    return y"))
    for seed in range(20):
        text = corpus.conversation(piece, random.Random(seed))
        answer = text.split("<|im_start|>assistant\n")[1].removesuffix("<|im_end|>\n")
        reply = wire.parse(answer)

        assert reply.problem == ""
        assert [call.name for call in reply.calls] == ["f"]
        quoted = json.loads(reply.calls[0].arguments).get("code", "")
        assert quoted in "\n".join(piece.lines)
        assert '     8\t    y = "é\\n"' in text
