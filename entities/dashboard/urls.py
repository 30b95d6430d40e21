"""Paths under `/admin/cache/`."""

from django.urls import path

from entities.dashboard import operation_views, views

app_name = "cache"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("figures/", views.figures, name="figures"),
    path("entries/", views.entries, name="entries"),
    path("entries/<str:code>/", views.entry, name="entry"),
    path("entries/<str:code>/memories/", views.memories, name="memories"),
    path("values/", operation_views.count_cached, name="values"),
    path("operate/", operation_views.operate, name="operate"),
]
