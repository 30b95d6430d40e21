from django.http import JsonResponse
from django.urls import path

from shop.models import CoherentGroup, Rate


def show_rate(request, name):
    rate = Rate.coherent.get(name)
    return JsonResponse({"cents_per_hour": rate and rate.cents_per_hour})


async def show_groups(request, names):
    groups = await CoherentGroup.coherent.aget_many(names.split(","))
    return JsonResponse({group.name: group.id for group in groups.values()})


urlpatterns = [path("rate/<name>", show_rate), path("groups/<names>", show_groups)]
