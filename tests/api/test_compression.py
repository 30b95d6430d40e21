"""Longer answers are compressed for clients that accept it, and stay what they are."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from backports import zstd
from django.test import Client
from rest_framework.test import APIClient

from pmo.web.compression import MIN_BYTES
from tests.conftest import make_entity, make_types

TYPE, TYPES = "/api/v1/entity/type/project", "/api/v1/entity/types"
DECOMPRESS: dict[str, Any] = {"gzip": gzip.decompress, "zstd": zstd.decompress}


@pytest.fixture
def long_type(db: None) -> None:
    make_types(200)
    make_entity("project", child_entity_codes=[f"type_{number}" for number in range(200)])


@pytest.mark.parametrize("path", [TYPE, TYPES])
@pytest.mark.parametrize("coding", DECOMPRESS)
def test_a_long_answer_is_the_same_document_in_fewer_bytes(
    reader: APIClient, long_type: None, path: str, coding: str
) -> None:
    plain, coded = (reader.get(path, headers={"Accept-Encoding": each}) for each in ("identity", coding))
    assert coded["Content-Encoding"] == coding
    assert DECOMPRESS[coding](coded.content) == plain.content
    assert len(coded.content) == int(coded["Content-Length"]) < len(plain.content) / 3
    assert "accept-encoding" in coded["Vary"].lower()
    assert "X-Noise" not in coded
    assert reader.get(path, headers={"Accept-Encoding": coding}).content == coded.content


def test_a_short_answer_stays_as_it_is(reader: APIClient) -> None:
    make_entity("project")
    answer = reader.get(TYPE, headers={"Accept-Encoding": "zstd, gzip"})
    assert len(answer.content) < MIN_BYTES
    assert "Content-Encoding" not in answer


@pytest.mark.parametrize("coding", DECOMPRESS)
def test_each_coding_has_a_tag_of_its_own_that_names_the_version(
    editor: APIClient, long_type: None, quick_writes: None, coding: str
) -> None:
    plain, coded = (editor.get(TYPE, headers={"Accept-Encoding": each})["ETag"] for each in ("identity", coding))
    assert coded == f'{plain[:-1]}-{coding}"'
    unchanged = editor.get(TYPE, headers={"Accept-Encoding": coding, "If-None-Match": coded})
    assert (unchanged.status_code, unchanged["ETag"]) == (304, coded)
    change = {"label": "New"}
    assert editor.patch("/api/v1/entity/project", change, headers={"If-Match": coded}).status_code == 200
    assert editor.patch("/api/v1/entity/project", change, headers={"If-Match": coded}).status_code == 412
    assert editor.get(TYPE, headers={"If-None-Match": coded}).status_code == 200


def test_pages_are_padded_at_random(client: Client, db: None) -> None:
    noises = {client.get("/admin/login/", headers={"Accept-Encoding": "gzip"})["X-Noise"] for _ in range(5)}
    assert len(noises) > 1
