//! What the description of the API says beside its routes.

use flotilla_kit::http::openapi::Link;
use utoipa::OpenApi;

/// What comes first.
#[derive(OpenApi)]
#[openapi(info(
    title = "Flotilla shop: product-service",
    description = "What the shop sells: catalogue, categories, search and stock. Errors are problem+json (RFC 9457).",
    license(name = "Apache-2.0", identifier = "Apache-2.0"),
))]
pub(super) struct Description;

/// What is read and changed of a product by what it was made with.
const PRODUCT: &[(&str, &str)] = &[("id", "$response.body#/id")];
const PRODUCT_AS_IT_IS: &[(&str, &str)] =
    &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")];

/// The same of its first variant.
const VARIANT: &[(&str, &str)] = &[("sku", "$response.body#/variants/0/sku")];
const VARIANT_AS_IT_IS: &[(&str, &str)] = &[
    ("id", "$response.body#/id"),
    ("sku", "$response.body#/variants/0/sku"),
    ("If-Match", "$response.header.ETag"),
];

const fn of_product(to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { from: ("products_create", "201"), to, parameters }
}

const fn of_category(to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { from: ("categories_create", "201"), to, parameters }
}

const fn of_import(to: &'static str) -> Link {
    Link { from: ("imports_create", "202"), to, parameters: PRODUCT }
}

/// What follows from answers.
pub(super) const LINKS: [Link; 20] = [
    of_product("products_read", PRODUCT),
    of_product("products_replace", PRODUCT_AS_IT_IS),
    of_product("products_patch", PRODUCT_AS_IT_IS),
    of_product("products_delete", PRODUCT_AS_IT_IS),
    of_product("images_read", PRODUCT),
    of_product("images_replace", PRODUCT_AS_IT_IS),
    of_product("variants_list", PRODUCT),
    of_product("variants_add", PRODUCT_AS_IT_IS),
    of_product("variants_replace", VARIANT_AS_IT_IS),
    of_product("variants_delete", VARIANT_AS_IT_IS),
    of_product("stock_read", VARIANT),
    of_product("stock_adjust", VARIANT),
    of_product("stock_lay_out", VARIANT),
    of_product("stock_movements", VARIANT),
    of_category("categories_read", PRODUCT),
    of_category("categories_replace", PRODUCT_AS_IT_IS),
    of_category("categories_delete", PRODUCT_AS_IT_IS),
    Link {
        from: ("categories_create", "201"),
        to: "products_list",
        parameters: &[("category", "$response.body#/id")],
    },
    of_import("imports_read"),
    of_import("imports_errors"),
];
