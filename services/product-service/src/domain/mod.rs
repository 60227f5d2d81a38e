//! The rules of what is sold, without any I/O.

mod bucket;
mod category;
mod currency;
mod fault;
mod level;
mod lines;
mod listing;
mod product;
mod quote;
mod reservation;
mod sku;
mod slug;

pub use self::{
    bucket::{Free, even, spread},
    category::{CategoryInput, MAX_DEPTH},
    currency::{Currency, NoCurrency},
    fault::{Fault, Faults},
    level::Level,
    lines::{Line, Lines, NoLines},
    listing::{Filter, Position, Side, Sort},
    product::{Image, MAX_STOCK, Price, Product, ProductInput, Status, VariantInput, images},
    quote::{NoQuote, QuotedLine, Sold, quote},
    reservation::{Action, NoTransition, State, Transition, step},
    sku::{NoSku, Sku},
    slug::{NoSlug, Slug},
};
