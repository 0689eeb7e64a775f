"""Superset's API as a person's browser asks it: logged in, with a CSRF token."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from resources.local.superset import Superset


class Api:
    """A session of one user."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.user, self.password = user, password
        self.client = httpx.Client(base_url=address, timeout=120)
        reply = self.client.post(
            "/api/v1/security/login", json={"username": user, "password": password, "provider": "db", "refresh": False}
        )
        reply.raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"
        self.client.headers["X-CSRFToken"] = self.get("/api/v1/security/csrf_token/")["result"]
        self.client.headers["Referer"] = address

    def close(self) -> None:
        self.client.close()

    def get(self, path: str, **words: Any) -> dict[str, Any]:
        reply = self.client.get(path, params=words)
        assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text[:2000]}"
        found: dict[str, Any] = reply.json()
        return found

    def post(self, path: str, **words: Any) -> dict[str, Any]:
        reply = self.client.post(path, **words)
        assert reply.is_success, f"{path}: {reply.status_code} {reply.text[:2000]}"
        found: dict[str, Any] = reply.json()
        return found

    def charts(self) -> dict[str, int]:
        """Their ids by name."""
        found = self.get("/api/v1/chart/", q="(page_size:100,columns:!(id,slice_name))")["result"]
        return {each["slice_name"]: each["id"] for each in found}

    def data(self, chart: int) -> dict[str, Any]:
        """What the chart's own query answers, asked of the warehouse anew."""
        [answer] = self.get(f"/api/v1/chart/{chart}/data/", force="true")["result"]
        found: dict[str, Any] = answer
        return found


@dataclass(frozen=True)
class Served:
    """Superset at work."""

    superset: Superset
    address: str
    warehouse: str
    admin: Api

    def user(self, name: str, role: str) -> Api:
        """A session of a new user with that role."""
        roles = self.admin.get("/api/v1/security/roles/", q="(page_size:100)")["result"]
        [number] = [each["id"] for each in roles if each["name"] == role]
        password = secrets.token_urlsafe(16)
        told = {"active": True, "first_name": name, "last_name": name, "username": name, "email": f"{name}@example.org"}
        self.admin.post("/api/v1/security/users/", json={**told, "password": password, "roles": [number]})
        return Api(self.address, name, password)
