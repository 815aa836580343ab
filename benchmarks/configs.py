"""The configurations that are measured: nginx's, and router.yaml with what a real one has.

The gateway is measured with its keys, a combo with a second target, default breakers and retries, metrics and request
ids on: none of it is turned off to look faster. nginx does none of that; it is the measure of what a proxy must cost.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

KEY = "sk-bench-0123456789abcdef"
UPSTREAM_KEY = "upstream-0123456789abcdef"
MODELS = ("json", "flood", "paced", "hold")


def router(port: int, upstream: int, extra_models: int = 0, note: int = 0, workers: int = 1) -> str:
    """router.yaml for the gateway on `port` before the upstream on `upstream`.

    Each name in `MODELS` is a combo over two models of two providers. `extra_models` more are declared, each with an
    upstream id that has `note` in it, so that another note is another configuration of the same size.
    """
    lines = [
        "version: 1",
        "gateway:",
        f"  listen: 127.0.0.1:{port}",
        f"  workers: {workers}",
        "  auth: keys",
        "providers:",
    ]
    for provider in ("first", "second"):
        url = f"http://127.0.0.1:{upstream}/v1"
        lines.append(
            f'  {provider}: {{protocol: openai-chat, base_url: "{url}", api_key: {{env: BENCH_UPSTREAM_KEY}}}}'
        )
    lines.append("models:")
    for model in MODELS:
        lines += [f"  {model}-{provider}: {{provider: {provider}, id: {model}}}" for provider in ("first", "second")]
    lines += [f"  extra-{number}: {{provider: first, id: upstream-{number}-{note}}}" for number in range(extra_models)]
    lines.append("combos:")
    lines += [f"  {model}: {{strategy: priority, targets: [{model}-first, {model}-second]}}" for model in MODELS]
    digest = sha256(KEY.encode()).hexdigest()
    lines += ["keys:", f'  bench: {{hash: "sha256:{digest}", allow: [{", ".join(MODELS)}]}}']
    return "\n".join(lines) + "\n"


def litellm(upstream: int) -> str:
    """LiteLLM's proxy with the same models and one master key, its logging off."""
    lines = ["model_list:"]
    for model in MODELS:
        lines += [
            f"  - model_name: {model}",
            "    litellm_params:",
            f"      model: openai/{model}",
            f"      api_base: http://127.0.0.1:{upstream}/v1",
            f"      api_key: {UPSTREAM_KEY}",
        ]
    lines += ["general_settings:", f"  master_key: {KEY}", "litellm_settings:", "  telemetry: false"]
    return "\n".join(lines) + "\n"


def nginx(port: int, upstream: int, place: Path) -> str:
    """nginx as a plain reverse proxy that never buffers, with kept connections on both sides."""
    return f"""
daemon off;
pid {place}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  upstream bench {{
    server 127.0.0.1:{upstream};
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /health {{ return 200 ok; }}
    location / {{
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""
