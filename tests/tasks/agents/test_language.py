"""The language of a task, as its script shows it."""

import pytest

from agentbatch.tasks.agents.language import language_of


@pytest.mark.parametrize(
    ("task", "language"),
    [
        ("编写 count_words.py,其中包含函数 count_words(text),返回一个字典。", "Chinese"),
        ("編寫 fizzbuzz.py,逐行印出結果。", "Chinese"),
        ("temperature.py を作成してください。関数 c_to_f(c) は摂氏を華氏に変換して返す。", "Japanese"),
        ("東京都庁舎一覧表作成。結果は表に。", "Japanese"),
        ("fizzbuzz.py 를 작성하고 결과를 한 줄에 하나씩 출력하세요.", "Korean"),
        ("修复 `parse_date(text: str) -> date | None` 的错误。", "Chinese"),
        ("Write greet.py with greet(name), which returns 你好 and the name.", ""),
        ("Write a test of `你好,世界,今天天气怎么样` in greet.py.", ""),
        ("```python\n# 一二三四五六七八九十\n```\nMake this faster.", ""),
        ("Schreibe primes.py, das die Primzahlen unter 100 ausgibt.", ""),
        ("Напиши primes.py.", ""),
        ("", ""),
        ("…", ""),
    ],
)
def test_the_language_of_a_task(task: str, language: str) -> None:
    assert language_of(task) == language


def test_a_task_of_millions_of_characters_is_looked_at_in_part() -> None:
    assert language_of("写" * 4_000_000) == "Chinese"
    assert language_of("`" * 4_000_000) == ""
