"""Users and groups in the admin, in Unfold's look."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from entities.admin.links import LookupsThatCannotBe

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(LookupsThatCannotBe, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg] # unfold has no types
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(LookupsThatCannotBe, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc] # unfold has no types
    pass
