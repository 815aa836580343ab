"""Counting tokens in both protocols that ask for it: by the provider where it counts, else by the stated rule."""

from __future__ import annotations

import httpx
import pytest

from tests.conftest import launch

CONFIG = """
version: 1
gateway: {auth: open, listen: "127.0.0.1:0", workers: 1}
providers:
  s-chat: {preset: sandbox}
  s-messages: {preset: sandbox, protocol: anthropic}
  s-gemini: {preset: sandbox, protocol: gemini}
  s-bedrock: {preset: sandbox, protocol: bedrock-converse}
models:
  chat: {provider: s-chat, id: sandbox}
  messages: {provider: s-messages, id: sandbox}
  generate: {provider: s-gemini, id: sandbox}
  converse: {provider: s-bedrock, id: sandbox}
  broken: {provider: s-messages, id: "sandbox:status=500"}
"""
MESSAGES = [{"role": "user", "content": "How many tokens are these eight words of mine?"}]
CONTENTS = [{"role": "user", "parts": [{"text": "How many tokens are these eight words of mine?"}]}]
