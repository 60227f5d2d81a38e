//! What the REST API is, for others: `openapi.json`.

use flotilla_kit::http::openapi::{Fault, Link, complete};
use utoipa::OpenApi;

use super::{actions::described, carts, orders, payments, place, refunds, stream, webhooks};

#[derive(OpenApi)]
#[openapi(
    info(title = "order-service", description = "Carts, orders and payments of the shop"),
    paths(
        carts::create,
        carts::get,
        carts::delete,
        carts::put,
        carts::remove,
        place::place,
        orders::list,
        orders::get,
        orders::events,
        stream::stream,
        described::cancel,
        described::ship,
        described::complete,
        payments::list,
        payments::create,
        payments::complete,
        refunds::list,
        refunds::create,
        webhooks::take,
    )
)]
struct Document;

/// What is known of a cart, and of an order, by what it was made with.
const ID: &[(&str, &str)] = &[("id", "$response.body#/id")];

const fn of_cart(to: &'static str) -> Link {
    Link { from: ("carts_create", "201"), to, parameters: ID }
}

const fn of_order(to: &'static str) -> Link {
    Link { from: ("orders_place", "202"), to, parameters: ID }
}

/// What follows from answers.
const LINKS: [Link; 15] = [
    of_cart("carts_get"),
    of_cart("carts_put"),
    of_cart("carts_delete"),
    Link {
        from: ("carts_put", "200"),
        to: "carts_remove",
        parameters: &[("id", "$response.body#/id"), ("sku", "$response.body#/items/0/sku")],
    },
    of_order("orders_get"),
    of_order("orders_events"),
    of_order("orders_stream"),
    of_order("orders_cancel"),
    of_order("orders_ship"),
    of_order("orders_complete"),
    of_order("payments_list"),
    of_order("payments_create"),
    Link {
        from: ("orders_place", "202"),
        to: "payments_complete",
        parameters: &[("id", "$response.body#/id"), ("payment", "$response.body#/payment_id")],
    },
    of_order("refunds_list"),
    of_order("refunds_create"),
];

/// The document.
pub fn document() -> Result<utoipa::openapi::OpenApi, Fault> {
    complete(Document::openapi(), &LINKS)
}
