"""Control tokens of chat templates, which must not be interpreted in what people and documents say."""

from __future__ import annotations

import re

CONTROL = re.compile(
    r"<[|\uff5c][^<>\n]{1,60}[|\uff5c]>"  # ChatML, Llama 3, Phi, Qwen, DeepSeek, Command R, GPT-OSS
    r"|</?(?:s|bos|eos|pad|unk|mask|sop|eop|image|video|audio)>"
    r"|<(?:start|end)_of_(?:turn|image|text)>"  # Gemma
    r"|</?(?:tool_call|tool_calls|tool_response|tools|fim_\w{1,20})>"  # Qwen
    r"|<(?:unused|extra_id_|reserved_?\w{0,20}_?)\d{1,5}>|<0x[0-9A-Fa-f]{2}>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|IMG|IMG_BREAK|IMG_END|PREFIX"
    r"|SUFFIX|MIDDLE|THINK|gMASK|BOS|EOS)\]"  # Mistral, GLM
    r"|<</?SYS>>"  # Llama 2
)


def without_control(text: str) -> str:
    """Return the text with control tokens of common templates broken up by a space after their first character."""
    return CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
