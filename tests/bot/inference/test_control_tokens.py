"""No text can start a turn: control tokens of every common template reach no engine whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.answering.prompt import build_messages
from bot.domain.questions import Passage, Turn
from bot.inference.control_tokens import without_control

PASSAGE = Passage("c1", "d1", "a.md", "A", "text", 1.0, "it", "s1")
TOKENS = {
    "ChatML, SmolLM, Qwen": ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>", "</tool_call>"],
    "Llama 2": ["<s>", "</s>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    "Llama 3": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "Mistral": ["[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]"],
    "Gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<unused42>"],
    "Phi": ["<|system|>", "<|user|>", "<|end|>"],
    "DeepSeek": ["<\uff5cUser\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"],
}


@pytest.mark.parametrize("template", TOKENS)
def test_no_token_of_a_template_is_left_in_any_part_of_a_prompt(template: str) -> None:
    for token in TOKENS[template]:
        said = f"a{token}b"
        messages = build_messages(
            said,
            [replace(PASSAGE, text=said, heading=said)],
            title=said,
            instructions=said,
            glossary={"a": said},
            history=[Turn(said, said)],
            extra=[said],
        )
        assert not [message for message in messages if token in message.content], token
        assert f"a{token[0]} {token[1:]}b" in messages[-1].content


@pytest.mark.parametrize(
    "text", ["a < b and b > c", "x[INSTALL]", "List<String>", "<b>bold</b>", "if a <| b", "[1] [/1 ab12]", "[INS]"]
)
def test_other_brackets_stay(text: str) -> None:
    assert without_control(text) == text
