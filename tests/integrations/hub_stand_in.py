"""A stand-in for the Hub's API, in memory: what its own client sends is kept, and given back."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub import constants

KINDS = {"models": "", "datasets": "datasets/"}


class HubStandIn:
    """Repositories by ``models/owner/name``, each a mapping from paths to content."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.commits = 0

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path == "/api/repos/create":
            asked = json.loads(request.content)
            kind = f"{asked.get('type') or 'model'}s"
            name = f"{asked['organization']}/{asked['name']}"
            self.repos.setdefault(f"{kind}/{name}", {})
            self.private |= {name} if asked.get("private") or asked.get("visibility") == "private" else set()
            return httpx2.Response(200, json={"url": f"https://huggingface.co/{KINDS[kind]}{name}"})
        if path == "/api/validate-yaml":
            return httpx2.Response(200, json={"errors": [], "warnings": []})
        if found := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/(preupload|commit|revision|tree)/(.+)", path):
            return self._api(found[3], f"{found[1]}/{found[2]}", request)
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._file(f"{'datasets' if found[1] else 'models'}/{found[2]}", found[3])
        return httpx2.Response(404, json={"error": f"no such path {path}"})

    def _api(self, verb: str, repo: str, request: httpx2.Request) -> httpx2.Response:
        if repo not in self.repos:
            return httpx2.Response(404, headers={"X-Error-Code": "RepoNotFound"}, json={"error": "no such repository"})
        files = self.repos[repo]
        if verb == "preupload":
            asked = json.loads(request.content)["files"]
            modes = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked]
            return httpx2.Response(200, json={"files": modes})
        if verb == "commit":
            for line in map(json.loads, request.content.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.commits += 1
            kind, _, name = repo.partition("/")
            address = f"https://huggingface.co/{KINDS[kind]}{name}"
            return httpx2.Response(200, json={"commitUrl": f"{address}/commit/1", "commitOid": self._sha(repo)})
        if verb == "tree":
            tree = [{"type": "file", "path": n, "size": len(d), "oid": _oid(d)} for n, d in files.items()]
            return httpx2.Response(200, json=tree)
        return httpx2.Response(200, json={"id": repo.partition("/")[2], "sha": self._sha(repo), "siblings": []})

    def _file(self, repo: str, name: str) -> httpx2.Response:
        data = self.repos.get(repo, {}).get(name)
        if data is None:
            return httpx2.Response(404, headers={"X-Error-Code": "EntryNotFound"}, json={"error": "no such file"})
        headers = {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": self._sha(repo)}
        return httpx2.Response(200, content=data, headers=headers)

    def _sha(self, repo: str) -> str:
        return _oid(repr(sorted(self.repos[repo].items())).encode())

    @contextmanager
    def in_its_place(self, monkeypatch: Any) -> Iterator[HubStandIn]:
        """Have the Hub's client ask this inside the block; no socket is opened."""
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        transport = httpx2.MockTransport(self.answer)
        huggingface_hub.set_client_factory(lambda: httpx2.Client(transport=transport, follow_redirects=True))
        try:
            yield self
        finally:
            from huggingface_hub.utils._http import default_client_factory

            huggingface_hub.set_client_factory(default_client_factory)


def _oid(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
