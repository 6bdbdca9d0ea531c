"""Orders in Django's admin: to look at and to ship, not to rewrite."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from app.chassis.cache import invalidate
from app.features.orders.models import Order, OrderLine
from app.features.orders.service import get_order


class LineInline(admin.TabularInline):  # type: ignore[type-arg]
    model = OrderLine
    extra = 0
    can_delete = False
    readonly_fields = ("position", "sku", "quantity", "unit_price")

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:  # noqa: ARG002
        return False


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "status", "total", "currency", "created_at")
    list_filter = ("status", "currency")
    ordering = ("-id",)
    # Counting a table that only grows takes longer every day.
    show_full_result_count = False
    readonly_fields = ("id", "currency", "total", "created_at")
    inlines = (LineInline,)

    def save_model(self, request: HttpRequest, obj: Order, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        invalidate(get_order, owner=obj.owner, order_id=obj.id)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Orders are placed through the service, which knows the rules."""
        return False
