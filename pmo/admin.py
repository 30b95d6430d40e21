"""Users and groups in the admin, in Unfold's look."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from entities.admin.links import LookupsThatCannotBe

admin.site.unregister(User)
admin.site.unregister(Group)


class ChangedBySuperusers:
    """Others may look, with the permission to: who changes users or groups can have every permission there is."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)


@admin.register(User)
class UserAdmin(ChangedBySuperusers, LookupsThatCannotBe, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg] # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(ChangedBySuperusers, LookupsThatCannotBe, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc] # unfold has no types
    pass
