from django.apps import AppConfig


class ContendersConfig(AppConfig):
    name = "tests.benchmarks.contenders"
    label = "contenders"
