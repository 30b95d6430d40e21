"""Users and groups in the admin, in Unfold's look."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from entities.admin.links import RejectInvalidFilters

admin.site.unregister(User)
admin.site.unregister(Group)


class ChangedBySuperusers:
    """Only superusers may change these: doing so can grant any permission. Others may view, with the permission to."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    has_change_permission = has_delete_permission = has_add_permission


SHIPPED = {
    "reader": "sees entity types, their history and the map",
    "editor": "adds, changes and deletes entity types",
    "operator": "sees the cache dashboard, warms and clears the cache",
}
"""What the groups created by `migrations/0004_groups.py` may do."""


class GroupsField(ModelMultipleChoiceField):  # type: ignore[type-arg] # it takes none at run time
    """Groups as tick boxes, each described by what it may do."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, group: Any) -> str:
        says = SHIPPED.get(group.name)
        return f"{group.name}: {says}" if says else str(group.name)


MAY: Any = ("What they may do", {"fields": ("groups", "is_staff")})


@admin.register(User)
class UserAdmin(ChangedBySuperusers, RejectInvalidFilters, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg] # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "in_groups")
    add_fieldsets = (*DjangoUserAdmin.add_fieldsets, MAY)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        MAY,
        ("Personal info", {"fields": ("first_name", "last_name", "email")}),
        ("More", {"fields": ("is_active", "is_superuser", "user_permissions"), "classes": ("collapse",)}),
        ("Important dates", {"fields": ("last_login", "date_joined")}),
    )

    @admin.display(description="Groups")
    def in_groups(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            return GroupsField(Group.objects.order_by("pk"), required=False)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(Group)
class GroupAdmin(ChangedBySuperusers, RejectInvalidFilters, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc] # unfold has no types
    pass
