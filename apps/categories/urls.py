"""The classifier's own pages."""

from django.urls import path

from . import views

app_name = "categories"
urlpatterns = [
    path("health/", views.health, name="health"),
    path("suggest/", views.suggest_page, name="suggest-page"),
    path("suggest/answer/", views.suggest, name="suggest"),
]
