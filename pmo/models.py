"""What the platform itself keeps."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.db import models


class SignIn(models.Model):
    """
    One login by the API, as long as its tokens may be used; without this row none of them is valid.

    The tokens themselves are not kept: who reads this table can use none.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, models.CASCADE)
    newest = models.CharField(max_length=32, help_text="The id of the refresh token that may be used next.")
    expires_ts = models.DateTimeField()

    class Meta:
        db_table = "sign_in"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}, until {self.expires_ts}"
